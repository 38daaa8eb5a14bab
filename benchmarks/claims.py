"""How often vlsu compare claims what is not so, by family of claims, and how often what is.

    python -m benchmarks.claims

Two models (ten for ranks) that do not differ, or in some metrics alone, answer the same samples
hundreds of times over; every comparison is made by the code that `vlsu compare` runs. Only the
intervals of F1s and precisions are left out, which a claim must also not contradict: without them
there are, if anything, more claims.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product

import numpy as np
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.alignment.judged_rates import JudgedRates
from vlsu.analysis.alignment.metrics import named_rates, with_severity
from vlsu.analysis.alignment.scores import NAMED_RATES, refusal
from vlsu.analysis.alignment.simultaneous import simultaneous
from vlsu.analysis.alignment.verdicts import read_answers
from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.comparison.alignment import alignment_comparison
from vlsu.analysis.comparison.differences import (
    _SCORES,
    NOTHING,
    Difference,
)
from vlsu.analysis.comparison.families import (
    ALPHA,
    EXPLORATORY,
    ComparedMetric,
    RunNames,
    corrected,
)
from vlsu.analysis.comparison.metrics import PairedMetrics
from vlsu.analysis.comparison.paired_tables import confusions, swapped
from vlsu.analysis.comparison.understanding import RANKED
from vlsu.analysis.stats.classification import macro_f1
from vlsu.analysis.stats.false_discovery import false_discovery
from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.cells import FAILED, Cells
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.grouping import GroupTally
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.resampling import Resampler
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, PATTERNS, Severity

SEED = 0
PRIMARY = ("joint.f1_macro",)
SECONDARY = ("joint.accuracy", *(f"families.{f}.accuracy" for f in ("late-fusion", "escalating", "de-escalating")))  # fmt: skip  # noqa: E501
#: Metrics of which a sentence was printed before there were roles.
SENTENCES = (*PRIMARY, *SECONDARY)
CATEGORIES = tuple(f"C{k}" for k in range(1, 16))
#: The least p of an F1 is 1 over so many.
SWAPS = 1_000
#: Comparisons by two declared metrics alone.
DECLARED = 1_000
NAMES: RunNames = ("first", "second")


class TestedMetrics(PairedMetrics):
    """Metrics whose F1s have a p alone: the interval is the value itself."""

    def of_confusions(
        self, first: Confusion, second: Confusion, prefix: str, tests: int, names: Sequence[str]
    ) -> Mapping[str, Difference]:
        """The same tests as those of `vlsu compare`, with fewer swaps."""
        if not first.inside.any():
            return dict.fromkeys(names, NOTHING)
        column = np.where(first.inside, first.column * 4 + second.column % 4, -1)
        resampler = Resampler(self.cells.runs[0], 1, self.seed)
        observed = confusions(resampler.count(column, 48))
        by_coins = swapped(resampler, column, SWAPS, f"{prefix}.swapped")
        found = {}
        for name in names:
            score = _SCORES.get(name, macro_f1)
            ends = [float(score(table)) for table in observed]
            value = ends[1] - ends[0]
            by_chance = np.abs(score(by_coins[1]) - score(by_coins[0])) >= abs(value) - 1e-12
            rates = [Rate(each, each, each) for each in (*ends, value)]
            p = (1 + int(by_chance.sum())) / (1 + SWAPS)
            found[name] = Difference(int(observed[0].sum()), *rates, p, None, 1.0)
        return found


# --- Understanding


@dataclass(frozen=True, slots=True)
class Setting:
    """What two models are asked, and how they answer.

    Attributes:
        words: For the table.
        n: Samples.
        right: Chance that a model is right on a modality, by itself.
        alike: Chance that the second says what the first does.
        members: Samples of a group, whose answers are mostly the same.
        text: Added to the second model's chance on text.
        joint: Added to the second model's chance on the pair.
        lost: Share of the second model's right answers on the pair that never come.
    """

    words: str
    n: int = 300
    right: float = 0.65
    alike: float = 0.4
    members: int = 1
    text: float = 0.0
    joint: float = 0.0
    lost: float = 0.0

    def draw(self, rng: np.random.Generator, runs: int = 2) -> PairedCells:
        """Answers of so many models; all but the first two are as the first, by themselves."""
        gold = np.array([[int(s) for s in (p.image, p.text, p.joint)] for p in PATTERNS])
        group = np.arange(self.n) // self.members
        gold = gold[rng.integers(len(gold), size=group[-1] + 1)][group]
        category = rng.integers(len(CATEGORIES), size=group[-1] + 1)[group]
        common, own = self.answers(gold, group, rng), []
        for number in range(runs):
            mine = self.answers(gold, group, rng)
            same = self.drawn(rng, group, (self.n, 1)) < self.alike
            said = np.where(same, common, mine)
            if number == 1:
                for modality, gain in ((1, self.text), (2, self.joint)):
                    # Of the wrong ones so many turn right that the chance rises by the gain.
                    turns = self.drawn(rng, group, (self.n,)) < gain / (1 - self.right)
                    said[turns, modality] = gold[turns, modality]
            own.append(said)
        lost = np.zeros((self.n, runs), dtype=bool)
        if self.lost:
            lost[:, 1] = (own[1][:, 2] == gold[:, 2]) & (rng.random(self.n) < self.lost)
        return tabulated(gold, category, own, lost, group if self.members > 1 else None)

    def answers(self, gold: IntArray, group: IntArray, rng: np.random.Generator) -> IntArray:
        """What a model says, right with its chance; a wrong answer is any other."""
        right = self.drawn(rng, group, gold.shape) < self.right
        other = (gold + 1 + (self.drawn(rng, group, gold.shape) < 0.5)) % 3
        return np.where(right, gold, other)

    def drawn(
        self, rng: np.random.Generator, group: IntArray, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Numbers in [0, 1): of three samples of a group two have the same."""
        each = rng.random(shape)
        if self.members == 1:
            return each
        theirs = rng.random((group[-1] + 1, *shape[1:]))[group]
        own = rng.random((self.n, *([1] * (len(shape) - 1)))) < 1 / 3
        return np.where(own, each, theirs)


