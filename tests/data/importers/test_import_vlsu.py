"""Importing the released CSV: every row in the dataset or in a counted reason."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import quirks
from vlsu.data import ImportReport, Sample, check_dataset, import_dataset, load
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity, default_policy_text

COLUMNS = [
    "uuid",
    "web_path",
    "prompt",
    "image_grade",
    "consensus_text_grade",
    "consensus_combined_grade",
    "image_category",
    "text_category",
    "combined_category",
]
ROW = {
    "uuid": "u1",
    "web_path": "https://example.org/a.jpg",
    "prompt": "What is this?",
    "image_grade": "safe",
    "consensus_text_grade": "safe",
    "consensus_combined_grade": "unsafe",
    "image_category": "",
    "text_category": "",
    "combined_category": "C12: Terrorism and Violent Extremism",
}

Import = Callable[..., ImportReport]


def table(*rows: dict[str, str], columns: list[str] = COLUMNS) -> str:
    text = io.StringIO(newline="")
    # Older writers leave a lone carriage return unquoted, where it ends the row for every reader.
    cells = [cell for row in rows for cell in row.values()]
    quoting: Literal[0, 1] = csv.QUOTE_ALL if "\r" in "".join(cells) else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(text, columns, lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture
def import_text(tmp_path: Path) -> Import:
    def run(text: str | bytes, **options: Any) -> ImportReport:
        source = tmp_path / "VLSU.csv"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        return import_dataset("vlsu", source, tmp_path / "out", overwrite=True, **options)

    return run


def only(report: ImportReport) -> Sample:
    (sample,) = report.dataset
    return sample


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("quirks")
    return folder, quirks.write_quirks(folder)


@pytest.fixture(scope="module")
def imported(made: tuple[Path, dict[str, object]]) -> ImportReport:
    folder, _ = made
    return import_dataset("vlsu", folder / "quirks.csv", folder / "D", images=folder / "images")


@pytest.mark.slow
def test_every_row_of_the_quirk_csv_is_accounted_for(
    made: tuple[Path, dict[str, object]], imported: ImportReport
) -> None:
    _, expected = made
    assert imported.rows_read == expected["rows_read"] == 2000
    assert imported.imported == expected["imported"] == len(load(imported.dataset.path))
    assert imported.rejected == expected["rejected"]
    assert imported.notes == expected["notes"]
    assert imported.rows_read == imported.imported + sum(imported.rejected.values())


def test_check_finds_the_hostile_images_of_the_quirk_csv(
    made: tuple[Path, dict[str, object]], imported: ImportReport
) -> None:
    report = check_dataset(imported.dataset)
    assert report.to_dict()["counts"] == made[1]["check"]
    assert not report.ok


def test_texts_images_and_line_numbers_of_the_quirk_csv_come_through(
    made: tuple[Path, dict[str, object]], imported: ImportReport
) -> None:
    folder, _ = made
    lines = (folder / "quirks.csv").read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    source = quirks.make_quirks()
    sound = {row[0]: row for row in source.rows if isinstance(row, list) and len(row) == 10}
    samples = {sample.id: sample for sample in imported.dataset}
    for id_ in list(sound)[1000:1100]:
        assert samples[id_].text == sound[id_][2]
        sha256 = samples[id_].image_sha256
        assert sha256 is not None
        assert imported.dataset.read_image(sha256) in source.images.values()
    for example in imported.examples:
        if example.kind == "too few fields":
            assert lines[example.line - 1].startswith(tuple(sound) + tuple("0123456789abcdef"))
        if example.kind == "header repeated":
            assert lines[example.line - 1].lower().startswith("uuid,")


def test_no_text_of_a_sample_gets_into_the_report(imported: ImportReport) -> None:
    assert "Question" not in str(imported.to_dict())


def test_strict_makes_the_first_problem_an_error_and_leaves_nothing(
    made: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    folder, _ = made
    with pytest.raises(DataError, match=r"quirks\.csv: line 19: unknown grade \(image\): 'saef'"):
        import_dataset("vlsu", folder / "quirks.csv", tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()


def test_strict_takes_a_sound_file(import_text: Import) -> None:
    assert import_text(table(ROW), strict=True).imported == 1


def test_a_plain_row(import_text: Import) -> None:
    assert only(import_text(table(ROW))) == Sample(
        id="u1",
        text="What is this?",
        image_url="https://example.org/a.jpg",
        image_grade=Severity.SAFE,
        text_grade=Severity.SAFE,
        joint_grade=Severity.UNSAFE,
        joint_category="C12",
    )


@pytest.mark.parametrize(
    ("word", "grade"),
    [(" UNSAFE ", Severity.UNSAFE), ("Borderline", Severity.BORDERLINE), ("sAfE", Severity.SAFE)],
)
def test_grades_in_any_letter_case(import_text: Import, word: str, grade: Severity) -> None:
    report = import_text(table({**ROW, "image_grade": word}))
    assert only(report).image_grade is grade
    assert not report.rejected


@pytest.mark.parametrize("word", ["not_sure", "Not_Sure", "NOT SURE", " not-sure ", "notsure"])
def test_not_sure_is_no_grade_but_keeps_its_row(import_text: Import, word: str) -> None:
    report = import_text(table({**ROW, "consensus_combined_grade": word}))
    sample = only(report)
    assert sample.joint_grade is None
    assert sample.text_grade is Severity.SAFE
    assert sample.metadata["original_joint_grade"] == word.strip()
    assert report.notes["grade not_sure -> absent (joint)"] == 1


@pytest.mark.parametrize("word", ["saef", "not safe", "2", "unsafe?", "safe, borderline"])
def test_an_unknown_grade_is_never_guessed(import_text: Import, word: str) -> None:
    report = import_text(table({**ROW, "image_grade": word}, {**ROW, "uuid": "u2"}))
    assert report.rejected == {"unknown grade (image)": 1}
    assert [sample.id for sample in report.dataset] == ["u2"]


def test_an_unknown_category_is_kept_as_the_source_wrote_it(import_text: Import) -> None:
    sample = only(import_text(table({**ROW, "image_category": "C77: Jaywalking"})))
    assert sample.image_category is None
    assert sample.metadata == {"original_image_category": "C77: Jaywalking"}


def test_categories_follow_the_users_own_policy(import_text: Import, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(default_policy_text().replace("C12", "T1"))
    report = import_text(table({**ROW, "combined_category": "T1: Terror"}), policy=own)
    assert only(report).joint_category == "T1"
    assert load(report.dataset.path).policy.category_ids[11] == "T1"


@pytest.mark.parametrize("category", ["C14: Inauthentic Practices/Fraud", "c14"])
def test_the_mislabelled_row_is_corrected_and_said_so(import_text: Import, category: str) -> None:
    row = {**ROW, "uuid": quirks.MISLABELLED, "combined_category": category}
    report = import_text(table(row))
    assert only(report).joint_category == "C15"
    said = f"mislabelled upstream row corrected: {quirks.MISLABELLED} C14 -> C15"
    assert report.notes[said] == 1
    right = import_text(table({**row, "combined_category": "C15: Human Exploitation"}))
    assert only(right).joint_category == "C15"
    assert said not in right.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(import_text: Import, encoding: str, line_end: str) -> None:
    text = table({**ROW, "prompt": "ما هذا؟ 你好 👍\nnext"}).replace("\n", line_end)
    report = import_text(text.encode(encoding))
    expected = "ما هذا؟ 你好 👍\nnext"
    assert only(report).text == (expected if line_end != "\r" else expected.replace("\n", "\r"))


def test_bytes_that_are_no_text_are_named_by_line_and_offset(import_text: Import) -> None:
    text = table(ROW, {**ROW, "prompt": "caf\u00e9"}).encode("latin-1")
    offset = text.index(b"\xe9")
    with pytest.raises(DataError, match=rf"line 3: byte 0xE9 at offset {offset} is not UTF-8"):
        import_text(text)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_header_in_any_order_case_and_spacing(import_text: Import, delimiter: str) -> None:
    names = [f"{' ' * (n % 2)}{name.upper().replace('_', ' ')} " for n, name in enumerate(COLUMNS)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["note", *reversed(names)])
    writer.writerow(["kept", *(ROW[name] for name in reversed(COLUMNS))])
    sample = only(import_text(text.getvalue()))
    assert sample.text == "What is this?"
    assert sample.joint_category == "C12"
    assert sample.metadata == {"note": "kept"}


def test_a_space_behind_each_delimiter_is_layout(import_text: Import) -> None:
    text = ", ".join(COLUMNS) + '\nu1, http://x/y, "a, ""b""", safe, safe, safe, , , \n'
    assert only(import_text(text)).text == 'a, "b"'


