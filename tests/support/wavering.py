"""A model that answers some requests differently from draw to draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.gold_model import GoldModel
from vlsu.data import load
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import Run, evaluate

__all__ = ["WARM", "Wavering", "run_of"]

#: Parameters without which several draws are refused.
WARM = {"temperature": 1}


@dataclass
class Wavering(GoldModel):
    """Grades as the gold does, but for a fifth of the texts: those it calls safe in odd draws."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pairs = {(s.image_sha256, s.text): s.joint_grade for s in self.dataset.samples()}
        self.wavers = set(sorted(text for text in self.texts if text)[::5])

    def grade(self, image: str | None, text: str | None, draw: int) -> Severity | None:
        if text in self.wavers and draw % 2:
            return Severity.SAFE
        if text is None:
            return self.images[image]
        alone = self.texts[text]
        return alone if image is None else self.pairs.get((image, text), alone)


def run_of(out: Path, draws: int, **more: Any) -> tuple[Run, Wavering]:
    """A run over vlsu-mini, and the model, which knows what it was asked in this start."""
    dataset = load("vlsu-mini")
    model = Wavering(dataset)
    named = InProcessModel("scripted/wavering", model)
    return evaluate(dataset, model=named, out=out, draws=draws, params=WARM, **more), model