def tabulated(
    gold: IntArray,
    category: IntArray,
    said: list[IntArray],
    lost: BoolArray,
    group: IntArray | None,
) -> PairedCells:
    """Samples of several runs as cells; only the pair's answers can be lost."""
    table = np.column_stack([category, gold, *said, lost])
    rows, cell, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    cell = cell.reshape(-1)
    tally = GroupTally()
    order = np.arange(len(rows))
    if group is not None:
        tally.add([pl.Series([f"g{g}" for g in group])], cell)
    runs = len(said)
    cells = []
    for k in range(runs):
        predicted = rows[:, 4 + 3 * k : 7 + 3 * k].copy()
        gone = np.zeros(predicted.shape, dtype=bool)
        gone[:, 2] = rows[:, 4 + 3 * runs + k] == 1
        predicted[gone] = FAILED
        cells.append((predicted, gone))
    first = Cells(
        gold=rows[:, 1:4],
        predicted=cells[0][0],
        category=rows[:, 0],
        count=counts,
        categories=CATEGORIES,
        groups=tally.counts(order, counts) if group is not None else None,
        outcomes={m: {o.value: 0 for o in Outcome} for m in MODALITIES},
    )
    return PairedCells(tuple(replace(first, predicted=p, lost=gone) for p, gone in cells))


SETTINGS = (
    Setting("independent, n 300"),
    Setting("groups of 4, n 300", members=4),
    Setting("thin: n 60", n=60),
    Setting("30% of right answers of one lost", lost=0.3),
)
MIXED = (
    Setting("second better on text alone, by 15 points", text=0.15),
    Setting("the same, groups of 4", text=0.15, members=4),
)
EFFECTS = (Setting("second better on the pair, by 8 points", joint=0.08, n=600),)


def claimed_and_marked(
    pairs: Mapping[RunNames, Mapping[str, ComparedMetric]], secondary: Sequence[str]
) -> dict[tuple[RunNames, str], str]:
    """Pair and metric -> role, of those on which one run is claimed, or marked, to be ahead."""
    roles = dict.fromkeys(secondary, "secondary") | dict.fromkeys(PRIMARY, "primary")
    found = {}
    for (pair, path), test in corrected(pairs, roles, lambda metric: metric.p).items():
        evidence = test.q if test.role == EXPLORATORY else test.p_adjusted
        if evidence is not None and evidence < ALPHA and pairs[pair][path].holds:
            found[pair, path] = test.role
    return found


