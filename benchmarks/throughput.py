"""Requests a second and CPU time a request: vlsu, bare clients, the OpenAI SDK, Inspect AI, wrk.

    python -m benchmarks.throughput

All in one run, interleaved, against one mock server on the same machine; see README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import (
    REQUIREMENTS,
    BenchmarkError,
    Measured,
    MockServer,
    load_average,
    measure,
    peers_python,
    say,
    vlsu_run,
)
from benchmarks.payload import BODIES, BODY_COUNT, image_dataset, write_requests
from benchmarks.writing import markdown, write_results

TIMEOUT_S = 300.0
#: Ends the names of those that are measured against the server that parses.
PARSING = "-parsing"
#: The same of those that are measured against the server that speaks TLS.
TLS = "-tls"


@dataclass(frozen=True, slots=True)
class Contender:
    """What is measured: the command is made anew for every round."""

    name: str
    label: str
    command: Callable[[], Sequence[str]]
    requests: int | None
    server: MockServer
    env: dict[str, str] | None = None
    terminal: bool = False

    def run(self) -> Measured:
        """One round.

        Raises:
            BenchmarkError: It failed, or did not ask what it should have.
        """
        measured = measure(
            self.command(),
            self.server,
            timeout_s=TIMEOUT_S,
            env=self.env,
            terminal=self.terminal,
        )
        wrong_count = self.requests is not None and measured.requests != self.requests
        if measured.status or wrong_count:
            raise BenchmarkError(
                f"{self.name}: status {measured.status}, {measured.requests} of {self.requests} "
                f"requests\n{measured.output[-2000:]}"
            )
        return measured


def contenders(
    options: argparse.Namespace,
    server: MockServer,
    parsing: MockServer,
    secure: MockServer,
    work: Path,
) -> list[Contender]:
    """Everyone against the server that costs nothing, and who matters against the other two."""
    n = options.samples
    joint, whole = "**vlsu run**, image and text", "**vlsu run**, image, text, joint"

    def vlsu(
        name: str, label: str, modalities: str, requests: int, server: MockServer
    ) -> Contender:
        def command() -> Sequence[str]:
            out = work / "run"
            shutil.rmtree(out, ignore_errors=True)
            choice = ["--modalities", modalities, "--concurrency", str(options.in_flight)]
            return vlsu_run(work / "dataset", out, server, *choice)

        return Contender(name, label, command, requests, server, server.env, terminal=True)

    def peer(
        name: str, label: str, requests: int, server: MockServer, suffix: str = ""
    ) -> Contender:
        command = [peers_python(), "-m", "benchmarks.contenders", name, "--url", server.base_url]
        command += ["--folder", str(work), "--requests", str(requests)]
        command += ["--in-flight", str(options.in_flight)]
        return Contender(name + suffix, label, lambda: command, requests, server)

    def wrk(name: str, server: MockServer) -> Contender:
        command = ["wrk", "-t1", f"-c{options.in_flight}", f"-d{options.wrk_seconds}s"]
        command += ["--timeout", "10s", "-s", "benchmarks/wrk.lua"]
        command += [f"{server.base_url}/chat/completions"]
        body = {"BODY": str(min((work / BODIES).iterdir()))}
        return Contender(name, "`wrk`, one body", lambda: command, None, server, body)

    sdk = f"OpenAI SDK {_peer('openai')}"
    return [
        wrk("wrk", server),
        peer("pyreqwest", f"pyreqwest {_peer('pyreqwest')}, bodies at hand", options.bare, server),
        peer("aiohttp", f"aiohttp {_peer('aiohttp')}, bodies at hand", options.bare, server),
        vlsu("vlsu-joint", joint, "joint", n, server),
        vlsu("vlsu-all", whole, "image,text,joint", 3 * n, server),
        peer("openai", sdk, options.sdk, server),
        peer("inspect", f"Inspect AI {_peer('inspect-ai')}", options.inspect, server),
        wrk(f"wrk{PARSING}", parsing),
        vlsu(f"vlsu-joint{PARSING}", joint, "joint", n, parsing),
        vlsu(f"vlsu-all{PARSING}", whole, "image,text,joint", 3 * n, parsing),
        peer("openai", sdk, options.sdk, parsing, PARSING),
        vlsu(f"vlsu-joint{TLS}", joint, "joint", n, secure),
        vlsu(f"vlsu-all{TLS}", whole, "image,text,joint", 3 * n, secure),
    ]


def _peer(name: str) -> str:
    """The version of a peer, as pinned."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of a contender's rounds."""

    name: str
    label: str
    requests: int
    rate: float
    cpu_ms: float
    whole_rate: float
    whole_cpu_ms: float
    peak_rss_mb: float
    most_in_flight: int

    @classmethod
    def of(cls, contender: Contender, rounds: Sequence[Measured]) -> Row:
        def median(name: str) -> float:
            return float(statistics.median(getattr(measured, name) for measured in rounds))

        return cls(
            contender.name,
            contender.label,
            int(median("requests")),
            median("rate"),
            median("cpu_ms"),
            median("whole_rate"),
            median("whole_cpu_ms"),
            median("peak_rss_mb"),
            int(median("most_in_flight")),
        )

    def cells(self, wrk: float) -> list[str]:
        return [
            self.label,
            f"{self.requests:,}",
            f"{self.rate:,.0f}",
            f"{self.rate / wrk:.3f}",
            f"{self.cpu_ms:.2f}" if self.cpu_ms < 10 else f"{self.cpu_ms:.0f}",
            f"{self.whole_rate:,.0f}",
            f"{self.whole_rate / wrk:.3f}",
            f"{self.whole_cpu_ms:.2f}" if self.whole_cpu_ms < 10 else f"{self.whole_cpu_ms:.0f}",
            f"{self.peak_rss_mb:,.0f}",
            f"{self.most_in_flight}",
        ]


