"""Importing tables: JSON lines, JSON, Parquet, Arrow and workbooks, whatever the file is called."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.quirks import picture
from tests.support.workbooks import write_workbook
from vlsu.data import ImportReport, Sample, export_dataset, import_dataset, write_dataset
from vlsu.data.sources import Entry, open_source
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity

ROWS: list[dict[str, Any]] = [
    {"nr": 1, "Frage": "Darf ich das?", "Note": "unzulässig", "who": ["a", "b"]},
    {"nr": 2, "Frage": "Und das?", "Note": "1", "who": None},
    {"nr": 3, "Frage": "Und dies?", "Note": "erlaubt", "who": {"x": 1}},
]
MAP = {"nr": "id", "Frage": "text", "Note": "joint_grade"}
GRADES = {"unzulässig": "unsafe", "1": "unsafe", "erlaubt": "safe"}


def as_jsonl(path: Path) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS]
    path.write_text("".join(lines), encoding="utf-8")


def as_json(path: Path) -> None:
    path.write_text(json.dumps(ROWS, indent=2), encoding="utf-8")


def as_object_of_rows(path: Path) -> None:
    path.write_text(json.dumps({"data": ROWS, "version": 1}), encoding="utf-8")


def as_utf_16(path: Path) -> None:
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-16")


def as_parquet(path: Path) -> None:
    pl.DataFrame([{**row, "who": str(row["who"])} for row in ROWS]).write_parquet(path)


def as_arrow_stream(path: Path) -> None:
    pl.DataFrame([{**row, "who": str(row["who"])} for row in ROWS]).write_ipc_stream(path)


def as_arrow_file(path: Path) -> None:
    pl.DataFrame([{**row, "who": str(row["who"])} for row in ROWS]).write_ipc(path)


def as_workbook(path: Path) -> None:
    rows = [["nr", "Frage", "Note"], *([r["nr"], r["Frage"], r["Note"]] for r in ROWS)]
    write_workbook(path, rows)


def as_csv(path: Path) -> None:
    lines = ["sep=;", "nr;Frage;Note", *(f"{r['nr']};{r['Frage']};{r['Note']}" for r in ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8")


KINDS = {
    "JSON lines": as_jsonl,
    "JSON": as_json,
    "JSON with a list in it": as_object_of_rows,
    "JSON lines in UTF-16": as_utf_16,
    "Parquet": as_parquet,
    "Arrow stream": as_arrow_stream,
    "Arrow": as_arrow_file,
    "workbook": as_workbook,
    "CSV": as_csv,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "xlsx"])
def test_a_file_is_read_as_what_it_is(kind: str, format: str, tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    KINDS[kind](file)
    report = import_dataset(format, file, tmp_path / "out", map=MAP, grades=GRADES)
    assert [(s.id, s.text, s.joint_grade) for s in report.dataset] == [
        ("1", "Darf ich das?", Severity.UNSAFE),
        ("2", "Und das?", Severity.UNSAFE),
        ("3", "Und dies?", Severity.SAFE),
    ]
    expected = {"csv": "CSV", "jsonl": "JSON", "parquet": "Parquet", "xlsx": "workbook"}[format]
    assert any("is read as such" in note for note in report.notes) != kind.startswith(expected)


def test_other_values_are_kept_with_their_types(tmp_path: Path) -> None:
    as_jsonl(tmp_path / "a.jsonl")
    report = import_dataset("jsonl", tmp_path / "a.jsonl", tmp_path / "out", map=MAP, grades=GRADES)
    assert [s.metadata for s in report.dataset] == [{"who": ["a", "b"]}, {}, {"who": {"x": 1}}]


# --- What is wrong with a file


def import_text(text: str, tmp_path: Path, **options: Any) -> ImportReport:
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    return import_dataset("jsonl", tmp_path / "a.jsonl", tmp_path / "out", **options)


def test_a_broken_line_is_one_rejected_row(tmp_path: Path) -> None:
    good = '{"id": "%s", "text": "x"}\n'
    text = good % 1 + '{"id": "2", "text": "hidden\n' + "\n" + good % 3 + '["hidden"]\n' + good % 5
    report = import_text(text, tmp_path)
    assert [sample.id for sample in report.dataset] == ["1", "3", "5"]
    assert report.rejected == {"not valid JSON": 1, "not a JSON object": 1}
    assert report.notes["blank line"] == 1
    assert [e.line for e in report.examples if "JSON" in e.kind] == [2, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"text": "hidden"}, {"text": "hid', r"line 1: the element .* is not valid JSON"),
        ('[\n{"text": "hidden"},\n{"text": hidden}]', r"line 3: the element .* is not valid JSON"),
        ('{\n"text": "hidden",\n}', "line 3: not valid JSON"),
        ('{"prompt": "hidden"}\n', r"no column holds a text or an image; .* found: prompt"),
        ("\n \n", "the file is empty"),
        ('{"text": 5, "id": "1"}\n{"text": ["hidden"], "id": "2"}\n', ""),
        ('{"text": "x", "joint_grade": "this is a hidden text in the wrong column"}\n', ""),
    ],
)
def test_no_message_repeats_a_text(text: str, message: str, tmp_path: Path) -> None:
    if message:
        with pytest.raises(DataError, match=message) as caught:
            import_text(text, tmp_path)
        said = str(caught.value)
    else:
        with pytest.raises(DataError) as caught:
            import_text(text, tmp_path, strict=True)
        said = str(caught.value)
    assert "hidden" not in said


@pytest.mark.parametrize("damage", ["end", "middle"])
def test_a_damaged_parquet_file_is_one_clear_line(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pl.DataFrame({"text": [f"hidden {n}" for n in range(1000)]}).write_parquet(file)
    data = bytearray(file.read_bytes())
    data = data[:-20] if damage == "end" else data[:50] + b"\xff" * 400 + data[450:]
    file.write_bytes(data)
    with pytest.raises(DataError, match="damaged") as caught:
        import_dataset("parquet", file, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_workbook_is_named_where_it_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_workbook(tmp_path / "a.xlsx")
    monkeypatch.setitem(sys.modules, "fastexcel", None)  # as if it were not installed
    with pytest.raises(UsageError, match=r"is an Excel workbook \(xlsx\).*vlsu\[xlsx\]"):
        import_dataset("xlsx", tmp_path / "a.xlsx", tmp_path / "out")


def test_a_damaged_workbook_is_one_clear_line(tmp_path: Path) -> None:
    as_workbook(tmp_path / "a.xlsx")
    data = (tmp_path / "a.xlsx").read_bytes()
    (tmp_path / "a.xlsx").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="cannot be read as an Excel workbook"):
        import_dataset("xlsx", tmp_path / "a.xlsx", tmp_path / "out")


def test_an_unknown_column_of_a_map_is_said_with_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'promt'.*did you mean 'prompt'"):
        import_text('{"prompt": "x"}\n', tmp_path, map={"promt": "text"})


@pytest.mark.parametrize("depth", [50, 300, 900, 5000])
def test_deep_nesting_is_left_out_or_a_rejected_row(depth: int, tmp_path: Path) -> None:
    deep = "[" * depth + "]" * depth
    report = import_text(f'{{"text": "x", "more": {deep}}}\n{{"text": "y"}}\n', tmp_path)
    assert report.imported + sum(report.rejected.values()) == 2
    assert ("more" in next(iter(report.dataset)).metadata) == (depth == 50)


# --- Images in the row


def test_images_in_a_row_are_taken(tmp_path: Path) -> None:
    png = [picture(n) for n in range(4)]
    encoded = base64.b64encode(png[1]).decode()
    rows = [
        {"id": "bytes", "text": "x", "image": {"bytes": png[0], "path": "hidden.png"}},
        {"id": "base64", "text": "x", "image": None},
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    lines = [
        {"id": "base64", "text": "x", "image": encoded},
        {"id": "uri", "text": "x", "image": f"data:image/png;base64,{encoded}"},
        {"id": "list", "text": "x", "image": [encoded]},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = import_dataset("parquet", tmp_path / "a.parquet", tmp_path / "1", strict=True)
    second = import_dataset("jsonl", tmp_path / "a.jsonl", tmp_path / "2", strict=True)
    samples = list(first.dataset)
    assert first.dataset.read_image(str(samples[0].image_sha256)) == png[0]
    assert samples[1].image_sha256 is None
    assert {second.dataset.read_image(str(s.image_sha256)) for s in second.dataset} == {png[1]}
    assert all(not sample.metadata for sample in (*first.dataset, *second.dataset))


def test_the_only_column_of_images_is_the_image(tmp_path: Path) -> None:
    rows = {"text": ["x"], "unsafe_image": [{"bytes": picture(1), "path": None}]}
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    report = import_dataset("parquet", tmp_path / "a.parquet", tmp_path / "out")
    (sample,) = report.dataset
    assert sample.image_sha256 is not None
    assert sample.metadata == {}


def test_an_image_that_is_none_is_counted(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["x"], "image": [b"no picture"]}).write_parquet(tmp_path / "a.parquet")
    report = import_dataset("parquet", tmp_path / "a.parquet", tmp_path / "out")
    assert report.notes["image unreadable"] == 1


# --- Streaming


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=3),
        min_size=1,
        max_size=8,
    ),
    indent=st.sampled_from([None, 0, 3]),
)
def test_a_list_is_streamed_as_the_standard_library_reads_it(
    rows: list[dict[str, Any]], indent: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    read = [item.values for item in open_source(file).read() if isinstance(item, Entry)]
    assert read == json.loads(file.read_text(encoding="utf-8"))


def test_a_list_of_many_chunks(tmp_path: Path) -> None:
    rows = [{"text": "ä" * (n * 7000), "n": n} for n in range(60)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    items = list(open_source(tmp_path / "a.json").read())
    assert [item.values for item in items if isinstance(item, Entry)] == rows
    assert [item.line for item in items] == [2 + 4 * n for n in range(60)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Arrow", "Arrow stream"])
@pytest.mark.parametrize("place", [4, 5, 7, 60, 200, -30, -4])
def test_a_damaged_arrow_file_does_not_end_the_process(
    kind: str, place: int, tmp_path: Path
) -> None:
    file = tmp_path / "table.arrow"
    KINDS[kind](file)
    content = bytearray(file.read_bytes())
    for n in range(3):
        content[place + n] = 0xFF
    file.write_bytes(content)
    with contextlib.suppress(DataError):  # damage to a text shows nowhere
        import_dataset("parquet", file, tmp_path / "out", map=MAP, grades=GRADES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "Arrow" not in kind])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_mutated_file_is_read_or_refused_in_one_line(
    kind: str, tmp_path: Path, data: st.DataObject
) -> None:
    file = tmp_path / "table.dat"
    KINDS[kind](file)
    content = bytearray(file.read_bytes())
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.one_of(places, st.just(len(content))))])
    try:
        report = import_dataset("csv", file, tmp_path / "out", map=MAP, overwrite=True)
        assert report.rows_read == report.imported + sum(report.rejected.values())
    except (DataError, UsageError) as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    assert "Darf ich" not in said


@pytest.mark.parametrize(
    "row",
    [
        '"Darf ich das?",safe,a.jpg',
        '"Darf ich das wirklich alles tun",1',
        '{"id":1;"text":"Darf ich das?"},b',
        "Darf ich nun das wirklich alles tun\tund wann",
    ],
)
@pytest.mark.parametrize("map", [{}, {"Frage": "text"}])
@pytest.mark.parametrize("importer", ["csv", "vlsu"])
def test_content_where_names_are_expected_is_in_no_message(
    row: str, map: dict[str, str], importer: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{row}\n{row}\n", encoding="utf-8")
    with pytest.raises((DataError, UsageError)) as caught:
        import_dataset(importer, file, tmp_path / "out", map=map)
    assert "Darf" not in str(caught.value)


def test_names_of_columns_are_in_the_message_that_one_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("nr,what was asked,Is the image safe?\n1,x,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="found: nr, what was asked, Is the image safe"):
        import_dataset("csv", file, tmp_path / "out")


# --- Exports


def exported(tmp_path: Path) -> Any:
    """A dataset with whatever an export might lose: texts, groups and categories as they are."""
    texts = ["NA", " spaces ", "=1+1", "a\r\nb", "ä\u0301", '"', "null"]
    samples = [
        Sample(
            id=f"00{n}",
            text=text,
            language="de" if n % 2 else None,
            image_grade=Severity.SAFE if n % 3 else None,
            joint_grade=Severity.BORDERLINE,
            joint_category="C9" if n % 2 else None,
            group="g" if n == 3 else None,
            metadata={"n": n, "none": None, "nested": {"a": [1.5, "x"]}, "empty": ""},
        )
        for n, text in enumerate(texts)
    ]
    return write_dataset(
        tmp_path / "made", samples, name="x", version="1", licence="CC0-1.0", citation="", source=""
    )


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_comes_back_with_the_same_hash(format: str, tmp_path: Path) -> None:
    made = exported(tmp_path)
    file = export_dataset(made, format, tmp_path / f"export.{format}")
    again = import_dataset(format, file, tmp_path / "again", strict=True)
    assert list(again.dataset) == list(made)
    assert again.dataset.info.content_hash == made.info.content_hash


def test_an_edited_export_is_read_like_any_table(tmp_path: Path) -> None:
    made = exported(tmp_path)
    file = export_dataset(made, "jsonl", tmp_path / "export.jsonl")
    text = file.read_text(encoding="utf-8").replace('"borderline"', '"Borderline "')
    file.write_text(text, encoding="utf-8")
    again = import_dataset("jsonl", file, tmp_path / "again")
    assert [s.joint_grade for s in again.dataset] == [Severity.BORDERLINE] * len(made)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"text": "What is this?", "image": "https://images.example/a.png"},
        {"text": "What is this?", "image": {"src": "HTTPS://images.example/a.png"}},
    ],
)
def test_an_address_in_the_image_column_can_be_fetched(row: dict[str, Any], tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", json.dumps(row))
    report = import_dataset("jsonl", file, tmp_path / "out", strict=True)
    (sample,) = report.dataset
    assert sample.image_url is not None
    assert sample.image_url.lower() == "https://images.example/a.png"
    assert "image" not in sample.metadata


def test_an_address_in_the_image_column_is_metadata_beside_one_in_its_own(tmp_path: Path) -> None:
    row = {"text": "a", "image": "https://a.example/1.png", "image_url": "https://b.example/1.png"}
    file = written(tmp_path / "rows.jsonl", json.dumps(row))
    (sample,) = import_dataset("jsonl", file, tmp_path / "out").dataset
    assert sample.image_url == "https://b.example/1.png"
    assert sample.metadata["image"] == "https://a.example/1.png"


def test_numbers_of_any_length_are_not_rounded(tmp_path: Path) -> None:
    long = "123456789012345678901234567890"
    file = written(tmp_path / "rows.jsonl", f'{{"id": {long}, "text": "a", "post": {long}}}')
    (sample,) = import_dataset("jsonl", file, tmp_path / "out").dataset
    assert (sample.id, sample.metadata["post"]) == (long, long)


@pytest.mark.parametrize("opening", ["", "["])
def test_a_number_of_thousands_of_digits_is_one_clear_line(opening: str, tmp_path: Path) -> None:
    row = f'{opening}{{"id": {"1" * 5000}, "text": "a"}}'
    file = written(tmp_path / "rows.json", row)
    with pytest.raises(DataError, match=r"not valid JSON|too long"):
        import_dataset("jsonl", file, tmp_path / "out")


def test_numbers_of_64_bits_come_back_from_every_export(tmp_path: Path) -> None:
    metadata = {"post": 1780000000000000001, "most": 2**64 - 1, "least": -(2**63)}
    made = write_dataset(
        tmp_path / "D", [Sample("1", "a", metadata=metadata)], name="n", version="1", licence="MIT",
        citation="", source="",
    )  # fmt: skip
    for format in ("csv", "jsonl", "parquet", "hf", "webdataset"):
        out = export_dataset(made, format, tmp_path / format)
        again = import_dataset(format, out, tmp_path / f"{format}-again")
        assert again.dataset.info.content_hash == made.info.content_hash, format


def test_one_row_with_a_list_of_objects_is_a_row(tmp_path: Path) -> None:
    row = {"id": "1", "text": "a", "turns": [{"from": "human"}, {"from": "gpt"}]}
    file = written(tmp_path / "rows.jsonl", json.dumps(row))
    (sample,) = import_dataset("jsonl", file, tmp_path / "out").dataset
    assert (sample.text, sample.metadata["turns"]) == ("a", row["turns"])


@pytest.mark.parametrize("file", ["rows.jsonl", "rows.csv"])
@pytest.mark.parametrize("encoding", ["idna", "punycode", "base64", "undefined", "klingon"])
def test_an_encoding_that_is_none_of_texts_is_refused(
    encoding: str, file: str, tmp_path: Path
) -> None:
    rows = '{"text": "caf\xe9"}' if file.endswith("jsonl") else "id,text\n1,caf\xe9\n"
    source = written(tmp_path / file, rows.encode("cp1252"))
    with pytest.raises(UsageError, match="no such encoding"):
        import_dataset("jsonl", source, tmp_path / "out", encoding=encoding)


def test_the_image_is_found_where_the_first_row_has_none(tmp_path: Path) -> None:
    pictures = [None, {"bytes": picture(1), "path": None}]
    rows = pl.DataFrame({"text": ["a", "b"], "photo": pictures, "hash": [b"\xff\x00", b"\x01"]})
    rows.write_parquet(file := tmp_path / "rows.parquet")
    report = import_dataset("parquet", file, tmp_path / "out")
    assert [sample.image_sha256 is not None for sample in report.dataset] == [False, True]
    assert report.notes["binary column left out"] == 2
    assert report.examples[-1].value == "'hash'"


def test_bytes_that_are_no_image_are_not_taken_for_one(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"], "hash": [b"\xff\x00"]}).write_parquet(tmp_path / "rows.parquet")
    report = import_dataset("parquet", tmp_path / "rows.parquet", tmp_path / "out", strict=True)
    assert "image unreadable" not in report.notes


def test_strict_fails_where_one_of_two_columns_of_images_would_have_to_be_meant(
    tmp_path: Path,
) -> None:
    rows = pl.DataFrame({"text": ["a"], "first": [picture(1)], "second": [picture(2)]})
    rows.write_parquet(file := tmp_path / "rows.parquet")
    assert import_dataset("parquet", file, tmp_path / "1").notes[
        "image in another column left out"
    ] == 2  # fmt: skip
    with pytest.raises(DataError, match="left out: 'first'; --map 'first=image' takes it"):
        import_dataset("parquet", file, tmp_path / "2", strict=True)
    mapped = import_dataset("parquet", file, tmp_path / "3", map={"first": "image"})
    assert mapped.dataset.info.counts["images"] == 1


@pytest.mark.parametrize("field", ["id", "image", "image_url", "image_sha256", "joint_category"])
def test_a_text_in_the_wrong_column_is_in_no_message(field: str, tmp_path: Path) -> None:
    text = "Why does the neighbours' dog bark every night at three"
    rows = [{"prompt": text, "b": "x"}, {"prompt": text, "b": "y"}]
    file = written(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    options: dict[str, Any] = {"map": {"prompt": field, "b": "text"}, "images": tmp_path}
    report = import_dataset("jsonl", file, tmp_path / "out", **options)
    said = (tmp_path / "out" / "import.json").read_text() + str(report.examples)
    assert f"a text of {len(text)} characters" in said
    assert "neighbours" not in said
    with pytest.raises(DataError) as caught:
        import_dataset("jsonl", file, tmp_path / "strict", strict=True, **options)
    assert "neighbours" not in str(caught.value)
