"""The number of requests in flight that a run finds by itself, against numbers given to it.

    python -m benchmarks.concurrency

Whole runs of the command against a server on this machine that answers after a while, each with the
number found and with numbers given; then the executor in virtual time, against servers of many
kinds and latencies. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.measure import load_average, say
from benchmarks.simulated import (
    LATENCIES,
    Draw,
    RefusingMany,
    RefusingQuick,
    Server,
    Slots,
    Slowing,
    simulate,
)
from benchmarks.writing import markdown, percent, write_results
from vlsu.data import Sample, write_dataset
from vlsu.policy import Severity, default_policy

TIMEOUT_S = 300.0
#: Numbers given, to compare with; `None` is the number found.
GIVEN = (None, 256, 1024)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


# Real runs


@dataclass(frozen=True, slots=True)
class Case:
    """So many texts, each answered after one of two times, with the same chance."""

    name: str
    texts: int
    latencies_s: tuple[float, float]


CASES = [
    Case("0.3 s or 5 s", 4000, (0.3, 5.0)),
    Case("2 s", 4000, (2.0, 2.0)),
    Case("0.15 s or 1.8 s", 9000, (0.15, 1.8)),
]


def serve(latencies_s: Sequence[float], ready: Connection) -> None:
    """Answer on loopback, each request after one of these times."""
    draws = random.Random(1)
    text = '{"severity": "safe", "category": null}'
    message = {"role": "assistant", "content": text}
    body = json.dumps(
        {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    answer = head.encode() + b"\r\n\r\n" + body
    in_flight = most = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal in_flight, most
        try:
            while True:
                found = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(int(found[1]) if found else 0)
                in_flight += 1
                most = max(most, in_flight)
                await asyncio.sleep(draws.choice(latencies_s))
                in_flight -= 1
                writer.write(answer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=2048, limit=2**20)
        ready.send(server.sockets[0].getsockname()[1])
        while not ready.poll():
            await asyncio.sleep(0.1)
        ready.send(most)

    asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Timed:
    """A whole run: seconds, and the most requests that the server had at a time."""

    case: str
    given: int | None
    seconds: float
    most_in_flight: int


def timed(case: Case, given: int | None, dataset: Path, out: Path) -> Timed:
    """Run the command once."""
    ours, its = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(case.latencies_s, its), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    command = [sys.executable, "-m", "vlsu", "run", "understanding", str(dataset), "--out"]
    command += [str(out), "--model", "openai/mock", "--base-url", url, "--modalities", "text"]
    command += [] if given is None else ["--concurrency", str(given)]
    began = time.perf_counter()
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
        seconds = time.perf_counter() - began
        ours.send("end")
        most = int(ours.recv())
    finally:
        server.terminate()
        server.join(10)
    return Timed(case.name, given, seconds, most)


def texts(folder: Path, count: int) -> Path:
    """A dataset of so many texts."""
    rows = [Sample(id=f"s{n}", text=f"text {n}", text_grade=Severity(n % 3)) for n in range(count)]
    about = {"name": "texts", "version": "1", "licence": "CC0-1.0", "citation": ""}
    write_dataset(folder, rows, **about, source="benchmark", policy=default_policy())
    return folder


# Simulated runs

MOST = 256


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server, and the levels at which it might answer the most, to be tried."""

    name: str
    make: Callable[[Draw], Server]
    seconds: float
    levels: tuple[int, ...]


KINDS = [
    Kind("without limits", Server, 60, (MOST,)),
    Kind("works on 40 at a time", lambda draw: Slots(draw, 40), 300, (80,)),
    Kind(
        "slows down, best at 20 in flight",
        lambda draw: Slowing(draw, knee=20, power=2),
        600,
        (14, 20, 28),
    ),
    Kind("refuses beyond 40 in flight", lambda draw: RefusingMany(draw, 40), 300, (40,)),
    Kind("refuses beyond 40 a second", lambda draw: RefusingQuick(draw, 40), 300, (48, 64)),
]


@dataclass(frozen=True, slots=True)
class Found:
    """What a simulated run came to.

    Attributes:
        share: Of the answers a second at the best level, in the second half of the time.
        level: The median level in that half.
        ramp: Mean latencies until the level was first at nine tenths of that.
    """

    kind: str
    latency: str
    share: float
    level: float
    ramp: float


def found(kind: Kind, latency: str) -> Found:
    """Run the executor with the number found, and with each that might be the best."""
    draw = LATENCIES[latency]
    best = max(
        simulate(kind.make(draw), seconds=kind.seconds, concurrency=level).rate()
        for level in kind.levels
    )
    run = simulate(kind.make(draw), seconds=kind.seconds, most=MOST)
    level = statistics.median(run.levels[len(run.levels) // 2 :])
    first = next(n for n, each in enumerate(run.levels, 1) if each >= 0.9 * level)
    ramp = kind.seconds * first / len(run.levels)
    return Found(kind.name, latency, run.rate() / best, level, ramp)


# All of it


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of texts")
    options = parser.parse_args()
    load = load_average()
    runs = []
    with tempfile.TemporaryDirectory(prefix="vlsu-concurrency-") as work:
        for number, case in enumerate(CASES):
            count = int(case.texts * options.scale)
            dataset = texts(Path(work) / f"texts-{number}", count)
            for given in GIVEN:
                runs.append(timed(case, given, dataset, Path(work) / f"run-{number}-{given}"))
                say(f"{case.name}, {given or 'found'}: {runs[-1].seconds:.1f} s")
    cells = []
    for kind in KINDS:
        for latency in LATENCIES:
            cells.append(found(kind, latency))
            say(f"{kind.name}, {latency}: {percent(cells[-1].share)}%")
    write_results(
        "concurrency", _report(runs, cells, load, options.scale), _data(runs, cells, load)
    )
    return 0


def _data(runs: list[Timed], cells: list[Found], load: float) -> dict[str, object]:
    return {
        "load_average": load,
        "runs": [asdict(run) for run in runs],
        "simulated": [asdict(cell) for cell in cells],
    }


def _report(runs: list[Timed], cells: list[Found], load: float, scale: float) -> str:
    counts = {case.name: int(case.texts * scale) for case in CASES}
    real = [
        [
            f"{counts[run.case]:,}",
            run.case,
            "found" if run.given is None else f"{run.given:,}",
            f"{run.seconds:.1f}",
            f"{counts[run.case] / run.seconds:.0f}",
            f"{run.most_in_flight:,}",
        ]
        for run in runs
    ]
    simulated = [
        [
            cell.kind,
            cell.latency,
            percent(cell.share),
            f"{cell.level:.0f}",
            f"{cell.ramp:.1f}",
        ]
        for cell in cells
    ]
    return (
        "# Requests in flight: found, and given\n\n"
        f"`python -m benchmarks.concurrency`; load average {load:.1f} at the start.\n\n"
        "## Whole runs\n\n"
        "The command from start to end, against a server of unlimited capacity whose latency is "
        "one of two with the same chance.\n\n"
        + markdown(
            ["texts", "latency", "in flight", "s", "answers a second", "most at a time"], real
        )
        + "\n## Simulated servers\n\n"
        f"Latencies with a mean of a second, at most {MOST} in flight. *Share*: answers a second "
        "in the second half of the time, in percent of those at the best level given; *level*: "
        "its median in that half; *ramp*: mean latencies until nine tenths of that level,\n"
        "which says little where it is the rate that the server limits.\n\n"
        + markdown(["server", "latency", "share %", "level", "ramp"], simulated)
    )


if __name__ == "__main__":
    sys.exit(main())
