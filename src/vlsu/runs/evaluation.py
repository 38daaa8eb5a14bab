"""Evaluate a model on a dataset: plan, execute, store, judge."""

from __future__ import annotations

import asyncio
import datetime
import platform
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import orjson
import polars as pl

from vlsu import __version__
from vlsu.analysis import understanding_metrics
from vlsu.data import Dataset, load
from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.base import Model, Outcome, Settings
from vlsu.policy import MODALITIES, Policy, load_policy
from vlsu.runs.executor import Executor, Progress, Tally
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.images import DatasetImages
from vlsu.runs.judging import judge_frames, write_judgments
from vlsu.runs.keys import RequestKeys
from vlsu.runs.plan import Subset, plan
from vlsu.runs.run import Run
from vlsu.runs.store import ResponseStore
from vlsu.tasks import BARE, PROMPTS, Understanding, load_prompt

__all__ = ["NO_PROGRESS", "evaluate"]

T = TypeVar("T")


class _Silent:
    """Progress nobody watches."""

    def begin(self, total: int) -> None:
        """Ignored."""

    def stored(self, count: int) -> None:
        """Ignored."""

    def answered(self, outcome: Outcome) -> None:
        """Ignored."""

    def retried(self, kind: str) -> None:
        """Ignored."""


NO_PROGRESS = _Silent()


