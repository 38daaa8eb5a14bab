"""How the time of a command grows with the size of its dataset.

    python -m benchmarks.growth

Runs the README's commands on datasets of doubling size, each in a process of its own, and fits
the exponent of the CPU time that they take beyond that on a very small dataset. Ends with status 1
where one is above `MOST`. See README.md.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.loopback import serving
from benchmarks.measure import BenchmarkError, load_average, say
from benchmarks.payload import large_dataset, pixel, synthetic, text
from benchmarks.stored import store_responses
from benchmarks.writing import markdown, write_results
from vlsu.data import Sample

#: Exponents above this are not linear.
MOST = 1.2
#: Samples of the dataset whose CPU time is what a command takes of any size.
TINY = 100
#: CPU time beyond that below which it is noise: of a size that counts, and of the largest.
LEAST_S, LEAST_OF_LARGEST_S = 0.5, 3.0
#: A server that nobody asks: every response is stored.
SERVER = "http://127.0.0.1:9/v1"
SEVERITIES = ("safe", "borderline", "unsafe")

#: Arguments of `vlsu` for a folder of inputs, their number of samples and a server's address.
Arguments = Callable[[Path, int, str], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the README, on inputs that `prepare` makes.

    Attributes:
        serves: Whether it is measured until its first page is there, and ended then.
        once: Whether it changes its inputs, so that a second time would take another time.
    """

    name: str
    arguments: Arguments
    serves: bool = False
    once: bool = False


def _run(out: str, *more: object) -> Arguments:
    return lambda at, n, root: [
        *("run", "understanding", at / "dataset", "--model", "openai/mock"),
        *("--base-url", SERVER, "--out", at / out, *more),
    ]


def _imported(kind: str, file: str) -> Arguments:
    return lambda at, n, root: ["data", "import", kind, at / file, "--out", at / "o"]


