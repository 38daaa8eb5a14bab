"""Importing tables as people have them: odd maps, words, cells, columns and identifiers."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.support.commands import vlsu
from vlsu.cli.app import app
from vlsu.cli.data import read_grades, read_map
from vlsu.data import ImportReport, Sample, export_dataset, import_dataset, load, write_dataset
from vlsu.data.importing.duplicates import IdIndex
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity, default_policy_text


def import_csv(folder: Path, text: str | bytes, **options: Any) -> ImportReport:
    source = folder / "table.csv"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_dataset("csv", source, folder / "out", overwrite=True, **options)


def first(report: ImportReport) -> Sample:
    return next(iter(report.dataset))


def noted(report: ImportReport, kind: str) -> str | None:
    """The value of the first note of a kind."""
    return next((each.value for each in report.examples if each.kind == kind), None)


# --- Maps


@pytest.mark.parametrize(
    ("given_", "mapping"),
    [
        (["Prompt (image, text)=text"], {"Prompt (image, text)": "text"}),
        (["Prompt (image, text)=text,l=id"], {"Prompt (image, text)": "text", "l": "id"}),
        (["a=b=text"], {"a=b": "text"}),
        (["x=1, y=text"], {"x=1, y": "text"}),
        (["p=text", "l=joint_grade"], {"p": "text", "l": "joint_grade"}),
        (["p=text,l=Joint Grade"], {"p": "text", "l": "Joint Grade"}),
        (["text=Prompt,id=key"], {"text": "Prompt", "id": "key"}),
        ([" p = text "], {"p": "text"}),
    ],
)
def test_a_columns_name_may_hold_commas_and_equals_signs(
    given_: list[str], mapping: dict[str, str]
) -> None:
    assert read_map(given_) == mapping


@pytest.mark.parametrize(
    "given_", [["text"], ["=text"], ["a="], ["a, b"], [""], ["a=id", "a=text"]]
)
def test_what_is_no_pair_is_refused(given_: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--map '.*': (write column=field|'a' is mapped twice)$"):
        read_map(given_)


def test_a_column_with_a_comma_is_mapped(tmp_path: Path) -> None:
    text = '"Prompt (image, text)",label\nIs this a bridge?,safe\n'
    mapping = read_map(["Prompt (image, text)=text,label=joint_grade"])
    assert first(import_csv(tmp_path, text, map=mapping)).text == "Is this a bridge?"


@pytest.mark.parametrize(
    ("header", "given_", "said"),
    [
        ("Prompt,label", "text=Prompt", "no such field; a map goes column=field: --map Prompt="),
        ("id,label", "text=id", "no column 'text' .*; a map goes column=field: --map id=text"),
        ("Prompt,label", "Prompt=txt,label=joint_grade",
         "no column 'Prompt=txt,label' .*; if these are several pairs, 'txt' is no field: did you"),
        ("Prompt,label", "promt=text", "no column 'promt' .* did you mean 'Prompt'"),
        ("Prompt,prompt,label", "PROMPT=text", "'PROMPT' fits the columns Prompt, prompt "),
        ("Prompt,Prompt,label", "Prompt=text", "2 columns are called 'Prompt' .*; rename all but"),
        ("Prompt,label", "Prompt=text,prompt=id", "column 'Prompt' is mapped to text already"),
    ],
)  # fmt: skip
def test_a_wrong_map_says_what_is_meant(
    tmp_path: Path, header: str, given_: str, said: str
) -> None:
    with pytest.raises((DataError, UsageError), match=said) as refused:
        import_csv(tmp_path, f"{header}\na,b,c\n", map=read_map([given_]))
    assert "\n" not in str(refused.value)


def test_of_columns_in_two_spellings_the_one_that_is_written_is_mapped(tmp_path: Path) -> None:
    text = "Prompt,prompt\none,two\n"
    assert first(import_csv(tmp_path, text, map={"prompt": "text"})).text == "two"
    assert first(import_csv(tmp_path, text, map={"Prompt": "text"})).text == "one"


def test_a_question_over_several_lines_is_mapped_by_its_words(tmp_path: Path) -> None:
    text = '"What is\nshown?",x\na bridge,1\n'
    assert first(import_csv(tmp_path, text, map={"what is shown?": "text"})).text == "a bridge"


# --- Grades and missing words


def test_words_of_ones_own_are_grades(tmp_path: Path) -> None:
    text = "text,joint_grade\na,Harmful\nb,fine\nc,hm\nd,safe\n"
    report = import_csv(
        tmp_path, text, grades=read_grades(["harmful=unsafe,fine=S", "hm=not_sure"])
    )
    assert [sample.joint_grade for sample in report.dataset] == [
        *(Severity.UNSAFE, Severity.SAFE, None, Severity.SAFE)
    ]
    assert report.notes["grade not_sure -> absent (joint)"] == 1
    numbers = import_csv(tmp_path, "text,joint_grade\na,1.0\nb,0\n", grades={"1": "U", "0": "S"})
    assert [s.joint_grade for s in numbers.dataset] == [Severity.UNSAFE, Severity.SAFE]
    with pytest.raises(UsageError, match=r"--grades a=sfae: no such grade; did you mean 'safe'"):
        import_csv(tmp_path, text, grades={"a": "sfae"})
    with pytest.raises(UsageError, match="'A' is given another grade as well"):
        import_csv(tmp_path, text, grades={"a": "safe", "A": "unsafe"})


@pytest.mark.parametrize("word", ["NA", "nan", "NULL", "None", "-", "N/A", "#N/A", "?", "NaN"])
def test_a_missing_word_is_absent_and_said(tmp_path: Path, word: str) -> None:
    header = "id,text,joint_grade,joint_category,image,image_url,group,language,who"
    text = f"{header}\na,{word},{word},{word},{word},{word},{word},{word},{word}\n"
    report = import_csv(tmp_path, text)
    sample = first(report)
    assert sample == Sample(
        "a",
        text=word,  # a text is never a missing value
        language=word if word == "nan" else None,  # Min Nan Chinese
        metadata={"who": word},
    )
    fields = ["joint_grade", "joint_category", "image", "image_url", "group"]
    for field in fields:
        assert noted(report, f"word for a missing value -> absent ({field})") == repr(word)
    with pytest.raises(DataError, match="unknown grade"):
        import_csv(tmp_path, text, missing=[""])


def test_a_category_of_the_policy_is_never_missing(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(default_policy_text().replace("C12", "None"))
    text = "text,joint_grade,joint_category\na,safe,none\nb,safe,NA\n"
    report = import_csv(tmp_path, text, policy=own)
    assert [sample.joint_category for sample in report.dataset] == ["None", None]


def test_no_is_a_language(tmp_path: Path) -> None:
    assert first(import_csv(tmp_path, "text,language\nhei,no\n")).language == "no"


# --- Formulas

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(texts | st.text("'=+-@\t1a,\"\n", max_size=6), min_size=1, max_size=5))
def test_an_export_holds_no_formula_and_comes_back_as_it_was(
    tmp_path: Path, words: list[str]
) -> None:
    samples = [
        Sample(
            f"{n}{word.strip()}" if n % 2 else f"{word.strip()}{n}",
            text=word.replace("\r\n", "\n") if word.strip() else None,
            group=word.strip() or None,
            metadata={"word": word},
        )
        for n, word in enumerate(words)
    ]
    made = write_dataset(
        tmp_path / "made", samples, name="x", version="1", licence="", citation="", source="",
        overwrite=True,
    )  # fmt: skip
    file = export_dataset(made, "csv", tmp_path / "export.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            for cell in row:
                if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
                    float(cell)
    again = import_dataset("csv", file, tmp_path / "again", overwrite=True).dataset
    kept = [s for s in samples if not set(map(unicodedata.category, s.id)) & {"Cc", "Zl", "Zp"}]
    assert [s for s in again if "original_id" not in s.metadata] == [
        Sample(s.id, text=s.text, group=s.group, metadata=s.metadata) for s in kept
    ]


def test_words_for_missing_values_in_an_export_are_values(tmp_path: Path) -> None:
    samples = [Sample("NA", text="None", language="nan", group="null")]
    about: Any = {"name": "x", "version": "1", "licence": "", "citation": "", "source": ""}
    made = write_dataset(tmp_path / "made", samples, **about)
    file = export_dataset(made, "csv", tmp_path / "export.csv")
    assert list(import_dataset("csv", file, tmp_path / "again").dataset) == samples


def test_an_apostrophe_in_anothers_table_stays(tmp_path: Path) -> None:
    assert first(import_csv(tmp_path, "id,text\na,'=1+1\n")).text == "'=1+1"


# --- Metadata, columns, identifiers


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("levels", [150, 300, 2_000, 100_000])
def test_deep_metadata_are_kept_as_text(tmp_path: Path, levels: int) -> None:
    rows = [["id", "text", "metadata"], ["a", "x", nested(levels)], ["b", "y", '{"k": [1]}']]
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    report = import_csv(tmp_path, (tmp_path / "table.csv").read_bytes())
    deep, plain = report.dataset
    assert deep.metadata == {"metadata": nested(levels)}
    assert plain.metadata == {"k": [1]}
    assert any("kept as text" in kind for kind in report.notes)


def test_long_numbers_in_metadata_keep_their_digits(tmp_path: Path) -> None:
    report = import_csv(tmp_path, 'text,metadata\nx,"{""n"": 123456789012345678901, ""m"": 7}"\n')
    assert first(report).metadata == {"n": "123456789012345678901", "m": 7}
    assert report.notes["number of over 18 digits in metadata -> kept as text"] == 1


def test_a_row_that_cannot_be_stored_is_rejected_alone(tmp_path: Path) -> None:
    from vlsu.data.importers import Importer, SourceRow, importers

    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"a": deep}
    rows = [SourceRow(1, Sample("a", text="x", metadata=deep)), SourceRow(2, Sample("b", text="y"))]
    importers.register("deep-rows")(Importer(lambda path, options: iter(rows)))
    report = import_dataset("deep-rows", tmp_path / "none", tmp_path / "out")
    assert report.rejected == {"cannot be stored": 1}
    assert [sample.id for sample in report.dataset] == ["b"]


def test_ten_thousand_columns_go_into_the_metadata(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(10_000)]
    text = f"text,{','.join(names)}\nx,{','.join(names)}\n"
    sample = first(import_csv(tmp_path, text))
    assert sample.metadata == {name: name for name in names}


def test_columns_of_one_name_are_kept_apart_and_said(tmp_path: Path) -> None:
    text = "id,text,text,x,x,x (column 5),,\n1,a,b,c,d,e,f,g\n"
    report = import_csv(tmp_path, text)
    sample = first(report)
    assert sample.text == "a"
    assert sorted(map(str, sample.metadata.values())) == ["b", "c", "d", "e", "f", "g"]
    assert report.notes["column text more than once, first taken"] == 1
    with pytest.raises(DataError, match="line 1: column text more than once, first taken; rename"):
        import_csv(tmp_path, text, strict=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty; give a file with a header and rows"),
        (b"id,text\n", "a header and no rows; give a file with rows"),
        (b"id,text\n,\n \t,\n\n", "a header and no rows"),
        (b"id,text\n\0,\0\n", "a header and no rows"),
    ],
)
def test_a_table_without_rows_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        import_csv(tmp_path, content)
    assert "\n" not in str(refused.value)


def test_control_characters_in_an_identifier_are_escaped(tmp_path: Path) -> None:
    text = 'id,text\n"a\nb",x\n"a\x1b[2J",y\na/../b,z\nc\\d,w\n"a\u2028b",v\n'
    report = import_csv(tmp_path, text)
    ids = [sample.id for sample in report.dataset]
    assert ids == [r"a\nb", r"a\x1b[2J", "a/../b", r"c\d", r"a\u2028b"]
    assert [s.metadata.get("original_id") for s in report.dataset][:2] == ["a\nb", "a\x1b[2J"]
    assert report.notes["control characters in id -> escaped"] == 3


def test_a_very_long_identifier_is_kept_and_cut_in_messages(tmp_path: Path) -> None:
    long = "a" * 1_000_000
    report = import_csv(tmp_path, f"id,text\n{long},x\n")
    assert first(report).id == long
    assert report.notes["id of over 500 characters"] == 1
    assert all(len(each.value) < 100 for each in report.examples)


def test_identifiers_that_are_nearly_the_same_are_pointed_out(tmp_path: Path) -> None:
    text = "id,text\nAb,x\nab,y\ncafé,z\ncafe\u0301,w\nother,v\nab,y\n"
    report = import_csv(tmp_path, text)
    assert report.notes["id differs from another's only in letter case or Unicode form"] == 2
    assert report.imported == 5
    assert noted(report, "id differs from another's only in letter case or Unicode form") == "'ab'"


class Counted(IdIndex):
    """An index that counts how often it is searched."""

    searches = 0

    def contain(self, ids: Sequence[str]) -> list[bool]:
        self.searches += 1
        return super().contain(ids)


def test_repeated_identifiers_are_told_apart_in_a_search_or_two_each() -> None:
    rows = 20_000
    index = Counted()
    ids = [id_ for n in range(rows) for id_ in ("same", f"same#{n}")]
    index.add(pl.Series(ids), pl.Series(range(2 * rows), dtype=pl.UInt64))
    numbers = list(index.duplicates().values())
    fresh = index.unique_ids(["same"] * len(numbers), numbers)
    assert len(set(fresh)) == rows - 1
    assert index.searches <= 2 * rows + 2
    assert not any(index.contain(fresh))


# --- The command line


def test_the_command_takes_all_of_it(tmp_path: Path) -> None:
    source = tmp_path / "pairs.csv"
    text = 'sep=;\n"Prompt (image, text)";label\ncafé;Harmful\nb;skip\n'
    source.write_bytes(text.encode("cp1252"))
    command = [
        *("data", "import", "csv", str(source), "--out", str(tmp_path / "D"), "--json"),
        *("--map", "Prompt (image, text)=text,label=joint_grade"),
        *("--grades", "harmful=unsafe", "--missing", "skip", "--encoding", "cp1252"),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["imported"] == 2
    one, two = load(tmp_path / "D")
    assert (one.text, one.joint_grade, two.joint_grade) == ("café", Severity.UNSAFE, None)


def test_a_wrong_encoding_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "pairs.csv"
    source.write_bytes("text\ncafé\n".encode("cp1252"))
    done = vlsu("data", "import", "csv", source, "--out", "D", expect=2, cwd=tmp_path)
    assert done.stderr.count("\n") == 1
    assert "line 2: byte 0xE9 at offset 8 is not UTF-8 text" in done.stderr
