"""What the lead's page is made of: counts, the expected end, agreement, sums, the log."""

from __future__ import annotations

import math
import statistics

import krippendorff
import numpy as np
import pytest
from scipy import stats

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, grade_all, join_graders, rows
from tests.support.leading import busy_project
from vlsu.annotate.projects.forecast import forecast
from vlsu.annotate.projects.growth import growth
from vlsu.annotate.projects.overview import (
    audit_page,
    care_sums,
    listed_people,
    listed_stops,
    worker,
)
from vlsu.annotate.projects.progress import progress
from vlsu.annotate.projects.status import live_frame, status
from vlsu.annotate.store.tables import grades
from vlsu.errors import AnnotationError

GRADES = ("safe", "borderline", "unsafe")


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    made = busy_project(tmp_path_factory.mktemp("busy") / "project")
    yield made
    made.project.close()


def read(project, work, *more):
    with project.database.read() as connection:
        return work(connection, *more)


# Counts


def test_counts_are_those_of_the_status(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), regrade=0.5)
    ada, ben = join_graders(project, "Ada", "Ben")
    for n in range(30):
        lease = project.next_item((ada, ben)[n % 2])
        project.submit((ada, ben)[n % 2], answer_to(lease, GRADES[n % 3], seconds=0))
    project.stop(ada, project.next_item(ada), "illegal")
    project.next_item(ben)
    whole, counted = status(project), read(project, progress, project.clock())
    assert counted["slots"] == whole["slots"]
    assert counted["done"] == {
        person: whole["graders"][name]["done"] for name, person in (("Ada", ada), ("Ben", ben))
    }
    assert counted["left"] == sum(each["wanted"] - each["done"] for each in whole["slots"].values())
    assert sum(each["open"] for each in counted["disputes"]) == whole["disputes"]


def test_pace_is_of_the_time_that_items_were_shown(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    for person, seconds, number in ((ada, 30, 12), (ben, 5, 9)):
        for _ in range(number):
            lease = project.next_item(person)
            clock.forward(seconds=seconds + 60)  # of which 60 are not spent on the item
            project.submit(person, answer_to(lease, seconds=seconds))
    counted = read(project, progress, clock.now)
    assert counted["pace"] == {ada: pytest.approx(120), ben: None}  # nine are too few
    together = 21 * 3600 / (12 * 30 + 9 * 5)
    assert counted["team_pace"] == pytest.approx(together)
    assert counted["hours_left"] == pytest.approx(3 / together)


def test_the_end_is_told_from_the_third_day_on(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"text": 2})
    (ada,) = join_graders(project, "Ada")
    daily = [4, 0, 2]
    for number in daily:
        for _ in range(number):
            project.submit(ada, answer_to(project.next_item(ada)))
        assert read(project, progress, clock.now)["end"] is None
        clock.forward(minutes=24 * 60)
    counted = read(project, progress, clock.now)
    assert counted["daily"] == daily
    assert counted["end"]["days"] == (24 - 6) / 2


def test_the_forecast_is_that_of_the_mean_day():
    """SciPy's interval of a mean, turned into days."""
    daily, left = [80, 95, 0, 110, 70], 1000
    low, high = stats.t.interval(0.8, len(daily) - 1, loc=np.mean(daily), scale=stats.sem(daily))
    found = forecast(daily, left)
    assert found is not None
    assert found.days == pytest.approx(left / statistics.mean(daily))
    assert (found.low, found.high) == pytest.approx((left / high, left / low))


@pytest.mark.parametrize(
    ("daily", "known", "bounded"),
    [([], False, False), ([5, 5], False, False), ([0, 0, 0], False, False),
     ([90, 0, 0], True, False), ([5, 5, 5], True, True)],
)  # fmt: skip
def test_what_cannot_be_told_is_not(daily, known, bounded):
    found = forecast(daily, 10)
    assert (found is not None) == known
    assert (found is not None and found.high is not None) == bounded


# Agreement as it grows


def test_the_last_point_is_the_agreement_of_now(busy):
    course = read(busy.project, growth, ["image", "text", "joint"])
    now = status(busy.project)["agreement"]
    assert course["share"] == 1
    for modality, points in course["modalities"].items():
        for name in ("alpha", "ac2"):
            assert points[-1][name]["value"] == pytest.approx(now[modality][name]["value"])


def test_each_point_is_the_alpha_of_the_grades_so_far(busy):
    """The krippendorff package, on the first n grades."""
    frame = read(busy.project, live_frame)
    text = [row for row in frame.iter_rows(named=True) if row["modality"] == "text"]
    text = [row for row in text if row["grade"] in GRADES]
    points = read(busy.project, growth, ["text"])["modalities"]["text"]
    assert [point["n"] for point in points][-1] == len(text)
    for point in points:
        first = text[: point["n"]]
        items = sorted({row["item"] for row in first})
        graders = sorted({row["grader"] for row in first})
        table = np.full((len(graders), len(items)), math.nan)
        for row in first:
            table[graders.index(row["grader"]), items.index(row["item"])] = GRADES.index(
                row["grade"]
            )
        expected = krippendorff.alpha(table, level_of_measurement="ordinal")
        assert point["alpha"]["value"] == pytest.approx(expected)


