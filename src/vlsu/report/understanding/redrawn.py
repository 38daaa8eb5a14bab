"""The samples of a run with several draws: what each draw said, and whether that flips."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity
from vlsu.report.judgments import is_among, scan_judgments
from vlsu.report.sample_tables import SampleTables
from vlsu.runs import Run
from vlsu.runs.understanding.reruns import scan_reruns

__all__ = [
    "SAME",
    "again_facet",
    "answers_of_draws",
    "counts_of_draws",
    "draws_of",
    "flips_of_draws",
    "with_draws",
]

#: The facet of a sample none of whose answers flips.
SAME = "same answers"
_NONE = "none"
_WORDS = {"image": "image flips", "text": "text flips", "joint": "pair flips"}


def draws_of(run: Run) -> pl.LazyFrame | None:
    """The further draws of a run with several, unread, with the columns that `with_draws` needs.

    Raises:
        RunError: ``reruns.parquet`` is missing or damaged.
    """
    if run.record.get("draws", 1) < 2:
        return None
    return scan_reruns(run).select(
        "sample_id", "modality", "draw", "predicted", "outcome", "answer"
    )


def with_draws(
    tables: SampleTables, rows: pl.LazyFrame, ids: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Rows by `id` with what every draw said, of a run with several; else as they are.

    For each modality: `joint_draws`, such as ``2 safe, 1 unsafe``, `joint_flips`, and
    `joint_redrawn`, the answers of the further draws. The rows come in no order.

    Args:
        tables: Of a run of understanding.
        rows: With a column `id`.
        ids: Those in `rows`, where they are few.
    """
    if tables.reruns is None:
        return rows
    said = pl.when(pl.col("outcome") == Outcome.OK.value).then("predicted").fill_null(_NONE)
    columns = ("modality", "draw", "answer")
    first = tables.judgments.with_columns(draw=pl.lit(0, dtype=pl.Int64))
    draws = pl.concat(
        frame.select(*columns, id="sample_id", said=said) for frame in (first, tables.reruns)
    )
    if ids is not None:
        draws = draws.filter(is_among(ids))
    names = (*(severity.label for severity in Severity), _NONE)
    each = {modality: {name: _count(modality, name) for name in names} for modality in MODALITIES}
    found = draws.group_by("id").agg(
        *(
            count.alias(f"{modality}_{name}")
            for modality, counts in each.items()
            for name, count in counts.items()
        ),
        *(
            pl.col("answer")
            .filter((pl.col("modality") == modality) & (pl.col("draw") > 0))
            .sort_by(pl.col("draw").filter((pl.col("modality") == modality) & (pl.col("draw") > 0)))
            .alias(f"{modality}_redrawn")
            for modality in MODALITIES
        ),
    )
    words = {
        modality: pl.concat_list(
            pl.when(pl.col(f"{modality}_{name}") > 0).then(
                pl.format(f"{{}} {name}", f"{modality}_{name}")
            )
            for name in names
        ).list.drop_nulls()
        for modality in MODALITIES
    }
    shown = found.select(
        "id",
        *(
            pl.when(kinds.list.len() > 0).then(kinds.list.join(", ")).alias(f"{modality}_draws")
            for modality, kinds in words.items()
        ),
        *((kinds.list.len() > 1).alias(f"{modality}_flips") for modality, kinds in words.items()),
        *(f"{modality}_redrawn" for modality in MODALITIES),
    )
    return rows.join(shown, on="id", how="left")


def flips_of_draws(run: Run) -> pl.LazyFrame | None:
    """`id`, `image_flips` and so on of all samples; `None` of a run with one draw.

    Raises:
        RunError: ``reruns.parquet`` is missing or damaged.
    """
    reruns = draws_of(run)
    if reruns is None:
        return None
    tables = SampleTables(scan_judgments(run), reruns, None)
    ids = tables.judgments.select(id="sample_id").unique()
    return with_draws(tables, ids).select("id", *(f"{m}_flips" for m in MODALITIES))


def _count(modality: str, name: str) -> pl.Expr:
    return ((pl.col("modality") == modality) & (pl.col("said") == name)).sum()


def again_facet() -> pl.Expr:
    """Which of a sample's answers flip, as a facet of rows that `with_draws` made."""
    flips = pl.concat_list(
        pl.when(f"{modality}_flips").then(pl.lit(words)) for modality, words in _WORDS.items()
    ).list.drop_nulls()
    same = pl.concat_list(pl.lit(SAME))
    return pl.when(flips.list.len() > 0).then(flips).otherwise(same).alias("again")


def counts_of_draws(row: Mapping[str, object], modality: str) -> str:
    """What the draws said of a sample, if not all the same; else nothing."""
    return str(row[f"{modality}_draws"]) if row.get(f"{modality}_flips") else ""


def answers_of_draws(row: Mapping[str, object], modality: str) -> list[tuple[str, object]]:
    """The answers of the further draws, by name, if what they say is not all the same."""
    answers = row.get(f"{modality}_redrawn")
    if not row.get(f"{modality}_flips") or not isinstance(answers, list):
        return []
    return [(f"{modality}, draw {draw}", answer) for draw, answer in enumerate(answers, start=2)]
