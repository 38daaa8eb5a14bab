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

import polars as pl

from vlsu.data import Dataset, Sample
from vlsu.data.rows import COLUMNS, to_sample
from vlsu.runs.keys import RequestKeys
from vlsu.tasks import Ask, Asking

__all__ = ["Chunk", "Planned", "Subset", "plan", "planned"]

#: Samples looked at together: bounds memory, and one look into the store serves them all.
CHUNK = 16
#: Samples sorted by image at a time; a larger dataset is read in several passes.
SORTED = 20_000


@dataclass(frozen=True, slots=True)
class Planned:
    """One request of a sample under its key."""

    key: str
    ask: Ask
    sample: Sample


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples next to each other and the requests they need; a sample may need none."""

    samples: list[Sample]
    planned: list[Planned]


@dataclass(frozen=True, slots=True)
class Subset:
    """Which samples of a dataset a run covers: all, or `limit` drawn by `seed`.

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
        ids = frame.select("id").collect().get_column("id")
        drawn = heapq.nsmallest(self.limit, ((self._rank(id_), id_) for id_ in ids))
        return frame.filter(pl.col("id").is_in([id_ for _, id_ in drawn]))

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""
        return min(len(dataset), len(dataset) if self.limit is None else self.limit)

    def _rank(self, id_: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}\x00{id_}".encode(), digest_size=8).digest()

    def samples(self, dataset: Dataset, *, by_image: bool = False) -> Iterator[Sample]:
        """The samples that the run covers.

        Args:
            dataset: The dataset.
            by_image: Those sharing an image next to each other, else in the dataset's order.
        """
        if not by_image:
            if self.limit is None:
                yield from dataset.samples()
            else:
                yield from map(to_sample, self.frame(dataset).select(COLUMNS).collect().iter_rows())
            return
        frame = self.frame(dataset).select(COLUMNS)
        passes = -(-self.size(dataset) // SORTED)
        # Digests are uniform, so their first digits split the images evenly.
        digits = pl.coalesce(
            pl.col("image_sha256").str.slice(0, 6).str.to_integer(base=16),
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
    dataset: Dataset, subset: Subset, task: Asking, keys: RequestKeys, *, by_image: bool = False
) -> Iterator[Chunk]:
    """Every request of every sample, in chunks; requests that samples share come up each time."""
    return planned(subset.samples(dataset, by_image=by_image), task, keys)


def planned(samples: Iterable[Sample], task: Asking, keys: RequestKeys) -> Iterator[Chunk]:
    """Every request of these samples, in chunks and in their order."""
    left = iter(samples)
    while taken := list(islice(left, CHUNK)):
        requests = [
            Planned(keys.key(ask.request), ask, sample)
            for sample in taken
            for ask in task.asks(sample)
        ]
        yield Chunk(taken, requests)
