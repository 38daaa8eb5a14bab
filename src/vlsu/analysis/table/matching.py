"""Judgments and gold grades as frames: checked row by row, and matched as codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.table.cells import ABSENT, FAILED, NOT_ASKED
from vlsu.analysis.table.columns import Frame, Row, columns, require
from vlsu.errors import DataError, RunError
from vlsu.policy import MODALITIES, SEVERITY_CODES, Outcome, Severity

__all__ = ["match", "read_gold", "read_judgments", "require_one_framing", "require_severities"]


#: Marks of samples that a gold frame may have: true, false or null.
_MARKS = ("critical", "at_risk", "asks")

_LABELS: Mapping[object, str] = {code: label for label, code in SEVERITY_CODES.items()}


def match(samples: pl.DataFrame, asked: pl.DataFrame) -> tuple[IntArray, IntArray]:
    """Gold grades and predictions by sample and modality, each ``(samples, 3)``."""
    require(
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
    return grades, predictions


def read_gold(gold: Frame) -> pl.DataFrame:
    """Severity codes under the modality's name, and the marks of samples, null where absent."""
    frame = columns(
        gold,
        DataError,
        "gold frame",
        ("sample_id", *(f"{m}_grade" for m in MODALITIES), "joint_category"),
        ("group", "shared_image", "shared_text", *_MARKS, "admissible"),
        {**dict.fromkeys(_MARKS, pl.Boolean), "admissible": pl.Int64},
    ).with_columns(pl.col("admissible").fill_null(0))
    require(
        frame,
        ~pl.col("admissible").is_between(0, 7),
        lambda r: DataError(
            f"sample {r['sample_id']!r}: admissible {r['admissible']} is no set of severities; "
            "give the sum of 1 for safe, 2 for borderline and 4 for unsafe"
        ),
    )
    for modality in MODALITIES:
        column = f"{modality}_grade"
        frame = frame.with_columns(_severity(column, ABSENT).alias(modality))
        require(
            frame,
            pl.col(modality).is_null(),
            partial(_not_a_severity, column),
        )
    require(
        frame,
        pl.col("sample_id").is_duplicated(),
        lambda r: DataError(f"sample {r['sample_id']!r} has more than one gold row; keep one"),
    )
    return frame.with_columns(
        joint_category=pl.when(pl.col("joint_category") != "").then("joint_category")
    )


def require_severities(gold: IntArray, severities: Sequence[Severity]) -> None:
    """Refuse gold grades that the policy lacks.

    Raises:
        DataError: One of them is no severity of the policy, nor absent.
    """
    for severity in Severity:
        if severity not in severities and (gold == severity).any():
            there = " and ".join(each.label for each in severities)
            raise DataError(
                f"a gold grade is {severity.label}, and the policy has {there} alone; "
                "give a policy that has it"
            )


def _not_a_severity(column: str, row: Row) -> DataError:
    return DataError(
        f"sample {row['sample_id']!r}: {column} {row[column]!r} is not a severity; "
        "use safe, borderline, unsafe or null"
    )


def read_judgments(judgments: Frame) -> pl.DataFrame:
    """Judgments with `modality_code` and `predicted_code`, each row checked."""
    frame = columns(
        judgments,
        RunError,
        "judgments",
        ("sample_id", "modality", "predicted", "outcome"),
        ("framing", "expected"),
    ).with_columns(
        modality_code=_code("modality", {m: i for i, m in enumerate(MODALITIES)}),
        predicted_code=_severity("predicted", FAILED),
    )
    require(
        frame,
        pl.col("modality_code").is_null(),
        lambda r: RunError(
            f"sample {r['sample_id']!r}: unknown modality {r['modality']!r}; "
            f"use {', '.join(MODALITIES)}"
        ),
    )
    require(
        frame,
        ~pl.col("outcome").is_in([o.value for o in Outcome]).fill_null(False),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, {r['modality']}: unknown outcome {r['outcome']!r}; "
            f"use {', '.join(Outcome)}"
        ),
    )
    require(
        frame,
        pl.col("predicted_code").is_null()
        | ((pl.col("outcome") == Outcome.OK.value) == pl.col("predicted").is_null()),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, {r['modality']}: predicted {r['predicted']!r} with "
            f"outcome {r['outcome']!r}; ok needs safe, borderline or unsafe, others null"
        ),
    )
    return frame


def require_one_framing(framings: frozenset[str]) -> None:
    """Raise `RunError` if the judgments of a run are of several framings."""
    if len(framings) > 1:
        names = ", ".join(map(repr, sorted(framings)))
        raise RunError(
            f"judgments of {len(framings)} framings ({names}); "
            "understanding has one: filter the judgments first"
        )


def _require_same_gold(asked: pl.DataFrame, gold: IntArray) -> None:
    """The judgments' own `expected`, where they carry it, is the gold grade."""
    require(
        asked.with_columns(gold=pl.Series(gold)),
        pl.col("expected").is_not_null()
        & _code("expected", SEVERITY_CODES).ne_missing(pl.col("gold")),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, {r['modality']}: expected {r['expected']!r} but the gold "
            f"grade is {_LABELS.get(r['gold'])!r}; give the dataset the run was made with"
        ),
    )


def _severity(column: str, null: int) -> pl.Expr:
    """Severity codes of a text column: `null` for null, null for anything else."""
    return pl.when(pl.col(column).is_null()).then(null).otherwise(_code(column, SEVERITY_CODES))


def _code(column: str, codes: Mapping[str, int]) -> pl.Expr:
    return pl.col(column).replace_strict(codes, default=None, return_dtype=pl.Int64)
