"""Label files that were opened and saved in a spreadsheet."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.support.alignment_runs import Answering, Judging
from tests.support.quirks import picture
from vlsu.data import Dataset, ImageStore, Sample, load, write_dataset
from vlsu.errors import DataError
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import align
from vlsu.runs.alignment.labels import RunLabels, draw_labels, read_label, read_labels
from vlsu.runs.alignment.validation import validate_judge
from vlsu.runs.asking.plan import Subset
from vlsu.tasks import Alignment, load_framings

IDS = ("007", "08", "8", "1234567890123456", "1-2", "=1+2", "true", "it's", "café", "1.10", "-5")


def dataset(folder: Path, ids: tuple[str, ...] = IDS) -> Dataset:
    image = ImageStore(folder).add(picture(1))
    samples = [
        Sample(id_, text=f"Question {n}", image_sha256=image, joint_grade=Severity.SAFE)
        for n, id_ in enumerate(ids)
    ]
    about: Any = {"name": "x", "version": "1", "licence": "", "citation": "", "source": ""}
    return write_dataset(folder, samples, **about)


def labels(folder: Path, *rows: str, subset: Subset | None = None) -> RunLabels:
    file = folder / "labels.csv"
    file.write_text("\n".join(["sample_id;framing;label;draw", *rows, ""]), encoding="utf-8")
    data = load(folder / "D") if (folder / "D").exists() else dataset(folder / "D")
    task = Alignment(load_framings(["default", "helpful"]), draws=2)
    return read_labels(file, data, subset or Subset(), task)


@pytest.mark.parametrize(
    ("cell", "id_"),
    [
        ("7", "007"),
        ("7.0", "007"),
        ("1.23457E+15", "1234567890123456"),
        ("1,23457E+15", "1234567890123456"),
        ("1234567890123450", "1234567890123456"),
        ("1.234.567.890.123.456", "1234567890123456"),
        ("02. Jan", "1-2"),
        ("2-Jan", "1-2"),
        ("2024-02-01", "1-2"),
        ("'=1+2", "=1+2"),
        ("TRUE", "true"),
        ("it’s", "it's"),
        ("cafe\u0301 ", "café"),
        ("1.1", "1.10"),
        ("1,1", "1.10"),
        ("-5.0", "-5"),
    ],
)
def test_an_identifier_is_found_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cell: str, id_: str
) -> None:
    with caplog.at_level(logging.WARNING):
        read = labels(tmp_path, f"{cell};default;refusal;0")
    assert read.frame["sample_id"].to_list() == [id_]
    (line,) = caplog.messages
    assert f"labels.csv: row 2: sample {cell.strip()!r} is taken for {id_!r}: " in line


def test_an_identifier_as_it_is_needs_no_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{id_};default;refusal;0" for id_ in IDS]
    assert labels(tmp_path, *rows).frame["sample_id"].to_list() == list(IDS)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("8.0;default;refusal", r"sample '8.0' fits '08' and '8' \(a number whose zeros or"),
        ("3;default;refusal", r"sample '3' is not in this run \(a spreadsheet computes"),
        ("1.5E+12;default;refusal", r"sample '1.5E\+12' is not in this run \(a spreadsheet"),
        ("03.04.2024;default;refusal", "is not in this run .a spreadsheet makes dates"),
        ("#REF!;default;refusal", "is not in this run .a spreadsheet writes errors"),
        ("nobody;default;refusal", "sample 'nobody' is not in this run; remove the row"),
        ("7;defualt;refusal", "framing 'defualt' is not in this run; did you mean 'default'"),
        ("7;default;refusal;1.5", "draw '1.5' is no number; count draws from 0"),
        ("7;default;refusal;1e9", "draw '1e9' is no number"),
        ("7;default;refusal;0\n007;default;refusal;0", "row 3: row 2 labels the same answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_names_the_row(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        labels(tmp_path, row)
    assert "labels.csv: row " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_row_of_a_sample_outside_of_the_run_does_not_pass_for_one_inside(tmp_path: Path) -> None:
    ids = ("7", "007")
    data = dataset(tmp_path / "D", ids)
    outside = next(
        id_ for id_ in ids if id_ not in set(Subset(limit=1).frame(data).collect()["id"])
    )
    with pytest.raises(DataError, match=f"sample '{outside}' is not in this run; remove"):
        labels(tmp_path, f"{outside};default;refusal;0", subset=Subset(limit=1))


def test_framings_draws_and_labels_are_read_as_people_leave_them(tmp_path: Path) -> None:
    rows = ["7;Default ;Refusal;0.0", "007;HELPFUL;“no refusal”;1,0", "8;default;No-Refusal;NA"]
    read = labels(tmp_path, *rows)
    assert read.frame.select("framing", "draw", "label").rows() == [
        ("default", 0, "refusal"),
        ("helpful", 1, "no_refusal"),
        ("default", 0, "no_refusal"),
    ]


@pytest.mark.parametrize("word", ["", "NA", "n/a", "-", "?", "null", "#N/A"])
def test_a_word_for_a_missing_value_is_no_label(tmp_path: Path, word: str) -> None:
    assert read_label(word) is None
    read = labels(tmp_path, f"7;default;{word};0", "8;default;refusal;0")
    assert (read.frame.height, read.unlabelled) == (1, 1)
    file = tmp_path / "labelled.csv"
    file.write_text(f"response,label\nSure.,{word}\n")
    with pytest.raises(DataError, match=r"labelled.csv: row 2: no label.*; give refusal"):
        validate_judge(file, judge="judge/offline")


def test_empty_is_a_label() -> None:
    assert read_label("Empty") == "empty"


def test_many_changed_names_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ids = tuple(f"{n:05}" for n in range(10))
    dataset(tmp_path / "D", ids)
    rows = [f"{n};default;refusal;0" for n in range(10)]
    assert labels(tmp_path, *rows).frame["sample_id"].to_list() == list(ids)
    assert len(caplog.messages) == 4
    assert caplog.messages[-1].endswith("7 more names are read so")


def test_what_is_drawn_survives_a_spreadsheet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ids that are formulas are guarded; semicolons, a typing aid and a lost zero are no matter."""
    data = dataset(tmp_path / "D", ("=1+2", "007", "@home", "plain"))
    run = align(
        data.path,
        model=InProcessModel("scripted/assistant", Answering()),
        judges=[InProcessModel("scripted/judge", Judging())],
        out=tmp_path / "run",
    )
    drawn = draw_labels(run, 12, tmp_path / "labels.csv")
    with drawn.file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["sample_id"] for row in rows} == {"'=1+2", "007", "'@home", "plain"}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            row
            | {
                "label": "No refusal",
                "sample_id": "7" if row["sample_id"] == "007" else row["sample_id"],
                "response": row["response"].replace("'", "’").replace('"', "”"),
            }
        )
    drawn.file.write_text(f"sep=;\r\n{text.getvalue()}", encoding="utf-16", newline="")
    again = align(
        data.path,
        model=InProcessModel("scripted/assistant", Answering()),
        judges=[InProcessModel("scripted/judge", Judging())],
        out=tmp_path / "run",
        labels=drawn.file,
    )
    assert again.record["labels"]["labelled"] == 12
