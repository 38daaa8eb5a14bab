"""Breaks, shares of hard items, exposure, and what is deleted."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from tests.annotate.test_leasing import texts
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.plan.settings import Bounds, Checks, Order
from vlsu.annotate.projects.folder import Care, read
from vlsu.annotate.store.tables import audit, exclusions, exposures, opt_outs, people
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.errors import AnnotationError, UsageError
from vlsu.policy import Severity


def mixed(folder, hard, light):
    """Texts, of which the first are hard; the identifier has the number."""
    return texts(
        folder,
        [
            (f"s{n}", Severity.UNSAFE if n < hard else Severity.SAFE, "C9" if n < hard else None,
             None, "en")
            for n in range(hard + light)
        ],
    )  # fmt: skip


def grade_one(project, person, clock, seconds):
    lease = project.next_item(person)
    if isinstance(lease, Lease):
        clock.forward(seconds=seconds)
        project.submit(person, answer_to(lease, seconds=seconds))
    return lease


def test_a_break_is_offered_after_25_minutes_and_not_after_one(new_project, clock):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    due = []
    for _ in range(27):
        grade_one(project, ada, clock, 60)
        due.append(project.break_due(ada))
    assert due == [False] * 24 + [True] * 3
    clock.forward(minutes=5)
    assert not project.break_due(ada)
    grade_one(project, ada, clock, 60)
    assert not project.break_due(ada)  # the break was one


@pytest.mark.parametrize(("pause", "is_break"), [(4, False), (5, True)])
def test_a_long_look_is_no_break_and_five_minutes_without_an_item_are(
    new_project, clock, pause, is_break
):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    for _ in range(3):
        grade_one(project, ada, clock, 7 * 60)  # seven minutes before each item are work
    clock.forward(minutes=pause)
    grade_one(project, ada, clock, 4 * 60)
    assert project.break_due(ada) is not is_break


def test_a_break_that_is_begun_ends_the_stretch(new_project, clock):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    for _ in range(4):
        grade_one(project, ada, clock, 8 * 60)
    assert project.break_due(ada)
    project.start_break(ada)
    assert not project.break_due(ada)


def test_hard_items_are_at_most_three_of_ten_while_there_are_lighter_ones(tmp_path, new_project):
    project = new_project(
        mixed(tmp_path / "d", 40, 60), graders={"text": 1},
        bounds=Bounds(minutes_a_day=0, hard_a_day=0, spacing=0), order=Order(apart=0),
        checks=Checks(repeats=0),
    )  # fmt: skip
    (ada,) = join_graders(project, "Ada")
    hard = [int(lease.sample_id[1:]) < 40 for _, lease in grade_all(project, [ada])]
    assert len(hard) == 100
    lighter = len(hard) - hard[::-1].index(False)  # the last of them
    so_far = list(itertools.accumulate(hard[:lighter]))
    shares = [number / place for place, number in enumerate(so_far, 1)]
    assert max(shares) <= 0.3
    assert shares[-1] > 0.2  # the bound is used, not avoided


def test_no_hard_item_is_the_last_of_a_day(tmp_path, new_project, clock):
    project = new_project(
        mixed(tmp_path / "d", 20, 200), graders={"text": 1},
        bounds=Bounds(minutes_a_day=60, calm_minutes=10, spacing=1), order=Order(apart=0),
    )  # fmt: skip
    (ada,) = join_graders(project, "Ada")
    got = []
    while isinstance(lease := grade_one(project, ada, clock, 60), Lease):
        got.append(int(lease.sample_id[1:]) < 20)
    assert lease is Nothing.MINUTES
    assert len(got) == 60
    assert not any(got[50:])
    assert any(got[:50])


def test_hard_items_come_when_there_are_no_others(tmp_path, new_project):
    project = new_project(mixed(tmp_path / "d", 8, 0), graders={"text": 1})
    (ada,) = join_graders(project, "Ada")
    assert len(grade_all(project, [ada])) == 8


def test_the_day_turns_over_at_midnight_by_the_graders_clock(new_project, clock):
    project = new_project(bounds=Bounds(minutes_a_day=10, calm_minutes=0))
    ada, ben = join_graders(project, "Ada", "Ben")
    clock.forward(minutes=14 * 60)  # 14:00 UTC, 23:00 in Tokyo
    assert project.set_utc_offset(ada, 9 * 60)
    for person in (ada, ben):
        assert isinstance(grade_one(project, person, clock, 600), Lease)
        assert project.next_item(person) is Nothing.MINUTES
    clock.forward(minutes=50)  # past midnight in Tokyo
    assert isinstance(project.next_item(ada), Lease)
    assert project.next_item(ben) is Nothing.MINUTES
    # Whoever has a clock cannot set it again while they work.
    assert not project.set_utc_offset(ada, -12 * 60)
    clock.forward(minutes=13 * 60)
    assert project.set_utc_offset(ada, -12 * 60)
    with pytest.raises(AnnotationError, match="-720 to 840"):
        project.set_utc_offset(ada, 1000)


def test_what_a_person_has_seen_is_what_was_before_them(tmp_path, new_project, clock):
    project = new_project(mixed(tmp_path / "d", 3, 9), graders={"text": 1})
    (ada,) = join_graders(project, "Ada")
    for _ in range(4):
        grade_one(project, ada, clock, 30)
    clock.forward(minutes=24 * 60)
    lease = project.next_item(ada)
    clock.forward(seconds=90)
    project.skip(ada, lease, seconds=90)  # what was skipped was seen
    seen = project.exposure(ada)
    assert (seen.today.items, seen.today.minutes) == (1, 1.5)
    assert (seen.total.items, seen.total.minutes) == (5, 3.5)
    assert seen.total.hard == sum(row.hard for row in rows(project, exposures))


def test_skips_and_opt_outs_are_counted_by_category_and_nobody_is_named(tmp_path, new_project):
    project = new_project(mixed(tmp_path / "d", 6, 0), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    for _ in range(2):
        project.skip(ada, project.next_item(ada))
    project.opt_out(ben, "C9")
    assert project.skips_and_opt_outs() == {"C9": {"skip": 2, "opt_out": 1}}
    assert project.opted_out(ben) == {"C9"}
    assert project.opted_out(ada) == frozenset()


def test_whoever_stops_taking_part_leaves_their_grades_and_no_opt_outs(new_project):
    project = new_project(graders={"image": 1, "text": 1, "joint": 1})
    ada, ben = join_graders(project, "Ada", "Ben")
    for _ in range(6):
        project.submit(ada, answer_to(project.next_item(ada)))
    project.opt_out(ada, "C9")
    project.stop_taking_part(ada)
    check_invariants(project)
    assert project.next_item(ada) is Nothing.PAUSED
    assert rows(project, opt_outs) == []
    assert len(grade_all(project, [ben])) == 30
    assert "leave" in [row.action for row in rows(project, audit)]


def marked(moment):
    """The bytes of a moment as both databases store it in a row of six or eight bytes."""
    return moment.to_bytes(6, "big")


def stored_bytes(project):
    """All bytes of a SQLite project's files."""
    return b"".join(file.read_bytes() for file in sorted(project.folder.glob("annotate.sqlite*")))


