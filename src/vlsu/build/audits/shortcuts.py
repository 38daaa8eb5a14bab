"""Cells that can be told without looking at both parts: what is to be filled with other samples.

Of two samples whose image and whose text have the same severities each, only the meaning of both
together should decide which pair is the worse. So each pattern is set against its *rivals*, the
patterns with the same two part severities and another joint one, and simple classifiers that see
one part, or how a sample was made, try to tell the two apart. They are those of
`vlsu.analysis.shortcuts`, cross-validated so that samples that share an image, a text or a group
are never learned from and predicted at once.

A cell is *solved* by a probe that is above chance for its pattern (Holm over all patterns and
probes), if in the cell itself, set against all rivals, the balanced accuracy is above chance with
its 95% interval. Which of its samples are to go are those that were told right each time, as
adversarial filtering does (Le Bras et al., *Adversarial Filters of Dataset Biases*, ICML 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.shortcuts.classifiers import ridge, tree
from vlsu.analysis.shortcuts.crossvalidation import FOLDS, Classifier, Hits, cross_validated
from vlsu.analysis.shortcuts.features import equality, letters, scaled, surface, tfidf, words
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.intervals import Rate, mover
from vlsu.build.audits.items import Item
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.drawing import rank
from vlsu.data.links import linked_samples
from vlsu.policy import Pattern

__all__ = ["PROBES", "Audit", "Solved", "shortcut_audit", "to_refill"]

#: Probe -> the part of a sample that it sees.
PROBES: Mapping[str, str] = {
    "words": "text",
    "letters": "text",
    "surface": "text",
    "surface, tree": "text",
    "caption": "image",
    "pixels": "image",
    "made": "making",
}
#: A probe tells a pattern where its p, corrected for the number of probes, is below this.
ALPHA = 0.05
#: A classifier that knows nothing is right about half of either class.
CHANCE = 0.5
#: Share of a solved cell's samples that go at most.
MOST_REFILLED = 0.5
#: Samples of a pattern and its rivals that are looked at; of more, that many are drawn.
MOST = 2_000

#: SHA-256 of an image -> numbers that describe its pixels, the same many for each.
Look = Callable[[str], Sequence[float] | None]


@dataclass(frozen=True, slots=True)
class Solved:
    """A cell that a probe tells.

    Attributes:
        cell: To be filled with other samples.
        probe: One of `PROBES`.
        balanced_accuracy: Mean of the share of the cell's samples, and of their rivals, told right.
        told: Keys of the cell's samples that were told right each time.
    """

    cell: Cell
    probe: str
    balanced_accuracy: Rate
    told: tuple[str, ...]

    @property
    def part(self) -> str:
        """What gives it away: ``text``, ``image`` or ``making``."""
        return PROBES[self.probe]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        n: Samples looked at.
        patterns: Pattern -> ``n``, ``rivals`` (samples), ``why`` nothing can be told if so, and
            ``probes``: probe -> ``balanced_accuracy``, ``p``, ``p_adjusted``.
        solved: Cells that are to be filled with other samples, by pattern and category.
    """

    n: int
    patterns: Mapping[Pattern, dict[str, object]] = field(default_factory=dict)
    solved: tuple[Solved, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """JSON-ready: ``n``, ``patterns``, ``chance``, and ``solved`` with keys of samples."""
        return {
            "n": self.n,
            "chance": CHANCE,
            "patterns": {str(pattern): about for pattern, about in self.patterns.items()},
            "solved": [
                {
                    **each.cell.as_dict(),
                    "probe": each.probe,
                    "part": each.part,
                    "balanced_accuracy": each.balanced_accuracy.as_dict(),
                    "told": list(each.told),
                }
                for each in self.solved
            ],
        }


def shortcut_audit(
    items: Sequence[Item], *, look: Look | None = None, seed: int = 0, most: int = MOST
) -> Audit:
    """Look for shortcuts in every pattern that has rivals.

    Args:
        items: What would be assembled.
        look: Describes the pixels of an image; without it only captions stand for images.
        seed: Of the division into folds, and of the draw.
        most: Samples of a pattern and its rivals that are looked at, at most.
    """
    audited: dict[Pattern, dict[str, object]] = {}
    hits: dict[tuple[Pattern, str], tuple[list[Item], Hits]] = {}
    for pattern in sorted({item.cell.pattern for item in items}, key=lambda each: each.order):
        rivals = [item for item in items if _rivals(item.cell.pattern, pattern)]
        own = [item for item in items if item.cell.pattern == pattern]
        rows = _drawn(own, most // 2, seed) + _drawn(rivals, most // 2, seed)
        audited[pattern] = {"n": len(own), "rivals": len(rivals), "why": None, "probes": {}}
        labels = np.array([item.cell.pattern == pattern for item in rows], dtype=np.int64)
        apart = _dependent(rows)
        if (why := _too_few(labels, apart)) is not None:
            audited[pattern]["why"] = why
            continue
        for probe, classifier in _probes(rows, look).items():
            found = cross_validated(classifier, labels, apart, apart, seed=seed)
            hits[pattern, probe] = rows, found
    # Of two patterns that are each other's only rivals, the test is one and the same.
    tests = {test: _test(*test, rows) for test, (rows, _) in hits.items()}
    p_values = {tests[test]: found.p for test, (_, found) in reversed(hits.items())}
    adjusted = holm(p_values)
    solved: list[Solved] = []
    for (pattern, probe), (rows, found) in hits.items():
        p = adjusted[tests[pattern, probe]]
        audited[pattern]["probes"][probe] = {  # type: ignore[index]
            "balanced_accuracy": found.balanced_accuracy.as_dict(),
            "p": found.p,
            "p_adjusted": p,
        }
        if p < ALPHA:
            solved += _cells(rows, found, pattern, probe)
    solved.sort(
        key=lambda each: (each.cell.pattern.order, each.cell.category_name, each.cell.language)
    )
    return Audit(len(items), audited, tuple(solved))


def to_refill(
    solved: Sequence[Solved],
    cells: Mapping[Cell, int],
    *,
    most: float = MOST_REFILLED,
    seed: int = 0,
) -> dict[str, Solved]:
    """Which samples are to go, so that other ones take their places.

    Args:
        solved: As found.
        cells: Cell -> samples that it has.
        most: Share of a cell's samples that go at most; at least one does.
        seed: Decides among those that as many probes tell.

    Returns:
        Key of a sample -> a probe that tells it; those of a cell that the most probes tell.
    """
    probes: dict[tuple[Cell, str], list[Solved]] = {}
    for each in solved:
        for key in each.told:
            probes.setdefault((each.cell, key), []).append(each)
    found: dict[str, Solved] = {}
    for cell in dict.fromkeys(each.cell for each in solved):
        told = [key for of, key in probes if of == cell]
        told.sort(
            key=lambda key: (
                -len(probes[cell, key]),
                rank(str(seed), key),
            )
        )
        for key in told[: max(1, math.floor(most * cells.get(cell, 0)))]:
            found[key] = probes[cell, key][0]
    return found


def _rivals(one: Pattern, other: Pattern) -> bool:
    return (one.image, one.text) == (other.image, other.text) and one.joint != other.joint


def _test(pattern: Pattern, probe: str, rows: Sequence[Item]) -> tuple[frozenset[Pattern], str]:
    there = frozenset(item.cell.pattern for item in rows)
    return (there if len(there) == 2 else frozenset({pattern})), probe


def _drawn(items: list[Item], most: int, seed: int) -> list[Item]:
    """At most so many, the same ones each time, in an order that says nothing of how they came."""
    return sorted(items, key=lambda each: rank(str(seed), each.key))[:most]


def _dependent(rows: Sequence[Item]) -> IntArray:
    """Equal numbers, 0 .. g - 1, for samples linked by an image, a text or a group."""
    links = pl.DataFrame(
        {
            "group": [item.group for item in rows],
            "shared_image": [item.image for item in rows],
            "shared_text": [item.text or None for item in rows],
        },
        schema=dict.fromkeys(("group", "shared_image", "shared_text"), pl.String),
    )
    _, numbers = np.unique(linked_samples(links), return_inverse=True)
    return numbers.reshape(-1).astype(np.int64)


def _too_few(labels: IntArray, apart: IntArray) -> str | None:
    if not (labels == 0).any():
        return "no rivals: the pattern follows from the severities of image and text"
    fewest = min(len(np.unique(apart[labels == code])) for code in (0, 1))
    if fewest < FOLDS:
        return f"{fewest} independent samples of one side; {FOLDS} are needed"
    return None


def _probes(rows: Sequence[Item], look: Look | None) -> dict[str, Classifier]:
    """The probes that have something to see here."""
    found: dict[str, Classifier] = {}
    texts = [item.text for item in rows]
    if any(texts):
        counted = surface(texts)
        found["words"] = partial(ridge, tfidf(map(words, texts)))
        found["letters"] = partial(ridge, tfidf(map(letters, texts)))
        found["surface"] = partial(ridge, scaled(counted))
        found["surface, tree"] = partial(tree, counted)
    captions = [item.caption for item in rows]
    if any(captions):
        found["caption"] = partial(ridge, tfidf(map(words, captions)))
    if look is not None and (pixels := _pixels(rows, look)) is not None:
        found["pixels"] = partial(ridge, scaled(pixels))
    names = sorted({name for item in rows for name in item.made})
    columns = [[item.made.get(name) for item in rows] for name in names]
    if columns := [column for column in columns if len(set(column)) > 1]:
        found["made"] = partial(ridge, np.mean([equality(column) for column in columns], axis=0))
    return found


def _pixels(rows: Sequence[Item], look: Look) -> FloatArray | None:
    """Numbers that describe the images; those of an image that has none are the others' mean."""
    seen = {image: look(image) for image in dict.fromkeys(item.image for item in rows) if image}
    known = [values for values in seen.values() if values is not None]
    if not known:
        return None
    mean = np.mean(known, axis=0)
    described = [seen.get(item.image) if item.image else None for item in rows]
    return np.array([mean if row is None else row for row in described], dtype=np.float64)


def _cells(rows: Sequence[Item], found: Hits, pattern: Pattern, probe: str) -> list[Solved]:
    """The cells of a pattern in which a probe is above chance."""
    rivals = _rate(found, np.flatnonzero(found.labels == 0))
    by_cell: dict[Cell, list[int]] = {}
    for row, item in enumerate(rows):
        if item.cell.pattern == pattern:
            by_cell.setdefault(item.cell, []).append(row)
    solved = []
    for cell, members in by_cell.items():
        rates = (_rate(found, np.array(members)), rivals)
        value = float(np.mean([rate.value for rate in rates]))
        balanced = Rate.within(value, *mover(np.full(2, 0.5), rates, np.eye(2)))
        told = tuple(rows[row].key for row in members if found.share[row] > 1 - 1e-9)
        if told and balanced.low is not None and balanced.low > CHANCE:
            solved.append(Solved(cell, probe, balanced, told))
    return solved


def _rate(found: Hits, rows: IntArray) -> Rate:
    order = rows[np.argsort(found.cluster[rows], kind="stable")]
    return clustered_mean(found.share[order], found.cluster[order]).rate