def test_of_very_many_grades_some_samples_are_looked_at(busy):
    all_grades = rows(busy.project, grades)
    found = read(busy.project, lambda c: growth(c, ["text"], most=len(all_grades) // 3))
    assert 0.25 < found["share"] < 0.4
    whole = read(busy.project, growth, ["text"])["modalities"]["text"][-1]["n"]
    assert 0 < found["modalities"]["text"][-1]["n"] < 0.6 * whole


def test_nothing_to_compare_is_no_point(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"image": 1, "text": 1})
    assert read(project, growth, ["image", "text"])["modalities"] == {"image": [], "text": []}
    (ada,) = join_graders(project, "Ada")
    grade_all(project, [ada])
    assert read(project, growth, ["image", "text"])["modalities"] == {"image": [], "text": []}


# Sums, people, the log


def test_what_was_borne_is_told_in_sums_of_whole_days(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"text": 3})
    people = join_graders(project, "Ada", "Ben", "Cleo")
    for person in people:
        assert care_of(project, clock) == {"enough": False}
        lease = project.next_item(person)
        clock.forward(seconds=36)
        project.submit(person, answer_to(lease, seconds=36))
    assert care_of(project, clock) == {"enough": False}  # today is not over
    clock.forward(minutes=24 * 60)
    assert care_of(project, clock) == {"enough": False}  # nor is it over for who is behind UTC
    clock.forward(minutes=12 * 60)
    sums = care_of(project, clock)
    assert (sums["items"], sums["hours"]) == (3, 0.0)
    project.submit(people[0], answer_to(project.next_item(people[0])))
    assert care_of(project, clock) == sums


def test_skips_and_opt_outs_are_told_in_fives_and_of_nobody(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 12, 4), graders={"text": 3})
    people = join_graders(project, "Ada", "Ben", "Cleo")
    skipped = []
    for n in range(7):
        project.skip(people[n % 3], project.next_item(people[n % 3]))
        clock.forward(minutes=36 * 60)
        skipped.append(care_of(project, clock).get("skips"))
    assert skipped == [None, None, 0, 0, 5, 5, 5]
    project.opt_out(people[0], "C9")
    assert care_of(project, clock)["opt_outs"] == 0
    log = read(project, audit_page)["entries"]
    assert {entry["action"] for entry in log} == {"invite", "join", "agree"}


def care_of(project, clock):
    return read(project, care_sums, clock.now)


def test_people_and_how_they_stand(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 2))
    project.invite("Old", "grader")
    clock.forward(minutes=15 * 24 * 60)
    project.invite("New", "grader", languages=["de"])
    (ada,) = join_graders(project, "Ada")
    (lea,) = join_graders(project, "Lea", role="lead")
    session = project.sign_in(project.invite("Ben", "grader").token, consent="1")
    found = {each["name"]: each for each in read(project, listed_people, clock.now)}
    project.pause(ada, by=lea)
    later = {each["name"]: each["state"] for each in read(project, listed_people, clock.now)}
    assert list(found) == ["Ada", "Ben", "New", "Old", "Lea"]
    assert later == {
        "Ada": "paused", "Ben": "joined", "New": "invited", "Old": "expired", "Lea": "joined"
    }  # fmt: skip
    assert (found["Ben"]["sessions"], found["Ada"]["sessions"]) == (1, 0)
    assert project.end_sessions(found["Ben"]["id"], by=lea) == 1
    assert project.end_sessions(found["Ben"]["id"], by=lea) == 0
    assert session


def test_only_who_works_is_paused_from_the_page(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 2))
    (lea,) = join_graders(project, "Lea", role="lead")
    for number, message in ((lea, "a lead is not paused"), (99, "no such person")):
        with pytest.raises(AnnotationError, match=message):
            read(project, worker, number)


def test_the_log_names_who_did_what_but_not_who_stopped_an_item(busy):
    entries = read(busy.project, audit_page)["entries"]
    pause = next(entry for entry in entries if entry["action"] == "pause")
    assert (pause["who"], pause["about"]) == ("Lea", "Femi")
    stop = next(entry for entry in entries if entry["action"] == "stop")
    assert (stop["who"], stop["unnamed"]) == (None, True)
    assert "Eve" not in str(read(busy.project, listed_stops))


def test_the_log_is_read_by_pages(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 2))
    for n in range(60):
        project.invite(f"Grader {n}", "grader")
    first = read(project, audit_page)
    second = read(project, audit_page, first["next"])
    assert [len(page["entries"]) for page in (first, second)] == [50, 10]
    assert second["next"] is None
    numbers = [entry["id"] for page in (first, second) for entry in page["entries"]]
    assert numbers == sorted(set(numbers), reverse=True)
