"""Does a framing search keep what is best, at which cost, and are its held-out figures honest?

    python -m benchmarks.tuning

A simulated model refuses each pair with a probability that its instruction, the pair's severity,
the pair itself, its image and the two together decide, so that every instruction's true rates are
known. It is raced thousands of times over, by the functions that `vlsu framings tune` calls.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlsu.analysis.alignment.racing import best_within, pareto_front, schedule, thin_front
from vlsu.analysis.stats.clustering import clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import LEVEL

RESULTS = Path(__file__).parent / "results" / "tuning.md"
SEED = 0
#: Variances of the refusal's log-odds: of a pair, of its image, of a pair under an instruction.
OF_PAIR, OF_IMAGE, OF_BOTH = 2.0, 1.0, 0.5
#: Pairs to an image, on average.
SHARING = 1.8
KEEP = 4
BOUND = 0.2

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
#: Which of the candidates go on: points, how many may, and whatever else a rule looks at.
Rule = Callable[["Answers", Ints, int, int], Ints]


@dataclass(frozen=True, slots=True)
class Scene:
    """A kind of set of candidates.

    Attributes:
        caution: Mean and spread of the log-odds to refuse at all.
        insight: Mean and spread of how much they grow from borderline to unsafe.
    """

    name: str
    caution: tuple[float, float]
    insight: tuple[float, float]

    def odds(self, candidates: int, rng: np.random.Generator) -> Floats:
        """Log-odds to refuse a borderline and an unsafe pair, ``(candidates, 2)``."""
        caution = rng.normal(*self.caution, candidates)
        insight = rng.normal(*self.insight, candidates)
        return np.stack([caution - insight / 2, caution + insight / 2], axis=1)


SCENES = (
    Scene("some better than others", (0.0, 1.2), (1.9, 0.7)),
    Scene("nearly alike", (0.0, 0.4), (2.2, 0.15)),
    Scene("all on one curve", (0.0, 1.2), (2.2, 0.0)),
)
#: Candidates, and pairs of each severity in either part.
SIZES = ((12, 60), (35, 100), (35, 600), (100, 1500))


@dataclass(frozen=True, slots=True)
class Answers:
    """Losses (a borderline pair refused, an unsafe one not) by objective.

    Attributes:
        losses: 0 or 1, each ``(candidates, pairs)``.
        images: Of each pair.
    """

    losses: tuple[Floats, Floats]
    images: tuple[Ints, Ints]

    def points(self, rows: Ints, pairs: int) -> Floats:
        """Over-blocking and under-refusal over the first pairs."""
        return np.stack([loss[rows, :pairs].mean(axis=1) for loss in self.losses], axis=1)

    def by_image(self, row: int, objective: int) -> tuple[Floats, Ints]:
        """All losses of a candidate, pairs of an image together."""
        order = np.argsort(self.images[objective], kind="stable")
        return self.losses[objective][row][order], self.images[objective][order]


def true_points(odds: Floats) -> Floats:
    """True over-blocking and under-refusal, by Gauss-Hermite quadrature over the pairs."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    spread = np.sqrt(OF_PAIR + OF_IMAGE + OF_BOTH)
    refusal = (1 / (1 + np.exp(-(odds[..., None] + spread * nodes)))) @ weights / weights.sum()
    return np.stack([refusal[:, 0], 1 - refusal[:, 1]], axis=1)


def answers_of(odds: Floats, pairs: int, rng: np.random.Generator) -> Answers:
    """Answers to pairs in random order."""
    losses, images = [], []
    for objective in (0, 1):
        image = rng.integers(0, max(1, round(pairs / SHARING)), pairs)
        of_image = rng.normal(0, np.sqrt(OF_IMAGE), pairs)[image]
        shift = rng.normal(0, np.sqrt(OF_PAIR), pairs) + of_image
        own = rng.normal(0, np.sqrt(OF_BOTH), (len(odds), pairs))
        refuses = 1 / (1 + np.exp(-(odds[:, objective, None] + shift + own)))
        refused = (rng.random(refuses.shape) < refuses).astype(float)
        losses.append(1 - refused if objective else refused)
        images.append(image.astype(np.int64))
    return Answers((losses[0], losses[1]), (images[0], images[1]))


# Rules


def least_missed(answers: Answers, rows: Ints, pairs: int, keep: int) -> Ints:
    """Ours: `vlsu.analysis.alignment.racing.thin_front`."""
    out = {each.index for each in thin_front(answers.points(rows, pairs), keep)}
    return rows[[n not in out for n in range(len(rows))]]


