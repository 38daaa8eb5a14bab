"""How often the three intervals of runs with several draws hold what they are of, by simulation.

    python -m benchmarks.rerun_coverage

Models that answer the same samples differently from draw to draw are asked about thousands of
datasets. What each interval is of is simulated too: the figure over very many samples, the figure
of one further run over the same samples, and that of one run over others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np
import numpy.typing as npt

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.stats.classification import class_f1
from vlsu.analysis.table.cells import ABSENT, NOT_ASKED
from vlsu.analysis.understanding.reruns import Answers, rerun_metrics_of

SEED = 0
SIZES = (30, 100, 300, 1000)
DRAWS = (2, 3, 5)
REPLICATES = {30: 800, 100: 600, 300: 400, 1000: 400}
#: Bootstrap replicates behind each draw's own F1 interval: fewer than in a run, for time.
BOOTSTRAP = 400
INTERVALS = ("over_samples", "over_reruns", "both")
FIGURES = ("accuracy", "f1_macro", "f1_binary")
GOLD = np.array([0.5, 0.2, 0.3])

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Model:
    """How answers vary.

    Attributes:
        right: Share of samples that it tends to get right.
        waver: Share of samples whose answer is redrawn with each draw.
        sure: Of those, the chance that the answer is the one it tends to.
        group: Samples that share their tendency, a group each.
    """

    name: str
    right: float
    waver: float
    sure: float = 0.6
    group: int = 1

    def samples(self, rng: np.random.Generator, n: int) -> tuple[Ints, Floats, Ints]:
        """Gold grades, the chances of every answer ``(n, 3)``, and groups, of new samples."""
        gold = rng.choice(3, size=n, p=GOLD)
        group = np.arange(n) // self.group
        tends_right = (rng.random(n) < self.right)[group]
        tends = np.where(tends_right, gold, (gold + 1 + rng.integers(2, size=n)) % 3)
        wavers = (rng.random(n) < self.waver)[group]
        chance = np.eye(3)[tends]
        chance[wavers] *= self.sure
        chance[wavers] += (1 - self.sure) / 2 * (chance[wavers] == 0)
        return gold, chance, group

    def answers(self, rng: np.random.Generator, chance: Floats) -> Ints:
        """One draw of answers."""
        drawn: Ints = (rng.random((len(chance), 1)) > chance.cumsum(axis=1)).sum(axis=1)
        return drawn.clip(max=2)


MODELS = (
    Model("stable", 0.75, 0.0),
    Model("hardly ever flips", 0.9, 0.02),
    Model("some flip", 0.75, 0.15),
    Model("many flip", 0.7, 0.6),
    Model("strong, some flip", 0.97, 0.1, 0.9),
    Model("many flip, groups of 4", 0.7, 0.6, group=4),
)


def figures(gold: Ints, predicted: Ints) -> dict[str, float]:
    """Accuracy and F1s by their definitions, of one draw."""
    table = np.bincount(gold * 4 + predicted, minlength=12).reshape(3, 4)
    f1 = class_f1(table)
    return {
        "accuracy": float(np.trace(table) / table.sum()),
        "f1_macro": float(f1.mean()),
        "f1_binary": float(f1[2]),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """Coverage by figure and interval, and mean widths."""

    model: str
    n: int
    draws: int
    replicates: int
    held: dict[tuple[str, str], float]
    width: dict[tuple[str, str], float]
    flips: float


def simulate(model: Model, n: int, draws: int, seed: int) -> Row:
    """Many datasets of one size."""
    rng = np.random.default_rng([SEED, seed])
    gold, chance, _ = model.samples(rng, 400_000)
    truth = figures(gold, model.answers(rng, chance))
    keys = list(product(FIGURES, INTERVALS))
    held, width, flips = dict.fromkeys(keys, 0.0), dict.fromkeys(keys, 0.0), 0.0
    times = REPLICATES[n]
    for _ in range(times):
        gold, chance, group = model.samples(rng, n)
        drawn = np.stack([model.answers(rng, chance) for _ in range(draws)])
        found = rerun_metrics_of(_answers(gold, drawn, group, model.group > 1), bootstrap=BOOTSTRAP)
        again = figures(gold, model.answers(rng, chance))
        other_gold, other_chance, _ = model.samples(rng, n)
        other = figures(other_gold, model.answers(rng, other_chance))
        flips += float((drawn != drawn[0]).any(axis=0).mean()) / times
        of = dict(zip(INTERVALS, (truth, again, other), strict=True))
        for figure, interval in keys:
            bounds = found["joint"][figure][interval]
            low, high = bounds["low"] - 1e-9, bounds["high"] + 1e-9
            held[figure, interval] += (low <= of[interval][figure] <= high) / times
            width[figure, interval] += (high - low) / times
    return Row(model.name, n, draws, times, held, width, flips)


def _answers(gold: Ints, drawn: Ints, group: Ints, grouped: bool) -> Answers:
    n = len(gold)
    grades = np.full((n, 3), ABSENT)
    grades[:, 2] = gold
    predicted = np.full((len(drawn), n, 3), NOT_ASKED)
    predicted[:, :, 2] = drawn
    request = np.repeat(np.arange(n)[:, None], 3, axis=1)
    links = np.full((n, 3), -1)
    if grouped:
        links[:, 0] = group
    return Answers(grades, predicted, request, links)


def rows() -> Iterator[Row]:
    """All settings."""
    for seed, (model, n, draws) in enumerate(product(MODELS, SIZES, DRAWS)):
        yield simulate(model, n, draws, seed)


def report() -> str:
    """The tables, as Markdown."""
    found = list(rows())
    parts = [_HEAD]
    for figure in FIGURES:
        head = ("model", "n", "draws", "flip", *(f"{i}: held (width)" for i in INTERVALS))
        lines = [
            (
                row.model,
                row.n,
                row.draws,
                percent(row.flips),
                *(
                    f"{percent(row.held[figure, i])} ({row.width[figure, i]:.3f})"
                    for i in INTERVALS
                ),
            )
            for row in found
        ]
        parts.append(f"## {figure}\n\n{markdown(head, lines)}")
    means = ((name, percent(float(np.mean(values)))) for name, values in _by_interval(found))
    parts.append("## On average\n\n" + markdown(("figure, interval, n", "held"), means))
    shares = [share for row in found for share in row.held.values()]
    off = sorted(
        (share, row.model, row.n, row.draws, *key)
        for row in found
        for key, share in row.held.items()
        if share < 0.92
    )
    worst = "; ".join(f"{percent(o[0])} ({', '.join(map(str, o[1:]))})" for o in off[:8]) or "none"
    error = 100 * sqrt(0.95 * 0.05 / min(REPLICATES.values()))
    parts.append(
        f"Of {len(shares)} coverages the mean is {percent(float(np.mean(shares)))}, the least "
        f"{percent(min(shares))}; below 92: {len(off)} ({worst}). One coverage has a Monte Carlo "
        f"standard error of at most {error:.1f} points.\n"
    )
    return "\n".join(parts)


def _by_interval(found: list[Row]) -> Iterator[tuple[str, list[float]]]:
    """Coverages of one figure, interval and size over the models that flip at all."""
    for figure, interval, n in product(FIGURES, INTERVALS, SIZES):
        of = [row.held[figure, interval] for row in found if row.n == n and row.flips > 0]
        yield f"{figure}, {interval}, {n}", of


_HEAD = """# Coverage of the intervals of several draws

`python -m benchmarks.rerun_coverage`. Nominal 95%. *over_samples*: of the figure over 400,000
samples; *over_reruns*: of one further run over the same samples; *both*: of one run over as many
other samples. *flip*: share of samples whose answer is not the same in all draws. A further run of
a model that never flips is the same run: its interval then holds always.
"""


if __name__ == "__main__":
    write_report("rerun_coverage", report)
