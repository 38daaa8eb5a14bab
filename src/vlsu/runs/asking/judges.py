"""The judges of a run: whom to ask, what they are asked, under which keys."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from vlsu.errors import UsageError
from vlsu.models.base import Model, Outcome, Response, require_answers
from vlsu.models.guards import GuardModel
from vlsu.models.languages import language_code
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.plan import Planned
from vlsu.tasks import GuardTask, JudgeTask, Judging, TaskRequest

__all__ = ["Judge", "Respondents"]


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge with what it is asked, under which keys and limits; made by `Judge.of`."""

    model: Model
    task: Judging
    keys: RequestKeys
    limits: Limits

    @classmethod
    def of(cls, model: Model, limits: Limits | None = None) -> Judge:
        """The judge that a model is: a guard, or with the rubric if it takes instructions.

        Args:
            model: Whom to ask.
            limits: How fast and at which price; without bounds if not given.

        Raises:
            UsageError: It is none: it cannot see images, it grades samples and reads no answers, or
                it scores severities and writes no verdict.
        """
        if model.modalities == {"text"}:
            raise UsageError(
                f"{model.spec} cannot see images, and so cannot judge; choose another judge"
            )
        if not model.takes_instructions and model.modalities & {"image", "text"}:
            raise UsageError(
                f"{model.spec} grades images and texts and judges no answers; use judge/offline, a "
                "guard, or a model such as openai/gpt-4o"
            )
        require_answers(model)
        task: Judging
        if isinstance(model, GuardModel):
            task = GuardTask(model.family)
        else:
            task = JudgeTask(takes_instructions=model.takes_instructions)
        return cls(model, task, RequestKeys(model.identity()), limits or Limits())

    def unknown(self, languages: Iterable[str | None]) -> dict[str, int]:
        """Of the languages of answers, those the judge does not support, with their counts.

        An answer whose language is not given counts nowhere, nor does any where the judge does not
        list the languages it supports.
        """
        known: frozenset[str] | None = getattr(self.model, "languages", None)
        if known is None:
            return {}
        counts = Counter(language_code(language) for language in languages if language)
        return {code: counts[code] for code in sorted(counts) if code not in known}

    @property
    def fingerprint(self) -> str:
        """What a calibration belongs to: the judge with all its settings, and the rubric."""
        content = orjson.dumps(
            [dict(self.model.identity()), self.task.hash], option=orjson.OPT_SORT_KEYS
        )
        return hashlib.sha256(content).hexdigest()

    def question(self, planned: Planned, answer: str, repeat: int = 0) -> Planned:
        """What it is asked about the answer to a request of the plan."""
        request = self.task.request(planned.sample, answer, repeat)
        task_request = TaskRequest("joint", request, planned.task_request.framing)
        return planned._replace(key=self.keys.key(request), task_request=task_request)

    def outcome(self, response: Response) -> Outcome:
        """What became of a question."""
        return self.task.read(response).outcome

    def record(self, repeats: int) -> Mapping[str, object]:
        """Its part of ``run.yaml``."""
        return {
            "spec": self.model.spec,
            "identity": dict(self.model.identity()),
            "rubric": self.task.hash,
            "fingerprint": self.fingerprint,
            "gives": sorted(self.task.gives),
            "repeats": repeats,
        }


@dataclass(frozen=True, slots=True)
class Respondents:
    """The model under test and the judges of its answers.

    Attributes:
        model: Whom to ask for answers.
        limits: How fast and at which price.
        judges: Whom to ask for verdicts, in that order.
        repeats: Verdicts of each judge on an answer.
    """

    model: Model
    limits: Limits
    judges: tuple[Judge, ...]
    repeats: int = 1

    @property
    def models(self) -> list[Model]:
        """All models that are asked."""
        return [self.model, *(judge.model for judge in self.judges)]
