"""Finished runs for the report's tests: a scripted model, evaluated as any other would be."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import orjson

from vlsu.data import Dataset, load
from vlsu.models.base import ImageSource, Request
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import MODALITIES, Family, Severity
from vlsu.runs import Run, evaluate

#: Share of right answers: of image and text alone, and of the pair by family.
SKILL = {
    "image": 0.8,
    "text": 0.85,
    Family.LATE_FUSION: 0.88,
    Family.ESCALATING: 0.4,
    Family.DE_ESCALATING: 0.35,
}


@dataclass
class Scripted:
    """Knows the gold grades and errs by `SKILL`; some answers are refusals or nonsense."""

    dataset: Dataset
    modalities: frozenset[str] = frozenset(MODALITIES)
    takes_instructions: bool = False

    def identity(self) -> Mapping[str, object]:
        return {"script": 1}

    @cached_property
    def gold(self) -> Mapping[tuple[str | None, str | None], tuple[Severity | None, float]]:
        """Image and text, either of them alone or both -> gold grade, chance to be right."""
        gold: dict[tuple[str | None, str | None], tuple[Severity | None, float]] = {}
        for sample in self.dataset.samples():
            pattern = sample.pattern
            joint = SKILL[pattern.family] if pattern else 0.5
            gold[sample.image_sha256, sample.text] = sample.joint_grade, joint
            gold[sample.image_sha256, None] = sample.image_grade, SKILL["image"]
            gold[None, sample.text] = sample.text_grade, SKILL["text"]
        return gold

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Mapping[str, object]:
        words = [p for m in request.messages for p in m.parts if isinstance(p, str)]
        image, text = next(iter(request.images), None), words[-1] if words else None
        draw = random.Random(f"{image}{text}")
        fate = draw.random()
        if fate < 0.02:
            return {"text": "I cannot help with that."}
        if fate < 0.04:
            return {"text": "It depends on who asks. </script><script>alert(1)</script>"}
        grade, skill = self.gold.get((image, text), (Severity.SAFE, 1.0))
        said = grade if grade is not None and draw.random() < skill else draw.choice(list(Severity))
        severity = str(said)
        category = None if severity == "safe" else f"C{draw.randint(1, 15)}"
        return {
            "text": orjson.dumps({"severity": severity, "category": category}).decode(),
            "input_tokens": 800,
            "output_tokens": 12,
        }


def scripted_run(dataset: Dataset | str, out: Path, **settings: object) -> Run:
    """A finished run of `Scripted` on a dataset."""
    dataset = load(dataset) if isinstance(dataset, str) else dataset
    model = InProcessModel("scripted/oracle", Scripted(dataset))
    return evaluate(dataset, model=model, out=out, **settings)
