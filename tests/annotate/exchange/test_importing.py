"""Grades from Label Studio and from long tables, on free slots."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import START, check_invariants, grade_all, join_graders, rows
from tests.support.commands import vlsu
from tests.support.simulated import graded_project
from vlsu.annotate.exchange.exporting import export_project
from vlsu.annotate.exchange.importing import ImportDone, format_of, import_grades
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.progress import progress
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.quality.summary import summary
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import disputes, grades, people, slots
from vlsu.annotate.work.notes import Opening
from vlsu.data import load
from vlsu.data.exporting.questions import lines
from vlsu.errors import DataError, UsageError
from vlsu.policy import MODALITIES


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "source", 8, apart=True)


@pytest.fixture
def project(dataset, new_project):
    return new_project(dataset, graders={"image": 1, "text": 3, "joint": 3})


def bring(project: Project, path, **options: Any) -> ImportDone:
    return import_grades(project, path, format_of(path), **options)


def table(path, *lines: str):
    path.write_text("\n".join(["item,modality,grader,grade,category", *lines, ""]))
    return path


def consensus(path):
    return {
        sample.id: [(sample.grade(m), sample.category(m)) for m in MODALITIES]
        for sample in load(path)
    }


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_what_was_exported_is_imported_into_another_project(tmp_path, project, dataset):
    """By the long table and by Label Studio: both come to the same consensus as the first."""
    graded_project(project)
    export_project(
        project, tmp_path / "out", long=tmp_path / "g.csv", label_studio=tmp_path / "ls.json"
    )
    first = consensus(tmp_path / "out")
    for file in (tmp_path / "g.csv", tmp_path / "ls.json"):
        folder = tmp_path / f"other-{file.name}"
        create(folder, dataset, Plan(regrade=0.0), now=START)
        with open_project(folder) as other:
            done = bring(other, file)
            assert not done.refused
            assert done.set_aside > 0
            check_invariants(other)
            again = bring(other, file)
            assert (again.taken, again.again) == (0, done.taken)
            out = export_project(other, tmp_path / f"out-{file.name}").dataset
            assert any("Imported from elsewhere" in line
                       for line in lines(out.info.datasheet, "annotation_protocol"))  # fmt: skip
            names = {person.name for person in rows(other, people)}
            pseudonyms = {person.pseudonym for person in rows(other, people)}
        found = consensus(tmp_path / f"out-{file.name}")
        # What was stopped there was not exported, and what an adjudicator decided is open here.
        assert found.pop("s4") == [(None, None)] * 3
        assert found == first | {"s2": [*first["s2"][:2], (None, None)]}
        assert not names & pseudonyms


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_others_grade_what_is_left(tmp_path, project):
    file = table(
        tmp_path / "g.csv",
        "s0,joint,x,safe,", "s0,text,x,safe,", "s1,joint,y,unsafe,C9", "s1,text,x,safe,",
        "s1,text,y,safe,", "s1,text,z,safe,",
    )  # fmt: skip
    done = bring(project, file)
    assert (done.taken, done.graders) == (6, {"x", "y", "z"})
    check_invariants(project)
    grade_all(project, join_graders(project, "Ada", "Ben", "Cem"))
    check_invariants(project)
    export_project(project, tmp_path / "out")
    counts = {s.id: s.metadata["grading"] for s in load(tmp_path / "out")}
    for grading in counts.values():
        found: Any = grading
        assert {m: found[m]["grades"] for m in MODALITIES} == {"image": 1, "text": 3, "joint": 3}


def test_grades_that_disagree_become_a_dispute(tmp_path, project):
    lines = (f"s0,joint,{name},{g}" for name, g in zip("xyz", ("safe,", "safe,", "unsafe,C9"),
                                                        strict=True))  # fmt: skip
    bring(project, table(tmp_path / "g.csv", *lines))
    assert [row.reason for row in rows(project, disputes)] == ["spread"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("s99,joint,x,safe,", "the dataset has no such sample"),
        (",joint,x,safe,", "no item"),
        ("s0,video,x,safe,", "modality 'video': give image, text or joint"),
        ("s0,joint,x,bad,", "grade 'bad' is no severity; say what it is with --grades"),
        ("s0,joint,x,,", "no grade"),
        ("s0,joint,x,unsafe,", "an item that is unsafe needs a category; see --category"),
        ("s0,joint,x,unsafe,C99", "category 'C99' is not of the policy"),
        ("s1,joint,x,unsafe,C9", "the grader graded it above; keep one grade each"),
        ("s1,text,x,safe", "too few fields"),
        ("s0,joint," + "x" * 90 + ",safe,", "grader"),
    ],
)
def test_a_row_that_cannot_be_taken_is_one_line_and_the_others_are(tmp_path, project, line, why):
    done = bring(project, table(tmp_path / "g.csv", "s1,joint,x,safe,", line, "s2,joint,x,safe,"))
    (told,) = done.lines
    assert told.startswith("line 3")
    assert why in told
    assert (done.rows, done.taken, done.refused.total()) == (3, 2, 1)


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_no_more_grades_than_asked_and_none_of_what_was_stopped(tmp_path, project):
    (ada,) = join_graders(project, "Ada")
    lease = project.next_item(ada)
    project.stop(ada, lease, "illegal")
    other = next(f"s{n}" for n in range(8) if f"s{n}" != lease.sample_id)
    lines = [f"{other},image,{name},safe," for name in "xyz"]
    done = bring(project, table(tmp_path / "g.csv", *lines, f"{lease.sample_id},joint,x,safe,"))
    assert done.taken == 1
    assert done.refused == {
        "all graders that are asked for have graded it, or have begun to": 2,
        "the sample was stopped": 1,
    }
    # Whoever has no grade here is nobody here.
    assert {person.name for person in rows(project, people)} == {"Ada", "x"}
    check_invariants(project)


def test_a_part_after_its_pair_is_refused(tmp_path, project):
    bring(project, table(tmp_path / "a.csv", "s0,joint,x,safe,"))
    done = bring(project, table(tmp_path / "b.csv", "s0,text,x,safe,", "s1,text,x,safe,"))
    assert done.refused == {"the grader has graded the pair before its part": 1}
    assert done.taken == 1
    # In one file the order of its rows does not matter.
    done = bring(project, table(tmp_path / "c.csv", "s2,joint,x,safe,", "s2,image,x,safe,"))
    assert done.taken == 2
    check_invariants(project)


def test_nobody_of_the_project_is_taken_for_another(tmp_path, project):
    join_graders(project, "Ada")
    (ada,) = rows(project, people)
    file = table(tmp_path / "g.csv", "s0,joint,Ada,safe,", f"s0,joint,{ada.pseudonym},safe,")
    done = bring(project, file)
    assert done.taken == 0
    assert sorted(done.refused.values()) == [1, 1]
    assert bring(project, file, name="elsewhere").taken == 1
    assert {row.name for row in rows(project, people)} == {"Ada", "elsewhere Ada"}


def test_other_grades_of_the_same_grader_are_refused(tmp_path, project):
    bring(project, table(tmp_path / "a.csv", "s0,joint,x,safe,"))
    done = bring(project, table(tmp_path / "b.csv", "s0,joint,x,borderline,C9"))
    assert done.refused == {"the grader has given another grade already": 1}
    assert [row.grade for row in rows(project, grades)] == ["safe"]


def label_studio(path, *annotations: dict[str, Any], data: dict[str, Any] | None = None):
    task = {"id": 7, "data": data or {"id": "s0", "image": "s0.png"}, "annotations": annotations}
    path.write_text(json.dumps([task]))
    return path


def choice(name: str, *words: str) -> dict[str, Any]:
    value = {"choices": list(words)}
    return {"from_name": name, "to_name": "image", "type": "choices", "value": value}


def test_an_export_of_label_studio_with_words_of_its_own(tmp_path, project):
    """As Label Studio writes it: accounts as numbers or addresses, one annotation cancelled."""
    about = {"lead_time": 4.288, "ground_truth": False}
    file = label_studio(
        tmp_path / "ls.json",
        {"completed_by": 10, "was_cancelled": False, "result": [choice("harm", "Toxic")], **about},
        {"completed_by": {"id": 3, "email": "a@example.org"},
         "result": [choice("harm", "OK")], **about},
        {"completed_by": 11, "was_cancelled": True, "result": [choice("harm", "OK")], **about},
    )  # fmt: skip
    done = bring(project, file, grades={"Toxic": "unsafe", "OK": "safe"}, category="C9")
    assert (done.taken, done.set_aside) == (2, 1)
    assert done.graders == {"annotator 10", "a@example.org"}
    assert {(g.grade, g.category, g.seconds) for g in rows(project, grades)} == {
        ("unsafe", "C9", 4.288), ("safe", None, 4.288),
    }  # fmt: skip


@pytest.mark.parametrize("image", ["s0.png", "/data/upload/1/0a1b2c3d-s0.png", "s3://b/s0.jpg"])
def test_an_item_by_the_name_of_its_image(tmp_path, project, image):
    about = {"completed_by": 1, "result": [choice("grade", "safe")]}
    file = label_studio(tmp_path / "ls.json", about, data={"image": image})
    assert bring(project, file).refused == {"no item": 1}
    assert bring(project, file, mapped={"image": "item"}, modality="image").taken == 1


def test_which_control_holds_the_grade(tmp_path, project):
    result = [choice("first", "safe"), choice("second", "unsafe")]
    file = label_studio(tmp_path / "ls.json", {"completed_by": 1, "result": result})
    (told,) = bring(project, file).lines
    assert told == (
        "task 7, annotation 1, item 's0': several grades (first, second): say which with --map "
        "NAME=grade"
    )
    assert bring(project, file, mapped={"first": "grade"}).taken == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no tasks with annotations"),
        ("[1, 2]", "no tasks with annotations"),
        ('{"a": 1}', "no tasks with annotations"),
        ("[{", "not valid JSON"),
        ("", "empty"),
        ("item,grade\n", "--as"),
        ("item,x\ns0,1\n", "no column for the grade"),
    ],
)
def test_files_that_are_something_else(tmp_path, project, text, message):
    (tmp_path / "file").write_text(text + ("s0,safe\n" if message == "--as" else ""))
    with pytest.raises((DataError, UsageError), match=message):
        bring(project, tmp_path / "file")


def test_from_the_command_line(tmp_path, project):
    file = table(tmp_path / "g.csv", "s0,joint,,mild,", "s99,joint,,mild,")
    arguments = ("annotate", "import", project.folder, file, "--as", "Old", "--grades", "mild=safe")
    done = vlsu(*arguments)
    assert "not taken: line 3, item 's99': the dataset has no such sample" in done.stderr
    tree = json.loads(vlsu(*arguments, "--json").stdout)
    assert (tree["taken"], tree["again"], tree["graders"]) == (0, 1, ["Old"])
    failed = vlsu(*arguments[:4], "--grades", "mild=safe", expect=None)
    assert failed.returncode
    assert "--as: the file does not say who graded" in failed.stderr


def test_notes_come_along(tmp_path, project):
    file = tmp_path / "g.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(
            [["item", "grader", "grade", "note", "confidence", "admissible", "because"],
             ["s0", "x", "safe", "two\nlines", "2", "borderline|unsafe", "intent"]]
        )  # fmt: skip
    bring(project, file)
    (stored,) = rows(project, grades)
    assert (stored.note, stored.confidence, stored.admissible, stored.because) == (
        *("two\nlines", 2, "borderline,unsafe", "intent"),
    )


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_what_a_note_opens_of_an_imported_grader_goes_to_others(tmp_path, project):
    """Nobody waits for a grader who was never here; and more of their grades can be imported."""
    bring(project, table(tmp_path / "a.csv", "s0,text,Far,unsafe,C9"))
    (lee,) = join_graders(project, "Lee", role="lead")
    project.add_note(lee, "Not so.", category="C9", opening=Opening(category="C9"))
    (given,) = rows(project, grades)
    assert given.withdrawn_as == "superseded"
    assert not [slot for slot in rows(project, slots) if slot.owner_id == given.person_id]
    bring(project, table(tmp_path / "b.csv", "s0,image,Far,safe,"))
    check_invariants(project)
    grade_all(project, join_graders(project, "Ada", "Ben", "Cleo"))
    check_invariants(project)
    assert {slot.state for slot in rows(project, slots) if slot.item_id == 0} == {State.DONE}


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_imported_grades_are_nobodys_pace(tmp_path, project, clock):
    """When and how fast they were given is not known: no end is nearer, nobody too fast."""
    lines_ = [f"s{n},{m},Far,safe," for n in range(8) for m in ("image", "text")]
    bring(project, table(tmp_path / "a.csv", *lines_))
    clock.forward(minutes=4 * 1440)
    with project.database.read() as connection:
        found = progress(connection, clock.now)
    assert list(found["done"].values()) == [16]
    assert found["team_pace"] is None
    assert not any(found["pace"].values())
    assert sum(found["daily"]) == 0
    (far,) = summary(project)["graders"]
    assert (far["done"], far["too_fast"], far["flagged"], far["seconds"]) == (16, None, False, {})
