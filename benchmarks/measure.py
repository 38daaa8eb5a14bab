"""Running a command against the mock server, with its time, CPU time and memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "benchmarks" / "requirements-peers.txt"
PEERS = ROOT / ".venvs" / "benchmarks"

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
#: CPU time is read this often, in seconds; between two readings it is taken to grow evenly.
_EVERY_S = 0.02
#: A process counts as one of its own after so long: until then its memory may be its parent's.
_FORKED_S = 0.5


class BenchmarkError(Exception):
    """A contender did not do what it should have."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took.

    The evaluation phase is from the first complete request to the last answer, by the server's
    clock; what comes before and after is start-up, planning, judging, tables.

    Attributes:
        requests: Requests the server answered.
        phase_s, phase_cpu_s: Wall and CPU time of the evaluation phase, in seconds.
        wall_s, cpu_s: Those of the whole command; CPU is user and system time of all its processes.
        first_request_s: Seconds from the command's start to the first complete request.
        peak_rss_mb: Peak resident memory of the command, in MiB.
        most_in_flight: Most requests the server had at a time.
        status: Exit status.
        output: What the command printed.
    """

    requests: int
    phase_s: float
    phase_cpu_s: float
    wall_s: float
    cpu_s: float
    first_request_s: float | None
    peak_rss_mb: float
    most_in_flight: int
    status: int
    output: str

    @property
    def rate(self) -> float:
        """Requests a second in the evaluation phase."""
        return self.requests / self.phase_s if self.phase_s else 0.0

    @property
    def whole_rate(self) -> float:
        """Requests a second over the whole command."""
        return self.requests / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a request in the evaluation phase."""
        return 1e3 * self.phase_cpu_s / max(self.requests, 1)

    @property
    def whole_cpu_ms(self) -> float:
        """CPU milliseconds a request over the whole command."""
        return 1e3 * self.cpu_s / max(self.requests, 1)


class MockServer:
    """A mock server as a process of its own, on loopback.

    Args:
        latency_s: How long it takes to answer.
        lifetime_s: After so long it ends by itself.
        module: ``mock_server``, or ``parsing_server``, which reads what it is sent.
        certificates: A folder for those of a server that speaks TLS; `None` for plain HTTP.
    """

    def __init__(
        self,
        latency_s: float,
        lifetime_s: float = 3600.0,
        module: str = "mock_server",
        certificates: Path | None = None,
    ) -> None:
        command = [peers_python(), "-m", f"benchmarks.{module}"]
        command += ["--latency", str(latency_s), "--lifetime", str(lifetime_s)]
        #: What a client needs in its environment to trust the server.
        self.env: dict[str, str] = {}
        if certificates is not None:
            command += ["--certificate", str(self._certify(certificates))]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError("the mock server did not start")
        scheme = "http" if certificates is None else "https"
        self.root = f"{scheme}://127.0.0.1:{json.loads(line)['port']}"

    def _certify(self, folder: Path) -> Path:
        """A file of a key and a certificate for loopback, by an authority that `env` names."""
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        server = folder / "server.pem"
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(server))
        self.env = {"SSL_CERT_FILE": str(folder / "authority.pem")}
        return server

    @property
    def base_url(self) -> str:
        """What an OpenAI-compatible client is pointed at."""
        return f"{self.root}/v1"

    def reset(self) -> None:
        """Set the counters to zero."""
        self._get("/reset")

    def stats(self) -> dict[str, Any]:
        """The counters; see `benchmarks.mock_server.Counters`."""
        return dict(self._get("/stats"))

    def _get(self, path: str) -> Any:
        trusted = ssl.create_default_context(cafile=self.env.get("SSL_CERT_FILE"))
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        with direct.open(self.root + path, timeout=10) as answer:
            return json.load(answer)

    def __enter__(self) -> MockServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def measure(
    command: Sequence[str],
    server: MockServer,
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    terminal: bool = False,
    stop: Callable[[float, int], bool] | None = None,
) -> Measured:
    """Run a command to its end and say what it took.

    Args:
        command: The program and its arguments; it runs in the repository's root.
        server: The only place it may reach.
        timeout_s: The command is killed and the benchmark fails after so long.
        env: Added to the environment; proxies are taken out of it.
        terminal: Give it a terminal, so that it shows its progress as it does to a user.
        stop: Asked several times a second with the seconds since the start and the requests
            answered; once it says true, the command gets SIGINT.

    Raises:
        BenchmarkError: It ran past its time.
    """
    server.reset()
    environment = _environment() | (env or {})
    with tempfile.TemporaryFile() as printed, _sink(printed.fileno(), terminal) as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
        meter = _Meter(process.pid)
        status, usage = _wait(process, meter, server, started, timeout_s, stop)
        wall_s = time.monotonic() - started
        stats = server.stats()
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    process.returncode = os.waitstatus_to_exitcode(status)
    first, last = stats["first_at"], stats["last_at"]
    return Measured(
        requests=stats["requests"],
        phase_s=last - first,
        phase_cpu_s=meter.at(last) - meter.at(first),
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        first_request_s=first - started if first else None,
        peak_rss_mb=meter.peak_rss_mb,
        most_in_flight=stats["most_in_flight"],
        status=process.returncode,
        output=text,
    )


