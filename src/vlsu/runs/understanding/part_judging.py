"""Judging a large run in processes of their own, one a core, a part of its samples in each.

A process opens the same model and prompt from the same options, reads what is stored itself, and
returns the rows that `vlsu.runs.judging.judged` would make here.
"""

from __future__ import annotations

import gc
import logging
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import orjson
import polars as pl

from vlsu.data.rows import to_sample
from vlsu.errors import RunError, VlsuError
from vlsu.models.base import Model
from vlsu.models.http.model import HttpModel
from vlsu.models.processes import Pool, cores
from vlsu.policy import Policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import keyed
from vlsu.runs.judging import judged
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.model_and_task import model_and_task
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.tasks import Understanding

__all__ = ["PART", "WORTH", "Frames", "PartJudge", "PartsJudge", "judged_rows"]

#: Judgments from which on processes are started: each takes half a second to begin.
WORTH = 100_000
#: Samples of a part: several parts are in memory at a time.
PART = 4_000

#: Judgments and gold grades of a part.
Frames = tuple[pl.DataFrame, pl.DataFrame]


class _Setup(NamedTuple):
    """What judges a part, as another process makes it again.

    Attributes:
        options: Those of the run that decide model and task.
        policy: The one it grades by.
        identity: What the model and the task must be.
        store: The file of the run's responses.
    """

    options: UnderstandingOptions
    policy: Policy
    identity: bytes
    store: Path


class _Part(NamedTuple):
    """A setup, pickled, and the dataset's rows that are to be judged."""

    setup: bytes
    rows: pl.DataFrame


class PartsJudge:
    """Judges parts of a run's samples in processes.

    Args:
        setup: What judges a part.
        count: How many processes.
    """

    def __init__(self, setup: bytes, count: int) -> None:
        self._setup = setup
        self._count = count

    @classmethod
    def of(
        cls,
        options: UnderstandingOptions,
        policy: Policy,
        model: Model,
        task: Understanding,
        store: Path,
    ) -> PartsJudge | None:
        """What judges a run; `None` where there is one core, or it cannot be made again elsewhere.

        That can be done of a model behind a server which its SPEC and settings tell all of.
        """
        if cores() < 2 or type(model) is not HttpModel:
            return None
        settings = options.settings
        asked = UnderstandingOptions(
            model=model.spec,
            settings=replace(settings, params=dict(settings.params)),
            modalities=task.modalities,
            prompt=options.prompt,
            policy_detail=options.policy_detail,
        )
        identity = _identity(model, task)
        try:
            if _identity(*model_and_task(asked, policy)) != identity:
                return None
        except VlsuError:  # such as a prompt whose file is gone
            return None
        return cls(pickle.dumps(_Setup(asked, policy, identity, store.absolute())), cores())

    def judged(
        self, parts: Iterable[pl.DataFrame], here: Callable[[pl.DataFrame], Frames]
    ) -> Iterator[Frames]:
        """Judge parts, in their order.

        Args:
            parts: Rows of the dataset.
            here: Judges a part in this process; called where another one could not.
        """
        pool = Pool(f"{__name__}:part_judge", self._count)
        try:
            with ThreadPoolExecutor(self._count, thread_name_prefix="judging") as threads:
                begun: deque[tuple[pl.DataFrame, Callable[[], Frames | None]]] = deque()
                try:
                    for rows in parts:
                        begun.append((rows, threads.submit(self._judge, pool, rows).result))
                        if len(begun) > self._count + 1:
                            yield _judged(*begun.popleft(), here)
                    while begun:
                        yield _judged(*begun.popleft(), here)
                finally:
                    threads.shutdown(cancel_futures=True)
        finally:
            pool.close()

    def _judge(self, pool: Pool, rows: pl.DataFrame) -> Frames | None:
        """A part judged by a process; `None` if that failed, whatever the reason."""
        try:
            frames: list[Frames] = pool.answer([_Part(self._setup, rows)])
        except Exception:  # it is tried here, where an error can be explained
            return None
        return frames[0]


def _judged(
    rows: pl.DataFrame,
    result: Callable[[], Frames | None],
    here: Callable[[pl.DataFrame], Frames],
) -> Frames:
    found = result()
    return here(rows) if found is None else found


def _identity(model: Model, task: Understanding) -> bytes:
    return orjson.dumps([model.identity(), task.identity()], option=orjson.OPT_SORT_KEYS)


class PartJudge:
    """Judges parts in the process that it is made in."""

    def __init__(self) -> None:
        self._setup = b""
        self._judge: Callable[[pl.DataFrame], Frames] | None = None

    def answer_packed(self, packed: Sequence[_Part]) -> list[Frames]:
        """Judge parts.

        Raises:
            RunError: Model or prompt are not those of the run any more, or the store is damaged.
        """
        return [self._of(setup)(rows) for setup, rows in packed]

    def _of(self, setup: bytes) -> Callable[[pl.DataFrame], Frames]:
        if self._judge is None or setup != self._setup:
            self._judge, self._setup = _opened(pickle.loads(setup)), setup  # noqa: S301
        return self._judge


def _opened(setup: _Setup) -> Callable[[pl.DataFrame], Frames]:
    model, task = model_and_task(setup.options, setup.policy)
    if _identity(model, task) != setup.identity:
        raise RunError("model or prompt have changed since the run began")
    store = ResponseStore(setup.store, read_only=True)
    return lambda rows: judged_rows(rows, store, model, task)


def judged_rows(
    rows: pl.DataFrame, store: ResponseStore, model: Model, task: Understanding
) -> Frames:
    """Judgments and gold grades of some rows of a dataset.

    Raises:
        DataError: A row cannot be read as a sample.
        RunError: The store is damaged.
    """
    chunks = keyed(map(to_sample, rows.iter_rows()), task, RequestKeys(model.identity()))
    frames = [*judged(chunks, store, model, task)]
    judgments, gold = zip(*frames, strict=True)
    return pl.concat(judgments), pl.concat(gold)


def part_judge() -> PartJudge:
    """What judges in a process; warnings about the options were given where it was started."""
    logging.disable()
    gc.freeze()  # what was imported stays, and is not looked through again and again
    return PartJudge()
