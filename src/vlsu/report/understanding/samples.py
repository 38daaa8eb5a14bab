"""The samples of an understanding run as a report lists them: worst first, a row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from vlsu.errors import VlsuError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Pattern, Severity
from vlsu.report.entries import Cell, Entry, entry, mark_cell, severity_cell
from vlsu.report.judgments import scan_judgments
from vlsu.report.understanding.breakdown import NO_CATEGORY
from vlsu.runs import Run

__all__ = [
    "COLUMNS",
    "ORDER",
    "is_right",
    "pattern_of",
    "right_word",
    "sample_entries",
    "sample_frame",
    "with_content",
    "worst_first",
]

#: Columns of a sample's grid.
COLUMNS = ("", "gold", "model", "p unsafe", "")
#: The order of the list, in words.
ORDER = (
    "those first whose pair is graded furthest from the gold grade, harm missed before harm "
    "imagined, and where image and text must be understood together before the others"
)
#: Samples described at once.
_BATCH = 4096
#: Column of the judgments -> its name in a sample's row, after the modality.
_TOLD = {
    "expected": "gold",
    "expected_category": "gold_category",
    "predicted": "predicted",
    "category": "category",
    "outcome": "outcome",
    "p_unsafe": "p_unsafe",
    "answer": "answer",
}
_RANKS = {severity.label: int(severity) for severity in Severity}


def worst_first(run: Run) -> list[str]:
    """Identifiers of all samples of an understanding run in the order of `ORDER`.

    How far is counted in grades on the pair, or on image or text (the further) where the pair was
    not asked about or is not graded. An answer without a severity comes after those with a wrong
    one. What is alike keeps the order of the judgments.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    grade = {
        name: pl.col(name).replace_strict(_RANKS, default=None, return_dtype=pl.Int8)
        for name in ("expected", "predicted")
    }
    failed = pl.col("outcome") != Outcome.OK.value
    # Twice the distance, harm imagined one half less, an answer that is missing less than any.
    off = grade["expected"] - grade["predicted"]
    score = (
        pl.when(pl.col("expected").is_null())
        .then(None)
        .when(failed)
        .then(1)
        .when(off > 0)
        .then(4 * off)
        .otherwise(-4 * off - (off < 0).cast(pl.Int8))
    )
    samples = (
        scan_judgments(run)
        .select("sample_id", "modality", score=score, gold=grade["expected"])
        .with_row_index("position")
        .group_by("sample_id")
        .agg(
            pl.col("position").min(),
            pair=_of("joint", "score"),
            parts=pl.col("score").max(),
            apart=pl.max_horizontal(_of("image", "gold"), _of("text", "gold")),
            joint=_of("joint", "gold"),
        )
        .select(
            "sample_id",
            "position",
            worst=pl.coalesce("pair", "parts").fill_null(0),
            together=(pl.col("joint") != pl.col("apart")).fill_null(False),
        )
        .sort("worst", "together", "position", descending=[True, True, False])
        .collect(engine="streaming")
    )
    return samples.get_column("sample_id").to_list()


def sample_frame(run: Run, ids: Sequence[str]) -> pl.DataFrame:
    """These samples of an understanding run, a row each, in this order.

    Columns: `id`, for each modality `image_gold`, `image_gold_category`, `image_predicted`,
    `image_category`, `image_outcome`, `image_p_unsafe`, `image_answer` (null where it was not
    asked), and, where the dataset is at hand, its `text`, `image_sha256` and `metadata`.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    wanted = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    rows = (
        scan_judgments(run)
        .select("sample_id", "modality", *_TOLD)
        .join(wanted.lazy(), left_on="sample_id", right_on="id", how="semi")
        .group_by("sample_id")
        .agg(
            pl.col(column)
            .filter(pl.col("modality") == modality)
            .first()
            .alias(f"{modality}_{name}")
            for modality in MODALITIES
            for column, name in _TOLD.items()
        )
        .collect(engine="streaming")
    )
    found = wanted.join(rows, left_on="id", right_on="sample_id", how="left", maintain_order="left")
    return with_content(run, found)


def _of(modality: str, column: str) -> pl.Expr:
    """The value of a column in a sample's judgment of that modality."""
    return pl.col(column).filter(pl.col("modality") == modality).first()


