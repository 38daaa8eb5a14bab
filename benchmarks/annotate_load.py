"""200 graders at once over HTTP: how long the next item, its image and an answer take.

The server is started as users start it (`vlsu annotate serve`) on a PostgreSQL of the benchmark's
own, which writes every commit to the disk. Each grader joins by an invitation, opens the page, and
then does what the page does: shows an item, fetches the next one and its image meanwhile, thinks,
submits, and sends a heartbeat each minute. Graders keep their connections open.

Afterwards the database is asked, by SQL of this file's own, whether a slot was graded twice, more
grades were taken than asked for, or an answer was lost that the server said it had stored.

The graders, the server and the database share the machine; times are what the graders see.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import re
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import aiohttp
from PIL import Image
from sqlalchemy import text
from tests.support.annotate_server import serve_command
from tests.support.annotating import check_invariants
from tests.support.postgres import postgres_server

from benchmarks.writing import markdown, write_results
from vlsu.annotate.plan.settings import Bounds, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.data import Dataset, Sample, write_dataset
from vlsu.data.images.store import ImageStore
from vlsu.policy import Severity, default_policy

PLAN = Plan(regrade=0.0, bounds=Bounds(minutes_a_day=0, hard_a_day=0))
TARGET_MS = 150
HEARTBEAT_S = 60.0


def picture(random_: random.Random) -> bytes:
    """A photo-like picture of some 40 kB: noise, enlarged."""
    small = Image.frombytes("RGB", (160, 120), random_.randbytes(160 * 120 * 3))
    buffer = io.BytesIO()
    small.resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def dataset_of(folder: Path, samples: int, images: int) -> Dataset:
    random_ = random.Random(0)
    store = ImageStore(folder)
    hashes = [store.add(picture(random_)) for _ in range(images)]
    levels = list(Severity)

    def rows():
        for n in range(samples):
            yield Sample(
                id=f"s{n}",
                text=f"text {n} " + "and more of it " * 10,
                language="en",
                image_sha256=hashes[n % images],
                image_grade=random_.choice(levels),
                text_grade=random_.choice(levels),
                joint_grade=random_.choice(levels),
                joint_category="C9",
            )

    return write_dataset(
        folder, rows(), name="load", version="1", licence="CC0-1.0", citation="",
        source="made", policy=default_policy(),
    )  # fmt: skip


class Times:
    """Milliseconds by endpoint, statuses, and what was acknowledged."""

    def __init__(self) -> None:
        self.of: dict[str, list[float]] = defaultdict(list)
        self.statuses: dict[int, int] = defaultdict(int)
        self.acknowledged: list[tuple[int, str]] = []
        self.lag: list[float] = []
        self.waits = 0


class Grader:
    """A grader's page."""

    def __init__(self, number: int, address: str, times: Times, think: float) -> None:
        self.number = number
        self.address = address
        self.times = times
        self.think = think
        self.random = random.Random(number)
        jar = aiohttp.CookieJar(unsafe=True)
        self.http = aiohttp.ClientSession(
            cookie_jar=jar, connector=aiohttp.TCPConnector(limit=6, keepalive_timeout=60)
        )
        self.csrf = ""

    async def join(self, token: str) -> None:
        agreed = {"adult": "on", "consent": "on"}
        async with self.http.post(f"{self.address}/join/{token}", data=agreed) as found:
            page = await found.text()
            assert found.status == 200, page
        self.csrf = re.search(r'data-csrf="([0-9a-f]{64})"', page)[1]

    async def asked(self, name: str, method: str, path: str, body: object = None) -> bytes | None:
        start = time.perf_counter()
        async with self.http.request(
            method, f"{self.address}{path}", json=body, headers={"X-CSRF-Token": self.csrf}
        ) as found:
            data = await found.read()
        self.times.of[name].append(1000 * (time.perf_counter() - start))
        self.times.statuses[found.status] += 1
        return data if found.status == 200 else None

    async def next(self, holds: list[str]) -> dict | None:
        """An item with its image, as the page fetches them beforehand."""
        data = await self.asked("next", "POST", "/api/next", {"holds": holds})
        item = None if data is None else json.loads(data)["item"]
        if item is not None and item["image"]:
            await self.asked("image", "GET", f"/{item['image']}")
        return item

    async def work(self, end: float) -> None:
        """Grade until the time is over."""
        await asyncio.sleep(self.random.uniform(0, self.think))
        item, beat, number = None, time.monotonic() + HEARTBEAT_S, 0
        while time.monotonic() < end:
            if item is None:
                item = await self.next([])
                if item is None:
                    self.times.waits += 1
                    await asyncio.sleep(2)
                    continue
            following = asyncio.create_task(self.next([item["key"]]))
            # Half of the items take less than the median, a tenth more than twice as long.
            await asyncio.sleep(self.think * self.random.lognormvariate(0, 0.55))
            if time.monotonic() > beat:
                beat = time.monotonic() + HEARTBEAT_S
                await self.asked("heartbeat", "POST", "/api/extend", {"holds": [item["key"]]})
            client_id = f"{self.number}-{number}"
            number += 1
            grade = self.random.choice(["safe", "safe", "borderline", "unsafe", "not_sure"])
            answer = {
                "key": item["key"],
                "client_id": client_id,
                "grade": grade,
                "category": "C9" if grade in ("borderline", "unsafe") else None,
                "confidence": 2,
                "revealed": True if item["image"] else None,
                "seconds": self.think,
            }
            stored = await self.asked("submit", "POST", "/api/submit", answer)
            if stored is not None and json.loads(stored)["stored"]:
                self.times.acknowledged.append((self.number, client_id))
            item = await following
            # The item after this one may have been free only once this one was graded.


