"""Reading the run in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import polars as pl

from vlsu._arguments import require_list
from vlsu._files import read_bytes
from vlsu._text import one_line
from vlsu.data import BUNDLED, Dataset, load
from vlsu.data.parquet import scan_parquet
from vlsu.errors import DataError, RunError, UsageError
from vlsu.runs.asking.plan import Subset
from vlsu.runs.columns import ALIGNMENT_JUDGMENTS, LATER_COLUMNS, LATER_VERDICT_COLUMNS
from vlsu.runs.folder import RunFolder
from vlsu.runs.record_schema import DatasetRecord, RunRecord
from vlsu.runs.store.store import ResponseStore, Stored
from vlsu.runs.task_records import TASK_RECORDS

if TYPE_CHECKING:
    from vlsu.analysis.results import Metrics

__all__ = ["Run", "as_run", "as_runs", "dataset_title", "load_run", "load_runs", "one_task"]


#: Columns of ``judgments.parquet`` that every version has written.
_COLUMNS = (
    *("sample_id", "modality", "framing", "expected", "predicted", "outcome", "category"),
    *("p_unsafe", "latency_s", "input_tokens", "output_tokens", "request_key"),
    *("expected_category", "answer"),
)


@dataclass(frozen=True)
class Run:
    """One task, one model, one dataset, one prompt.

    Attributes:
        path: The run folder.
        record: The content of ``run.yaml``.
        moved_to: The dataset's folder, if it was moved since.
    """

    path: Path
    record: RunRecord
    moved_to: Path | None = None

    def __repr__(self) -> str:
        record, state = self.record, str(self.record.get("status"))
        if record.get("stopped"):
            state += f" ({record['stopped']})"
        about = f"{record['task']} of {record['model']['spec']} on {record['dataset']['name']}"
        return f"<Run {one_line(about)}: {one_line(state)}, in {one_line(self.path, 300)}>"

    @property
    def finished(self) -> bool:
        """Whether every request was asked; errors may remain among the outcomes."""
        return bool(self.record.get("status") == "finished")

    def require_finished(self) -> None:
        """Refuse a run that is not finished.

        Raises:
            RunError: It is not.
        """
        if not self.finished:
            raise self._not_finished()

    def _not_finished(self) -> RunError:
        return RunError(
            f"{self.path}: not finished; run the same vlsu run command again to continue"
        )

    @cached_property
    def metrics(self) -> Metrics:
        """The content of ``metrics.json``; its figures are attributes too.

        Raises:
            RunError: The run is not finished, or the file is damaged.
        """
        from vlsu.analysis.results import Metrics

        file = RunFolder(self.path).metrics_file
        try:
            metrics = orjson.loads(read_bytes(file))
        except FileNotFoundError:
            raise self._not_finished() from None
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({error.strerror})") from None
        except orjson.JSONDecodeError:
            metrics = None
        if not isinstance(metrics, dict):
            raise _damaged(file)
        return Metrics(metrics)

    def scan(self) -> pl.LazyFrame:
        """The judgments, unread: one row a sample and modality, and framing and draw.

        See ``JUDGMENTS`` and ``ALIGNMENT_JUDGMENTS`` for the columns.

        Raises:
            RunError: The run is not finished, or the file is damaged: it is no Parquet file, lacks
                a column, has one of another type, or more rows than the run has judgments.
        """
        file = RunFolder(self.path).judgments_file
        try:
            frame = scan_parquet(file)
            found = frame.collect_schema()
            rows = int(frame.select(pl.len()).collect().item())
        except FileNotFoundError:
            raise self._not_finished() from None
        except (OSError, pl.exceptions.PolarsError):
            raise _damaged(file) from None
        for name, kind in ALIGNMENT_JUDGMENTS.items():
            if name in found and found[name] != kind:
                raise _damaged(file, f"column {name} holds {found[name]}")
        if lacking := [name for name in self._columns if name not in found]:
            raise _damaged(file, f"column {lacking[0]} is missing")
        if rows > self._most_rows:
            raise _damaged(file, f"{rows} rows, of {self._most_rows} at most")
        verdicts = LATER_VERDICT_COLUMNS if "judge_outcome" in self._columns else ()
        return frame.with_columns(
            pl.lit(None, dtype=ALIGNMENT_JUDGMENTS[name]).alias(name)
            for name in (*LATER_COLUMNS, *verdicts)
            if name not in found
        )

    @property
    def _columns(self) -> tuple[str, ...]:
        """Those that every run of the task has had, whatever the version."""
        return (*_COLUMNS, *TASK_RECORDS[self.record.task].columns)

    @property
    def _most_rows(self) -> int:
        record, task = self.record, TASK_RECORDS[self.record.task]
        each = len(record["modalities"]) * max(1, len(record.get("framings", ())))
        draws = record.get("draws", 1) if task.draws else 1
        return int(record.dataset.samples * each * draws * task.parts)

    @cached_property
    def judgments(self) -> pl.DataFrame:
        """All judgments; see `scan`.

        Raises:
            RunError: The run is not finished, or the file is damaged.
        """
        return self.collected(self.scan())

    def judged(self, *select: pl.Expr, where: pl.Expr | None = None) -> pl.DataFrame:
        """A part of the judgments, without the rest in memory.

        Args:
            select: Columns, or what is made of them.
            where: Which rows; all by default.

        Raises:
            RunError: The run is not finished, or the file is damaged.
        """
        frame = self.scan()
        return self.collected((frame if where is None else frame.filter(where)).select(*select))

    def collected(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """What is made of `scan`, computed.

        Raises:
            RunError: The file is damaged.
        """
        try:
            return frame.collect(engine="streaming")
        except (OSError, pl.exceptions.PolarsError):
            raise _damaged(RunFolder(self.path).judgments_file) from None

    @property
    def subset(self) -> Subset:
        """The samples asked about, where none were drawn by pattern."""
        return Subset(self.record.limit, self.record.seed or 0)

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset it was run on, at its current location.

        Raises:
            DataError: It is not where it was.
            RunError: It was changed since.
        """
        about = self.record.dataset
        place = about.path if self.moved_to is None else self.moved_to
        try:
            dataset = load(place)
        except DataError as error:
            bundled = _bundled(about)
            if bundled is None:
                raise DataError(
                    f"{error}; if the dataset of {self.path} was moved, say where to (--dataset)"
                ) from None
            dataset = bundled
        if dataset.info.content_hash != about["content_hash"]:
            raise RunError(
                f"{place}: not, or no longer, the dataset of {self.path}, which is "
                f"{dataset_title(self)}; say where that lies (--dataset), or run again"
            )
        return dataset

    def answers(self, keys: Sequence[str]) -> dict[str, str]:
        """The model's answers to these request keys, where it gave any."""
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


