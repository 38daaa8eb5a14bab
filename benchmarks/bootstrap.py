"""The bootstrap by cells against plain resampling: the same intervals, and how much faster.

python -m benchmarks.bootstrap
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable

import numpy as np
import polars as pl
from sklearn.metrics import f1_score

from benchmarks.interval_coverage import World
from benchmarks.writing import markdown, write_report
from vlsu.analysis import Tabulation, cell_metrics
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.classification import macro_f1
from vlsu.analysis.stats.kappa import cohen_kappa
from vlsu.analysis.table.cells import FAILED, Cells
from vlsu.analysis.table.grouping import GroupTally
from vlsu.analysis.table.resampling import Resampler
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, PATTERNS, Severity

SEED = 0
CATEGORIES = tuple(sorted(f"C{number}" for number in range(1, 16)))
GOLD = np.array([(p.image, p.text, p.joint) for p in PATTERNS])
#: Samples of the large run, for ten million judgments.
LARGE = 3_333_334
CHUNK = 200_000
JOINT, TEXT = 2, 1


def samples(n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
    """Gold grades ``(n, 3)``, predictions ``(n, 3)`` and category ``(n,)`` of n samples."""
    shares = World(0.65, grouped=False).shares().sum(axis=0)
    drawn = rng.choice(shares.size, n, p=shares.reshape(-1) / shares.sum())
    pattern, *said = np.unravel_index(drawn, shares.shape)
    return GOLD[pattern], np.column_stack(said), rng.integers(len(CATEGORIES), size=n)


def cells_of(gold: IntArray, said: IntArray, category: IntArray, group: IntArray | None) -> Cells:
    """The cells of samples that are arrays already."""
    code = np.ravel_multi_index((*gold.T, *said.T, category), (3, 3, 3, 4, 4, 4, 15))
    there, counts = np.unique(code, return_counts=True)
    tally = GroupTally()
    if group is not None:
        tally.add([pl.Series(group)], code)
    columns = np.column_stack(np.unravel_index(there, (3, 3, 3, 4, 4, 4, 15)))
    return Cells(
        gold=columns[:, :3],
        predicted=columns[:, 3:6],
        category=columns[:, 6],
        count=counts,
        categories=CATEGORIES,
        groups=tally.counts(there, counts) if group is not None else None,
        outcomes={m: {o.value: 0 for o in Outcome} for m in MODALITIES},
    )


def frames(gold: IntArray, said: IntArray, category: IntArray) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judgments and gold grades of samples, as a run has them."""
    n = len(gold)
    ids = pl.Series("sample_id", np.arange(n)).cast(pl.String)
    labels = pl.Series([*(s.label for s in Severity), None])
    grades = {f"{m}_grade": labels.gather(gold[:, k]) for k, m in enumerate(MODALITIES)}
    judgments = [
        pl.DataFrame(
            {
                "sample_id": ids,
                "modality": pl.repeat(modality, n, eager=True),
                "framing": pl.repeat(None, n, dtype=pl.String, eager=True),
                "expected": grades[f"{modality}_grade"],
                "predicted": labels.gather(said[:, k]),
                "outcome": pl.Series(["ok"] * 3 + ["refused"]).gather(said[:, k]),
            }
        )
        for k, modality in enumerate(MODALITIES)
    ]
    return pl.concat(judgments), pl.DataFrame(
        {"sample_id": ids, **grades, "joint_category": pl.Series(CATEGORIES).gather(category)}
    )


Scores = Callable[[FloatArray], FloatArray]


