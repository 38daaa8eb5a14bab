"""Fetching images, against ``curl --parallel`` on the same list, and its memory.

    python -m benchmarks.fetch

A server on loopback (`benchmarks.image_server`) sends JPEG files of 100 KB, each different. curl
and `vlsu data fetch` take turns; of each the wall and CPU time. Then datasets of growing size whose
addresses are all refused: what every address passes through but the network. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import ROOT, BenchmarkError, load_average, say
from benchmarks.writing import markdown, write_results
from vlsu.data import Sample, write_dataset

HEAD = ["what", "images or rows", "wall s", "CPU s", "a second", "peak MiB"]
#: Options of `vlsu data fetch`: as many at a time as curl has by default.
SAME_CONCURRENCY = ("--concurrency", "50", "--per-host", "50")


@dataclass(frozen=True)
class Timed:
    """What a command took: wall time, CPU time of all its processes, peak memory."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=8187)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="for what is fetched; a temporary one else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-fetch-") as work:
        if options.images:
            _write("fetch", *_compare(Path(work), options.images, options.rounds))
        if options.rows:
            _write("fetch_memory", *_grow(Path(work), options.rows))
    return 0


def _write(name: str, words: str, timed: Sequence[tuple[str, int, Timed]]) -> None:
    """Write a table of what was timed: its name, how many, and what they took."""
    rows = [
        [what, f"{n:,}", *(f"{each:,.1f}" for each in (t.wall_s, t.cpu_s, n / t.wall_s, t.peak_mb))]
        for what, n, t in timed
    ]
    data = [{"what": what, "count": n, **asdict(t)} for what, n, t in timed]
    write_results(name, f"{words}\n\n{markdown(HEAD, rows)}", {"words": words, "rows": data})


def _grow(folder: Path, sizes: Sequence[int]) -> tuple[str, list[tuple[str, int, Timed]]]:
    """Datasets of so many addresses, all refused."""
    load, timed = load_average(), []
    for count in sizes:
        say(f"{count:,} addresses ...")
        dataset = folder / "dataset"
        _dataset(dataset, (f"http://10.{n % 250}.0.1/some/path/{n}.jpg" for n in range(count)))
        timed.append(("addresses that are all refused", count, _run(_vlsu(dataset))))
        shutil.rmtree(dataset)
    return f"Load average {load:.1f} at the start.", timed


def _compare(folder: Path, images: int, rounds: int) -> tuple[str, list[tuple[str, int, Timed]]]:
    """Rounds of curl and vlsu in turn; medians, and the ratios of the wall times."""
    load = load_average()
    times: dict[str, list[Timed]] = {}
    with _server() as root:
        urls = [f"{root}/{n}.jpg" for n in range(images)]
        for _ in range(rounds):
            for what in ("curl --parallel", "default", "same"):
                target = folder / "fetched"
                target.mkdir()
                if what.startswith("curl"):
                    command = _curl(folder, target, urls)
                else:
                    _dataset(target, urls)
                    more = SAME_CONCURRENCY if what == "same" else ()
                    command = _vlsu(target, "--allow-private", *more)
                times.setdefault(what, []).append(_run(command))
                found = sum(1 for path in target.rglob("*.jpg"))
                if found != images:
                    raise BenchmarkError(f"{what}: {found} of {images} images")
                shutil.rmtree(target)
    middle = {
        what: Timed(*(median(getattr(t, name) for t in each) for name in Timed.__annotations__))
        for what, each in times.items()
    }
    base = middle["curl --parallel"].wall_s
    words = (
        f"JPEG files of 100 KB from one server on loopback; {rounds} rounds, medians; vlsu took "
        f"{middle['default'].wall_s / base:.2f} times curl's wall time with its defaults, "
        f"{middle['same'].wall_s / base:.2f} times with as many requests at a time. "
        f"Load average {load:.1f} at the start."
    )
    names = {"default": "vlsu data fetch", "same": f"vlsu data fetch {' '.join(SAME_CONCURRENCY)}"}
    return words, [(names.get(what, what), images, each) for what, each in middle.items()]


def _curl(folder: Path, target: Path, urls: Sequence[str]) -> list[str]:
    config = folder / "curl.txt"
    pairs = (f'url = "{url}"\noutput = "{target / f"{n}.jpg"}"' for n, url in enumerate(urls))
    config.write_text("\n".join(pairs))
    return ["curl", "--silent", "--fail", "--parallel", "--config", str(config)]


def _vlsu(dataset: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "vlsu", "data", "fetch", str(dataset), "--json", *options]


def _dataset(folder: Path, urls: Iterable[str]) -> None:
    write_dataset(
        folder,
        (Sample(f"s{n}", text=f"text {n}", image_url=url) for n, url in enumerate(urls)),
        name="addresses", version="1", licence="CC0-1.0", citation="", source="made",
    )  # fmt: skip


def _run(command: Sequence[str]) -> Timed:
    environment = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    peak_kb, pid = 0, 0
    while not pid:
        peak_kb = max(peak_kb, _peak_kb(process.pid))
        time.sleep(0.02)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"{command[0]}: exit code {process.returncode}")
    wall_s = time.monotonic() - started
    return Timed(wall_s, usage.ru_utime + usage.ru_stime, peak_kb / 1024)


def _peak_kb(pid: int) -> int:
    """Peak resident memory; that of `wait4` counts the process it was forked from."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0)


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.image_server"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    raise SystemExit(main())
