"""Several understanding runs as codes of a byte, sample by sample: each file is read once.

Samples are known by the hash of their identifier, as in `vlsu.analysis.Tabulation`. Codes are of
what can be alone: where a row says anything else there are none, and who reads the rows as texts
(`vlsu.runs.finished.pairing`) can say which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.table.cells import ABSENT, FAILED, NOT_ASKED
from vlsu.analysis.table.paired_cells import LOST, TECHNICAL, PairedTabulation
from vlsu.data import Dataset
from vlsu.data.links import LINKS
from vlsu.policy import MODALITIES, SEVERITY_CODES, Outcome, Severity
from vlsu.runs.run import Run

__all__ = ["CodedSamples", "coded_samples"]

#: Samples counted together; bounds memory.
_SAMPLES = 200_000
#: Judgments read at once.
_READ = 120_000
#: Code of a text that stands for nothing, and of none.
_UNKNOWN, _NONE = 255, 254

_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_OK = _OUTCOMES.index(Outcome.OK.value)

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True, slots=True)
class _Gold:
    """A dataset's samples.

    Attributes:
        samples: Hashes of their identifiers, shape ``(n,)``.
        order: What sorts them.
        grades: By modality, `ABSENT` where there is none; shape ``(n, 3)``.
        category: Of the pair, or null.
    """

    samples: _Hashes
    order: IntArray
    grades: _Bytes
    category: pl.Series

    def rows(self, samples: _Hashes) -> IntArray | None:
        """The place of each of these samples; `None` if one is not here."""
        if np.array_equal(samples, self.samples):
            return np.arange(len(samples))
        if not len(self.samples):
            return None
        found = np.searchsorted(self.samples, samples, sorter=self.order)
        rows = self.order[np.minimum(found, len(self.order) - 1)]
        return rows if np.array_equal(self.samples[rows], samples) else None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a run made of the samples; shape ``(n, 3)`` each.

    Attributes:
        predicted: As in `vlsu.analysis.table.cells.Cells`, or `LOST`.
        outcomes: Numbers of outcomes; any where it was not asked.
    """

    predicted: _Bytes
    outcomes: _Bytes

    @property
    def there(self) -> BoolArray:
        """Whether it was asked about a sample, in whatever modality."""
        there: BoolArray = (self.predicted != NOT_ASKED).any(axis=1)
        return there


@dataclass(frozen=True, slots=True)
class CodedSamples:
    """The samples of a dataset and what several runs made of them.

    Attributes:
        gold: The samples.
        runs: Of each run what it made of them.
        links: What samples share, as `vlsu.data.links.shared` gives it.
        linked: The row in `links` of each sample, -1 for none.
    """

    gold: _Gold
    runs: Sequence[_Judged]
    links: pl.DataFrame
    linked: IntArray

    @property
    def judged(self) -> list[int]:
        """How many samples each run was asked about."""
        return [int(run.there.sum()) for run in self.runs]

    def tabulate(self, tabulation: PairedTabulation, at_once: int = _SAMPLES) -> None:
        """Count the samples that all runs were asked about, so many at once."""
        common = np.flatnonzero(np.logical_and.reduce([run.there for run in self.runs]))
        for start in range(0, max(1, len(common)), at_once):
            rows = common[start : start + at_once]
            at = pl.Series(self.linked[rows]).replace(-1, None)
            tabulation.count(
                self.gold.grades[rows],
                [run.predicted[rows] for run in self.runs],
                self.gold.category.gather(rows),
                # As texts, as where rows are read as such: groups are in the order of their hashes.
                [self.links[name].gather(at).cast(pl.String) for name in LINKS],
                [_counted(run, rows) for run in self.runs],
            )


def coded_samples(
    runs: Sequence[Run], dataset: Dataset, severities: Sequence[Severity]
) -> CodedSamples | None:
    """The samples of a dataset and what runs on it made of them.

    Args:
        runs: Finished runs of understanding, at least one.
        dataset: Theirs.
        severities: Those that gold grades can be of.

    Returns:
        `None` where something cannot be: a text that is no modality, outcome or severity, a sample
        that is there twice or not at all, two judgments of one, another gold grade.

    Raises:
        RunError: A run's judgments are damaged.
        DataError: A file of samples is.
    """
    gold = _gold(dataset, severities)
    if gold is None:
        return None
    found = []
    for run in runs:
        judged = _judged(run, gold)
        if judged is None:
            return None
        found.append(judged)
    links = dataset.links()
    rows = gold.rows(links["sample_id"].hash().to_numpy())
    if rows is None:
        return None
    linked = np.full(len(gold.samples), -1)
    linked[rows] = np.arange(len(rows))
    return CodedSamples(gold, found, links, linked)


