"""A graded project as a dataset, a long table and tasks of Label Studio."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from typing import Any

import krippendorff
import polars as pl
import pytest
from sqlalchemy import insert

from tests.conftest import make_dataset
from tests.support.annotating import START, answer_to, grade_all, join_graders, rows
from tests.support.commands import vlsu
from tests.support.simulated import decide, graded_project
from vlsu.analysis.agreement.agreement import grader_agreement
from vlsu.annotate.exchange.exporting import export_project
from vlsu.annotate.exchange.grading import one_moment, read_graded
from vlsu.annotate.exchange.long import LONG_COLUMNS
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.store.tables import grades, people, policy_notes, policy_versions
from vlsu.annotate.work.leasing import Lease
from vlsu.annotate.work.records import add_tally
from vlsu.data import Sample, check_dataset, load, write_dataset
from vlsu.data.exporting.questions import checked, lines
from vlsu.data.grades import read_grades
from vlsu.errors import AnnotationError, DataError, UsageError
from vlsu.policy import MODALITIES, Severity


@pytest.fixture
def graded(tmp_path, new_project):
    dataset = make_dataset(tmp_path / "source", 8, apart=True)
    return graded_project(new_project(dataset, graders={"image": 1, "text": 3, "joint": 3}))


def pair_of(sample: Sample) -> Any:
    """What an export tells of the pair of a sample."""
    grading: Any = sample.metadata["grading"]
    return grading["joint"]


def long_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_consensus_becomes_the_grades(graded, tmp_path):
    done = export_project(graded, tmp_path / "out")
    samples = {sample.id: sample for sample in load(tmp_path / "out")}
    assert sorted(samples) == ["s0", "s1", "s2", "s3", "s5", "s6", "s7"]  # s4 was stopped
    assert {id_: sample.joint_grade for id_, sample in samples.items()} == {
        "s0": Severity.SAFE,
        "s1": Severity.UNSAFE,
        "s2": Severity.BORDERLINE,  # as decided, though two of three say safe
        "s3": None,  # disputed
        "s5": None,  # skipped by everybody
        "s6": Severity.SAFE,
        "s7": Severity.SAFE,  # the unsafe one was taken back
    }
    assert {id_: s.joint_category for id_, s in samples.items() if s.joint_category} == {
        "s1": "C9",
        "s2": "C9",
    }
    assert all(sample.text_grade is Severity.SAFE for sample in samples.values())
    pair = {id_: pair_of(sample) for id_, sample in samples.items()}
    assert pair["s0"] == {
        "soft": {"safe": 0.5, "borderline": 0.5, "unsafe": 0.0},  # all find borderline admissible
        "votes": {"safe": 3},
        "grades": 3,
        "agreement": 1.0,
        "contested": False,
        "decided_by": "majority",
    }
    assert pair["s1"]["votes"] == {"borderline": 1, "unsafe": 2}
    assert pair["s1"]["agreement"] == pytest.approx(1 / 3, abs=1e-4)  # one of three pairs
    assert pair["s1"]["soft"] == {"safe": 0.0, "borderline": 0.3333, "unsafe": 0.6667}
    assert (pair["s1"]["contested"], pair["s1"]["decided_by"]) == (True, "majority")
    assert (pair["s2"]["contested"], pair["s2"]["decided_by"]) == (True, "adjudicator")
    assert (pair["s3"]["decided_by"], pair["s3"]["undecided"]) == (None, "dispute")
    assert (pair["s5"]["decided_by"], pair["s5"]["undecided"]) == (None, "unfinished")
    counts = done.tree()["modalities"]["joint"]
    assert {k: counts[k] for k in ("decided", "adjudicator", "dispute", "unfinished")} == {
        "decided": 5, "adjudicator": 1, "dispute": 1, "unfinished": 1,
    }  # fmt: skip
    assert (done.summary.samples, done.summary.stopped) == (7, 1)


def test_nothing_else_of_a_sample_is_lost(graded, tmp_path):
    export_project(graded, tmp_path / "out")
    source = {sample.id: sample for sample in graded.dataset()}
    out = load(tmp_path / "out")
    for sample in out:
        before = source[sample.id]
        assert (sample.text, sample.language, sample.group) == (
            before.text, before.language, before.group,
        )  # fmt: skip
        assert out.read_image(str(sample.image_sha256)) == graded.dataset().read_image(
            str(before.image_sha256)
        )
        kept: Any = sample.metadata["source_grades"]
        assert kept["joint"] == {
            "grade": before.joint_grade.label,
            "category": before.joint_category,
        }
    report = check_dataset(out)
    assert report.ok, report


def test_an_export_can_be_graded_and_exported_again(graded, tmp_path):
    export_project(graded, tmp_path / "out")
    create(tmp_path / "again", load(tmp_path / "out"), Plan(graders={"joint": 1}), now=START)
    with open_project(tmp_path / "again") as project:
        export_project(project, tmp_path / "out2")
    first = {sample.id: sample for sample in load(tmp_path / "out")}
    for sample in load(tmp_path / "out2"):
        former: Any = sample.metadata["source_grades"]
        assert former["grading"] == first[sample.id].metadata["grading"]
        assert former["source_grades"] == first[sample.id].metadata["source_grades"]


def test_every_grade_by_pseudonym(graded, tmp_path):
    export_project(graded, tmp_path / "out", long=tmp_path / "grades.csv")
    found = long_rows(tmp_path / "grades.csv")
    assert tuple(found[0]) == LONG_COLUMNS
    assert LONG_COLUMNS[:9] == (
        *("item", "modality", "grader", "grade", "category", "confidence", "seconds"),
        *("policy_version", "set_aside"),
    )
    stored = [g for g in rows(graded, grades) if g.withdrawn_as != "taken_back"]
    stopped = 4  # number of s4
    assert len(found) == sum(g.item_id != stopped for g in stored)
    assert Counter(r["set_aside"] for r in found)["true"] == sum(
        g.item_id != stopped for g in stored if g.withdrawn_as == "set_aside"
    )
    names = {person.pseudonym: person.name for person in rows(graded, people)}
    assert {r["grader"] for r in found} <= set(names)
    written = (tmp_path / "grades.csv").read_text()
    assert not any(name in written for name in names.values())
    assert "words of a grader" not in written
    assert {r["admissible"] for r in found if (r["item"], r["modality"]) == ("s0", "joint")
            and r["set_aside"] == "false"} == {"borderline"}  # fmt: skip


def test_notes_only_where_asked_for(graded, tmp_path):
    export_project(graded, tmp_path / "out", long=tmp_path / "grades.csv", notes=True)
    assert {r["note"] for r in long_rows(tmp_path / "grades.csv")} >= {"words of a grader"}


def test_the_long_table_reads_straight_into_agreement(graded, tmp_path):
    done = export_project(graded, tmp_path / "out", long=tmp_path / "grades.csv")
    found = json.loads(vlsu("agreement", tmp_path / "grades.csv", "--json",
                            "--replicates", 1000).stdout)  # fmt: skip
    assert any("set_aside is" in note for note in found["notes"])
    # The datasheet has the same figures, intervals included.
    for part in ("modalities", "categories"):
        assert done.summary.agreement[part] == found[part]
    sheet = lines(done.dataset.info.datasheet, "annotation_analysis")
    alpha = found["modalities"]["joint"]["krippendorff_alpha_ordinal"]
    assert f"{alpha['value']:.2f} [{alpha['low']:.2f}, {alpha['high']:.2f}]" in "".join(sheet)


def test_two_graders_who_agree_on_nothing(tmp_path, new_project):
    project = new_project(
        make_dataset(tmp_path / "d", 12, apart=True), graders={"image": 0, "text": 2, "joint": 0}
    )
    ada, ben = join_graders(project, "Ada", "Ben")
    grade_all(project, [ada, ben], lambda who, _: "safe" if who == ada else "unsafe")
    export_project(project, tmp_path / "out", long=tmp_path / "grades.csv")
    found = grader_agreement(read_grades(tmp_path / "grades.csv").grades, replicates=100)
    alpha = found["overall"]["krippendorff_alpha_ordinal"]["value"]
    table = pl.read_csv(tmp_path / "grades.csv").pivot("item", index="grader", values="grade")
    codes = [[{"safe": 0, "unsafe": 2}[grade] for grade in row[1:]] for row in table.iter_rows()]
    assert alpha < 0
    assert alpha == pytest.approx(
        krippendorff.alpha(codes, level_of_measurement="ordinal", value_domain=[0, 1, 2])
    )
    assert {s.text_grade for s in load(tmp_path / "out")} == {None}


def test_the_datasheet_tells_how_the_grades_came_to_be(graded, tmp_path):
    done = export_project(graded, tmp_path / "out")
    told = checked(done.dataset.info.datasheet, "dataset.yaml")
    by_modality = {
        name: {g.person_id for g in rows(graded, grades) if g.modality == n and g.live}
        for n, name in enumerate(MODALITIES)
    }
    assert told["annotators"] == {m: f"{len(who)} people" for m, who in by_modality.items()}
    protocol = "\n".join(lines(told, "annotation_protocol"))
    for part in (graded.policy.hash, "image without its text", "seed 0"):
        assert part in protocol
    missing = "\n".join(lines(told, "missing_data"))
    assert "are not part of the export: 1." in missing
    assert "joint: without a grade are 1 as an adjudicator has not decided yet, 1 as" in missing
    assert "Skipped by graders, by category: C9 <5" in missing
    assert "(100%) have one grade, of which no agreement can be told" in "\n".join(
        lines(told, "annotation_analysis")
    )
    # And in Croissant, by its RAI properties.
    vlsu("data", "export", tmp_path / "out", "--format", "hf", "--out", tmp_path / "hf")
    tree = json.loads((tmp_path / "hf" / "croissant.json").read_text())
    assert tree["rai:dataAnnotationPlatform"][0].startswith("vlsu annotate")
    assert "3: 7 samples" in tree["rai:annotationsPerItem"]


def test_the_datasheet_counts_what_could_point_to_somebody_as_fewer_than_five(graded, tmp_path):
    def tallied(connection):
        for kind, stratum, number in (
            ("skip", "C2", 6),
            ("opt_out", "C2", 5),
            ("opt_out", "C3", 4),
        ):
            for _ in range(number):
                add_tally(connection, kind, stratum)

    graded.database.write(tallied)
    told = lines(export_project(graded, tmp_path / "out").dataset.info.datasheet, "missing_data")
    assert "Skipped by graders, by category: C2 6, C9 <5." in told
    assert "Opted out of by graders, by category: C2 5, C3 <5." in told


def test_the_datasheet_has_the_notes_that_graders_had(graded, tmp_path):
    (ada, *_) = rows(graded, people)

    def noted(connection):
        connection.execute(
            insert(policy_versions).values(id=2, label="1.1.1", policy_hash="0" * 64, made_at=1)
        )
        note = {"version_id": 2, "category": "C9", "text": "News is safe."} | {
            "person_id": ada.id,
            "opens": False,
            "opens_decided": False,
        }
        connection.execute(insert(policy_notes).values(**note))

    graded.database.write(noted)
    sheet = export_project(graded, tmp_path / "out").dataset.info.datasheet
    told = lines(sheet, "annotation_protocol")
    assert told[0].endswith("with 1 notes, as of version 1.1.1.")
    assert told[1] == "Policy note 1.1.1 on C9: News is safe."


def test_what_the_author_said_of_the_source_stays(tmp_path, new_project):
    made = make_dataset(tmp_path / "d", 4, apart=True)
    said = {
        "purpose": "To test.", "annotators": "Ten students.", "annotation_protocol": "By hand.",
        "selection": "All there is.",
    }  # fmt: skip
    source = write_dataset(
        tmp_path / "source", made, name="tiny", version="1", licence="CC0-1.0", citation="",
        source="tests", images=made.images, datasheet=said,
    )  # fmt: skip
    project = new_project(source, graders={"text": 1})
    grade_all(project, join_graders(project, "Ada"))
    sheet = export_project(project, tmp_path / "out").dataset.info.datasheet
    assert (sheet["purpose"], sheet["selection"]) == ("To test.", "All there is.")
    kept = "of the source's own grades, kept in metadata.source_grades: "
    assert sheet["annotators"] == {"text": f"1 people ({kept}Ten students.)"}
    assert lines(sheet, "annotation_protocol")[-1] == f"{kept}By hand."


def test_grades_that_are_all_new_stand_above_a_decision(graded, tmp_path, clock):
    """Those who graded s2 are set aside one by one, until no grade is left that was decided on.

    First the one who found it unsafe, so that those who are left agree with each other.
    """
    joint_s2 = [g for g in rows(graded, grades) if (g.item_id, g.modality, g.live) == (2, 2, True)]
    for n, grade in enumerate(reversed(joint_s2)):
        clock.forward(minutes=1)
        graded.pause(grade.person_id)
        graded.set_aside(grade.person_id)
        for person in join_graders(graded, *(f"more {n} {k}" for k in range(3))):
            while isinstance(lease := graded.next_item(person), Lease):
                graded.submit(person, answer_to(lease, "safe"))
        export_project(graded, tmp_path / f"out{n}")
    found = [
        next(s for s in load(tmp_path / f"out{n}") if s.id == "s2") for n in range(len(joint_s2))
    ]
    # As long as a grade counts that the adjudicator saw, the decision stands.
    assert [pair_of(s)["decided_by"] for s in found[:2]] == ["adjudicator"] * 2
    assert pair_of(found[-1])["decided_by"] == "majority"
    assert found[-1].joint_grade is Severity.SAFE


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_a_decision_stands_though_the_clock_went_back_before_it(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 2, apart=True), graders={"text": 3})
    ada, *others = join_graders(project, "Ada", "Ben", "Cleo")
    clock.forward(minutes=90)
    grade_all(project, [ada, *others], lambda who, _: "unsafe" if who == ada else "safe")
    clock.forward(minutes=-60)
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    while (case := project.next_case(eve)) is not None:
        project.decide(eve, case.dispute, "unsafe", "C9", "It is.")
    for sample in export_project(project, tmp_path / "out").dataset:
        grading: Any = sample.metadata["grading"]
        assert grading["text"]["decided_by"] == "adjudicator"
        assert sample.text_grade is Severity.UNSAFE


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_an_export_is_of_one_moment(tmp_path, new_project):
    """What is graded while an export reads is not half in it."""
    project = new_project(make_dataset(tmp_path / "d", 6, apart=True))
    ada, ben = join_graders(project, "Ada", "Ben")
    for _ in range(3):
        project.submit(ada, answer_to(project.next_item(ada)))
    with one_moment(project.database) as connection:
        reading = read_graded(connection)
        seen = [next(reading)]
        grade_all(project, [ben])
        seen += reading
        again = list(read_graded(connection))
    assert sum(len(unit.given) for each in seen for unit in each.units.values()) == 3
    assert again == seen
    assert len(rows(project, grades)) > 3


def test_nothing_is_overwritten(graded, tmp_path):
    export_project(graded, tmp_path / "out", long=tmp_path / "grades.csv")
    with pytest.raises(UsageError, match=r"grades\.csv: already exists; choose another --long"):
        export_project(graded, tmp_path / "out2", long=tmp_path / "grades.csv")
    with pytest.raises(DataError, match="holds a dataset already"):
        export_project(graded, tmp_path / "out", long=tmp_path / "more.csv")
    assert not (tmp_path / "more.csv").exists()
    with pytest.raises(UsageError, match="is to hold two things"):
        export_project(
            graded, tmp_path / "o", long=tmp_path / "a.json", label_studio=tmp_path / "a.json"
        )
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        export_project(graded, tmp_path / "o", long=tmp_path / "nowhere" / "grades.csv")
    assert not (tmp_path / "o").exists()


def test_a_dataset_that_has_changed_is_refused(graded, tmp_path):
    folder = graded.dataset().path
    file = folder / "samples.parquet"
    frame = pl.read_parquet(file)
    frame.with_columns(text=pl.col("text") + " ").write_parquet(file)
    with pytest.raises(AnnotationError, match="has changed since the project was made"):
        export_project(graded, tmp_path / "out", long=tmp_path / "grades.csv")
    assert not (tmp_path / "out" / "dataset.yaml").exists()
    assert not (tmp_path / "grades.csv").exists()


def test_tasks_of_label_studio_hold_one_part_and_fit_their_configuration(graded, tmp_path):
    export_project(
        graded, tmp_path / "out", label_studio=tmp_path / "ls.json", image_url="/data/?d=images/"
    )
    tasks = json.loads((tmp_path / "ls.json").read_text())
    root = ElementTree.parse(tmp_path / "ls.xml").getroot()
    allowed = {
        tag.get("name"): {choice.get("alias") or choice.get("value") for choice in tag}
        for tag in root.iter("Choices")
    }
    for task in tasks:
        data = task["data"]
        assert data["modality"] != "image" or not data["text"]
        assert data["modality"] != "text" or not data["image"]
        assert not data["image"] or data["image"].startswith("/data/?d=images/")
        for annotation in task["annotations"]:
            assert "completed_by" not in annotation  # an unknown one is refused by Label Studio
            for result in annotation["result"]:
                if result["type"] == "choices":
                    assert set(result["value"]["choices"]) <= allowed[result["from_name"]]
    assert {task["data"]["sample"] for task in tasks} == {f"s{n}" for n in range(8) if n != 4}
    assert any(a["was_cancelled"] for task in tasks for a in task["annotations"])


#: Runs a command that is killed when it has written three images.
EXPORTING = """
import os, signal, sys
from vlsu.cli.app import run_command
from vlsu.data.images.store import ImageStore