def opt_out_and_skip(project, clock, person):
    """The two moments, at which nothing else happens."""
    clock.forward(seconds=1)
    outs = clock.now
    project.opt_out(person, "C2")
    clock.forward(seconds=1)
    lease = project.next_item(person)
    clock.forward(seconds=1)
    skipped = clock.now
    project.skip(person, lease)
    clock.forward(seconds=1)
    return outs, skipped


def test_health_data_is_deleted_at_the_stated_time_and_no_trace_is_left(new_project, clock):
    project = new_project(bounds=Bounds(forget_after_days=7))
    ada, ben = join_graders(project, "Ada", "Ben")
    moments = opt_out_and_skip(project, clock, ada)
    grade_one(project, ben, clock, 10)
    assert project.health_data_until() == clock.now + 7 * 86_400_000
    if project.database.sqlite:
        assert all(marked(moment) in stored_bytes(project) for moment in moments)
    clock.forward(minutes=7 * 1440 - 1)
    assert project.forget() is None
    assert len(rows(project, opt_outs)) == 1
    clock.forward(minutes=1)
    done = project.forget()
    assert (done.opt_outs, done.skips) == (1, 1)
    assert rows(project, opt_outs) == rows(project, exclusions) == []
    if project.database.sqlite:
        assert not any(marked(moment) in stored_bytes(project) for moment in moments)
    # Counts stay, in the tallies and in the log; who it was is in neither.
    assert sum(each["opt_out"] for each in project.skips_and_opt_outs().values()) == 1
    last = rows(project, audit)[-1]
    assert (last.person_id, last.action, last.subject) == (None, "forget", "1 opt-outs, 1 skips")
    assert project.forget() is None


