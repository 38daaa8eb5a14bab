"""Rows that are read as columns are the rows that are read one by one."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlsu.data import import_dataset
from vlsu.data.importers import ImportItem, ImportOptions, Note, SourceRow, SourceRows, importers
from vlsu.data.rows import COLUMNS, Row, canonical, canonical_frame, to_frame, to_row
from vlsu.data.tables import MissingWords
from vlsu.policy import bundled_policy, default_policy

FIELDS = ("id", "text", "image_grade", "text_grade", "joint_grade", "joint_category")
MORE = ("language", "image", "image_url", "image_sha256", "group", "metadata", "note", "a b")

CELLS = st.one_of(
    st.sampled_from(
        [
            *("", " ", "safe", "Safe ", "U", "unsafe", "borderline", "not_sure", "2", "dunno"),
            *("C1", "C1, C2", "Weapons", "NA", "n/a", "-", "none", "\u2014", "\u00a0", "\x1c"),
            *('="007"', "x.png", "https://e.org/a.png", "HTTP://e.org", "data:image/png;base64,AA"),
            *("iVBORw0KGgo" * 8, "/9j/4AAQSkZJRg" * 6, "a" * 64, "ab" * 32, "AB" * 32, "x" * 501),
            *("a\r\nb", "a\nb", 'say "x"', "\x07", "caf\u00e9", "\u202e", '{"k": 1}', "{", "1.0"),
            *("s1", "s2", "\u212a", "12345678901234567890"),
        ]
    ),
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)
VALUES = st.one_of(
    CELLS,
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.lists(CELLS, max_size=2),
    st.dictionaries(CELLS, CELLS, max_size=2),
)
OPTIONS = [
    ImportOptions(default_policy()),
    ImportOptions(default_policy(), missing=MissingWords.read(["-,s1,2"])),
    ImportOptions(bundled_policy("binary"), grades={"2": None}),
]
FEW = settings(max_examples=120, suppress_health_check=list(HealthCheck), deadline=None)


def single(items: Iterable[ImportItem | SourceRows]) -> Iterator[object]:
    """The items one by one: of a row its line, its cells, its image's name and its notes."""
    for item in items:
        if isinstance(item, SourceRows):
            of_place: dict[int, object] = dict(item.others)
            names = (
                *(name for name in COLUMNS if name != "image_sha256"),
                "image",
                "line",
                "place",
            )
            for n, row in enumerate(item.frame.select(names).iter_rows(named=True)):
                notes = [replace(note, line=row["line"]) for note, on in item.notes if n in on]
                assert not any(note.value or note.problem for note in notes)
                shown = dict.fromkeys(("image_sha256",))
                cells = tuple((row | shown)[column] for column in COLUMNS)
                stated = [name for name in (row["image"], row["image_url"]) if name]
                of_place[row["place"]] = (row["line"], cells, dict.fromkeys(stated), notes)
            assert sorted(of_place) == list(range(len(of_place)))
            for place in sorted(of_place):
                yield from single_item(of_place[place])
        else:
            yield from single_item(item)


def single_item(item: object) -> Iterator[object]:
    if isinstance(item, SourceRow) and item.image_sha256 is None and item.image_data is None:
        yield item.line, to_row(item.sample), dict.fromkeys(item.image_names), [*item.notes]
    else:
        yield item


def both(format_: str, path: Path, options: ImportOptions) -> None:
    read = importers.get(format_).read
    together = [*read(path, replace(options, together=True))]
    lone = [*read(path, options)]
    grades = {s.label for s in options.policy.severities} | {None}
    for item in together:
        if isinstance(item, SourceRows):
            for name in ("image_grade", "text_grade", "joint_grade"):
                assert {*item.frame[name]} <= grades
    assert [*single(together)] == [*single(lone)]


@FEW
@given(st.data())
def test_a_csv_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    header = data.draw(st.lists(st.sampled_from([*FIELDS, *MORE]), unique=True, min_size=1))
    header = header if {"text", "image", "image_url"} & {*header} else [*header, "text"]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header))))
    plain_rows = [
        {"id": f"r{n}", "text": "words", "joint_grade": "safe"} for n in range(2 * len(rows))
    ]
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for n, row in enumerate(rows):
            for plain_row in plain_rows[2 * n : 2 * n + 2]:
                writer.writerow([plain_row.get(name, "") for name in header])
            writer.writerow(row)
    both("csv", path, data.draw(st.sampled_from(OPTIONS)))


