"""The interface through which a run reports its progress."""

from __future__ import annotations

from typing import Protocol

from vlsu._text import one_line
from vlsu.errors import UsageError
from vlsu.models.base import Outcome

__all__ = ["NO_PROGRESS", "Progress", "SilentProgress", "require_progress"]


class Progress(Protocol):
    """Receives the progress of a run."""

    def begin(self, total: int, *, at_most: bool = False) -> None:
        """The run needs this many requests, those stored already included.

        Args:
            total: How many.
            at_most: Requests that are the same are counted each time they come up, and so are
                those that only some answers will need; `spared` reports later how many were.
        """
        ...

    def stored(self, count: int) -> None:
        """This many were stored by an earlier start."""
        ...

    def answered(self, outcome: Outcome) -> None:
        """One more request is completed."""
        ...

    def spared(self, count: int) -> None:
        """This many more of the plan need no request: stored, the same as others, or pointless."""
        ...

    def retried(self, kind: str) -> None:
        """An attempt failed and is made again."""
        ...

    def waiting(self, seconds: float, why: str) -> None:
        """Nothing is sent for so long, or one request is not sent again, and why."""
        ...

    def finished(self) -> None:
        """The run has all it needs."""
        ...


class SilentProgress:
    """Ignores all progress; a class of it may listen to some."""

    def begin(self, total: int, *, at_most: bool = False) -> None:
        """Ignored."""

    def stored(self, count: int) -> None:
        """Ignored."""

    def answered(self, outcome: Outcome) -> None:
        """Ignored."""

    def spared(self, count: int) -> None:
        """Ignored."""

    def retried(self, kind: str) -> None:
        """Ignored."""

    def waiting(self, seconds: float, why: str) -> None:
        """Ignored."""

    def finished(self) -> None:
        """Ignored."""


NO_PROGRESS = SilentProgress()


def require_progress(progress: object) -> None:
    """Check that an argument can be reported progress to.

    Raises:
        UsageError: It lacks one of the methods.
    """
    methods = [name for name in vars(SilentProgress) if not name.startswith("_")]
    if any(not callable(getattr(progress, name, None)) for name in methods):
        shown = one_line(repr(progress), 60)
        raise UsageError(
            f"progress {shown}: give an object with the methods {', '.join(methods)}, or leave it "
            "out"
        )
