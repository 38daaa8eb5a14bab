"""How often the 95% intervals of metrics.json hold the truth, by simulation.

    python -m benchmarks.interval_coverage [--processes 2]

A model of known accuracy judges samples of the 17 patterns, hundreds of times over: at n = 100,
1,000 and 10,000, at rates from 0.02 to 0.98, with independent samples and with samples in groups.
Every rate of every `metrics.json` is held to its true value, which is worked out, not estimated.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis import cell_metrics
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.sampling.precision import rates
from vlsu.analysis.stats.intervals import wilson_bounds
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.grouping import GroupTally
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, PATTERNS, Severity

SEED = 0
SIZES = (100, 1_000, 10_000)
RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
#: Of samples in groups, whose bootstrap takes several times as long; and their part of the runs.
GROUPED_RATES = (0.02, 0.1, 0.5, 0.9, 0.98)
GROUPED_RUNS = {100: 1.0, 1_000: 0.4, 10_000: 0.16}
#: Bootstrap replicates of each interval; `vlsu run` takes 2,000, and fewer hold the truth less.
REPLICATES = 1_000
#: Runs of a part, which one process simulates.
PART = 20
#: What is promised.
LEAST, MOST = 0.93, 0.97

#: Share of each pattern among samples, and of each category.
PATTERN_SHARES = np.array([1 + (k % 4) for k in range(len(PATTERNS))], dtype=np.float64)
PATTERN_SHARES /= PATTERN_SHARES.sum()
CATEGORIES = ("C1", "C2", "C3")
CATEGORY_SHARES = np.array([0.6, 0.3, 0.1])
#: Where a wrong prediction goes: the two other severities, milder first, and an outcome not `ok`.
WRONG = (0.5, 0.4, 0.1)
#: Of the groups: how many samples each has in turn, and the correlation of being right in one.
MEMBERS = (1, 2, 3, 4)
CORRELATION = 0.25


def lands(rate: float) -> FloatArray:
    """Chance of each prediction by gold grade, at this accuracy; shape ``(3, 4)``."""
    table_ = np.zeros((3, 4))
    for gold in Severity:
        milder, harsher = [s for s in Severity if s != gold]
        table_[gold, [gold, milder, harsher, 3]] = (rate, *((1 - rate) * w for w in WRONG))
    return table_


@dataclass(frozen=True, slots=True)
class World:
    """What is sampled from.

    Attributes:
        rate: Accuracy of each modality.
        grouped: Whether samples come in groups that share their image, its grade and what was said
            of it, and how hard they are.
    """

    rate: float
    grouped: bool

    @property
    def _hardness(self) -> tuple[tuple[float, float], ...]:
        """Share of groups, and accuracy in them: mean `rate`, correlation `CORRELATION`."""
        if not self.grouped:
            return ((1.0, self.rate),)
        step = math.sqrt(CORRELATION)
        return (
            (self.rate, self.rate + (1 - self.rate) * step),
            (1 - self.rate, self.rate * (1 - step)),
        )

    def shares(self) -> FloatArray:
        """Chance of every cell: category, pattern, three predictions; ``(3, 17, 4, 4, 4)``."""
        gold = np.array([(p.image, p.text, p.joint) for p in PATTERNS])
        said = np.zeros((len(PATTERNS), 4, 4, 4))
        for share, rate in self._hardness:
            image, text, joint = (lands(rate)[gold[:, m]] for m in range(3))
            said += share * np.einsum("pi,pt,pj->pitj", image, text, joint)
        return np.einsum("c,p,pitj->cpitj", CATEGORY_SHARES, PATTERN_SHARES, said)

    def truth(self) -> dict[str, float]:
        """The true value of every rate: that of a run of a hundred million million samples."""
        counts = np.round(self.shares().reshape(-1) * 1e14).astype(np.int64)
        metrics = cell_metrics(cells_of(counts), replicates=1)
        known = ((key, rate["value"]) for key, rate in rates(metrics))
        return {key: value for key, value in known if value is not None}

    def draw(self, n: int, rng: np.random.Generator) -> Cells:
        """A run of n samples."""
        shares = self.shares()
        if not self.grouped:
            return cells_of(rng.multinomial(n, shares.reshape(-1)))
        members = np.resize(MEMBERS, n)
        members = members[: np.searchsorted(np.cumsum(members), n) + 1]
        members[-1] -= members.sum() - n
        of_group = np.repeat(np.arange(len(members)), members)
        (easy, high), (_, low) = self._hardness
        rate = np.where(rng.random(len(members)) < easy, high, low)
        # The image's grade comes with the group, the rest of the pattern with the sample.
        image_of = np.array([p.image for p in PATTERNS])
        image = rng.choice(3, len(members), p=np.bincount(image_of, PATTERN_SHARES))[of_group]
        pattern = np.empty(n, dtype=np.int64)
        for grade in range(3):
            weights = np.where(image_of == grade, PATTERN_SHARES, 0.0)
            here = image == grade
            pattern[here] = rng.choice(len(PATTERNS), here.sum(), p=weights / weights.sum())
        category = rng.choice(3, n, p=CATEGORY_SHARES)
        grades = np.array([(p.image, p.text, p.joint) for p in PATTERNS])[pattern]
        luck, way = rng.random((n, 3)), rng.random((n, 3))
        luck[:, 0], way[:, 0] = luck[_first(of_group), 0], way[_first(of_group), 0]
        right = luck < rate[of_group][:, None]
        wrong = np.searchsorted(np.cumsum(WRONG), way, side="right").clip(max=2)
        others = np.array([[*(s for s in range(3) if s != g), 3] for g in range(3)])
        said = np.where(
            right, grades, np.take_along_axis(others[grades], wrong[..., None], 2)[..., 0]
        )
        index = (category, pattern, *said.T)
        return cells_of_samples(np.ravel_multi_index(index, shares.shape), of_group)


def _first(group: IntArray) -> IntArray:
    """Index of the first sample of each sample's group."""
    return np.searchsorted(group, group)


