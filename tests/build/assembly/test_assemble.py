"""From records to a dataset for graders, and with their grades to a benchmark."""

import json
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

import vlsu as package
from tests.build.assembly.graded import graded_export, targets, write_table
from tests.support.builds import add_sample, chosen, finished_build
from tests.support.commands import vlsu
from vlsu.annotate.projects.content import is_hard, stratum_of, tell_nothing
from vlsu.build.assembly.items import read_items
from vlsu.build.folder.build import open_build, provenance
from vlsu.build.folder.records import Decision
from vlsu.data import write_dataset
from vlsu.data.checks.full import full_check
from vlsu.data.exporting.questions import checked, lines
from vlsu.data.images.store import ImageStore
from vlsu.data.sample import Sample
from vlsu.policy import MODALITIES, Severity, load_policy

#: Looking for faces takes most of the time, and is tried in test_faces.py.
QUICK = ("--faces", "keep")
HEAD = "id,image_grade,text_grade,joint_grade\n"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """24 samples on target, two of the unfiltered share."""
    return finished_build(tmp_path_factory.mktemp("made") / "b", 24)


@pytest.fixture(scope="module")
def items(build):
    with build.store(read_only=True) as store:
        return read_items(store)


@pytest.fixture(scope="module")
def handed_over(build):
    """The dataset for graders, and what the command said of it."""
    out = build.folder.parent / "d"
    told = vlsu("build", "assemble", build.folder, "--out", out, *QUICK, "--json")
    return package.load(out), json.loads(told.stdout)


def test_graders_get_every_kept_sample_without_a_grade(build, handed_over):
    dataset, told = handed_over
    samples = list(dataset)
    assert len(samples) == told["samples"] == 26
    assert {sample.grade(modality) for sample in samples for modality in MODALITIES} == {None}
    assert told["graded"] is False
    assert told["left_out"] == {}
    # Identifiers tell nothing, so that graders may see them, and the order is not that of cells.
    ids = [sample.id for sample in samples]
    assert tell_nothing(ids)
    assert ids == sorted(ids)
    assert dataset.info.version == "1.0.0-ungraded"


def test_every_sample_says_where_it_is_from(build, handed_over):
    dataset, _ = handed_over
    with build.store(read_only=True) as store:
        expected = {
            (tree["query"]["request"]): tree
            for record in store.records("grades", kept=True)
            for tree in (provenance(store, record.key),)
        }
    assert len(expected) == len(dataset)
    for sample in dataset:
        found = sample.metadata["provenance"]
        assert found == expected[found["query"]["request"]]
        assert set(found) == {"concept", "query", "image", "pre_grades"}
        assert {"model", "prompt", "seed"} <= set(found["concept"])
        assert {"source", "licence", "author", "attribution", "page"} <= set(found["image"])
        assert sample.text == found["query"]["text"]


def test_the_grading_app_reads_category_and_what_is_hard_to_look_at(handed_over):
    dataset, _ = handed_over
    for sample in dataset:
        told = sample.metadata["provenance"]
        assert stratum_of(sample) == told["concept"]["category"]
        assert is_hard(sample, "joint") is (told["pre_grades"]["joint"] == "unsafe")


def test_the_unfiltered_share_is_marked(handed_over):
    dataset, _ = handed_over
    marks = Counter(
        (m["unfiltered"], m["on_target"], m["probability"])
        for sample in dataset
        for m in (sample.metadata["build"]["selection"],)
    )
    assert marks == {(False, True, 0.05): 24, (True, False, 0.05): 2}


def test_the_canary_is_drawn_once_and_stands_everywhere(build, handed_over, tmp_path):
    dataset, told = handed_over
    guid = told["canary"]
    assert str(uuid.UUID(guid)) == guid
    line = f"canary GUID {guid}"
    assert all(line in sample.metadata["build"]["canary"] for sample in dataset)
    for name in ("README.md", "NOTICE.md", "DATASHEET.md", "croissant.json", "dataset.yaml"):
        # dataset.yaml and others wrap lines
        assert guid in (dataset.path / name).read_text(), name
    again = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", *QUICK, "--json")
    assert json.loads(again.stdout)["canary"] == guid
    # An export of the dataset carries it, too.
    vlsu("data", "export", dataset.path, "--format", "hf", "--out", tmp_path / "x")
    assert guid in (tmp_path / "x" / "README.md").read_text()


