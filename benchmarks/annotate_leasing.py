"""How long a grader's next item takes at 1,000,000 slots, in SQLite and in PostgreSQL.

Each situation is one in which the look-up could be slow: a new project, a grader with a long
history, a project that is nearly done, a grader whose every remaining item is of a category they
opted out of, a grader for whom nothing is left, and many graders at once. PostgreSQL is a server
that the benchmark starts (`tests/support/postgres.py`), with fsync off.

Beside the time on the clock stands the processor's, of this process and of the server together:
the clock tells also what else the machine was doing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests.support.annotating import answer_to, join_graders
from tests.support.postgres import missing_reason, postgres_server

from benchmarks.writing import RESULTS, markdown, write_results
from vlsu.annotate.plan.settings import Bounds, Order, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.projects.status import status
from vlsu.annotate.work.leasing import Lease
from vlsu.data import Dataset, Sample, write_dataset
from vlsu.policy import Severity, default_policy

CATEGORIES = [f"C{n}" for n in range(1, 16)]
#: No bound, so that a situation lasts as long as it is measured.
PLAN = Plan(regrade=0.0, bounds=Bounds(minutes_a_day=0, hard_a_day=0), order=Order(held=3))


def dataset_of(folder: Path, slots: int) -> Dataset:
    """Samples for about that many slots, seven each; pairs of them are minimal pairs."""
    random_ = random.Random(0)
    levels = list(Severity)

    def rows():
        for n in range(slots // 7):
            yield Sample(
                id=f"s{n}",
                text=f"text {n}",
                language="en",
                image_sha256=f"{n // 2:064x}",
                image_grade=random_.choice(levels),
                text_grade=random_.choice(levels),
                joint_grade=random_.choice(levels),
                joint_category=random_.choice(CATEGORIES),
                group=f"g{n // 2}",
            )

    return write_dataset(
        folder, rows(), name="many", version="1", licence="CC0-1.0", citation="",
        source="made", policy=default_policy(),
    )  # fmt: skip


class Processor:
    """Processor time of this process and of the children of some others, in milliseconds."""

    def __init__(self, parents: list[int]) -> None:
        self.parents = parents

    def used(self) -> float:
        ticks = 0
        for status_file in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status_file.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) in self.parents:
                ticks += int(fields[11]) + int(fields[12])
        return 1000 * (time.process_time() + ticks / os.sysconf("SC_CLK_TCK"))


PROCESSOR = Processor([])


def milliseconds(work: Callable[[], object], times: int) -> list[float]:
    found = []
    before = PROCESSOR.used()
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    Latest.cpu = (PROCESSOR.used() - before) / times
    return found


class Latest:
    """Processor time of the latest measurement, a call."""

    cpu = 0.0


def row(name: str, times: list[float]) -> dict[str, object]:
    ordered = sorted(times)
    return {
        "what": name,
        "n": len(times),
        "cpu": round(Latest.cpu, 1),
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
        "largest": round(ordered[-1], 2),
    }


def grade_some(project: Project, person: int, number: int) -> tuple[list[float], list[float]]:
    """Times of the next item and of the answer, each `number` times."""
    nexts, submits = [], []
    before = PROCESSOR.used()
    for _ in range(number):
        start = time.perf_counter()
        lease = project.next_item(person)
        middle = time.perf_counter()
        if not isinstance(lease, Lease):
            break
        project.submit(person, answer_to(lease, seconds=5))
        end = time.perf_counter()
        nexts.append(1000 * (middle - start))
        submits.append(1000 * (end - middle))
    Latest.cpu = (PROCESSOR.used() - before) / max(len(nexts), 1)
    return nexts, submits


def sql(project: Project, *statements: str) -> None:
    def run(connection):
        for statement in statements:
            connection.execute(text(statement))

    project.database.write(run)


def many_at_once(project: Project, graders: list[int], seconds: float) -> dict[str, object]:
    """Graders in threads, each asking as soon as it was answered."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def work(person: int) -> None:
        while time.monotonic() < end:
            nexts, _ = grade_some(project, person, 1)
            times.extend(nexts)

    before = PROCESSOR.used()
    threads = [threading.Thread(target=work, args=(person,)) for person in graders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Latest.cpu = (PROCESSOR.used() - before) / max(len(times), 1)
    return row(f"{len(graders)} graders at once, no pause between two items", times)


def measured(project: Project, number: int) -> list[dict[str, object]]:
    """Every situation, one after another on the same database."""
    found = []
    ada, ben, cleo, dan, eve = join_graders(project, "Ada", "Ben", "Cleo", "Dan", "Eve")
    nexts, submits = grade_some(project, ada, number)
    found += [row("next item (CPU: and submit), new", nexts), row("submit", submits)]

    others = join_graders(project, *(f"grader {n}" for n in range(16)))
    found.append(many_at_once(project, others, 10))

    # A long history: thousands of samples of which this grader has a seat.
    grade_some(project, ben, 1)
    sql(
        project,
        f"UPDATE slots SET state = 4, owner_id = {ben} WHERE place = 0 AND state = 0 AND seat = 1 "
        "AND item_id < 20000 AND NOT EXISTS (SELECT 1 FROM slots own "
        f"WHERE own.item_id = slots.item_id AND own.owner_id = {ben})",
        f"UPDATE slots SET state = 1, owner_id = {ben} WHERE place = 1 AND seat = 1 AND state = 3 "
        "AND item_id < 20000 AND EXISTS (SELECT 1 FROM slots own WHERE own.place = 0 "
        f"AND own.item_id = slots.item_id AND own.seat = 1 AND own.owner_id = {ben} "
        "AND own.state = 4)",
        "ANALYZE",
    )
    nexts, submits = grade_some(project, ben, number)
    found += [
        row("next item (CPU: and submit), 20,000 samples begun", nexts),
        row("submit", submits),
    ]

    # Opted out of all but one category.
    for category in CATEGORIES[1:]:
        project.opt_out(cleo, category)
    nexts, _ = grade_some(project, cleo, number)
    found.append(row("next item (CPU: and submit), 14 of 15 categories opted out of", nexts))
    project.opt_out(cleo, CATEGORIES[0])
    times = milliseconds(lambda: project.next_item(cleo), number)
    found.append(row("nothing left: all that is free is opted out of", times))

    # Nearly done: one sample in 500 has free slots. Eve has a seat of each sample.
    first, second = join_graders(project, "first", "second")
    for seat, owner in ((1, first), (2, eve), (3, second)):
        sql(
            project,
            f"UPDATE slots SET state = 4, owner_id = {owner} WHERE state = 0 "
            f"AND seat = {seat} AND item_id % 500 <> 0",
        )
    sql(project, "ANALYZE")
    nexts, _ = grade_some(project, dan, min(number, 50))
    found.append(row("next item (CPU: and submit), 99.8% of the slots taken", nexts))
    nexts, _ = grade_some(project, eve, min(number, 50))
    found.append(row("next item (CPU: and submit), a grader with 140,000 samples", nexts))

    # All free slots are of samples that the grader has a seat of already.
    sql(
        project,
        "UPDATE slots SET state = 0, owner_id = NULL "
        f"WHERE place = 0 AND owner_id = {second} AND state = 4",
        f"UPDATE slots SET state = 4 WHERE owner_id = {eve} AND state IN (1, 2)",
        "UPDATE slots SET state = 5 WHERE state = 0 AND NOT EXISTS "
        f"(SELECT 1 FROM slots own WHERE own.item_id = slots.item_id AND own.owner_id = {eve})",
        "ANALYZE",
    )
    assert not isinstance(project.next_item(eve), Lease)
    times = milliseconds(lambda: project.next_item(eve), 5)
    found.append(row("nothing left: 140,000 free slots, all of samples already graded", times))
    times = milliseconds(lambda: status(project), 3)
    found.append(row("status", times))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument(
        "--sqlite", action="store_true", help="SQLite alone; PostgreSQL's results stay as they are"
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vlsu-annotate-"))
    folder.chmod(0o755)
    kept = RESULTS / "annotate_leasing.json"
    data = json.loads(kept.read_text("utf-8")) if arguments.sqlite and kept.is_file() else {}
    try:
        dataset = dataset_of(folder / "dataset", arguments.slots)
        with ExitStack() as stack:
            addresses: dict[str, str | None] = {"SQLite": None}
            if missing_reason() is None and not arguments.sqlite:
                server = stack.enter_context(postgres_server())
                PROCESSOR.parents.append(server.process.pid)
                addresses["PostgreSQL"] = server.new_database()
            for name, address in addresses.items():
                start = time.perf_counter()
                now = time.time_ns() // 1_000_000
                made = create(folder / name, dataset, PLAN, database=address, now=now)
                took = time.perf_counter() - start
                with open_project(folder / name, connections=32) as project:
                    rows = measured(project, arguments.number)
                data[name] = {
                    "slots": dict(made.slots),
                    "made_s": round(took, 1),
                    "load": round(os.getloadavg()[0], 1),
                    "rows": rows,
                }
                print(json.dumps(data[name]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tables = [table(name, data[name]) for name in ("SQLite", "PostgreSQL") if name in data]
    write_results("annotate_leasing", "# annotate_leasing\n\n" + "\n".join(tables), data)


def table(name: str, found: dict[str, Any]) -> str:
    """The measurements of one database, under a title that says how they came about."""
    head = ("", "times", "CPU ms", "median ms", "95% ms", "largest ms")
    title = f"## {name}: {sum(found['slots'].values()):,} slots, made in {found['made_s']:.0f} s, "
    title += f"load average {found['load']:.1f}\n\n"
    return title + markdown(head, [tuple(each.values()) for each in found["rows"]])


if __name__ == "__main__":
    main()
