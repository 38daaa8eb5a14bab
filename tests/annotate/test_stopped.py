"""What a lead does about stopped items: reports them, or lifts a false alarm."""

from __future__ import annotations

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import audit, disputes, grades, items, slots, stops
from vlsu.errors import AnnotationError, UsageError


def stopped(project):
    return {item.id for item in rows(project, items) if item.stopped_at is not None}


def lead_of(project):
    return join_graders(project, "Lea", role="lead")[0]


def test_a_report_says_to_whom_and_can_be_corrected(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 2), graders={"image": 1})
    lead, (ada,) = lead_of(project), join_graders(project, "Ada")
    project.stop(ada, project.next_item(ada), "illegal")
    (stop,) = rows(project, stops)
    project.report_stop(lead, stop.id, to="the hotline", reference="4711")
    first = clock.now
    clock.forward(minutes=5)
    project.report_stop(lead, stop.id, to="the  police")
    (stop,) = rows(project, stops)
    assert (stop.reported_at, stop.reported_to, stop.report) == (first, "the police", None)
    assert [row.subject for row in rows(project, audit) if row.action == "report"] == [
        f"stop {stop.id}"
    ] * 2


def test_a_false_alarm_is_graded_after_all(tmp_path, new_project):
    """12 samples share 4 images: the three of one image come back, and all is graded."""
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"image": 1, "joint": 1})
    lead, (ada,) = lead_of(project), join_graders(project, "Ada")
    lease = project.next_item(ada)
    numbers = project.stop(ada, lease, "illegal")
    (stop,) = rows(project, stops)
    assert project.lift_stop(lead, stop.id, "A drawing.") == numbers
    assert stopped(project) == set()
    check_invariants(project)
    got = grade_all(project, [ada])
    assert len(got) == 24
    assert {slot.state for slot in rows(project, slots)} == {State.DONE}
    (stop,) = rows(project, stops)
    assert stop.lifted_because == "A drawing."
    entry = next(row for row in rows(project, audit) if row.action == "lift")
    assert (entry.person_id, entry.subject) == (lead, f"stop {stop.id}: 3 samples")


def test_what_was_graded_before_the_stop_counts_and_its_seat_is_kept(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"image": 1, "joint": 1})
    lead, (ada, ben) = lead_of(project), join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada), "unsafe"))
    project.stop(ada, project.next_item(ada), "illegal")
    (stop,) = rows(project, stops)
    project.lift_stop(lead, stop.id, "A film still.")
    check_invariants(project)
    assert grade_all(project, [ben]) == []  # the pair is for who graded its image
    assert [lease.modality for _, lease in grade_all(project, [ada])] == ["joint"]
    assert len(rows(project, grades)) == 2


@pytest.mark.parametrize("leaving", ["paused", "opted out", "set aside"])
def test_the_seat_of_somebody_who_left_meanwhile_goes_to_others(tmp_path, new_project, leaving):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"image": 1, "joint": 1})
    lead, (ada, ben) = lead_of(project), join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada)))
    project.stop(ada, project.next_item(ada), "illegal")
    if leaving == "opted out":
        with project.database.read() as connection:
            stratum = connection.exec_driver_sql("SELECT stratum FROM bins").scalar()
        project.opt_out(ada, stratum)
    else:
        project.pause(ada)
    if leaving == "set aside":
        project.set_aside(ada)
    (stop,) = rows(project, stops)
    project.lift_stop(lead, stop.id, "A toy.")
    check_invariants(project)
    left = ["image", "joint"] if leaving == "set aside" else ["joint"]
    assert [lease.modality for _, lease in grade_all(project, [ben])] == left


def test_a_sample_that_another_stop_holds_stays_stopped(tmp_path, new_project):
    """Sample 0 shares its image with 4 and 8, and its text with 1 and 2."""
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"image": 1, "text": 1})
    lead, (ada,) = lead_of(project), join_graders(project, "Ada")
    first = project.next_item(ada)
    by_image = first.modality == "image"
    one = set(project.stop(ada, first, "illegal"))
    two: set[int] = set()
    while not two:
        lease = project.next_item(ada)
        shared = {
            n
            for n in range(12)
            if (n // 3 == lease.item // 3 if by_image else n % 4 == lease.item % 4)
        }
        if lease.modality == ("text" if by_image else "image") and shared & one:
            two = set(project.stop(ada, lease, "illegal"))
            held = shared & one
        else:
            project.submit(ada, answer_to(lease))
    assert held
    assert not held & two  # stopped already, and held by the second as well
    stop, other = rows(project, stops)
    assert set(project.lift_stop(lead, stop.id, "A drawing.")) == one - held
    assert stopped(project) == held | two
    check_invariants(project)
    assert set(project.lift_stop(lead, other.id, "A quotation.")) == held | two
    assert stopped(project) == set()
    check_invariants(project)


def test_a_dispute_that_the_stop_ended_is_open_again(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"text": 2, "joint": 2})
    lead, (ada, ben) = lead_of(project), join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada), "safe"))
    project.submit(ben, answer_to(project.next_item(ben), "unsafe"))
    project.stop(ada, project.next_item(ada), "illegal")
    (stop,) = rows(project, stops)
    project.lift_stop(lead, stop.id, "A drawing.")
    assert [(row.closed_as, row.reason) for row in rows(project, disputes)] == [
        ("stopped", "spread"),
        (None, "spread"),
    ]


def test_a_decision_outlives_a_false_alarm(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"text": 2, "joint": 2})
    lead, (ada, ben) = lead_of(project), join_graders(project, "Ada", "Ben")
    (judge,) = join_graders(project, "Jo", role="adjudicator")
    project.submit(ada, answer_to(project.next_item(ada), "safe"))
    project.submit(ben, answer_to(project.next_item(ben), "unsafe"))
    project.decide(judge, project.next_case(judge).dispute, "safe", None, "A joke.")
    project.stop(ada, project.next_item(ada), "illegal")
    (stop,) = rows(project, stops)
    project.lift_stop(lead, stop.id, "A drawing.")
    assert [row.closed_as for row in rows(project, disputes)] == ["decided"]


def test_only_a_lead_lifts_once_and_with_a_reason(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 2), graders={"image": 1})
    lead, (ada,) = lead_of(project), join_graders(project, "Ada")
    project.stop(ada, project.next_item(ada), "illegal")
    (stop,) = rows(project, stops)
    with pytest.raises(AnnotationError, match="only a lead"):
        project.lift_stop(ada, stop.id, "I mistook it.")
    with pytest.raises(AnnotationError, match="only a lead"):
        project.report_stop(ada, stop.id, to="nobody")
    with pytest.raises(UsageError, match="reason: give 1 to 2000"):
        project.lift_stop(lead, stop.id, " ")
    with pytest.raises(UsageError, match="to: give 1 to 200"):
        project.report_stop(lead, stop.id, to="")
    project.lift_stop(lead, stop.id, "A toy.")
    for again in (
        lambda: project.lift_stop(lead, stop.id, "A toy."),
        lambda: project.report_stop(lead, stop.id, to="the police"),
        lambda: project.lift_stop(lead, 99, "A toy."),
    ):
        with pytest.raises(AnnotationError, match="unknown, or was lifted"):
            again()
