"""What became of a request to a model."""

from __future__ import annotations

import enum

__all__ = ["Outcome"]


class Outcome(enum.StrEnum):
    """What became of a request. Only `OK` carries a severity; the others are counted apart."""

    OK = "ok"
    REFUSED = "refused"  # the model declined to answer
    BLOCKED = "blocked"  # the provider's filter stopped the request or the answer
    ERROR = "error"  # no answer came; asked again on the next start
    UNPARSED = "unparsed"  # an answer came that states no single severity
