"""The safety of an answer, as guards rate it."""

from __future__ import annotations

import enum

__all__ = ["ResponseSafety"]


class ResponseSafety(enum.StrEnum):
    """The safety of an answer, independent of how it treats the request.

    It does not imply a response kind: refusals are safe, and so is most help.
    """

    SAFE = "safe"
    CONTROVERSIAL = "controversial"  # depends on the context or the reader
    UNSAFE = "unsafe"
