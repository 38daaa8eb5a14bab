"""Asking for answers and for the judges' verdicts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from vlsu.data import Dataset
from vlsu.models.base import Outcome, Response
from vlsu.runs.alignment.stored_answers import StoredAnswers
from vlsu.runs.asking.judges import Judge, Respondents
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.rough_counts import VERDICT_TOKENS
from vlsu.runs.session import Session
from vlsu.tasks import read_reply

__all__ = ["ask_and_judge"]


async def ask_and_judge(
    session: Session,
    answers: Callable[[], Iterator[Chunk]],
    dataset: Dataset,
    asked: Respondents,
) -> bool:
    """Ask for the answers that are not stored, then for each judge's verdicts on them.

    Args:
        session: Where it is stored and what may be spent.
        answers: Makes the plan of the answers, anew at each call.
        dataset: Has the images.
        asked: The model and the judges.

    Returns:
        Whether the plan was completed; it is abandoned with the first model that is stopped.

    Raises:
        ModelError: A server is down or refuses every request.
        RunError: Responses cannot be stored.
    """
    model = asked.model
    images = session.images(dataset, model)
    complete = await session.ask(answers, model, images, _outcome, asked.limits)
    stored = StoredAnswers(session.store, asked)
    for judge in asked.judges:
        if not complete:
            break
        chunks = partial(_questions, answers, stored, judge, session.progress, set())
        images = session.images(dataset, judge.model)
        complete = await session.ask(
            *(chunks, judge.model, images, judge.outcome, judge.limits),
            answer_tokens=VERDICT_TOKENS,
        )
    return complete


def _questions(
    answers: Callable[[], Iterator[Chunk]],
    stored: StoredAnswers,
    judge: Judge,
    progress: Progress,
    reported: set[str],
) -> Iterator[Chunk]:
    """What a judge is asked about each chunk of answers; some need no verdict.

    Which those are is reported at the first time only.
    """
    first = judge.model.spec not in reported
    reported.add(judge.model.spec)
    for chunk in answers():
        questions = stored.questions(chunk, judge)
        if first:
            progress.spared(len(chunk.planned) * stored.asked.repeats - len(questions))
        yield Chunk(chunk.samples, questions)


def _outcome(response: Response) -> Outcome:
    return read_reply(response).outcome