def plain(
    entry: IntArray,
    size: int,
    score: Scores,
    replicates: int,
    rng: np.random.Generator,
    group: IntArray | None,
) -> FloatArray:
    """Resample the samples (groups), count, score: once a replicate."""
    found = np.empty(replicates)
    if group is not None:
        start = np.flatnonzero(np.diff(group, prepend=-1))
        members = np.diff(start, append=len(group))
    for replicate in range(replicates):
        if group is None:
            picked = rng.integers(len(entry), size=len(entry))
        else:
            unit = rng.integers(len(start), size=len(start))
            ends = np.cumsum(members[unit])
            picked = np.arange(ends[-1]) + np.repeat(
                start[unit] - ends + members[unit], members[unit]
            )
        found[replicate] = score(np.bincount(entry[picked], minlength=size).astype(np.float64))
    return found


def by_cells(
    cells: Cells, column: IntArray, size: int, score: Scores, replicates: int
) -> FloatArray:
    drawn = Resampler(cells, replicates, SEED).draw(column, size, "benchmark")
    return score(drawn)


def f1_of(tables: FloatArray) -> FloatArray:
    return macro_f1(tables.reshape(*tables.shape[:-1], 3, 4))


def kappa_of(tables: FloatArray) -> FloatArray:
    return cohen_kappa(tables.reshape(*tables.shape[:-1], 3, 3))


def accuracy_of(tables: FloatArray) -> FloatArray:
    return tables.reshape(*tables.shape[:-1], 3, 4)[..., [0, 1, 2], [0, 1, 2]].sum(
        axis=-1
    ) / tables.sum(axis=-1)


def f1_entry(gold: IntArray, said: IntArray) -> IntArray:
    return gold[:, JOINT] * 4 + said[:, JOINT]


def kappa_entry(said: IntArray) -> IntArray:
    """Of samples without a failed outcome; the others have -1."""
    both = (said[:, JOINT] < FAILED) & (said[:, TEXT] < FAILED)
    return np.where(both, said[:, JOINT] * 3 + said[:, TEXT], -1)


def equality(replicates: int) -> str:
    rng = np.random.default_rng(SEED)
    n, rows = 3_000, []
    for grouped in (False, True):
        gold, said, category = samples(n, rng)
        group = None
        if grouped:
            # Samples of one group are alike: neighbours in the order of their predictions.
            order = np.lexsort((rng.random(n), said[:, TEXT], said[:, JOINT]))
            gold, said, category = gold[order], said[order], category[order]
            group = np.repeat(np.arange(n), rng.integers(1, 7, size=n))[:n]
        cells = cells_of(gold, said, category, group)
        f1 = f1_entry(cells.gold, cells.predicted), f1_entry(gold, said)
        kappa = kappa_entry(cells.predicted), kappa_entry(said)
        for name, score, size, (of_cells, of_samples) in (
            ("joint.accuracy", accuracy_of, 12, f1),
            ("joint.f1_macro", f1_of, 12, f1),
            ("dominance.kappa_text.all", kappa_of, 9, kappa),
        ):
            inside = of_samples >= 0
            theirs = plain(
                of_samples[inside],
                size,
                score,
                replicates,
                rng,
                None if group is None else group[inside],
            )
            ours = by_cells(cells, of_cells, size, score, replicates)
            rows.append(
                [
                    "groups" if grouped else "samples",
                    name,
                    *(f"{q:.4f}" for q in np.quantile(theirs, [0.025, 0.975])),
                    *(f"{q:.4f}" for q in np.quantile(ours, [0.025, 0.975])),
                    f"{ours.std() / theirs.std():.3f}",
                    f"{distance(ours, theirs):.3f}",
                ]
            )
    return markdown(
        ["drawn", "metric", "plain: low", "high", "cells: low", "high",
         "ratio of standard errors", "largest gap of the distributions"],
        rows,
    )  # fmt: skip