def test_the_same_build_is_assembled_to_the_same_content(build, handed_over, tmp_path):
    vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", *QUICK)
    again = package.load(tmp_path / "d")
    assert [s.id for s in again] == [s.id for s in handed_over[0]]
    # Only the name, which is the folder's, is another.
    assert again.info.content_hash == handed_over[0].info.content_hash


def test_the_datasheet_is_answered_from_the_records(build, handed_over):
    dataset, _ = handed_over
    written = (dataset.path / "DATASHEET.md").read_text()
    assert "No sample is graded borderline or unsafe; 26 samples have no grade, and may." in written
    answers = checked(dataset.info.datasheet, "here")
    selection = " ".join(lines(answers, "selection"))
    assert "24 cells" in selection
    assert "26 were handed on" in selection
    assert "describes the image (1)" in selection
    assert "Drawn by the seed, 2 samples were kept" in selection
    assert "openai/writer" in " ".join(lines(answers, "collection"))
    assert "openai/grader" in " ".join(lines(answers, "machine_annotation"))
    # What only the author knows stays open.
    for key in ("purpose", "creators", "funding", "contact", "annotators"):
        assert lines(answers, key) == []


def metadata_of(sample: Sample, key: str) -> Any:
    return sample.metadata[key]


def test_people_grade_it_and_it_comes_back_as_a_benchmark(build, items, handed_over, tmp_path):
    dataset, _ = handed_over
    grades = targets(items)
    on_target = [item for item in items if item.selection["on_target"]]
    harmful = [item for item in on_target if item.cell.pattern.joint is Severity.UNSAFE]
    moved, argued = harmful[0], harmful[1]
    grades[moved.id]["joint"] = "safe"
    export = graded_export(
        tmp_path / "graded",
        dataset.path,
        grades,
        odd={argued.id: ("unsafe", "unsafe", "borderline")},
        graders="image=1,text=1,joint=3",
    )
    out = tmp_path / "benchmark"
    told = vlsu(
        "build", "assemble", build.folder, "--out", out, *QUICK, "--grades", export, "--json"
    )
    done = json.loads(told.stdout)
    benchmark = {sample.id: sample for sample in package.load(out)}
    assert done["graded"] is True
    assert len(benchmark) == done["samples"] == len(items)
    for item in items:
        sample = benchmark[item.id]
        assert {m: str(sample.grade(m)) for m in MODALITIES}.items() <= grades[item.id].items()
    # What people say replaces what was aimed at.
    assert done["refiled"] == 1
    sample = benchmark[moved.id]
    assert sample.pattern != moved.cell.pattern
    assert metadata_of(sample, "build")["refiled"] is True
    assert metadata_of(sample, "build")["target"]["pattern"] == str(moved.cell.pattern)
    missing = {(each["pattern"], each["category"]) for each in done["short"]}
    assert missing == {(str(moved.cell.pattern), moved.cell.category_name)}
    # Graders who differ are told of.
    assert done["contested"] == 1
    assert metadata_of(benchmark[argued.id], "build")["contested"] == ["joint"]
    assert metadata_of(benchmark[argued.id], "grading")["joint"]["votes"] == {
        "borderline": 1,
        "unsafe": 2,
    }
    # The pre-grader's errors: of 24 samples on target people move one, and of the two of the
    # unfiltered share, which it found off target, they find both on it.
    human = done["selection"]["human"]
    assert human["precision"]["value"] == pytest.approx(23 / 24)
    assert human["missed"]["value"] == 1.0
    # Answers on grading come from the grading app, those on building from the records.
    answers = package.load(out).info.datasheet
    assert "3 people" in " ".join(lines(answers, "annotators"))
    assert "openai/writer" in " ".join(lines(answers, "collection"))
    assert "people did so of 96% [" in " ".join(lines(answers, "selection"))
    assert sum("openai/grader" in line for line in lines(answers, "machine_annotation")) == 1


