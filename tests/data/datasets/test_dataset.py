"""Datasets: what is written is what is read, whole or not at all."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vlsu.data import COLUMNS, Dataset, ImageStore, Sample, load, write_dataset
from vlsu.errors import DataError
from vlsu.policy import Severity, default_policy, default_policy_text, parse_policy

ABOUT: Any = {
    "name": "made",
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "",
    "source": "a test",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
grades = st.sampled_from([None, *Severity])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
samples = st.builds(
    Sample,
    id=texts.filter(bool),
    text=st.none() | texts,
    language=st.none() | texts,
    image_sha256=st.none() | st.binary(max_size=4).map(lambda b: hashlib.sha256(b).hexdigest()),
    image_url=st.none() | texts,
    image_grade=grades,
    text_grade=grades,
    joint_grade=grades,
    image_category=st.none() | texts,
    text_category=st.none() | texts,
    joint_category=st.none() | texts,
    group=st.none() | texts,
    metadata=st.dictionaries(texts, json_values, max_size=3),
)


def picture(colour: str = "red", kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, kind)
    return buffer.getvalue()


def write(out: Path, rows: list[Sample], **more: object) -> Dataset:
    return write_dataset(out, rows, **{**ABOUT, **more})


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(samples, max_size=8, unique_by=lambda s: s.id), batch=st.integers(1, 9))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Sample], batch: int
) -> None:
    out = tmp_path_factory.mktemp("round") / "trip"
    written = write(out, rows)
    read = load(out)
    assert list(read.samples(batch)) == rows
    assert len(read) == len(rows)
    assert read == written


def test_the_folder_is_plain_parquet_of_text_columns(tmp_path: Path) -> None:
    write(tmp_path, [Sample("a", joint_grade=Severity.UNSAFE, metadata={"b": 2, "a": "ü"})])
    frame = pl.read_parquet(tmp_path / "samples*.parquet")
    assert tuple(frame.columns) == COLUMNS
    assert set(frame.dtypes) == {pl.String}
    row = frame.row(0, named=True)
    assert row["joint_grade"] == "unsafe"
    assert row["image_grade"] is None
    assert json.loads(row["metadata"]) == {"a": "ü", "b": 2}


def test_many_rows_become_shards_in_order_with_the_same_content_hash(tmp_path: Path) -> None:
    rows = [Sample(f"s{n}", text=str(n)) for n in range(70)]
    whole = write(tmp_path / "whole", rows)
    split = write(tmp_path / "split", rows, shard_rows=30)
    assert split.info.files == tuple(f"samples-{n:05}-of-00003.parquet" for n in range(3))
    assert list(split) == list(whole) == rows
    assert split.frame().collect()["id"].to_list() == [row.id for row in rows]
    assert split.info.content_hash == whole.info.content_hash
    (tmp_path / "split" / split.info.files[1]).unlink()
    with pytest.raises(DataError, match=r"samples-00001-of-00003\.parquet is missing"):
        load(tmp_path / "split")


@pytest.mark.parametrize("most", [1, 0, -1])
def test_a_shard_has_at_least_one_row(tmp_path: Path, most: int) -> None:
    written = write(tmp_path / "out", [Sample("a"), Sample("b")], shard_rows=most)
    assert [sample.id for sample in written] == ["a", "b"]
    assert len(written.info.files) == 2


def test_the_content_hash_knows_order_and_images_but_not_names(tmp_path: Path) -> None:
    a, b = Sample("a", image_sha256="0" * 64), Sample("b")
    first = write(tmp_path / "1", [a, b]).info.content_hash
    assert write(tmp_path / "2", [a, b], name="other").info.content_hash == first
    assert write(tmp_path / "3", [b, a]).info.content_hash != first
    other = Sample("a", image_sha256="1" * 64)
    assert write(tmp_path / "4", [other, b]).info.content_hash != first


def test_a_crash_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    def rows():
        yield Sample("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "out", rows(), **ABOUT)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(DataError, match="not a finished dataset"):
        load(tmp_path / "out")


def test_a_killed_writer_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    program = """
import os, sys
from vlsu.data import Sample, write_dataset
def rows():
    for n in range(40):
        yield Sample(str(n))
    os._exit(9)
