"""The plan of a resume where much is stored: processes look for what lacks a response.

Planning is hashing, and keeps the interpreter busy; nothing can be sent meanwhile but what was
found already. The keys are kept, 16 bytes each, for the judging of the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from vlsu.data import Dataset
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import Chunk, KeyedRows, Selection, plan, rows
from vlsu.runs.understanding.part_judging import PART, PartsJudge
from vlsu.tasks import Understanding

__all__ = ["unanswered_in_parts"]


def unanswered_in_parts(
    dataset: Dataset,
    selection: Selection,
    task: Understanding,
    keys: RequestKeys,
    stored: Callable[[Sequence[str]], set[str]],
    judge: PartsJudge,
    keyed: Callable[[list[bytes]], None],
) -> Iterator[Chunk]:
    """`vlsu.runs.asking.plan.unanswered`, all of which is found before the first is planned.

    Args:
        dataset: As there, like the next four.
        selection: Which of its samples.
        task: Makes the requests.
        keys: Makes their keys.
        stored: Which of some keys have a response.
        judge: Has the processes; they read the same store.
        keyed: Called with the digests of each part (`vlsu.runs.asking.plan.Lacking`), once all are
            known.

    Raises:
        DataError: As there.
        RunError: As there.
    """
    here = KeyedRows(task, keys)
    digests: list[bytes] = []
    ids = [pl.Series("id", dtype=pl.String)]
    with (
        closing(rows(dataset, selection, PART)) as parts,
        closing(judge.lacking(parts)) as looked_at,
    ):
        for part, found in looked_at:
            lacking = here.lacking(part, stored) if found is None else found
            digests.append(lacking.digests)
            ids.append(part.get_column("id")[lacking.rows])
            yield Chunk([], [], lacking.stored)
    keyed(digests)
    left = _SamplesOf(pl.concat(ids))
    if left.ids.len():
        yield from plan(dataset, left, task, keys, by_image=True)


@dataclass(frozen=True, slots=True)
class _SamplesOf:
    """The samples with these identifiers, which may be many."""

    ids: pl.Series

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """As of a `vlsu.runs.asking.plan.Selection`."""
        return dataset.frame_with(self.ids)

    def size(self, dataset: Dataset) -> int:
        """Likewise."""
        return self.ids.len()
