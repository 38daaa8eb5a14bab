"""How often the intervals of calibration, ranking and minimal pairs hold the truth, by simulation.

    python -m benchmarks.diagnosis_coverage

Models with known probabilities and errors judge runs of known make, hundreds of times over.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis import minimal_pairs
from vlsu.analysis.stats.intervals import wilson
from vlsu.analysis.understanding.graded_probabilities import GradedProbabilities
from vlsu.analysis.understanding.ranking import auroc, average_precision, threshold_for_recall
from vlsu.analysis.understanding.reliability import calibration_error, equal_mass_bins

SEED = 0
LARGE = 1_000_000
#: Up to this many rows the bootstrap is shown beside ours.
FEW = 200

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Row:
    """Intervals of one quantity in one setting.

    Attributes:
        held: Share that hold the truth.
        below: Share that lie below it.
        width: Mean width.
        bias: Mean of the values less the truth.
    """

    what: str
    setting: str
    truth: float
    held: float
    below: float
    width: float
    bias: float

    @classmethod
    def of(
        cls,
        what: str,
        setting: str,
        truth: Sequence[float] | float,
        found: Sequence[tuple[float | None, ...]],
    ) -> Row:
        """From value, low and high of each replicate; what is undefined is left out."""
        rates = np.array([(math.nan, math.nan, math.nan) if f[0] is None else f for f in found])
        known = ~np.isnan(rates[:, 0])
        value, low, high = rates[known].T
        true = np.broadcast_to(truth, known.shape)[known]
        return cls(
            what,
            setting,
            float(true.mean()),
            float(np.mean((low <= true + 1e-12) & (true <= high + 1e-12))),
            float(np.mean(high < true)),
            float(np.mean(high - low)),
            float(np.mean(value - true)),
        )


def bounds(rate: object) -> tuple[float | None, ...]:
    tree = rate if isinstance(rate, dict) else rate.as_dict()  # type: ignore[attr-defined]
    return tree["value"], tree["low"], tree["high"]


@dataclass(frozen=True, slots=True)
class Binormal:
    """Scores normal in both classes: standard in the others, about `shift` in the unsafe.

    Attributes:
        n: Rows; in clusters of `members`, whose scores share a part `shared` of their variance.
        base: Share of unsafe.
        steps: Scores are rounded to one in this many; 0 for none.
    """

    n: int
    base: float
    shift: float
    spread: float = 1.0
    steps: int = 0
    members: int = 1
    shared: float = 0.0

    @property
    def words(self) -> str:
        parts = [f"n {self.n:,}", f"{100 * self.base:g}% unsafe", f"shift {self.shift:g}"]
        parts += [f"spread {self.spread:g}"] * (self.spread != 1)
        parts += ["rounded"] * bool(self.steps)
        parts += [f"clusters of {self.members}"] * (self.members > 1)
        return ", ".join(parts)

    def draw(self, rng: np.random.Generator, n: int | None = None) -> GradedProbabilities:
        n = n or self.n
        cluster = np.arange(n) // self.members
        own = math.sqrt(1 - self.shared) * rng.standard_normal(n)
        common = math.sqrt(self.shared) * rng.standard_normal(cluster[-1] + 1)
        unsafe = rng.random(n) < self.base
        score = own + common[cluster]
        score = np.where(unsafe, self.shift + self.spread * score, score)
        if self.steps:
            score = np.round(score * self.steps) / self.steps
        order = np.lexsort((unsafe, score))
        return GradedProbabilities(
            score[order], unsafe[order], cluster[order] if self.members > 1 else None
        )

    def rates(self, threshold: float) -> tuple[float, float, float]:
        """True recall, precision and share flagged at a threshold."""
        edge = threshold - (0.5 / self.steps if self.steps else 0.0)
        recall = 1 - NORMAL.cdf((edge - self.shift) / self.spread)
        flagged = self.base * recall + (1 - self.base) * (1 - NORMAL.cdf(edge))
        return recall, self.base * recall / flagged, flagged


RANKED = (
    Binormal(40, 0.5, 1),
    Binormal(100, 0.1, 0),
    Binormal(100, 0.1, 2.5),
    Binormal(100, 0.33, 1),
    Binormal(1000, 0.02, 1),
    Binormal(1000, 0.02, 4),
    Binormal(1000, 0.33, 1),
    Binormal(1000, 0.33, 3.5),
    Binormal(500, 0.1, 1, spread=3),
    Binormal(300, 0.33, 1.5, steps=1),
    Binormal(8187, 0.33, 2),
    Binormal(300, 0.33, 1, members=3, shared=0.6),
    Binormal(1000, 0.33, 2, members=10, shared=0.5),
)


def ranking(replicates: int) -> list[Row]:
    rng = np.random.default_rng(SEED)
    rows = []
    for make in RANKED:
        large = make.draw(rng, LARGE)
        drawn = [make.draw(rng) for _ in range(replicates)]
        for what, score in (("AUROC", auroc), ("average precision", average_precision)):
            truth = score(large).value
            assert truth is not None
            rows.append(Row.of(what, make.words, truth, [bounds(score(d)) for d in drawn]))
    return rows


def thresholds(replicates: int) -> list[Row]:
    """Ours, and the same by five-fold cross-fitting, against the truth at the threshold given."""
    rng = np.random.default_rng(SEED)
    rows = []
    for make, wanted in product((RANKED[3], RANKED[4], RANKED[6], RANKED[9]), (0.8, 0.95)):
        ours: dict[str, list[tuple[float | None, ...]]] = {}
        fitted: dict[str, list[tuple[float | None, ...]]] = {}
        truth: dict[str, list[float]] = {}
        for _ in range(replicates):
            scored = make.draw(rng)
            if scored.unsafe.sum() < 5:
                continue
            found = threshold_for_recall(scored, wanted)
            true = make.rates(float(str(found["threshold"])))
            crossed = cross_fitted(scored, wanted, rng)
            for key, value in zip(("recall", "precision", "flagged"), true, strict=True):
                truth.setdefault(key, []).append(value)
                ours.setdefault(key, []).append(bounds(found[key]))
                fitted.setdefault(key, []).append(crossed[key])
        for key, true_values in truth.items():
            setting = f"{make.words}, recall {wanted}"
            rows.append(Row.of(key, setting, true_values, ours[key]))
            rows.append(Row.of(f"{key}, cross-fitted", setting, true_values, fitted[key]))
    return rows


def cross_fitted(
    scored: GradedProbabilities, wanted: float, rng: np.random.Generator
) -> dict[str, tuple[float | None, ...]]:
    """Each fifth measured at the threshold that the other four give."""
    fold = rng.integers(5, size=scored.n)
    flagged = np.zeros(scored.n, dtype=bool)
    for k in range(5):
        rest = GradedProbabilities(scored.p[fold != k], scored.unsafe[fold != k], None)
        threshold = threshold_for_recall(rest, wanted)["threshold"]
        flagged[fold == k] = scored.p[fold == k] >= float(str(threshold))

    def rate(hits: npt.NDArray[np.bool_]) -> tuple[float | None, ...]:
        share = float(hits.mean()) if len(hits) else 0.0
        return (share, *wilson(share, max(len(hits), 1)))

    return {
        "recall": rate(flagged[scored.unsafe]),
        "precision": rate(scored.unsafe[flagged]),
        "flagged": rate(flagged),
    }


def _logit(p: Floats) -> Floats:
    return np.log((p + 1e-9) / (1 - p + 1e-9))


#: Name -> p, and the true probability given p.
CALIBRATIONS: dict[
    str,
    tuple[Callable[[np.random.Generator, int], Floats], Callable[[Floats], Floats]],
] = {
    "calibrated": (lambda rng, n: rng.beta(0.4, 0.8, n), lambda p: p),
    "calibrated, unsafe is rare": (lambda rng, n: rng.beta(0.2, 8, n), lambda p: p),
    "slightly over-confident": (
        lambda rng, n: rng.beta(0.4, 0.8, n),
        lambda p: 1 / (1 + np.exp(-0.9 * _logit(p))),
    ),
    "over-confident": (
        lambda rng, n: rng.beta(0.4, 0.8, n),
        lambda p: 1 / (1 + np.exp(-0.6 * _logit(p))),
    ),
    "too high": (lambda rng, n: rng.beta(0.4, 0.8, n), lambda p: p**1.5),
    "too high, unsafe is rare": (lambda rng, n: rng.beta(0.3, 6, n), lambda p: p / 2),
    "wrong above 0.9 alone": (
        lambda rng, n: rng.beta(0.4, 0.8, n),
        lambda p: np.where(p > 0.9, p - 0.3, p),
    ),
    "five values of p": (
        lambda rng, n: rng.choice([0.05, 0.1, 0.5, 0.9, 0.99], n, p=[0.4, 0.2, 0.1, 0.1, 0.2]),
        lambda p: 0.9 * p + 0.03,
    ),
}


def calibration(replicates: int) -> list[Row]:
    """Against the error at the bins that were made, and beside it the bootstrap."""
    rng = np.random.default_rng(SEED)
    rows = []
    for (name, (draw, true)), n in product(CALIBRATIONS.items(), (60, 200, 1000, 8187)):
        found, boot, truth = [], [], []
        for _ in range(replicates):
            p = np.sort(draw(rng, n))
            chance = true(p)
            unsafe = rng.random(n) < chance
            edges = equal_mass_bins(p)
            truth.append(float(np.abs(np.add.reduceat(chance - p, edges[:-1])).sum()) / n)
            error = calibration_error(GradedProbabilities(p, unsafe, None))
            found.append(bounds(error))
            if n <= FEW:
                boot.append((error["uncorrected"], *bootstrapped(p, unsafe, rng)))
        setting = f"{name}, n {n:,}"
        rows.append(Row.of("ECE", setting, truth, found))
        if boot:
            rows.append(Row.of("plain sum, bootstrap", setting, truth, boot))
    return rows


def bootstrapped(
    p: Floats, unsafe: npt.NDArray[np.bool_], rng: np.random.Generator, replicates: int = 100
) -> Interval:
    """The percentile bootstrap of the plain sum, in the same bins."""
    edges = equal_mass_bins(p)
    gaps = np.add.reduceat(
        rng.multinomial(len(p), np.full(len(p), 1 / len(p)), replicates) * (unsafe - p),
        edges[:-1],
        axis=1,
    )
    sums = np.abs(gaps).sum(axis=1) / len(p)
    low, high = np.quantile(sums, [0.025, 0.975])
    return float(low), float(high)


def pairs(replicates: int) -> list[Row]:
    """Images with several texts; the chance to be right comes with the image."""
    rng = np.random.default_rng(SEED)

    def uneven(images: int) -> npt.NDArray[np.int64]:
        return np.minimum(300, rng.pareto(1.1, images) * 2 + 1).astype(np.int64)

    sizes: dict[str, Callable[[int], npt.NDArray[np.int64]]] = {
        "2 texts": lambda images: np.full(images, 2),
        "4 texts": lambda images: np.full(images, 4),
        "5 texts on average": lambda images: rng.geometric(0.2, images),
        "1 to 300 texts": lambda images: np.minimum(300, rng.pareto(1.1, images) * 2 + 1).astype(
            int
        ),
    }
    grades = np.array(["safe", "borderline", "unsafe"])
    rows = []
    for (words, size), images, (mean, spread) in product(
        sizes.items(), (20, 60, 300), ((1.0, 1.0), (3.0, 1.0), (1.0, 0.0))
    ):
        effect = rng.standard_normal(LARGE) * spread
        truth = float(np.mean(1 / (1 + np.exp(-(mean + effect))) ** 2))
        found = []
        for _ in range(replicates):
            image = np.repeat(np.arange(images), size(images))
            n = len(image)
            chance = 1 / (1 + np.exp(-(mean + rng.standard_normal(images) * spread)))
            gold = rng.integers(3, size=n)
            said = np.where(rng.random(n) < chance[image], gold, (gold + 1) % 3)
            ids = [f"s{i}" for i in range(n)]
            judgments = pl.DataFrame(
                {
                    "sample_id": ids,
                    "modality": "joint",
                    "expected": grades[gold],
                    "predicted": grades[said],
                    "outcome": "ok",
                }
            )
            samples = pl.DataFrame(
                {"id": ids, "image_sha256": [f"i{i}" for i in image], "text": ids}
            )
            tree = minimal_pairs(judgments, samples)["same_image"]
            assert isinstance(tree, dict)
            found.append(bounds(tree["told_apart"]))
        rows.append(
            Row.of("told apart", f"{images} images, {words}, {mean:g}±{spread:g}", truth, found)
        )
    return rows


HEAD = ["quantity", "setting", "truth", "% held", "% below the truth", "mean width", "mean bias"]


def tabulated(rows: Iterable[Row]) -> str:
    return markdown(
        HEAD,
        [
            [
                row.what,
                row.setting,
                f"{row.truth:.3f}",
                percent(row.held),
                percent(row.below),
                f"{row.width:.3f}",
                f"{row.bias:+.3f}",
            ]
            for row in rows
        ],
    )


def summary(rows: Sequence[Row]) -> str:
    def line(what: str) -> list[object]:
        held = np.array([row.held for row in rows if row.what == what])
        return [
            what,
            len(held),
            percent(held.min()),
            percent(held.mean()),
            percent(held.max()),
            int((held < 0.93).sum()),
        ]

    return markdown(
        ["quantity", "settings", "% held: min", "mean", "max", "settings below 93"],
        [line(what) for what in dict.fromkeys(row.what for row in rows)],
    )


def report(replicates: int) -> str:
    parts = {
        "Ranking": (ranking(replicates), "Scores normal in both classes."),
        "Thresholds for a wanted recall": (
            thresholds(replicates),
            "Truth: recall, precision and share flagged that the threshold which was given has in "
            "new data. Ours measures it on the data it was chosen on.",
        ),
        "Calibration error": (
            calibration(max(100, replicates // 3)),
            "Truth: the error at the bins that were made.",
        ),
        "Minimal pairs": (
            pairs(max(100, replicates // 3)),
            "Log odds of being right are normal over images, mean±spread. With sizes from 1 to 300 "
            "a few images hold most pairs: little is known, and the interval says so.",
        ),
    }
    every = [row for rows, _ in parts.values() for row in rows]
    error = 100 * math.sqrt(0.05 * 0.95 / replicates)
    return "\n".join(
        [
            "# Coverage of the diagnostic intervals\n",
            f"Share of 95% intervals that hold the truth, in percent; {replicates:,} runs each "
            f"(one standard error is about {error:.1f}), a third of that for calibration and "
            f"pairs, seed {SEED}. `python -m benchmarks.diagnosis_coverage`\n",
            summary(every),
            *(
                text
                for title, (rows, words) in parts.items()
                for text in (f"## {title}\n", f"{words}\n", tabulated(rows))
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=600)
    options = parser.parse_args()
    write_report("diagnosis_coverage", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
