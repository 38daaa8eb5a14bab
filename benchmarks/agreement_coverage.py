"""How often the intervals of agreement and of the human oracle hold the truth, by simulation.

    python -m benchmarks.agreement_coverage

Graders who find a hidden truth now and then grade items of known make, hundreds of times over.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.agreement.graders import grader_pairs
from vlsu.analysis.agreement.grades import Grades, grades_from_frame
from vlsu.analysis.agreement.oracle import oracle_metrics
from vlsu.analysis.agreement.redrawn import UnitAnswers
from vlsu.analysis.agreement.scope import Bootstrap, unit_agreement
from vlsu.analysis.sampling.precision import rates
from vlsu.analysis.stats.intervals import plain

SEED = 0
LARGE = 60_000
LEVELS = np.array(["safe", "borderline", "unsafe"])

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """Graders and what they grade.

    Attributes:
        graders: How many.
        mix: Shares of the three severities among the items' hidden grades.
        right: How often a grader finds an item's grade: uniform between these two over items;
            otherwise he answers by the mix.
        missing: Share of answers that are not there.
    """

    graders: int
    mix: tuple[float, float, float]
    right: tuple[float, float]
    missing: float = 0.0

    def __str__(self) -> str:
        mix = "/".join(f"{100 * share:.0f}" for share in self.mix)
        low, high = self.right
        words = f"{self.graders} graders, {mix}, right {low:g} to {high:g}"
        return f"{words}, {self.missing:.0%} missing" if self.missing else words

    def grades(self, items: int, rng: np.random.Generator) -> Grades:
        shape = (items, self.graders)
        truth = rng.choice(3, items, p=self.mix)
        finds = rng.random(shape) < rng.uniform(*self.right, items)[:, None]
        code = np.where(finds, truth[:, None], rng.choice(3, shape, p=self.mix))
        grade = np.where(rng.random(shape) < self.missing, None, LEVELS[code].astype(object))
        return grades_from_frame(
            pl.DataFrame(
                {
                    "item": np.repeat([f"i{n}" for n in range(items)], self.graders),
                    "grader": np.tile([f"g{n}" for n in range(self.graders)], items),
                    "grade": pl.Series(grade.ravel().tolist(), dtype=pl.String),
                }
            )
        )

    @cached_property
    def truth(self) -> dict[str, float]:
        """Values over very many items."""
        grades = self.grades(LARGE, np.random.default_rng(SEED))
        return {key: rate["value"] for key, rate in measured(grades, 1).items()}


BALANCED, RARE = (0.26, 0.41, 0.33), (0.9, 0.06, 0.04)
SETTINGS = (
    Setting(2, BALANCED, (0.5, 1.0)),
    Setting(3, BALANCED, (0.5, 1.0)),
    Setting(3, BALANCED, (0.9, 1.0)),
    Setting(5, BALANCED, (0.2, 0.9), 0.4),
    Setting(3, RARE, (0.5, 1.0)),
    Setting(3, RARE, (0.9, 1.0), 0.2),
)
ITEMS = (30, 100, 400)
ORACLE = ("accuracy", "f1_macro", "f1_binary")


def measured(grades: Grades, replicates: int) -> dict[str, Mapping[str, Any]]:
    """Rates by key: overall, of a pair if there is only one, and of the oracle."""
    bootstrap = Bootstrap(replicates, SEED)
    tree: dict[str, object] = {
        "overall": unit_agreement(
            grades.counts(), grades.item, ordinal=True, name="overall", bootstrap=bootstrap
        )
    }
    if len(grades.graders) == 2:
        (pair,) = grader_pairs(grades, bootstrap)
        tree["pair"] = {key: rate for key, rate in pair.items() if key.startswith("cohen")}
    joint = oracle_metrics(grades, replicates=replicates)["joint"]
    assert isinstance(joint, dict)
    tree["oracle"] = {key: joint[key] for key in ORACLE}
    return dict(rates(plain(tree)))


@dataclass(frozen=True, slots=True)
class Row:
    """Intervals of one quantity in one setting.

    Attributes:
        held: Share that hold the truth; a quantity that is undefined claims nothing.
        width: Mean width.
    """

    what: str
    setting: str
    items: int
    truth: float
    held: float
    width: float


def simulate(runs: int, replicates: int) -> list[Row]:
    rows = []
    for number, setting in enumerate(SETTINGS):
        for items in ITEMS:
            rng = np.random.default_rng([SEED, number, items])
            found = [measured(setting.grades(items, rng), replicates) for _ in range(runs)]
            for key, truth in setting.truth.items():
                bounds = np.array(
                    [[each[key][b] for b in ("low", "high")] for each in found], dtype=np.float64
                )
                low, high = bounds.T
                inside = ((low <= truth) & (truth <= high)) | np.isnan(low)
                width = float(np.nanmean(high - low))
                rows.append(Row(key, str(setting), items, truth, float(inside.mean()), width))
    return rows


@dataclass(frozen=True, slots=True)
class Redrawn:
    """Graders drawn anew for each file, of whom each has a skill and a taste of his own.

    Attributes:
        mix: Shares of the three severities.
        skill: Parameters of the beta distribution of how often a grader finds an easy item's grade.
        items: How many.
        graders: How many there are in a file.
        an_item: How many of them grade an item.
    """

    mix: tuple[float, float, float]
    skill: tuple[float, float]
    items: int
    graders: int
    an_item: int

    def codes(self, rng: np.random.Generator) -> Ints:
        """Grades by item and grader, -1 where there is none."""
        shape = (self.items, self.graders)
        truth = rng.choice(3, self.items, p=self.mix)
        finds = rng.random(shape) < rng.uniform(0.7, 1.0, (self.items, 1)) * rng.beta(
            *self.skill, self.graders
        )
        tastes = rng.dirichlet(6 * np.array(self.mix) + 0.3, self.graders)
        guesses = (rng.random(shape)[..., None] > tastes.cumsum(axis=1)[None, :, :-1]).sum(axis=-1)
        asked = np.argsort(rng.random(shape), axis=1) < self.an_item
        codes: Ints = np.where(asked, np.where(finds, truth[:, None], guesses), -1)
        return codes

    def coefficients(
        self, rng: np.random.Generator, replicates: int, *, graders: bool
    ) -> dict[str, Mapping[str, Any]]:
        """Rates of a file, over items or over graders too."""
        codes = self.codes(rng)
        counts = np.stack([(codes == label).sum(axis=1) for label in range(3)], axis=1)
        grader, unit = np.nonzero((codes >= 0).T)
        found = unit_agreement(
            counts,
            np.arange(self.items),
            ordinal=True,
            name="all",
            bootstrap=Bootstrap(replicates, SEED),
            answers=UnitAnswers(unit, grader, codes[unit, grader]) if graders else None,
        )
        return dict(rates(plain(found)))


SKILLS = ((40, 4), (8, 2), (2, 1))
DESIGNS = ((100, 3, 3), (100, 5, 5), (100, 20, 20), (400, 10, 3), (400, 40, 3))
REDRAWN = (
    "percent_agreement",
    "krippendorff_alpha_ordinal",
    "fleiss_kappa",
    "gwet_ac1",
    "gwet_ac2",
)


def redrawn(runs: int, replicates: int) -> list[list[object]]:
    """Coverage by design, beside that of intervals over items alone; over mixes and skills."""
    held: dict[tuple[str, tuple[int, int, int]], list[tuple[float, float]]] = {}
    for number, (mix, skill) in enumerate(product((BALANCED, RARE), SKILLS)):
        rng = np.random.default_rng([SEED, number])
        all_graders = Redrawn(mix, skill, 1500, 1500, 1500)
        truth = all_graders.coefficients(rng, 1, graders=False)
        for design in DESIGNS:
            setting = Redrawn(mix, skill, *design)
            inside = np.zeros((len(REDRAWN), 2))
            for run in range(runs):
                for column, graders in enumerate((False, True)):
                    seeded = np.random.default_rng([SEED, number, *design, run])
                    found = setting.coefficients(seeded, replicates, graders=graders)
                    inside[:, column] += [
                        found[key]["low"] <= truth[key]["value"] <= found[key]["high"]
                        for key in REDRAWN
                    ]
            for key, shares in zip(REDRAWN, (inside / runs).tolist(), strict=True):
                held.setdefault((key, design), []).append((shares[0], shares[1]))
    rows: list[list[object]] = []
    for (key, (items, graders, an_item)), shares in sorted(held.items()):
        before, after = np.array(shares).T
        rows.append(
            [
                key,
                f"{graders} graders, {an_item} an item, {items} items",
                percent(before.min()),
                percent(before.max()),
                percent(after.min()),
                percent(after.mean()),
                percent(after.max()),
            ]
        )
    return rows


def summary(rows: Iterable[Row]) -> str:
    rows = list(rows)

    def line(what: str, items: int) -> list[object]:
        held = np.array([row.held for row in rows if (row.what, row.items) == (what, items)])
        share = [percent(held.min()), percent(held.mean()), percent(held.max())]
        return [what, items, len(held), *share, int((held < 0.93).sum())]

    return markdown(
        ["quantity", "items", "settings", "% held: min", "mean", "max", "settings below 93"],
        [line(what, items) for what in dict.fromkeys(r.what for r in rows) for items in ITEMS],
    )


def report(runs: int, replicates: int) -> str:
    rows = simulate(runs, replicates)
    error = 100 * math.sqrt(0.05 * 0.95 / runs)
    return "\n".join(
        [
            "# Coverage of the intervals of agreement\n",
            f"Share of 95% intervals that hold the truth, in percent; {runs:,} files each (one "
            f"standard error is about {error:.1f}), {replicates:,} bootstrap replicates, seed "
            f"{SEED}. `python -m benchmarks.agreement_coverage`\n",
            f"The truth is the value over {LARGE:,} items with the same graders. Shares of safe, "
            "borderline and unsafe items are given as such.\n",
            summary(rows),
            "## Graders redrawn\n",
            "The truth is the value over 1,500 graders and 1,500 items, of whom each file draws "
            "others. A grader finds an item's grade with a chance of his skill times the item's "
            "ease (0.7 to 1), else he answers by a taste of his own; skills have beta "
            f"distributions {', '.join(map(str, SKILLS))}, and the mixes are those above. "
            "Intervals over items, and with `--over graders,items`.\n",
            markdown(
                ["quantity", "design", "% held, items: min", "max", "both: min", "mean", "max"],
                redrawn(2 * runs, replicates),
            ),
            "## By setting\n",
            markdown(
                ["quantity", "setting", "items", "truth", "% held", "mean width"],
                [
                    [
                        r.what,
                        r.setting,
                        r.items,
                        f"{r.truth:.3f}",
                        percent(r.held),
                        f"{r.width:.3f}",
                    ]
                    for r in rows
                ],
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--replicates", type=int, default=500)
    options = parser.parse_args()
    write_report("agreement_coverage", lambda: report(options.runs, options.replicates))


if __name__ == "__main__":
    main()
