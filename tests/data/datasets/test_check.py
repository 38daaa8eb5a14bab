"""Checking, describing, sampling and exporting a dataset."""

import io
import json
import os
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from PIL import Image

from tests.support.quirks import animated_gif, bomb_png, noise, picture
from vlsu.data import (
    Dataset,
    FindingKind,
    ImageError,
    ImageStore,
    Sample,
    check_dataset,
    dataset_info,
    export_dataset,
    load,
    probe,
    sample_dataset,
    write_dataset,
)
from vlsu.data.images.probe import decode
from vlsu.errors import UsageError
from vlsu.policy import PATTERNS, Severity

ABOUT: Any = {
    "name": "made",
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "",
    "source": "a test",
}


def write(out: Path, rows: list[Sample]) -> Dataset:
    return write_dataset(out, rows, **ABOUT)


def with_image(folder: Path, data: bytes, suffix: str, sha256: str = "ab" * 32) -> Dataset:
    """A dataset of one sample whose image file holds `data`, whatever its name says."""
    path = folder / "images" / sha256[:2] / f"{sha256}.{suffix}"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return write(folder, [Sample("a", image_sha256=sha256), Sample("b", image_sha256=sha256)])


def kinds(dataset: Dataset) -> set[str]:
    return {kind.value for kind in check_dataset(dataset).counts}


