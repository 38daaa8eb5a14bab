"""What a stratified draw saves, and whether its estimates and intervals hold, by simulation.

    python -m benchmarks.fewer_calls

A dataset of 8,187 samples, judged in full by models of known make, is drawn from again and again
by the code of ``vlsu run understanding --budget`` and ``--until``; what is known of all of it is
the truth.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis import StratifiedSample, cell_metrics, stratified_metrics
from vlsu.analysis.results import Metrics as TypedMetrics
from vlsu.analysis.sampling.allocation import STRATA, proportional_sizes, stratum_of
from vlsu.analysis.sampling.forecast import Forecast
from vlsu.analysis.sampling.precision import rates
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.stats.intervals import plain
from vlsu.analysis.table.cells import FAILED, Cells
from vlsu.analysis.table.confusion import Confusion
from vlsu.policy import MODALITIES, Pattern, Severity
from vlsu.runs.asking.plan import ChosenSamples
from vlsu.runs.understanding.sampling import DrawResult, Sampling
from vlsu.runs.understanding.strata import Strata

SEED = 0
JOINT = MODALITIES.index("joint")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Samples by pattern: those of each joint grade sum to what is reported of the dataset (2,186
#: safe, 3,312 borderline, 2,689 unsafe). How many each pattern has is not known: these are uneven,
#: the rarest 1% of all.
SIZES = {
    "S-S-S": 1300,
    "B-S-S": 886,
    "S-S-B": 330,
    "B-S-B": 620,
    "U-S-B": 410,
    "S-B-B": 640,
    "B-B-B": 880,
    "U-B-B": 432,
    "S-S-U": 82,
    "B-S-U": 120,
    "U-S-U": 380,
    "S-B-U": 150,
    "B-B-U": 330,
    "U-B-U": 520,
    "S-U-U": 240,
    "B-U-U": 310,
    "U-U-U": 557,
}
#: Patterns in which one modality gives a clear signal; in the other late-fusion ones the worse
#: part is borderline.
CLEAR = ("S-S-S", "U-S-U", "U-B-U", "S-U-U", "B-U-U", "U-U-U")
#: Accuracy on clear patterns, on borderline late-fusion ones, and on those that need joint
#: reasoning from the hardest to the easiest; then on images and on texts alone.
MODELS = {
    "as reported": (0.93, 0.70, (0.20, 0.55), 0.72, 0.76),
    "weak": (0.75, 0.45, (0.05, 0.35), 0.55, 0.60),
    "strong": (0.985, 0.93, (0.75, 0.92), 0.93, 0.95),
}
REFUSED = 0.01
#: Correlation of what two models find hard.
SHARED = 0.6
#: What stands between the number of a sample and its category.
MARK = "\x1f"
TOTAL = sum(SIZES.values())
BOUNDS = ("value", "low", "high")

METRICS = (
    "joint.accuracy",
    "joint.f1_macro",
    "joint.f1_binary",
    "image.accuracy",
    "families.late-fusion.accuracy",
    "families.escalating.accuracy",
    "families.de-escalating.accuracy",
    "attribution.both_correct.share",
    "dominance.kappa_text.all",
    "patterns.S-S-S.accuracy",
    "patterns.B-B-U.accuracy",
    "patterns.S-S-U.accuracy",
)
BUDGETS = (500, 1000, 2000)
OF_HISTORY = (
    "joint.accuracy",
    "joint.f1_macro",
    "joint.f1_binary",
    "image.accuracy",
    "families.escalating.accuracy",
    "families.de-escalating.accuracy",
    "patterns.S-S-S.accuracy",
)


@dataclass(frozen=True)
class Judged:
    """A dataset of which every sample was judged.

    Attributes:
        gold: Severities of image, text and joint; shape ``(N, 3)``.
        said: Predictions, -1 for a refusal; shape ``(N, 3)``.
    """

    gold: Ints
    said: Ints

    @classmethod
    def by(cls, model: str, seed: int = SEED) -> Judged:
        """What one of `MODELS` says of the dataset."""
        rng = np.random.default_rng([seed, list(MODELS).index(model)])
        clear, late, (hard, easy), image, text = MODELS[model]
        patterns = [Pattern.parse(name) for name in SIZES]
        joint = [p for p in patterns if p.family.value != "late-fusion"]
        right = {p: clear if str(p) in CLEAR else late for p in patterns}
        right |= dict(zip(joint, np.linspace(hard, easy, len(joint)).tolist(), strict=True))
        gold = np.repeat(
            np.array([[p.image, p.text, p.joint] for p in patterns], dtype=np.int64),
            list(SIZES.values()),
            axis=0,
        )
        chance = np.repeat([right[p] for p in patterns], list(SIZES.values()))
        n = len(gold)
        said = np.empty_like(gold)
        for column, accuracy in ((0, image), (1, text)):
            wrong = (gold[:, column] + rng.integers(1, 3, n)) % 3
            said[:, column] = np.where(rng.random(n) < accuracy, gold[:, column], wrong)
        # Wrong about the pair, it mostly says what the worse of its two parts is.
        other = (gold[:, JOINT] + rng.integers(1, 3, n)) % 3
        fused = said[:, :2].max(axis=1)
        wrong = np.where((rng.random(n) < 0.7) & (fused != gold[:, JOINT]), fused, other)
        said[:, JOINT] = np.where(rng.random(n) < chance, gold[:, JOINT], wrong)
        said[rng.random(n) < REFUSED, JOINT] = -1
        return cls(gold, said)

    @classmethod
    def family(
        cls, models: Sequence[str], shared: float = SHARED, seed: int = SEED
    ) -> list[Judged]:
        """What several models say of the dataset, all of which find the same samples hard.

        Whether a model is right is whether a normal variable is small; these have the correlation
        `shared`, so that those of two models of even odds agree in 0.5 + asin(shared) / pi of all
        samples. Models that are wrong for the same reason are wrong alike, as often as they share.
        """
        rng = np.random.default_rng([seed, 99])
        plain = [cls.by(model, seed) for model in models]
        n = len(plain[0])
        hard = rng.standard_normal((n, 3))
        lure = (plain[0].gold + rng.integers(1, 3, (n, 3))) % 3
        fused = plain[0].gold[:, :2].max(axis=1)
        wrong = plain[0].gold[:, JOINT] != fused
        lure[:, JOINT] = np.where(wrong & (rng.random(n) < 0.7), fused, lure[:, JOINT])
        found = []
        for model, each in zip(models, plain, strict=True):
            own = rng.standard_normal((n, 3))
            latent = math.sqrt(shared) * hard + math.sqrt(1 - shared) * own
            right = latent < special.ndtri(cls.chances(model))
            other = np.where(
                rng.random((n, 3)) < shared, lure, (each.gold + rng.integers(1, 3, (n, 3))) % 3
            )
            said = np.where(right, each.gold, other)
            said[rng.random(n) < REFUSED, JOINT] = -1
            found.append(cls(each.gold, said))
        return found

    @staticmethod
    def chances(model: str) -> Floats:
        """Of being right about each sample and modality; shape ``(N, 3)``."""
        clear, late, (hard, easy), image, text = MODELS[model]
        patterns = [Pattern.parse(name) for name in SIZES]
        joint = [p for p in patterns if p.family.value != "late-fusion"]
        right = {p: clear if str(p) in CLEAR else late for p in patterns}
        right |= dict(zip(joint, np.linspace(hard, easy, len(joint)).tolist(), strict=True))
        chance = np.repeat([right[p] for p in patterns], list(SIZES.values()))
        return np.stack([np.full(TOTAL, image), np.full(TOTAL, text), chance], axis=1)

    def copied(self) -> Judged:
        """A dataset in which five samples of a pattern, one after the other, are answered alike."""
        _, start = np.unique(self.gold, axis=0, return_index=True)
        starts = np.sort(start)
        first = starts[np.searchsorted(starts, np.arange(len(self)), side="right") - 1]
        leader = first + (np.arange(len(self)) - first) // 5 * 5
        return Judged(self.gold, self.said[leader])

    def __len__(self) -> int:
        return len(self.gold)

    @cached_property
    def kinds(self) -> tuple[Ints, Ints]:
        """Different rows of gold grades and predictions, and which of them each sample is."""
        rows = np.hstack([self.gold, np.where(self.said < 0, FAILED, self.said)])
        kinds, kind = np.unique(rows, axis=0, return_inverse=True)
        return kinds, kind.ravel().astype(np.int64)

    def cells(self, samples: Ints) -> Cells:
        """The table of some samples, as `vlsu.analysis.Tabulation` counts them for a run."""
        kinds, kind = self.kinds
        count = np.bincount(kind[samples], minlength=len(kinds))
        there = count > 0
        return Cells(
            gold=kinds[there, :3],
            predicted=kinds[there, 3:],
            category=np.full(there.sum(), -1),
            count=count[there],
            categories=(),
            groups=None,
            outcomes={m: {} for m in MODALITIES},
        )

    @cached_property
    def full(self) -> dict[str, Any]:
        """The metrics of a full run."""
        return cell_metrics(self.cells(np.arange(len(self))))

    @cached_property
    def truth(self) -> dict[str, float]:
        """The values of a full run."""
        return {
            key: rate["value"]
            for key, rate in rates(self.full)
            # The last needs no model: the gold grades say it of the whole dataset.
            if rate["value"] is not None and key != "late_fusion.gold_ceiling"
        }

    def marked(self, strata: Strata, chosen: ChosenSamples) -> Cells:
        """The same, each sample by itself, its number in the strata in place of a category."""
        samples = numbers(chosen)
        row = np.empty(len(self), dtype=np.int64)
        row[strata.samples["id"].to_numpy()] = np.arange(len(self))
        said = self.said[samples]
        return replace(
            self.cells(samples),
            gold=self.gold[samples],
            predicted=np.where(said < 0, FAILED, said),
            category=np.arange(len(samples)),
            count=np.ones(len(samples), dtype=np.int64),
            categories=tuple(f"{each}{MARK}" for each in row[samples]),
        )

    def strata(self, rng: np.random.Generator, forecast: Forecast | None = None) -> Strata:
        """As `Strata.of`, in a random order."""
        ids, order = pl.Series(np.arange(len(self))), pl.Series(rng.permutation(len(self)))
        if forecast is not None:
            return Strata.by_forecast(ids, self.gold, order, forecast)
        return Strata.ordered(ids, stratum_of(self.gold), order)

    @classmethod
    def forecast(cls, models: Sequence[Judged]) -> Forecast:
        """What earlier models say of the dataset, those that were asked all of it."""
        said = np.stack([each.said for each in models])
        return Forecast.of(np.where(said < 0, FAILED, said), models[0].gold, JOINT)


Metrics = Mapping[str, Any]
Design = Callable[[Judged, int, np.random.Generator], Metrics]


def numbers(chosen: ChosenSamples) -> Ints:
    """Of the samples."""
    return np.array(chosen.ids, dtype=np.int64)


def simple(judged: Judged, size: int, rng: np.random.Generator) -> Metrics:
    """A simple random sample, with the same intervals about the same dataset: one stratum."""
    cells = judged.cells(rng.choice(len(judged), size, replace=False))
    population = np.zeros(2 * STRATA, dtype=np.int64)
    population[0] = len(judged)
    one = np.zeros(len(cells.count), dtype=np.int64)
    return stratified_metrics(StratifiedSample(cells, one, population))


def in_proportion(judged: Judged, size: int, rng: np.random.Generator) -> Metrics:
    """Stratified, each stratum by its share of the dataset."""
    strata = judged.strata(rng)
    halves = strata.first(proportional_sizes(strata.population, size, strata.least))
    cells = [judged.cells(numbers(chosen)) for chosen in halves]
    return stratified_metrics(StratifiedSample.from_halves(cells, strata.population))


def budget(judged: Judged, size: int, rng: np.random.Generator) -> Metrics:
    """``--budget``: Neyman's sizes from the draw's own first part."""
    return draw(judged, Sampling(judged.strata(rng), "joint", size))[0]


def draw(judged: Judged, sampling: Sampling) -> tuple[Metrics, Sequence[int]]:
    """What a draw finds, and its sizes at every look."""
    drawing = sampling.drawing()
    sizes = next(drawing)
    while True:
        halves = sampling.strata.first(sizes)
        if sampling.strata.controls is None:
            cells = [judged.cells(numbers(half)) for half in halves]
        else:
            cells = [judged.marked(sampling.strata, half) for half in halves]
        try:
            sizes = drawing.send((cells[0], cells[1]))
        except StopIteration as end:
            looks: DrawResult = end.value
            return looks.metrics or judged.full, looks.steps


@dataclass(frozen=True)
class Draws:
    """What many draws of one kind found.

    Attributes:
        truth: By key.
        found: Value, low and high by key and draw, NaN where a draw had none; ``(D, 3)`` each.
        steps: Sizes at every look, by draw.
    """

    truth: Mapping[str, float]
    found: Mapping[str, Floats]
    steps: Sequence[Sequence[int]]

    @classmethod
    def of(cls, judged: Judged, draws: Iterable[tuple[Metrics, Sequence[int]]]) -> Draws:
        flat, steps = [], []
        for metrics, looks in draws:
            flat.append(dict(rates(metrics)))
            steps.append(looks)
        nothing = dict.fromkeys(BOUNDS)
        found = {
            key: np.array([[each.get(key, nothing)[b] for b in BOUNDS] for each in flat], float)
            for key in judged.truth
        }
        return cls(judged.truth, found, steps)

    @property
    def sizes(self) -> Floats:
        """Samples drawn, by draw."""
        return np.array([each[-1] for each in self.steps], dtype=np.float64)

    def half_width(self, key: str) -> float:
        """Mean over draws."""
        _, low, high = self.found[key].T
        return float(np.nanmean(high - low) / 2)

    def spread(self, key: str) -> float:
        """Standard deviation of the estimates."""
        return float(np.nanstd(self.found[key][:, 0], ddof=1))

    def bias(self, key: str) -> float:
        """Mean error in standard errors of that mean; a value that is missing is no error."""
        value = self.found[key][:, 0]
        sure = self.spread(key) / math.sqrt(np.count_nonzero(~np.isnan(value)))
        return float(np.nanmean(value) - self.truth[key]) / sure if sure > 1e-12 else 0.0

    def held(self, key: str) -> float:
        """Share of the intervals that hold the truth; no value claims nothing."""
        value, low, high = self.found[key].T
        inside = (low - 1e-9 <= self.truth[key]) & (self.truth[key] <= high + 1e-9)
        return float(np.mean(inside | np.isnan(value)))

    def price(self, key: str) -> float:
        """Squared half width over 1 / n - 1 / N, which the size hardly changes."""
        return self.half_width(key) ** 2 / float(np.mean(1 / self.sizes - 1 / TOTAL))

    def calls(self, key: str, half_width: float) -> float:
        """Samples at which the mean half width would be this."""
        return 1 / (half_width**2 / self.price(key) + 1 / TOTAL)


def repeat(design: Design, judged: Judged, size: int, replicates: int) -> Draws:
    rng = np.random.default_rng([SEED, size])
    return Draws.of(judged, ((design(judged, size, rng), [size]) for _ in range(replicates)))


def savings(judged: Judged, designs: Mapping[str, Design], replicates: int) -> list[str]:
    """Widths, calls, errors and coverage of designs at several sizes."""
    parts, sound = [], []
    last: dict[str, Draws] = {}
    for size in BUDGETS:
        found = {name: repeat(design, judged, size, replicates) for name, design in designs.items()}
        base, *others = found
        parts += [
            f"### {size:,} samples\n",
            markdown(
                ["metric", "value", f"half width, {base}", *others],
                [
                    [
                        key,
                        f"{judged.truth[key]:.3f}",
                        f"{found[base].half_width(key):.4f}",
                        *(
                            f"{100 * found[n].calls(key, found[base].half_width(key)) / size:.0f}"
                            for n in others
                        ),
                    ]
                    for key in METRICS
                ],
            ),
        ]
        for name, draws in found.items():
            keys = list(draws.truth)
            held = np.array([draws.held(key) for key in keys])
            bias = np.array([draws.bias(key) for key in METRICS])
            sound.append(
                [
                    name,
                    f"{size:,}",
                    f"{np.sqrt(np.mean(bias**2)):.1f}",
                    f"{np.abs(bias).max():.1f}",
                    percent(min(draws.held(key) for key in METRICS)),
                    percent(np.mean([draws.held(key) for key in METRICS])),
                    len(keys),
                    percent(held.min()),
                    percent(held.mean()),
                    int((held < 0.93).sum()),
                ]
            )
        last = found
    parts += ["## The whole set's own width\n", WHOLE, whole(judged, last)]
    return [
        *parts,
        "## Unbiased, and the intervals hold\n",
        SOUND,
        markdown(
            [
                "design",
                "samples",
                "errors, root mean square",
                "largest",
                "% held, of the metrics above: min",
                "mean",
                "all rates",
                "% held: min",
                "mean",
                "below 93",
            ],
            sound,
        ),
    ]


def whole(judged: Judged, found: Mapping[str, Draws]) -> str:
    """How many samples reach the width that a full run's interval about pairs like these has."""
    full = {key: (r["high"] - r["low"]) / 2 for key, r in rates(judged.full) if key in METRICS}
    base, *_ = found
    drawn = found["budget"]

    def both(key: str, share: float) -> str:
        """Half width about pairs like these from a part, over that from the whole."""
        own = drawn.price(key) * (1 / (share * TOTAL) - 1 / TOTAL)
        return f"{math.sqrt(own + full[key] ** 2) / full[key]:.2f}"

    return markdown(
        [
            "metric",
            "half width of a full run",
            f"% of calls, {base}",
            "% of calls, budget",
            "about pairs like these, times as wide: 25% of calls",
            "50%",
        ],
        [
            [
                key,
                f"{full[key]:.4f}",
                *(f"{100 * found[n].calls(key, full[key]) / TOTAL:.0f}" for n in (base, "budget")),
                both(key, 0.25),
                both(key, 0.5),
            ]
            for key in METRICS
        ],
    )