async def lagging(times: Times) -> None:
    """How late the graders' own loop is, which the times contain."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.05)
        times.lag.append(1000 * (time.perf_counter() - start - 0.05))


async def load(
    address: str, tokens: list[str], seconds: float, think: float, joined: Callable[[], None]
) -> Times:
    times = Times()
    graders = [Grader(n, address, times, think) for n in range(len(tokens))]
    for start in range(0, len(graders), 8):
        part = zip(graders[start : start + 8], tokens[start : start + 8], strict=True)
        await asyncio.gather(*(grader.join(token) for grader, token in part))
    joined()
    measuring = asyncio.create_task(lagging(times))
    end = time.monotonic() + seconds
    await asyncio.gather(*(grader.work(end) for grader in graders))
    measuring.cancel()
    for grader in graders:
        await grader.http.close()
    return times


def processor_ms(*parents: int) -> float:
    """Processor time of processes and their descendants, in milliseconds."""
    of: dict[int, tuple[int, int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        of[int(stat.parent.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))

    def ours(pid: int) -> bool:
        while pid in of and pid not in parents:
            pid = of[pid][0]
        return pid in parents

    ticks = sum(ticks for pid, (_, ticks) in of.items() if ours(pid))
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """What a process has of the machine's memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def faults(project: Project, times: Times) -> dict[str, int]:
    """What must not be, counted in the database."""
    asked = {
        "slots graded twice": "SELECT count(*) FROM (SELECT slot_id FROM grades WHERE live "
        "GROUP BY slot_id HAVING count(*) > 1) AS x",
        "samples with more grades than asked": "SELECT count(*) FROM (SELECT item_id, modality, "
        "count(*) AS n FROM grades WHERE live GROUP BY 1, 2) AS g JOIN (SELECT item_id, modality, "
        "count(*) AS n FROM slots GROUP BY 1, 2) AS s USING (item_id, modality) WHERE g.n > s.n",
        "people who graded a thing twice": "SELECT count(*) FROM (SELECT person_id FROM grades "
        "WHERE live GROUP BY person_id, item_id, modality HAVING count(*) > 1) AS x",
        "slots leased twice to one": "SELECT count(*) FROM (SELECT owner_id FROM slots WHERE "
        "state = 2 GROUP BY owner_id HAVING count(*) > 3) AS x",
    }
    with project.database.read() as connection:
        found = {name: connection.execute(text(each)).scalar_one() for name, each in asked.items()}
        named = "SELECT p.name, g.client_id FROM grades g JOIN people p ON p.id = g.person_id"
        stored = [tuple(row) for row in connection.execute(text(named))]
    known = {(f"grader {number}", client) for number, client in times.acknowledged}
    found["acknowledged grades that are lost"] = len(known - set(stored))
    found["grades stored twice"] = len(stored) - len(set(stored))
    check_invariants(project)
    return found


def rows_of(times: Times, seconds: float) -> list[tuple[object, ...]]:
    rows = []
    for name in ("next", "image", "submit", "heartbeat"):
        ordered = sorted(times.of[name]) or [0.0]

        def at(share: float, ordered: list[float] = ordered) -> float:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

        rows.append(
            (name, len(times.of[name]), round(len(times.of[name]) / seconds, 1),
             round(statistics.median(ordered), 1), at(0.95), at(0.99), round(ordered[-1], 1))
        )  # fmt: skip
    return rows


