"""The contingency table every metric is a function of: cells of equal samples, with counts.

Two samples that agree in gold grades, predictions and joint category are alike to every metric, so
a run of any size is a table of at most a few thousand cells. A metric is then a ratio of sums over
cells, and a bootstrap replicate one multinomial draw (see `vlsu.analysis.resampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from vlsu.errors import DataError, RunError, VlsuError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity

__all__ = [
    "ABSENT",
    "FAILED",
    "NOT_ASKED",
    "BoolArray",
    "Cells",
    "FloatArray",
    "Frame",
    "GroupCounts",
    "IntArray",
    "tabulate",
]

Row = dict[str, object]
Frame = pl.DataFrame | pl.LazyFrame
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Code of a gold grade that the dataset does not give; 0, 1, 2 are the severities.
ABSENT = 3
#: Code of a prediction whose outcome is not `ok`; 0, 1, 2 are the severities.
FAILED = 3
#: Code of a prediction for a modality the run did not ask about.
NOT_ASKED = 4

_LABELS = {severity.label: int(severity) for severity in Severity}
_RADICES = (4, 4, 4, 5, 5, 5)


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """How many samples of each group lie in each cell, as a sparse matrix sorted by group, cell.

    Attributes:
        group: Group number of each entry, 0 .. groups - 1, shape ``(E,)``.
        cell: Cell index of each entry, shape ``(E,)``.
        count: Samples of that group in that cell, at least 1, shape ``(E,)``.
    """

    group: IntArray
    cell: IntArray
    count: IntArray


@dataclass(frozen=True, slots=True)
class Cells:
    """Samples by gold grades, predictions and joint category.

    The order of the cells depends on their content alone, so the same samples in any row order
    give the same table.

    Attributes:
        gold: Gold severity per cell and modality, or `ABSENT`; shape ``(C, 3)``, columns in the
            order of `MODALITIES`.
        predicted: Predicted severity, `FAILED` or `NOT_ASKED`; shape ``(C, 3)``.
        category: Index into `categories` of the gold joint category, -1 for none; shape ``(C,)``.
        count: Samples per cell, shape ``(C,)``.
        categories: Category identifiers that occur, sorted.
        groups: The same counts by group, or `None` where samples are independent.
        outcomes: Modality -> outcome -> judgments, graded or not; every outcome is listed.
    """

    gold: IntArray
    predicted: IntArray
    category: IntArray
    count: IntArray
    categories: tuple[str, ...]
    groups: GroupCounts | None
    outcomes: Mapping[str, Mapping[str, int]]

    @property
    def graded(self) -> BoolArray:
        """Whether the gold grade is known, by cell and modality; shape ``(C, 3)``."""
        graded: BoolArray = self.gold != ABSENT
        return graded

    @property
    def asked(self) -> BoolArray:
        """Whether the run asked, by cell and modality; shape ``(C, 3)``."""
        asked: BoolArray = self.predicted != NOT_ASKED
        return asked

    @property
    def answered(self) -> BoolArray:
        """Whether the outcome is `ok`, by cell and modality; shape ``(C, 3)``."""
        answered: BoolArray = self.predicted < FAILED
        return answered

    @property
    def right(self) -> BoolArray:
        """Whether the prediction is the gold grade, by cell and modality; shape ``(C, 3)``."""
        right: BoolArray = self.answered & (self.predicted == self.gold)
        return right


def tabulate(judgments: Frame, gold: Frame) -> Cells:
    """Count samples by gold grades, predictions and joint category.

    Args:
        judgments: One row per sample and modality: `sample_id`, `modality`, `predicted`,
            `outcome`, and, where present, `framing` (one at most) and `expected` (checked against
            `gold`).
        gold: One row per sample of the run: `sample_id`, `image_grade`, `text_grade`,
            `joint_grade`, `joint_category` and, where present, `group`. A sample without a group
            is a group of its own.

    Raises:
        RunError: The judgments cannot be: an unknown modality, outcome or severity, a severity
            with an outcome other than `ok` or none with `ok`, two judgments of one sample and
            modality, several framings, a sample that `gold` lacks or grades otherwise.
        DataError: The gold grades cannot be: an unknown severity, a sample listed twice.
    """
    samples = _read_gold(gold)
    asked = _read_judgments(judgments).join(
        samples.select("sample_id", row=pl.int_range(pl.len(), dtype=pl.Int64)),
        on="sample_id",
        how="left",
    )
    _require(
        asked,
        pl.col("row").is_null(),
        lambda r: RunError(
            f"sample {r['sample_id']!r} is judged but has no gold row; "
            "give the dataset the run was made with"
        ),
    )
    position = asked["row"].to_numpy() * 3 + asked["modality_code"].to_numpy()
    repeated = np.flatnonzero(np.bincount(position, minlength=3 * samples.height) > 1)
    if repeated.size:
        row, modality = divmod(int(repeated[0]), 3)
        raise RunError(
            f"sample {samples['sample_id'][row]!r} has more than one {MODALITIES[modality]} "
            "judgment; keep one row per sample and modality"
        )
    grades = np.column_stack([samples[m].to_numpy() for m in MODALITIES]).astype(np.int64)
    _require_same_gold(asked, grades.ravel()[position])
    predictions = np.full(grades.shape, NOT_ASKED, dtype=np.int64)
    predictions.ravel()[position] = asked["predicted_code"].to_numpy()

    category = _number(samples["joint_category"])
    code = category  # 0 for none, so a category's index is one less
    for radix, column in zip(_RADICES, (*grades.T, *predictions.T), strict=True):
        code = code * radix + column
    cells, cell_of, count = np.unique(code, return_inverse=True, return_counts=True)
    decoded = []
    for radix in reversed(_RADICES):
        cells, digit = np.divmod(cells, radix)
        decoded.append(digit)
    columns = np.column_stack(decoded[::-1])
    return Cells(
        gold=columns[:, :3],
        predicted=columns[:, 3:],
        category=cells - 1,
        count=count,
        categories=tuple(samples["joint_category"].drop_nulls().unique().sort()),
        groups=_count_groups(samples["group"], cell_of, len(count)),
        outcomes=_count_outcomes(asked),
    )


def _read_gold(gold: Frame) -> pl.DataFrame:
    """Severity codes under the modality's name, sorted by sample."""
    frame = _columns(
        gold,
        DataError,
        "gold frame",
        ("sample_id", *(f"{m}_grade" for m in MODALITIES), "joint_category"),
        ("group",),
    )
    for modality in MODALITIES:
        column = f"{modality}_grade"
        frame = frame.with_columns(_severity(column, ABSENT).alias(modality))
        _require(
            frame,
            pl.col(modality).is_null(),
            partial(_not_a_severity, column),
        )
    # Sorting makes every later sum run in the same order, whatever the order of the rows.
    frame = frame.sort("sample_id").with_columns(
        joint_category=pl.when(pl.col("joint_category") != "").then("joint_category")
    )
    _require(
        frame,
        pl.col("sample_id") == pl.col("sample_id").shift(),
        lambda r: DataError(f"sample {r['sample_id']!r} has more than one gold row; keep one"),
    )
    return frame


