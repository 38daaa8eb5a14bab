"""Who gets which item next."""

from __future__ import annotations

from collections import Counter

from tests.support.annotating import check_invariants, grade_all, join_graders
from vlsu.annotate.work.leasing import Nothing


def test_three_graders_give_all_that_is_asked_and_no_more(new_project):
    project = new_project()
    people = join_graders(project, "Ada", "Ben", "Cleo")
    got = grade_all(project, people)
    counts = Counter(lease.modality for _, lease in got)
    assert counts == {"image": 12, "text": 36, "joint": 36}
    assert all(project.next_item(person) is Nothing.FINISHED for person in people)
    check_invariants(project)
