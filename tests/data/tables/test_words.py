"""Words of a table, however they were typed or saved: labels, grades, names of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tasks.answers.test_linear_readings import grows_in_proportion
from vlsu.analysis.agreement.agreement import grader_agreement
from vlsu.analysis.agreement.labels import merge_labels
from vlsu.data import import_dataset
from vlsu.data.grades import GradeColumns, read_grades
from vlsu.data.grades.answers import plain_answer
from vlsu.data.images.inline import inline_image
from vlsu.data.importing.duplicates import IdIndex
from vlsu.data.tables import MissingWords, plain_word
from vlsu.data.tables.keys import Keys
from vlsu.data.tables.labels import label_key
from vlsu.errors import DataError
from vlsu.models.baseline.assets import own_weights
from vlsu.models.baseline.embedding import VOCABULARY
from vlsu.models.baseline.wordpiece import WordPiece
from vlsu.policy import default_policy
from vlsu.runs.alignment.labels import read_label


def swallowing(reader: Callable[[str], object]) -> Callable[[str], object]:
    """The reader, whose errors are answers."""

    def read(cell: str) -> object:
        try:
            return reader(cell)
        except DataError as error:
            return error

    return read


def alike(ids: Sequence[str]) -> object:
    index = IdIndex()
    index.add(pl.Series(ids, dtype=pl.String), pl.Series(range(len(ids)), dtype=pl.UInt64))
    return index.near_duplicates()


def saved(folder: Path, text: str) -> Path:
    file = folder / "table.csv"
    file.write_text(text, encoding="utf-8")
    return file


# --- One word in many spellings

SPELLINGS = [
    ("1", ["01", "1.0", "1.", "1E+00", "+1", "\uff11", "\u0661", '="1"', " 1\u200b"]),
    ("safe", ["SAFE", "\u201csafe\u201d", "'safe'", '"safe"', "\uff53afe", "sa\u00adfe"]),
    ("caf\u00e9", ["cafe\u0301", "CAF\u00c9", "\u00abcaf\u00e9\u00bb", "\u200ecaf\u00e9\u200f"]),
    ("too mild", ["too  mild", "too\u00a0mild", "Too\tMild", "`too mild`"]),
]  # fmt: skip


@pytest.mark.parametrize(("word", "spellings"), SPELLINGS)
def test_a_label_and_a_grade_are_one_word_in_any_spelling(
    tmp_path: Path, word: str, spellings: list[str]
) -> None:
    assert {label_key(spelling) for spelling in spellings} == {label_key(word)}
    merged, said = merge_labels(dict.fromkeys([word, *spellings], 1))
    assert set(merged.values()) == {word}
    assert set(said[word]) == {word, *spellings}
    rows = "".join(
        f"{n},x{n},{quoted}\n"
        for n, spelling in enumerate(spellings)
        for quoted in ['"' + spelling.replace('"', '""') + '"']
    )
    file = saved(tmp_path, f"id,text,joint_grade\n{rows}")
    report = import_dataset("csv", file, tmp_path / "out", grades={word: "unsafe"})
    assert report.dataset.info.counts["samples"] == len(spellings)
    assert {sample.joint_grade.label for sample in report.dataset if sample.joint_grade} == {
        "unsafe"
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [("1,000", "1"), ("1.1", "1.10"), ("-1", "1"), ("10", "1"), ("1/2", "1"), ("not safe", "safe")],
)
def test_other_words_stay_apart(one: str, other: str) -> None:
    assert label_key(one) != label_key(other)


@example('=""')
@given(st.text(st.sampled_from("'\"` \u201c=0.,1e+a"), max_size=200))
def test_a_plain_word_is_no_longer_than_its_cell(cell: str) -> None:
    assert len(plain_word(cell)) <= len(cell)
    assert label_key(cell) == label_key(f"  {cell}\u200b ")


def test_graders_programs_write_one_label_in_two_ways(tmp_path: Path) -> None:
    file = saved(tmp_path, "item;grader1;grader2\n1;1,0;1\n2;2,0;2\n3;1,0;1\n4;2;2,0\n")
    tree: Any = grader_agreement(read_grades(file).grades, replicates=1)
    assert tree["labels"] == ["1", "2"]
    assert tree["overall"]["percent_agreement"]["value"] == 1
    file = saved(tmp_path, "item;grader1;grader2\n1;WAHR;TRUE\n2;FALSCH;FALSE\n3;WAHR;TRUE\n")
    tree = grader_agreement(read_grades(file).grades, replicates=1)
    assert tree["labels"] == ["false", "true"]
    assert tree["overall"]["percent_agreement"]["value"] == 1


def test_severities_are_read_in_any_typing(tmp_path: Path) -> None:
    file = saved(
        tmp_path, "item,a,b\n1,\u201csafe\u201d,safe\n2,un\u00adsafe,unsafe\n3,safe\u200b,S\n"
    )
    tree: Any = grader_agreement(read_grades(file).grades, replicates=1)
    assert tree["labels"] == ["safe", "borderline", "unsafe"]
    assert tree["overall"]["percent_agreement"]["value"] == 1
    assert read_label("\u201cNo\u2011Refusal\u201d\u200b") == "no_refusal"


def test_a_grade_with_decimals_behind_a_comma(tmp_path: Path) -> None:
    file = saved(tmp_path, "id;text;joint_grade\na;x;1,0\nb;y;2,00\nc;z;1,5\n")
    grades = {"1": "safe", "2": "unsafe"}
    report = import_dataset("csv", file, tmp_path / "out", grades=grades)
    assert [str(sample.joint_grade) for sample in report.dataset] == ["safe", "unsafe"]
    assert report.rejected == {"unknown grade (joint)": 1}


def test_a_formula_that_is_a_text_is_that_text(tmp_path: Path) -> None:
    assert Keys(["007", "7"]).find('="007"').names == ("007",)
    file = saved(tmp_path, 'id,text,joint_grade\n"=""007""","=""x""",safe\n')
    (sample,) = import_dataset("csv", file, tmp_path / "out").dataset
    assert (sample.id, sample.text) == ("007", '="x"')


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("1e5", "1.00E+05"),
        ("1e5", "1,00E+05"),
        ("4e12", "4E+12"),
        ("4e12", "4000000000000"),
        ("1e5", "100000.0"),
        ("2-3", "02. Mrz"),
        ("2-3", "02. M\u00e4r"),
        ("2-3", "2 mars 2024"),
        ("1-8", "01/ago"),
        ("8-6", "08-juin"),
        ("1-12", "01. Dez"),
    ],
)
def test_identifiers_that_look_like_numbers_and_dates(name: str, cell: str) -> None:
    found = Keys(["7", "abc", "1e99", name]).find(cell)
    assert found.names == (name,)
    assert found.how


