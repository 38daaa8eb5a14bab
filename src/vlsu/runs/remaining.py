"""What of a plan is left to ask: how many different requests are not stored yet."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlsu.runs.asking.plan import Chunk
from vlsu.runs.folder import RunFolder
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.store.sharing import open_to_read
from vlsu.runs.store.store import ResponseStore

__all__ = ["DistinctCount", "Remaining", "open_existing_run", "remaining_judgments"]


@dataclass(frozen=True, slots=True)
class Remaining:
    """Different requests that are not stored.

    Attributes:
        requests: By modality, or by whom they go to in an alignment run.
        images: Different images among them.
        stored: Different requests of the plan that are stored.
        out: Different requests of the plan that are in batches with a provider; no other count
            has them.
    """

    requests: Mapping[str, int]
    images: int
    stored: int
    out: int = 0


@contextmanager
def open_existing_run(
    folder: RunFolder, record: RunRecord, source: Path | None = None
) -> Iterator[tuple[RunRecord, ResponseStore | None]]:
    """The run in a folder, to read: its record, and its responses.

    Args:
        folder: The folder.
        record: Of the run that is to go there.
        source: The responses of another run that it takes over, if there are any.

    Yields:
        The record, empty if no run was started there, and the store, `None` if there is none.

    Raises:
        RunError: The folder holds another run, or its store is damaged.
    """
    before = folder.check_same(record)
    behind = source or record.get("store")
    store = open_to_read(folder.responses_file, behind, only_read=bool(source))
    try:
        yield before, store
    finally:
        if store is not None:
            store.close()


class DistinctCount:
    """Counts different digests; 8 bytes each, for a million requests are many."""

    def __init__(self) -> None:
        self._heads = array("Q")

    def add(self, digests: Iterable[str]) -> None:
        """Count hexadecimal digests, by their first 64 bits."""
        self._heads.extend(int(digest[:16], 16) for digest in digests)

    def __len__(self) -> int:
        return int(np.unique(np.frombuffer(self._heads, dtype=np.uint64)).size)


def remaining_judgments(
    chunks: Iterable[Chunk],
    store: ResponseStore | None,
    modalities: Sequence[str],
    out: Set[str] = frozenset(),
    asked_before: Set[str] = frozenset(),
) -> Remaining:
    """What is left of an understanding run.

    Args:
        chunks: The plan.
        store: What is stored; nothing, if not given.
        modalities: That are counted.
        out: Keys of the requests that are in batches.
        asked_before: Keys of requests that another run asks first, whose answers are taken over;
            they are in no count.
    """
    left = {modality: DistinctCount() for modality in modalities}
    images, stored, with_provider = DistinctCount(), DistinctCount(), DistinctCount()
    for chunk in chunks:
        keys = list({each.key for each in chunk.planned})
        there = set() if store is None else store.stored(keys)
        stored.add(there)
        waited_for = out & set(keys) - there
        with_provider.add(waited_for)
        for key, task_request, _ in chunk.planned:
            if key not in there and key not in waited_for and key not in asked_before:
                left[task_request.modality].add([key])
                images.add(task_request.request.images)
    counts = {name: len(each) for name, each in left.items()}
    return Remaining(counts, len(images), len(stored), len(with_provider))
