"""Thumbnails of a dataset: the same wherever they are made, begun before all samples are listed."""

import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_dataset, png
from vlsu.data import Dataset
from vlsu.errors import RunError
from vlsu.report.embedding import packed
from vlsu.report.page.render import listed
from vlsu.report.thumbnails import Maker, Thumbnail, thumbnails


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return make_dataset(tmp_path / "d")


@pytest.fixture
def hashes(dataset) -> list[str]:
    """Of 150 images, of which one is damaged and one is missing."""
    stored = [dataset.images.add(png((n, 1, 0))) for n in range(150)]
    broken, gone = (dataset.images.path(stored[place]) for place in (140, 145))
    broken.write_bytes(broken.read_bytes()[:40])
    gone.unlink()
    return stored


def one_by_one(dataset: Dataset, hashes: list[str]) -> dict[str, Thumbnail]:
    found = Maker().answer_packed([(str(dataset.images.root), sha256) for sha256 in hashes])
    return dict(zip(hashes, found, strict=True))


def test_many_are_those_that_are_made_one_by_one(dataset, hashes):
    expected = one_by_one(dataset, hashes)
    assert thumbnails(dataset, hashes, 10**7) == expected
    assert [each.reason for each in expected.values() if not each.uri] == [
        "unreadable: the file is of no known image format",
        "the file is missing",
    ]


def test_a_few_are_those_too_and_none_is_made_twice(dataset, hashes):
    few = hashes[100:]
    made = thumbnails(dataset, [*few, *few], 10**7)
    assert made == one_by_one(dataset, few)
    assert list(made) == few


def test_many_are_made_here_where_no_process_can_be_started(dataset, hashes, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert thumbnails(dataset, hashes, 10**7) == one_by_one(dataset, hashes)


def test_room_ends_with_the_last_that_fits(dataset, hashes):
    sizes = [len(each.uri or "") for each in one_by_one(dataset, hashes).values()]
    assert list(thumbnails(dataset, hashes, sum(sizes[:135]))) == hashes[:135]
    assert list(thumbnails(dataset, hashes, sum(sizes[:135]) - 1)) == hashes[:134]
    assert thumbnails(dataset, hashes[:100], 0) == {}


def test_hashes_are_taken_as_they_are_needed(dataset):
    """Those that come while others are being made are not waited for."""
    stored = [dataset.images.add(png((n % 256, n // 256, 1))) for n in range(400)]
    taken = []

    def coming() -> Iterator[str]:
        for sha256 in stored:
            taken.append(sha256)
            yield sha256

    assert thumbnails(dataset, coming(), 1) == {}
    assert len(taken) < 400


def test_what_is_in_a_packed_list_is_told_while_it_is_made():
    rng = np.random.default_rng(0)
    entries = [{"id": str(rng.integers(2**63))} for _ in range(1000)]
    told: list[object] = []
    _, count = packed(entries, 8_000, told.extend)
    assert 0 < count < 1000
    assert told == entries[:count]


def test_samples_that_cannot_be_read_leave_no_thread_behind(dataset):
    def entries() -> Iterator[dict[str, str]]:
        yield {"id": "s0"}
        raise RunError("the judgments are damaged")

    before = set(threading.enumerate())
    run: Any = SimpleNamespace(dataset=dataset)
    with pytest.raises(RunError):
        listed(run, entries(), total=12, columns=(), beside="r.samples.parquet")
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