def by_old_rule(metrics: Mapping[str, ComparedMetric]) -> set[str]:
    """Metrics claimed by Holm over each family by itself, missing answers counted in two ways."""
    families: dict[str, dict[str, float]] = defaultdict(dict)
    for path, metric in metrics.items():
        ways = [metric.difference, *metric.bounds.values()]
        if metric.difference.p is not None:
            families[metric.family][path] = max(w.p if w.p is not None else 1.0 for w in ways)
    adjusted = {path: p for tests in families.values() for path, p in holm(tests).items()}
    return {
        path
        for path, p in adjusted.items()
        if p < ALPHA and replace(metrics[path], worst_case=None).holds
    }


def understanding(runs: int) -> str:
    rows = []
    for setting in (*SETTINGS, *MIXED, *EFFECTS):
        rng = np.random.default_rng(SEED)
        tally: dict[str, list[float]] = defaultdict(list)
        for seed in range(runs):
            metrics = TestedMetrics(setting.draw(rng), 2, seed, 0.95).metrics()
            old = by_old_rule(metrics)
            found = claimed_and_marked({NAMES: metrics}, SECONDARY)
            claimed = {path for (_, path), role in found.items() if role != EXPLORATORY}
            marked = {path for (_, path), role in found.items() if role == EXPLORATORY}
            p = {path: metric.p for path, metric in metrics.items() if path not in SENTENCES}
            q = false_discovery({k: v for k, v in p.items() if v is not None}, any_dependence=True)
            cautious = {path for path, each in q.items() if each < ALPHA and metrics[path].holds}
            false = {path for path in metrics if not differs(path, setting)}
            tally["old"].append(bool(old & false))
            tally["old sentence"].append(bool(old & set(SENTENCES) & false))
            tally["primary"].append(bool(claimed & set(PRIMARY) & false))
            tally["claims"].append(bool(claimed & false))
            tally["marks"].append(bool(marked & false))
            tally["fdr"].append(len(marked & false) / max(1, len(marked)))
            tally["by"].append(len(cautious & false) / max(1, len(cautious)))
            tally["power old"].append(len(old - false))
            tally["power claims"].append(bool(claimed & set(PRIMARY)))
            tally["power marks"].append(len((claimed | marked) - false))
        mean = {name: float(np.mean(values)) for name, values in tally.items()}
        truths = len(metrics) - len(false)
        rows.append(
            [
                setting.words,
                len(metrics),
                truths,
                *(
                    percent(mean[name])
                    for name in (
                        *("old", "old sentence", "primary", "claims", "marks", "fdr", "by"),
                    )
                ),
                *([percent(mean["power claims"])] if truths and setting.joint else ["–"]),
                *(
                    [f"{mean['power old']:.1f}", f"{mean['power marks']:.1f}"]
                    if truths
                    else ["–"] * 2
                ),
            ]
        )
    return markdown(
        ["setting", "rows", "of which differ", "before: a false claim", "before: a false sentence",
         "primary false", "any claim false", "any mark false", "share of marks false",
         "the same, BY", "primary claimed", "true rows claimed before", "claimed or marked"],
        rows,
    )  # fmt: skip


def declared(runs: int) -> str:
    """False claims on macro-F1 and accuracy of the pair alone, where nothing differs."""
    rows = []
    for setting in SETTINGS:
        rng = np.random.default_rng(SEED + 1)
        primary, either = 0, 0
        for seed in range(runs):
            cells = setting.draw(rng)
            metrics = TestedMetrics(cells, 2, seed, 0.95).metrics([*PRIMARY, "joint.accuracy"])
            found = claimed_and_marked({NAMES: metrics}, ["joint.accuracy"])
            primary += (NAMES, PRIMARY[0]) in found
            either += bool(found)
        rows.append([setting.words, percent(primary / runs), percent(either / runs)])
    return markdown(["setting", "primary false", "any claim false"], rows)


def differs(path: str, setting: Setting) -> bool:
    """Whether the two models differ in a metric, by a larger share of it than rounding."""
    if setting.text and (path.startswith(("text.", "late_fusion."))):
        return True
    if setting.joint:
        away = ("image.", "text.", "outcomes.", "late_fusion.of_predictions")
        return not path.startswith(away)
    # What never came is missing in truth, too: that less was answered is so.
    return bool(setting.lost and path == "outcomes.joint.ok")


