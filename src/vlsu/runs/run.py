"""A run that lies in a folder, to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu._files import read_bytes
from vlsu.data import Dataset, load
from vlsu.data.parquet import read_parquet, scan_parquet
from vlsu.errors import RunError
from vlsu.runs.folder import RunFolder
from vlsu.runs.store import ResponseStore, Stored

__all__ = ["Run", "load_run"]


@dataclass(frozen=True)
class Run:
    """One task, one model, one dataset, one prompt.

    Attributes:
        path: The run folder.
        record: The content of ``run.yaml``.
    """

    path: Path
    record: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether every request was asked; errors may remain among the outcomes."""
        return bool(self.record.get("status") == "finished")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``.

        Raises:
            RunError: The run is not finished, or the file is damaged.
        """
        file = RunFolder(self.path).metrics_file
        try:
            metrics = orjson.loads(read_bytes(file))
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: not finished; run the same vlsu run command again to go on"
            ) from None
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({error.strerror})") from None
        except orjson.JSONDecodeError:
            metrics = None
        if not isinstance(metrics, dict):
            raise _damaged(file)
        return metrics

    @cached_property
    def judgments(self) -> pl.DataFrame:
        """One row a sample and modality; see ``JUDGMENTS`` for the columns.

        Raises:
            RunError: The run is not finished, or the file is damaged.
        """
        file = RunFolder(self.path).judgments_file
        try:
            return read_parquet(file)
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: not finished; run the same vlsu run command again to go on"
            ) from None
        except (OSError, pl.exceptions.PolarsError):
            raise _damaged(file) from None

    def judged(self, *select: pl.Expr, where: pl.Expr | None = None) -> pl.DataFrame:
        """A part of the judgments, without the rest in memory.

        Args:
            select: Columns, or what is made of them.
            where: Which rows; all by default.

        Raises:
            RunError: The run is not finished, or the file is damaged.
        """
        file = RunFolder(self.path).judgments_file
        try:
            frame = scan_parquet(file)
            if where is not None:
                frame = frame.filter(where)
            return frame.select(*select).collect(engine="streaming")
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: not finished; run the same vlsu run command again to go on"
            ) from None
        except (OSError, pl.exceptions.PolarsError):
            raise _damaged(file) from None

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset it was run on, if it still lies where it did.

        Raises:
            DataError: It does not.
            RunError: It was changed since.
        """
        about = self.record["dataset"]
        dataset = load(about["path"])
        if dataset.info.content_hash != about["content_hash"]:
            raise RunError(f"{about['path']}: changed since {self.path} was run; run again")
        return dataset

    def answers(self, keys: Sequence[str]) -> dict[str, str]:
        """The model's words under these request keys, where it said any."""
        wanted = self.judgments.filter(
            pl.col("request_key").is_in(list(keys)) & pl.col("answer").is_not_null()
        )
        return dict(wanted.select("request_key", "answer").iter_rows())

    def responses(self, keys: Sequence[str]) -> dict[str, Stored]:
        """The raw responses of these request keys, as far as they are stored."""
        store = ResponseStore(RunFolder(self.path).responses_file, read_only=True)
        try:
            return store.responses(keys)
        finally:
            store.close()


def _damaged(file: Path) -> RunError:
    return RunError(
        f"{file}: damaged; delete it and run the same vlsu run command again: it is made anew "
        "from the stored responses"
    )


def load_run(path: str | Path) -> Run:
    """Open a run folder.

    Raises:
        RunError: There is no run there.
    """
    folder = RunFolder(path)
    return Run(folder.path, folder.record())
