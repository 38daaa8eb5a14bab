"""Finished runs for the report's tests: a scripted model, evaluated as any other would be."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from vlsu.data import Dataset, load
from vlsu.models.base import ImageSource, Request
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import MODALITIES, Family, Severity
from vlsu.runs import Run, evaluate, load_run

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


def scripted_run(dataset: Dataset | str, out: Path, **settings: Any) -> Run:
    """A finished run of `Scripted` on a dataset."""
    dataset = load(dataset) if isinstance(dataset, str) else dataset
    model = InProcessModel("scripted/oracle", Scripted(dataset))
    return evaluate(dataset, model=model, out=out, **settings)


def with_diagnostics(run: Run, folder: Path) -> Run:
    """A copy of the run whose metrics have the diagnostic parts, in the shapes of docs/metrics.md.

    Their values are made up.
    """
    shutil.copytree(run.path, folder)
    (folder / "metrics.json").write_bytes(orjson.dumps({**run.metrics, **diagnostics()}))
    return load_run(folder)


def diagnostics() -> dict[str, object]:
    def rate(value: float) -> dict[str, float]:
        return {"value": value, "low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1)}

    def called(safe: float, n: int = 30) -> dict[str, object]:
        counts = {"safe": n, "borderline": n, "unsafe": n}
        failed = dict.fromkeys(counts, 1)
        shares = {"safe": rate(safe), "borderline": rate(safe + 0.2), "unsafe": rate(0.8)}
        return {"n": counts, "failed": failed, **shares}

    def pairs(value: float) -> dict[str, object]:
        found = {"pairs": 40, "told_apart": rate(value), "ordered": rate(value + 0.2)}
        return {**found, "clusters": 12, "by_grades": {"safe-unsafe": found}}

    divided = {"n": 50, "safe": rate(0.3), "borderline": rate(0.5), "unsafe": rate(0.2)}
    bins = [
        {"n": 20, "from": p - 0.05, "to": p + 0.05, "mean_p": p, "observed": rate(p * p)}
        for p in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    threshold = {"wanted": 0.9, "threshold": 0.31, **dict.fromkeys(("recall",), rate(0.9))}
    calibration = {
        "n": 100,
        "without_p": 3,
        "base_rate": rate(0.4),
        "mean_p": rate(0.5),
        "brier": rate(0.2),
        "auroc": rate(0.8),
        "average_precision": rate(0.7),
        "ece": {**rate(0.1), "uncorrected": 0.12},
        "bins": bins,
        "binning": {"kind": "equal mass", "bins": 15},
        "thresholds": {
            "recall_90": {**threshold, "precision": rate(0.6), "flagged": rate(0.5)},
            "recall_99": None,
        },
    }
    return {
        "over_sensitivity": {
            **called(0.2),
            "image_unsafe": called(0.3),
            "text_unsafe": called(0.1),
            "both_unsafe": called(0.5, 0),
            "no_unsafe_part": called(0.05),
        },
        "minimal_pairs": {"same_image": pairs(0.4), "same_text": pairs(0.2)},
        "borderline": {
            m: {"gold": {**divided, "failed": rate(0.0)}, "predicted": divided}
            for m in ("image", "text", "joint")
        },
        "calibration": {"joint": calibration, "text": calibration},
    }
