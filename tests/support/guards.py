"""Guards of tests: samples and scores for the analysis, and models that grade with noise."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.data import Dataset
from vlsu.models.base import ImageSource, Request
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["NoisyGuard", "guard_of", "noisy", "samples_of"]


def samples_of(
    gold: Sequence[str],
    *,
    patterns: Sequence[str] | None = None,
    group: Sequence[int] | None = None,
    half: Sequence[int] | None = None,
) -> GuardSamples:
    """Samples by gold grade (``S``, ``B``, ``U``); the second of every two lots is the other half.

    Args:
        gold: Letters of the gold grades.
        patterns: Such as ``S-S-U``; none if not given.
        group: Number of each sample's cluster; each its own if not given.
        half: 0 or 1 of each.
    """
    n = len(gold)
    lots = np.arange(n) if group is None else np.asarray(group)
    names = [""] * n if patterns is None else list(patterns)
    codes = np.array(["SBU".index(letter) for letter in gold])
    return GuardSamples(
        ids=[f"s{row}" for row in range(n)],
        gold=codes,
        harmful=codes == 2,
        pattern=names,
        family=["" if not name else Pattern.parse(name).family.value for name in names],
        cluster=np.zeros((n, 0), dtype=np.int64) if group is None else lots[:, None],
        lot=lots,
        half=lots % 2 if half is None else np.asarray(half),
    )


def guard_of(
    scores: Sequence[float] | npt.NDArray[np.float64],
    name: str = "guard",
    *,
    scored: bool = True,
) -> Guard:
    """A guard with these scores, NaN where its answer was blocked."""
    array = np.asarray(scores, dtype=np.float64)
    gaps = np.isnan(array)
    verdict = np.where(gaps, np.nan, (array >= 0.5).astype(np.float64))
    return Guard(name, array, scored, ["blocked" if gap else "" for gap in gaps], verdict)


def noisy(
    seed: int, n: int = 400, guards: Sequence[float] = (1.0, 1.5), digits: int | None = None
) -> tuple[GuardSamples, list[Guard]]:
    """Samples of random gold grades, and guards of this skill on the same noise in part."""
    rng = np.random.default_rng(seed)
    gold = rng.choice(list("SBU"), n).tolist()
    samples = samples_of(gold)
    common = rng.standard_normal(n)
    found = []
    for number, skill in enumerate(guards):
        z = skill * (samples.gold - 1.5) + 0.6 * common + 0.8 * rng.standard_normal(n)
        p = 1 / (1 + np.exp(-z))
        found.append(guard_of(p if digits is None else p.round(digits), f"guard {number}"))
    return samples, found


@dataclass
class NoisyGuard:
    """Knows the gold grades and sees them through noise.

    Attributes:
        dataset: For the gold grades.
        name: Seeds the noise.
        skill: How far apart it sees the severities, in standard deviations of the noise.
        joint: Share of the pairs that it reads together; of others it sees the worse half.
        silent: Share of the requests that it does not answer.
        scored: Whether it gives a probability.
    """

    dataset: Dataset
    name: str
    skill: float = 2.0
    joint: float = 1.0
    silent: float = 0.0
    scored: bool = True
    takes_instructions: bool = False
    modalities: frozenset[str] = frozenset(MODALITIES)

    def identity(self) -> Mapping[str, object]:
        return {"name": self.name, "skill": self.skill, "joint": self.joint, "silent": self.silent}

    @cached_property
    def gold(self) -> Mapping[tuple[str | None, str | None], tuple[Severity, Severity]]:
        """Image and text, or one of them -> gold grade, and the worse of both halves."""
        found = {}
        for sample in self.dataset.samples():
            image, text = sample.image_grade, sample.text_grade
            if image is None or text is None or sample.joint_grade is None:
                continue
            found[sample.image_sha256, sample.text] = sample.joint_grade, max(image, text)
            found[sample.image_sha256, None] = image, image
            found[None, sample.text] = text, text
        return found

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Mapping[str, object]:
        words = [p for m in request.messages for p in m.parts if isinstance(p, str)]
        key = next(iter(request.images), None), words[-1] if words else None
        draw = random.Random(f"{self.name} {key}")
        if draw.random() < self.silent:
            return {"text": "I would rather not say."}
        together, apart = self.gold.get(key, (Severity.SAFE, Severity.SAFE))
        seen = together if draw.random() < self.joint else apart
        p = 1 / (1 + math.exp(-(self.skill * (int(seen) - 1.5) + draw.gauss(0, 1))))
        said = {"severity": "unsafe" if p >= 0.5 else "safe", "category": None}
        return {"text": json.dumps(said), **({"p_unsafe": p} if self.scored else {})}
