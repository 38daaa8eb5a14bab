"""Texts and images by a sample's identifier."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import make_dataset
from vlsu.annotate.web.content import Content
from vlsu.data import Sample, write_dataset
from vlsu.errors import MachineError
from vlsu.policy import default_policy


def test_each_sample_is_what_the_dataset_has(tmp_path):
    dataset = make_dataset(tmp_path / "d", 30)
    content = Content(dataset, tmp_path)
    for sample in dataset:
        shown = content.of(sample.id, "joint")
        assert shown == {
            "text": sample.text, "language": sample.language, "image_sha256": sample.image_sha256,
        }  # fmt: skip
        assert content.of(sample.id, "image") == {**shown, "text": None}
        assert content.of(sample.id, "text") == {**shown, "image_sha256": None}
        assert sample.image_sha256 is not None
        data, media_type = content.image(sample.image_sha256)
        assert (data, media_type) == (dataset.read_image(sample.image_sha256), "image/png")
    with pytest.raises(KeyError):
        content.of("another", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["d"]  # the copy has no name


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30).filter(str.strip), min_size=1, max_size=20))
def test_texts_come_back_as_they_are(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("texts")
    rows = [Sample(id=f"s{n}", text=text, language="en") for n, text in enumerate(texts)]
    dataset = write_dataset(folder / "d", rows, name="t", version="1", licence="CC0-1.0",
                            citation="", source="t", policy=default_policy())  # fmt: skip
    content = Content(dataset, folder)
    assert [content.of(row.id, "text")["text"] for row in rows] == [row.text for row in dataset]


def test_threads_read_at_once(tmp_path):
    dataset = make_dataset(tmp_path / "d", 60, apart=True)
    content = Content(dataset, tmp_path)
    wrong: list[str] = []

    def read() -> None:
        for _ in range(20):
            wrong.extend(s.id for s in samples if content.of(s.id, "text")["text"] != s.text)

    samples = list(dataset)
    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_space_is_a_line(tmp_path):
    dataset = make_dataset(tmp_path / "d", 3)
    with pytest.raises(MachineError, match="a copy of the samples cannot be made"):
        Content(dataset, tmp_path / "d" / "dataset.yaml")
