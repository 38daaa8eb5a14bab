"""Which responses the judgments of finished runs rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from vlsu.data.parquet import scan_parquet
from vlsu.errors import RunError
from vlsu.runs.folder import RunFolder
from vlsu.runs.store.digest_index import DigestIndex, digests_of
from vlsu.runs.store.store import ResponseStore

__all__ = ["needed_by"]

_COLUMNS = ("request_key", "judge_key")
_ROWS = 50_000


def needed_by(runs: Sequence[Path]) -> Callable[[Sequence[str]], set[str]]:
    """Of some request keys, those that a judgment of these runs has.

    Args:
        runs: Folders of finished runs.

    Raises:
        RunError: One is no run, is not finished, or its files cannot be read.
    """
    index = DigestIndex()
    for path in runs:
        folder = RunFolder(path)
        if folder.record()["status"] != "finished":
            raise RunError(
                f"{path}: the run is not finished, so what it needs is not known; run the same "
                "vlsu run command again first"
            )
        if folder.has_first_pass:
            _add_all_stored(folder.responses_file, index)
        for file in sorted(folder.path.glob("*.parquet")):
            _add(file, index)

    def needed(keys: Sequence[str]) -> set[str]:
        found = index.find(digests_of(keys))
        return {key for key, number in zip(keys, found, strict=True) if number}

    return needed


def _add_all_stored(file: Path, index: DigestIndex) -> None:
    """Add all that a run has stored: what its judgments rest on indirectly is in no table."""
    with closing(ResponseStore(file, read_only=True)) as store:
        for keys in store.stored_keys():
            _add_keys(keys, index)


def _add(file: Path, index: DigestIndex) -> None:
    try:
        frame = scan_parquet(file)
        for column in set(_COLUMNS) & set(frame.collect_schema().names()):
            keys = frame.select(column).collect().get_column(column).drop_nulls().unique()
            for part in keys.to_frame().iter_slices(_ROWS):
                _add_keys(part.get_column(column).to_list(), index)
    except (OSError, pl.exceptions.PolarsError):
        raise RunError(f"{file}: damaged; run the same vlsu run command again first") from None


def _add_keys(keys: Sequence[str], index: DigestIndex) -> None:
    digests = digests_of(keys)
    fresh = [place for place, number in enumerate(index.find(digests)) if not number]
    added = b"".join(digests[16 * each : 16 * each + 16] for each in fresh)
    index.add(added, [1] * len(fresh))