def with_content(run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by `id` with what the dataset holds of them, as far as it is at hand."""
    try:
        dataset = run.dataset
    except VlsuError:
        return rows
    columns = ("id", "text", "image_sha256", "metadata", *(f"{m}_grade" for m in MODALITIES))
    content = dataset.frame().select(columns).join(rows.lazy().select("id"), on="id", how="semi")
    joined = rows.join(
        content.collect(engine="streaming"), on="id", how="left", maintain_order="left"
    )
    return joined.with_columns(
        (
            pl.coalesce(f"{m}_gold", f"{m}_grade")
            if f"{m}_gold" in rows.columns
            else pl.col(f"{m}_grade")
        ).alias(f"{m}_gold")
        for m in MODALITIES
    ).drop(f"{m}_grade" for m in MODALITIES)


def sample_entries(run: Run, ids: Sequence[str]) -> Iterator[Entry]:
    """What the page's script is told of these samples, read as it is taken."""
    for start in range(0, len(ids), _BATCH):
        for row in sample_frame(run, ids[start : start + _BATCH]).iter_rows(named=True):
            yield _entry(row)


def _entry(row: Mapping[str, object]) -> Entry:
    asked = [m for m in MODALITIES if row[f"{m}_outcome"] is not None]
    right = {m: is_right(row, m) for m in asked}
    outcomes = list(dict.fromkeys(row[f"{m}_outcome"] for m in asked))
    category = row["joint_gold_category"]
    if category is None and "joint" in asked:
        category = NO_CATEGORY
    return entry(
        row,
        pattern=pattern_of(row),
        facets={
            "category": category,
            "outcome": outcomes,
            **{m: right_word(found) for m, found in right.items()},
            "gold-joint": row["joint_gold"],
            "said-joint": _said(row, "joint") if "joint" in asked else None,
        },
        marks=[mark_cell(found, m) for m, found in right.items()],
        grid=[_grid_row(row, m, right.get(m)) for m in MODALITIES],
        said=[(m, row[f"{m}_answer"]) for m in reversed(MODALITIES)],
    )


def pattern_of(row: Mapping[str, object]) -> Pattern | None:
    """The pattern of a row's gold grades, if there are three."""
    grades = [row.get(f"{modality}_gold") for modality in MODALITIES]
    if any(grade is None for grade in grades):
        return None
    return Pattern(*(Severity.parse(str(grade)) for grade in grades))


def is_right(row: Mapping[str, object], modality: str) -> bool | None:
    """Whether a row's judgment is its gold grade; `None` where there is none to hold it to."""
    gold, outcome = row[f"{modality}_gold"], row[f"{modality}_outcome"]
    if gold is None:
        return None
    return outcome == Outcome.OK and row[f"{modality}_predicted"] == gold


def right_word(right: bool | None) -> str:
    """What a filter calls it; `None` is a judgment without a gold grade."""
    return "not graded" if right is None else "right" if right else "wrong"


def _said(row: Mapping[str, object], modality: str) -> object:
    return row[f"{modality}_predicted"] or "none"


def _grid_row(row: Mapping[str, object], modality: str, right: bool | None) -> Sequence[Cell]:
    gold = severity_cell(row[f"{modality}_gold"], row[f"{modality}_gold_category"])
    outcome, p = row[f"{modality}_outcome"], row[f"{modality}_p_unsafe"]
    if outcome is None:
        return (modality, gold, "not asked", "", "")
    if outcome == Outcome.OK:
        said = severity_cell(row[f"{modality}_predicted"], row[f"{modality}_category"])
    else:
        said = str(outcome)
    return (modality, gold, said, "" if p is None else f"{p:.3f}", mark_cell(right))
