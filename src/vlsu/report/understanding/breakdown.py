"""What a report says of an understanding run beyond `metrics.json`, from the same cells.

Intervals are those of `vlsu.analysis`: Wilson's, on the effective size where samples come in
groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.patterns import natural_order
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import MODALITIES, Severity

__all__ = ["ALONE", "NO_CATEGORY", "Breakdown", "Part", "breakdown"]

#: What of a pair the model got right when asked about image and text alone.
ALONE = ("both right", "image wrong", "text wrong", "both wrong")
#: Stands for the category of pairs that have none.
NO_CATEGORY = "no category"

_IMAGE, _TEXT, _JOINT = range(3)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the samples: how many, how many of them right, and the share with its interval.

    Attributes:
        answered: How many have the outcome `ok`; `None` where that is not counted.
    """

    n: int = 0
    right: int = 0
    accuracy: Rate = UNDEFINED
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Accuracy by parts of the samples.

    Attributes:
        flow: One of `ALONE` -> the pair's accuracy, over samples whose three modalities were all
            asked and graded.
        severities: Gold category of the pair, or `NO_CATEGORY` -> gold severity -> the pair's
            accuracy; only what occurs.
        answered: Modality -> accuracy over the graded judgments with the outcome `ok` alone.
    """

    flow: Mapping[str, Part] = field(default_factory=dict)
    severities: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)
    answered: Mapping[str, Part] = field(default_factory=dict)


def breakdown(cells: Cells) -> Breakdown:
    """Accuracy by parts of the samples, counted over the cells."""
    estimator = Estimator(Resampler(cells, replicates=1, seed=0))
    right = cells.right

    def part(number: int, among: BoolArray) -> Part:
        hits = right[:, number] & among
        share = estimator.proportion(hits, among)
        known = estimator.size(among & cells.answered[:, number])
        return Part(estimator.size(among), estimator.size(hits), share, known)

    complete = np.logical_and.reduce(cells.graded & cells.asked, axis=1)
    image, text = right[:, _IMAGE], right[:, _TEXT]
    alone = dict(
        zip(ALONE, (image & text, ~image & text, image & ~text, ~image & ~text), strict=True)
    )
    flow = {name: part(_JOINT, complete & which) for name, which in alone.items()}
    graded = cells.graded & cells.asked
    severities: dict[str, dict[str, Part]] = {}
    order = sorted(range(len(cells.categories)), key=lambda n: natural_order(cells.categories[n]))
    for number in (*order, -1):
        name = NO_CATEGORY if number < 0 else cells.categories[number]
        inside = graded[:, _JOINT] & (cells.category == number)
        found = {
            severity.label: part(_JOINT, inside & (cells.gold[:, _JOINT] == severity))
            for severity in Severity
        }
        if occurs := {label: p for label, p in found.items() if p.n}:
            severities[name] = occurs
    answered = {
        modality: part(number, graded[:, number] & cells.answered[:, number])
        for number, modality in enumerate(MODALITIES)
        if graded[:, number].any()
    }
    return Breakdown(flow if complete.any() else {}, severities, answered)
