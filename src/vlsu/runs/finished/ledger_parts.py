"""The tokens of each part of a run: of its results and its store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from vlsu.data.parquet import scan_parquet
from vlsu.errors import RunError
from vlsu.models.base import TOKEN_COUNTS
from vlsu.models.bodies.image_tokens import image_tokens
from vlsu.runs.asking.limits import TokenCounts
from vlsu.runs.columns import has_response
from vlsu.runs.costs import Tokens
from vlsu.runs.folder import RunFolder
from vlsu.runs.shared import scan_verdicts
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.store.usage import KeptTokens

__all__ = ["answered_tokens", "asked_of_judges", "difference", "images_tokens", "sum_of"]

_LOOKUP = 10_000
#: Responses that are read at once.
_BODIES = 500
#: Responses that are read to find out whether a server counts the tokens of images.
_TRIED = 100


def answered_tokens(
    folder: RunFolder, store: ResponseStore, column: str, whole: Tokens
) -> dict[str, tuple[int, Tokens]]:
    """Requests and tokens of the answers that judgments were read from, by a column of these."""
    files = (folder.judgments_file, folder.swaps_file, folder.reruns_file)
    try:
        frames = [scan_parquet(file) for file in files if file.exists()]
        names = [frame.collect_schema().names() for frame in frames]
        columns = pl.col(column).fill_null(""), pl.col("request_key")
        frame = pl.concat(
            each.filter(has_response()).select(
                *columns,
                *(
                    pl.col(name) if name in known else pl.lit(None, pl.Int64).alias(name)
                    for name in TOKEN_COUNTS
                ),
            )
            for each, known in zip(frames, names, strict=True)
        )
        kinds = [name for name, counts in zip(whole._fields, whole, strict=True) if any(counts)]
        mixed = len(kinds) > 1
        if not mixed:  # the hash of a key takes a quarter of its memory
            hashed = frame.with_columns(pl.col("request_key").hash())
            once = hashed.unique([column, "request_key"], keep="any")
            sums = _summed(once, column).collect(engine="streaming")
        else:
            every = frame.unique([column, "request_key"], keep="any").collect(engine="streaming")
            kind = _kinds(every["request_key"], store)
            sums = _summed(every.lazy(), column, kind=pl.lit(kind)).collect()
    except (OSError, pl.exceptions.PolarsError):
        raise _damaged(folder.judgments_file) from None
    found: dict[str, tuple[int, Tokens]] = {}
    for row in sums.iter_rows(named=True):
        counts = TokenCounts(*(row[name] for name in TOKEN_COUNTS))
        kind_of = row["kind"] if mixed else (kinds or ["direct"])[0]
        of = Tokens()._replace(**{kind_of: counts})
        n, before = found.get(row[column], (0, Tokens()))
        paid = 0 if kind_of == "taken_over" else row["requests"]
        found[row[column]] = n + paid, sum_of([before, of])
    return found


def images_tokens(folder: RunFolder, store: ResponseStore) -> dict[str, int]:
    """Tokens of images by modality, where the server says; empty where it does not.

    Of each modality all responses are read, unless the first ones say nothing.
    """
    found: dict[str, int] = {}
    try:
        frame = scan_parquet(folder.judgments_file).filter(has_response())
        for modality in ("image", "joint"):
            keys = (
                frame.filter(pl.col("modality") == modality)
                .select(pl.col("request_key").unique(maintain_order=True))
                .collect(engine="streaming")["request_key"]
            )
            first = _images_of(keys.head(_TRIED).to_list(), store)
            if first is None:
                continue
            parts = (keys.slice(start, _BODIES) for start in range(_TRIED, len(keys), _BODIES))
            rest = (_images_of(part.to_list(), store) for part in parts)
            found[modality] = first + sum(count or 0 for count in rest)
    except (OSError, pl.exceptions.PolarsError):
        raise _damaged(folder.judgments_file) from None
    return found


def _images_of(keys: Sequence[str], store: ResponseStore) -> int | None:
    """Tokens of the images of these requests; `None` if no response says."""
    stored = store.responses(keys).values()
    known = [count for each in stored if (count := image_tokens(each.raw.body)) is not None]
    return sum(known) if known else None


def asked_of_judges(
    folder: RunFolder, store: ResponseStore, judge: str | None = None, *, taken_over: bool = False
) -> dict[str, int]:
    """Different requests to each judge.

    Args:
        folder: Of the run.
        store: Its responses.
        judge: From `judge_of_search`.
        taken_over: Whether other runs have paid for some, which do not count.
    """
    try:
        verdicts = scan_verdicts(folder, judge).drop_nulls("judge_key")
        asked = verdicts.unique().collect(engine="streaming")
        if taken_over:
            asked = asked.filter(_kinds(asked["judge_key"], store) != "taken_over")
        table = asked.group_by("judge").len()
    except (OSError, pl.exceptions.PolarsError):
        raise _damaged(folder.judgments_file if judge else folder.verdicts_file) from None
    return dict(table.iter_rows())


def _damaged(file: Path) -> RunError:
    return RunError(
        f"{file}: damaged; delete it and run the same vlsu run command again: it is made again "
        "from the stored responses"
    )


def _summed(frame: pl.LazyFrame, column: str, **more: pl.Expr) -> pl.LazyFrame:
    return (
        frame.with_columns(**more)
        .group_by(column, *more)
        .agg(requests=pl.len(), **{name: pl.col(name).sum() for name in TOKEN_COUNTS})
    )


def _kinds(keys: pl.Series, store: ResponseStore) -> pl.Series:
    """Of each request, which of the `Tokens` its response counts to."""
    found: list[str] = []
    for start in range(0, len(keys), _LOOKUP):
        part = keys.slice(start, _LOOKUP).to_list()
        kept = store.tokens(part)
        found += [_kind(kept.get(key)) for key in part]
    return pl.Series("kind", found, dtype=pl.Categorical)


def _kind(kept: KeptTokens | None) -> str:
    if kept is None:
        return "direct"
    return "taken_over" if kept.taken_over else "batched" if kept.batched else "direct"


def sum_of(parts: Sequence[Tokens]) -> Tokens:
    """All of them together."""
    totals = []
    for kind in Tokens._fields:
        each = [getattr(tokens, kind) for tokens in parts]
        totals.append(TokenCounts(*map(sum, zip(*each, strict=True))) if each else TokenCounts())
    return Tokens(*totals)


def difference(whole: Tokens, part: Tokens) -> Tokens:
    """What is left of the whole; nothing is negative."""
    kinds = zip(whole, part, strict=True)
    return Tokens(*(TokenCounts(*(max(0, n - m) for n, m in zip(*k, strict=True))) for k in kinds))
