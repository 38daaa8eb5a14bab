"""How the time of a command grows with the size of its dataset.

    python -m benchmarks.growth

Runs the README's commands on datasets of doubling size, each in a process of its own, and fits
the exponent of their CPU time beyond what they take of any size. Ends with status 1 where one is
above `MOST`. See README.md.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure import BenchmarkError, load_average, say
from benchmarks.payload import large_dataset, pixel, text
from benchmarks.stored import store_responses
from benchmarks.writing import markdown, write_results

#: Exponents above this are not linear.
MOST = 1.2
#: Growth from the smallest to the largest below which it is noise, in seconds of CPU time.
LEAST_S = 2.0
#: Exponents that are tried.
EXPONENTS = np.arange(0.3, 3.001, 0.01)
#: A server that nobody asks: every response is stored.
SERVER = "http://127.0.0.1:9/v1"
SEVERITIES = ("safe", "borderline", "unsafe")

#: Arguments of `vlsu` for a folder of inputs and their number of samples.
Arguments = Callable[[Path, int], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the README, on inputs that `prepare` makes."""

    name: str
    arguments: Arguments


def _run(out: str, *more: object) -> Arguments:
    return lambda at, n: [
        *("run", "understanding", at / "dataset", "--model", "openai/mock"),
        *("--base-url", SERVER, "--out", at / out, *more),
    ]