def test_nobody_is_offered_what_they_opted_out_of_because_it_was_forgotten(new_project, clock):
    project = new_project()
    ada, ben = join_graders(project, "Ada", "Ben")
    opt_out_and_skip(project, clock, ada)
    held = project.next_item(ben)
    project.forget(at_once=True)
    check_invariants(project)
    assert project.next_item(ada) is project.next_item(ben) is Nothing.PAUSED
    with pytest.raises(AnnotationError):
        project.submit(ben, answer_to(held))
    project.resume(ada)
    assert isinstance(project.next_item(ada), Lease)


def test_samples_whose_grades_were_set_aside_are_not_forgotten(new_project, clock):
    project = new_project(graders={"text": 1})
    (ada,) = join_graders(project, "Ada")
    grade_one(project, ada, clock, 10)
    project.pause(ada)
    project.set_aside(ada)
    assert project.forget(at_once=True) is None
    assert [row.why for row in rows(project, exclusions)] == ["set_aside"]


def test_many_opt_outs_leave_no_trace_either(new_project, clock):
    """Rows that moved between pages of the file while others came and went."""
    project = new_project()
    graders = join_graders(project, *(f"G{n}" for n in range(12)))
    draw = random.Random(1)
    moments = []
    for _ in range(150):
        clock.forward(seconds=1)
        moments.append(clock.now)
        project.opt_out(draw.choice(graders), f"stratum-{draw.randrange(40)}-{'x' * 60}")
        if draw.random() < 0.3:
            row = draw.choice(rows(project, opt_outs))
            project.opt_in(row.person_id, row.stratum)
    clock.forward(seconds=1)
    assert project.forget(at_once=True).opt_outs > 20
    if project.database.sqlite:
        found = stored_bytes(project)
        assert Counter(marked(moment) in found for moment in moments) == {False: 150}


def test_the_texts_of_care_are_read_when_a_project_is_opened(new_project):
    project = new_project()
    assert project.officer == ""
    file = project.folder / "project.yaml"
    text = file.read_text()
    file.write_text(text.replace("support: ''", "support: Call Mara, 12 to 18"))
    assert read(project.folder).care == Care(support="Call Mara, 12 to 18")
    file.write_text(text.replace("support: ''", "support: [1]"))
    with pytest.raises(AnnotationError, match=r"care\.support: a text"):
        read(project.folder)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(new_project, share):
    with pytest.raises(UsageError, match="hard_share"):
        new_project(bounds=Bounds(hard_share=share))


def test_people_have_a_clock_and_it_is_utc_unless_told(new_project):
    project = new_project()
    join_graders(project, "Ada")
    assert [row.utc_offset for row in rows(project, people)] == [None]
