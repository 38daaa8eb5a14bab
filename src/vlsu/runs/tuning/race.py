"""A race of instructions under way: who is still in it, what they answered, who is out and why."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from vlsu.analysis.alignment.racing import Rung, best_within, pareto_front, thin_front
from vlsu.analysis.alignment.refusal_errors import EVERY_ERROR, RefusalErrors
from vlsu.analysis.alignment.tradeoff import race_points
from vlsu.analysis.alignment.verdicts import read_answers
from vlsu.tasks import Framing

__all__ = ["Race"]


@dataclass(slots=True)
class Race:
    """Instructions that answer the same samples, fewer of them at each rung.

    Attributes:
        rungs: Its schedule.
        framings: All that took part, in their order.
        errors: Those of refusal that the policy has; its objectives are the two that are traded.
        alive: Those still in it; after the last rung, the winners by their first objective.
        run: Rungs that are decided.
        asked: Their answers, one frame a rung, with the columns of `read_answers` and the keys.
        dropped: By name: ``rung``, the one it was dropped for (``instead``), and that one's
            objectives less its own.
        chosen: The winner that blocks least within the bound on under-refusal, if there is one.
    """

    rungs: tuple[Rung, ...]
    framings: tuple[Framing, ...]
    errors: RefusalErrors = EVERY_ERROR
    alive: list[Framing] = field(init=False)
    run: int = 0
    asked: list[pl.DataFrame] = field(default_factory=list)
    dropped: dict[str, dict[str, object]] = field(default_factory=dict)
    chosen: str | None = None

    def __post_init__(self) -> None:
        self.alive = list(self.framings)

    def decide(
        self,
        answers: pl.DataFrame,
        gold: pl.DataFrame,
        *,
        setting: str,
        keep: int,
        bound: float | None,
    ) -> None:
        """End a rung: see who goes on. Whoever is best within the bound always does.

        Args:
            answers: What those alive answered in it.
            gold: Gold grades of all samples asked about so far.
            setting: What counts as a refusal.
            keep: Places among the winners.
            bound: Of the under-refusal of the one to be chosen, if one is.
        """
        self.asked.append(answers)
        self.run += 1
        names = [framing.name for framing in self.alive]
        theirs = pl.concat(self.asked).filter(pl.col("framing").is_in(names))
        points = race_points(read_answers(theirs, gold), names, setting, self.errors)
        best = None if bound is None else best_within(points, bound)
        over = self.run == len(self.rungs)
        if over:
            self.chosen = None if best is None else names[best]
            size = min(keep, int(pareto_front(points).sum()))
        else:
            size = self.rungs[self.run].candidates
        out = thin_front(points, size, frozenset() if best is None else {best})
        for each in out:
            self.dropped[names[each.index]] = {
                "rung": self.run,
                "instead": names[each.instead],
                **dict(zip(self.errors.traded, each.change, strict=True)),
            }
        order = sorted(range(len(names)), key=lambda row: tuple(points[row]))
        rows = order if over else range(len(names))
        self.alive = [self.alive[row] for row in rows if names[row] not in self.dropped]

    def confirmed(self, baseline: str | None) -> tuple[Framing, ...]:
        """The winners, and the baseline behind them if it is none."""
        others = [f for f in self.framings if f.name == baseline and f not in self.alive]
        return (*self.alive, *others)
