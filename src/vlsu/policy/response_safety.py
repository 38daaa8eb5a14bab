"""How safe an answer is by itself, in the words of guards."""

from __future__ import annotations

import enum

__all__ = ["ResponseSafety"]


class ResponseSafety(enum.StrEnum):
    """How safe an answer is, whatever it does with the request.

    It is no response kind and tells none: a refusal is safe, and so is most of what helps.
    """

    SAFE = "safe"
    CONTROVERSIAL = "controversial"  # depends on the context, or on whom one asks
    UNSAFE = "unsafe"
