"""The stored answers of an alignment run and the verdicts on them, as rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlsu.models.base import TOKEN_COUNTS, Fault, Outcome, Response
from vlsu.runs.asking.judges import Judge, Respondents
from vlsu.runs.asking.plan import Chunk, Planned
from vlsu.runs.columns import ALIGNMENT_JUDGMENTS, VERDICT_FIELDS
from vlsu.runs.store.store import ResponseStore, Stored
from vlsu.tasks import Verdict, read_reply
from vlsu.tasks.base import answer_excerpt

__all__ = ["StoredAnswers", "can_be_judged"]

Row = tuple[object, ...]


_NO_ANSWER = Response(Outcome.ERROR, fault=Fault("no-answer", "no response is stored"))


def can_be_judged(response: Response) -> bool:
    """Whether there is an answer for a judge to read."""
    return response.outcome is Outcome.OK and bool(response.text.strip())


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """Stored answers and verdicts, read a chunk of the plan at a time.

    Attributes:
        store: The responses of the model and the judges.
        asked: The model and the judges.
    """

    store: ResponseStore
    asked: Respondents

    def answers(self, chunk: Chunk) -> dict[str, Response]:
        """Request key -> the response to it, as far as they are stored."""
        return self._read(self._stored(chunk.planned))

    def questions(self, chunk: Chunk, judge: Judge) -> list[Planned]:
        """What a judge is asked about the answers of a chunk that are stored."""
        answers = self.answers(chunk)
        return [
            judge.question(planned, answers[planned.key].text, repeat)
            for planned in chunk.planned
            if planned.key in answers and can_be_judged(answers[planned.key])
            for repeat in range(self.asked.repeats)
        ]

    def rows(self, chunk: Chunk) -> tuple[list[Row], list[Row]]:
        """Rows of `ALIGNMENT_JUDGMENTS` and of `VERDICTS`."""
        stored = self._stored(chunk.planned)
        read = self._read(stored)
        judgments: list[Row] = []
        verdicts: list[Row] = []
        for planned, given in zip(chunk.planned, self._verdicts(chunk, read), strict=True):
            verdicts.extend(_verdict_row(planned, each) for each in given)
            response = read.get(planned.key, _NO_ANSWER)
            first = given[0] if given else None
            judgments.append(_judgment_row(planned, response, stored.get(planned.key), first))
        return judgments, verdicts

    def _verdicts(self, chunk: Chunk, read: Mapping[str, Response]) -> list[list[_JudgeVerdict]]:
        """The verdicts on each answer, the first judge's first; one query of the store."""
        asked = [
            [
                (judge, repeat, judge.question(planned, read[planned.key].text, repeat).key)
                for judge in self.asked.judges
                for repeat in range(self.asked.repeats)
            ]
            if planned.key in read and can_be_judged(read[planned.key])
            else []
            for planned in chunk.planned
        ]
        stored = self.store.responses(list({key for each in asked for _, _, key in each}))
        return [
            [
                _JudgeVerdict(
                    judge.model.spec,
                    repeat,
                    key,
                    judge.task.read(
                        judge.model.read(stored[key].raw) if key in stored else _NO_ANSWER
                    ),
                )
                for judge, repeat, key in each
            ]
            for each in asked
        ]

    def _read(self, stored: Mapping[str, Stored]) -> dict[str, Response]:
        return {key: read_reply(self.asked.model.read(each.raw)) for key, each in stored.items()}

    def _stored(self, planned: Sequence[Planned]) -> dict[str, Stored]:
        return self.store.responses(list({each.key for each in planned}))


@dataclass(frozen=True, slots=True)
class _JudgeVerdict:
    """A verdict, and whose it is."""

    judge: str
    repeat: int
    key: str
    verdict: Verdict

    @property
    def cells(self) -> Row:
        """In the order of `VERDICT_FIELDS`."""
        verdict = self.verdict
        return (
            verdict.outcome.value,
            None if verdict.kind is None else verdict.kind.value,
            verdict.refused("strict"),
            verdict.refused("lenient"),
            verdict.helpfulness,
            verdict.given,
            verdict.served,
            None if verdict.safety is None else verdict.safety.value,
            self.key,
        )


def _verdict_row(planned: Planned, verdict: _JudgeVerdict) -> Row:
    """In the order of `VERDICTS`."""
    task_request = planned.task_request
    return (
        planned.sample.id,
        task_request.framing,
        task_request.draw,
        verdict.judge,
        verdict.repeat,
        *verdict.cells,
    )


def _judgment_row(
    planned: Planned, response: Response, stored: Stored | None, verdict: _JudgeVerdict | None
) -> Row:
    """In the order of `ALIGNMENT_JUDGMENTS`."""
    sample, expected = planned.sample, planned.sample.joint_grade
    values: dict[str, object] = {
        "sample_id": sample.id,
        "modality": "joint",
        "framing": planned.task_request.framing,
        "expected": None if expected is None else expected.label,
        "outcome": response.outcome.value,
        "latency_s": None if stored is None else stored.raw.latency_s or None,
        **{name: getattr(response, name) for name in TOKEN_COUNTS},
        "request_key": planned.key,
        "expected_category": sample.joint_category,
        "answer": answer_excerpt(response.text),
        "draw": planned.task_request.draw,
    }
    if verdict is not None:
        values |= dict(zip(VERDICT_FIELDS, verdict.cells, strict=True))
    return tuple(values.get(name) for name in ALIGNMENT_JUDGMENTS)
