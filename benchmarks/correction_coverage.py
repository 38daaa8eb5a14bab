"""How often the intervals of corrected rates hold the true rate, by simulation.

    python -m benchmarks.correction_coverage

A judge of known sensitivity and specificity is validated on labels and judges a run whose true
rate of refusals is known, thousands of times over.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.alignment.calibration import WEAKEST, BinaryCounts
from vlsu.analysis.alignment.correction import JudgeErrors, bounded, rogan_gladen_bounds
from vlsu.analysis.alignment.prediction_powered import FEWEST_LABELS
from vlsu.analysis.stats.intervals import wilson_bounds
from vlsu.analysis.stats.jeffreys import modified_jeffreys

SEED = 0
Z = 1.959963984540054

LEVELS = (0.99, 0.95, 0.9, 0.8, 0.7)
LABELS = (100, 300, 1000)
ANSWERS = (300, 2000)
RATES = (0.02, 0.1, 0.5, 0.9)
#: Sensitivity and specificity of judges from useless to fair.
WEAK = ((0.5, 0.5), (0.55, 0.55), (0.6, 0.6), (0.65, 0.65), (0.7, 0.7), (0.2, 0.95), (0.95, 0.3))
PAIRS = ((0.99, 0.99), (0.95, 0.95), (0.9, 0.9), (0.8, 0.8), (0.7, 0.7), (0.99, 0.7), (0.7, 0.99))

#: Judges worth little or nothing: labels in the run need no good judge.
POOR = ((0.5, 0.5), (0.95, 0.3), (0.3, 0.95))
POWERED_LABELS = (8, 12, 20, 30, 50, 100, 300)
POWERED_ANSWERS = (400, 2000)
_HALF = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4)
POWERED_RATES = (*_HALF, 0.5, *(round(1 - p, 3) for p in reversed(_HALF)))

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Replicates of a validation and a run.

    Attributes:
        hits: Answers judged refusals, of `n`.
        tp: Refusals found, of `positives` labelled refusals.
        fp: False alarms, of `negatives` other labelled answers.
    """

    hits: Floats
    n: int
    tp: Floats
    positives: int
    fp: Floats
    negatives: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting of the simulation and what came out.

    Attributes:
        rate: The true rate.
        held: Share of intervals that hold it.
        width: Mean width of the intervals.
        passed: Share of replicates whose judge is strong enough to correct.
        held_passed: Share that hold it among those that pass; NaN for none.
    """

    sensitivity: float
    specificity: float
    labels: int
    answers: int
    rate: float
    held: float
    width: float
    passed: float = 1.0
    held_passed: float = np.nan


Method = Callable[[Simulated], tuple[Floats, Floats]]


def ours(run: Simulated) -> tuple[Floats, Floats]:
    """`vlsu.analysis.alignment.correction`."""
    ones = np.ones_like(run.hits)
    judge = JudgeErrors.estimate(run.tp, run.positives * ones, run.fp, run.negatives * ones)
    _, low, high = rogan_gladen_bounds(bounded(run.hits / run.n, run.n * ones), judge)
    return low, high


def lang_reiczigel(run: Simulated) -> tuple[Floats, Floats]:
    """Lang and Reiczigel (2014): a shifted Wald interval on counts with pseudo-observations."""
    q = (run.hits + Z**2 / 2) / (run.n + Z**2)
    se = (run.tp + 1) / (run.positives + 2)
    sp = (run.negatives - run.fp + 1) / (run.negatives + 2)
    youden = se + sp - 1
    p = (q + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / (run.positives + 2), sp * (1 - sp) / (run.negatives + 2)
    shift = 2 * Z**2 * (p * of_se - (1 - p) * of_sp)
    spread = q * (1 - q) / (run.n + Z**2) + p**2 * of_se + (1 - p) ** 2 * of_sp
    half = Z * np.sqrt(spread) / np.abs(youden)
    return np.clip(p + shift - half, 0, 1), np.clip(p + shift + half, 0, 1)


def delta(run: Simulated) -> tuple[Floats, Floats]:
    """The delta method (Rogan and Gladen 1978), normal."""
    q, se, sp = run.hits / run.n, run.tp / run.positives, 1 - run.fp / run.negatives
    youden = se + sp - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        p = (q + sp - 1) / youden
        spread = q * (1 - q) / run.n + p**2 * se * (1 - se) / run.positives
        spread = spread + (1 - p) ** 2 * sp * (1 - sp) / run.negatives
        half = Z * np.sqrt(spread) / np.abs(youden)
        return np.clip(p - half, 0, 1), np.clip(p + half, 0, 1)


METHODS: dict[str, Method] = {"ours": ours, "Lang–Reiczigel": lang_reiczigel, "delta": delta}


def simulate(
    rng: np.random.Generator,
    sensitivity: float,
    specificity: float,
    labels: int,
    answers: int,
    rate: float,
    *,
    refusals: float,
    replicates: int,
) -> Simulated:
    """Replicates with a share `refusals` of the labels on refusals."""
    positives = round(labels * refusals)
    negatives = labels - positives
    judged = rate * sensitivity + (1 - rate) * (1 - specificity)
    return Simulated(
        hits=rng.binomial(answers, judged, replicates).astype(float),
        n=answers,
        tp=rng.binomial(positives, sensitivity, replicates).astype(float),
        positives=positives,
        fp=rng.binomial(negatives, 1 - specificity, replicates).astype(float),
        negatives=negatives,
    )


def grid(
    methods: Iterable[str] = METHODS,
    *,
    levels: Sequence[float] = LEVELS,
    labels: Sequence[int] = LABELS,
    answers: Sequence[int] = ANSWERS,
    rates: Sequence[float] = RATES,
    refusals: float = 0.5,
    replicates: int = 5000,
) -> dict[str, list[Cell]]:
    """Coverage by method over all judges, label counts, run sizes and true rates."""
    rng = np.random.default_rng(SEED)
    cells: dict[str, list[Cell]] = {method: [] for method in methods}
    for se, sp, m, n, p in product(levels, levels, labels, answers, rates):
        run = simulate(rng, se, sp, m, n, p, refusals=refusals, replicates=replicates)
        for method, found in cells.items():
            low, high = METHODS[method](run)
            held = float(np.mean((low <= p) & (p <= high)))
            found.append(Cell(se, sp, m, n, p, held, float(np.nanmean(high - low))))
    return cells


def weak_judges(replicates: int = 2000) -> list[Cell]:
    """Coverage for judges around the limit, with the share that `too_weak` lets pass."""
    rng = np.random.default_rng(SEED)
    cells = []
    for (se, sp), m in product(WEAK, LABELS):
        held, width, passed, both = [], [], [], []
        for n, p in product(ANSWERS, RATES):
            run = simulate(rng, se, sp, m, n, p, refusals=0.5, replicates=replicates)
            low, high = ours(run)
            holds, passes = (low <= p) & (p <= high), youden_low(run) > WEAKEST
            held.append(holds.mean())
            width.append(np.mean(high - low))
            passed.append(passes.mean())
            both.append((holds & passes).mean())
        share, joint = float(np.mean(passed)), float(np.mean(both))
        cells.append(
            Cell(
                se,
                sp,
                m,
                answers=0,
                rate=np.nan,
                held=float(np.mean(held)),
                width=float(np.mean(width)),
                passed=share,
                held_passed=joint / share if share else np.nan,
            )
        )
    return cells


def youden_low(run: Simulated) -> Floats:
    """The low bound of J that `too_weak` looks at."""
    seen: dict[tuple[float, float], float] = {}
    for pair in zip(run.tp.tolist(), run.fp.tolist(), strict=True):
        if pair not in seen:
            tp, fp = map(int, pair)
            counts = BinaryCounts(tp=tp, fn=run.positives - tp, tn=run.negatives - fp, fp=fp)
            seen[pair] = counts.youden.low or 0.0
    return np.array([seen[pair] for pair in zip(run.tp.tolist(), run.fp.tolist(), strict=True)])


@dataclass(frozen=True, slots=True)
class Labelled:
    """Replicates of a run whose answers are partly labelled.

    Attributes:
        answers: In the run.
        share: Of answers judged refusals, in the run.
        called, others: Labelled answers judged refusals, and not.
        right, missed: Refusals among the two.
    """

    answers: int
    share: Floats
    called: Floats
    others: Floats
    right: Floats
    missed: Floats


Bounds = Callable[[Floats, Floats], tuple[Floats, Floats]]
PoweredMethod = Callable[[Labelled], tuple[Floats, Floats]]


def labelled_run(
    rng: np.random.Generator,
    sensitivity: float,
    specificity: float,
    labels: int,
    answers: int,
    rate: float,
    *,
    by_verdict: bool,
    replicates: int,
) -> Labelled:
    """A random part of the answers labelled, or (`by_verdict`) each verdict in proportion."""
    judged = rate * sensitivity + (1 - rate) * (1 - specificity)
    if by_verdict:  # as `vlsu judge sample` draws: to within one answer of the proportion
        hits = rng.binomial(answers, judged, replicates).astype(float)
        called = np.floor(labels * hits / answers + rng.random(replicates))
    else:
        called = rng.binomial(labels, judged, replicates).astype(float)
        hits = called + rng.binomial(answers - labels, judged, replicates)
    right = rng.binomial(called.astype(int), rate * sensitivity / judged)
    missed = rng.binomial((labels - called).astype(int), rate * (1 - sensitivity) / (1 - judged))
    return Labelled(answers, hits / answers, called, labels - called, right, missed)


def powered_by(of_labels: Bounds) -> PoweredMethod:
    """Prediction-powered bounds of many runs, with any interval for the labels."""

    def bounds(run: Labelled) -> tuple[Floats, Floats]:
        call, other = run.share, 1 - run.share
        apart = ((run.called > 0) | (call == 0)) & ((run.others > 0) | (other == 0))
        n = np.maximum(np.stack([run.called, run.others]), 1)
        hits = np.minimum(np.stack([run.right, run.missed]), n)
        shares, weights = hits / n, np.stack([call, other])
        low, high = of_labels(hits, n)
        value = (weights * shares).sum(axis=0)
        spread = value * (1 - value)
        between = run.answers * (weights * (shares - value) ** 2).sum(axis=0) + 2 * spread
        between = np.where(np.isin(shares, (0, 1)).all(axis=0), run.answers * spread, between)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.maximum(1, spread * run.answers * (run.answers - 1) / between)
        mix_low, mix_high = wilson_bounds(value, np.where(spread == 0, run.answers, size))
        down = (value - mix_low) ** 2 + ((weights * (shares - low)) ** 2).sum(axis=0)
        up = (mix_high - value) ** 2 + ((weights * (high - shares)) ** 2).sum(axis=0)
        alone = of_labels(run.right + run.missed, run.called + run.others)
        return (
            np.where(apart, np.maximum(0, value - np.sqrt(down)), alone[0]),
            np.where(apart, np.minimum(1, value + np.sqrt(up)), alone[1]),
        )

    return bounds


def jeffreys_bounds(hits: Floats, n: Floats) -> tuple[Floats, Floats]:
    """`vlsu.analysis.stats.jeffreys` of many proportions."""
    pairs, where = np.unique(np.stack([hits.ravel(), n.ravel()]), axis=1, return_inverse=True)
    found = np.array([_jeffreys(x, m) for x, m in pairs.T.tolist()])[where.ravel()]
    return found[:, 0].reshape(hits.shape), found[:, 1].reshape(hits.shape)


@cache
def _jeffreys(hits: float, n: float) -> tuple[float, float]:
    return modified_jeffreys(hits / n, n)


def normal_powered(run: Labelled) -> tuple[Floats, Floats]:
    """The interval of the PPI++ paper, for lambda tuned to the least variance."""
    m = run.called + run.others
    unseen = run.answers - m
    y, v = (run.right + run.missed) / m, run.called / m
    u = (run.share * run.answers - run.called) / unseen
    of_v = v * (1 - v)
    with np.errstate(divide="ignore", invalid="ignore"):
        tuned = np.where(of_v > 0, (run.right / m - y * v) / ((1 + m / unseen) * of_v), 0.0)
    value = y + tuned * (u - v)
    rest = y * (1 - y) - 2 * tuned * (run.right / m - y * v) + tuned**2 * of_v
    half = Z * np.sqrt(np.maximum(rest, 0) / m + tuned**2 * u * (1 - u) / unseen)
    return np.clip(value - half, 0, 1), np.clip(value + half, 0, 1)


POWERED: dict[str, PoweredMethod] = {
    "ours": powered_by(jeffreys_bounds),
    "with Wilson's": powered_by(lambda hits, n: wilson_bounds(hits / n, n)),
    "normal (PPI++)": normal_powered,
}


def powered(
    methods: Iterable[str] = POWERED,
    *,
    labels: Sequence[int] = POWERED_LABELS,
    answers: Sequence[int] = POWERED_ANSWERS,
    rates: Sequence[float] = POWERED_RATES,
    by_verdict: bool = False,
    replicates: int = 5000,
) -> dict[str, list[Cell]]:
    """Coverage of prediction-powered inference by method, the labels a part of the run."""
    rng = np.random.default_rng(SEED)
    cells: dict[str, list[Cell]] = {method: [] for method in methods}
    for (se, sp), m, n, p in product((*PAIRS, *POOR), labels, answers, rates):
        run = labelled_run(rng, se, sp, m, n, p, by_verdict=by_verdict, replicates=replicates)
        for method, found in cells.items():
            low, high = POWERED[method](run)
            held = float(np.mean((low <= p) & (p <= high)))
            found.append(Cell(se, sp, m, n, p, held, float(np.mean(high - low))))
    return cells


def inside(cells: Iterable[Cell]) -> float:
    """Share of cells whose coverage is 93 to 97%."""
    return float(np.mean([0.93 <= cell.held <= 0.97 for cell in cells]))


def summary(cells: Sequence[Cell]) -> list[str]:
    held = np.array([cell.held for cell in cells])
    return [
        str(len(cells)),
        percent(inside(cells)),
        str(int((held < 0.93).sum())),
        str(int((held > 0.97).sum())),
        percent(held.min()),
        percent(held.mean()),
        percent(held.max()),
        f"{np.nanmean([cell.width for cell in cells]):.3f}",
    ]


SUMMARY = ["settings", "% in 93–97", "below 93", "above 97", "min", "mean", "max", "mean width"]


def report(replicates: int) -> str:
    halves, fifths = grid(replicates=replicates), grid(replicates=replicates, refusals=0.2)
    both = [cell for cells in (halves, fifths) for cell in cells["ours"]]
    strong = [cell for cell in halves["ours"] if cell.sensitivity == cell.specificity]
    at_random = powered(replicates=replicates)
    in_turn = powered(["ours"], by_verdict=True, replicates=replicates)
    ppi = {**at_random, "ours, drawn by verdict": in_turn["ours"]}
    parts = [
        "# Coverage of corrected rates\n",
        "Share of 95% intervals that hold the true rate, in percent; target 93–97. "
        f"Sensitivity and specificity each of {', '.join(map(str, LEVELS))} (25 judges); "
        f"{', '.join(map(str, LABELS))} labels; runs of {', '.join(map(str, ANSWERS))} answers; "
        f"true rates {', '.join(map(str, RATES))}: 600 settings of {replicates:,} replicates, "
        f"seed {SEED}. `python -m benchmarks.correction_coverage`\n",
        "## Rogan–Gladen by a calibration, and two other intervals\n",
        markdown(
            ["labels on refusals", "interval", *SUMMARY],
            [
                [share, method, *summary(cells)]
                for share, found in (("half", halves), ("a fifth", fifths))
                for method, cells in found.items()
            ],
        ),
        "## Ours by true rate and number of labels (both compositions)\n",
        markdown(
            ["true rate", "labels", *SUMMARY],
            [
                [p, m, *summary([c for c in both if c.rate == p and c.labels == m])]
                for p, m in product(RATES, LABELS)
            ],
        ),
        "## Ours from good to bad judges (half the labels on refusals)\n",
        markdown(
            ["sensitivity = specificity", "labels", "answers", *(f"rate {p}" for p in RATES)],
            [
                [
                    level,
                    m,
                    n,
                    *(
                        percent(c.held)
                        for c in strong
                        if (c.sensitivity, c.labels, c.answers) == (level, m, n)
                    ),
                ]
                for level, m, n in product(LEVELS, LABELS, ANSWERS)
            ],
        ),
        "## Judges too weak to correct\n",
        f"A judge passes if the low bound of J = sensitivity + specificity - 1 is above {WEAKEST}. "
        "The interval would hold the truth without that limit, but says little. A judge that "
        "passes by luck seems better than it is, and its intervals hold the truth less often: no "
        "limit mends that, it only moves the judges to which it happens. Means over run sizes and "
        "true rates.\n",
        markdown(
            [
                "sensitivity",
                "specificity",
                "J",
                "labels",
                "passes",
                "holds",
                "holds if passed",
                "mean width",
            ],
            [
                [
                    c.sensitivity,
                    c.specificity,
                    f"{c.sensitivity + c.specificity - 1:.2f}",
                    c.labels,
                    percent(c.passed),
                    percent(c.held),
                    percent(c.held_passed) if c.passed >= 0.01 else "–",
                    f"{c.width:.2f}",
                ]
                for c in weak_judges()
            ],
        ),
        "## Prediction-powered inference by labels in the run\n",
        f"{len(PAIRS)} judges from good to fair and {len(POOR)} that are worth little, runs of "
        f"{' and '.join(map(str, POWERED_ANSWERS))} answers, {len(POWERED_RATES)} true rates from "
        f"{min(POWERED_RATES)} to {max(POWERED_RATES)}: {len(ppi['ours']) // len(POWERED_LABELS)} "
        f"settings a row, {replicates:,} replicates each (one standard error is about "
        f"{100 * (0.05 * 0.95 / replicates) ** 0.5:.1f}). Ours is MOVER over modified Jeffreys "
        "intervals of the labels under each verdict; before, these were Wilson's. Rates are "
        f"corrected by labels from {FEWEST_LABELS} on.\n",
        markdown(
            ["labels", "interval", *SUMMARY],
            [
                [m, method, *summary([c for c in cells if c.labels == m])]
                for m in POWERED_LABELS
                for method, cells in ppi.items()
            ],
        ),
    ]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=5000)
    options = parser.parse_args()
    write_report("correction_coverage", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
