"""What of an alignment run is left to ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vlsu.runs.alignment.stored_answers import StoredAnswers
from vlsu.runs.asking.judges import Judge
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.remaining import Distinct, Remaining

__all__ = ["remaining_answers"]


def remaining_answers(
    chunks: Iterable[Chunk], reading: StoredAnswers, judges: Sequence[Judge]
) -> Remaining:
    """What is left of an alignment run: answers, and the verdicts of each judge.

    An answer that is not there yet will need every verdict on it.
    """
    answers, images, stored = Distinct(), Distinct(), Distinct()
    verdicts = {judge.model.spec: Distinct() for judge in judges}
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