write_dataset(sys.argv[1], rows(), name="n", version="1", licence="", citation="", source="",
              shard_rows=10)
"""
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == 9
    assert list(tmp_path.glob(".samples-*.tmp"))
    with pytest.raises(DataError, match="not a finished dataset"):
        load(tmp_path)
    write(tmp_path, [Sample("a")])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "dataset.yaml",
        "samples.parquet",
    ]


def test_an_existing_dataset_is_replaced_only_on_demand(tmp_path: Path) -> None:
    write(tmp_path, [Sample("a")])
    with pytest.raises(DataError, match="holds a dataset already"):
        write(tmp_path, [Sample("b")])
    assert [s.id for s in load(tmp_path)] == ["a"]
    write(tmp_path, [Sample("b")], overwrite=True)
    assert [s.id for s in load(tmp_path)] == ["b"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([Sample("a"), Sample("b"), Sample("a")], "two samples have the id 'a'"),
        ([Sample("")], "has no id"),
        ([Sample("a", image_sha256="../../secret")], "not a SHA-256"),
        ([Sample("a", text="\ud800")], "surrogate"),
        ([Sample("a", metadata={"x": object()})], "metadata"),
    ],
)
def test_samples_that_cannot_be_stored_are_named(
    tmp_path: Path, rows: list[Sample], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write(tmp_path / "out", rows)
    with pytest.raises(DataError, match="not a finished dataset"):
        load(tmp_path / "out")


def test_another_policy_travels_with_the_dataset(tmp_path: Path) -> None:
    own = parse_policy(default_policy_text().replace("name: ", "name: my-", 1))
    assert write(tmp_path / "default", [Sample("a")]).policy == default_policy()
    assert not (tmp_path / "default" / "policy.yaml").exists()
    write(tmp_path / "own", [Sample("a")], policy=own)
    read = load(tmp_path / "own")
    assert read.policy == own
    assert read.info.policy.hash == own.hash


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("format: other/9\n", "update vlsu"),
        ("format: vlsu-dataset/1\n", "a part is missing"),
    ],
)
def test_a_damaged_description_is_named(tmp_path: Path, content: str, message: str) -> None:
    write(tmp_path, [Sample("a")])
    (tmp_path / "dataset.yaml").write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_damaged_samples_are_named(tmp_path: Path) -> None:
    write(tmp_path, [Sample("a")])
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "samples.parquet")
    with pytest.raises(DataError, match="column 'id' is Int64"):
        load(tmp_path)
    (tmp_path / "samples.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a readable Parquet"):
        load(tmp_path)
    with pytest.raises(DataError, match="no such dataset folder"):
        load(tmp_path / "elsewhere")


def test_images_are_kept_as_they_are_and_addressed_by_content(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    data = picture(kind="JPEG")
    (tmp_path / "photo.png").write_bytes(data)  # wrong extension: the bytes decide
    sha256 = store.add(tmp_path / "photo.png")
    assert sha256 == hashlib.sha256(data).hexdigest() == store.add(data)
    path = store.path(sha256)
    assert path == tmp_path / "images" / sha256[:2] / f"{sha256}.jpg"
    assert path.read_bytes() == store.read(sha256) == data
    assert store.media_type(sha256) == "image/jpeg"
    assert list(store.files()) == [path]


@pytest.mark.parametrize("sha256", ["f" * 64, "../../../etc/passwd", "", "F" * 64])
def test_a_missing_image_is_none_or_an_error(tmp_path: Path, sha256: str) -> None:
    store = ImageStore(tmp_path)
    assert store.path(sha256) is None
    with pytest.raises(DataError, match="is missing"):
        store.read(sha256)


def test_images_of_another_store_come_along(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "elsewhere")
    kept, left = store.add(picture("red")), store.add(picture("blue"))
    dataset = write(tmp_path / "out", [Sample("a", image_sha256=kept)], images=store)
    assert dataset.read_image(kept) == store.read(kept)
    assert dataset.image_path(left) is None
    assert dataset.info.counts == {
        "samples": 1,
        "images": 1,
        "without_image": 0,
        "without_text": 1,
    }