#: In the order in which they run: `judge` finishes the run that the others read.
COMMANDS = (
    Command("import", _imported("csv", "plain.csv")),
    Command("import, released file", _imported("vlsu", "vlsu.csv")),
    Command("import, JSON lines", _imported("jsonl", "plain.jsonl")),
    Command("import, Parquet", _imported("parquet", "plain.parquet")),
    Command("import, ids twice", _imported("csv", "twice.csv")),
    Command("import, one id", _imported("csv", "one.csv")),
    Command(
        "import, one file name",
        lambda at, n, root: [
            *("data", "import", "csv", at / "images.csv", "--images", at / "pictures"),
            *("--out", at / "o"),
        ],
    ),
    Command(
        "data fetch",
        lambda at, n, root: ["data", "fetch", at / "addresses", "--allow-private"],
        once=True,
    ),
    Command("data check", lambda at, n, root: ["data", "check", at / "dataset"]),
    Command("data info", lambda at, n, root: ["data", "info", at / "dataset"]),
    Command(
        "data sample",
        lambda at, n, root: [
            "data",
            "sample",
            at / "dataset",
            "--n",
            min(n, 1000),
            "--out",
            at / "o",
        ],
    ),
    Command(
        "data sample, half",
        lambda at, n, root: ["data", "sample", at / "dataset", "--n", n // 2, "--out", at / "o"],
    ),
    Command(
        "data split",
        lambda at, n, root: [
            *("data", "split", at / "dataset", "--parts", "train=0.8,test=0.2", "--out", at / "o")
        ],
    ),
    Command(
        "data export",
        lambda at, n, root: ["data", "export", at / "dataset", "--out", at / "o.jsonl"],
    ),
    Command("data diff", lambda at, n, root: ["data", "diff", at / "dataset", at / "dataset"]),
    Command(
        "data filter",
        lambda at, n, root: [
            *("data", "filter", at / "dataset", "--where", "joint_grade=unsafe", "--out", at / "o")
        ],
    ),
    Command(
        "data merge",
        lambda at, n, root: [
            *("data", "merge", at / "dataset", at / "addresses", "--out", at / "o")
        ],
    ),
    Command("agreement", lambda at, n, root: ["agreement", at / "grades.csv"]),
    Command("run --dry-run", _run("out", "--dry-run")),
    Command("run --dry-run --limit 100", _run("out", "--dry-run", "--limit", 100)),
    Command(
        "run alignment --dry-run",
        lambda at, n, root: [
            *("run", "alignment", at / "dataset", "--model", "openai/mock", "--base-url", SERVER),
            *("--judge", "judge/offline", "--out", at / "out", "--dry-run"),
        ],
    ),
    Command(
        "run",
        lambda at, n, root: [
            *("run", "understanding", at / "few", "--model", "openai/mock"),
            *("--base-url", f"{root}/v1", "--out", at / "out"),
        ],
    ),
    Command(
        "run alignment",
        lambda at, n, root: [
            *("run", "alignment", at / "few", "--model", "openai/mock"),
            *("--base-url", f"{root}/v1", "--judge", "judge/offline", "--out", at / "out"),
        ],
    ),
    Command("judge", _run("run"), once=True),
    Command(
        "judge --limit 80%",
        lambda at, n, root: _run("limited", "--limit", n * 8 // 10)(at, n, root),
        once=True,
    ),
    Command("report", lambda at, n, root: ["report", at / "run", "--out", at / "o.html"]),
    Command("view", lambda at, n, root: ["view", at / "run", "--port", 0], serves=True),
    Command("compare", lambda at, n, root: ["compare", at / "run", at / "limited"]),
    Command("cost", lambda at, n, root: ["cost", at / "run"]),
    Command("store info", lambda at, n, root: ["store", "info", at / "run"]),
    Command("store verify", lambda at, n, root: ["store", "verify", at / "run"]),
    Command("gate", lambda at, n, root: ["gate", at / "run", "--require", "joint.accuracy >= 0"]),
)


def prepare(folder: Path, samples: int, images: int, root: str) -> None:
    """Write the inputs of every command for this many samples; a tenth of them where all is asked.

    Args:
        folder: Where; made.
        samples: How many.
        images: That they share.
        root: Address of the server of `benchmarks.loopback`.
    """
    folder.mkdir()
    dataset, few = folder / "dataset", samples // 10
    large_dataset(dataset, samples, images)
    large_dataset(folder / "few", few, images)
    addresses = (Sample(f"s{n}", text(n), image_url=f"{root}/{n}.png") for n in range(few))
    synthetic(folder / "addresses", addresses)
    store_responses(dataset, folder / "run", SERVER, 1.0)
    shutil.copytree(folder / "run", folder / "limited")
    for name, id_of in (
        ("plain", lambda n: f"s{n}"),
        ("twice", lambda n: f"s{n // 2}"),
        ("one", lambda n: "s"),
    ):
        _table(folder / f"{name}.csv", samples, id_of)
    table = pl.read_csv(folder / "plain.csv")
    table.write_ndjson(folder / "plain.jsonl")
    table.write_parquet(folder / "plain.parquet")
    _released(folder / "vlsu.csv", table)
    _grades(folder / "grades.csv", samples)
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


def _released(path: Path, table: pl.DataFrame) -> None:
    """The table with the columns of the released file, and an address of each image."""
    categories = dict.fromkeys(("image_category", "text_category", "combined_category"), "C1")
    table.select(
        pl.col("id").alias("uuid"),
        pl.format("https://images.example/{}.jpg", "id").alias("web_path"),
        pl.col("text").alias("prompt"),
        "image_grade",
        pl.col("text_grade").alias("consensus_text_grade"),
        pl.col("joint_grade").alias("consensus_combined_grade"),
        **{name: pl.lit(category) for name, category in categories.items()},
    ).write_csv(path)


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


def first_page(arguments: Sequence[object]) -> tuple[float, float]:
    """CPU seconds and peak MiB of `vlsu view` with these arguments until its first page is read.

    Raises:
        BenchmarkError: It did not start.
    """
    command = [sys.executable, "-m", "vlsu", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"http://\S+", process.stderr.readline())
            if address is None:
                raise BenchmarkError(f"{' '.join(command[2:])}: did not start")
            with urllib.request.urlopen(address[0], timeout=600) as answer:
                answer.read()
        finally:
            process.terminate()
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def exponent(sizes: Sequence[int], seconds: Sequence[float], fixed: float) -> float | None:
    """The exponent k of the best b * n**k; `None` where the time is too short to tell.

    Args:
        sizes: Of the inputs, n.
        seconds: CPU time of each.
        fixed: What is taken of any size; it is left out.
    """
    n, net = np.array(sizes, dtype=float), np.array(seconds) - fixed
    counted = net >= LEAST_S
    if counted.sum() < 3 or net[-1] < LEAST_OF_LARGEST_S:
        return None
    # The least squares of logarithms, since CPU times vary in proportion to themselves.
    return float(np.polyfit(np.log(n[counted]), np.log(net[counted]), 1)[0])


def measured(command: Command, at: Path, n: int, root: str, repeats: int) -> tuple[float, float]:
    """CPU seconds and peak MiB of a command, the least of so many times; what it wrote is removed.

    Others on the machine only ever add to CPU time.
    """
    taken = []
    for _ in range(1 if command.once else repeats):
        measure = first_page if command.serves else cpu_time
        taken.append(measure(command.arguments(at, n, root)))
        for made in ("o", "out"):
            shutil.rmtree(at / made, ignore_errors=True)
        for file in at.glob("o.*"):
            file.unlink()
    return min(taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smallest", type=int, default=4_000, help="samples")
    parser.add_argument("--doublings", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=2, help="times that each is measured")
    parser.add_argument("--share", type=int, default=10, help="samples that share an image")
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
    seconds: dict[str, list[float]] = {command.name: [] for command in chosen}
    memory: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-growth-") as work,
        serving() as root,
    ):
        for size in (TINY, *sizes):
            say(f"{size:,} samples ...")
            at = Path(work) / "inputs"
            prepare(at, size, max(1, size // options.share), root)
            for command in chosen:
                used, memory[command.name] = measured(command, at, size, root, options.repeats)
                seconds[command.name].append(used)
                say(f"  {command.name}: {used:.1f} s")
            shutil.rmtree(at)
    rows, worst = [], 0.0
    for name, (fixed, *used) in seconds.items():
        found = exponent(sizes, used, fixed)
        worst = max(worst, found or 0.0)
        shown = "-" if found is None else f"{found:.2f}"
        times = (f"{each:.1f}" for each in (fixed, *used))
        rows.append([name, *times, shown, f"{memory[name]:.0f}"])
    head = ["command", *(f"{n:,}" for n in (TINY, *sizes)), "exponent", "peak MiB, largest"]
    about = (
        f"CPU seconds by number of samples, the least of {options.repeats} each. Exponents are "
        f"those of n in what is taken beyond the time of {TINY} samples, where that is {LEAST_S} s "
        f"or more in three sizes and {LEAST_OF_LARGEST_S} s in the largest. Load average "
        f"{load:.1f} at the start.\n"
    )
    data = {"sizes": [TINY, *sizes], "seconds": seconds, "memory_mib": memory}
    write_results("growth", f"{about}\n{markdown(head, rows)}", data)
    if worst > MOST:
        say(f"not linear: an exponent of {worst:.2f}, above {MOST}")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
