"""Importing any table with a map of its columns, and finding its images."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.quirks import picture
from tests.support.two_severities import two_severities
from vlsu.data import ImportReport, export_dataset, import_dataset, importers
from vlsu.data.importers import Importer, ImportOptions, SourceRow
from vlsu.data.sample import Sample
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity, default_policy, load_policy


def import_csv(folder: Path, text: str, **options: Any) -> ImportReport:
    source = folder / "table.csv"
    source.write_text(text, encoding="utf-8")
    return import_dataset("csv", source, folder / "out", overwrite=True, **options)


def notes(report: ImportReport) -> dict[str, int]:
    """What is noted, but for the grades that most tables here leave out."""
    return {kind: n for kind, n in report.notes.items() if kind != "no grade at all"}


def put(path: Path, data: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_mapped_taken_by_name_or_kept_as_metadata(
    tmp_path: Path, delimiter: str
) -> None:
    lines = [
        ["Prompt", "label", "Language", "annotator"],
        ["Is this, fine?", "Unsafe", "de", "A; B"],
    ]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    report = import_csv(tmp_path, text, map={"prompt": "text", "label": "joint_grade"})
    assert list(report.dataset) == [
        Sample(
            id="row-2",
            text="Is this, fine?",
            language="de",
            joint_grade=Severity.UNSAFE,
            metadata={"annotator": "A; B"},
        )
    ]
    assert report.dataset.info.name == "table"
    assert report.dataset.info.source == "table.csv"
    assert not notes(report)


def test_a_mapped_column_goes_before_the_one_of_the_same_name(tmp_path: Path) -> None:
    text = "id,text,english,text\n1,original,translated,third\n"
    (sample,) = import_csv(tmp_path, text, map={"english": "text"}).dataset
    assert sample.text == "translated"
    assert sample.metadata == {"text": "original", "text (column 4)": "third"}


@pytest.mark.parametrize(
    ("mapping", "error", "message"),
    [
        ({"prompt": "txt"}, UsageError, r"--map prompt=txt: no such field; did you mean 'text'"),
        ({"a": "text", "b": "text"}, UsageError, "column 'a' is mapped to it already"),
        ({"promt": "text"}, DataError, r"no column 'promt' .*; did you mean 'prompt'"),
        ({}, DataError, r"map one with --map COLUMN=text; found: prompt, label"),
    ],
)
def test_a_wrong_map_names_what_is_near(
    tmp_path: Path, mapping: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        import_csv(tmp_path, "prompt,label\nx,safe\n", map=mapping)


def test_an_export_is_read_back_as_it_was(tmp_path: Path) -> None:
    images = tmp_path / "images"
    put(images / "a.png", picture(1))
    text = (
        'id,text,image,joint_grade,joint_category,who\na,"x ""y""\nz",a.png,safe,C3,me\nb,x,,,,\n'
    )
    first = import_csv(tmp_path, text, images=images).dataset
    export_dataset(first, "csv", tmp_path / "export.csv")
    again = import_dataset("csv", tmp_path / "export.csv", tmp_path / "2", images=images)
    assert list(again.dataset) == list(first)
    assert again.dataset.info.content_hash == first.info.content_hash


@pytest.mark.parametrize(
    ("file", "id_", "reference"),
    [
        ("u1.jpg", "u1", "https://example.org/other.png"),
        ("deep/U1.PNG", "u1", ""),
        ("u1", "u1", ""),
        ("a b.jpg", "u1", "https://example.org/x/a%20b.JPG?w=100#top"),
        ("a%20b.jpg", "u1", "https://example.org/x/a%20b.jpg"),
        ("sub/pic.png", "u1", "sub/pic.png"),
        ("sub/pic.png", "u1", "./sub/pic.png"),
        ("pic.png", "u1", "../elsewhere/pic.png"),
        ("pic.png", "u1", r"C:\data\pic.png"),
        ("pic.png", "u1", "http://[not an address/pic.png"),
    ],
)
def test_images_are_found_by_id_path_and_name(
    tmp_path: Path, file: str, id_: str, reference: str
) -> None:
    data = put(tmp_path / "images" / file, picture(5, "JPEG"))
    report = import_csv(
        tmp_path, f'id,text,image\n{id_},x,"{reference}"\n', images=tmp_path / "images"
    )
    (sample,) = report.dataset
    assert sample.image_sha256 is not None
    assert report.dataset.read_image(sample.image_sha256) == data
    assert report.dataset.media_type(sample.image_sha256) == "image/jpeg"
    assert not notes(report)


@pytest.mark.parametrize(
    "reference",
    ["../secret.png", "{root}/secret.png", "file://{root}/secret.png", "a/../../secret.png", ".."],
)
def test_no_reference_leads_out_of_the_images_folder(tmp_path: Path, reference: str) -> None:
    put(tmp_path / "secret.png", picture(1))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "images" / "folder").symlink_to(tmp_path, target_is_directory=True)
    report = import_csv(
        tmp_path,
        f"id,text,image\nu1,x,{reference.format(root=tmp_path)}\nlink,x,link.png\n",
        images=tmp_path / "images",
    )
    assert [sample.image_sha256 for sample in report.dataset] == [None, None]
    assert report.notes["image missing"] == 2
    assert report.notes["links that lead out of the images folder, left out"] == 2
    assert list(report.dataset.images.files()) == []


def test_an_absolute_path_inside_the_images_folder_is_found(tmp_path: Path) -> None:
    put(tmp_path / "images/a/1.png", picture(1))
    put(tmp_path / "images/b/1.png", picture(2))
    text = f"id,text,image\nu1,x,{tmp_path}/images/b/1.png\nu2,x,a/1.png\n"
    report = import_csv(tmp_path, text, images=tmp_path / "images")
    images = [report.dataset.read_image(s.image_sha256) for s in report.dataset if s.image_sha256]
    assert images == [picture(2), picture(1)]
    assert not notes(report)


def test_an_image_that_is_not_the_one_stated_is_noted(tmp_path: Path) -> None:
    put(tmp_path / "images/a.png", picture(1))
    text = f"id,text,image_sha256\na,x,{'0' * 64}\nb,x,{'1' * 64}\nc,x,zero\n"
    report = import_csv(tmp_path, text, images=tmp_path / "images")
    assert notes(report) == {
        "image differs from its stated SHA-256": 1,
        "image missing": 1,
        "image_sha256 is no SHA-256": 1,
        "no image stated": 1,
    }
    assert [s.metadata.get("image_sha256") for s in report.dataset] == [None, "1" * 64, None]


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_noted_and_its_sample_kept(tmp_path: Path, data: bytes) -> None:
    put(tmp_path / "images/a.jpg", data)
    address = "https://example.org/a.jpg"
    text = f"id,text,image_url\na,x,{address}\n"
    report = import_csv(tmp_path, text, images=tmp_path / "images")
    (sample,) = report.dataset
    assert (sample.image_sha256, sample.image_url) == (None, address)
    assert "a.jpg" in str(sample.metadata["image_fault"])
    assert sum(n for kind, n in report.notes.items() if kind.startswith("image unreadable")) == 1
    with pytest.raises(DataError, match=r"line 2: image unreadable"):
        import_csv(tmp_path, text, images=tmp_path / "images", strict=True)


def test_without_an_images_folder_the_note_says_what_to_do(tmp_path: Path) -> None:
    report = import_csv(tmp_path, "id,text,image_url\na,x,http://x/1\nb,y,\n", strict=True)
    assert report.imported == 2
    ((kind, count),) = notes(report).items()
    assert "--images" in kind
    assert "vlsu data fetch" in kind
    assert count == 1


def test_an_outside_importer_is_added_by_decorator(tmp_path: Path) -> None:
    def read(path: Path, options: ImportOptions):
        yield SourceRow(1, Sample("only", text=path.read_text()))

    importers.register("one-text")(Importer(read, licence="CC0-1.0"))
    put(tmp_path / "a.txt", b"hello")
    report = import_dataset("one-text", tmp_path / "a.txt", tmp_path / "out")
    assert [sample.text for sample in report.dataset] == ["hello"]
    assert report.dataset.info.licence == "CC0-1.0"


def test_an_outside_importer_may_change_the_rows_of_one_of_ours(tmp_path: Path) -> None:
    def read(path: Path, options: ImportOptions):
        for item in importers.get("csv").read(path, options):
            if isinstance(item, SourceRow):
                item = replace(item, sample=replace(item.sample, language="en"))
            yield item

    importers.register("english")(Importer(read))
    put(tmp_path / "a.csv", b"id,text,joint_grade\n1,hello,safe\n2,good day,safe\n")
    report = import_dataset("english", tmp_path / "a.csv", tmp_path / "out")
    assert [sample.language for sample in report.dataset] == ["en", "en"]


def test_the_package_of_importers_is_their_registry_too() -> None:
    import vlsu.data

    assert vlsu.data.importers is importers is sys.modules["vlsu.data.importers"]
    assert {"csv", "vlsu"} <= set(importers.names())
    assert isinstance(importers.get("csv"), Importer)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    import_csv(tmp_path, "text\na\nb\n", progress=lambda done, total: told.append((done, total)))
    assert told == [(2, None)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([0, 1] * 50, True),
        ([0, 1] * 49, False),  # too few for it not to be chance
        ([0, 1] * 50 + [2], False),
        ([1] * 200, False),
    ],
)
def test_a_table_of_two_grades_is_told_of_the_binary_policy(
    tmp_path: Path, rows: list[int], said: bool
) -> None:
    table = "id,text,label\n" + "".join(f"r{n},note {n},{label}\n" for n, label in enumerate(rows))
    words = {"0": "safe", "1": "unsafe", "2": "borderline"}
    used = {word: grade for word, grade in words.items() if int(word) in rows}
    how: dict[str, Any] = {"map": {"label": "joint_grade"}, "grades": used}
    report = import_csv(tmp_path, table, **how)
    hints = [note for note in report.notes if "--policy binary" in note]
    assert len(hints) == said
    assert report.dataset.policy is default_policy()  # it is said, and nothing more
    for policy in ("default", "binary") if 2 not in rows else ("default",):
        again = import_csv(tmp_path, table, policy=policy, **how)
        assert not [note for note in again.notes if "--policy" in note]
        assert again.dataset.policy == load_policy(policy)


def test_a_grade_that_the_policy_lacks_is_refused(tmp_path: Path) -> None:
    rows = "id,text,label,image_grade\na,x,safe,\nb,y,borderline,\nc,z,unsafe,B\n"
    report = import_csv(tmp_path, rows, map={"label": "joint_grade"}, policy=two_severities())
    assert report.imported == 1
    assert report.rejected == {
        "grade that the policy lacks (joint)": 1,
        "grade that the policy lacks (image)": 1,
    }
    assert report.dataset.policy.identity["severities"] == ["safe", "unsafe"]
    with pytest.raises(UsageError, match="--grades 1=borderline: policy two has no borderline"):
        import_csv(tmp_path, rows, grades={"1": "borderline"}, policy=two_severities())
