"""The samples of understanding runs by kind: what they are sorted and filtered by, as codes.

The judgments are read once, column by column, and never held as texts: some 40 bytes a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.errors import VlsuError
from vlsu.policy import MODALITIES
from vlsu.report.judgments import scan_judgments
from vlsu.report.kinds import (
    NONE,
    CodeArray,
    Texts,
    first_of,
    hashed,
    identifiers,
    numbered,
    of_samples,
)
from vlsu.report.understanding.redrawn import flips_of_draws
from vlsu.runs import Run

__all__ = ["JudgedSamples", "judged_samples"]

_COLUMNS = ("expected", "predicted", "outcome")


@dataclass(frozen=True, slots=True)
class JudgedSamples:
    """The samples that one or several runs judged, in the order in which they occur first.

    Attributes:
        ids: Their identifiers.
        texts: What the codes stand for.
        runs: Of each run, name -> code of each sample, `NONE` where it was not asked: for each
            modality `image_expected`, `image_predicted`, `image_outcome`, and `image_gold`, which
            is the dataset's where no judgment has it; `joint_gold_category`; and, where there are
            several draws, `image_flips` and so on.
    """

    ids: pl.Series
    texts: Texts
    runs: Sequence[Mapping[str, CodeArray]]


def judged_samples(runs: Sequence[Run]) -> JudgedSamples:
    """The samples that any of the runs judged; those of one dataset.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    texts = Texts()
    columns = {name: pl.col(name) for name in ("modality", *_COLUMNS, "expected_category")}
    hashes = [hashed(scan_judgments(run), "sample_id") for run in runs]
    numbers, rows = numbered(hashes)
    samples = np.concatenate([s[first] for s, first in zip(hashes, rows, strict=True)])
    del hashes  # of all rows
    ids = pl.concat(
        [
            identifiers(scan_judgments(run), "sample_id", first)
            for run, first in zip(runs, rows, strict=True)
        ]
    )
    found = []
    for run, number in zip(runs, numbers, strict=True):
        codes = texts.codes(scan_judgments(run), columns)
        of_run: dict[str, CodeArray] = {}
        for modality in MODALITIES:
            among = codes["modality"] == texts.code(modality)
            for name in _COLUMNS:
                of_run[f"{modality}_{name}"] = first_of(codes[name], number, among, len(samples))
            if modality == "joint":
                category = first_of(codes["expected_category"], number, among, len(samples))
                of_run["joint_gold_category"] = category
        found.append(of_run | _flips(run, texts, samples))
        del codes  # of all rows of the run
    del numbers
    gold = _gold(runs[0], texts, samples, found)
    return JudgedSamples(ids, texts, [{**of_run, **gold[k]} for k, of_run in enumerate(found)])


def _gold(
    run: Run, texts: Texts, samples: CodeArray, found: Sequence[Mapping[str, CodeArray]]
) -> list[dict[str, CodeArray]]:
    """The gold grades of each run's judgments, and of the dataset where they have none."""
    gold = [{f"{m}_gold": of_run[f"{m}_expected"] for m in MODALITIES} for of_run in found]
    if not any((codes == NONE).any() for grades in gold for codes in grades.values()):
        return gold
    columns = {f"{m}_gold": pl.col(f"{m}_grade") for m in MODALITIES}
    try:
        frame = run.dataset.frame()
        known = of_samples(hashed(frame, "id"), texts.codes(frame, columns), samples)
    except VlsuError:
        return gold  # the dataset is not at hand
    return [
        {name: np.where(codes == NONE, known[name], codes) for name, codes in grades.items()}
        for grades in gold
    ]


def _flips(run: Run, texts: Texts, samples: CodeArray) -> dict[str, CodeArray]:
    """Whether the answers flip, by modality, of a run with several draws."""
    flips = flips_of_draws(run)
    if flips is None:
        return {}
    columns = {f"{m}_flips": pl.col(f"{m}_flips") for m in MODALITIES}
    found = flips.collect(engine="streaming").lazy()
    return of_samples(hashed(found, "id"), texts.codes(found, columns), samples)
