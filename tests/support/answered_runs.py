"""Finished runs of models that answer only a part of what they are asked."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.support.alignment_runs import Answering, judge
from tests.support.report_runs import Scripted
from vlsu.data import Dataset, load
from vlsu.models.base import Fault, Outcome, Raw, Request, Response
from vlsu.models.inprocess import InProcessModel
from vlsu.runs import Run, align, evaluate

#: What each outcome looks like, as far as it has words.
WORDS = {
    "unparsed": "Hm, that is a difficult question.",
    "refused": "I'm sorry, but I can't help with that.",
    "blocked": "",
    "error": "",
}


class Wire(InProcessModel):
    """Reads an outcome that the answer names, as a provider's wire format would state it."""

    def read(self, raw: Raw) -> Response:
        outcome = orjson.loads(raw.body).get("outcome")
        if outcome == "blocked":
            return Response(Outcome.BLOCKED)
        if outcome == "error":
            return Response(Outcome.ERROR, fault=Fault("server", "HTTP 500: out of order"))
        return super().read(raw)


def _fails(share: float, request: Request) -> bool:
    parts = [p for message in request.messages for p in message.parts]
    return random.Random(f"answered {parts[-2:]}").random() < share


@dataclass
class Half(Scripted):
    """`Scripted`, but this share of requests has another outcome."""

    share: float = 0.5
    outcome: str = "unparsed"
    tokens: int = 9

    def identity(self) -> Mapping[str, object]:
        return {"script": 1, "share": self.share, "outcome": self.outcome, "max_tokens": 256}

    def _answer(self, request: Request) -> Mapping[str, object]:
        if _fails(self.share, request):
            words = WORDS[self.outcome]
            return {"text": words, "outcome": self.outcome, "output_tokens": self.tokens}
        return super()._answer(request)


@dataclass
class HalfAnswering(Answering):
    """`Answering`, but this share of answers is the provider's block, or never comes."""

    share: float = 0.5
    outcome: str = "blocked"

    def identity(self) -> Mapping[str, object]:
        return {"script": 1, "share": self.share, "outcome": self.outcome}

    def _answer(self, request: Request) -> Mapping[str, object]:
        if _fails(self.share, request):
            return {"text": "", "outcome": self.outcome}
        return super()._answer(request)


def half_run(
    out: Path,
    share: float,
    outcome: str = "unparsed",
    *,
    dataset: Dataset | str = "vlsu-mini",
    tokens: int = 9,
    **options: Any,
) -> Run:
    """A finished understanding run of `Half`, named by its folder."""
    found = load(dataset) if isinstance(dataset, str) else dataset
    model = Wire(f"scripted/{out.name}", Half(found, share=share, outcome=outcome, tokens=tokens))
    return evaluate(found, model=model, out=out, **options)


def half_alignment(
    out: Path, share: float, outcome: str = "blocked", failing: float = 0.0, **options: Any
) -> Run:
    """A finished alignment run of `HalfAnswering`, named by its folder."""
    model = Wire(f"scripted/{out.name}", HalfAnswering(share=share, outcome=outcome))
    return align("vlsu-mini", model=model, judges=[judge(failing)], out=out, **options)