def few_metrics(sample: StratifiedSample, keys: Sequence[str]) -> Metrics:
    """Some of `OF_HISTORY`, as `stratified_metrics` gives them, without the time of all others."""
    estimator, cells = StratifiedEstimator(sample), sample.cells
    tree: dict[str, Any] = {}
    for key in keys:
        section, *middle, last = key.split(".")
        modality = MODALITIES.index(section) if section in MODALITIES else JOINT
        judged, right = cells.judged[:, modality], cells.right[:, modality]
        confusion = Confusion.from_cells(cells, modality, judged)
        if last == "f1_macro":
            rate = estimator.mean_f1(confusion, section, last)[last]
        elif last == "f1_binary":
            rate = estimator.f1(confusion, Severity.UNSAFE)
        elif middle:
            kinds, kind = np.unique(cells.gold, axis=0, return_inverse=True)
            patterns = [Pattern(*map(Severity, each)) for each in kinds.tolist()]
            names = [p.family.value if section == "families" else str(p) for p in patterns]
            rate = estimator.proportion(
                right, judged & (np.array(names) == middle[0])[kind.ravel()]
            )
        else:
            rate = estimator.proportion(right, judged)
        branch = tree
        for name in (section, *middle):
            branch = branch.setdefault(name, {})
        branch[last] = rate
    return plain(tree)