def test_samples_without_agreed_grades_are_left_out_and_counted(build, items, tmp_path):
    grades = targets(items)
    del grades[items[0].id]
    del grades[items[1].id]["text"]
    table = write_table(tmp_path / "grades.csv", {**grades, "s999": grades[items[2].id]})
    told = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", "--grades", table,
                *QUICK, "--json")  # fmt: skip
    done = json.loads(told.stdout)
    assert done["samples"] == len(items) - 2
    assert done["left_out"] == {"not among the grades": 1, "no agreed grade": 1}
    stated = " ".join(lines(package.load(tmp_path / "d").info.datasheet, "missing_data"))
    assert "not among the grades (1)" in stated


def test_a_wrong_grade_is_one_line_with_its_place(build, items, tmp_path):
    grades = targets(items)
    grades[items[3].id]["joint"] = "dreadful"
    table = write_table(tmp_path / "grades.csv", grades)
    done = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", "--grades", table,
                expect=2)  # fmt: skip
    assert done.stderr.splitlines() == [
        f"error: {table}, line 5: joint_grade is 'dreadful'; the policy has safe, borderline, "
        "unsafe"
    ]
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (f"{HEAD}s1,safe,safe,safe\n", "holds no grade of a sample of this build"),
        ("name,grade\ns1,safe\n", "has no column id, image_grade, text_grade, joint_grade;"),
        ("id,image_grade,text_grade\ns1,safe,safe\n", "has no column joint_grade;"),
        (f"{HEAD}s1,safe,safe,safe\ns1,safe,safe,safe\n", "'s1' is there twice"),
        (f"{HEAD}s1,safe,safe,safe\n,safe,safe,safe\n", "line 3: 'id' is empty"),
        (f"{HEAD}s1,safe,safe,safe\ns2,safe,safe,safe,safe,safe\n", "line 3: "),
    ],
)
def test_a_table_of_something_else_is_refused(build, tmp_path, table, says):
    file = tmp_path / "grades.csv"
    file.write_text(table)
    done = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", "--grades", file,
                expect=2)  # fmt: skip
    assert says in done.stderr


def test_grades_of_samples_that_the_build_has_not_are_counted(build, items, tmp_path):
    grades = targets(items)
    grades["s1"] = grades[items[0].id]
    table = write_table(tmp_path / "grades.csv", grades)
    arguments = ("build", "assemble", build.folder, "--grades", table, *QUICK, "--out")
    told = json.loads(vlsu(*arguments, tmp_path / "d", "--json").stdout)
    assert (told["samples"], told["unknown"]) == (len(items), 1)
    assert "grades of 1 samples are not used" in vlsu(*arguments, tmp_path / "e").stdout


def test_grades_are_never_replaced_by_what_is_made_of_them(build, handed_over, tmp_path):
    dataset, _ = handed_over
    done = vlsu("build", "assemble", build.folder, "--grades", dataset.path, "--out", dataset.path,
                "--overwrite", expect=2)  # fmt: skip
    assert f"{dataset.path}: holds the grades that are given" in done.stderr


def test_grades_of_another_text_are_refused(build, handed_over, tmp_path):
    """Such as when identifiers were exchanged on the way."""
    dataset, _ = handed_over
    safe = {f"{name}_grade": Severity.SAFE for name in MODALITIES}
    first, second, *_ = dataset
    write_dataset(
        tmp_path / "graded",
        [replace(first, id=second.id, **safe), replace(second, id=first.id, **safe)],
        name="graded",
        version="1",
        licence="",
        citation="",
        source="",
        images=dataset.images,
    )
    done = vlsu("build", "assemble", build.folder, "--grades", tmp_path / "graded", "--out",
                tmp_path / "d", expect=2)  # fmt: skip
    assert f"{first.id} has another text than in this build" in done.stderr
    assert first.text not in done.stderr


