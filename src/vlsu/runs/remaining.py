"""What of a plan is left to ask: how many different requests are not stored yet."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlsu.runs.alignment_rows import Reading
from vlsu.runs.folder import RunFolder
from vlsu.runs.panel import Judge
from vlsu.runs.plan import Chunk
from vlsu.runs.store import ResponseStore

__all__ = ["Remaining", "begun_store", "remaining_answers", "remaining_judgments"]


@dataclass(frozen=True, slots=True)
class Remaining:
    """Different requests that are not stored.

    Attributes:
        requests: By modality, or by whom they go to in an alignment run.
        images: Different images among them.
        stored: Different requests of the plan that are stored.
    """

    requests: Mapping[str, int]
    images: int
    stored: int


@contextmanager
def begun_store(folder: RunFolder, record: Mapping[str, Any]) -> Iterator[ResponseStore | None]:
    """The responses of the run that lies in a folder, to read; `None` if none was begun there.

    Raises:
        RunError: The folder holds another run, or its store is damaged.
    """
    folder.check_same(record)
    if not folder.responses_file.exists():
        yield None
        return
    store = ResponseStore(folder.responses_file, read_only=True)
    try:
        yield store
    finally:
        store.close()


class _Distinct:
    """Counts different digests; 8 bytes each, for a million requests are many."""

    def __init__(self) -> None:
        self._heads = array("Q")

    def add(self, digests: Iterable[str]) -> None:
        """Count hexadecimal digests, by their first 64 bits."""
        self._heads.extend(int(digest[:16], 16) for digest in digests)

    def __len__(self) -> int:
        return int(np.unique(np.frombuffer(self._heads, dtype=np.uint64)).size)


def remaining_judgments(
    chunks: Iterable[Chunk], store: ResponseStore, modalities: Sequence[str]
) -> Remaining:
    """What is left of an understanding run."""
    left = {modality: _Distinct() for modality in modalities}
    images, stored = _Distinct(), _Distinct()
    for chunk in chunks:
        there = store.stored(list({each.key for each in chunk.planned}))
        stored.add(there)
        for key, ask, _ in chunk.planned:
            if key not in there:
                left[ask.modality].add([key])
                images.add(ask.request.images)
    return Remaining({name: len(each) for name, each in left.items()}, len(images), len(stored))


def remaining_answers(
    chunks: Iterable[Chunk], reading: Reading, judges: Sequence[Judge]
) -> Remaining:
    """What is left of an alignment run: answers, and the verdicts of each judge.

    An answer that is not there yet will need every verdict on it.
    """
    answers, images, stored = _Distinct(), _Distinct(), _Distinct()
    verdicts = {judge.model.spec: _Distinct() for judge in judges}
    for chunk in chunks:
        there = reading.store.stored(list({each.key for each in chunk.planned}))
        stored.add(there)
        for key, ask, _ in chunk.planned:
            if key not in there:
                answers.add([key])
                images.add(ask.request.images)
        for judge in judges:
            keys = {each.key for each in reading.questions(chunk, judge)}
            said = reading.store.stored(list(keys))
            stored.add(said)
            verdicts[judge.model.spec].add(keys - said)
    new = len(answers)
    counts = {spec: len(each) + new * reading.repeats for spec, each in verdicts.items()}
    return Remaining({"answers": new, **counts}, len(images), len(stored))
