"""The plan: which requests a run needs, streamed so that its size never matters."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from vlsu.data import Dataset, Sample
from vlsu.runs.keys import RequestKeys
from vlsu.tasks import Ask, Task

__all__ = ["Planned", "Subset", "plan"]

#: Samples looked at together: bounds memory, and one look into the store serves them all.
CHUNK = 256


@dataclass(frozen=True, slots=True)
class Planned:
    """One request of a sample under its key."""

    key: str
    ask: Ask
    sample: Sample


@dataclass(frozen=True, slots=True)
class Subset:
    """Which samples of a dataset a run covers: all, or `limit` drawn by `seed`.

    The draw takes the samples whose hash of seed and identifier is smallest, so a larger limit
    holds the smaller one, and what was asked for it is not asked again.
    """

    limit: int | None = None
    seed: int = 0

    def chosen(self, dataset: Dataset) -> frozenset[str] | None:
        """Identifiers of the samples drawn; `None` means all of them."""
        if self.limit is None or self.limit >= len(dataset):
            return None
        ids = dataset.frame().select("id").collect().get_column("id")
        drawn = heapq.nsmallest(self.limit, ((self._rank(id_), id_) for id_ in ids))
        return frozenset(id_ for _, id_ in drawn)

    def _rank(self, id_: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}\x00{id_}".encode(), digest_size=8).digest()

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers."""
        ids = self.chosen(dataset)
        frame = dataset.frame()
        return frame if ids is None else frame.filter(pl.col("id").is_in(list(ids)))

    def samples(self, dataset: Dataset) -> Iterator[Sample]:
        """The samples that the run covers, in the dataset's order."""
        ids = self.chosen(dataset)
        for sample in dataset.samples():
            if ids is None or sample.id in ids:
                yield sample


def plan(
    dataset: Dataset, subset: Subset, task: Task, keys: RequestKeys
) -> Iterator[list[Planned]]:
    """Every request of every sample, in chunks; requests that samples share come up each time."""
    chunk: list[Planned] = []
    for n, sample in enumerate(subset.samples(dataset), 1):
        chunk.extend(Planned(keys.key(ask.request), ask, sample) for ask in task.asks(sample))
        if n % CHUNK == 0:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