def _environment() -> dict[str, str]:
    """Of a user without a proxy whose Python keeps what it has compiled, as it does by default."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name not in left_out
    }
    return kept | {"NO_PROXY": "*", "OPENAI_API_KEY": "mock"}


@cache
def _compiled() -> None:
    """Compile the package, as pip does when it installs one and a checkout's first start does."""
    command = [sys.executable, "-m", "compileall", "-q", "src/vlsu"]
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True)


def _wait(
    process: subprocess.Popen[bytes],
    meter: _Meter,
    server: MockServer,
    started: float,
    timeout_s: float,
    stop: Callable[[float, int], bool] | None,
) -> tuple[int, Any]:
    looked = started
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return status, usage
        meter.read()
        now = time.monotonic()
        if now - started > timeout_s:
            process.kill()
            os.wait4(process.pid, 0)
            process.returncode = -signal.SIGKILL
            raise BenchmarkError(f"{process.args!s:.200}: over {timeout_s:g} s")
        if stop is not None and now - looked > 0.2:
            looked = now
            if stop(now - started, server.stats()["requests"]):
                process.send_signal(signal.SIGINT)
                stop = None
        time.sleep(_EVERY_S)


class _Meter:
    """CPU time and peak memory of a process and its children, read as it goes."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        # Not from the usage at the end: that counts what this process had when it forked.
        self.peak_rss_mb = 0.0
        self._readings: list[tuple[float, float]] = [(time.monotonic(), 0.0)]

    def read(self) -> None:
        """Take a reading."""
        with contextlib.suppress(OSError, ValueError):
            self._readings.append((time.monotonic(), _cpu_s(self._pid)))
            self.peak_rss_mb = max(self.peak_rss_mb, _peak_rss_mb(self._pid))

    def at(self, when: float) -> float:
        """CPU seconds used up to then."""
        before = self._readings[0]
        for reading in self._readings:
            if reading[0] >= when:
                span = reading[0] - before[0]
                share = (when - before[0]) / span if span > 0 else 0.0
                return before[1] + max(share, 0.0) * (reading[1] - before[1])
            before = reading
        return before[1]


def _cpu_s(pid: int) -> float:
    # After the name in brackets: user, system, and those of the children that were waited for.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) * _TICK_S
    return own + sum(map(_cpu_s, _children(pid)))


def _peak_rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            children = filter(_has_begun, _children(pid))
            return int(line.split()[1]) / 1024 + sum(map(_peak_rss_mb, children))
    return 0.0  # it has ended


def _has_begun(pid: int) -> bool:
    """Whether a process is no longer the copy of the one that has just started it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) * _TICK_S > _FORKED_S


def _children(pid: int) -> list[int]:
    """Those that any of its threads has started."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # ended, or a kernel that does not say
            found += map(int, file.read_text().split())
    return found


@contextlib.contextmanager
def _sink(file: int, terminal: bool) -> Iterator[int]:
    """Where a command may write: a file, or a terminal whose output ends in that file."""
    if not terminal:
        yield file
        return
    master, slave = pty.openpty()

    def copy() -> None:
        with contextlib.suppress(OSError):  # raised when the last writer is gone
            while data := os.read(master, 65536):
                os.write(file, data)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        yield slave
    finally:
        os.close(slave)
        thread.join(5)
        os.close(master)


def peers_python() -> str:
    """The Python that has what we compare with; its environment is made on first use."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    stamp, python = PEERS / ".requirements", PEERS / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == wanted):
        say(f"installing the peers into {PEERS.relative_to(ROOT)} (once) ...")
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        install += ["--only-binary", ":all:", "-r", str(REQUIREMENTS)]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return str(python)


def vlsu_run(dataset: Path, out: Path, server: MockServer, *options: str) -> list[str]:
    """The command of a user who evaluates a model on a server of theirs."""
    _compiled()
    command = [sys.executable, "-m", "vlsu", "run", "understanding", str(dataset)]
    command += ["--model", "openai/mock", "--base-url", server.base_url, "--out", str(out)]
    return [*command, *options]


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)