def test_nothing_left_is_said_with_its_reasons(build, handed_over, tmp_path):
    dataset, told = handed_over
    done = vlsu("build", "assemble", build.folder, "--grades", dataset.path, "--out",
                tmp_path / "d", expect=2)  # fmt: skip
    assert f"nothing is left to assemble: no agreed grade ({told['samples']})" in done.stderr


def test_a_build_without_samples_says_what_to_do(tmp_path):
    vlsu("build", "init", tmp_path / "b", "--target", "all=1")
    done = vlsu("build", "assemble", tmp_path / "b", "--out", tmp_path / "d", expect=2)
    assert "has no kept sample yet; run its stages first" in done.stderr


def test_a_dataset_is_replaced_only_if_asked_and_no_picture_is_left_over(build, tmp_path):
    finished = finished_build(tmp_path / "b", 8, unfiltered=0)
    arguments = ("build", "assemble", finished.folder, "--out", tmp_path / "d", *QUICK)
    vlsu(*arguments)
    assert "holds a dataset already" in vlsu(*arguments, expect=2).stderr
    with finished.store() as store:
        (gone, *_) = store.records("images", kept=True)
        store.decide([Decision(gone.key, False, "taken down")])
    vlsu(*arguments, "--overwrite")
    dataset = package.load(tmp_path / "d")
    assert len(dataset) == 7
    assert full_check(dataset).files.ok
    assert dataset.images.path(gone.provenance["sha256"]) is None


def test_minimal_pairs_are_a_group_and_know_each_other(tmp_path):
    finished = finished_build(tmp_path / "b", 4, unfiltered=0)
    mini = package.load("vlsu-mini")
    sample = chosen(5)[-1]
    with open_build(finished.folder).store() as store:
        first = add_sample(finished, store, mini, sample, 90)
        add_sample(finished, store, mini, sample, 91, pair_of=first["queries"])
        add_sample(finished, store, mini, sample, 92, pair_of=first["grades"])
        found = [item for item in read_items(store) if item.group]
    (root,) = [item for item in found if item.pair_of is None]
    assert len(found) == 3
    assert {item.pair_of for item in found if item is not root} == {root.id}
    assert {item.group for item in found} == {f"pair-{root.id}"}
    # Alike by intention, and so no duplicates.
    vlsu("build", "assemble", finished.folder, "--out", tmp_path / "d", *QUICK)
    assert len(package.load(tmp_path / "d")) == 7


def test_a_policy_of_two_severities(tmp_path):
    made = finished_build(tmp_path / "b", 10, unfiltered=1, policy=load_policy("binary"))
    vlsu("build", "assemble", made.folder, "--out", tmp_path / "d", *QUICK)
    dataset = package.load(tmp_path / "d")
    assert (len(dataset), dataset.policy.name) == (11, made.policy.name)
    with made.store(read_only=True) as store:
        grades = targets(read_items(store))
    table = write_table(tmp_path / "grades.csv", grades)
    vlsu("build", "assemble", made.folder, "--out", tmp_path / "e", *QUICK, "--grades", table)
    found = Counter(str(sample.pattern) for sample in package.load(tmp_path / "e"))
    assert set(found) == {"S-S-S", "S-S-U", "S-U-U", "U-S-U", "U-U-U"}
    first = next(iter(grades))
    grades[first]["text"] = "borderline"
    write_table(table, grades)
    done = vlsu("build", "assemble", made.folder, "--out", tmp_path / "f", *QUICK, "--grades",
                table, expect=2)  # fmt: skip
    assert "text_grade is 'borderline'; the policy has safe, unsafe" in done.stderr


def test_what_a_killed_start_left_is_cleared_away(build, tmp_path):
    """It leaves pictures at most: a dataset is one once it has its description, the last file."""
    left = ImageStore(build.folder / ".faces"), ImageStore(tmp_path / "d")
    mini = package.load("vlsu-mini")
    stray = str(next(e.image_sha256 for e in mini if e.metadata["caption"] == "Cat"))
    for store in left:
        store.copy_from(mini.images, stray)
    vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", *QUICK)
    dataset = package.load(tmp_path / "d")
    assert full_check(dataset).files.ok
    assert dataset.images.path(stray) is None
    assert not (build.folder / ".faces").exists()