def _damaged(file: Path, what: str = "") -> RunError:
    how = f" ({what})" if what else ""
    return RunError(
        f"{file}: damaged{how}; delete it and run the same vlsu run command again: it is made "
        "again from the stored responses"
    )


def _bundled(about: DatasetRecord) -> Dataset | None:
    """The bundled dataset of that name and content, wherever this package is installed."""
    if about["name"] not in BUNDLED:
        return None
    dataset = load(about["name"])
    return dataset if dataset.info.content_hash == about["content_hash"] else None


def dataset_title(run: Run) -> str:
    """What a run's dataset is called in messages: name, version and the beginning of its hash."""
    about = run.record.dataset
    return f"{about['name']} {about['version']} ({str(about['content_hash'])[:15]})"


def load_run(path: str | Path, *, dataset: str | Path | None = None) -> Run:
    """Open a run folder.

    Args:
        path: The folder.
        dataset: The dataset's folder, if it was moved since.

    Raises:
        RunError: There is no run there.
        DataError: There is no dataset there, or another than the run's.
    """
    (run,) = load_runs([path], [] if dataset is None else [dataset])
    return run


def load_runs(paths: Sequence[str | Path], datasets: Sequence[str | Path] = ()) -> list[Run]:
    """Open several run folders.

    Args:
        paths: The folders.
        datasets: Folders of datasets that were moved since; each is that of one run or more.

    Raises:
        UsageError: The paths are no list, or one is no path.
        RunError: There is no run in one of them.
        DataError: There is no dataset in one, or one of no run.
    """
    require_list("paths", paths)
    folders = map(RunFolder, paths)
    runs = [Run(folder.path, folder.record()) for folder in folders]
    for place in datasets:
        digest = load(place).info.content_hash
        fitting = [run.record.dataset.content_hash == digest for run in runs]
        if not any(fitting):
            raise DataError(
                f"{place}: not the dataset of {runs[0].path}, which is {dataset_title(runs[0])}"
            )
        runs = [
            replace(run, moved_to=Path(place)) if fits else run
            for run, fits in zip(runs, fitting, strict=True)
        ]
    return runs


def as_run(given: Run | str | Path) -> Run:
    """A run as it is, or the one in a folder.

    Raises:
        UsageError: It is neither a run nor a path.
        RunError: There is no run in the folder.
    """
    if isinstance(given, Run):
        return given
    if isinstance(given, str | os.PathLike):
        return load_run(given)
    raise UsageError(f"run {one_line(repr(given), 60)}: give a run's folder or a vlsu.Run")


def as_runs(given: Sequence[Run | str | Path] | Run | str | Path) -> list[Run]:
    """Runs as they are, or those in folders; one alone is a list of one.

    Raises:
        UsageError: One of them is neither a run nor a path.
        RunError: There is no run in a folder.
    """
    if isinstance(given, Run | str | os.PathLike):
        return [as_run(given)]
    require_list("runs", given)
    return [as_run(each) for each in given]


def one_task(runs: Sequence[Run], advice: str) -> str:
    """The task that all of these runs have.

    Args:
        runs: At least one.
        advice: What to do instead where they have several; ends the message.

    Raises:
        UsageError: They are of different tasks.
    """
    first, *others = runs
    for run in others:
        if run.record.task != first.record.task:
            raise UsageError(
                f"{first.path} is a run of {first.record.task}, {run.path} of {run.record.task}; "
                f"{advice}"
            )
    return first.record.task
