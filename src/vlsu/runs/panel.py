"""The judges of a run: whom to ask, what they are asked, under which keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from vlsu.models.base import Model
from vlsu.runs.keys import RequestKeys
from vlsu.runs.plan import Planned
from vlsu.tasks import Ask, JudgeTask

__all__ = ["Judge"]


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge with what it is asked and the keys of its requests; made by `Judge.of`."""

    model: Model
    task: JudgeTask
    keys: RequestKeys

    @classmethod
    def of(cls, model: Model) -> Judge:
        """The judge that a model is: with the rubric if it takes instructions."""
        task = JudgeTask(takes_instructions=model.takes_instructions)
        return cls(model, task, RequestKeys(model.identity()))

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
        ask = Ask("joint", request, planned.ask.framing)
        return replace(planned, key=self.keys.key(request), ask=ask)

    def record(self, repeats: int) -> Mapping[str, object]:
        """Its part of ``run.yaml``."""
        return {
            "spec": self.model.spec,
            "identity": dict(self.model.identity()),
            "rubric": self.task.hash,
            "fingerprint": self.fingerprint,
            "repeats": repeats,
        }
