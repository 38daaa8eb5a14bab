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
from dataclasses import dataclass
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
    load = load_average()
    rows: list[list[object]] = []
    data: list[dict[str, object]] = []

    def note(what: str, count: int, timed: Timed) -> None:
        rate = count / timed.wall_s
        figures = (
            f"{timed.wall_s:.1f}",
            f"{timed.cpu_s:.1f}",
            f"{rate:,.0f}",
            f"{timed.peak_mb:.0f}",
        )
        rows.append([what, f"{count:,}", *figures])
        data.append({"what": what, "count": count, **timed.__dict__})
        say(f"{what}: {timed.wall_s:.1f} s")

    ratio = None
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-fetch-") as work:
        folder = Path(work)
        if options.images:
            ratio = _compare(folder, options.images, options.rounds, note)
        for count in options.rows:
            dataset = folder / "dataset"
            _dataset(
                dataset, [f"http://10.{n % 1000 % 250}.0.1/some/path/{n}.jpg" for n in range(count)]
            )
            timed = _run(_vlsu(dataset))
            note("rows that are all refused", count, timed)
            shutil.rmtree(dataset)
    words = f"Load average {load:.1f} at the start."
    if ratio is not None:
        words = (
            f"JPEG files of 100 KB from one server on loopback; {options.rounds} rounds, medians; "
            f"vlsu took {ratio['default']:.2f} times curl's wall time with its defaults, "
            f"{ratio['same']:.2f} times with as many requests at a time. {words}"
        )
    table = markdown(HEAD, rows)
    write_results("fetch", f"{words}\n\n{table}", {"load": load, "ratio": ratio, "rows": data})
    return 0


def _compare(folder: Path, images: int, rounds: int, note) -> dict[str, float]:
    """Rounds of curl and vlsu in turn; the ratios of their median wall times."""
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
    note("curl --parallel", images, middle["curl --parallel"])
    note("vlsu data fetch", images, middle["default"])
    note(f"vlsu data fetch {' '.join(SAME_CONCURRENCY)}", images, middle["same"])
    base = middle["curl --parallel"].wall_s
    return {what: middle[what].wall_s / base for what in ("default", "same")}


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