_SHAPE = (len(CATEGORIES), len(PATTERNS), 4, 4, 4)


def cells_of(counts: IntArray, group: tuple[IntArray, IntArray] | None = None) -> Cells:
    """The cells of samples, counted by the number of their cell in `World.shares`.

    Args:
        counts: Samples per cell, shape ``(3264,)``.
        group: Group and cell of each sample, where samples come in groups.
    """
    there = np.flatnonzero(counts)
    category, pattern, *said = np.unravel_index(there, _SHAPE)
    tally = GroupTally()
    if group is not None:
        tally.add([pl.Series(group[0])], group[1])
    return Cells(
        gold=np.array([(p.image, p.text, p.joint) for p in PATTERNS])[pattern],
        predicted=np.column_stack(said),
        category=category,
        count=counts[there],
        categories=CATEGORIES,
        groups=tally.counts(there, counts[there]) if group is not None else None,
        outcomes={m: {o.value: 0 for o in Outcome} for m in MODALITIES},
    )


def cells_of_samples(cell: IntArray, group: IntArray) -> Cells:
    """The cells of samples in groups, by the number of each sample's cell and of its group."""
    return cells_of(np.bincount(cell, minlength=math.prod(_SHAPE)), (group, cell))


@dataclass(slots=True)
class Tally:
    """Intervals of one kind of metric in one setting.

    Attributes:
        known: Runs where the rate has a value.
        below: Intervals that lie below the truth.
        above: Intervals that lie above it.
        closed: Intervals of a closed form where the bootstrap was not trusted.
        width: Sum of the widths.
    """

    known: int = 0
    below: int = 0
    above: int = 0
    closed: int = 0
    width: float = 0.0

    @property
    def held(self) -> float:
        """Share that hold the truth."""
        return 1 - (self.below + self.above) / self.known

    @property
    def error(self) -> float:
        """Standard error of `held` where 95% is the truth, runs taken as independent."""
        return math.sqrt(0.95 * 0.05 / self.known)

    def add(self, other: Tally) -> None:
        """Add the intervals of another."""
        for name in ("known", "below", "above", "closed", "width"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Setting:
    """Runs of one make; `seed` is of this part of them."""

    world: World
    n: int
    runs: int
    seed: int


def simulate(setting: Setting) -> dict[str, Tally]:
    """Every rate's tally, by its path in `metrics.json`."""
    rng = np.random.default_rng([SEED, setting.seed])
    truth = setting.world.truth()
    found: dict[str, Tally] = defaultdict(Tally)
    for run in range(setting.runs):
        cells = setting.world.draw(setting.n, rng)
        metrics = cell_metrics(cells, replicates=REPLICATES, seed=run)
        thin = set(metrics["intervals"]["thin"])
        for key, rate in rates(metrics):
            # 0/0 of a class that did not occur is 0 in [0, 1] by convention; no test of anything.
            if rate["value"] is None or (rate["value"], rate["high"] - rate["low"]) == (0, 1):
                continue
            if key.startswith("lowest_pattern."):  # of another pattern each time
                continue
            tally, true = found[key], truth[key]
            tally.known += 1
            tally.below += rate["high"] < true - 1e-9
            tally.above += rate["low"] > true + 1e-9
            tally.closed += key in thin
            tally.width += rate["high"] - rate["low"]
    return dict(found)


def kind(key: str) -> str:
    """What a path of `metrics.json` is one of."""
    part, *rest = key.split(".")
    if part in MODALITIES:
        return f"per class: {rest[2]}" if rest[0] == "per_class" else rest[0]
    if part in ("patterns", "families", "categories"):
        return f"{part}: {rest[-1]}"
    if part == "dominance" and rest[1] == "within_pattern":
        return "dominance: kappa within patterns"
    if part == "dominance":
        return f"dominance: {'kappa' if rest[1] == 'all' else 'kappa, joint right or wrong'}"
    return part if part in ("attribution", "over_sensitivity", "borderline") else key


Found = dict[tuple[bool, int, float], dict[str, Tally]]


def pooled(found: Found, grouped: bool, n: int | None = None) -> dict[str, dict[float, Tally]]:
    """Kind of metric -> rate -> tally over all keys of the kind."""
    tallies: dict[str, dict[float, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for (in_groups, size, rate), by_key in found.items():
        if in_groups == grouped and n in (None, size):
            for key, tally in by_key.items():
                tallies[kind(key)][rate].add(tally)
    return tallies


def marked(tally: Tally) -> str:
    """Percent held: below 93 in bold, above 97 with a plus."""
    held = percent(tally.held)
    if tally.held < LEAST:
        return f"**{held}**"
    return f"{held}+" if tally.held > MOST else held


def by_rate(found: Found, grouped: bool, n: int) -> str:
    rows = GROUPED_RATES if grouped else RATES
    return markdown(
        ["metric", *(f"{rate:g}" for rate in rows), "all", "closed form", "width"],
        [
            [
                name,
                *(marked(of[rate]) if of[rate].known else "" for rate in rows),
                marked(every := _sum(of.values())),
                f"{every.closed / every.known:.0%}" if every.closed else "",
                f"{every.width / every.known:.3f}",
            ]
            for name, of in pooled(found, grouped, n).items()
        ],
    )


def _sum(tallies: Iterable[Tally]) -> Tally:
    every = Tally()
    for tally in tallies:
        every.add(tally)
    return every


def summary(found: Found) -> str:
    rows = []
    for grouped, n in product((False, True), SIZES):
        tallies = [t for of in pooled(found, grouped, n).values() for t in of.values() if t.known]
        held = np.array([tally.held for tally in tallies])
        error = np.array([tally.error for tally in tallies])
        rows.append(
            [
                "in groups" if grouped else "independent",
                f"{n:,}",
                len(held),
                percent(held.mean()),
                percent(held.min()),
                percent(held.max()),
                int(((held >= LEAST) & (held <= MOST)).sum()),
                int((held < LEAST).sum()),
                int((held + 2 * error < LEAST).sum()),
                int((held > MOST).sum()),
            ]
        )
    return markdown(
        ["samples", "n", "settings", "% held: mean", "min", "max", "93 to 97", "below 93",
         "below 93 by more than noise", "above 97"],
        rows,
    )  # fmt: skip


def exact(n: int, rate: float) -> tuple[float, float]:
    """Coverage of Wilson's interval and of the percentile bootstrap, worked out without draws."""
    hits = np.arange(n + 1)
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    choose = logs[n] - logs - logs[::-1]

    def chances(share: float) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = choose + np.where(hits, hits * np.log(share), 0.0)
            terms += np.where(hits < n, (n - hits) * np.log1p(-share), 0.0)
        return np.exp(terms)

    low, high = wilson_bounds(hits / n, np.full(n + 1, float(n)))
    at = chances(rate)
    likely = np.flatnonzero(at > 1e-12)
    boot = 0.0
    for k in likely.tolist():
        below = np.cumsum(chances(k / n)) if 0 < k < n else (hits >= k).astype(np.float64)
        first, last = np.searchsorted(below, [0.025, 0.975])
        boot += at[k] * bool(first <= rate * n + 1e-9 and rate * n - 1e-9 <= last)
    return float(at[(low <= rate) & (rate <= high)].sum()), boot


def against_the_bootstrap() -> str:
    rows = []
    for n in SIZES:
        pairs = [exact(n, rate) for rate in RATES]
        rows += [
            [f"{n:,}", name, *(percent(pair[which]) for pair in pairs)]
            for which, name in enumerate(("Wilson", "percentile bootstrap"))
        ]
    return markdown(["n", "interval", *(f"{rate:g}" for rate in RATES)], rows)


def run(runs: int, processes: int) -> Found:
    """All settings, the slow ones first, in parts."""
    parts = []
    for grouped, n in product((True, False), reversed(SIZES)):
        for rate in GROUPED_RATES if grouped else RATES:
            whole = math.ceil(runs * GROUPED_RUNS[n]) if grouped else runs
            for start in range(0, whole, PART):
                world = World(rate, grouped)
                parts.append(Setting(world, n, min(PART, whole - start), len(parts)))
    found: Found = defaultdict(lambda: defaultdict(Tally))
    with ProcessPoolExecutor(processes) as pool:
        for setting, tallies in zip(parts, pool.map(simulate, parts), strict=True):
            for key, tally in tallies.items():
                found[setting.world.grouped, setting.n, setting.world.rate][key].add(tally)
    return found


def report(runs: int, processes: int) -> str:
    found = run(runs, processes)
    in_groups = ", ".join(f"{share * runs:.0f} of n = {n:,}" for n, share in GROUPED_RUNS.items())
    sections = [
        text
        for grouped, n in product((False, True), SIZES)
        for text in (
            f"## n = {n:,}, {'in groups' if grouped else 'independent samples'}\n",
            by_rate(found, grouped, n),
        )
    ]
    sizes = ", ".join(map(str, MEMBERS))
    return "\n".join(
        [
            "# Coverage of the intervals of metrics.json\n",
            f"Share of 95% intervals that hold the truth, in percent. {runs} runs of each setting "
            f"(in groups {in_groups}), seed {SEED}, {REPLICATES:,} bootstrap replicates. Columns: "
            "accuracy of the model in each modality. A figure is over all keys of a kind (three "
            "modalities, 17 patterns, ...). Bold: below 93; plus: above 97, so wider than need "
            "be. *Closed form*: share of the intervals where the bootstrap was not trusted and "
            "its stand-in was used; metrics without a figure there have one formula always "
            f"(Wilson). Groups have {sizes} samples in turn that share image, image grade and "
            "what was said of the image; being right correlates by "
            f"{CORRELATION:g} in a group. `python -m benchmarks.interval_coverage`\n",
            summary(found),
            "## Wilson and the percentile bootstrap, of a proportion\n",
            "Worked out, not drawn.\n",
            against_the_bootstrap(),
            *sections,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    write_report("interval_coverage", lambda: report(options.runs, options.processes))


if __name__ == "__main__":
    main()
