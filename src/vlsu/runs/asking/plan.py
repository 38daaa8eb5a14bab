"""The plan: which requests a run needs, streamed so that its size never matters.

For asking, samples that share an image come next to each other, so that the image is read and
encoded once and a server's prefix cache, which holds the image's tokens, is hit while it is warm.
For judging, samples come in the dataset's order.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

import polars as pl

from vlsu.data import Dataset, Sample
from vlsu.data.rows import COLUMNS, to_sample
from vlsu.runs.asking.keys import RequestKeys
from vlsu.tasks import RequestSource, TaskRequest

__all__ = [
    "ChosenSamples",
    "Chunk",
    "Planned",
    "Selection",
    "Subset",
    "plan",
    "planned",
    "rank",
    "samples",
]

#: Samples looked at together: bounds memory, and one look into the store serves them all.
CHUNK = 16
#: Samples sorted by image at a time; a larger dataset is read in several passes.
SORTED = 20_000


class Planned(NamedTuple):
    """One request of a sample under its key."""

    key: str
    task_request: TaskRequest
    sample: Sample


class Chunk(NamedTuple):
    """Samples next to each other and the requests they need; a sample may need none."""

    samples: list[Sample]
    planned: list[Planned]


class Selection(Protocol):
    """Which samples of a dataset a run covers."""

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers, in the dataset's order."""

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""


@dataclass(frozen=True, slots=True)
class Subset:
    """All samples of a dataset, or `limit` drawn by `seed`.

    The draw takes the samples whose hash of seed and identifier is smallest, so a larger limit
    holds the smaller one, and what was asked for it is not asked again.
    """

    limit: int | None = None
    seed: int = 0

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers, in the dataset's order."""
        frame = dataset.frame()
        if self.limit is None or self.limit >= len(dataset):
            return frame
        with dataset.reading():
            ids = frame.select("id").collect().get_column("id")
        drawn = heapq.nsmallest(self.limit, ((rank(self.seed, id_), id_) for id_ in ids))
        return frame.filter(pl.col("id").is_in([id_ for _, id_ in drawn]))

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""
        return min(len(dataset), len(dataset) if self.limit is None else self.limit)


@dataclass(frozen=True, slots=True)
class ChosenSamples:
    """The samples with these identifiers."""

    ids: tuple[str, ...]

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers, in the dataset's order."""
        return dataset.frame().filter(pl.col("id").is_in(list(self.ids)))

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""
        return len(self.ids)


def rank(seed: int, id_: str) -> bytes:
    """Where a sample stands in the draws of this seed: the smallest come first."""
    return hashlib.blake2b(f"{seed}\x00{id_}".encode(), digest_size=8).digest()


def samples(dataset: Dataset, selection: Selection, *, by_image: bool = False) -> Iterator[Sample]:
    """The samples that a run covers.

    Args:
        dataset: The dataset.
        selection: Which of its samples.
        by_image: Those sharing an image next to each other, else in the dataset's order.

    Raises:
        DataError: A file of samples is damaged, or a row cannot be read as a sample.
    """
    whole = selection.size(dataset) >= len(dataset)
    with dataset.reading():
        if by_image:
            yield from _by_image(dataset, selection)
        elif whole:
            yield from dataset.samples()
        else:
            rows = selection.frame(dataset).select(COLUMNS).collect()
            yield from map(to_sample, rows.iter_rows())


def _by_image(dataset: Dataset, selection: Selection) -> Iterator[Sample]:
    frame = selection.frame(dataset).select(COLUMNS)
    passes = -(-selection.size(dataset) // SORTED)
    # Digests are uniform, so their first digits split the images evenly.
    digits = pl.coalesce(
        pl.col("image_sha256").str.slice(0, 6).str.to_integer(base=16, strict=False),
        pl.col("id").hash() % 2**24,
    )

    def part(number: int) -> pl.DataFrame:
        rows = frame.filter(digits % passes == number) if passes > 1 else frame
        return rows.collect(engine="streaming").sort("image_sha256", maintain_order=True)

    with ThreadPoolExecutor(1, thread_name_prefix="samples") as reader:
        ahead = reader.submit(part, 0)
        for number in range(passes):
            rows = ahead.result()
            if number + 1 < passes:
                ahead = reader.submit(part, number + 1)
            yield from map(to_sample, rows.iter_rows())


def plan(
    dataset: Dataset,
    selection: Selection,
    task: RequestSource,
    keys: RequestKeys,
    *,
    by_image: bool = False,
) -> Iterator[Chunk]:
    """Every request of every sample, in chunks; requests that samples share come up each time."""
    return planned(samples(dataset, selection, by_image=by_image), task, keys)


def planned(covered: Iterable[Sample], task: RequestSource, keys: RequestKeys) -> Iterator[Chunk]:
    """Every request of these samples, in chunks and in their order."""
    left = iter(covered)
    while taken := list(islice(left, CHUNK)):
        requests = [
            Planned(keys.key(task_request.request), task_request, sample)
            for sample in taken
            for task_request in task.requests(sample)
        ]
        yield Chunk(taken, requests)
