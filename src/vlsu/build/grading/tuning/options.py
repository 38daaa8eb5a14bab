"""What decides a race of prompts, and what a start of it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.errors import UsageError
from vlsu.models.base import Model, Settings
from vlsu.runs.asking.limits import Limits
from vlsu.runs.stop import Stop
from vlsu.tasks import Framing

__all__ = ["Proposer", "TuneOptions", "Tuned"]


@dataclass(frozen=True, slots=True)
class Proposer:
    """A model that is asked for further instructions, once."""

    model: Model
    limits: Limits
    count: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """What decides a race, beside its dataset.

    Attributes:
        model: Whom to ask; it takes instructions.
        settings: How it is asked; its seed splits and draws.
        limits: How fast, and at which price.
        references: Prompts of the package; the first is what the winner is compared with. `None`
            for those that fit the model.
        files: Templates of one's own.
        instructions: Texts that are put above the first reference.
        proposer: Who proposes more of them.
        held_out: Share of the samples that only confirms, in (0, 1).
        limit: Samples that take part, drawn by the seed.

    Raises:
        UsageError: A value is out of range, or there is nothing to choose among.
    """

    model: Model
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    references: Sequence[str] | None = None
    files: Sequence[str] = ()
    instructions: Sequence[Framing] = ()
    proposer: Proposer | None = None
    held_out: float = 0.5
    limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise UsageError(
                f"--held-out {self.held_out:g}: give a share between 0 and 1, such as 0.5"
            )
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: give at least 1")
        if not self.model.takes_instructions:
            raise UsageError(
                f"--model {self.model.spec}: takes no instructions, so there is no prompt to tune"
            )
        if self.proposer is not None and self.proposer.count < 1:
            raise UsageError(f"--proposals {self.proposer.count}: ask for at least 1")


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a start of the race came to.

    Attributes:
        result: The content of ``tuning.json``; `None` while it is not finished.
        stopped: Why it ended before that.
    """

    result: dict[str, Any] | None
    stopped: Stop | None = None
