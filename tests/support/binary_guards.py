"""Finished runs of a made-up guard that tells safe from unsafe only."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.support.answered_runs import WORDS, Wire
from tests.support.report_runs import Scripted
from vlsu.data import Dataset, load
from vlsu.models.base import Request
from vlsu.policy import Severity
from vlsu.runs import Run, evaluate

#: Mean score of each gold grade, and how far scores spread.
MEANS = {Severity.SAFE: 0.2, Severity.BORDERLINE: 0.45, Severity.UNSAFE: 0.7}
SPREAD = 0.18


class BinaryModel(Wire):
    """A model that can give two severities."""

    levels = (Severity.SAFE, Severity.UNSAFE)


@dataclass
class BinaryGuard(Scripted):
    """Flags from a score of 0.5 on, which it gives of a share of its answers.

    Attributes:
        shift: Added to its scores: a larger one flags more.
        with_p: Share of answers with their score.
        silent: Share of requests with one of the outcomes that are no answer.
    """

    shift: float = 0.0
    with_p: float = 1.0
    silent: float = 0.03

    def identity(self) -> Mapping[str, object]:
        return {"shift": self.shift, "with_p": self.with_p, "silent": self.silent}

    def _answer(self, request: Request) -> Mapping[str, object]:
        words = [p for m in request.messages for p in m.parts if isinstance(p, str)]
        image, text = next(iter(request.images), None), words[-1] if words else None
        draw = random.Random(f"guard {image}{text}")
        if draw.random() < self.silent:
            outcome = draw.choice(list(WORDS))
            return {"text": WORDS[outcome], "outcome": outcome}
        grade, _ = self.gold.get((image, text), (Severity.SAFE, 1.0))
        mean = MEANS[grade or Severity.SAFE] + self.shift
        score = min(max(draw.gauss(mean, SPREAD), 0.001), 0.999)
        severity = "unsafe" if score >= 0.5 else "safe"
        category = "C9" if severity == "unsafe" else None
        p = {"p_unsafe": score} if draw.random() < self.with_p else {}
        text = orjson.dumps({"severity": severity, "category": category}).decode()
        return {"text": text, "input_tokens": 300, "output_tokens": 2, **p}


def guard_run(dataset: Dataset | str, out: Path, *, name: str = "guard", **settings: Any) -> Run:
    """A finished run of `BinaryGuard`; fields of that, and arguments of `evaluate`."""
    dataset = load(dataset) if isinstance(dataset, str) else dataset
    fields = {key: settings.pop(key) for key in ("shift", "with_p", "silent") if key in settings}
    model = BinaryModel(f"made-up/{name}", BinaryGuard(dataset, **fields))
    return evaluate(dataset, model=model, out=out, **settings)
