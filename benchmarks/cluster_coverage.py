"""How often intervals hold the truth where samples come in clusters, by simulation.

    python -m benchmarks.cluster_coverage [--runs 500]

Two runs of the same accuracy are simulated on samples in few, unequal and crossed clusters. What is
held to the truth: accuracy, F1 macro and binary, recall of unsafe, a share of the attribution,
kappa of the joint with the text's prediction, and the differences of the two runs. The truth is
that of a million independent samples of the same world. A gate at the bound asks for at least the
true accuracy: it may pass in 2.5% of runs. A false claim is a difference with p below 5%.

Then kappa alone: independent samples, margins and kappas of many kinds; and a severity so rare that
it may be missing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.comparison.differences import PairedEstimator
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.stats.kappa import cohen_kappa, kappa_interval
from vlsu.analysis.table.cells import IMAGE, JOINT, TEXT, Cells
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.estimator import UNSEEN, Estimator
from vlsu.analysis.table.grouping import GroupTally
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.resampling import Resampler
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity

SEED = 0
#: Draws of an interval, where it is made of draws.
REPLICATES = 500
#: Samples that the truth is taken from.
MANY = 1_000_000
#: What is aimed at.
LEAST, MOST = 0.92, 0.985

Links = list[IntArray]


def few(count: int, size: int) -> Callable[[np.random.Generator], Links]:
    """Clusters of one size."""
    return lambda rng: [np.repeat(np.arange(count), size)]


def lognormal(count: int) -> Callable[[np.random.Generator], Links]:
    """Clusters of lognormal sizes, 10 in the middle, sigma 1.5."""

    def draw(rng: np.random.Generator) -> Links:
        sizes = np.maximum(1, np.rint(10 * np.exp(1.5 * rng.standard_normal(count)))).astype(int)
        return [np.repeat(np.arange(count), sizes)]

    return draw


def one_and_singles(rng: np.random.Generator) -> Links:
    return [np.concatenate([np.zeros(300, dtype=np.int64), np.arange(1, 301)])]


def grid(rng: np.random.Generator) -> Links:
    """120 images with five texts each, the same five."""
    image, text = np.indices((120, 5))
    return [image.ravel(), text.ravel()]


def crossed(n: int, *counts: int) -> Callable[[np.random.Generator], Links]:
    """Samples that have each of their links by chance."""
    return lambda rng: [rng.integers(0, count, n) for count in counts]


@dataclass(frozen=True, slots=True)
class World:
    """What is sampled from.

    Attributes:
        name: For the table.
        links: What samples share, drawn anew for each run.
        share: Of the variance of how hard a sample is that its clusters have, all of them together;
            1 for copies.
        accuracy: Of every modality.
        gold: Share of each severity.
    """

    name: str
    links: Callable[[np.random.Generator], Links]
    share: float = 0.3
    accuracy: float = 0.8
    gold: tuple[float, float, float] = (0.4, 0.2, 0.4)

    def draw(self, links: Links, n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Gold, shape ``(n,)``, and what was said: image, text, joint, joint of the second run."""
        if self.share == 1:
            first, copy = np.unique(links[0], return_inverse=True)
            alone = replace(self, share=0.0)
            gold, said = alone.draw([], len(first), rng)
            return gold[copy.reshape(-1)], said[copy.reshape(-1)]
        hard = np.sqrt(1 - self.share) * rng.standard_normal((n, 4))
        for link in links:
            # A part of it is hard for every judgment, a part for each of them.
            effects = np.sqrt(0.5) * rng.standard_normal((int(link.max()) + 1, 1))
            effects = effects + np.sqrt(0.5) * rng.standard_normal((int(link.max()) + 1, 4))
            hard += np.sqrt(self.share / len(links)) * effects[link]
        return self._said(hard, rng)

    def _said(self, hard: FloatArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        from scipy.stats import norm  # in the development environment

        n = len(hard)
        gold = rng.choice(3, n, p=self.gold)
        right = hard < norm.ppf(self.accuracy)
        others = np.array([[*(s for s in range(3) if s != g), 3] for g in range(3)])
        wrong = others[gold[:, None], rng.choice(3, (n, 4), p=[0.5, 0.4, 0.1])]
        return gold, np.where(right, gold[:, None], wrong)

    def truth(self) -> dict[str, float]:
        """The values of a million samples of which each is its own cluster."""
        rng = np.random.default_rng(SEED)
        share = 0.0 if self.share == 1 else self.share
        own = [np.arange(MANY)] * (2 if share else 0)
        gold, said = replace(self, share=share).draw(own, MANY, rng)
        rates = estimates(cells_of(gold, said, []), seed=0, replicates=1)
        known = {name: rate.value for name, rate in rates.items() if rate.value is not None}
        return known | dict.fromkeys(DIFFERENCES, 0.0)


def cells_of(gold: IntArray, said: IntArray, links: Links) -> PairedCells:
    """Two runs on the same samples; image and text are the same to both."""
    code = np.ravel_multi_index((gold, *said.T), (3, 4, 4, 4, 4))
    there, counts = np.unique(code, return_counts=True)
    tally = GroupTally()
    tally.add([pl.Series(link) for link in links], code)
    grades, image, text, *joint = np.unravel_index(there, (3, 4, 4, 4, 4))
    first = Cells(
        gold=np.column_stack([grades] * 3),
        predicted=np.column_stack([image, text, joint[0]]),
        category=np.full(len(there), -1),
        count=counts,
        categories=(),
        groups=tally.counts(there, counts) if links else None,
        outcomes={m: {o.value: 0 for o in Outcome} for m in MODALITIES},
    )
    return PairedCells((first, replace(first, predicted=np.column_stack([image, text, joint[1]]))))


DIFFERENCES = ("difference of accuracy", "difference of F1 macro")


def estimates(cells: PairedCells, seed: int, replicates: int = REPLICATES) -> dict[str, Rate]:
    """Each kind of metric of the first run."""
    run = cells.runs[0]
    estimator = Estimator(Resampler(run, replicates, seed))
    gold, joint = run.gold[:, JOINT], run.predicted[:, JOINT]
    everywhere = np.full(len(gold), True)
    confusion = Confusion(gold * 4 + joint)
    right = run.right
    column = np.where(
        (joint < 3) & (run.predicted[:, TEXT] < 3), joint * 3 + run.predicted[:, TEXT], -1
    )
    return {
        "accuracy": estimator.proportion(right[:, JOINT], everywhere),
        "F1 macro": estimator.mean_f1(confusion, "joint", "f1_macro")["f1_macro"],
        "F1 binary": estimator.f1(confusion, Severity.UNSAFE),
        "recall": estimator.recall(confusion, Severity.UNSAFE),
        "attribution": estimator.proportion(right[:, IMAGE] & right[:, TEXT], ~right[:, JOINT]),
        "kappa": estimator.kappa(column, "kappa"),
    }


@dataclass(slots=True)
class Tally:
    """Of one world: intervals by metric that hold the truth, and how wide they are."""

    runs: int = 0
    held: Counter[str] = field(default_factory=Counter)
    width: Counter[str] = field(default_factory=Counter)
    passed: int = 0
    claims: Counter[str] = field(default_factory=Counter)


def simulate(world: World, runs: int, seed: int) -> Tally:
    rng = np.random.default_rng([SEED, seed])
    truth, tally = world.truth(), Tally()
    for run in range(runs):
        links = world.links(rng)
        n = len(links[0])
        cells = cells_of(*world.draw(links, n, rng), links)
        rates = estimates(cells, run)
        paired = PairedEstimator(cells, 400, run)
        right = [each.right[:, JOINT] for each in cells.runs]
        everywhere = np.full(len(right[0]), True)
        confusions = [
            Confusion(each.gold[:, JOINT] * 4 + each.predicted[:, JOINT]) for each in cells.runs
        ]
        differences = dict(
            zip(
                DIFFERENCES,
                (
                    paired.share(right[0], right[1], everywhere),
                    paired.f1(confusions[0], confusions[1], "joint", "f1_macro")["f1_macro"],
                ),
                strict=True,
            )
        )
        rates |= {name: each.difference for name, each in differences.items()}
        for name, rate in rates.items():
            low, high = (-1.0, 1.0) if rate.low is None else (rate.low, rate.high or 0.0)
            tally.held[name] += low - 1e-9 <= truth[name] <= high + 1e-9
            tally.width[name] += high - low
        tally.passed += (rates["accuracy"].low or 0) >= truth["accuracy"]
        for name, each in differences.items():
            tally.claims[name] += each.p is not None and each.p < 0.05
    tally.runs = runs
    return tally


WORLDS = (
    World("10 clusters of 20", few(10, 20)),
    World("20 clusters, lognormal", lognormal(20)),
    World("60 clusters, lognormal", lognormal(60)),
    World("200 clusters, lognormal", lognormal(200)),
    World("one of 300 and 300 alone", one_and_singles),
    World("30 groups of 10 copies", few(30, 10), share=1),
    World("120 images x 5 texts", grid),
    World("2,000 pairs of 600 images and 600 texts", crossed(2_000, 600, 600)),
    World("5 clusters of 40", few(5, 40)),
    World("2 clusters of 100", few(2, 100)),
    World("400 of 40 images, 40 texts, 20 groups", crossed(400, 40, 40, 20)),
    World("10 clusters of 20, accuracy 0.95", few(10, 20), accuracy=0.95),
    World("60 clusters, lognormal, accuracy 0.95", lognormal(60), accuracy=0.95),
    World("30 groups of 10 copies, accuracy 0.95", few(30, 10), share=1, accuracy=0.95),
    World("60 clusters, lognormal, as if alone", lognormal(60), share=0),
    World("100 clusters of 2", few(100, 2)),
)

#: Margins of both raters.
MARGINS = ((1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1), (0.9, 0.05, 0.05), (0.96, 0.02, 0.02))
KAPPAS = (-0.3, 0.0, 0.3, 0.6, 0.9)
SIZES = (20, 40, 100, 400, 2_000)


def marked(share: float) -> str:
    """Percent held: below 92 in bold, above 98.5 with a plus."""
    shown = percent(share)
    return f"**{shown}**" if share < LEAST else f"{shown}+" if share > MOST else shown


def clustered(runs: int) -> tuple[str, str]:
    held, more = [], []
    for seed, world in enumerate(WORLDS):
        found = simulate(world, runs, seed)
        names = list(found.held)
        held.append([world.name, *(marked(found.held[name] / runs) for name in names)])
        more.append(
            [
                world.name,
                f"{found.width['accuracy'] / runs:.3f}",
                f"{found.width[DIFFERENCES[0]] / runs:.3f}",
                percent(found.passed / runs),
                *(percent(found.claims[name] / runs) for name in DIFFERENCES),
            ]
        )
    return markdown(["world", *names], held), markdown(
        [
            *("world", "width: accuracy", "its difference", "gate passes at the bound"),
            *("false claims: accuracy", "F1 macro"),
        ],
        more,
    )


def kappas(runs: int) -> str:
    """Kappa of independent samples; `KAPPAS` as far as the margins allow them."""
    rows = []
    rng = np.random.default_rng(SEED)
    for margin, wanted in product(MARGINS, KAPPAS):
        least = -min(margin) / (1 - min(margin))
        kappa = max(wanted, 0.9 * least)
        shares = np.array(margin)
        table = (1 - kappa) * np.outer(shares, shares) + kappa * np.diag(shares)
        cells = []
        for n in SIZES:
            held = known = 0
            for drawn in rng.multinomial(n, table.ravel(), size=runs).reshape(-1, 3, 3):
                if np.isnan(cohen_kappa(drawn)):
                    continue
                rate = kappa_interval(drawn, n, rng, REPLICATES)
                known += 1
                held += (rate.low or 0) <= kappa + 1e-9 and kappa - 1e-9 <= (rate.high or 0)
            cells.append(marked(held / known))
        rows.append(["/".join(f"{100 * s:.0f}" for s in margin), f"{kappa:.2f}", *cells])
    return markdown(["margins, %", "kappa", *(f"n = {n:,}" for n in SIZES)], rows)


RARE = (0.05, 0.03, 0.02, 0.01, 0.005, 0.002)


def rare(runs: int) -> str:
    """F1 of samples with a rare severity, independent; accuracy 0.8."""
    rows = []
    for share, name in product(RARE, ("F1 macro", "F1 binary")):
        world = World("", few(1, 1), share=0, gold=(0.7, 0.3 - share, share))
        truth, cells = world.truth()[name], []
        rng = np.random.default_rng([SEED, 99])
        for n in (72, 100, 200, 400, 800, 2_000):
            held = 0
            for run in range(runs):
                rate = estimates(cells_of(*world.draw([], n, rng), []), run)[name]
                held += (rate.low or 0) <= truth + 1e-9 and truth - 1e-9 <= (rate.high or 0)
            cells.append(marked(held / runs))
        rows.append([f"{share:.1%}", name, *cells])
    sizes = (f"n = {n:,}" for n in (72, 100, 200, 400, 800, 2_000))
    return markdown(["share of unsafe", "metric", *sizes], rows)


def report(runs: int) -> str:
    held, more = clustered(runs)
    some = max(100, runs // 3)
    error_of_some = 100 * (0.95 * 0.05 / some) ** 0.5
    error = 100 * (0.95 * 0.05 / runs) ** 0.5
    return f"""# Intervals where samples come in clusters

Share of 95% intervals that hold the truth, in percent, over {runs} runs of each world, seed {SEED}:
the standard error of a figure is {error:.1f}. Bold: below 92; plus: above 98.5. Clusters have 30%
of the variance of how hard a sample is, unless they are copies; accuracy 0.8 but
where another is said.
`python -m benchmarks.cluster_coverage`

{held}
A gate that asks for the true accuracy may pass in 2.5%, a difference of equal runs may be claimed
in 5%.

{more}
## Kappa of independent samples

Where kappa is defined; the margins of both raters are the same.

{kappas(runs)}
## A rare severity

Of independent samples, accuracy 0.8, {some} runs each: the standard error of a figure is
{error_of_some:.1f}. From {UNSEEN} samples on a severity that is missing is taken
not to exist, so that what is said is not of severities of less than 0.5%.

{rare(some)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300, help="of each setting")
    runs = parser.parse_args().runs
    write_report("cluster_coverage", lambda: report(runs))


if __name__ == "__main__":
    main()