def by_rank(answers: Answers, rows: Ints, pairs: int, keep: int) -> Ints:
    """Non-dominated sorting, and crowding within the last front that fits (Deb et al. 2002)."""
    points, left = answers.points(rows, pairs), np.arange(len(rows))
    chosen: list[int] = []
    while len(chosen) < keep:
        front = left[pareto_front(points[left])]
        room = keep - len(chosen)
        if len(front) > room:
            crowding = np.zeros(len(front))
            for values in points[front].T:
                order = np.argsort(values, kind="stable")
                gaps = np.full(len(front), np.inf)
                gaps[1:-1] = values[order][2:] - values[order][:-2]
                crowding[order] += gaps / max(float(np.ptp(values)), 1e-9)
            front = front[np.argsort(-crowding, kind="stable")[:room]]
        chosen.extend(front.tolist())
        left = np.setdiff1d(left, front)
    return rows[sorted(chosen)]


def by_confidence(answers: Answers, rows: Ints, pairs: int, _keep: int) -> Ints:
    """Only those that another beats on both with confidence are out, however many stay.

    One-sided, 5% for each candidate over all others (Bonferroni), paired, without the images.
    """
    level = 1 - 2 * 0.05 / max(1, len(rows) - 1)
    points = answers.points(rows, pairs)
    stay = np.ones(len(rows), dtype=bool)
    own = np.arange(pairs, dtype=np.int64)
    front = np.flatnonzero(pareto_front(points))
    for row in np.flatnonzero(~pareto_front(points)):
        margin = (points[row] - points[front]).min(axis=1)
        best = front[margin.argmax()]
        lows = (
            paired_difference(loss[rows[best], :pairs], loss[rows[row], :pairs], own, level).low
            for loss in answers.losses
        )
        stay[row] = not all((low or 0.0) > 0 for low in lows)
    return rows[stay]


RULES: dict[str, Rule] = {
    "least missed (ours)": least_missed,
    "rank and crowding": by_rank,
    "dominated with confidence": by_confidence,
}


@dataclass(frozen=True, slots=True)
class Raced:
    """What came of a race: winners, finalists, answers asked for."""

    winners: Ints
    finalists: Ints
    asked: int


def race(answers: Answers, candidates: int, pairs: int, rule: Rule | None) -> Raced:
    """One race; without a rule, all candidates answer all pairs."""
    rows = np.arange(candidates)
    asked = before = 0
    rungs = schedule(candidates, pairs, KEEP)
    for number, rung in enumerate(rungs if rule is not None else rungs[-1:], 1):
        asked += 2 * len(rows) * (rung.samples - before)
        before = rung.samples
        if rule is not None and number < len(rungs):
            rows = rule(answers, rows, rung.samples, rungs[number].candidates)
    points = answers.points(rows, pairs)
    keep = min(KEEP, int(pareto_front(points).sum()))
    out = {each.index for each in thin_front(points, keep)}
    return Raced(rows[[n not in out for n in range(len(rows))]], rows, asked)


@dataclass(slots=True)
class Tally:
    """Sums over replicates, by measure; a mean is over whatever was added."""

    sums: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        for name, value in values.items():
            self.sums.setdefault(name, []).append(value)

    def mean(self, name: str) -> float:
        return float(np.mean(self.sums[name])) if name in self.sums else np.nan

    def points(self, name: str) -> str:
        """A mean of percentage points, with what 1.96 standard errors leave open."""
        values = np.array(self.sums[name])
        return f"{values.mean():+.2f} ± {1.96 * values.std() / np.sqrt(len(values)):.2f}"


def quality(raced: Raced, truth: Floats, everything: int) -> dict[str, float]:
    """How good winners are by their true points, all rates in percentage points."""
    best = np.flatnonzero(pareto_front(truth))
    change = truth[None, :, :] - truth[:, None, :]  # second less first
    winners = raced.winners
    behind = np.maximum(0, -change[winners].max(axis=2).min(axis=1))
    lost = np.maximum(0, change[np.ix_(best, winners)].max(axis=2).min(axis=1))
    return {
        "asked": raced.asked / everything,
        "in_final": float(np.isin(best, raced.finalists).mean()),
        "best": float(np.isin(winners, best).mean()),
        "behind": 100 * float(behind.mean()),
        "lost": 100 * float(lost.max()),
        "winners": len(winners),
    }


def honesty(
    raced: Raced, chosen_by: Answers, held_out: Answers, truth: Floats, tally: Tally
) -> None:
    """Bias of the winners' figures and coverage of their held-out intervals."""
    pairs = chosen_by.losses[0].shape[1]
    seen, shown = (a.points(raced.winners, pairs) for a in (chosen_by, held_out))
    true = truth[raced.winners]
    tally.add(
        selection=100 * float((seen - true).mean()), held_out=100 * float((shown - true).mean())
    )
    for row in raced.winners:
        for objective in (0, 1):
            for name, answers in (("held", held_out), ("held_selection", chosen_by)):
                rate = clustered_mean(*answers.by_image(row, objective)).rate
                tally.add(**{name: rate.low <= truth[row, objective] <= rate.high})
    picked = best_within(seen, BOUND)
    if picked is not None:
        row = raced.winners[picked]
        tally.add(
            picked_selection=100 * (seen[picked, 1] - truth[row, 1]),
            picked_held_out=100 * (shown[picked, 1] - truth[row, 1]),
        )
    baseline = 0
    others = [row for row in raced.winners if row != baseline]
    level = 1 - (1 - LEVEL) / max(1, 2 * len(others))
    held = []
    for row in others:
        for objective in (0, 1):
            first, images = held_out.by_image(baseline, objective)
            second, _ = held_out.by_image(row, objective)
            rate = paired_difference(first, second, images, level)
            change = truth[row, objective] - truth[baseline, objective]
            held.append(bool(rate.low <= change <= rate.high))
    if held:
        tally.add(all_changes=all(held))


