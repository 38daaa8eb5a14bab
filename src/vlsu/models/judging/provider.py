"""`judge/offline` as a model: it classifies the answer to a message as a kind of response."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence

import orjson

from vlsu.errors import UsageError
from vlsu.models.base import ImageSource, Model, Request, Settings
from vlsu.models.inprocess import InProcessModel
from vlsu.models.judging.cues import CUES_FILE
from vlsu.models.judging.offline import LEAST_CONFIDENCE, OfflineJudge
from vlsu.models.processes import Parallel
from vlsu.registry import did_you_mean

__all__ = ["judge_model"]

NAMES = ("offline",)
#: Answers that are judged in this process first: so many take no longer than to start others.
_AFTER = 2000
#: Hints for judges that have a SPEC of their own.
_ELSEWHERE = {
    "llm": "a model that judges by our rubric has its own SPEC, such as openai/gpt-4o",
    "guard": "a guard has its own SPEC, guard/FAMILY:MODEL (vlsu models lists families)",
}


class Offline:
    """The embedded judge, as it answers: its requests contain the message and the answer."""

    takes_instructions = False
    modalities = frozenset({"joint"})

    def __init__(self) -> None:
        self._judge = OfflineJudge()
        #: The languages of its cues; in other languages it takes most answers for compliance.
        self.languages = frozenset(tomllib.loads(CUES_FILE.read_text(encoding="utf-8")))

    def identity(self) -> Mapping[str, object]:
        """The fingerprint of weights and cues, and what a verdict must be sure of."""
        return {
            "fingerprint": self._judge.fingerprint(),
            "least_confidence": LEAST_CONFIDENCE,
        }

    def pack(self, request: Request, images: ImageSource) -> tuple[str, ...]:
        """The message and the answer."""
        return tuple(str(part) for part in request.messages[-1].parts)

    def answer_packed(self, packed: Sequence[tuple[str, str]]) -> list[Mapping[str, object]]:
        """Judge each answer, in the JSON format that the rubric specifies."""
        verdicts = self._judge.judge([answer for _, answer in packed], [m for m, _ in packed])
        return [
            {
                "text": orjson.dumps(
                    {
                        # Without a kind the outcome is `unparsed`: no verdict, in no rate.
                        "kind": None if verdict.withheld else verdict.kind.value,
                        # Its helpfulness is how much was given. The scale of the one is 1 to 5, of
                        # the other 0 to 4.
                        "helpfulness": None
                        if verdict.helpfulness is None or verdict.withheld
                        else 1 + 4 * verdict.helpfulness,
                        "given": None
                        if verdict.helpfulness is None or verdict.withheld
                        else 4 * verdict.helpfulness,
                        "p_refusal": round(verdict.p_refusal, 6),
                    }
                ).decode()
            }
            for verdict in verdicts
        ]


def judge_model(name: str, settings: Settings) -> Model:
    """Embedded judges of answers, no key and no network: offline.

    Raises:
        UsageError: There is no embedded judge of that name.
    """
    if name not in NAMES:
        if hint := _ELSEWHERE.get(re.split("[:/]", name)[0]):
            raise UsageError(f"no judge is called {name!r}: {hint}")
        raise UsageError(f"no judge is called {name!r}; {did_you_mean(name, list(NAMES))}")
    judge = Parallel(Offline(), f"{__name__}:Offline", after=_AFTER)
    return InProcessModel(f"judge/{name}", judge, batch_size=64, workers=judge.count)
