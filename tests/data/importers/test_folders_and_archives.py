"""Importing Hugging Face folders, WebDataset archives, dataset folders, and our exports of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from tests.conftest import make_dataset
from tests.support.quirks import picture
from vlsu.data import Dataset, import_dataset, load
from vlsu.data.rows import COLUMNS
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity

FEATURES = {
    "question": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["fine", "not fine"], "_type": "ClassLabel"},
    "image": {"_type": "Image"},
}


def rows(count: int, start: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "question": [f"question {n}" for n in range(start, start + count)],
            "label": [n % 2 for n in range(count)],
            "image": [{"bytes": picture(n), "path": f"{n}.png"} for n in range(count)],
        }
    )


def saved(folder: Path, split: str, count: int) -> None:
    """As `Dataset.save_to_disk` writes it: two shards in the Arrow streaming format."""
    folder.mkdir(parents=True)
    names = []
    for shard in range(2):
        names.append(f"data-{shard:05}-of-00002.arrow")
        rows(count, shard * count).write_ipc_stream(folder / names[-1])
    state = {"_data_files": [{"filename": name} for name in names], "_split": split}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


MAP = {"question": "text", "label": "joint_grade"}
GRADES = {"fine": "safe", "not fine": "unsafe"}


@pytest.mark.parametrize("splits", [["test"], ["train", "test"]])
def test_a_folder_that_datasets_saved(splits: list[str], tmp_path: Path) -> None:
    source = tmp_path / "saved"
    if len(splits) == 1:
        saved(source, "test", 3)
    else:
        for split in splits:
            saved(source / split, split, 3)
        (source / "dataset_dict.json").write_text(json.dumps({"splits": splits}))
    report = import_dataset("hf", source, tmp_path / "out", map=MAP, grades=GRADES, strict=True)
    samples = list(report.dataset)
    assert [s.text for s in samples] == [f"question {n}" for n in range(6)] * len(splits)
    assert [s.joint_grade for s in samples[:3]] == [
        Severity.SAFE,
        Severity.UNSAFE,
        Severity.SAFE,
    ]
    assert all(s.image_sha256 for s in samples)
    expected = [{"split": split} for split in splits for _ in range(6)]
    assert [s.metadata for s in samples] == (expected if len(splits) > 1 else [{}] * 6)
    assert len({s.id for s in samples}) == len(samples)


def test_a_downloaded_repository(tmp_path: Path) -> None:
    source = tmp_path / "repository"
    for config in ("a", "b"):
        (source / "data" / config).mkdir(parents=True)
        kept = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
        file = source / "data" / config / "test-00000-of-00001.parquet"
        rows(2).write_parquet(file, metadata=kept)
    (source / ".cache").mkdir()
    (source / ".cache/other.parquet").write_bytes(b"not read")
    (source / "README.md").write_text(
        "---\nlicense: cc-by-nc-4.0\npretty_name: A set\nlanguage:\n- en\n---\n# A set\n"
    )
    report = import_dataset("hf", source, tmp_path / "out", map=MAP, grades=GRADES)
    assert [s.metadata for s in report.dataset] == [{"config": "a"}] * 2 + [{"config": "b"}] * 2
    assert [s.joint_grade for s in report.dataset] == [Severity.SAFE, Severity.UNSAFE] * 2
    assert report.dataset.info.name == "A set"
    assert report.dataset.info.licence == "cc-by-nc-4.0"
    assert report.restrictions == ("non-commercial",)


def test_an_image_folder(tmp_path: Path) -> None:
    source = tmp_path / "folder"
    (source / "train").mkdir(parents=True)
    (source / "train/1.png").write_bytes(picture(1))
    (source / "train/metadata.jsonl").write_text('{"file_name": "1.png", "text": "x"}\n')
    (sample,) = import_dataset("hf", source, tmp_path / "out", strict=True).dataset
    assert sample.image_sha256 is not None


def test_a_folder_without_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no Parquet, Arrow, JSON lines or CSV file"):
        import_dataset("hf", tmp_path / "empty", tmp_path / "out")


@pytest.mark.parametrize("name", ["..", "../secret", "/etc", "", "a/b"])
def test_no_name_in_a_folder_leads_out_of_it(name: str, tmp_path: Path) -> None:
    source = tmp_path / "saved"
    saved(source, "test", 1)
    saved(tmp_path / "secret", "secret", 1)
    (tmp_path / "state.json").write_bytes((source / "state.json").read_bytes())
    (source / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))
    files = [{"filename": f"{name}/data-00000-of-00002.arrow"}]
    (source / "state.json").write_text(json.dumps({"_data_files": files}))
    # What is left are the files of the folder itself.
    report = import_dataset("hf", source, tmp_path / "out", map={"question": "text"})
    assert report.imported == 2


# --- WebDataset


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return path


def test_members_of_one_name_are_one_sample(tmp_path: Path) -> None:
    source = tmp_path / "shards"
    source.mkdir()
    write_tar(
        source / "a-000000.tar",
        {
            "./x/1.png": picture(1),
            "./x/1.json": b'{"text": "one", "joint_grade": "safe", "n": 1}',
            "x/2.0.jpg": picture(2, "JPEG"),
            "x/2.txt": b"two",
        },
    )
    write_tar(source / "a-000001.tar", {"3.txt": b"three", "3.webp": picture(3, "WEBP")})
    write_tar(source / "a-000002.tar.gz", {"4.json": b"[]", "5.txt": b"\xff"}, "w:gz")
    report = import_dataset("webdataset", source, tmp_path / "out")
    samples = list(report.dataset)
    assert [(s.id, s.text) for s in samples] == [("x/1", "one"), ("x/2", "two"), ("3", "three")]
    assert all(s.image_sha256 for s in samples)
    assert samples[0].joint_grade is Severity.SAFE
    assert samples[0].metadata == {"n": 1}
    assert report.rejected == {"not a JSON object": 1, "not UTF-8 text": 1}


def test_a_damaged_archive_is_one_clear_line(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a.tar", {f"{n}.txt": b"hidden" * 500 for n in range(9)})
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(DataError, match="damaged") as caught:
        import_dataset("webdataset", file, tmp_path / "out")
    assert "hidden" not in str(caught.value)


# --- Dataset folders, and exports that carry the images


def test_a_dataset_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "made")
    again = import_dataset("dataset", made.path, tmp_path / "again", strict=True).dataset
    assert list(again) == list(made)
    assert again.info.content_hash == made.info.content_hash
    assert (again.info.name, again.info.licence) == (made.info.name, made.info.licence)
    for sample in again:
        assert sample.image_sha256 is not None
        assert again.image_path(sample.image_sha256) is not None


def test_the_bundled_dataset_is_one_too(tmp_path: Path) -> None:
    made = load("vlsu-mini")
    again = import_dataset("dataset", made.path, tmp_path / "again").dataset
    assert again.info.content_hash == made.info.content_hash
    assert again.policy.hash == made.policy.hash


def with_images(dataset: Dataset) -> list[tuple[dict[str, str | None], bytes | None]]:
    """The rows as they are exported, each with its image."""
    pairs = []
    for row in dataset.rows():
        values = dict(zip(COLUMNS, row, strict=True))
        sha256 = values["image_sha256"]
        pairs.append((values, dataset.read_image(sha256) if sha256 else None))
    return pairs


def as_hub_folder(dataset: Dataset, folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    frame = pl.DataFrame(
        [
            {**values, "image": None if data is None else {"bytes": data, "path": "x.png"}}
            for values, data in with_images(dataset)
        ]
    )
    frame.write_parquet(folder / "data/test-00000-of-00001.parquet")
    return folder


def as_archive(dataset: Dataset, folder: Path) -> Path:
    folder.mkdir()
    members: dict[str, bytes] = {}
    for number, (values, data) in enumerate(with_images(dataset)):
        members[f"{number:09}.json"] = orjson.dumps(values)
        if data is not None:
            members[f"{number:09}.png"] = data
    return write_tar(folder / "test-000000.tar", members).parent


def without_hashes(dataset: Dataset, folder: Path) -> Path:
    """The columns of a dataset but `image_sha256`, which the image itself makes needless."""
    folder.mkdir()
    lines: list[Any] = []
    for values, data in with_images(dataset):
        values.pop("image_sha256")
        lines.append({**values, "image": {"bytes": data, "path": None}})
    pl.DataFrame(lines).write_parquet(folder / "a.parquet")
    return folder / "a.parquet"


@pytest.mark.parametrize(
    ("format", "write"),
    [
        ("hf", as_hub_folder),
        ("webdataset", as_archive),
        ("parquet", without_hashes),
    ],
)
def test_an_export_with_images_comes_back_with_the_same_hash(
    format: str, write: Any, tmp_path: Path
) -> None:
    made = make_dataset(tmp_path / "made")
    source = write(made, tmp_path / "export")
    again = import_dataset(format, source, tmp_path / "again", strict=True).dataset
    assert list(again) == list(made)
    assert again.info.content_hash == made.info.content_hash


def test_the_shape_of_the_release_comes_back_with_the_same_hash(tmp_path: Path) -> None:
    made = import_dataset(
        "dataset", make_dataset(tmp_path / "plain").path, tmp_path / "made"
    ).dataset
    folder = tmp_path / "export"
    (folder / "images").mkdir(parents=True)
    names = {
        "uuid": "id",
        "web_path": "image",
        "prompt": "text",
        "image_grade": "image_grade",
        "consensus_text_grade": "text_grade",
        "consensus_combined_grade": "joint_grade",
        "image_category": "image_category",
        "text_category": "text_category",
        "combined_category": "joint_category",
        "language": "language",
    }
    lines: list[dict[str, str | None]] = []
    for values, data in with_images(made):
        name = f"images/{values['image_sha256']}.png"
        assert data is not None
        (folder / name).write_bytes(data)
        values["image"] = name
        lines.append({column: values[field] for column, field in names.items()})
    pl.DataFrame(lines).write_csv(folder / "VLSU.csv")
    again = import_dataset("vlsu", folder, tmp_path / "again").dataset
    expected = [(s.id, s.text, s.image_sha256, s.language, str(s.pattern)) for s in made]
    found = [(s.id, s.text, s.image_sha256, s.language, str(s.pattern)) for s in again]
    assert found == expected


def test_a_dataset_has_no_map(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "made")
    with pytest.raises(UsageError, match="--map"):
        import_dataset("dataset", made.path, tmp_path / "again", map={"text": "id"})


def test_croissant_metadata_beside_an_export_say_what_it_is(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "made")
    folder = as_archive(made, tmp_path / "export")
    about = {
        "name": "tiny",
        "version": "3",
        "license": "https://creativecommons.org/licenses/by-nd/4.0/",
        "usageInfo": {"name": "CC-BY-ND-4.0"},
        "citeAs": "Nobody (2026)",
        "prov:wasDerivedFrom": {"prov:label": "https://example.org/tiny"},
        "description": "Tiny.",
    }
    (folder / "croissant.json").write_text(json.dumps(about))
    report = import_dataset("webdataset", folder, tmp_path / "again")
    info = report.dataset.info
    assert (info.name, info.version, info.licence) == ("tiny", "3", "CC-BY-ND-4.0")
    assert (info.citation, info.source) == ("Nobody (2026)", "https://example.org/tiny")
    assert report.restrictions == ("no-derivatives",)


def test_an_archive_that_was_cut_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as archive:
        for number in range(4):
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    data = whole.read_bytes()
    assert import_dataset("webdataset", whole, tmp_path / "0").rows_read == 4

    in_a_head, in_a_member, between = tmp_path / "1.tar", tmp_path / "2.tar", tmp_path / "3.tar"
    in_a_head.write_bytes(data[: 2 * 1024 + 100])
    in_a_member.write_bytes(data[: 2 * 1024 + 512])
    for file in (in_a_head, in_a_member):
        with pytest.raises(DataError, match="damaged"):
            import_dataset("webdataset", file, tmp_path / "out")

    between.write_bytes(data[: 2 * 1024])
    report = import_dataset("webdataset", between, tmp_path / "out")
    assert report.imported == 2
    assert report.rejected == {"the archive ends without its end mark": 1}
    with pytest.raises(DataError, match="end mark; see whether it was downloaded whole"):
        import_dataset("webdataset", between, tmp_path / "strict", strict=True)
