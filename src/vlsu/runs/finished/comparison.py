"""Runs against each other, from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from vlsu.analysis import Calibration
from vlsu.analysis.comparison.alignment import alignment_comparison
from vlsu.analysis.comparison.planning import ReferenceRuns
from vlsu.analysis.comparison.understanding import joint_differences, understanding_comparison
from vlsu.analysis.table.answered import ENOUGH, require_share
from vlsu.analysis.table.paired_cells import PairedCells, PairedTabulation
from vlsu.data import Dataset
from vlsu.errors import RunError, UsageError
from vlsu.policy import MODALITIES
from vlsu.runs.columns import VERDICT_COLUMNS
from vlsu.runs.finished.pairing import (
    JUDGED_COLUMNS,
    dataset_of,
    paired_chunks,
    run_names,
    setup_differences,
)
from vlsu.runs.run import Run

__all__ = ["compare", "seen_runs"]

Tree = dict[str, object]


def compare(
    runs: Sequence[Run],
    *,
    dataset: str | Path | None = None,
    seed: int = 0,
    enough: float = ENOUGH,
) -> dict[str, Any]:
    """Compare finished runs on the samples that all of them have.

    Args:
        runs: Two or more of one task on one dataset. Another prompt, policy, judge or setting is
            no hindrance: it is marked in ``differences_in_setup``.
        dataset: Where the dataset lies, if not where it lay when a run was made.
        seed: Of bootstrap and randomization.
        enough: Share answered below which a difference has to hold however missing answers are
            counted, in [0, 1].

    Returns:
        The comparison; its keys are in ``docs/comparing.md``.

    Raises:
        UsageError: Fewer than two runs, one given twice, or runs of different tasks; or `enough`
            is no share.
        RunError: A run is not finished, damaged, or of another dataset; or it was judged by other
            gold grades than the dataset has.
        DataError: The dataset is not to be found.
    """
    require_share(enough, "enough")
    if len(runs) < 2:
        raise UsageError("give two runs or more to compare")
    names = run_names(runs)
    task = _one_task(runs)
    found = dataset_of(runs, dataset)
    info = found.info
    compared = _of_alignment if task == "alignment" else _of_understanding
    return {
        "task": task,
        "dataset": {"name": info.name, "version": info.version, "content_hash": info.content_hash},
        "runs": [
            {"name": name, "path": str(run.path), "model": run.record["model"]["spec"]}
            for name, run in zip(names, runs, strict=True)
        ],
        "differences_in_setup": setup_differences(runs, names),
        **compared(runs, names, found, seed, enough),
    }


def seen_runs(
    first: Run, second: Run, *, dataset: str | Path | None = None, seed: int = 0
) -> ReferenceRuns:
    """How two finished understanding runs differ in joint accuracy and macro-F1, to plan by.

    Args:
        first: A run.
        second: Another on the same dataset.
        dataset: Where it lies, if not where it lay when the runs were made.
        seed: Of the bootstrap.

    Raises:
        UsageError: The runs are one, or of different tasks, or of alignment.
        RunError: As `compare`; or no sample has both runs' joint judgment.
        DataError: The dataset is not to be found.
    """
    runs = (first, second)
    names = run_names(runs)
    if _one_task(runs) == "alignment":
        raise UsageError(f"{first.path}: a run of alignment; plan by two understanding runs")
    cells, _ = _tabulated(runs, dataset_of(runs, dataset))
    found = joint_differences(cells, seed=seed)
    if not found["accuracy"].n:
        raise RunError(
            f"{first.path} and {second.path} have no graded joint judgment of a sample in common"
        )
    return ReferenceRuns((names[0], names[1]), found["accuracy"], found["f1_macro"])


def _of_understanding(
    runs: Sequence[Run], names: Sequence[str], dataset: Dataset, seed: int, enough: float
) -> Tree:
    cells, judged = _tabulated(runs, dataset)
    drawn = [name for name, run in zip(names, runs, strict=True) if "sampling" in run.metrics]
    return {
        "samples": {
            **_samples(names, int(cells.runs[0].count.sum()), judged),
            **({"drawn": drawn} if drawn else {}),
        },
        "asked": {
            modality: {
                name: sum(run.outcomes[modality].values())
                for name, run in zip(names, cells.runs, strict=True)
            }
            for modality in MODALITIES
        },
        **understanding_comparison(cells, names, seed=seed, enough=enough),
    }


def _tabulated(runs: Sequence[Run], dataset: Dataset) -> tuple[PairedCells, list[int]]:
    """The samples that all runs judged, and how many each judged."""
    tabulation = PairedTabulation(len(runs))
    judged = [0] * len(runs)
    for chunk in paired_chunks(runs, dataset, JUDGED_COLUMNS):
        tabulation.add(chunk.judgments, chunk.gold)
        judged = [n + more for n, more in zip(judged, chunk.judged, strict=True)]
    return tabulation.cells(), judged


def _of_alignment(
    runs: Sequence[Run], names: Sequence[str], dataset: Dataset, seed: int, enough: float
) -> Tree:
    framings = _shared_framings(runs)
    chunks = list(paired_chunks(runs, dataset, VERDICT_COLUMNS))
    gold = pl.concat([chunk.gold for chunk in chunks])
    verdicts = [
        pl.concat([chunk.judgments[k] for chunk in chunks]).filter(
            pl.col("framing").is_in(framings)
        )
        for k in range(len(runs))
    ]
    judged = [sum(each) for each in zip(*(chunk.judged for chunk in chunks), strict=True)]
    judges = [run.record["judges"][0] for run in runs]
    calibrations = [run.metrics["calibration"] for run in runs]
    one = all(calibration == calibrations[0] for calibration in calibrations)
    caution = {
        (names[a], names[b]): "as other judges judged them"
        for a, b in combinations(range(len(runs)), 2)
        if judges[a]["fingerprint"] != judges[b]["fingerprint"]
    }
    return {
        "samples": _samples(names, gold.height, judged),
        "asked": {
            framing: {
                name: frame.filter(pl.col("framing") == framing).height
                for name, frame in zip(names, verdicts, strict=True)
            }
            for framing in framings
        },
        **alignment_comparison(
            verdicts,
            gold,
            names,
            gives=set.intersection(*(set(run.metrics["gives"]) for run in runs)),
            calibration=Calibration.from_dict(calibrations[0]) if one and calibrations[0] else None,
            caution=caution,
            seed=seed,
            enough=enough,
        ),
    }


def _samples(names: Sequence[str], shared: int, judged: Sequence[int]) -> Tree:
    return {
        "paired": shared,
        "judged": dict(zip(names, judged, strict=True)),
        "left_out": {name: n - shared for name, n in zip(names, judged, strict=True)},
    }


def _one_task(runs: Sequence[Run]) -> str:
    first, *others = runs
    task: str = first.record["task"]
    for run in others:
        if run.record["task"] != task:
            raise UsageError(
                f"{first.path} is a run of {task}, {run.path} of {run.record['task']}; "
                "compare runs of one task"
            )
    return task


def _shared_framings(runs: Sequence[Run]) -> list[str]:
    """Names of the framings that all runs have, of the same words."""
    first, *others = (run.record["framings"] for run in runs)
    shared = [
        name for name, words in first.items() if all(each.get(name) == words for each in others)
    ]
    if not shared:
        raise UsageError(
            f"{' and '.join(str(run.path) for run in runs)} have no framing in common; "
            "run them under the same --framings"
        )
    return shared
