"""What of an alignment run is left to ask."""

from __future__ import annotations

from collections.abc import Iterable, Set

from vlsu.runs.alignment.stored_answers import StoredAnswers
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.remaining import DistinctCount, Remaining

__all__ = ["remaining_answers"]


def remaining_answers(
    chunks: Iterable[Chunk], responses: StoredAnswers, out: Set[str] = frozenset()
) -> Remaining:
    """What is left of an alignment run: answers, and the verdicts of each judge.

    An answer that is not there yet will need every verdict on it.

    Args:
        chunks: The plan of the answers.
        responses: What is stored.
        out: Keys of the requests that are in batches.
    """
    answers, images, stored = DistinctCount(), DistinctCount(), DistinctCount()
    answers_out, verdicts_out = DistinctCount(), DistinctCount()
    verdicts = {judge.model.spec: DistinctCount() for judge in responses.asked.judges}
    for chunk in chunks:
        there = responses.store.stored(list({each.key for each in chunk.planned}))
        stored.add(there)
        for key, task_request, _ in chunk.planned:
            if key not in there and key in out:
                answers_out.add([key])
            elif key not in there:
                answers.add([key])
                images.add(task_request.request.images)
        for judge in responses.asked.judges:
            keys = {each.key for each in responses.questions(chunk, judge)}
            judged = responses.store.stored(list(keys))
            stored.add(judged)
            verdicts_out.add(out & (keys - judged))
            verdicts[judge.model.spec].add(keys - judged - out)
    new = len(answers)
    to_judge = (new + len(answers_out)) * responses.asked.repeats
    counts = {spec: len(each) + to_judge for spec, each in verdicts.items()}
    with_provider = len(answers_out) + len(verdicts_out)
    return Remaining({"answers": new, **counts}, len(images), len(stored), with_provider)
