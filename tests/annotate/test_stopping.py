"""Items that may be illegal, or a threat."""

from __future__ import annotations

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.projects.status import status
from vlsu.annotate.store.tables import audit, grades, items, stops
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.errors import AnnotationError, UsageError


def stopped(project):
    return {item.sample_id for item in rows(project, items) if item.stopped_at is not None}


def test_a_stopped_image_is_gone_from_every_queue_with_all_samples_that_show_it(
    tmp_path, new_project
):
    """12 samples share 4 images: three samples each."""
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"image": 2, "joint": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    lease = project.next_item(ada)
    shown = lease.item % 4
    held = project.next_item(ben)
    while held.item % 4 != shown:  # somebody else has the same image before them
        project.submit(ben, answer_to(held))
        held = project.next_item(ben)
    numbers = project.stop(ada, lease, "illegal")
    assert numbers == [shown, shown + 4, shown + 8]
    check_invariants(project)
    with pytest.raises(LeaseLostError):
        project.submit(ben, answer_to(held))
    got = {lease.item % 4 for _, lease in grade_all(project, [ada, ben])}
    assert got == {0, 1, 2, 3} - {shown}
    assert project.extend_leases(ben, [held.slot]) == []


def test_a_stopped_text_leaves_other_texts(tmp_path, new_project):
    """Every third text is shared: samples n - n % 3 to that plus 2."""
    project = new_project(make_dataset(tmp_path / "d", 12), graders={"text": 1})
    (ada,) = join_graders(project, "Ada")
    lease = project.next_item(ada)
    first = lease.item - lease.item % 3
    assert project.stop(ada, lease, "threat") == [first, first + 1, first + 2]


@pytest.mark.parametrize(("kind", "by"), [("illegal", "image"), ("threat", "text")])
def test_of_a_pair_the_kind_decides_which_part_is_meant(tmp_path, new_project, kind, by):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"joint": 1})
    (ada,) = join_graders(project, "Ada")
    lease = project.next_item(ada)
    expected = {
        n
        for n in range(12)
        if (n % 4 == lease.item % 4 if by == "image" else n // 3 == lease.item // 3)
    }
    assert set(project.stop(ada, lease, kind)) == expected


def test_a_stop_is_on_record_and_ends_disputes(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"text": 2, "joint": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada), "safe"))
    project.submit(ben, answer_to(project.next_item(ben), "unsafe"))
    assert status(project)["disputes"] == 1
    project.stop(ada, project.next_item(ada), "illegal")
    assert status(project)["disputes"] == 0
    (stop,) = rows(project, stops)
    assert (stop.person_id, stop.kind, stop.reported_at) == (ada, "illegal", None)
    assert rows(project, audit)[-1].action == "stop"
    assert status(project)["slots"]["joint"] == {"wanted": 0, "done": 0, "leased": 0}
    assert all(grade.live for grade in rows(project, grades))  # kept, and not exported


def test_nothing_of_a_stopped_sample_is_opened_again(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"image": 1, "text": 1})
    ada, ben = join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada)))
    project.stop(ada, project.next_item(ada), "illegal")
    with pytest.raises(AnnotationError, match="can no longer be taken back"):
        project.take_back(ada)
    project.pause(ada)
    project.set_aside(ada)
    check_invariants(project)
    assert grade_all(project, [ben]) == []


def test_a_stop_needs_the_lease_and_a_known_kind(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 2, 2), graders={"image": 1})
    ada, ben = join_graders(project, "Ada", "Ben")
    lease = project.next_item(ada)
    with pytest.raises(UsageError, match="kind: 'rude'"):
        project.stop(ada, lease, "rude")
    with pytest.raises(LeaseLostError):
        project.stop(ben, lease, "illegal")
    assert stopped(project) == set()
