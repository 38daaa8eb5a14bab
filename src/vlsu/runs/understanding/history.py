"""Earlier runs over a dataset, as a draw from it makes use of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.sampling.forecast import UNASKED, Forecast
from vlsu.analysis.table.cells import ABSENT, FAILED
from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, SEVERITY_CODES, Policy
from vlsu.runs.run import Run, load_run

__all__ = ["History", "read_history"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class History:
    """Earlier runs over a dataset.

    Attributes:
        runs: Folder and model of each.
        forecast: What they say of each sample, in the dataset's order.
    """

    runs: Sequence[tuple[str, str]]
    forecast: Forecast


def read_history(
    paths: Sequence[str | Path],
    dataset: Dataset,
    policy: Policy,
    ids: pl.Series,
    gold: IntArray,
    modality: str,
) -> History:
    """Read earlier runs over (part of) a dataset.

    Args:
        paths: Their folders.
        dataset: The dataset.
        policy: The one that the next model grades by.
        ids: The dataset's samples.
        gold: Their grades; shape ``(N, 3)``.
        modality: The one the draw goes by.

    Raises:
        UsageError: A run is of another task, has no answer about this dataset's samples, or is of a
            dataset that grades them otherwise.
        RunError: A run cannot be read.
    """
    runs, answers = [], []
    for path in paths:
        run = load_run(path)
        if run.record.task != "understanding":
            raise UsageError(
                f"--pilot {run.path}: an {run.record['task']} run; give an understanding one"
            )
        answers.append(_answers(run, ids, gold, path, modality))
        _warn_of_other(run, dataset, policy, path, int((answers[-1] != UNASKED).any(axis=1).sum()))
        runs.append((str(path), run.record.model.spec))
    forecast = Forecast.of(np.stack(answers), gold, MODALITIES.index(modality))
    return History(runs, forecast)


def _answers(run: Run, ids: pl.Series, gold: IntArray, path: str | Path, modality: str) -> IntArray:
    """The run's answers, as `Forecast` takes them; shape ``(N, 3)``."""
    rows = ids.to_frame("sample_id").with_row_index("row")
    judged = run.judged(
        pl.col("sample_id", "modality", "outcome", "expected"),
        pl.col("predicted"),
    ).join(rows, on="sample_id")
    if not (judged["modality"] == modality).any():
        raise UsageError(
            f"--pilot {path}: judged {modality} of no sample of this dataset; give a run over it"
        )
    row = judged["row"].to_numpy()
    column = (
        judged["modality"]
        .replace_strict({m: n for n, m in enumerate(MODALITIES)}, return_dtype=pl.Int64)
        .to_numpy()
    )
    said, expected = (
        judged[name].replace_strict(SEVERITY_CODES, default=code, return_dtype=pl.Int64).to_numpy()
        for name, code in (("predicted", FAILED), ("expected", ABSENT))
    )
    if (expected != gold[row, column]).any():
        raise UsageError(
            f"--pilot {path}: a run over a dataset with other grades; give one over this"
        )
    answered = (judged["outcome"] == Outcome.OK.value).to_numpy()
    answers = np.full(gold.shape, UNASKED)
    answers[row, column] = np.where(answered, said, FAILED)
    return answers


def _warn_of_other(
    run: Run, dataset: Dataset, policy: Policy, path: str | Path, judged: int
) -> None:
    """Say it where a run is of another version of the dataset, or graded by another policy."""
    about, info = run.record["dataset"], dataset.info
    if about["content_hash"] != info.content_hash:
        _log.warning(
            "--pilot %s: a run over another dataset (%s %s, this is %s %s); what it says of the "
            "%d samples that both have is used, and estimates stay valid",
            path,
            *(about["name"], about["version"], info.name, info.version, judged),
        )
    if run.record["policy"]["hash"] != policy.hash:
        _log.warning(
            "--pilot %s: graded by another policy (%s, this is %s); it may save less, and "
            "estimates stay valid",
            path,
            run.record["policy"]["name"],
            policy.name,
        )