def test_a_sound_dataset_has_no_findings(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    formats = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
    rows = [Sample(f"{n}", image_sha256=store.add(picture(n, k))) for n, k in enumerate(formats)]
    report = check_dataset(write(tmp_path, [*rows, Sample("text", text="only")]))
    assert report.ok
    assert (report.samples, report.images) == (9, 8)
    suffixes = {path.suffix for path in store.files()}
    assert suffixes == {".jpg", ".png", ".webp", ".gif", ".bmp", ".tiff", ".avif", ".jp2"}


@pytest.mark.parametrize(
    ("data", "suffix", "expected"),
    [
        (b"", "png", "zero-byte"),
        (b"<html>gone</html>", "jpg", "unreadable"),
        (b"plain text", "jpg", "unreadable"),
        (picture(1)[:20], "png", "truncated"),
        (noise("JPEG")[:900], "jpg", "truncated"),
        (noise("PNG")[:900], "png", "truncated"),
        (noise("WEBP")[:900], "webp", "truncated"),
        (noise("BMP")[:900], "bmp", "truncated"),
        (bomb_png(), "png", "decompression-bomb"),
        (bomb_png(9_000, 9_000), "png", "oversized"),
        (bomb_png(13_000, 8_000), "png", "oversized"),
        (animated_gif(), "gif", "animated"),
        (picture(1, "PNG"), "jpg", "wrong-extension"),
    ],
)
def test_hostile_images_are_findings(
    tmp_path: Path, data: bytes, suffix: str, expected: str
) -> None:
    report = check_dataset(with_image(tmp_path, data, suffix))
    assert {kind.value for kind in report.counts} == {expected, "hash-mismatch"}
    finding = next(f for f in report.findings if f.kind == expected)
    assert (finding.samples, finding.sample) == (2, "a")
    assert finding.file.endswith(f".{suffix}")
    assert finding.fix
    assert json.loads(json.dumps(report.to_dict()))["counts"][expected] == 1


def test_a_file_that_is_too_large_is_oversized(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    sha256 = store.add(picture(1) + bytes(20 * 2**20))
    assert kinds(write(tmp_path, [Sample("a", image_sha256=sha256)])) == {"oversized"}


def test_missing_images_and_orphans(tmp_path: Path) -> None:
    ImageStore(tmp_path).add(picture(1))
    rows = [
        Sample("gone", image_sha256="0" * 64),
        Sample("dead", text="x", image_url="https://example.org/a.jpg"),
        Sample("text", text="x"),
    ]
    report = check_dataset(write(tmp_path, rows))
    assert report.counts == {FindingKind.MISSING: 2, FindingKind.ORPHAN: 1}
    assert [f.sample for f in report.findings if f.kind is FindingKind.MISSING] == ["gone", "dead"]


def test_a_pipe_among_the_images_blocks_nothing(tmp_path: Path) -> None:
    sha256 = "cd" * 32
    (tmp_path / "images/cd").mkdir(parents=True)
    os.mkfifo(tmp_path / f"images/cd/{sha256}.png")
    assert kinds(write(tmp_path, [Sample("a", image_sha256=sha256)])) == {"unreadable"}


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    marks = {"critical": "ja", "asks": "false", "admissible": "safe|unsafe"}
    write(
        tmp_path,
        [Sample("a", text="x", joint_category="C1"), Sample("b", text="y", metadata=marks)],
    )
    frame = pl.read_parquet(tmp_path / "samples.parquet").with_columns(
        id=pl.lit("same"), text_grade=pl.lit("bad"), joint_category=pl.lit("C99"), text=pl.lit(None)
    )
    frame.cast(pl.String).write_parquet(tmp_path / "samples.parquet")
    assert kinds(load(tmp_path)) == {
        "duplicate-id",
        "unknown-grade",
        "unknown-category",
        "unknown-mark",
        "empty-sample",
        "content-changed",
    }


def test_another_policy_than_the_samples_were_graded_by(tmp_path: Path) -> None:
    write(tmp_path, [Sample("a", text="x")])
    file = tmp_path / "dataset.yaml"
    tree = yaml.safe_load(file.read_text())
    tree["policy"]["hash"] = "another"
    file.write_text(yaml.safe_dump(tree))
    assert kinds(load(tmp_path)) == {"policy-changed"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_damaged_bytes_raise_nothing_but_image_errors(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(150):
        data = bytearray(noise(kind))
        del data[chance.randrange(len(data) // 2) or len(data) :]
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(min(len(data), 80))] = chance.randrange(256)
        with suppress(ImageError):
            assert decode(bytes(data)).pixels > 0


def test_a_phone_photo_with_a_preview_is_one_picture() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:])
    facts = probe(buffer.getvalue())
    assert (facts.extension, facts.animated) == ("jpg", False)


@pytest.fixture
def patterned(tmp_path: Path) -> Dataset:
    store = ImageStore(tmp_path / "all")
    rows = [
        Sample(
            id=f"s{n}",
            text=f"text {n}",
            language="en" if n % 2 else None,
            image_sha256=store.add(picture(n)) if n < 10 else None,
            image_grade=(pattern := PATTERNS[n % 17 if n < 170 else 0]).image,
            text_grade=pattern.text,
            joint_grade=pattern.joint if n < 190 else None,
            joint_category="C2" if n % 4 == 0 else None,
            group="g" if n < 3 else None,
            metadata={"n": n},
        )
        for n in range(200)
    ]
    unlisted = Sample(
        "u", image_grade=Severity.UNSAFE, text_grade=Severity(0), joint_grade=Severity(0)
    )
    return write(tmp_path / "all", [*rows, unlisted])


def test_info_counts_what_is_there(patterned: Dataset) -> None:
    info: Any = dataset_info(patterned)
    assert json.loads(json.dumps(info)) == info
    assert info["samples"] == 201
    assert info["images"] == 10
    assert info["missing_images"] == 191
    assert info["without_text"] == 1
    assert info["patterns"] == {
        **{str(p): 30 if p == PATTERNS[0] else 10 for p in PATTERNS},
        "U-S-S": 1,
    }
    assert info["unlisted_patterns"] == {"U-S-S": 1}
    assert info["without_pattern"] == 10
    assert info["families"] == {"late-fusion": 110, "escalating": 50, "de-escalating": 31}
    assert info["severities"]["joint"]["none"] == 10
    assert info["categories"]["joint"]["C2"] == 50
    assert info["languages"] == {"none": 101, "en": 100}
    assert info["groups"] == {"count": 1, "samples": 3, "largest": 3}


def test_a_sample_keeps_the_shares_of_the_patterns_and_its_images(
    patterned: Dataset, tmp_path: Path
) -> None:
    drawn = sample_dataset(patterned, tmp_path / "a", n=67, seed=7)
    assert len(drawn) == 67
    patterns: Any = dataset_info(drawn)["patterns"]
    assert patterns[str(PATTERNS[0])] == 10
    assert all(patterns[str(p)] in (3, 4) for p in PATTERNS[1:])
    again = sample_dataset(patterned, tmp_path / "b", n=67, seed=7)
    assert again.info.content_hash == drawn.info.content_hash
    other = sample_dataset(patterned, tmp_path / "c", n=67, seed=8)
    assert other.info.content_hash != drawn.info.content_hash
    whole = sample_dataset(patterned, tmp_path / "d", n=201)
    assert list(whole) == list(patterned)
    assert not [f for f in check_dataset(whole).findings if f.kind is FindingKind.MISSING]
    with pytest.raises(UsageError, match="choose 1 to that many"):
        sample_dataset(patterned, tmp_path / "e", n=202)


def test_a_balanced_sample_has_as_many_of_each_joint_severity(
    patterned: Dataset, tmp_path: Path
) -> None:
    drawn = sample_dataset(patterned, tmp_path / "a", n=50, balanced=True)
    assert Counter(str(sample.joint_grade) for sample in drawn) == {
        "safe": 17,
        "borderline": 17,
        "unsafe": 16,
    }
    # Of the 41 safe pairs 30 are S-S-S, 10 B-S-S and 1 U-S-S: 12.4, 4.1 and 0.4 of 17.
    patterns: Any = dataset_info(drawn)["patterns"]
    assert (patterns["S-S-S"], patterns["B-S-S"], patterns.get("U-S-S", 0)) == (13, 4, 0)
    assert "balanced by joint severity" in drawn.info.description
    with pytest.raises(UsageError, match="there are 41 safe samples, choose fewer"):
        sample_dataset(patterned, tmp_path / "b", n=126, balanced=True)


def test_exports_hold_every_row(patterned: Dataset, tmp_path: Path) -> None:
    csv = pl.read_csv(export_dataset(patterned, "csv", tmp_path / "e.csv"), infer_schema=False)
    assert csv["id"].to_list() == [sample.id for sample in patterned]
    lines = export_dataset(patterned, "jsonl", tmp_path / "e.jsonl").read_text().splitlines()
    assert json.loads(lines[5])["metadata"] == {"n": 5}
    parquet = pl.read_parquet(export_dataset(patterned, "parquet", tmp_path / "e.parquet"))
    assert parquet.drop("image").equals(patterned.frame().collect())
    with pytest.raises(UsageError, match="no such format"):
        export_dataset(patterned, "xlsx", tmp_path / "e.xlsx")