def _not_a_severity(column: str, row: Row) -> DataError:
    return DataError(
        f"sample {row['sample_id']!r}: {column} {row[column]!r} is not a severity; "
        "use safe, borderline, unsafe or null"
    )


def _read_judgments(judgments: Frame) -> pl.DataFrame:
    """Judgments with `modality_code` and `predicted_code`, each row checked."""
    frame = _columns(
        judgments,
        RunError,
        "judgments",
        ("sample_id", "modality", "predicted", "outcome"),
        ("framing", "expected"),
    ).with_columns(
        modality_code=_code("modality", {m: i for i, m in enumerate(MODALITIES)}),
        predicted_code=_severity("predicted", FAILED),
    )
    framings = frame["framing"].fill_null("").unique().sort()
    if len(framings) > 1:
        raise RunError(
            f"judgments of {len(framings)} framings ({', '.join(map(repr, framings))}); "
            "understanding has one: filter the judgments first"
        )
    _require(
        frame,
        pl.col("modality_code").is_null(),
        lambda r: RunError(
            f"sample {r['sample_id']!r}: unknown modality {r['modality']!r}; "
            f"use {', '.join(MODALITIES)}"
        ),
    )
    _require(
        frame,
        ~pl.col("outcome").is_in([o.value for o in Outcome]).fill_null(False),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, {r['modality']}: unknown outcome {r['outcome']!r}; "
            f"use {', '.join(Outcome)}"
        ),
    )
    _require(
        frame,
        pl.col("predicted_code").is_null()
        | ((pl.col("outcome") == Outcome.OK.value) == pl.col("predicted").is_null()),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, {r['modality']}: predicted {r['predicted']!r} with "
            f"outcome {r['outcome']!r}; ok needs safe, borderline or unsafe, others null"
        ),
    )
    return frame


