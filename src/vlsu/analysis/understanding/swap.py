"""The swap probe: how far each half of a pair moves the answer to it.

One half of a pair is exchanged for another of another gold grade, and the model is asked again. An
exchanged pair has no gold grade, so nothing is right or wrong here: what is measured is whether the
answer moves, and whether with the grade of the half that was exchanged. A model that looks at the
text alone is not moved by any image, however well the two agree otherwise: this is an intervention,
as in the contrast sets of Gardner et al. (2020), not an association.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.effective_size import copies_size
from vlsu.analysis.stats.intervals import (
    LEVEL,
    UNDEFINED,
    Rate,
    bonett_price,
    normal_quantile,
    plain,
    require_level,
    wilson,
)
from vlsu.analysis.stats.student import student_quantile
from vlsu.analysis.table.cells import FAILED
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.table.streaming import collect_in_slices, hash_columns
from vlsu.policy import SEVERITY_CODES, Outcome

__all__ = ["outcome_counts", "swap_metrics"]

#: What is exchanged -> the column of the samples that holds it.
_HALVES = {"image": "image_sha256", "text": "text"}
#: A change is by two severity levels at most, and a difference of two changes by four.
_MOST, _MOST_APART = 2, 4

Tree = dict[str, object]


def swap_metrics(
    exchanges: Frame, judgments: Frame, samples: Frame, *, level: float = LEVEL
) -> Tree:
    """How far the joint answer moves when one half of a pair is exchanged.

    Args:
        exchanges: ``swaps.parquet``: `sample_id`, `swapped` (``image`` or ``text``), `donor_id`,
            `grade` and `donor_grade` (gold grades of the half before and after), `predicted` and
            `outcome` of the exchanged pair.
        judgments: Those of the run, for the answer before.
        samples: The dataset's: `id`, `image_sha256`, `text`, and `group` where there is one.
        level: Confidence of the intervals, in (0, 1).

    Returns:
        ``image`` and ``text``, by what was exchanged: ``pairs``; ``answered``: the share with a
        severity both before and after, which the rest is over; ``n``, how many; ``levels``: by how
        many severity levels the half's gold grade changed, on average; ``moved``: the share whose
        answer changed, ``unmoved`` the rest; ``followed`` and ``against``: those whose answer moved
        towards the severity of the new half, or away from it; ``shift``: the mean change of the
        answer in levels, positive in the direction of the exchange, from -2 to 2; and the same from
        ``n`` on of exchanges for a ``worse`` and a ``milder`` half.

        ``image_minus_text``: ``n`` samples of which both were exchanged and answered, and
        ``shift``: that of the image less that of the text, from -4 to 4.

        Exchanges that share a half are not independent, and each has two and once had another:
        the variance is that of independent ones plus what each way of sharing adds to it (Cameron,
        Gelbach and Miller 2011), of groups where the dataset has some. Shares have Wilson's
        interval on the effective size, shifts Bonett and Price's (2012), both with Student's t of
        as many degrees of freedom as the fewest halves are worth, less one
        (`benchmarks/understanding_coverage.py`).
    """
    require_level(level)
    rows = _rows(exchanges, judgments, samples)
    found = {half: _Exchanges.of(rows.filter(swapped=half), half, level) for half in _HALVES}
    return plain(
        {
            **{half: each.section() for half, each in found.items()},
            "image_minus_text": _apart(rows, level),
        }
    )


def outcome_counts(judgments: Frame) -> dict[str, int]:
    """How many judgments have which outcome; every outcome is listed."""
    counts = judgments.lazy().group_by("outcome").len().collect()
    there = dict(counts.iter_rows())
    return {outcome.value: int(there.get(outcome.value, 0)) for outcome in Outcome}


def _rows(exchanges: Frame, judgments: Frame, samples: Frame) -> pl.DataFrame:
    """A row an exchange, as numbers.

    `swapped`, `sample`, `direction` (1: to a worse half), `levels`, `before` and `after` (codes or
    `FAILED`), and what it shares with others: `origin` (the group, else the image), `own_text`,
    `new` (the half that came in).
    """
    code = pl.col("predicted").replace_strict(SEVERITY_CODES, default=FAILED, return_dtype=pl.Int8)
    said = pl.when(pl.col("outcome") == Outcome.OK.value).then(code).otherwise(FAILED)

    def grade(name: str) -> pl.Expr:
        return pl.col(name).replace_strict(SEVERITY_CODES, return_dtype=pl.Int8)

    change = grade("donor_grade") - grade("grade")
    asked = collect_in_slices(
        exchanges,
        lambda part: part.select(
            "swapped",
            sample=pl.col("sample_id").hash(),
            donor=pl.col("donor_id").hash(),
            direction=change.sign(),
            levels=change.abs(),
            after=said,
        ),
    )
    before = collect_in_slices(
        judgments,
        lambda part: part.filter(modality="joint").select(
            sample=pl.col("sample_id").hash(), before=said
        ),
    )
    halves = collect_in_slices(
        samples, lambda part: hash_columns(part, (*_HALVES.values(), "group"))
    )
    new = halves.select(donor="sample", image="image_sha256", new_text="text")
    own = halves.select(
        "sample", origin=pl.coalesce("group", "image_sha256"), own_text=pl.col("text")
    )
    return (
        asked.join(before, on="sample", how="left")
        .join(own, on="sample", how="left")
        .join(new, on="donor", how="left")
        .with_columns(
            pl.col("before").fill_null(FAILED),
            new=pl.when(swapped="image").then("image").otherwise("new_text"),
        )
        .drop("donor", "image", "new_text")
        # By what they are, so that the order of the rows decides no rounding.
        .sort("swapped", "origin", "own_text", "new", "sample")
    )


@dataclass(frozen=True, slots=True)
class _Exchanges:
    """Exchanges of one half.

    Attributes:
        direction: 1 for a worse half, -1 for a milder one.
        levels: By how many the half's grade changed.
        before: The answer before, as a code.
        after: The answer after.
        ways: What they share, a number for each; one array a way of sharing.
    """

    direction: IntArray
    levels: IntArray
    before: IntArray
    after: IntArray
    ways: Sequence[IntArray]
    level: float

    @classmethod
    def of(cls, rows: pl.DataFrame, half: str, level: float) -> _Exchanges:
        direction, levels, before, after = (
            rows[name].to_numpy().astype(np.int64)
            for name in ("direction", "levels", "before", "after")
        )
        return cls(direction, levels, before, after, _numbered(rows), level)

    def section(self) -> Tree:
        known = (self.before != FAILED) & (self.after != FAILED)
        answered = _share(known.astype(np.float64), self.ways, self.level)
        return {
            "pairs": len(known),
            "answered": answered,
            **self._part(known),
            "worse": self._part(known & (self.direction > 0)),
            "milder": self._part(known & (self.direction < 0)),
        }

    def _part(self, among: BoolArray) -> Tree:
        ways = [way[among] for way in self.ways]
        shift = (self.direction * (self.after - self.before))[among].astype(np.float64)
        shares = {
            "moved": shift != 0,
            "unmoved": shift == 0,
            "followed": shift > 0,
            "against": shift < 0,
        }
        return {
            "n": len(shift),
            "levels": float(self.levels[among].mean()) if len(shift) else None,
            **{
                name: _share(hits.astype(np.float64), ways, self.level)
                for name, hits in shares.items()
            },
            "shift": _mean(shift, _MOST, ways, self.level),
        }


def _apart(rows: pl.DataFrame, level: float) -> Tree:
    """The shift by the image less that by the text, of samples that have both."""
    known = rows.filter((pl.col("before") != FAILED) & (pl.col("after") != FAILED)).with_columns(
        shift=pl.col("direction") * (pl.col("after") - pl.col("before"))
    )
    image, text = (known.filter(swapped=half) for half in _HALVES)
    both = image.join(
        text.select("sample", other="shift", also_new="new"), on="sample", how="inner"
    ).sort("origin", "own_text", "new", "also_new", "sample")
    apart = (both["shift"] - both["other"]).to_numpy().astype(np.float64)
    ways = _numbered(both, "also_new")
    return {"n": len(apart), "shift": _mean(apart, _MOST_APART, ways, level)}


def _numbered(rows: pl.DataFrame, *more: str) -> list[IntArray]:
    """What rows share, each thing by its number."""
    return [
        rows[name].rank("dense").to_numpy().astype(np.int64)
        for name in ("origin", "own_text", "new", *more)
    ]


def _share(hits: FloatArray, ways: Sequence[IntArray], level: float) -> Rate:
    if not len(hits):
        return UNDEFINED
    share = float(hits.mean())
    return Rate.within(share, *wilson(share, _effective_size(hits, ways, level), level))


def _mean(values: FloatArray, most: int, ways: Sequence[IntArray], level: float) -> Rate:
    """Mean of values from -`most` to `most`."""
    if not len(values):
        return UNDEFINED
    scaled = values / most
    mean, square = float(scaled.mean()), float((scaled**2).mean())
    low, high = bonett_price(mean, square, _effective_size(values, ways, level), level)
    return Rate.within(most * mean, most * low, most * high)


def _effective_size(values: FloatArray, ways: Sequence[IntArray], level: float) -> float:
    """Independent values whose mean has this mean's variance, less for few clusters.

    The variance is that of independent values, and what each way of sharing adds to it: the
    inclusion and exclusion of Cameron, Gelbach and Miller (2011), where values that share in two
    ways are taken to be one. What shares more than chance adds, never less. Where all values are
    equal, those that share are taken to be copies.
    """
    n = len(values)
    residual = values - values.mean()
    alone = float(residual @ residual)
    sizes = [np.unique(way, return_counts=True)[1] for way in ways]
    worth = min(copies_size(n, float(m @ m)) for m in sizes)
    size = worth
    if alone > 1e-12 * n:
        squares = alone
        for way, members in zip(ways, sizes, strict=True):
            sums = np.bincount(np.unique(way, return_inverse=True)[1], weights=residual)
            units = len(members)
            if units > 1:
                squares += max(0.0, units / (units - 1) * float(sums @ sums) - alone)
            else:
                return 1.0
        size = n * alone / squares
    few = normal_quantile(level) / student_quantile(level, max(worth - 1, 1.0))
    return max(1.0, min(size, n) * few**2)
