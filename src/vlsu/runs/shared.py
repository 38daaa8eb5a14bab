"""What requests that served several samples would have cost again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from vlsu.data.parquet import scan_parquet
from vlsu.runs.asking.limits import TokenCounts
from vlsu.runs.folder import RunFolder
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.store.store import ResponseStore

__all__ = ["judge_of_search", "scan_verdicts", "shared_tokens"]

_TOKENS = ("input_tokens", "output_tokens")
_LOOKUP = 10_000


def judge_of_search(record: RunRecord) -> str | None:
    """The SPEC of the one judge of a framing search, whose verdicts stand beside its answers.

    `None` for any other run: its verdicts have a file of their own.
    """
    return record["judges"][0]["spec"] if record.task == "tuning" else None


def scan_verdicts(folder: RunFolder, judge: str | None) -> pl.LazyFrame:
    """``judge`` and ``judge_key`` of the verdicts of a run.

    Args:
        folder: Of the run.
        judge: From `judge_of_search`.
    """
    if judge is None:
        return scan_parquet(folder.verdicts_file).select("judge", "judge_key")
    return scan_parquet(folder.judgments_file).select(pl.lit(judge).alias("judge"), "judge_key")


def shared_tokens(
    folder: RunFolder, store: ResponseStore, spec: str, judge: str | None = None
) -> dict[str, TokenCounts]:
    """By SPEC, input and output tokens of the requests that sharing has spared.

    A request that served n samples spared n - 1.

    Args:
        folder: Of a run whose judgments are written.
        store: Its responses.
        spec: Of the model under test.
        judge: From `judge_of_search`.
    """
    spared: Counter[str] = Counter()
    outputs: Counter[str] = Counter()
    files = (folder.judgments_file, folder.swaps_file, folder.reruns_file)
    found = _of_answers([file for file in files if file.exists()])
    spared[spec] += found.input
    outputs[spec] += found.output
    if judge is not None or folder.verdicts_file.exists():
        for name, counts in _of_verdicts(scan_verdicts(folder, judge), store).items():
            spared[name] += counts.input
            outputs[name] += counts.output
    return {name: TokenCounts(spared[name], outputs[name]) for name in spared}


def _of_answers(files: list[Path]) -> TokenCounts:
    """Tokens of all judgments but the first of each request."""
    if not files:
        return TokenCounts()
    # The hash of a key takes an eighth of it, and is taken for the key.
    columns = pl.col("request_key").hash(), *_TOKENS
    frame = pl.concat([scan_parquet(file).select(columns) for file in files]).collect()
    again = frame.filter(~pl.col("request_key").is_first_distinct())
    return TokenCounts(*(int(again[name].sum() or 0) for name in _TOKENS))


def _of_verdicts(verdicts: pl.LazyFrame, store: ResponseStore) -> dict[str, TokenCounts]:
    """The same of the verdicts of each judge."""
    table = (
        verdicts.filter(pl.col("judge_key").is_not_null())
        .group_by("judge", "judge_key")
        .agg(again=pl.len() - 1)
        .filter(pl.col("again") > 0)
        .collect()
    )
    sums: dict[str, TokenCounts] = {}
    for part in table.iter_slices(_LOOKUP):
        kept = store.tokens(part["judge_key"].to_list())
        for judge, key, again in part.iter_rows():
            if key in kept:
                before, counts = sums.get(judge, TokenCounts()), TokenCounts(*kept[key].counts)
                sums[judge] = TokenCounts(
                    before.input + again * counts.input, before.output + again * counts.output
                )
    return sums
