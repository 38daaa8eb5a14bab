"""Files of graders' answers as the tools people grade with write them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.conftest import make_dataset
from vlsu.analysis.agreement.agreement import grader_agreement
from vlsu.analysis.agreement.labels import merge_labels
from vlsu.cli.app import app
from vlsu.data import export_dataset
from vlsu.data.grades import GradeColumns, GradeFile, read_grades
from vlsu.data.tables.labels import label_key
from vlsu.errors import DataError, UsageError

LEVELS = ("safe", "borderline", "unsafe")


def written(folder: Path, rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> Path:
    """A table of these rows, each with the same columns."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    file = folder / "grades.csv"
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    return file


def saved(folder: Path, text: str) -> Path:
    file = folder / "grades.csv"
    file.write_text(text, encoding="utf-8")
    return file


def answers(read: GradeFile) -> set[tuple[str, str, str | None]]:
    return set(read.grades.select("item", "grader", "grade").iter_rows())


def agreed(file: Path, *options: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    done = CliRunner().invoke(
        app, ["agreement", str(file), "--json", "--replicates", "9", *options]
    )
    assert done.exit_code == 0, done.output
    tree: dict[str, Any] = json.loads(done.stdout)
    return tree


#: Two annotators on three items, as each tool would write it.
TRUTH = {
    ("1", "ann", "safe"), ("1", "ben", "safe"),
    ("2", "ann", "unsafe"), ("2", "ben", "borderline"),
    ("3", "ann", "borderline"), ("3", "ben", "borderline"),
}  # fmt: skip


def label_studio(item: str, user: str, grade: str) -> dict[str, object]:
    return {
        "annotation_id": f"{item}{user}",
        "annotator": user,
        "created_at": "2024-05-01T10:00:00.000000Z",
        "id": item,
        "image": f"/data/upload/{item}.png",
        "lead_time": "4.2",
        "severity_of_pair": grade,
        "text": f"Is this number {item}?",
        "updated_at": "2024-05-01T10:00:00.000000Z",
        "was_cancelled": "False",
    }


def label_studio_lists(item: str, user: str, grade: str) -> dict[str, object]:
    return label_studio(item, user, json.dumps({"choices": [grade]}))


def prodigy_choice(item: str, user: str, grade: str) -> dict[str, object]:
    return {
        "text": f"Text {item}",
        "_input_hash": item,
        "_task_hash": f"-9{item}",
        "options": "[{'id': 'safe', 'text': 'safe'}]",
        "accept": f"['{grade}']",
        "answer": "accept",
        "_timestamp": "1714550000",
        "_annotator_id": user,
        "_session_id": user,
    }


def mturk(item: str, user: str, grade: str) -> dict[str, object]:
    return {
        "HITId": item,
        "HITTypeId": "T",
        "Title": "Grade a pair",
        "AssignmentId": f"A{item}{user}",
        "WorkerId": user,
        "AssignmentStatus": "Approved",
        "WorkTimeInSeconds": "12",
        "Input.image_url": f"https://example.org/{item}.png",
        "Answer.category.label": grade,
        "Approve": "x",
        "Reject": "",
    }


def mturk_buttons(item: str, user: str, grade: str) -> dict[str, object]:
    buttons = {f"Answer.severity.{level}": str(level == grade).lower() for level in LEVELS}
    return mturk(item, user, grade) | buttons | {"Answer.category.label": None} | buttons


def appen(item: str, user: str, grade: str) -> dict[str, object]:
    return {
        "_unit_id": item,
        "_created_at": "5/1/2024 10:00:00",
        "_golden": "false",
        "_id": f"7{item}",
        "_missed": "",
        "_started_at": "5/1/2024 09:59:00",
        "_tainted": "false",
        "_channel": "feca",
        "_trust": "0.9",
        "_worker_id": user,
        "_country": "GBR",
        "how_bad": grade,
        "how_bad_gold": "",
        "text": f"Text {item}",
    }


def toloka(item: str, user: str, grade: str) -> dict[str, object]:
    return {
        "INPUT:image": f"{item}.png",
        "OUTPUT:result": grade,
        "GOLDEN:result": "",
        "HINT:text": "",
        "ASSIGNMENT:link": "https://example.org",
        "ASSIGNMENT:task_id": item,
        "ASSIGNMENT:assignment_id": f"{item}{user}",
        "ASSIGNMENT:worker_id": user,
        "ASSIGNMENT:status": "APPROVED",
        "ASSIGNMENT:started": "2024-05-01T10:00:00.000",
    }


def potato(item: str, user: str, grade: str) -> dict[str, object]:
    return {
        "user": user,
        "instance_id": item,
        "displayed_text": f"Text {item}",
        **{f"severity:::{level}": "true" if level == grade else "" for level in LEVELS},
    }


def crowd_kit(item: str, user: str, grade: str) -> dict[str, object]:
    return {"task": item, "worker": user, "label": grade}


TOOLS = [
    label_studio,
    label_studio_lists,
    prodigy_choice,
    mturk,
    mturk_buttons,
    appen,
    toloka,
    potato,
    crowd_kit,
]


@pytest.mark.parametrize("row", TOOLS)
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_what_a_tool_exports_is_read_as_it_is(tmp_path: Path, row: Any, delimiter: str) -> None:
    rows = [row(*each) for each in sorted(TRUTH)]
    if row is mturk_buttons:
        for each in rows:
            del each["Answer.category.label"]
    read = read_grades(written(tmp_path, rows, delimiter))
    assert read.layout == "long"
    assert answers(read) == TRUTH


def test_what_argilla_exports_is_read_as_it_is(tmp_path: Path) -> None:
    rows = [
        {
            "id": item,
            "status": "completed",
            "text": f"Text {item}",
            "severity.responses": repr([g for i, _, g in sorted(TRUTH) if i == item] + ["safe"]),
            "severity.responses.users": json.dumps(["ann", "ben", "cem"]),
            "severity.responses.status": "['submitted', 'submitted', 'discarded']",
            "severity.suggestion": "safe",
        }
        for item in ("1", "2", "3")
    ]
    read = read_grades(written(tmp_path, rows))
    assert answers(read) == TRUTH
    rows[1]["severity.responses"] = "['safe' 'unsafe' 'safe']"  # as NumPy writes it
    with pytest.raises(DataError, match=r"line 3: the lists of 'severity' cannot be read; write a"):
        read_grades(written(tmp_path, rows))
    rows[0] |= {"tone.responses": "[]", "tone.responses.users": "[]"}
    with pytest.raises(DataError, match=r"several questions \(severity, tone\); say which with"):
        read_grades(written(tmp_path, rows[:1]))


def test_answers_that_do_not_count_are_left_out_and_said(tmp_path: Path) -> None:
    for row, column, value in (
        (label_studio, "was_cancelled", "True"),
        (prodigy_choice, "answer", "ignore"),
        (mturk, "AssignmentStatus", "Rejected"),
        (appen, "_tainted", "true"),
        (toloka, "ASSIGNMENT:status", "REJECTED"),
    ):
        rows = [*(row(*each) for each in sorted(TRUTH)), row("3", "cem", "safe") | {column: value}]
        read = read_grades(written(tmp_path, rows))
        assert answers(read) == TRUTH
        assert any(note.startswith(f"1 of 7 rows are left out: {column} is") for note in read.notes)


def test_an_export_with_several_answers_wants_to_know_which(tmp_path: Path) -> None:
    rows = [potato(*each) | {"tone:::kind": "", "tone:::harsh": "true"} for each in sorted(TRUTH)]
    file = written(tmp_path, rows)
    assert answers(read_grades(file)) == TRUTH  # one of them holds severities
    tone = read_grades(file, GradeColumns(grade="tone"))
    assert {grade for _, _, grade in answers(tone)} == {"harsh"}
    rows = [
        label_studio(i, u, {"safe": "low", "unsafe": "high"}.get(g, "mid"))
        | {"tone": "kind" if g == "safe" else "harsh"}
        for i, u, g in sorted(TRUTH)
    ]
    file = written(tmp_path, rows)
    with pytest.raises(DataError) as refused:
        read_grades(file)
    assert str(refused.value).endswith(
        "a Label Studio export; the grade may be severity_of_pair, tone: say which with --grade"
    )
    read = read_grades(file, GradeColumns(grade="tone"))
    assert {grade for _, _, grade in answers(read)} == {"kind", "harsh"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("_unit_id,_golden,_trusted_judgments,how_bad", "an Appen export: one aggregated answer"),
        ("id,text,label,Comments", "a doccano export: the labels of one annotator"),
        ("_task_hash,answer,label,text", "a Prodigy export without a column of who graded"),
    ],
)
def test_an_export_that_cannot_be_read_says_why(tmp_path: Path, columns: str, said: str) -> None:
    file = saved(tmp_path, f"{columns}\n" + ",".join("1" for _ in columns.split(",")) + "\n")
    with pytest.raises(DataError) as refused:
        read_grades(file)
    assert said in str(refused.value)


