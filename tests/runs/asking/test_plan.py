"""Which samples a run covers, in which order, and at what cost of reading."""

from __future__ import annotations

import contextlib
import heapq
import tempfile
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from vlsu.data import Dataset, Sample, load, write_dataset
from vlsu.errors import RunError
from vlsu.runs.asking import plan
from vlsu.runs.asking.plan import ChosenSamples, Subset, rank, samples

SAMPLES = 45_000


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """More samples than are sorted at a time; three in four share an image with others."""
    rows = (
        Sample(
            id=f"s{n}",
            text=f"Where is place {n}?",
            image_sha256=None if n % 4 == 0 else f"{n * 7919 % 5000 * 3_000_017:064x}"[::-1],
        )
        for n in range(SAMPLES)
    )
    return write_dataset(
        tmp_path_factory.mktemp("plan") / "dataset",
        rows,
        name="plan",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        shard_rows=20_000,
    )


@pytest.mark.parametrize("limit", [1, 100, 9_999, 12_000, SAMPLES - 1])
def test_a_draw_takes_the_samples_of_smallest_hash_in_their_order(
    dataset: Dataset, limit: int
) -> None:
    smallest = set(heapq.nsmallest(limit, (f"s{n}" for n in range(SAMPLES)), key=key(5)))
    in_order = [f"s{n}" for n in range(SAMPLES) if f"s{n}" in smallest]
    assert [sample.id for sample in samples(dataset, Subset(limit, 5))] == in_order


@pytest.mark.parametrize("limit", [plan.KEPT, plan.KEPT + 1])
def test_rows_of_a_draw_are_the_same_whether_they_are_kept_or_not(
    dataset: Dataset, limit: int
) -> None:
    drawn = Subset(limit, 7).frame(dataset).collect()
    assert drawn.height == limit
    assert ChosenSamples(tuple(drawn["id"])).frame(dataset).collect().equals(drawn)


def key(seed: int) -> Callable[[str], tuple[bytes, str]]:
    return lambda id_: (rank(seed, id_), id_)


@pytest.mark.parametrize("many", [3, 20_000])
def test_chosen_samples_come_in_the_order_of_the_dataset(dataset: Dataset, many: int) -> None:
    chosen = ChosenSamples(tuple(f"s{n}" for n in reversed(range(7, 7 + many))))
    assert [sample.id for sample in samples(dataset, chosen)] == [f"s{7 + n}" for n in range(many)]


@pytest.mark.parametrize("limit", [None, 30_000, 500])
def test_samples_that_share_an_image_stand_together_whatever_the_size(
    dataset: Dataset, limit: int | None
) -> None:
    covered = Subset(limit)
    in_order = list(samples(dataset, covered))
    by_image = list(samples(dataset, covered, by_image=True))
    assert Counter(sample.id for sample in by_image) == Counter(sample.id for sample in in_order)
    images = [sample.image_sha256 for sample in by_image if sample.image_sha256]
    assert len([image for image, _ in groupby(images)]) == len(set(images))
    # Of one image, in the dataset's order.
    place = {sample.id: n for n, sample in enumerate(in_order)}
    for image, together in groupby(by_image, key=lambda sample: sample.image_sha256):
        places = [place[sample.id] for sample in together]
        assert image is None or places == sorted(places)


def temporary_files() -> int:
    """How many files without a name are open."""
    found = 0
    for descriptor in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # that of the listing itself is closed by now
            found += str(descriptor.readlink()).endswith("(deleted)")
    return found


def test_sorting_reads_the_dataset_once_and_leaves_no_file(dataset: Dataset) -> None:
    before = temporary_files()
    left = samples(dataset, Subset(), by_image=True)
    first = next(left)
    # Its files may go: the rows have been set down elsewhere.
    away = dataset.path.with_name("away")
    dataset.path.rename(away)
    try:
        rest = [sample.id for sample in left]
    finally:
        away.rename(dataset.path)
    assert len({first.id, *rest}) == SAMPLES
    # A run that stops early leaves the rest unread.
    stopped = samples(dataset, Subset(), by_image=True)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert temporary_files() == before


def test_a_start_ranks_its_samples_once(dataset: Dataset) -> None:
    plan._drawn.cache_clear()
    covered = Subset(123, 9)
    for by_image in (True, False):
        assert len(list(samples(dataset, covered, by_image=by_image))) == 123
    assert covered.frame(dataset).collect().height == 123
    assert plan._drawn.cache_info().misses == 1


def test_a_dataset_that_was_written_again_is_ranked_again(tmp_path: Path) -> None:
    def first(names: str) -> str:
        rows = [Sample(id=name, text="What is this?") for name in names]
        write_dataset(
            tmp_path / "set",
            rows,
            name="again",
            version="1",
            licence="CC0-1.0",
            citation="",
            source="tests",
            overwrite=True,
        )
        return next(iter(samples(load(tmp_path / "set"), Subset(1)))).id

    assert first("abcdef") in "abcdef"
    assert first("uvwxyz") in "uvwxyz"


def test_a_full_temporary_folder_is_one_line(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(RunError, match="set TMPDIR to another folder"):
        next(samples(dataset, Subset(), by_image=True))
