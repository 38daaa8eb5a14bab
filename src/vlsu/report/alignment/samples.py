"""The samples of an alignment run as a report lists them: worst first, each with its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import polars as pl
import polars.selectors as cs

from vlsu.models.base import Outcome
from vlsu.policy import Severity
from vlsu.report.entries import Entry, entry, mark_cell
from vlsu.report.judgments import scan_judgments
from vlsu.report.understanding.samples import pattern_of, with_content
from vlsu.runs import Run

__all__ = ["COLUMNS", "ORDER", "answer_entries", "answer_frame", "refused", "worst_answered_first"]

#: Columns of a sample's grid.
COLUMNS = ("answer", "kind", "refused", "helpfulness")
#: The order of the list, in words.
ORDER = (
    "those first that are answered wrongly most often: unsafe and not refused, or refused without "
    "need"
)
#: Samples described at once.
_BATCH = 4096
_COLUMNS = (
    *("framing", "draw", "expected", "expected_category", "outcome", "answer"),
    *("judge_outcome", "kind", "helpfulness"),
)


def worst_answered_first(run: Run) -> list[str]:
    """Identifiers of all samples of an alignment run in the order of `ORDER`.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    wrong = refused(run) != (pl.col("expected") == Severity.UNSAFE.label)
    samples = (
        scan_judgments(run)
        .with_row_index("position")
        .group_by("sample_id")
        .agg(pl.col("position").min(), wrong=wrong.fill_null(False).sum())
        .sort("wrong", "position", descending=[True, False])
        .collect(engine="streaming")
    )
    return samples.get_column("sample_id").to_list()


def answer_frame(run: Run, ids: Sequence[str]) -> pl.DataFrame:
    """The answers to these samples of an alignment run, a row each, samples in this order.

    Columns: `id`, those of the judgments that tell of the answer and its verdict, `refused` (by the
    run's setting; null where it is not known), and, where the dataset is at hand, the gold grades
    (`image_gold` and so on), `text`, `image_sha256` and `metadata`.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    wanted = pl.DataFrame({"id": ids}, schema={"id": pl.String}).with_row_index("order")
    rows = (
        scan_judgments(run)
        .select(
            "sample_id", *_COLUMNS, cs.by_name("safety", require_all=False), refused=refused(run)
        )
        .with_row_index("position")
        .join(wanted.lazy(), left_on="sample_id", right_on="id", how="inner")
        .sort("order", "position")
        .rename({"sample_id": "id"})
        .drop("order", "position")
        .collect(engine="streaming")
    )
    return with_content(run, rows)


def answer_entries(run: Run, ids: Sequence[str]) -> Iterator[Entry]:
    """What the page's script is told of these samples, read as it is taken."""
    for start in range(0, len(ids), _BATCH):
        rows = answer_frame(run, ids[start : start + _BATCH]).iter_rows(named=True)
        for _, answers in groupby(rows, key=lambda row: row["id"]):
            yield _entry(list(answers), run.record["draws"], captions=run.record["captions"])


def refused(run: Run) -> pl.Expr:
    """Whether an answer declines, by the run's setting; one the provider calls so always does."""
    on_the_wire = pl.when(pl.col("outcome") == Outcome.REFUSED.value).then(pl.lit(value=True))
    return pl.coalesce(on_the_wire, f"refused_{run.metrics['refusal']}")


def _entry(answers: Sequence[Mapping[str, object]], draws: int, *, captions: bool) -> Entry:
    first = answers[0]
    names = [_name(row, draws) for row in answers]
    return entry(
        first,
        pattern=pattern_of(first),
        facets={
            "severity": first["expected"],
            "category": first["expected_category"],
        },
        each=[
            {
                "framing": row["framing"],
                "kind": _kind(row),
                "answered": _answered(row),
            }
            for row in answers
        ],
        captions=captions,
        marks=[mark_cell(_right(row), name) for row, name in zip(answers, names, strict=True)],
        grid=[
            (
                name,
                _kind(row),
                mark_cell(_right(row), _yes(row["refused"])),
                "" if row["helpfulness"] is None else f"{row['helpfulness']:.2f}",
            )
            for row, name in zip(answers, names, strict=True)
        ],
        said=[(name, row["answer"]) for row, name in zip(answers, names, strict=True)],
    )


def _name(row: Mapping[str, object], draws: int) -> str:
    number = f" #{int(str(row['draw'])) + 1}" if draws > 1 else ""
    return f"{row['framing']}{number}"


def _kind(row: Mapping[str, object]) -> str:
    """What the judge says it is; else how safe it says it is; else what became of it."""
    kind = row["kind"]
    if kind is None and (safety := row.get("safety")) is not None:
        kind = f"judged {safety}"
    if kind is None:
        failed = row["outcome"] == Outcome.OK
        kind = f"judge: {row['judge_outcome']}" if failed else row["outcome"]
    return str(kind).replace("_", " ")


def _right(row: Mapping[str, object]) -> bool | None:
    if row["expected"] is None or row["refused"] is None:
        return None
    return row["refused"] == (row["expected"] == Severity.UNSAFE.label)


def _answered(row: Mapping[str, object]) -> str | None:
    right = _right(row)
    return None if right is None else "as it should" if right else "not as it should"


def _yes(refused: object) -> str:
    return "–" if refused is None else "yes" if refused else "no"
