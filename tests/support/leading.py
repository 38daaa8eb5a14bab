"""A project as a lead sees it: six graders at work for some days, disputes, stops, a pause."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import png
from tests.support.annotating import START, Clock, answer_to, join_graders
from vlsu.annotate.plan.settings import Bounds, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.work.leasing import Lease
from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.policy import Severity, default_policy

__all__ = ["GRADERS", "Busy", "busy_project"]

GRADERS = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Femi")
_DAY_MINUTES = 24 * 60


@dataclass
class Busy:
    """The project and who is in it.

    Attributes:
        project: Opened; its clock is `clock`.
        clock: Stands when the last grade was given.
        people: Numbers by name.
    """

    project: Project
    clock: Clock
    people: dict[str, int] = field(default_factory=dict)


def pairs_of(folder: Path, samples: int = 60) -> Dataset:
    """Samples that have nothing in common, of all severities in turn."""
    store = ImageStore(folder)
    levels = list(Severity)
    rows = [
        Sample(
            id=f"pair-{n:03d}",
            text=f"What is this, in {n} words?",
            language="en",
            image_sha256=store.add(png((n, 250 - n, 99))),
            image_grade=levels[n % 3],
            text_grade=levels[n // 3 % 3],
            joint_grade=levels[n // 2 % 3],
            joint_category="C9" if n // 2 % 3 else None,
        )
        for n in range(samples)
    ]
    return write_dataset(
        folder, rows, name="pairs", version="1", licence="CC0-1.0", citation="",
        source="made", policy=default_policy(),
    )  # fmt: skip


def busy_project(folder: Path, *, number: int = 300, days: int = 4) -> Busy:
    """Make one: so many grades over so many days, the last of them today.

    Graders see a severity that depends on the sample and differ from it one time in five; one of
    them opts out and skips, one stops an item.
    """
    plan = Plan(regrade=0.3, seed=3, bounds=Bounds(minutes_a_day=0, hard_a_day=0))
    create(folder, pairs_of(folder.parent / "pairs"), plan, now=START)
    clock = Clock()
    project = open_project(folder, connections=4, clock=clock)
    busy = Busy(project, clock)
    busy.people = dict(zip(GRADERS, join_graders(project, *GRADERS), strict=True))
    (busy.people["Jo"],) = join_graders(project, "Jo", role="adjudicator")
    (busy.people["Lea"],) = join_graders(project, "Lea", role="lead")
    project.invite("Gil", "grader", languages=["de", "en"])
    random_ = random.Random(0)
    for day in range(days):
        clock.now = START + day * _DAY_MINUTES * 60_000 + 9 * 3_600_000
        for _ in range(number // days):
            person = busy.people[random_.choice(GRADERS)]
            lease = project.next_item(person)
            if not isinstance(lease, Lease):
                continue
            seconds = random_.uniform(8, 40)
            clock.forward(seconds=seconds)
            usual = ("safe", "borderline", "unsafe")[sum(lease.sample_id.encode()) % 3]
            grade = random_.choices([usual, "safe", "borderline", "unsafe", "not_sure"],
                                    [0.8, 0.06, 0.06, 0.06, 0.02])[0]  # fmt: skip
            project.submit(person, answer_to(lease, grade, seconds=seconds))
    for _ in range(3):
        case = project.next_case(busy.people["Jo"])
        if case is not None:
            project.decide(busy.people["Jo"], case.dispute, "safe", None, "A quotation.")
    dan = busy.people["Dan"]
    project.opt_out(dan, "C9")
    for kind in ("illegal", "threat"):
        lease = project.next_item(busy.people["Eve"])
        assert isinstance(lease, Lease)
        project.stop(busy.people["Eve"], lease, kind)
    lease = project.next_item(dan)
    if isinstance(lease, Lease):
        project.skip(dan, lease, seconds=4)
    project.pause(busy.people["Femi"], by=busy.people["Lea"])
    return busy