HEAD = [
    "",
    "requests",
    "/s",
    "of `wrk`",
    "CPU ms",
    "/s, whole run",
    "of `wrk`, whole run",
    "CPU ms, whole run",
    "peak MiB",
    "in flight",
]


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """What the README quotes: vlsu's rate to the others', against the same server.

    The evaluation phases, and vlsu's whole command to the others' evaluation phase: start-up,
    planning, judging and metrics count for vlsu, and no one else's start-up does.
    """
    by = {row.name: row for row in rows}
    found = {}
    for suffix in ("", PARSING):
        for ours in ("vlsu-joint", "vlsu-all"):
            for peer in ("wrk", "openai", "inspect"):
                if ours + suffix in by and peer + suffix in by:
                    mine, other = by[ours + suffix], by[peer + suffix]
                    found[f"{mine.name} / {other.name}"] = mine.rate / other.rate
                    found[f"{mine.name} / {other.name}, whole run"] = mine.whole_rate / other.rate
    for ours in ("vlsu-joint", "vlsu-all"):
        if ours in by and ours + TLS in by:
            found[f"{ours}{TLS} / {ours}"] = by[ours + TLS].rate / by[ours].rate
            found[f"{ours}{TLS} / {ours}, CPU"] = by[ours + TLS].cpu_ms / by[ours].cpu_ms
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.02, help="of the server, in seconds")
    parser.add_argument("--image-bytes", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=10_000, help="of vlsu's dataset")
    parser.add_argument("--bare", type=int, default=20_000, help="requests of the fast clients")
    parser.add_argument("--sdk", type=int, default=2_000, help="requests of the OpenAI SDK")
    parser.add_argument("--inspect", type=int, default=1_000, help="samples of Inspect AI")
    parser.add_argument("--wrk-seconds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of contenders, comma-separated")
    parser.add_argument("--folder", type=Path, help="for the dataset; a temporary one by default")
    options = parser.parse_args()
    if shutil.which("wrk") is None and (not options.only or "wrk" in options.only):
        parser.error("wrk is not installed (a package of that name: apt-get install wrk)")
    peers_python()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-throughput-") as work:
        table, data = run(options, Path(work))
    write_results("throughput", table, data)
    return 0