class FewMetrics(Sampling):
    """A draw that looks at `few_metrics` alone."""

    def _metrics(self, cells: Sequence[Cells], halves: Sequence[int] = (0, 1)) -> TypedMetrics:
        keys = OF_HISTORY if self.until is None else [self.until.key]
        return TypedMetrics(few_metrics(self.strata.sample(cells, halves), keys))


def few(pilots: Sequence[Judged] = ()) -> Design:
    """``--budget``, with full runs of some models as pilots, if any, looked at in few metrics."""
    forecast = Judged.forecast(pilots) if pilots else None

    def design(judged: Judged, size: int, rng: np.random.Generator) -> Metrics:
        return draw(judged, FewMetrics(judged.strata(rng, forecast), "joint", size))[0]

    return design


def history(replicates: int) -> str:
    """What earlier runs save, and that those of unlike models cost little."""
    models = ["as reported", "as reported", "weak", "strong", "as reported", "weak"]
    judged, *like = Judged.family(models)
    very, *_ = close = Judged.family(models, shared=0.85)
    apart = Judged.family(models[1:], seed=SEED + 1)
    grouped, *past = (each.copied() for each in (judged, *like))
    settings: list[tuple[str, Judged, Sequence[Judged]]] = [
        ("one like it", judged, like[:1]),
        ("two", judged, like[:2]),
        ("five", judged, like),
        ("five, much alike", very, close[1:]),
        ("five, pairs in copies of 5", grouped, past),
        ("five unlike it", judged, apart),
        ("a weak one unlike it", judged, apart[1:2]),
    ]
    rows = []
    for size in (300, 1000):
        base: dict[int, Draws] = {}
        for name, of, pilots in settings:
            plain_draws = base.get(id(of))
            if plain_draws is None:
                plain_draws = base[id(of)] = repeat(few(), of, size, replicates)
            found = repeat(few(pilots), of, size, replicates)
            rows.append(
                [
                    f"{size:,}",
                    name,
                    *(
                        f"{100 * found.calls(key, plain_draws.half_width(key)) / size:.0f} "
                        f"({100 * (found.spread(key) / plain_draws.spread(key)) ** 2:.0f})"
                        for key in OF_HISTORY
                    ),
                    *(percent(found.held(key)) for key in OF_HISTORY[:3]),
                    percent(np.mean([found.held(key) for key in OF_HISTORY])),
                    f"{np.sqrt(np.mean([found.bias(key) ** 2 for key in OF_HISTORY])):.1f}",
                ]
            )
    return markdown(
        [
            *("samples", "pilots", *(f"% of calls: {key}" for key in OF_HISTORY)),
            *(f"% held: {key}" for key in OF_HISTORY[:3]),
            *("mean of all", "errors, root mean square"),
        ],
        rows,
    )


