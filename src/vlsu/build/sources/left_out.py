"""What a source cannot offer, counted by reason, so that nothing is dropped in silence."""

from __future__ import annotations

import logging
from collections import Counter

from vlsu._text import one_line

__all__ = ["LeftOut"]

_log = logging.getLogger(__name__)


class LeftOut:
    """Counts of what was left out while a source was read.

    Args:
        spec: The source's, for messages.
    """

    def __init__(self, spec: str) -> None:
        self._spec = spec
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, reason: str, place: str) -> None:
        """Count one.

        Args:
            reason: Short, and the same words for the same reason.
            place: The file, or file and row, for the first of a reason.
        """
        self._counts[reason] += 1
        self._first.setdefault(reason, one_line(place, 120))

    def counts(self) -> dict[str, int]:
        """Reason -> how many, the most frequent first."""
        return dict(self._counts.most_common())

    def clear(self) -> None:
        """Begin to count anew."""
        self._counts.clear()
        self._first.clear()

    def warn(self) -> None:
        """Log one warning for each reason, with the first place of it."""
        for reason, count in self._counts.most_common():
            more = f" and {count - 1:,} more" if count > 1 else ""
            _log.warning("%s: left out: %s: %s%s", self._spec, reason, self._first[reason], more)
