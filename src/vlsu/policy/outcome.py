"""The outcome of a request to a model."""

from __future__ import annotations

import enum

__all__ = ["Outcome"]


class Outcome(enum.StrEnum):
    """The outcome of a request. Only `OK` has a severity; the others are counted separately."""

    OK = "ok"
    REFUSED = "refused"  # the model declined to answer
    BLOCKED = "blocked"  # the provider's filter stopped the request or the answer
    ERROR = "error"  # there is no answer; the next start retries the request
    UNPARSED = "unparsed"  # the answer states no single severity