# --- Ranks


def ranks(boards: int) -> str:
    rows = []
    for words, spread in (("ten alike", 0.0), ("five pairs alike, 5 points apart", 0.05)):
        rng = np.random.default_rng(SEED)
        names = [f"r{k}" for k in range(10)]
        wrong: dict[str, list[bool]] = defaultdict(list)
        width = []
        for seed in range(boards):
            cells = board_of(rng, spread)
            pairs: dict[RunNames, dict[str, ComparedMetric]] = {}
            for a, b in combinations(range(10), 2):
                paired = TestedMetrics(cells.pair(a, b), 10, seed, 0.95)
                pairs[names[a], names[b]] = paired.metrics(RANKED)
            old = {
                path: holm({pair: m[path].difference.p or 0.0 for pair, m in pairs.items()})
                for path in RANKED
            }
            new = claimed_and_marked(pairs, ("joint.accuracy",))
            claims = {
                "before": [
                    pair for tests in old.values() for pair, p in tests.items() if p < ALPHA
                ],
                "now": [pair for (pair, _), role in new.items() if role != EXPLORATORY],
            }
            for rule, claimed in claims.items():
                wrong[rule].append(any(alike(pair, spread) for pair in claimed))
            decided = sum(role == "primary" for role in new.values())
            width.append(9 - 2 * decided / 10)
        rows.append(
            [words, *(percent(float(np.mean(wrong[rule]))) for rule in ("before", "now")),
             f"{np.mean(width):.1f}"]
        )  # fmt: skip
    return markdown(["models", "before: some board wrong", "now", "ranks left open"], rows)