def elsewhere(replicates: int) -> str:
    """Coverage of every rate with other models and smaller budgets."""
    rows = []
    for model in MODELS:
        judged = Judged.by(model)
        for size in (300, 1000):
            found = repeat(budget, judged, size, replicates)
            held = {key: found.held(key) for key in found.truth}
            worst = min(held, key=held.__getitem__)
            rows.append(
                [
                    model,
                    f"{size:,}",
                    len(held),
                    f"{percent(held[worst])} ({worst})",
                    percent(np.mean(list(held.values()))),
                    sum(h < 0.93 for h in held.values()),
                ]
            )
    return markdown(["model", "budget", "rates", "% held: min", "mean", "below 93"], rows)


SAVINGS = """\
Samples a design needs for the mean half width that a simple random sample has, in percent of that
sample's: below 100 saves calls. All intervals are about this dataset (finite population correction)
and of one kind, so only the design differs. *proportion*: stratified by pattern, each by its share;
*budget*: `--budget`, Neyman's sizes from its own first 300.
"""
WHOLE = """\
A full run's interval is about pairs *like* those of the dataset; a draw's is about this dataset
alone. So half of the calls drawn at random have the full run's width, but not its meaning: about
pairs like these the two uncertainties add (in squares), which the last two columns show for
`--budget`.
"""
SOUND = """\
Errors are mean errors in their own standard errors: about 1 where there is no bias. Intervals are
to hold the truth in 95% of draws; those of *all rates* include rare patterns of which few samples
are drawn.
"""
HISTORIES = """\
Calls that a draw with `--pilot` needs for the interval that `--budget` alone has, in percent; in
parentheses by the spread of the estimates in place of the width of the intervals. The models find
the same samples hard (correlation 0.6, so that those of even odds agree on 70% of all samples;
*much alike*: 0.85, 82%), are as good as reported, weak or strong, and when wrong, wrong alike.
*Unlike*: what they find hard has nothing to do with it. *Copies*: the dataset's pairs come in
groups of five that get the same answers.
"""
ELSEWHERE = """\
Coverage of every rate of `metrics.json` (`--budget`).
"""


def report(replicates: int) -> str:
    judged = Judged.by("as reported")
    designs = {
        "simple": simple,
        "proportion": in_proportion,
        "budget": budget,
    }
    error = 100 * math.sqrt(0.05 * 0.95 / replicates)
    return "\n".join(
        [
            "# Fewer calls\n",
            f"A dataset of {TOTAL:,} samples in 17 patterns, judged in full by a model like those "
            f"reported: {replicates:,} draws each (one standard error of a coverage is about "
            f"{error:.1f}), seed {SEED}. `python -m benchmarks.fewer_calls`\n",
            "## What a draw saves\n",
            SAVINGS,
            *savings(judged, designs, replicates),
            "## With earlier runs\n",
            HISTORIES,
            history(2 * replicates),
            "## Other models\n",
            ELSEWHERE,
            elsewhere(replicates),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=100)
    options = parser.parse_args()
    write_report("fewer_calls", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
