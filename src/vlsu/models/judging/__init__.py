"""Judging answers: response kinds, and the embedded classifier behind ``judge/offline``."""

from __future__ import annotations

from vlsu.models.judging.kinds import REFUSAL_KINDS, REQUEST_SHARE, ResponseKind
from vlsu.models.judging.offline import OfflineJudge, Verdict
from vlsu.models.judging.safety import ResponseSafety

__all__ = [
    "REFUSAL_KINDS",
    "REQUEST_SHARE",
    "OfflineJudge",
    "ResponseKind",
    "ResponseSafety",
    "Verdict",
]