def test_an_identifier_that_may_be_two_is_not_decided() -> None:
    assert Keys(["1e5", "100000"]).find("1.00E+05").names == ("1e5", "100000")
    assert Keys(["1e5", "100000"]).find("100000").names == ("100000",)


# --- Cells are read in time that grows with their length

CELLS: Mapping[str, Callable[[str], object]] = {
    "label": label_key,
    "verdict": read_label,
    "answer": plain_answer,
    "missing": MissingWords(),
    "name": lambda cell: Keys(["7", "a" + cell[:-1]]).find(cell),
    "image": swallowing(inline_image),
    "category": default_policy().find_category,
    "identifier": lambda cell: alike([cell, cell.upper()]),
    "baseline": lambda cell: WordPiece(own_weights(VOCABULARY)).encode(cell),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_cells_are_read_in_proportion_to_their_length(name: str) -> None:
    for before, unit, after in [
        ("e", "\u0301\u0327", ""),
        ("", "\u0f73", "x"),
        ("", "'", ""),
        ('="', '""', "x"),
        ("", "0", "x"),
        ("1.", "0", "e"),
        ("", "[", ""),
        ("[", '"a" ', "]"),
        ("{'a':", "-", "1}"),
        ("", "- ", "x"),
        ("C1", " C9", ""),
        ("data:", ";", ""),
        ("iVBORw0KGgo", "AAAA ", "="),
    ]:
        grows_in_proportion(CELLS[name], before, unit, after, 64 * 1024)


# --- What is noted


def test_names_that_may_be_missing_are_noted(tmp_path: Path) -> None:
    file = saved(tmp_path, "item,grader,grade\n1,ann,safe\n1,nan,safe\n2,ann,safe\n2,ben,unsafe\n")
    notes = " ".join(read_grades(file).notes)
    assert "nan: taken for the name of a grader" in notes
    file = saved(tmp_path, "id,text,joint_grade\nnan,a,safe\nb,b,safe\n")
    report = import_dataset("csv", file, tmp_path / "out")
    assert report.notes["id is a word for a missing value, kept as id"] == 1


@pytest.mark.parametrize("words", ["C1 and C9", "C1 / C9", "c1: C9"])
def test_several_categories_in_a_cell_are_noted(tmp_path: Path, words: str) -> None:
    file = saved(tmp_path, f'id,text,joint_grade,joint_category\na,b,unsafe,"{words}"\n')
    report = import_dataset("csv", file, tmp_path / "out")
    (sample,) = report.dataset
    assert sample.joint_category == "C1"
    assert sample.metadata["original_joint_category"] == words
    assert report.notes["several categories, first taken (joint)"] == 1
    with pytest.raises(DataError, match=r"several categories.*give the category that is meant"):
        import_dataset("csv", file, tmp_path / "strict", strict=True)


# --- Columns that are no graders


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("StartDate,EndDate,Q1,Q2,Q3", "an export of Qualtrics"),
        ("ResponseId,Q1,Q2,Q3", "ResponseId names another person"),
        ("Timestamp,Image 1,Image 2,Image 3", "an export of Google Forms"),
        ("ID,Start time,Completion time,Q1,Q2,Q3", "an export of Microsoft Forms"),
        ("id,submitdate,lastpage,Q1,Q2,Q3", "an export of LimeSurvey"),
        ("respondent_id,collector_id,Q1,Q2,Q3", "respondent_id names another person"),
        ("Prolific ID,Q1,Q2,Q3", "Prolific ID names another person"),
    ],
)
def test_a_row_of_a_survey_is_no_item(tmp_path: Path, header: str, said: str) -> None:
    *about, _, _, _ = header.split(",")
    rows = "".join(
        ",".join([*(f"{name}{n}" for name in about), "safe", "unsafe", "safe"]) + "\n"
        for n in range(4)
    )
    file = saved(tmp_path, f"{header}\n{rows}")
    with pytest.raises(DataError, match=said):
        read_grades(file)
    graders = GradeColumns(graders=header.split(",")[-3:])
    assert read_grades(file, graders).layout == "wide"


