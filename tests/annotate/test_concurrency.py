"""Many graders at once, killed processes, killed databases, full disks."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import event, text

from tests.conftest import make_dataset
from tests.support.annotate_server import LONG_S
from tests.support.annotating import START, answer_to, check_invariants, join_graders, rows
from tests.support.postgres import missing_reason, postgres_server
from vlsu.annotate.plan.answers import Answer
from vlsu.annotate.plan.settings import Bounds, Order, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.database import DatabaseAwayError
from vlsu.annotate.store.tables import grades, slots
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.errors import AnnotationError, MachineError, VlsuError

ROOT = Path(__file__).resolve().parents[2]
NO_BOUNDS = Bounds(minutes_a_day=0, hard_a_day=0, spacing=0)
T = TypeVar("T")
FREE = {"bounds": NO_BOUNDS, "order": Order(apart=0, held=3)}

pytestmark = pytest.mark.slow


def complete(project: Project) -> None:
    """All that was asked for was given once."""
    check_invariants(project)
    asked = Counter((row.item_id, row.modality) for row in rows(project, slots))
    given = Counter((row.item_id, row.modality) for row in rows(project, grades) if row.live)
    assert given == asked


def worker(project: Project, person: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.support.grading_worker"),
            *(str(project.folder), str(person)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def persistent(act: Callable[[], T]) -> T:
    """Do something again as long as all connections are in use: others wait on a busy machine."""
    while True:
        try:
            return act()
        except MachineError as error:
            if "all connections are in use; try again" not in str(error):
                raise


def test_many_graders_at_once(tmp_path, new_project):
    """24 threads, each holding up to three items, on 126 slots."""
    project = new_project(make_dataset(tmp_path / "d", 18, apart=True), **FREE)
    people = join_graders(project, *(f"grader {n}" for n in range(24)))
    leased: list[tuple[int, str]] = []
    failures: list[BaseException] = []

    def work(person: int) -> None:
        held: list[Lease] = []
        try:
            while True:
                holds = [each.slot for each in held]
                lease = persistent(partial(project.next_item, person, holds=holds))
                if isinstance(lease, Lease):
                    leased.append((lease.slot, lease.token))
                    held.append(lease)
                elif held:
                    answer = answer_to(held.pop(0))
                    first, again = (
                        persistent(partial(project.submit, person, answer)) for _ in range(2)
                    )
                    assert again.grade == first.grade
                elif lease is Nothing.FINISHED:
                    return
                else:
                    time.sleep(0.01)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5 * LONG_S)
    assert not failures
    assert len({slot for slot, _ in leased}) == len(leased) == 126
    complete(project)


def test_graders_in_several_processes(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 12, apart=True), **FREE)
    people = join_graders(project, *"ABCDE")
    workers = [worker(project, person) for person in people]
    told = [each.communicate(timeout=5 * LONG_S)[0].split()[1:] for each in workers]
    assert all(each.returncode == 0 for each in workers)
    assert sum(map(len, told)) == 84
    complete(project)


@pytest.mark.parametrize("answers", [3, 11])
def test_a_process_killed_in_the_middle_loses_nothing_that_it_was_told_is_stored(
    tmp_path, new_project, clock, answers
):
    project = new_project(make_dataset(tmp_path / "d", 12, apart=True), **FREE)
    ada, *others = join_graders(project, *"ABCD")
    process = worker(project, ada)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(answers + 1)][1:]
    process.kill()
    told += process.stdout.read().split()
    process.wait(LONG_S)
    process.stdout.close()
    check_invariants(project)
    stored = [row.client_id for row in rows(project, grades)]
    # One more may have been stored whose receipt it did not live to print.
    assert stored[: len(told)] == told
    assert len(stored) <= len(told) + 1
    clock.now = time.time_ns() // 1_000_000  # what the process leased by its own clock
    clock.forward(minutes=80 * 60)
    project.sweep()
    project.release_absent()
    for person in others:
        while isinstance(lease := project.next_item(person), Lease):
            project.submit(person, answer_to(lease))
    complete(project)


@dataclass
class Sender:
    """Grades until it is refused, and remembers what it sent and what was acknowledged."""

    project: Project
    person: int
    sent: list[Answer] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refusal: VlsuError | None = None
    pauses_at: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        try:
            while isinstance(lease := self.project.next_item(self.person), Lease):
                answer = answer_to(lease, note="n" * 2000)
                self.sent.append(answer)
                self.project.submit(self.person, answer)
                self.acknowledged.append(answer.client_id)
                if len(self.acknowledged) == self.pauses_at:
                    assert self.go_on.wait(LONG_S)
        except VlsuError as error:
            self.refusal = error

    def check_all_is_stored_once(self) -> None:
        """What was acknowledged is there; the page sends what it has no receipt of once more."""
        stored = [row.client_id for row in rows(self.project, grades)]
        assert len(set(stored)) == len(stored)
        assert set(self.acknowledged) <= set(stored)
        self.project.submit(self.person, self.sent[-1])
        stored = [row.client_id for row in rows(self.project, grades)]
        assert stored == [answer.client_id for answer in self.sent]


def test_a_killed_database_has_every_grade_that_was_acknowledged(tmp_path):
    if (reason := missing_reason()) is not None:
        pytest.skip(reason)
    with postgres_server() as server:
        dataset = make_dataset(tmp_path / "d", 300, apart=True)
        plan = Plan(graders={"text": 1}, regrade=0, bounds=NO_BOUNDS)
        create(tmp_path / "p", dataset, plan, database=server.new_database(), now=START)
        with open_project(tmp_path / "p") as project:
            sender = Sender(project, join_graders(project, "Ada")[0], pauses_at=100)
            thread = threading.Thread(target=sender.work)
            thread.start()
            while thread.is_alive() and len(sender.acknowledged) < 20:
                time.sleep(0.01)
            server.kill()
            sender.go_on.set()
            thread.join(LONG_S)
            assert isinstance(sender.refusal, AnnotationError)
            assert "cannot be used" in str(sender.refusal)
            assert "\n" not in str(sender.refusal)
            server.start()
            check_invariants(project)
            sender.check_all_is_stored_once()
            sender.work()
            complete(project)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_on_a_full_disk_an_answer_is_refused_whole_and_can_be_sent_again(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 60, apart=True), graders={"text": 1}, **FREE)
    sender = Sender(project, join_graders(project, "Ada")[0])
    with project.database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one() + 2

    def limit(connection: Any, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(project.database.engine, "connect", limit)
    project.database.engine.dispose()
    sender.work()
    assert isinstance(sender.refusal, MachineError)
    assert str(sender.refusal).endswith("disk is full; free some and send it again")
    assert 0 < len(sender.acknowledged) < 60
    check_invariants(project)
    event.remove(project.database.engine, "connect", limit)
    project.database.engine.dispose()
    sender.check_all_is_stored_once()
    sender.work()
    complete(project)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lock_timeout", "200ms"),
        ("statement_timeout", "200ms"),
        ("default_transaction_read_only", "on"),
    ],
)
def test_what_the_server_of_the_database_does_not_allow_can_be_sent_again(
    tmp_path, postgres, setting, value
):
    """Its settings end what waits for a lock; a standby only reads. Neither is a fault of ours."""
    address = postgres.new_database()
    dataset = make_dataset(tmp_path / "d", 4, apart=True)
    create(tmp_path / "p", dataset, Plan(), database=address, now=START)
    database = address.rpartition("/")[2]
    with open_project(tmp_path / "p") as project, psycopg.connect(address) as other:
        (ada,) = join_graders(project, "Ada")
        other.execute(f"ALTER DATABASE \"{database}\" SET {setting} = '{value}'")
        other.commit()
        project.database.engine.dispose()  # new connections have the new setting
        other.execute("SELECT * FROM people FOR UPDATE")
        with pytest.raises(DatabaseAwayError) as said:
            project.next_item(ada)
        assert "\n" not in str(said.value)
        other.execute(f'ALTER DATABASE "{database}" RESET {setting}')
        other.commit()
        project.database.engine.dispose()
        assert isinstance(project.next_item(ada), Lease)