@FEW
@given(st.data())
def test_json_lines(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    names = st.sampled_from([*FIELDS, *MORE, "Text", "Image URL"])
    rows = data.draw(st.lists(st.dictionaries(names, VALUES, min_size=1), max_size=6))
    usual: dict[str, Any] = dict.fromkeys(data.draw(st.sets(names)), "words")
    usual |= {"text": "words", "joint_grade": "safe", "n": 1, "x": 0.5, "y": None}
    path = tmp_path_factory.mktemp("jsonl") / "table.jsonl"
    lines = [usual]
    for row in rows:
        lines += [usual, row, {**usual, **dict(list(row.items())[:1])}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    both("jsonl", path, data.draw(st.sampled_from(OPTIONS)))


def test_the_released_csv_with_paths_and_the_row_that_is_mislabelled(tmp_path: Path) -> None:
    header = "uuid,web_path,prompt,image_grade,consensus_text_grade,consensus_combined_grade,"
    header += "image_category,text_category,combined_category"
    wrong = "2aa9226c-201d-458d-9b2e-0aa36845c763"
    rows = [
        *(f"u{n},https://e.org/{n}.png,words,safe,safe,unsafe,,,C3" for n in range(20)),
        f"{wrong},https://e.org/a.png,words,safe,safe,unsafe,,,C14",
        "v,images/a.png,words,safe,safe,unsafe,,,C3",
        "w,,words,safe,safe,unsafe,,,C3",
    ]
    path = tmp_path / "VLSU.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    both("vlsu", path, OPTIONS[0])


def test_most_rows_come_together(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text\n" + "".join(f"s{n},x\n" for n in range(50)), encoding="utf-8")
    (rows,) = importers.get("csv").read(path, replace(OPTIONS[0], together=True))
    assert isinstance(rows, SourceRows)
    assert rows.frame.height == 50
    assert rows.others == []
    assert rows.notes[0][0] == Note(0, "no grade at all", fix="it is not evaluated on any modality")


TEXTS = st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)


@FEW
@given(st.lists(st.lists(TEXTS, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=5))
def test_the_content_of_a_frame_is_that_of_its_rows(rows: Sequence[list[str | None]]) -> None:
    of_rows: list[Row] = [tuple(row) for row in rows]
    assert canonical_frame(to_frame(of_rows)) == b"".join(map(canonical, of_rows))


@FEW
@given(st.lists(CELLS), st.none() | st.lists(CELLS.filter(lambda word: "," not in word)))
def test_missing_words_of_a_column_are_those_of_its_cells(
    cells: list[str], words: list[str] | None
) -> None:
    missing = MissingWords.read(words)
    assert missing.of_column(pl.Series(cells, dtype=pl.String)).to_list() == [*map(missing, cells)]


def test_notes_and_examples_are_in_the_order_of_the_rows(tmp_path: Path) -> None:
    lines = ["id,text,joint_grade,image"]
    for n in range(40):
        grade = "" if n % 4 == 1 else "dunno" if n % 9 == 5 else "safe"
        lines.append(f"s{n % 35},{'' if n % 3 == 2 else 'x'},{grade},{'a.png' if n % 5 else ''}")
    path = tmp_path / "t.csv"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    report = import_dataset("csv", path, tmp_path / "D")
    kept = orjson.loads((tmp_path / "D" / "import.json").read_bytes())
    searched = "image not searched for: give its folder with --images"
    assert report.notes[searched] == sum(each["note"] == searched for each in kept["fixed"])
    assert [each["line"] for each in kept["fixed"]] == sorted(e["line"] for e in kept["fixed"])
    for kind in {each.kind for each in report.examples}:
        shown = [each.line for each in report.examples if each.kind == kind]
        assert shown == sorted(shown)
        assert len(shown) == min(5, {**report.notes, **report.rejected}[kind])