@pytest.mark.parametrize("column", ["gpt-4o", "gpt4_label", "Llama 3", "claude-3-opus", "llm"])
def test_a_model_is_no_grader(tmp_path: Path, column: str) -> None:
    rows = "1,safe,safe,unsafe\n2,unsafe,safe,unsafe\n"
    read = read_grades(saved(tmp_path, f"item,ann,claude,{column}\n{rows}"))
    assert read.columns["graders"] == ["ann", "claude"]
    assert any(note.startswith(f"{column}: not taken for a grader") for note in read.notes)
    # What a person says of a model's answers is that person's grade.
    read = read_grades(saved(tmp_path, f"item,{column} annot1,{column} annot2\n1,safe,unsafe\n"))
    assert len(read.columns["graders"] or ()) == 2


def test_texts_are_no_labels(tmp_path: Path) -> None:
    """Of a few hundred labels, agreement took minutes and gigabytes."""
    rows = "".join(f"{n},note {n},note {n + 1}\n" for n in range(150))
    file = saved(tmp_path, f"item,grader1,grader2\n{rows}")
    with pytest.raises(DataError, match=r"151 different labels \('note 0', .* at most 120"):
        grader_agreement(read_grades(file).grades)
    tree = grader_agreement(
        read_grades(file, relabel=["note 1*=a", "note*=b"]).grades, replicates=1
    )
    assert tree["labels"] == ["a", "b"]