def test_the_table_of_a_web_form_has_a_row_a_person(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        "Timestamp,Email Address,Picture 1,Picture 2,Picture 3\n"
        "5/1,ann@example.org,safe,unsafe,safe\n5/2,ben@example.org,safe,safe,safe\n",
    )
    with pytest.raises(DataError, match="Email Address names another person in every row, so a"):
        read_grades(file)


def test_parts_of_an_export_are_read_as_the_whole(tmp_path: Path) -> None:
    rows = [
        {"HITId": item, "WorkerId": user, "Answer.label": grade}
        for item, user, grade in sorted(TRUTH)
    ]
    assert answers(read_grades(written(tmp_path, rows))) == TRUTH
    rows = [
        {
            "example_id": i,
            "_annotator_id": u,
            "_session_id": f"s-{u}",
            "_timestamp": "7",
            "label": g,
        }
        for i, u, g in sorted(TRUTH)
    ]
    assert answers(read_grades(written(tmp_path, rows))) == TRUTH


def test_columns_about_a_grading_are_no_graders(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        "_annotator_id,_session_id,created_at,updated_at,annotation_id,note\n"
        + "7,7,today,today,7,a\n" * 5,
    )
    with pytest.raises(DataError, match="fewer than two graders found"):
        read_grades(file)
    file = saved(
        tmp_path,
        "item,annot1,annot1_time,annot1_comment,annot2,annot2_time,annot2_comment\n"
        "1,a,5,ok,a,5,ok\n2,b,6,ok,a,6,ok\n3,b,5,ok,b,5,ok\n",
    )
    assert read_grades(file).columns["graders"] == ["annot1", "annot2"]


