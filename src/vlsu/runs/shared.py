"""What requests that served several samples would have cost again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from vlsu.data.parquet import scan_parquet
from vlsu.runs.asking.limits import TokenCounts
from vlsu.runs.folder import RunFolder
from vlsu.runs.store.store import ResponseStore

__all__ = ["shared_tokens"]

_TOKENS = ("input_tokens", "output_tokens")
_LOOKUP = 10_000


def shared_tokens(folder: RunFolder, store: ResponseStore, spec: str) -> dict[str, TokenCounts]:
    """By SPEC, input and output tokens of the requests that sharing has spared.

    A request that served n samples spared n - 1.

    Args:
        folder: Of a run whose judgments are written.
        store: Its responses.
        spec: Of the model under test.
    """
    spared: Counter[str] = Counter()
    outputs: Counter[str] = Counter()
    files = (folder.judgments_file, folder.swaps_file, folder.reruns_file)
    found = _of_answers([file for file in files if file.exists()])
    spared[spec] += found.input
    outputs[spec] += found.output
    if folder.verdicts_file.exists():
        for judge, counts in _of_verdicts(folder.verdicts_file, store).items():
            spared[judge] += counts.input
            outputs[judge] += counts.output
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


def _of_verdicts(file: Path, store: ResponseStore) -> dict[str, TokenCounts]:
    """The same of the verdicts of each judge."""
    table = (
        scan_parquet(file)
        .filter(pl.col("judge_key").is_not_null())
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