def simulate(
    scene: Scene, candidates: int, pairs: int, replicates: int
) -> tuple[dict[str, Tally], Tally]:
    """By rule the quality of the winners, and how honest the figures of ours are."""
    rng = np.random.default_rng([SEED, candidates, pairs, SCENES.index(scene)])
    qualities = {name: Tally() for name in (*RULES, "no race")}
    figures = Tally()
    everything = 2 * candidates * pairs
    for _ in range(replicates):
        odds = scene.odds(candidates, rng)
        truth = true_points(odds)
        chosen_by, held_out = (answers_of(odds, pairs, rng) for _ in range(2))
        for name, tally in qualities.items():
            raced = race(chosen_by, candidates, pairs, RULES.get(name))
            tally.add(**quality(raced, truth, everything))
            if RULES.get(name) is least_missed:
                honesty(raced, chosen_by, held_out, truth, figures)
                confirmed = len({*raced.winners.tolist(), 0})
                tally.add(total=(raced.asked + confirmed * 2 * pairs) / (2 * everything))
    return qualities, figures


# Tables


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def report(replicates: int) -> str:
    rules, honest = [], []
    for scene in SCENES:
        for candidates, pairs in SIZES:
            count = max(50, replicates * 200 // (candidates + pairs // 4))
            count = min(count, replicates)
            qualities, figures = simulate(scene, candidates, pairs, count)
            for name, tally in qualities.items():
                mean = tally.mean
                rules.append(
                    (
                        scene.name,
                        candidates,
                        pairs,
                        name,
                        f"{mean('asked'):.0%}",
                        f"{mean('in_final'):.0%}",
                        f"{mean('best'):.0%}",
                        f"{mean('behind'):.1f}",
                        f"{mean('lost'):.1f}",
                        f"{mean('winners'):.1f}",
                    )
                )
            mean = figures.mean
            honest.append(
                (
                    scene.name,
                    candidates,
                    pairs,
                    count,
                    f"{qualities['least missed (ours)'].mean('total'):.0%}",
                    figures.points("selection"),
                    figures.points("held_out"),
                    figures.points("picked_selection"),
                    figures.points("picked_held_out"),
                    f"{mean('held_selection'):.1%}",
                    f"{mean('held'):.1%}",
                    f"{mean('all_changes'):.1%}",
                )
            )
            print(scene.name, candidates, pairs, count, flush=True)
    return f"""# Framing search

A simulated model with known rates; {KEEP} places among the winners, as many pairs held out as to
choose by, {SHARING} pairs to an image, up to {replicates:,} searches a row, seed {SEED}.
`python -m benchmarks.tuning`

## What a rule keeps, and what it asks

Candidates; pairs of each severity to choose by; answers asked of those that all candidates on all
of these pairs take; truly Pareto-optimal candidates that reach the last rung ({2 * KEEP} places,
however long the true front is); winners that are truly Pareto-optimal; how far a winner is behind
another candidate on both rates (mean, percentage points); the most that is given up on either rate
by taking a winner in place of the truly Pareto-optimal candidate that is worst served (mean,
percentage points; above 0 for the best of rules, for {
        KEEP
    } winners stand for a longer front); winners.

{
        table(
            (
                "candidates are",
                "of them",
                "pairs",
                "rule",
                "asked",
                "best in final",
                "winners best",
                "behind",
                "given up",
                "winners",
            ),
            rules,
        )
    }
## Whether the figures are honest (ours)

Searches; answers asked in all, the confirmation included, of those that all candidates on all pairs
of both parts take; mean error of the winners' figures (over-blocking and under-refusal, percentage
points, with 1.96 standard errors) where they were chosen and held out; the same of the
under-refusal of the one picked for an under-refusal of at most {BOUND:g}; share of 95% intervals
that hold the true rate, where they were chosen and held out; share of searches whose held-out
changes against a baseline are all inside their simultaneous intervals.

{
        table(
            (
                "candidates are",
                "of them",
                "pairs",
                "searches",
                "asked in all",
                "error, selection",
                "error, held out",
                "picked, selection",
                "picked, held out",
                "interval, selection",
                "interval, held out",
                "all changes",
            ),
            honest,
        )
    }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    text = report(arguments.replicates)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
