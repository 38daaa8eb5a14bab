"""The options of an alignment run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlsu.analysis import Calibration
from vlsu.errors import UsageError
from vlsu.models.base import Model, Settings
from vlsu.runs.asking.limits import Limits
from vlsu.runs.options import RunOptions
from vlsu.tasks import FRAMINGS

__all__ = ["AlignmentOptions", "JudgedOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOptions(RunOptions):
    """The options of runs whose answers are judged: alignment runs and framing searches.

    Attributes:
        captions: Whether the model is shown captions, from the samples' metadata, in place of the
            images. Judges see the images all the same.
        judge_settings: How the judges are asked.
        calibration: Of the first judge, from `validate_judge`: corrects the judged rates.
    """

    captions: bool = False
    judge_settings: Settings = field(default_factory=Settings)
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentOptions(JudgedOptions):
    """What decides an alignment run, beside its dataset.

    Attributes:
        judges: Who judges the answers; metrics go by the first, the others are compared with it.
        judge_limits: For each judge what may be sent to it at once and a minute, and its price;
            bounds in all are those of `limits`. As many requests in flight as for the model if not
            given.
        framings: Names of framings, or files.
        draws: Answers to each question; more than one needs a temperature.
        judge_repeats: Verdicts of each judge on each answer.
        labels: A CSV of human labels of this run's answers (see
            `vlsu.runs.alignment.labels.read_labels`): correct the judged rates before the
            calibration does, where there are enough of them.

    Raises:
        UsageError: A value is of the wrong kind or out of range, or options do not fit each other.
    """

    judges: Sequence[Model | str] = ("judge/offline",)
    judge_limits: Sequence[Limits] | None = None
    framings: Sequence[str] = FRAMINGS
    draws: int = 1
    judge_repeats: int = 1
    labels: str | Path | None = None

    def __post_init__(self) -> None:
        JudgedOptions.__post_init__(self)
        if self.judge_repeats < 1:
            raise UsageError(f"judge-repeats {self.judge_repeats}: at least 1 verdict is needed")
        if not self.judges:
            raise UsageError("no judge; use judge/offline, or a model such as openai/gpt-4o")
        if self.draws > 1 and "temperature" not in self.settings.params:
            raise UsageError(
                f"samples {self.draws}: answers differ by chance only; add --param temperature=1"
            )
        for limits in self.judge_limits or ():
            if not isinstance(limits, Limits):
                raise UsageError(f"judge_limits {limits!r}: give a Limits object for each judge")
        if self.judge_limits is not None and len(self.judge_limits) != len(self.judges):
            raise UsageError(
                f"{len(self.judge_limits)} limits for {len(self.judges)} judges; give one for each"
            )

    @property
    def limits_of_judges(self) -> Sequence[Limits]:
        """The limits of each judge, in their order."""
        if self.judge_limits is not None:
            return self.judge_limits
        return [Limits(concurrency=self.limits.concurrency)] * len(self.judges)