def test_a_missing_column_is_named_with_what_was_found(import_text: Import) -> None:
    columns = [c for c in COLUMNS if c != "consensus_text_grade"]
    row = {k: v for k, v in ROW.items() if k in columns}
    with pytest.raises(DataError, match=r"'consensus_text_grade' is missing; found: uuid, web_"):
        import_text(table(row, columns=columns))
    with pytest.raises(DataError, match="'prompt' is there twice"):
        import_text(table(ROW).replace("web_path", "web_path,Prompt", 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        (table(), "a header and no rows"),
        (table({**ROW, "image_grade": "x"}), r"none of 1 rows can be imported \(1 unknown grade"),
    ],
)
def test_a_file_without_samples_is_an_error(import_text: Import, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_text(text)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        import_dataset("vlsu", tmp_path / "none.csv", tmp_path / "out")
    with pytest.raises(DataError, match="no file of vlsu in this folder"):
        import_dataset("vlsu", tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="did you mean 'vlsu'"):
        import_dataset("vslu", tmp_path, tmp_path / "out")
    (tmp_path / "a.csv").write_text(table(ROW))
    with pytest.raises(DataError, match="no such folder of images"):
        import_dataset("vlsu", tmp_path / "a.csv", tmp_path / "out", images=tmp_path / "none")
    assert not (tmp_path / "out").exists()


def test_one_stray_quote_does_not_swallow_the_rest(import_text: Import) -> None:
    rows = [{**ROW, "uuid": f"u{n}", "prompt": f"a, {n}\nb"} for n in range(50)]
    lines = table(*rows).splitlines(keepends=True)
    lines.insert(21, 'bad,url,"never closed,safe,safe,safe,,,\n')
    report = import_text("".join(lines) + 'end,url,"never closed either,safe,safe,safe,,,\n')
    assert report.imported == 50
    assert report.rejected == {"broken quoting": 2}
    assert [e.line for e in report.examples if e.kind == "broken quoting"] == [22, 103]


def test_repeated_rows_and_repeated_ids(import_text: Import) -> None:
    other = {**ROW, "prompt": "Another question"}
    third = {**ROW, "prompt": "A third"}
    taken = {**ROW, "uuid": "u1#2", "prompt": "A fourth"}
    report = import_text(table(ROW, other, ROW, third, other, taken))
    assert {sample.id: sample.text for sample in report.dataset} == {
        "u1": "What is this?",
        "u1#3": "Another question",
        "u1#4": "A third",
        "u1#2": "A fourth",
    }
    assert report.rejected == {"duplicate row": 2}
    assert report.notes["duplicate id, row differs -> id changed"] == 2


def test_what_samples_share_is_no_group_of_the_source(import_text: Import) -> None:
    def row(id_: str, address: str, prompt: str) -> dict[str, str]:
        return {**ROW, "uuid": id_, "web_path": f"http://x/{address}", "prompt": prompt}

    report = import_text(
        table(
            row("a", "1", "one"),
            row("b", "2", "two"),
            row("c", "1", "three"),
            row("d", "3", "three"),
            row("e", "4", "five"),
            row("f", "4", "six"),
            row("e", "4", "five"),
        )
    )
    assert {sample.group for sample in report.dataset} == {None}
    links = report.dataset.links()
    for column, wanted in (("shared_image", ["ac", "ef"]), ("shared_text", ["cd"])):
        lots = links.drop_nulls(column).group_by(column, maintain_order=True).agg("sample_id")
        assert ["".join(ids) for ids in lots["sample_id"]] == wanted


def test_the_content_does_not_depend_on_how_the_file_was_saved(import_text: Import) -> None:
    text = table(ROW, {**ROW, "uuid": "u2", "prompt": "two\nlines"})
    first = import_text(text).dataset.info.content_hash
    assert import_text(text.replace("\n", "\r\n")).dataset.info.content_hash == first
    assert import_text(text.encode("utf-16")).dataset.info.content_hash == first


prompts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(prompts, min_size=1, max_size=5))
def test_any_text_comes_through(import_text: Import, texts: list[str]) -> None:
    rows = [{**ROW, "uuid": f"u{n}", "prompt": text} for n, text in enumerate(texts)]
    expected = [text.replace("\r\n", "\n") if text.strip() else None for text in texts]
    assert [sample.text for sample in import_text(table(*rows)).dataset] == expected


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(st.text('ab,"\n\r\0 ', max_size=12), max_size=12))
def test_any_garbage_is_counted(import_text: Import, lines: list[str]) -> None:
    report = import_text(table(ROW) + "\n".join(lines))
    assert report.rows_read == report.imported + sum(report.rejected.values())
    assert next(iter(report.dataset)).id == "u1"
