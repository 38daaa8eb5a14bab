"""Runs written by hand: three letters for the gold grades, three for what the model said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

MODALITIES = ("image", "text", "joint")
SEVERITIES = {"S": "safe", "B": "borderline", "U": "unsafe"}
FAILURES = {"r": "refused", "b": "blocked", "e": "error", "n": "unparsed"}


@dataclass(frozen=True)
class Judged:
    """Image, text, joint in order. Gold: S, B, U or ``.`` for ungraded. Said: S, B, U, an outcome
    (r, b, e, n) or ``.`` for not asked."""

    gold: str
    said: str
    category: str | None = None
    group: str | None = None


def frames(samples: Iterable[Judged]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The judgments and the gold frame of these samples."""
    judgments, gold = [], []
    for number, sample in enumerate(samples):
        grades = dict(zip(MODALITIES, map(SEVERITIES.get, sample.gold), strict=True))
        gold.append(
            {
                "sample_id": f"s{number}",
                **{f"{m}_grade": grade for m, grade in grades.items()},
                "image_category": None,
                "text_category": None,
                "joint_category": sample.category,
                "group": sample.group,
            }
        )
        judgments += [
            {
                "sample_id": f"s{number}",
                "modality": modality,
                "framing": None,
                "expected": grades[modality],
                "predicted": SEVERITIES.get(letter),
                "outcome": FAILURES.get(letter, "ok"),
                "category": None,
                "expected_category": None,
                "p_unsafe": None,
            }
            for modality, letter in zip(MODALITIES, sample.said, strict=True)
            if letter != "."
        ]
    return (
        pl.DataFrame(judgments, schema=JUDGMENTS, orient="row"),
        pl.DataFrame(gold, schema=GOLD, orient="row"),
    )


JUDGMENTS = {
    **dict.fromkeys(
        (
            "sample_id",
            "modality",
            "framing",
            "expected",
            "predicted",
            "outcome",
            "category",
            "expected_category",
        ),
        pl.String,
    ),
    "p_unsafe": pl.Float64,
}
GOLD = dict.fromkeys(
    (
        "sample_id",
        *(f"{m}_grade" for m in MODALITIES),
        *(f"{m}_category" for m in MODALITIES),
        "group",
    ),
    pl.String,
)


def random_samples(seed: int, n: int, said: str = "SBUSBUrben.", gold: str = "SBUSBUSBU.") -> list:
    """Samples whose predictions lean to the gold grade, failures and gaps included."""
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(n):
        grades = "".join(rng.choice(list(gold), 3))
        answers = "".join(
            g if g != "." and rng.random() < 0.4 else rng.choice(list(said)) for g in grades
        )
        category = rng.choice(np.array(["C1", "C2", "C10", None]))
        samples.append(Judged(grades, answers, category))
    return samples