copy, written = ImageStore.copy_from, set()

def counted(store, other, sha256):
    if len(written) == 3 and sha256 not in written:
        os.kill(os.getpid(), signal.SIGKILL)
    copy(store, other, sha256)
    written.add(sha256)

ImageStore.copy_from = counted
run_command(sys.argv[1:])
"""


def test_a_killed_export_leaves_no_dataset_that_opens(tmp_path):
    dataset = make_dataset(tmp_path / "source", 2000, images=4)
    create(tmp_path / "p", dataset, Plan(graders={"joint": 1}), now=START)
    out = tmp_path / "out"
    command = [sys.executable, "-c", EXPORTING, "annotate", "export", tmp_path / "p", "--out", out]
    process = subprocess.run([*command, "--long", tmp_path / "g.csv"], check=False)
    assert process.returncode == -signal.SIGKILL
    assert len(list(out.glob("images/*/*"))) == 3
    with pytest.raises(DataError):
        load(out)
    assert not (tmp_path / "g.csv").exists()
    vlsu("annotate", "export", tmp_path / "p", "--out", out)  # the same command again
    assert len(load(out)) == 2000


def test_from_the_command_line(graded, tmp_path, clock):
    clock.forward(minutes=11)  # what other adjudicators hold is free again
    decide(graded, "s3", "safe", None)
    done = vlsu("annotate", "export", graded.folder, "--out", tmp_path / "out", "--json")
    tree = json.loads(done.stdout)
    assert tree["modalities"]["joint"]["dispute"] == 0
    assert vlsu("data", "check", tmp_path / "out").returncode == 0
    shown = vlsu("annotate", "export", graded.folder, "--out", tmp_path / "out2").stdout
    assert "Left out, as they were stopped: 1." in shown