def evaluate(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    out: str | Path,
    modalities: Sequence[str] = MODALITIES,
    prompt: str | None = None,
    policy: Policy | str | Path | None = None,
    base_url: str | None = None,
    concurrency: int = 16,
    limit: int | None = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    settings: Settings | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Run the understanding task; the same call again asks only what is missing.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set (``vlsu-mini``).
        model: ``provider/name``, or a model of one's own.
        out: The run folder, made if need be.
        modalities: Which of image, text and joint to ask for.
        prompt: A prompt's name or file; ``zero-shot`` unless the model takes no instructions.
        policy: A policy or its file; the dataset's own by default.
        base_url: Root of an OpenAI-compatible server.
        concurrency: Requests in flight at most.
        limit: Number of samples, drawn by `seed`.
        seed: Draws the subset, and goes to the provider where it takes one.
        params: Passed on to the provider as they are.
        settings: Everything else about how the model is asked.
        progress: Told how far the run is.

    Returns:
        The run. It is finished unless it was interrupted; then the same call goes on.

    Raises:
        VlsuError: Wrong arguments, a model that cannot be reached, a folder in use.
    """
    if concurrency < 1:
        raise UsageError(f"concurrency {concurrency}: at least 1 request must be in flight")
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: at least 1 sample is needed")
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    if policy is None:
        policy = dataset.policy
    elif not isinstance(policy, Policy):
        policy = load_policy(policy)
    settings = settings or Settings()
    settings = replace(
        settings,
        base_url=base_url or settings.base_url,
        seed=settings.seed if seed is None else seed,
        params={**settings.params, **(params or {})},
    )
    opened = open_model(model, settings) if isinstance(model, str) else model
    if unable := [m for m in modalities if m in MODALITIES and m not in opened.modalities]:
        raise UsageError(f"{opened.spec} cannot judge {unable[0]}; leave it out of --modalities")
    name = BARE if not opened.takes_instructions else prompt or PROMPTS[0]
    task = Understanding(policy, load_prompt(name, policy), modalities, settings.system)
    job = _Job(
        dataset=dataset,
        model=opened,
        task=task,
        subset=Subset(limit, seed or 0),
        folder=RunFolder(out),
        concurrency=concurrency,
        base_url=settings.base_url,
        progress=progress,
    )
    return _in_event_loop(job.run)


@dataclass(frozen=True, slots=True)
class _Job:
    dataset: Dataset
    model: Model
    task: Understanding
    subset: Subset
    folder: RunFolder
    concurrency: int
    base_url: str | None
    progress: Progress

    async def run(self) -> Run:
        keys = RequestKeys(self.model.identity())
        record = self._record()
        try:
            with self.folder.locked():
                self.folder.check_same(record)
                self.folder.write_record(record)
                store = ResponseStore(self.folder.responses_file)
                try:
                    tally = await self._execute(store, keys)
                    if not tally.stopped:
                        self._judge(store, keys, record)
                    record["requests"] = {
                        "asked": sum(tally.asked.values()),
                        "reused": tally.reused,
                        "retries": dict(sorted(tally.retries.items())),
                        "errors": store.error_counts(),
                    }
                finally:
                    store.close()
                record["status"] = "stopped" if tally.stopped else "finished"
                record["ended"] = _now()
                self.folder.write_record(record)
        finally:
            await self.model.close()
        return Run(self.folder.path, record)

    async def _execute(self, store: ResponseStore, keys: RequestKeys) -> Tally:
        executor = Executor(
            self.model,
            DatasetImages(self.dataset),
            store,
            concurrency=self.concurrency,
            progress=self.progress,
        )
        self.progress.begin(self._distinct_requests())
        with _signals(executor.stop):
            tally = await executor.run(plan(self.dataset, self.subset, self.task, keys))
        store.flush()
        return tally

    def _judge(self, store: ResponseStore, keys: RequestKeys, record: dict[str, Any]) -> None:
        chunks = plan(self.dataset, self.subset, self.task, keys)
        frames = judge_frames(chunks, store, self.model, self.task)
        write_judgments(frames, self.folder.judgments_file)
        judgments = pl.read_parquet(self.folder.judgments_file)
        gold = self._gold()
        metrics = understanding_metrics(judgments, gold)
        write_atomically(
            self.folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2)
        )
        record["outcomes"] = metrics["outcomes"]
        record["not_asked"] = self._not_asked()

    def _gold(self) -> pl.DataFrame:
        columns = [f"{m}_{what}" for m in MODALITIES for what in ("grade", "category")]
        frame = self.subset.frame(self.dataset).select(
            pl.col("id").alias("sample_id"), *columns, "group"
        )
        return frame.collect()

    def _not_asked(self) -> dict[str, dict[str, int]]:
        """Per modality, how many samples could not be asked about, and why."""
        frame = self.subset.frame(self.dataset).select(
            image=pl.col("image_sha256").is_null(),
            text=pl.col("text").is_null() | (pl.col("text").str.strip_chars() == ""),
        )
        counts = frame.select(
            no_image=pl.col("image").sum(),
            no_text=pl.col("text").sum(),
            text_only=(~pl.col("image") & pl.col("text")).sum(),
        ).collect()
        no_image, no_text, image_without_text = counts.row(0)
        lacking = {
            "image": {"no image": no_image},
            "text": {"no text": no_text},
            "joint": {"no image": no_image, "no text": image_without_text},
        }
        return {
            modality: {why: n for why, n in lacking[modality].items() if n}
            for modality in self.task.modalities
            if any(lacking[modality].values())
        }

    def _distinct_requests(self) -> int:
        """How many different requests the run needs: shared images and texts count once."""
        frame = self.subset.frame(self.dataset)
        has_text = pl.col("text").str.strip_chars() != ""
        has_image = pl.col("image_sha256").is_not_null()
        distinct = {
            "image": pl.col("image_sha256").filter(has_image).n_unique(),
            "text": pl.col("text").filter(has_text).n_unique(),
            "joint": pl.struct("image_sha256", "text").filter(has_image & has_text).n_unique(),
        }
        counts = frame.select(**{m: distinct[m] for m in self.task.modalities}).collect()
        return int(sum(counts.row(0)))

    def _record(self) -> dict[str, Any]:
        info = self.dataset.info
        return {
            **self.task.identity(),
            "model": {
                "spec": self.model.spec,
                "identity": dict(self.model.identity()),
                "base_url": self.base_url,
            },
            "dataset": {
                "name": info.name,
                "version": info.version,
                "path": str(self.dataset.path.absolute()),
                "content_hash": info.content_hash,
                "samples": len(self.dataset),
            },
            "modalities": list(self.task.modalities),
            "limit": self.subset.limit,
            "seed": self.subset.seed,
            "concurrency": self.concurrency,
            "versions": {
                "vlsu": __version__,
                "python": platform.python_version(),
                "polars": version("polars"),
                "numpy": version("numpy"),
            },
            "started": _now(),
            "status": "running",
        }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class _signals:  # noqa: N801 - reads as a statement
    """While open, Ctrl-C and SIGTERM call `stop` instead of killing; main thread only."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self._main:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._stop)

    def __exit__(self, *_: object) -> None:
        if self._main:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.remove_signal_handler(number)


def _in_event_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, from a script or from a notebook whose thread has a loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