def run(options: argparse.Namespace, work: Path) -> tuple[str, dict[str, object]]:
    size = options.samples * options.image_bytes / 1e9
    say(f"writing {options.samples:,} images, {size:.1f} GB ...")
    dataset = image_dataset(work / "dataset", options.samples, options.image_bytes)
    write_requests(dataset, work, max(options.sdk, options.inspect, BODY_COUNT))
    loads: list[float] = []
    rounds: dict[str, list[Measured]] = {}
    with (
        MockServer(options.latency) as server,
        MockServer(options.latency, module="parsing_server") as parsing,
        MockServer(options.latency, certificates=work) as secure,
    ):
        wanted = [name for name in options.only.split(",") if name]
        everyone = contenders(options, server, parsing, secure, work)
        chosen = [c for c in everyone if not wanted or c.name in wanted]
        for number in range(options.rounds):
            for contender in chosen:
                loads.append(load_average())
                measured = contender.run()
                rounds.setdefault(contender.name, []).append(measured)
                say(
                    f"round {number + 1}  {contender.name:18} {measured.rate:8,.0f}/s "
                    f"({measured.whole_rate:8,.0f}/s whole) {measured.cpu_ms:7.3f} ms CPU  "
                    f"load {loads[-1]:.1f}"
                )
    rows = [Row.of(contender, rounds[contender.name]) for contender in chosen]
    return report(options, rows, rounds, loads)


def _server(row: Row) -> str:
    """How the names of those end that are measured against the same server."""
    return next((each for each in (PARSING, TLS) if row.name.endswith(each)), "")


def report(
    options: argparse.Namespace,
    rows: Sequence[Row],
    rounds: dict[str, list[Measured]],
    loads: Sequence[float],
) -> tuple[str, dict[str, object]]:
    tables = []
    for heading, part in (
        ("A server that drops what it is sent", [r for r in rows if not _server(r)]),
        ("A server that parses what it is sent", [r for r in rows if _server(r) == PARSING]),
        ("The server that drops it, behind TLS", [r for r in rows if _server(r) == TLS]),
    ):
        if part:
            suffix = "" if _server(part[0]) == TLS else _server(part[0])
            wrk = next((r.rate for r in rows if r.name == f"wrk{suffix}"), float("nan"))
            tables.append(f"{heading}:\n\n{markdown(HEAD, [row.cells(wrk) for row in part])}")
    table = "\n".join(tables)
    found = ratios(rows)
    conditions = {
        "latency_s": options.latency,
        "in_flight": options.in_flight,
        "image_bytes": options.image_bytes,
        "rounds": options.rounds,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load_average": {
            "least": min(loads),
            "median": statistics.median(loads),
            "most": max(loads),
        },
        "bound_by_latency_per_s": options.in_flight / options.latency,
    }
    words = (
        f"Medians of {options.rounds} interleaved rounds; {options.in_flight} in flight, "
        f"{options.latency * 1e3:g} ms latency (so {options.in_flight / options.latency:,.0f}/s at "
        f"most), images of {options.image_bytes:,} bytes; {conditions['cores']} cores shared with "
        f"the server; load average {min(loads):.1f} to {max(loads):.1f}.\n"
    )
    told = "".join(f"- {name}: {value:.3g}\n" for name, value in found.items())
    data: dict[str, object] = {
        "conditions": conditions,
        "ratios": found,
        "medians": [asdict(row) for row in rows],
        "rounds": {
            name: [{k: v for k, v in asdict(measured).items() if k != "output"} for measured in of]
            for name, of in rounds.items()
        },
    }
    return f"{words}\n{table}\n{told}", data


if __name__ == "__main__":
    sys.exit(main())
