"""Judging answers: response kinds, and the embedded classifier behind ``judge/offline``."""

from __future__ import annotations

from vlsu.models.judging.offline import OfflineJudge, Verdict

__all__ = [
    "OfflineJudge",
    "Verdict",
]