def situation(graders: int, seconds: float, think: float, samples: int) -> tuple[str, dict]:
    """A project, a database and a server of its own, and its graders; the table, and its data."""
    folder = Path(tempfile.mkdtemp(prefix="vlsu-annotate-load-"))
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            postgres = stack.enter_context(postgres_server(fsync="on"))
            dataset = dataset_of(folder / "dataset", samples, 300)
            now = time.time_ns() // 1_000_000
            made = create(folder / "p", dataset, PLAN, database=postgres.new_database(), now=now)
            project = stack.enter_context(open_project(folder / "p"))
            tokens = [project.invite(f"grader {n}", "grader").token for n in range(graders)]
            # As if each were at another place of their order, so that all kinds are shown.
            project.database.write(
                lambda connection: connection.execute(text("UPDATE people SET block = id % 6"))
            )
            address, process = stack.enter_context(serve_command(folder / "p"))
            parents = (process.pid, postgres.process.pid, os.getpid())
            measured: list[tuple[float, ...]] = []

            def measure() -> None:
                now = (time.monotonic(), *map(processor_ms, parents), os.getloadavg()[0])
                measured.append(now)

            times = asyncio.run(load(address, tokens, seconds, think, measure))
            measure()
            memory = memory_mib(process.pid)
            found = faults(project, times)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    requests = sum(map(len, times.of.values()))
    rows = rows_of(times, seconds)
    lag = sorted(times.lag)
    took, *busy, _ = (b - a for a, b in zip(*measured, strict=True))
    busy[2] -= busy[0] + busy[1]  # the server and the database are children of the graders
    share = [round(each / 10 / took) for each in busy]
    before, after = (each[-1] for each in measured)
    head = ("endpoint", "requests", "a second", "p50 ms", "p95 ms", "p99 ms", "largest ms")
    counted = ", ".join(f"{number} {name}" for name, number in found.items())
    late = (statistics.median(lag), lag[int(0.95 * len(lag))])
    slots = sum(made.slots.values())
    data = {
        "graders": graders, "seconds": seconds, "think": think, "slots": slots, "rows": rows,
        "faults": found, "statuses": dict(times.statuses), "acknowledged": len(times.acknowledged),
    }  # fmt: skip
    lines = [
        f"## {graders} graders for {seconds:.0f} s, {think:g} s an item (median)\n",
        markdown(head, rows),
        f"{slots:,} slots; {requests / seconds:.0f} requests a second; "
        f"{len(times.acknowledged)} grades acknowledged; statuses {dict(times.statuses)}. "
        f"Processor: server {share[0]}% of a core ({busy[0] / requests:.1f} ms a request), "
        f"database {share[1]}% ({busy[1] / requests:.1f} ms), the graders themselves {share[2]}%. "
        f"The graders' loop was late by {late[0]:.1f} ms (median; 95%: {late[1]:.1f} ms), which "
        f"the times contain. The server had {memory:.0f} MiB. Load average {before:.1f} before, "
        f"{after:.1f} after.\n",
        f"In the database afterwards: {counted}.\n",
    ]
    slow = [row[0] for row in rows if row[4] > TARGET_MS]
    print(f"over {TARGET_MS} ms at p95: {', '.join(map(str, slow)) or 'none'}", flush=True)
    assert not any(found.values()), found
    return "\n".join(lines), data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graders", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument(
        "--think", type=float, nargs="+", default=[8.0, 3.0], help="Median seconds for an item."
    )
    arguments = parser.parse_args()
    found = [
        situation(arguments.graders, arguments.seconds, think, arguments.samples)
        for think in arguments.think
    ]
    first = os.sched_getscheduler(0) in (os.SCHED_RR, os.SCHED_FIFO)
    how = (
        "All of it ran before other work of the machine (`chrt -r 1`), but shared its disk."
        if first
        else "It shared the machine with other work."
    )
    about = (
        f"# annotate_load\n\nPostgreSQL with fsync, one server process, {os.cpu_count()} cores for "
        f"graders, server and database together. {how}\n\n"
    )
    tables, data = zip(*found, strict=True)
    write_results("annotate_load", about + "\n".join(tables), {"situations": data})


if __name__ == "__main__":
    main()
