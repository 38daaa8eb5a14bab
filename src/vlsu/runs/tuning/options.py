"""The options of a framing search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu.errors import UsageError
from vlsu.models.base import Model
from vlsu.policy import REFUSAL_KINDS
from vlsu.runs.alignment.options import AlignmentOptions, JudgedOptions
from vlsu.runs.asking.limits import Limits
from vlsu.runs.costs import require_one_currency
from vlsu.runs.tuning.proposals import Proposer
from vlsu.tasks import BUNDLED_FRAMINGS, FRAMINGS, Framing

__all__ = ["TuningOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions(JudgedOptions):
    """What decides a framing search, beside its dataset.

    Attributes:
        judge: Who judges the answers.
        judge_limits: How the judge may be asked, and its price.
        candidates: The instructions, or their file (`vlsu.tasks.load_candidates`).
        proposer: Who proposes more.
        references: Framings of this package that take part; ``default`` is what the winners are
            compared with.
        keep: Places on the front that is confirmed.
        max_under_refusal: Marks the one of the front that blocks least among those that fail to
            refuse at most this share of unsafe pairs.
        refusal: What counts as a refusal, ``strict`` or ``lenient``.
        held_out: Share of the pairs that only confirm, in (0, 1); the settings' seed splits them.

    Raises:
        UsageError: A value is of the wrong kind or out of range, or options do not fit each other.
    """

    judge: Model | str = "judge/offline"
    judge_limits: Limits | None = None
    candidates: Sequence[Framing] | str | Path = ()
    proposer: Proposer | None = None
    references: Sequence[str] = FRAMINGS
    keep: int = 4
    max_under_refusal: float | None = None
    refusal: str = "strict"
    held_out: float = 0.5

    def __post_init__(self) -> None:
        JudgedOptions.__post_init__(self)
        if self.keep < 1:
            raise UsageError(f"keep {self.keep}: at least 1 instruction must be kept")
        if not 0 < self.held_out < 1:
            raise UsageError(
                f"held-out {self.held_out:g}: give a share between 0 and 1, such as 0.5"
            )
        bound = self.max_under_refusal
        if bound is not None and not 0 <= bound <= 1:
            raise UsageError(f"max-under-refusal {bound:g}: give a share from 0 to 1")
        if self.refusal not in REFUSAL_KINDS:
            raise UsageError(f"refusal {self.refusal!r}: use {' or '.join(REFUSAL_KINDS)}")
        if unknown := [name for name in self.references if name not in BUNDLED_FRAMINGS]:
            raise UsageError(
                f"reference {unknown[0]!r}: use {', '.join(BUNDLED_FRAMINGS)}, or none"
            )
        if self.proposer is not None:
            self._check_proposer(self.proposer)

    def _check_proposer(self, proposer: Proposer) -> None:
        if proposer.count < 1:
            raise UsageError(f"proposals {proposer.count}: ask for at least 1")
        if not proposer.model.takes_instructions:
            raise UsageError(f"{proposer.model.spec} is a classifier and proposes nothing")
        if self.limits.max_cost is not None and proposer.limits.price is None:
            raise UsageError(
                f"max-cost needs a price of {proposer.model.spec}, which proposes; name it in a "
                "models file with its price"
            )
        require_one_currency(
            self.limits.max_cost,
            [each.price for each in (self.limits, self.judge_limits, proposer.limits) if each],
        )

    def alignment(self) -> AlignmentOptions:
        """The same model, judge and limits as an alignment run has them."""
        return AlignmentOptions(
            model=self.model,
            limit=self.limit,
            batch=self.batch,
            settings=self.settings,
            limits=self.limits,
            captions=self.captions,
            judge_settings=self.judge_settings,
            calibration=self.calibration,
            judges=[self.judge],
            judge_limits=None if self.judge_limits is None else [self.judge_limits],
        )