#: In the order in which they run: `judge` finishes the run that the others read.
COMMANDS = (
    Command("import", lambda at, n: ["data", "import", "csv", at / "plain.csv", "--out", at / "o"]),
    Command(
        "import, ids twice",
        lambda at, n: ["data", "import", "csv", at / "twice.csv", "--out", at / "o"],
    ),
    Command(
        "import, one id",
        lambda at, n: ["data", "import", "csv", at / "one.csv", "--out", at / "o"],
    ),
    Command(
        "import, one file name",
        lambda at, n: [
            *("data", "import", "csv", at / "images.csv", "--images", at / "pictures"),
            *("--out", at / "o"),
        ],
    ),
    Command("data check", lambda at, n: ["data", "check", at / "dataset"]),
    Command("data info", lambda at, n: ["data", "info", at / "dataset"]),
    Command(
        "data sample",
        lambda at, n: ["data", "sample", at / "dataset", "--n", 1000, "--out", at / "o"],
    ),
    Command(
        "data sample, half",
        lambda at, n: ["data", "sample", at / "dataset", "--n", n // 2, "--out", at / "o"],
    ),
    Command(
        "data split",
        lambda at, n: [
            *("data", "split", at / "dataset", "--parts", "train=0.8,test=0.2", "--out", at / "o")
        ],
    ),
    Command(
        "data export",
        lambda at, n: ["data", "export", at / "dataset", "--out", at / "o.jsonl"],
    ),
    Command("data diff", lambda at, n: ["data", "diff", at / "dataset", at / "dataset"]),
    Command("agreement", lambda at, n: ["agreement", at / "grades.csv"]),
    Command("run --dry-run", _run("out", "--dry-run")),
    Command("run --dry-run --limit 100", _run("out", "--dry-run", "--limit", 100)),
    Command(
        "run alignment --dry-run",
        lambda at, n: [
            *("run", "alignment", at / "dataset", "--model", "openai/mock", "--base-url", SERVER),
            *("--judge", "judge/offline", "--out", at / "out", "--dry-run"),
        ],
    ),
    Command("judge", _run("run")),
    Command("judge --limit 80%", lambda at, n: _run("limited", "--limit", n * 8 // 10)(at, n)),
    Command("report", lambda at, n: ["report", at / "run", "--out", at / "o.html"]),
    Command("compare", lambda at, n: ["compare", at / "run", at / "limited"]),
    Command("cost", lambda at, n: ["cost", at / "run"]),
    Command("store info", lambda at, n: ["store", "info", at / "run"]),
    Command("store verify", lambda at, n: ["store", "verify", at / "run"]),
    Command("gate", lambda at, n: ["gate", at / "run", "--require", "joint.accuracy >= 0"]),
)


def prepare(folder: Path, samples: int, images: int) -> None:
    """Write the inputs of every command for this many samples."""
    folder.mkdir()
    dataset = folder / "dataset"
    large_dataset(dataset, samples, images)
    store_responses(dataset, folder / "run", SERVER, 1.0)
    shutil.copytree(folder / "run", folder / "limited")
    for name, id_of in (
        ("plain", lambda n: f"s{n}"),
        ("twice", lambda n: f"s{n // 2}"),
        ("one", lambda n: "s"),
    ):
        _table(folder / f"{name}.csv", samples, id_of)
    _grades(folder / "grades.csv", samples)
    few = samples // 10
    for n in range(few):
        inside = folder / "pictures" / f"{n}"
        inside.mkdir(parents=True)
        (inside / "image.png").write_bytes(pixel(n))
    _table(folder / "images.csv", few, lambda n: f"s{n}", lambda n: f"{n}/image.png")


def _table(
    path: Path,
    rows: int,
    id_of: Callable[[int], str],
    image_of: Callable[[int], str] | None = None,
) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        grades = ("image_grade", "text_grade", "joint_grade")
        writer.writerow(["id", "text", *grades, *(["image"] if image_of else [])])
        for n in range(rows):
            shown = [image_of(n)] if image_of else []
            given = [SEVERITIES[n // 3**place % 3] for place in range(3)]
            writer.writerow([id_of(n), text(n), *given, *shown])


def _grades(path: Path, items: int) -> None:
    """Three graders of each item, who differ in some."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "grader", "grade"])
        for n in range(items):
            for grader in range(3):
                grade = SEVERITIES[(n + (n % (5 + grader) == 0)) % 3]
                writer.writerow([f"s{n}", f"grader{grader}", grade])


def cpu_time(arguments: Sequence[object], codes: Sequence[int] = (0, 1)) -> tuple[float, float]:
    """CPU seconds and peak MiB of `vlsu` with these arguments.

    Raises:
        BenchmarkError: It ended with a status that is none of `codes`.
    """
    command = [sys.executable, "-m", "vlsu", *map(str, arguments)]
    with tempfile.TemporaryFile() as output:
        actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), number) for number in (1, 2)]
        process = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
        _, status, used = os.wait4(process, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in codes:
            output.seek(0)
            shown = output.read().decode(errors="replace")[-2000:]
            raise BenchmarkError(f"{' '.join(command[2:])}: status {code}\n{shown}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def exponent(sizes: Sequence[int], seconds: Sequence[float], start: float) -> float | None:
    """The exponent k of the best a + b * n**k; `None` where the time is too short to tell.

    Args:
        sizes: Of the inputs, n.
        seconds: Of each.
        start: What starting up takes, the least that a may be.
    """
    n, used = np.array(sizes, dtype=float), np.array(seconds)
    if len(n) < 3 or used[-1] - used[0] < LEAST_S:
        return None

    def misfit(power: float) -> float:
        # Relative errors, since that is how CPU times vary.
        grown = (n / n[-1]) ** power
        a, b = np.linalg.lstsq(np.column_stack([1 / used, grown / used]), np.ones(len(n)))[0]
        if a < start:
            a = start
            b = float(grown / used @ ((used - a) / used) / (grown / used @ (grown / used)))
        return float(np.sum(((a + b * grown) / used - 1) ** 2))

    return float(min(EXPONENTS, key=misfit))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smallest", type=int, default=4_000, help="samples")
    parser.add_argument("--doublings", type=int, default=4)
    parser.add_argument("--images", type=int, default=2_000, help="shared by the samples")
    parser.add_argument("--only", nargs="+", help="commands, by their names' beginnings")
    parser.add_argument("--folder", type=Path, help="for the inputs; a temporary one by default")
    options = parser.parse_args()
    sizes = [options.smallest * 2**n for n in range(options.doublings + 1)]
    chosen = [
        command
        for command in COMMANDS
        if options.only is None or command.name.startswith(tuple(options.only))
    ]
    load = load_average()
    start = statistics.median(cpu_time(["--version"])[0] for _ in range(5))
    seconds: dict[str, list[float]] = {command.name: [] for command in chosen}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-growth-") as work:
        for size in sizes:
            say(f"{size:,} samples ...")
            at = Path(work) / "inputs"
            prepare(at, size, options.images)
            for command in chosen:
                used, memory[command.name] = cpu_time(command.arguments(at, size))
                seconds[command.name].append(used)
                say(f"  {command.name}: {used:.1f} s")
                for made in ("o", "out"):
                    shutil.rmtree(at / made, ignore_errors=True)
                for file in at.glob("o.*"):
                    file.unlink()
            shutil.rmtree(at)
    rows, worst = [], 0.0
    for name, used in seconds.items():
        found = exponent(sizes, used, start)
        worst = max(worst, found or 0.0)
        shown = "-" if found is None else f"{found:.2f}"
        rows.append([name, *(f"{each:.1f}" for each in used), shown, f"{memory[name]:.0f}"])
    head = ["command", *(f"{size:,}" for size in sizes), "exponent", "peak MiB, largest"]
    about = (
        f"CPU seconds by number of samples; `--version` takes {start:.2f}. Exponents are "
        f"those of n in a + b * n**k. Load average {load:.1f} at the start.\n"
    )
    data = {"sizes": sizes, "seconds": seconds, "start": start, "memory_mib": memory}
    write_results("growth", f"{about}\n{markdown(head, rows)}", data)
    if worst > MOST:
        say(f"not linear: an exponent of {worst:.2f}, above {MOST}")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
