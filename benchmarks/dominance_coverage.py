"""Whether dominance within gold patterns holds its truth where answers are independent or not.

    python -m benchmarks.dominance_coverage

A model grades image, text and pair of samples of the 17 patterns. By pattern each answer is right
with a probability of its own; a share of the joint answers repeats the answer to the text alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.writing import markdown, write_report
from vlsu.analysis import Tabulation
from vlsu.analysis.stats.stratified_kappa import stratified_kappa
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.dominance import dominance
from vlsu.policy import PATTERNS

SEED = 0
#: Gold grades of the 17 patterns.
GOLD = np.array([(int(p.image), int(p.text), int(p.joint)) for p in PATTERNS])

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is drawn.

    Attributes:
        n: Samples, spread unevenly over the patterns.
        skill: Chance of a right answer alone, and to the pair.
        follows: Share of the joint answers that repeat the answer to the text.
        clusters: Samples share their answers' luck within so many groups of lognormal sizes; none
            if 0.
    """

    n: int
    skill: tuple[float, float]
    follows: float = 0.0
    clusters: int = 0

    def __str__(self) -> str:
        groups = f", {self.clusters} groups of lognormal sizes" if self.clusters else ""
        return (
            f"n {self.n}, right {self.skill[0]:.0%} alone and {self.skill[1]:.0%} together, "
            f"{self.follows:.0%} follow the text{groups}"
        )


SETTINGS = (
    Setting(60, (0.8, 0.6)),
    Setting(200, (0.8, 0.6)),
    Setting(465, (0.85, 0.55)),
    Setting(2000, (0.8, 0.6)),
    Setting(465, (0.97, 0.9)),
    Setting(465, (0.85, 0.55), follows=0.3),
    Setting(200, (0.8, 0.6), follows=0.8),
    Setting(465, (0.85, 0.55), follows=1.0),
    Setting(465, (0.8, 0.6), clusters=120),
    Setting(465, (0.8, 0.6), clusters=30),
    Setting(465, (0.8, 0.6), follows=0.3, clusters=30),
)


def answers(setting: Setting, rng: np.random.Generator, n: int) -> tuple[Codes, Codes, Codes]:
    """Gold grades and predictions, shape ``(n, 3)`` each, and the group of each sample."""
    weight = 1 / np.arange(2, 19)
    pattern = rng.choice(17, n, p=weight / weight.sum())
    group = np.arange(n)
    if setting.clusters:
        size = rng.lognormal(0, 1.5, setting.clusters)
        group = rng.choice(setting.clusters, n, p=size / size.sum())
        # Samples of a group are of few patterns, and share part of their luck.
        of = rng.integers(0, 17, (setting.clusters, 2))
        pattern = np.where(rng.random(n) < 0.7, of[group, rng.integers(0, 2, n)], pattern)
    gold = GOLD[pattern]
    luck = rng.random((n, 3))
    if setting.clusters:
        shared = rng.random((setting.clusters, 17, 3))[group, pattern]
        luck = np.where(rng.random((n, 3)) < 0.5, shared, luck)
    right = luck < (setting.skill[0], setting.skill[0], setting.skill[1])
    wrong = (gold + rng.integers(1, 3, (n, 3))) % 3
    said = np.where(right, gold, wrong)
    said[:, 2] = np.where(rng.random(n) < setting.follows, said[:, 1], said[:, 2])
    return gold, said, group


def counted(setting: Setting, rng: np.random.Generator) -> Cells:
    gold, said, group = answers(setting, rng, setting.n)
    tabulation = Tabulation()
    names = pl.Series(group).cast(pl.String)
    tabulation.count(
        gold,
        said,
        pl.Series([None] * setting.n, dtype=pl.String),
        [names] if setting.clusters else [],
        {},
    )
    return tabulation.cells()


def truth(setting: Setting, other: int, rng: np.random.Generator) -> float:
    """Of a run without end: 0 where the answers are independent, else by a large draw."""
    if not setting.follows or other == 0:
        return 0.0
    gold, said, _ = answers(setting, rng, 1_000_000)
    pattern = gold @ (9, 3, 1)
    entry = pattern * 9 + said[:, 2] * 3 + said[:, other]
    return float(stratified_kappa(np.bincount(entry, minlength=243).reshape(27, 3, 3)))


def rows(replicates: int) -> Iterator[list[object]]:
    for number, setting in enumerate(SETTINGS):
        rng = np.random.default_rng([SEED, number])
        true = {name: truth(setting, other, rng) for name, other in (("text", 1), ("image", 0))}
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in true}
        plain: dict[str, list[float]] = {"all": [], "joint_correct": [], "joint_wrong": []}
        for _ in range(replicates):
            cells = counted(setting, rng)
            result = dominance(cells, Estimator(Resampler(cells, 1, 0)))
            for name in true:
                kappas = result[f"kappa_{name}"]
                rate = kappas["within_pattern"]  # type: ignore[index]
                if rate.value is not None:
                    found[name].append((rate.value, rate.low, rate.high))
            for name, values in plain.items():
                value = result["kappa_text"][name].value  # type: ignore[index]
                values.append(math.nan if value is None else value)
        for name in true:
            value, low, high = np.array(found[name]).T
            held = (low <= true[name] + 1e-12) & (true[name] <= high + 1e-12)
            yield [
                str(setting),
                name,
                f"{true[name]:.3f}",
                f"{value.mean() - true[name]:+.3f}",
                f"{100 * held.mean():.1f}",
                f"{100 * (high < true[name]).mean():.1f}",
                f"{(high - low).mean():.3f}",
                *(f"{np.nanmean(v):.2f}" if name == "text" else "" for v in plain.values()),
            ]


def report(replicates: int) -> str:
    error = 100 * math.sqrt(0.05 * 0.95 / replicates)
    return "\n".join(
        [
            "# Coverage of dominance within gold patterns\n",
            "Kappa of the joint answer with that to the text or image alone, pooled over gold "
            f"patterns: share of 95% intervals that hold the truth, in percent; {replicates:,} "
            f"runs each (one standard error is about {error:.1f}), seed {SEED}. The last three "
            "columns: mean of Cohen's kappa with the text over all pairs, over those the model has "
            "right and over those it has wrong, which are far from 0 where the answers are "
            "independent given the gold grades. `python -m benchmarks.dominance_coverage`\n",
            markdown(
                [
                    *("setting", "with", "truth", "mean bias", "% held", "% below the truth"),
                    *("mean width", "all pairs", "pair right", "pair wrong"),
                ],
                list(rows(replicates)),
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=1000)
    options = parser.parse_args()
    write_report("dominance_coverage", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