# --- Grades of different things


VLSU = (
    "uuid,web_path,prompt,image_grade,consensus_text_grade,consensus_combined_grade,"
    "image_category,text_category,combined_category\n"
    "u1,https://example.org/1.png,A bridge?,safe,safe,unsafe,,,C1\n"
    "u2,https://example.org/2.png,A river?,safe,unsafe,unsafe,,C1,C1\n"
)


def test_the_grades_of_a_released_benchmark_are_no_graders(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_grades(saved(tmp_path, VLSU))
    message = str(refused.value)
    assert "image_grade, consensus_text_grade, consensus_combined_grade are grades of" in message
    assert "different things (image, text, joint), not different graders" in message
    assert "columns item, grader, grade" in message
    assert "\n" not in message


def test_nor_are_those_of_an_exported_dataset(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    export_dataset(make_dataset(tmp_path / "data"), "csv", file)
    with pytest.raises(DataError, match="are grades of different things"):
        read_grades(file)
    done = CliRunner().invoke(app, ["agreement", str(file)])
    assert done.exit_code != 0


def test_graders_of_each_modality_are_told_apart_by_their_columns(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        "id,image_grade_anna,image_grade_ben,text_grade_anna,text_grade_ben,joint_grade\n"
        "1,safe,safe,unsafe,borderline,unsafe\n2,safe,unsafe,safe,safe,safe\n",
    )
    read = read_grades(file)
    assert set(read.grades.select("modality", "grader").iter_rows()) == {
        (modality, grader) for modality in ("image", "text") for grader in ("anna", "ben")
    }
    assert read.grades.filter(pl.col("modality") == "text", pl.col("grader") == "ben")[
        "grade"
    ].to_list() == ["borderline", "safe"]
    assert any("joint_grade: not taken for a grader" in note for note in read.notes)
    numbered = saved(tmp_path, "id,image grader 1,image grader 2\n1,safe,unsafe\n2,safe,safe\n")
    assert set(read_grades(numbered).grades["grader"]) == {"grader_1", "grader_2"}


def test_a_settled_grade_is_no_grader(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,anna,ben,gold\n1,safe,safe,safe\n2,unsafe,safe,unsafe\n")
    read = read_grades(file)
    assert read.columns["graders"] == ["anna", "ben"]
    assert any(note.startswith("gold: not taken for a grader") for note in read.notes)
    both = read_grades(file, GradeColumns(graders=["anna,gold"]))
    assert both.columns["graders"] == ["anna", "gold"]
    file = saved(tmp_path, "sample_id,expected,predicted\n1,safe,safe\n2,unsafe,safe\n")
    with pytest.raises(DataError, match="expected, predicted is no single grader's"):
        read_grades(file)


# --- One label, however it is written


def rates(tree: Mapping[str, Any]) -> tuple[list[str], float]:
    return tree["labels"], tree["overall"]["percent_agreement"]["value"]


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        (["1", "2", "1", "3"], ["1.0", "2.0", "1.0", "3.0"], ["1", "2", "3"]),
        (["1.0", "2.0", "1.0", ""], ["1", "2", "1", "1"], ["1", "2"]),
        (["01", "02", "01", "02"], ["1", "2", "1", "2"], ["1", "2"]),
        (["01", "02", "01", "02"], ["01", "02", "01", "02"], ["01", "02"]),
        (["True", "False"] * 2, ["1.0", "0.0"] * 2, ["false", "true"]),
        (["TRUE", "FALSE"] * 2, ["true", "false"] * 2, ["FALSE", "TRUE"]),
        (["yes", "no"] * 2, ["1", "0"] * 2, ["false", "true"]),
        (["Mild", "Grave", "mild", "grave"], ["mild", "grave"] * 2, ["grave", "mild"]),
        (["-1", "1"] * 2, ["-1.0", "+1"] * 2, ["-1", "1"]),
    ],
)
def test_one_label_in_two_spellings(
    tmp_path: Path, one: list[str], other: list[str], labels: list[str]
) -> None:
    lines = [f"{n},{a},{b}" for n, (a, b) in enumerate(zip(one, other, strict=True))]
    tree = agreed(saved(tmp_path, "\n".join(["item,grader1,grader2", *lines, ""])))
    assert rates(tree) == (labels, 1.0)
    assert ("Read as one label" in " ".join(tree["notes"])) == (set(one) - {""} != set(other))


def test_decimals_may_follow_a_comma_where_no_comma_separates(tmp_path: Path) -> None:
    tree = agreed(saved(tmp_path, "item;grader1;grader2\n1;1;1,0\n2;2;2,0\n3;1;1,0\n"))
    assert rates(tree) == (["1", "2"], 1.0)
    several = saved(tmp_path, "item;grader1;grader2\n1;1,0;1,0\n2;0,1;1,0\n3;1,0;1,0\n")
    assert agreed(several)["labels"] == ["0,1", "1,0"]


def test_rules_meet_numbers_in_any_spelling(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,grader1,grader2\n1,1.0,01\n2,2,2.0\n3,99.0,1\n")
    tree = agreed(file, "--map", "1=safe", "--map", "2=unsafe", "--missing", "99")
    assert (tree["labels"], tree["counts"]["answers"]) == (list(LEVELS), 5)


def test_labels_that_only_look_alike_stay_apart() -> None:
    assert label_key("1.1") != label_key("1.10")
    assert label_key("1") != label_key("-1")
    assert set(merge_labels({"1": 3, "true": 2, "2": 1})[0].values()) == {"1", "true", "2"}
    assert set(merge_labels({"0": 3, "1": 2})[0].values()) == {"0", "1"}


@given(st.lists(st.sampled_from(["1", "1.0", "01", "a", "A", "a b", "A-B", "2."]), min_size=1))
def test_what_is_one_label_does_not_depend_on_the_order(given: list[str]) -> None:
    counts = {answer: given.count(answer) for answer in given}
    backwards = dict(reversed(list(counts.items())))
    assert merge_labels(counts)[0] == merge_labels(backwards)[0]
    merged = merge_labels(counts)[0]
    for answer, label in merged.items():
        assert label_key(answer) == label_key(label)


def test_an_order_is_in_any_spelling(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,g1,g2\n1,1.0,1\n2,2.0,2\n3,3.0,2\n")
    tree = agreed(file, "--order", "1,2,3", "--graders", "g1,g2")
    assert tree["labels"] == ["1", "2", "3"]
    assert tree["ordinal"]
    commas = saved(tmp_path, 'item,g1,g2\n1,"low, mild",high\n2,high,high\n')
    tree = agreed(commas, "--order", "low, mild", "--order", "high")
    assert tree["labels"] == ["low, mild", "high"]


def test_numbers_of_a_frame_are_labels_and_nan_is_none() -> None:
    frame = pl.DataFrame(
        {
            "item": [1, 1, 2, 2, 3, 3],
            "grader": ["a", "b"] * 3,
            "grade": [1.0, 1.0, 2.0, float("nan"), 2.0, 2.0],
        }
    )
    tree: Any = grader_agreement(frame, replicates=1)
    assert tree["labels"] == ["1", "2"]
    assert tree["counts"]["answers"] == 5


def test_graders_without_a_common_label_are_pointed_out(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 2},{'lh'[n % 2]}\n" for n in range(6))
    tree = agreed(saved(tmp_path, f"item,grader1,grader2\n{rows}"))
    assert any(
        note.startswith("grader1 has no label in common with the others (0, 1; h, l)")
        for note in tree["notes"]
    )


# --- No answer


@pytest.mark.parametrize("word", ["NA", "nan", "null", "None", "-", "N/A", "#N/A", "?", "NaN"])
def test_a_word_for_a_missing_value_is_no_answer(tmp_path: Path, word: str) -> None:
    text = "item,grader1,grader2,grader3\n1,safe,safe,{0}\n2,unsafe,{0},unsafe\n3,safe,safe,safe\n"
    tree = agreed(saved(tmp_path, text.format(word)))
    assert tree["counts"]["answers"] == 7
    assert tree["labels"] == list(LEVELS)
    said = f"2 answers are a word for a missing value ({word!r}) and count as none; --missing '' "
    assert tree["notes"][0] == f"{said}takes such words for labels."
    read = read_grades(saved(tmp_path, text.format(word)), missing=[""])
    with pytest.raises(DataError, match="is no grade"):
        grader_agreement(read.grades)
    rows = "".join(f"{n},{n % 2},{word if n > 3 else n % 2}\n" for n in range(6))
    tree = agreed(saved(tmp_path, f"item,grader1,grader2\n{rows}"))
    assert (tree["labels"], tree["counts"]["answers"]) == (["0", "1"], 10)
    tree = agreed(saved(tmp_path, f"item,grader1,grader2\n{rows}"), "--missing", "")
    assert word in tree["labels"]


def test_which_words_are_no_answer_is_stated(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,grader1,grader2\n1,1,99\n2,2,skip\n3,1,1\n4,2,2\n")
    tree = agreed(file, "--missing", "99, skip")
    assert (tree["labels"], tree["counts"]["answers"]) == (["1", "2"], 6)


@pytest.mark.parametrize(
    ("labels", "options", "is_label"),
    [
        (["none", "mild", "grave"], [], True),
        (["None", "Mild", "Grave"], [], True),
        (["None", "mild", "grave"], [], False),  # as Python writes it
        (["none", "1", "2"], [], False),
        (["none", "safe", "unsafe"], [], False),
        (["None", "mild", "grave"], ["--order", "none,mild,grave"], True),
        (["none", "mild", "grave"], ["--missing", "none"], False),
        (["NA", "mild", "grave"], ["--order", "NA,mild,grave"], True),
        (["NA", "mild", "grave"], ["--map", "NA=absent"], True),
    ],
)
def test_a_declared_label_is_never_missing(
    tmp_path: Path, labels: list[str], options: list[str], is_label: bool
) -> None:
    rows = "".join(f"{n},{labels[n % 3]},{labels[n % 3]}\n" for n in range(6))
    file = saved(tmp_path, f"item,grader1,grader2\n{rows}")
    tree = agreed(file, *options)
    assert tree["counts"]["answers"] == (12 if is_label else 8)


def test_texts_and_names_are_never_missing(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,grader,grade\nNA,None,safe\nNA,nan,safe\nno,None,unsafe\n")
    assert answers(read_grades(file)) == {
        ("NA", "None", "safe"),
        ("NA", "nan", "safe"),
        ("no", "None", "unsafe"),
    }


# --- Columns and items


def test_a_graders_column_may_hold_a_comma(tmp_path: Path) -> None:
    file = saved(tmp_path, 'item,"Doe, Ann","Roe, Ben",other\n1,safe,safe,x\n2,unsafe,safe,y\n')
    read = read_grades(file, GradeColumns(graders=["doe, ann,Roe, Ben"]))
    assert read.columns["graders"] == ["Doe, Ann", "Roe, Ben"]
    tree = agreed(file, "--graders", "Doe, Ann", "--graders", "Roe, Ben")
    assert tree["counts"]["graders"] == 2
    with pytest.raises(DataError, match=r"no column 'Doe' \(--graders\); did you mean 'Doe, Ann'"):
        read_grades(file, GradeColumns(graders=["Doe, Anna"]))
    with pytest.raises(DataError, match="names one column"):
        read_grades(file, GradeColumns(graders=["Doe, Ann"]))
    with pytest.raises(UsageError, match="names a column twice"):
        read_grades(file, GradeColumns(graders=["Doe, Ann,doe, ann"]))


def test_names_that_a_spreadsheet_changed_are_pointed_out(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        "item,grader,grade\n007,ann,safe\n7,ben,safe\n008,ann,unsafe\n8.0,ben,unsafe\n"
        "9,ann,safe\n9,Ben,safe\n",
    )
    notes = read_grades(file).notes
    assert [note.split(" may be")[0] for note in notes] == [
        "The items '007' and '7'",
        "The items '008' and '8.0'",
        "The graders 'ben' and 'Ben'",
    ]
    both = saved(tmp_path, "item,grader,grade\n7,a,safe\n7,b,safe\n07,a,safe\n07,b,safe\n")
    assert not read_grades(both).notes


def test_a_grader_called_gold_is_pointed_out(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,grader,grade\n1,ann,safe\n1,gold,safe\n")
    (note,) = read_grades(file).notes
    assert note == "gold may be no single grader; if so, leave these rows out."


def test_the_notes_are_printed(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,grader1,grader2\n1,safe,NA\n2,safe,safe\n3,unsafe,safe\n")
    done = CliRunner().invoke(app, ["agreement", str(file), "--replicates", "9"])
    assert "- 1 answer is a word for a missing value ('NA')" in " ".join(done.stdout.split())


def test_another_encoding_is_stated(tmp_path: Path) -> None:
    file = tmp_path / "grades.csv"
    file.write_bytes("item,Zoë,Ann\n1,safe,safe\n2,unsafe,safe\n".encode("cp1252"))
    assert agreed(file, "--encoding", "cp1252")["columns"]["graders"] == ["Zoë", "Ann"]


def test_a_file_without_a_line_of_names_is_told_so(tmp_path: Path) -> None:
    text = "Is it safe to mix all of these?,safe,unsafe\nother,unsafe,safe\nthird,safe,safe\n"
    tree = agreed(saved(tmp_path, text))
    assert any("if the first line is a row" in note for note in tree["notes"])
    done = CliRunner().invoke(app, ["agreement", str(tmp_path / "grades.csv"), "--replicates", "9"])
    assert "not read: a text of 31 characters" in " ".join(done.output.split())
    tree = agreed(saved(tmp_path, "item,Ana,Bob\n1,safe,unsafe\n2,safe,safe\n"))
    assert not any("first line" in note for note in tree["notes"])


def test_two_columns_of_one_name_are_no_two_graders(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,Ana,Ana,Bob\n1,safe,unsafe,safe\n2,unsafe,safe,unsafe\n")
    with pytest.raises(DataError, match="2 columns are called 'Ana'"):
        read_grades(file)