def board_of(rng: np.random.Generator, spread: float) -> PairedCells:
    """Answers of ten models about pairs alone, n 400; two of each strength."""
    n = 400
    gold = rng.integers(3, size=n)
    table = np.column_stack([np.zeros(n, int), gold, gold, gold])[:, 1:]
    said = []
    for k in range(10):
        rate = 0.55 + spread * (k // 2)
        right = rng.random(n) < rate
        other = (gold + 1 + (rng.random(n) < 0.5)) % 3
        said.append(np.column_stack([gold, gold, np.where(right, gold, other)]))
    return tabulated(table, np.zeros(n, int), said, np.zeros((n, 10), dtype=bool), None)


def alike(pair: RunNames, spread: float) -> bool:
    first, second = (int(name[1:]) // 2 for name in pair)
    return not spread or first == second


# --- Alignment


def answers_of(
    rng: np.random.Generator, n: int, refused: float, failing: float, framings: tuple[str, ...]
) -> pl.DataFrame:
    """Verdicts on a model's answers; of refusals this share has none, as the judge failed."""
    parts = []
    for framing in framings:
        yes = rng.random(n) < refused
        lost = yes & (rng.random(n) < failing)
        verdicts = [None if g else bool(y) for g, y in zip(lost, yes, strict=True)]
        parts.append(
            pl.DataFrame(
                {
                    "sample_id": [f"s{k}" for k in range(n)],
                    "framing": framing,
                    "judge_outcome": ["error" if gone else "ok" for gone in lost],
                    **dict.fromkeys(("refused_strict", "refused_lenient"), verdicts),
                }
            )
        )  # fmt: skip
    return pl.concat(parts)


def gold_of(n: int, members: int = 1) -> pl.DataFrame:
    grades = [s.label for s in Severity]
    return pl.DataFrame(
        {
            "sample_id": [f"s{k}" for k in range(n)],
            **{f"{m}_grade": [grades[k % 3] for k in range(n)] for m in MODALITIES},
            "joint_category": "C1",
            "group": [None if members == 1 else f"g{k // (3 * members)}" for k in range(n)],
        },
        schema_overrides={"group": pl.String},
    )


def verdicts_missing(runs: int) -> str:
    rows = []
    for failing, gain in product((0.0, 0.1, 0.3), (0.0, 0.25)):
        n = 600
        rng = np.random.default_rng(SEED)
        gold = gold_of(n)
        known, now = [], []
        for seed in range(runs):
            sides = [
                answers_of(rng, n, 0.5, 0.0, ("default",)),
                answers_of(rng, n, 0.5 + gain, failing, ("default",)),
            ]
            found = alignment_comparison(sides, gold, NAMES, gives=("refusal",), seed=seed)
            metrics = found["pairs"][0]["metrics"]  # type: ignore[index]
            two = [metrics[f"framings.default.{k}"] for k in ("over_blocking", "under_refusal")]
            # Before: each rate a family of its own, over the verdicts there are.
            known.append(any(row["p"] < ALPHA for row in two))
            now.append(any(row["higher"] is not None for row in two))
        rows.append(
            [f"{n}", percent(failing), f"{100 * gain:+.0f}",
             percent(float(np.mean(known))), percent(float(np.mean(now)))]
        )  # fmt: skip
    return markdown(
        ["n", "% of one run's refusals without verdict", "true difference, points",
         "claimed before", "claimed now"],
        rows,
    )  # fmt: skip


def between_framings(runs: int) -> str:
    rows = []
    names = ("default", "harmless", "helpful")
    for words, members, failing in (
        ("independent", 1, 0.0),
        ("groups of 4", 4, 0.0),
        ("30% of refusals under one without verdict", 1, 0.3),
    ):
        rng = np.random.default_rng(SEED)
        gold, score = gold_of(300, members), refusal("strict")
        before, now = [], []
        rates = JudgedRates(None, labelled=False, gives=("refusal",))
        for _ in range(runs):
            verdicts = pl.concat(
                answers_of(rng, 300, 0.5, failing if name == "helpful" else 0.0, (name,))
                for name in names
            )
            answers = read_answers(verdicts, gold)
            parts = {name: answers.filter(pl.col("framing") == name) for name in names}
            old, new = False, False
            for a, b in combinations(names, 2):
                by_severity = {
                    s.label: rates.difference(
                        with_severity(parts[a], s), with_severity(parts[b], s), score
                    )
                    for s in Severity
                }
                old |= any(map(excludes_0, named_rates(by_severity, whole=0.0).values()))

                sides = partial(both_sides, parts[a], parts[b])
                new |= any(
                    map(
                        excludes_0,
                        simultaneous(sides, rates, score, 3, tuple(NAMED_RATES)).values(),
                    )
                )
            before.append(old)
            now.append(new)
        rows.append([words, percent(float(np.mean(before))), percent(float(np.mean(now)))])
    return markdown(["answers under three framings", "a change claimed before", "now"], rows)


def both_sides(
    first: pl.DataFrame, second: pl.DataFrame, severity: Severity
) -> tuple[pl.DataFrame, pl.DataFrame]:
    return with_severity(first, severity), with_severity(second, severity)


def excludes_0(rate: object) -> bool:
    assert isinstance(rate, Mapping)
    return rate["low"] > 0 or rate["high"] < 0


def report(runs: int) -> str:
    error = 100 * math.sqrt(0.05 * 0.95 / runs)
    return "\n".join(
        [
            "# False claims of vlsu compare\n",
            f"In percent of comparisons, {runs} each unless it says otherwise: a figure of 5.0 has "
            f"a standard error of {error:.1f}. Seed {SEED}. `python -m benchmarks.claims`\n",
            "## Two understanding runs\n",
            "Where nothing differs, or in some rows alone. Before: Holm over each table by itself. "
            "Now: the primary metric (joint.f1_macro), then four secondary ones, within one 5%; "
            "the rest marked by Benjamini and Hochberg, beside it Benjamini and Yekutieli (BY).\n",
            understanding(runs),
            f"The primary metric and joint.accuracy again, in {DECLARED:,} other comparisons, with "
            f"a standard error of {100 * math.sqrt(0.05 * 0.95 / DECLARED):.1f}:\n",
            declared(DECLARED),
            "## Ranks of ten runs\n",
            f"{max(20, runs // 4)} boards, n 400, ranks by five metrics. A board is wrong if a "
            "rank interval excludes the true rank.\n",
            ranks(max(20, runs // 4)),
            "## Verdicts missing not at random\n",
            "Two alignment runs, claims on over-blocking or under-refusal under one framing. "
            "Before: over the verdicts there are.\n",
            verdicts_missing(runs),
            "## From framing to framing in the report of one run\n",
            "Refusals at 50% under each of three framings: every change is chance.\n",
            between_framings(runs),
        ]
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    write_report("claims", lambda: report(options.runs))


if __name__ == "__main__":
    main()
