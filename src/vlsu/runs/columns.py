"""Columns of the tables that a run writes."""

from __future__ import annotations

import polars as pl

__all__ = [
    "ALIGNMENT_JUDGMENTS",
    "FIRST_VERDICT_COLUMNS",
    "JUDGMENTS",
    "LATER_COLUMNS",
    "LATER_VERDICT_COLUMNS",
    "VERDICTS",
    "VERDICT_COLUMNS",
    "VERDICT_FIELDS",
    "has_response",
]

#: Columns of ``judgments.parquet``.
JUDGMENTS = pl.Schema(
    {
        "sample_id": pl.String(),
        "modality": pl.String(),
        "framing": pl.String(),
        "expected": pl.String(),
        "predicted": pl.String(),
        "outcome": pl.String(),
        "category": pl.String(),
        "p_unsafe": pl.Float64(),
        "latency_s": pl.Float64(),
        "input_tokens": pl.Int64(),
        "output_tokens": pl.Int64(),
        "request_key": pl.String(),
        "expected_category": pl.String(),
        "answer": pl.String(),
        "cached_tokens": pl.Int64(),
        "cache_write_tokens": pl.Int64(),
        "reasoning_tokens": pl.Int64(),
    }
)

#: Of these, columns that came later; in the judgments of older versions they are null.
LATER_COLUMNS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")

#: A judge's verdict on an answer.
VERDICT_FIELDS = pl.Schema(
    {
        "judge_outcome": pl.String(),
        "kind": pl.String(),
        "refused_strict": pl.Boolean(),
        "refused_lenient": pl.Boolean(),
        "helpfulness": pl.Float64(),
        "given": pl.Float64(),
        "served": pl.Float64(),
        "safety": pl.String(),
        "judge_key": pl.String(),
    }
)

#: Columns of an alignment run's ``judgments.parquet``: the verdict is the first judge's first.
ALIGNMENT_JUDGMENTS = pl.Schema({**JUDGMENTS, "draw": pl.Int64(), **VERDICT_FIELDS})

#: Those that metrics are taken from and every version has written.
FIRST_VERDICT_COLUMNS = (
    *("sample_id", "framing", "draw", "outcome", "judge_outcome", "kind"),
    *("refused_strict", "refused_lenient", "helpfulness", "safety"),
)
#: Those that came later; in the judgments of older versions they are null.
LATER_VERDICT_COLUMNS = ("given", "served")

#: Those that metrics are taken from.
VERDICT_COLUMNS = (*FIRST_VERDICT_COLUMNS, *LATER_VERDICT_COLUMNS)

#: Columns of ``verdicts.parquet``: every judge, every repeat.
VERDICTS = pl.Schema(
    {
        "sample_id": pl.String(),
        "framing": pl.String(),
        "draw": pl.Int64(),
        "judge": pl.String(),
        "repeat": pl.Int64(),
        **VERDICT_FIELDS,
    }
)


def has_response() -> pl.Expr:
    """Whether a judgment was read from a response.

    One that was not is an error without tokens or latency; and a response that came in a batch has
    no latency either.
    """
    known = pl.any_horizontal(pl.col("latency_s", "input_tokens", "output_tokens").is_not_null())
    return known | (pl.col("outcome") != "error")
