"""How often the intervals of vlsu compare hold the truth, and how often it claims what is not so.

    python -m benchmarks.paired_coverage

Two models judge the same samples, hundreds of times over; their true difference is worked out.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.comparison.differences import PairedEstimator
from vlsu.analysis.stats.classification import macro_f1
from vlsu.analysis.stats.intervals import bonett_price, normal_quantile, wilson
from vlsu.analysis.stats.mcnemar import mcnemar
from vlsu.analysis.table.cells import ABSENT, NOT_ASKED, Cells
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.grouping import GroupTally
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES

SEED = 0
GOLD_SHARES = np.array([0.27, 0.40, 0.33])
#: Where a wrong prediction goes, by gold grade: milder, harsher, an outcome not `ok`.
WRONG = np.array([0.5, 0.4, 0.1])
JOINT = 2
LEAST = 0.93
#: Share of samples on which one model alone is right, and which part of it is the difference.
DISCORDANCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.6, 0.9)
LEANS = (0.0, 0.5, 0.9, 1.0)
TABLE = (3, 4, 4)


# --- Shares: all outcomes of n samples, worked out


def shares() -> str:
    """By n: coverage over discordances and differences, and the most false claims."""
    rows = []
    for n in (14, 20, 30, 50, 100, 200, 400):
        held, theirs, false = [], [], []
        for discordance, lean in product(DISCORDANCES, LEANS):
            first, second = discordance * (1 - lean) / 2, discordance * (1 + lean) / 2
            ours, newcombes, claims = covered(n, first, second)
            held.append(ours)
            theirs.append(newcombes)
            if not lean:
                false.append(claims)
        rows.append(
            [
                n,
                len(held),
                *(percent(share) for share in (min(held), float(np.mean(held)))),
                sum(share < LEAST for share in held),
                *(percent(share) for share in (min(theirs), float(np.mean(theirs)))),
                sum(share < LEAST for share in theirs),
                percent(max(false)),
            ]
        )
    return markdown(
        ["n", "settings", "Bonett and Price: min", "mean", "below 93", "Newcombe: min", "mean",
         "below 93", "% false claims of McNemar's test, most"],
        rows,
    )  # fmt: skip


def covered(n: int, first: float, second: float) -> tuple[float, float, float]:
    """Coverage of two intervals and chance of a claim; concordant samples are half right."""
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    truth, held, newcombe_held, claims = second - first, 0.0, 0.0, 0.0
    rest = 1 - first - second
    for b, c, left in counts(n, first, second):
        chance = math.exp(
            logs[n] - logs[b] - logs[c] - logs[left]
            + times_log(b, first) + times_log(c, second) + times_log(left, rest)
        )  # fmt: skip
        if chance < 1e-9:
            continue
        low, high = bonett_price((c - b) / n, (b + c) / n, n)
        held += chance * (low - 1e-12 <= truth <= high + 1e-12)
        low, high = newcombe(b, c, left // 2, left - left // 2)
        newcombe_held += chance * (low - 1e-12 <= truth <= high + 1e-12)
        claims += chance * (mcnemar(b, c) < 0.05)
    return held, newcombe_held, claims


def counts(n: int, first: float, second: float) -> Iterator[tuple[int, int, int]]:
    """Discordant counts that are not next to impossible, and the samples left."""
    most = [math.ceil(n * p + 6.5 * math.sqrt(n * p) + 4) if p else 0 for p in (first, second)]
    least = [max(0, math.floor(n * p - 6.5 * math.sqrt(n * p))) for p in (first, second)]
    for b in range(least[0], min(n, most[0]) + 1):
        for c in range(least[1], min(n - b, most[1]) + 1):
            yield b, c, n - b - c


def times_log(count: int, share: float) -> float:
    if not count:
        return 0.0
    return count * math.log(share) if share > 0 else -math.inf


def newcombe(b: int, c: int, right: int, wrong: int) -> tuple[float, float]:
    """Newcombe's (1998, method 10) interval of second minus first."""
    n = b + c + right + wrong
    first, second = (right + b) / n, (right + c) / n
    (low1, high1), (low2, high2) = wilson(first, n), wilson(second, n)
    margins = (right + b) * (wrong + c) * (right + c) * (wrong + b)
    phi = 0.0
    if margins:
        cross = right * wrong - b * c
        cross = max(cross - n / 2, 0.0) if cross > 0 else cross
        phi = cross / math.sqrt(margins)

    def arm(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    difference = second - first
    return (
        difference - arm(second - low2, high1 - first),
        difference + arm(high2 - second, first - low1),
    )


# --- Macro-F1, by simulation


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models: `alike` is the chance that the second says what the first does.

    Else it answers by itself. In groups of `members` samples this, and what the first says of a
    wrong one, comes with the group.
    """

    first: float
    second: float
    alike: float
    members: int = 1

    @property
    def words(self) -> str:
        groups = f", groups of {self.members}" if self.members > 1 else ""
        return f"{self.first:g} and {self.second:g}, alike {self.alike:g}{groups}"

    def shares(self) -> FloatArray:
        """Chance of gold grade and both predictions, shape ``(3, 4, 4)``."""
        lands = [answers(rate) for rate in (self.first, self.second)]
        apart = lands[0][:, :, None] * lands[1][:, None, :]
        same = lands[0][:, :, None] * np.eye(4)
        return GOLD_SHARES[:, None, None] * (self.alike * same + (1 - self.alike) * apart)

    def truth(self) -> float:
        """Macro-F1 of the second minus that of the first."""
        shares = self.shares()
        return float(macro_f1(shares.sum(axis=1)) - macro_f1(shares.sum(axis=2)))

    def draw(self, n: int, rng: np.random.Generator) -> PairedCells:
        shares = self.shares()
        if self.members == 1:
            return paired_cells(rng.multinomial(n, shares.reshape(-1)))
        # A group is one sample several times over but for one member in three.
        group = np.arange(n) // self.members
        drawn = rng.choice(shares.size, n, p=shares.reshape(-1))
        common = rng.choice(shares.size, group[-1] + 1, p=shares.reshape(-1))
        code = np.where(rng.random(n) < 2 / 3, common[group], drawn)
        counts = np.bincount(code, minlength=shares.size)
        return paired_cells(counts, (group, code))


def answers(rate: float) -> FloatArray:
    """Chance of each prediction by gold grade; shape ``(3, 4)``."""
    found = np.zeros((3, 4))
    for gold in range(3):
        others = [s for s in range(3) if s != gold]
        found[gold, [gold, *others, 3]] = (rate, *((1 - rate) * WRONG))
    return found


def paired_cells(counts: IntArray, grouped: tuple[IntArray, IntArray] | None = None) -> PairedCells:
    """Two runs' cells, of counts of a table ``(3, 4, 4)``."""
    there = np.flatnonzero(counts)
    gold, *said = np.unravel_index(there, TABLE)
    tally = GroupTally()
    if grouped is not None:
        tally.add([pl.Series(grouped[0])], grouped[1])

    def only_joint(values: IntArray, other: int) -> IntArray:
        columns = np.full((len(values), 3), other)
        columns[:, JOINT] = values
        return columns

    first = Cells(
        gold=only_joint(gold, ABSENT),
        predicted=only_joint(said[0], NOT_ASKED),
        category=np.full(len(there), -1),
        count=counts[there],
        categories=(),
        groups=tally.counts(there, counts[there]) if grouped is not None else None,
        outcomes={m: {o.value: 0 for o in Outcome} for m in MODALITIES},
    )
    return PairedCells((first, replace(first, predicted=only_joint(said[1], NOT_ASKED))))


PAIRS = (
    Pair(0.6, 0.6, 0.0),
    Pair(0.6, 0.6, 0.8),
    Pair(0.95, 0.95, 0.8),
    Pair(0.6, 0.7, 0.5),
    Pair(0.9, 0.97, 0.5),
    Pair(0.6, 0.6, 0.5, members=3),
    Pair(0.6, 0.7, 0.5, members=3),
)


def macro_f1s(runs: int) -> str:
    rng = np.random.default_rng(SEED)
    rows = []
    for pair, n in product(PAIRS, (50, 200, 1_000)):
        if pair.members > 1 and n > 200:
            continue
        truth = pair.truth()
        held = plain_held = claims = plain_claims = 0
        width = 0.0
        for seed in range(runs):
            cells = pair.draw(n, rng)
            gold, first = cells.runs[0].gold[:, JOINT], cells.runs[0].predicted[:, JOINT]
            second = cells.runs[1].predicted[:, JOINT]
            confusions = Confusion(gold * 4 + first), Confusion(gold * 4 + second)
            found = PairedEstimator(cells, 1_000, seed).f1(*confusions, "joint", "f1_macro")
            difference, p = found["f1_macro"].difference, found["f1_macro"].p
            low, high = float(difference.low or 0), float(difference.high or 0)
            assert p is not None
            held += low <= truth <= high
            width += high - low
            claims += p < 0.05 and not low <= 0 <= high
            low, high = plain_bootstrap(cells, confusions, seed)
            plain_held += low <= truth <= high
            plain_claims += not low <= 0 <= high
        shares = (held, plain_held, claims, plain_claims)
        rows.append(
            [
                pair.words,
                f"{n:,}",
                f"{truth:+.3f}",
                *(percent(share / runs) for share in shares),
                f"{width / runs:.3f}",
            ]
        )
    return markdown(
        ["accuracies", "n", "true difference", "% held", "% held, plain bootstrap",
         "% claimed", "% claimed, plain bootstrap", "width"],
        rows,
    )  # fmt: skip


def plain_bootstrap(
    cells: PairedCells, confusions: tuple[Confusion, Confusion], seed: int
) -> tuple[float, float]:
    """The percentile interval of the paired bootstrap, with nothing added."""
    resampler = PairedEstimator(cells, 1, seed).single_run(0).resampler
    column = confusions[0].column * 4 + confusions[1].column % 4
    tables = resampler.draw(column, 48, "plain").reshape(-1, 3, 4, 4)
    apart = macro_f1(tables.sum(axis=2)) - macro_f1(tables.sum(axis=3))
    low, high = np.quantile(apart, [0.025, 0.975])
    return float(low), float(high)


def words(shares: tuple[float, ...]) -> str:
    return ", ".join(f"{share:g}" for share in shares)


def report(runs: int) -> str:
    error = 100 * math.sqrt(0.05 * 0.95 / runs)
    reach = normal_quantile(0.95)
    return "\n".join(
        [
            "# Coverage of the intervals of vlsu compare\n",
            "Share of 95% intervals of a difference that hold the truth, and of differences that "
            "are claimed, in percent; where the true difference is 0 each claim is a false one. "
            "`python -m benchmarks.paired_coverage`\n",
            "## Shares\n",
            f"Worked out over all outcomes: discordance {words(DISCORDANCES)} (share of samples "
            f"that one model alone has right), of which {words(LEANS)} is the difference.\n",
            shares(),
            "## Macro-F1\n",
            f"{runs} runs each (a figure is off by {reach * error:.1f} at most in 95 of 100), seed "
            f"{SEED}. A claim needs a p below 0.05 by swapping the runs and an interval without "
            "0; the plain bootstrap's an interval without 0.\n",
            macro_f1s(runs),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    write_report("paired_coverage", lambda: report(options.runs))


if __name__ == "__main__":
    main()