def distance(first: FloatArray, second: FloatArray) -> float:
    """The two-sample Kolmogorov-Smirnov statistic."""
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    below = [np.searchsorted(each, points, side="right") / len(each) for each in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def speed() -> str:
    rng = np.random.default_rng(SEED)
    rows = []
    for n in (1_000, 8_187, 100_000, 1_000_000):
        ours, theirs, slow = seconds_of_one(n, rng)
        rows.append(
            [
                f"{n:,}",
                *(f"{1e6 * seconds:,.1f}" for seconds in (ours, theirs, slow)),
                f"{theirs / ours:,.0f}",
                f"{slow / ours:,.0f}",
            ]
        )
    return markdown(
        ["n", "cells, µs", "NumPy, µs", "scikit-learn, µs", "times NumPy", "times scikit-learn"],
        rows,
    )


def seconds_of_one(n: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """CPU time of one replicate: by cells, by NumPy, by scikit-learn."""
    gold, said, category = samples(n, rng)
    cells = cells_of(gold, said, category, None)
    entry, column = f1_entry(gold, said), f1_entry(cells.gold, cells.predicted)
    few = max(5, 2_000_000 // n)

    def scikit_learn() -> None:
        picked = rng.integers(n, size=n)
        truth, answers = gold[picked, JOINT], said[picked, JOINT]
        f1_score(truth, answers, labels=[0, 1, 2], average="macro", zero_division=0)

    ours = min(cpu(lambda: by_cells(cells, column, 12, f1_of, 10_000)) for _ in range(3))
    theirs = cpu(lambda: plain(entry, 12, f1_of, few, rng, None))
    return ours / 10_000, theirs / few, min(cpu(scikit_learn) for _ in range(3))


def large() -> str:
    rng = np.random.default_rng(SEED)
    gold, said, category = samples(LARGE, rng)
    tabulation, counting = Tabulation(), 0.0
    for start in range(0, LARGE, CHUNK):
        part = slice(start, start + CHUNK)
        chunk = frames(gold[part], said[part], category[part])
        counting += cpu(lambda chunk=chunk: tabulation.add(*chunk))
    cells = tabulation.cells()
    judgments = sum(sum(each.values()) for each in cells.outcomes.values())
    start_wall = time.perf_counter()
    seconds = cpu(lambda: cell_metrics(cells, replicates=10_000))
    wall = time.perf_counter() - start_wall
    one = np.empty(2)
    entry = f1_entry(gold, said)
    for k in range(2):
        one[k] = cpu(lambda: plain(entry, 12, f1_of, 1, rng, None))
    shown = [
        [f"counting {judgments:,} judgments into {len(cells.count):,} cells, once", counting, ""],
        ["10,000 replicates of every metric, with all intervals", seconds, f"{wall:.1f}"],
        ["10,000 plain replicates of joint.f1_macro alone, by two of them", 1e4 * one.min(), ""],
    ]
    return markdown(
        ["what", "CPU s", "s"], [[what, f"{spent:,.1f}", waited] for what, spent, waited in shown]
    )


def report(replicates: int) -> str:
    noise = 1.36 * math.sqrt(2 / replicates)
    return "\n".join(
        [
            "# The bootstrap by cells against plain resampling\n",
            "A metric is a function of counts in a small table, so a replicate is one multinomial "
            "draw over the table's cells in place of n draws of samples. "
            f"`python -m benchmarks.bootstrap`; load {os.getloadavg()[0]:.1f} on "
            f"{os.cpu_count()} cores, so CPU time is told.\n",
            "## The same distribution\n",
            f"3,000 samples, {replicates:,} replicates each; in groups of 1 to 6 samples alike. By "
            f"chance alone the standard errors differ by up to {2 / math.sqrt(replicates):.3f} and "
            f"the distributions by up to {noise:.3f} in 95 of 100 comparisons.\n",
            equality(replicates),
            "## Time of one replicate of joint.f1_macro\n",
            "*NumPy*: draw indices, gather, count, score. *scikit-learn*: draw indices, gather, "
            "`f1_score`.\n",
            speed(),
            "## Ten million judgments\n",
            large(),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=4_000)
    options = parser.parse_args()
    write_report("bootstrap", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
