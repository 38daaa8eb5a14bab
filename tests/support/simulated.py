"""A small project graded by simulated people, in which all that an export has to tell happens."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.support.annotating import answer_to, join_graders
from vlsu.annotate.projects.project import Project
from vlsu.annotate.work.leasing import Lease

__all__ = ["VOTES", "decide", "graded_project"]

#: The grades of a pair, in the order they are given; where nothing is said everybody says safe.
VOTES = {
    "s1": ("unsafe", "unsafe", "borderline"),
    "s2": ("safe", "safe", "unsafe"),
    "s3": ("not_sure", "not_sure", "safe"),
}


def graded_project(project: Project) -> Project:
    """Grade 8 samples by four people, whom a fifth preceded whose grades are set aside.

    Of pairs: s0 is safe; s1 unsafe by two to one; s2 is disputed and decided as borderline; s3 is
    disputed; s4 was stopped; everybody skips s5; s6 is safe; of s7 the first grade was taken back.
    """
    (dia,) = join_graders(project, "Dia")
    for _ in range(5):
        lease = project.next_item(dia)
        assert isinstance(lease, Lease)
        project.submit(dia, answer_to(lease, "unsafe", seconds=0.5))
    project.pause(dia)
    assert project.set_aside(dia) == 5
    given: Counter[tuple[str, str]] = Counter()
    taken_back = False
    waiting = join_graders(project, "Ada", "Ben", "Cem", "Eva")
    idle = 0
    while idle < len(waiting):
        person = waiting[0]
        waiting = [*waiting[1:], person]
        lease = project.next_item(person)
        if not isinstance(lease, Lease):
            idle += 1
            continue
        idle = 0
        unit = lease.sample_id, lease.modality
        if lease.sample_id == "s4" and lease.modality == "text":
            project.stop(person, lease, "threat")
        elif unit == ("s5", "joint"):
            project.skip(person, lease)
        elif unit == ("s7", "joint") and not taken_back:
            project.submit(person, answer_to(lease, "unsafe", note="a slip"))
            again = project.take_back(person)
            project.submit(person, answer_to(again, "safe"))
            taken_back = True
        else:
            votes = VOTES.get(lease.sample_id, ()) if lease.modality == "joint" else ()
            grade = votes[given[unit]] if given[unit] < len(votes) else "safe"
            more: dict[str, Any] = {"confidence": 2, "note": "words of a grader"}
            if unit == ("s0", "joint"):
                more["admissible"] = ("borderline",)
            project.submit(person, answer_to(lease, grade, **more))
        given[unit] += 1
    decide(project, "s2", "borderline", "C9", contested=True)
    return project


def decide(
    project: Project, sample: str, grade: str, category: str | None, *, contested: bool = False
) -> None:
    """Have an adjudicator decide the pair of a sample; others take the disputes before it."""
    for n in range(20):
        (person,) = join_graders(project, f"{sample} adjudicator {n}", role="adjudicator")
        case = project.next_case(person)
        assert case is not None
        if case.sample_id == sample:
            project.decide(person, case.dispute, grade, category, "it is so", contested=contested)
            return
    raise AssertionError("there is no such dispute")
