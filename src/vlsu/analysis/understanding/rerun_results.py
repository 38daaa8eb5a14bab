"""``reruns`` of an understanding run's ``metrics.json`` with types; see `vlsu.analysis.results`."""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.stats.intervals import Rate

__all__ = ["Bounds", "FlipPart", "Flips", "RedrawnFigure", "RedrawnScores", "Reruns"]


class Bounds(View):
    """The bounds of an interval."""

    low: float | None
    high: float | None


class RedrawnFigure(View):
    """A figure of a run with several draws.

    Attributes:
        value: The mean over the draws; `values_` are those by draw.
        over_samples: Confidence interval of the figure over all samples of this kind.
        over_reruns: Where the figure of one further run over the same samples falls.
        both: Where that of one run over as many other samples falls.
    """

    value: float | None
    values_: list[float | None]
    over_samples: Bounds
    over_reruns: Bounds
    both: Bounds


class RedrawnScores(View):
    """Figures of one modality; `f1_binary` of pairs alone.

    Attributes:
        unanimous_right: Share of the samples that every draw gets right.
        unanimous_wrong: Share of those that none does.
    """

    n: int
    accuracy: RedrawnFigure
    f1_macro: RedrawnFigure
    f1_binary: RedrawnFigure
    unanimous_right: Rate
    unanimous_wrong: Rate


class FlipPart(View):
    """Of `n` samples, those whose prediction is not the same in all draws."""

    n: int
    count: int
    share: Rate


class Flips(FlipPart):
    """The same by family of pattern and gold severity, of pairs alone."""

    families: dict[str, FlipPart]
    severities: dict[str, FlipPart]


class Reruns(View):
    """How far the figures move when the model is asked again; modalities that were not are absent.

    Attributes:
        draws: Answers to each request.
        flips: Modality -> samples whose prediction is not the same in all draws.
    """

    draws: int
    image: RedrawnScores
    text: RedrawnScores
    joint: RedrawnScores
    flips: dict[str, Flips]
