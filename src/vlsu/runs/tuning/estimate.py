"""What a framing search will take, before the first request is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlsu.analysis.alignment.racing import Rung
from vlsu.runs.estimate import Estimate
from vlsu.runs.tuning.samples import TuningSamples, questions

__all__ = ["TuningEstimate", "race_answers"]


@dataclass(frozen=True, slots=True)
class TuningEstimate:
    """What a tuning will take at most, and what trying all on everything would.

    Attributes:
        race: The race and the confirmation; fewer if the front turns out smaller than its places.
        everything: Every candidate on every pair of either part.
        rungs: Of the race.
    """

    race: Estimate
    everything: Estimate
    rungs: tuple[Rung, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return {
            "race": self.race.to_dict(),
            "everything": self.everything.to_dict(),
            "rungs": [{"candidates": r.candidates, "samples": r.samples} for r in self.rungs],
        }


def race_answers(samples: TuningSamples, rungs: Sequence[Rung], confirmed: int) -> int:
    """Answers that a race and the confirmation of so many instructions take."""
    answers, before = 0, 0
    for rung in rungs:
        answers += rung.candidates * questions(samples.rung(before, rung.samples))
        before = rung.samples
    return answers + confirmed * questions(samples.held_out())
