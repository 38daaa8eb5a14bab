"""The embedded baselines: graders that need no server, no key and no network."""

from __future__ import annotations

from vlsu.models.baseline.fusion import LateFusion, late_fusion_fingerprint
from vlsu.models.baseline.grade import Grade, worse
from vlsu.models.baseline.image import ImageGrader
from vlsu.models.baseline.provider import baseline_model
from vlsu.models.baseline.text import TextGrader
from vlsu.models.baseline.trivial import Majority, Random

__all__ = [
    "Grade",
    "ImageGrader",
    "LateFusion",
    "Majority",
    "Random",
    "TextGrader",
    "baseline_model",
    "late_fusion_fingerprint",
    "worse",
]