def _gold(dataset: Dataset, severities: Sequence[Severity]) -> _Gold | None:
    with dataset.reading():
        frame = (
            dataset.frame()
            .select(
                *(_code(f"{m}_grade", SEVERITY_CODES, null=ABSENT).alias(m) for m in MODALITIES),
                sample=pl.col("id").hash(),
                category=pl.when(pl.col("joint_category") != "").then("joint_category"),
            )
            .collect(engine="streaming")
        )
    samples = frame["sample"].to_numpy()
    order = np.argsort(samples)
    grades = np.column_stack([frame[m].to_numpy() for m in MODALITIES])
    twice = (samples[order[1:]] == samples[order[:-1]]).any()
    if twice or not np.isin(grades, [*map(int, severities), ABSENT]).all():
        return None
    return _Gold(samples, order, grades, frame["category"])


def _judged(run: Run, gold: _Gold) -> _Judged | None:
    columns = (
        _code("modality", {m: k for k, m in enumerate(MODALITIES)}),
        _code("outcome", {name: k for k, name in enumerate(_OUTCOMES)}),
        _code("predicted", SEVERITY_CODES, null=FAILED),
        _code("expected", SEVERITY_CODES, null=_NONE),
    )
    rows_of_run = int(run.judged(pl.len()).item())
    modality, outcome, predicted, expected = codes_of_rows = np.empty(
        (len(columns), rows_of_run), dtype=np.uint8
    )
    sample = np.empty(rows_of_run, dtype=np.uint64)
    # A slice at a time: nothing is read ahead, and few texts are held.
    for start in range(0, rows_of_run, _READ):
        frame = run.scan().slice(start, _READ).select(*columns, pl.col("sample_id").hash())
        part = run.collected(frame)
        among = slice(start, start + part.height)
        sample[among] = part["sample_id"].to_numpy()
        for codes, name in zip(codes_of_rows, part.columns, strict=False):
            codes[among] = part[name].to_numpy()
    if any((codes == _UNKNOWN).any() for codes in codes_of_rows):
        return None
    if ((outcome == _OK) == (predicted == FAILED)).any():
        return None
    if run.judged(pl.col("framing").fill_null("").n_unique()).item() > 1:
        return None
    # Judgments of one sample stand together: it is looked up once.
    starts = np.flatnonzero(np.append(True, sample[1:] != sample[:-1])[: len(sample)])
    rows = gold.rows(sample[starts])
    if rows is None:
        return None
    place = np.repeat(rows, np.diff(starts, append=len(sample))) * len(MODALITIES) + modality
    if ((expected != _NONE) & (expected != gold.grades.reshape(-1)[place])).any():
        return None
    technical = np.isin(outcome, [_OUTCOMES.index(name) for name in TECHNICAL])
    judged = _Judged(np.full_like(gold.grades, NOT_ASKED), np.zeros_like(gold.grades))
    judged.predicted.reshape(-1)[place] = np.where(technical, LOST, predicted)
    judged.outcomes.reshape(-1)[place] = outcome
    repeated = np.count_nonzero(judged.predicted != NOT_ASKED) < len(place)
    return None if repeated else judged


def _code(column: str, codes: Mapping[str, int], null: int = _UNKNOWN) -> pl.Expr:
    """Codes of a column's texts."""
    text = pl.col(column)
    known = text.replace_strict(codes, default=_UNKNOWN, return_dtype=pl.UInt8)
    return pl.when(text.is_null()).then(pl.lit(null, dtype=pl.UInt8)).otherwise(known).alias(column)


def _counted(run: _Judged, rows: IntArray) -> dict[tuple[str, str], int]:
    """Modality and outcome -> judgments of these samples."""
    asked = run.predicted[rows] != NOT_ASKED
    found = {}
    for number, modality in enumerate(MODALITIES):
        outcomes = run.outcomes[rows, number][asked[:, number]]
        for code, count in enumerate(np.bincount(outcomes, minlength=len(_OUTCOMES)).tolist()):
            if count:
                found[modality, _OUTCOMES[code]] = count
    return found
