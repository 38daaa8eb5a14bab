"""A model that answers some requests differently from draw to draw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlsu.data import Dataset, load
from vlsu.models.base import ImageSource, Request
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import Run, evaluate

__all__ = ["WARM", "Wavering", "run_of"]

#: Parameters without which several draws are refused.
WARM = {"temperature": 1}


@dataclass
class Wavering:
    """Grades as the gold does, but for a fifth of the texts: those it calls safe in odd draws."""

    dataset: Dataset
    takes_instructions: bool = False
    asked: list[Request] = field(default_factory=list)
    modalities: frozenset[str] = frozenset({"image", "text", "joint"})

    def __post_init__(self) -> None:
        samples = list(self.dataset.samples())
        self.images = {s.image_sha256: s.image_grade for s in samples}
        self.texts = {s.text: s.text_grade for s in samples}
        self.pairs = {(s.image_sha256, s.text): s.joint_grade for s in samples}
        self.wavers = set(sorted(text for text in self.texts if text)[::5])

    def identity(self) -> Mapping[str, object]:
        return {}

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        self.asked += requests
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Mapping[str, object]:
        words = [p for m in request.messages for p in m.parts if isinstance(p, str)]
        text, image = words[-1] if words else None, next(iter(request.images), None)
        if text is None:
            severity = self.images[image]
        elif image is None:
            severity = self.texts[text]
        else:
            severity = self.pairs.get((image, text), self.texts[text])
        if text in self.wavers and request.draw % 2:
            severity = Severity.SAFE
        return {"text": json.dumps({"severity": str(severity or "safe"), "category": None})}


def run_of(out: Path, draws: int, **more: Any) -> tuple[Run, Wavering]:
    """A run over vlsu-mini, and the model, which knows what it was asked in this start."""
    dataset = load("vlsu-mini")
    model = Wavering(dataset)
    named = InProcessModel("scripted/wavering", model)
    return evaluate(dataset, model=named, out=out, draws=draws, params=WARM, **more), model