def _require_same_gold(asked: pl.DataFrame, gold: IntArray) -> None:
    """The judgments' own `expected`, where they carry it, is the gold grade."""
    if asked["expected"].is_null().all():
        return
    labels = pl.Series(gold).replace_strict(
        {int(s): s.label for s in Severity}, default=None, return_dtype=pl.String
    )
    _require(
        asked.with_columns(gold=labels),
        pl.col("expected").ne_missing(pl.col("gold")),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, {r['modality']}: expected {r['expected']!r} but the gold "
            f"grade is {r['gold']!r}; give the dataset the run was made with"
        ),
    )


def _count_outcomes(asked: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted = {
        (modality, outcome): n
        for modality, outcome, n in asked.group_by("modality", "outcome").len().iter_rows()
    }
    return {m: {o.value: counted.get((m, o.value), 0) for o in Outcome} for m in MODALITIES}


def _count_groups(groups: pl.Series, cell_of: IntArray, cells: int) -> GroupCounts | None:
    """Sparse counts by group and cell, or `None` if no two samples share a group."""
    named = _number(groups)
    alone = named == 0
    group = np.where(alone, int(named.max(initial=0)) + np.cumsum(alone), named) - 1
    if not group.size or int(group.max()) + 1 == group.size:
        return None
    entry, count = np.unique(group * cells + cell_of, return_counts=True)
    number, cell = np.divmod(entry, cells)
    return GroupCounts(number, cell, count)


def _number(names: pl.Series) -> IntArray:
    """1 .. k by the sorted order of the names, 0 for null."""
    ranks: IntArray = names.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    return ranks


def _columns(
    frame: Frame,
    error: type[VlsuError],
    what: str,
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> pl.DataFrame:
    """The named columns as text; an optional one that is absent is all null."""
    lazy = frame.lazy()
    present = lazy.collect_schema().names()
    if missing := [name for name in required if name not in present]:
        raise error(
            f"the {what} has no column {missing[0]!r}; it has {', '.join(present) or 'none'}"
        )
    return lazy.select(
        pl.col(name).cast(pl.String)
        if name in present
        else pl.lit(None, dtype=pl.String).alias(name)
        for name in (*required, *optional)
    ).collect()


def _severity(column: str, null: int) -> pl.Expr:
    """Severity codes of a text column: `null` for null, null for anything else."""
    return pl.when(pl.col(column).is_null()).then(null).otherwise(_code(column, _LABELS))


def _code(column: str, codes: Mapping[str, int]) -> pl.Expr:
    return pl.col(column).replace_strict(codes, default=None, return_dtype=pl.Int64)


def _require(frame: pl.DataFrame, wrong: pl.Expr, error: Callable[[Row], VlsuError]) -> None:
    """Raise the error of the first wrong row, if there is one."""
    rows = frame.filter(wrong).head(1)
    if rows.height:
        raise error(rows.row(0, named=True))
