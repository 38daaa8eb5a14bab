"""Judging a large run in processes of their own, one a core, a part of its samples in each.

A process opens the same model and prompt from the same options, reads what is stored itself, and
returns the rows that `vlsu.runs.judging.judged` would make here. Before that, it can say which
samples of a part lack a response (`vlsu.runs.understanding.part_planning`).
"""

from __future__ import annotations

import gc
import logging
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, Protocol

import orjson
import polars as pl

from vlsu.errors import RunError, VlsuError
from vlsu.models.base import Model
from vlsu.models.http.model import HttpModel
from vlsu.models.processes import Pool, cores
from vlsu.policy import Policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import KeyedRows, Lacking
from vlsu.runs.judging import grouped
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.judged_columns import (
    Frames,
    JudgedPart,
    KeptRows,
    Part,
    judged_part,
)
from vlsu.runs.understanding.model_and_task import model_and_task
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.tasks import Understanding

__all__ = [
    "PART",
    "TOGETHER",
    "WORTH",
    "Frames",
    "JudgedPart",
    "Part",
    "PartJudge",
    "PartsJudge",
    "Work",
    "judged_rows",
    "together",
]

#: Judgments from which on processes are started: each takes half a second to begin.
WORTH = 100_000
#: Objects between two looks for cycles, of which judging makes none.
_COLLECTED = 100_000
#: Samples of a part: several parts are in memory at a time.
PART = 4_000
#: Samples that are counted and written together.
TOGETHER = 20_000


class BegunParts(Protocol):
    """Parts of a run that were judged before all was asked."""

    def lacking(self, number: int) -> list[int] | None:
        """Places of the samples of a part that are to be judged anew; `None`: all of them."""
        ...

    def digests(self, number: int) -> bytes | None:
        """The keys of the requests of a part, if they are known."""
        ...

    def completed(self, number: int, anew: Frames | None) -> Frames:
        """A part of which some samples were to be judged anew, if any were, and have been."""
        ...


class _Begun(NamedTuple):
    """A part whose judgments are waited for.

    Attributes:
        number: The part's, if it was judged before.
        rows: What of it is judged now.
        judged: By another process; `None` if there is nothing to judge.
        weight: The share of the part that is.
    """

    number: int | None
    rows: pl.DataFrame
    judged: Future[JudgedPart | None] | None
    weight: float


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


class Work(NamedTuple):
    """What a process does.

    Attributes:
        setup: A `_Setup`, pickled.
        part: Of which samples.
        keyed: Whether it is to say what they lack instead of judging them.
    """

    setup: bytes
    part: Part
    keyed: bool = False


#: Has a process do some work.
_Submit = Callable[[Work], Future[Any]]


class PartsJudge:
    """Judges parts of a run's samples in processes.

    Args:
        setup: What judges a part.
        count: How many processes.
    """

    def __init__(self, setup: bytes, count: int) -> None:
        self._setup = setup
        self.count = count
        self._pool = Pool(f"{__name__}:part_judge", count)

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
        self,
        parts: Iterable[pl.DataFrame],
        here: Callable[[pl.DataFrame], Frames],
        begun: BegunParts | None = None,
    ) -> Iterator[Frames]:
        """Judge parts, in their order.

        Args:
            parts: Rows of the dataset.
            here: Judges a part in this process; called where another one could not.
            begun: Those of the parts that are judged already.
        """
        try:
            with self._threads(self.count) as submit:
                waiting: deque[_Begun] = deque()
                weight = 0.0
                for number, rows in enumerate(parts):
                    lacking = None if begun is None else begun.lacking(number)
                    if lacking is None:
                        part = Part(rows, None if begun is None else begun.digests(number))
                    else:
                        part = Part(rows[lacking])
                    left = part.rows
                    judged = submit(self.work(part)) if left.height else None
                    known = None if lacking is None else number
                    waiting.append(_Begun(known, left, judged, left.height / rows.height))
                    weight += waiting[-1].weight
                    while weight > self.count + 1:
                        weight -= waiting[0].weight
                        yield _ended(waiting.popleft(), here, begun)
                while waiting:
                    yield _ended(waiting.popleft(), here, begun)
        finally:
            self.close()

    def work(self, part: Part, *, keyed: bool = False) -> Work:
        """What a process is given for a part; `keyed` as of `Work`."""
        return Work(self._setup, part, keyed)

    def each(
        self, parts: Iterable[Part], at_once: int, stopping: Event
    ) -> Generator[JudgedPart | None]:
        """Judge parts, in their order; `None` for those that no process could judge.

        Args:
            parts: The parts.
            at_once: How many processes are used.
            stopping: Once it is set no part is begun: `None` for those that waited.
        """
        works = map(self.work, parts)
        for _, result in self._in_order(works, at_once, stopping):
            yield result

    def lacking(
        self, parts: Iterable[pl.DataFrame]
    ) -> Generator[tuple[pl.DataFrame, Lacking | None]]:
        """Parts and which of their rows lack a response; `None` where no process could say."""
        works = (self.work(Part(rows), keyed=True) for rows in parts)
        for work, lacking in self._in_order(works, self.count):
            yield work.part.rows, lacking

    def _in_order(
        self, works: Iterable[Work], at_once: int, stopping: Event | None = None
    ) -> Iterator[tuple[Work, Any]]:
        with self._threads(at_once, stopping) as submit:
            begun: deque[tuple[Work, Future[Any]]] = deque()
            for work in works:
                begun.append((work, submit(work)))
                if len(begun) > at_once:
                    done, result = begun.popleft()
                    yield done, result.result()
            for done, result in begun:
                yield done, result.result()

    def close(self) -> None:
        """End the processes; a later part starts new ones."""
        self._pool.close()

    @contextmanager
    def _threads(self, count: int, stopping: Event | None = None) -> Iterator[_Submit]:
        """What has work done in other threads, so much at once; what is not begun is dropped."""
        with ThreadPoolExecutor(count, thread_name_prefix="judging") as threads:
            try:
                yield lambda work: threads.submit(self._done, work, stopping)
            finally:
                threads.shutdown(cancel_futures=True)

    def _done(self, work: Work, stopping: Event | None) -> Any:
        """What a process makes of some work; `None` if that failed, whatever the reason."""
        if stopping is not None and stopping.is_set():
            return None
        try:
            (result,) = self._pool.answer([work])
        except Exception:  # it is tried here, where an error can be explained
            return None
        return result


def together(parts: Iterator[Frames], size: int = TOGETHER) -> Iterator[Frames]:
    """Parts that follow each other as one, of at least `size` samples but for the last.

    What is done with each, such as counting its samples, costs little more for so many.
    """
    for some in grouped(parts, lambda frames: frames[1].height, size):
        yield _as_one(some)


def _as_one(parts: Iterable[Frames]) -> Frames:
    judgments, gold = zip(*parts, strict=True)
    return pl.concat(judgments), pl.concat(gold)


def _ended(
    part: _Begun, here: Callable[[pl.DataFrame], Frames], begun: BegunParts | None
) -> Frames:
    found = None if part.judged is None else part.judged.result()
    if begun is None or part.number is None:
        return here(part.rows) if found is None else found.frames
    if part.judged is None:
        return begun.completed(part.number, None)
    return begun.completed(part.number, here(part.rows) if found is None else found.frames)


def _identity(model: Model, task: Understanding) -> bytes:
    return orjson.dumps([model.identity(), task.identity()], option=orjson.OPT_SORT_KEYS)


class PartJudge:
    """Judges parts in the process that it is made in."""

    def __init__(self) -> None:
        self._setup = b""
        self._opened: _Opened | None = None

    def answer_packed(self, packed: Sequence[Work]) -> list[JudgedPart | Lacking]:
        """Judge parts, or say what they lack.

        Raises:
            RunError: Model or prompt are not those of the run any more, or the store is damaged.
        """
        return [self._of(work.setup).done(work) for work in packed]

    def _of(self, setup: bytes) -> _Opened:
        if self._opened is None or setup != self._setup:
            self._opened, self._setup = _Opened(pickle.loads(setup)), setup  # noqa: S301
        return self._opened


class _Opened:
    """A run's store, model and task in another process."""

    def __init__(self, setup: _Setup) -> None:
        self._model, self._task = model_and_task(setup.options, setup.policy)
        if _identity(self._model, self._task) != setup.identity:
            raise RunError("model or prompt have changed since the run began")
        self._store = ResponseStore(setup.store, read_only=True)
        self._kept = KeptRows()
        self._keyed_rows = KeyedRows(self._task, RequestKeys(self._model.identity()))

    def done(self, work: Work) -> JudgedPart | Lacking:
        if work.keyed:
            return self._keyed_rows.lacking(work.part.rows, self._store.stored)
        return judged_part(work.part, self._store, self._model, self._task, self._kept)


def judged_rows(
    rows: pl.DataFrame, store: ResponseStore, model: Model, task: Understanding
) -> Frames:
    """Judgments and gold grades of some rows of a dataset.

    Raises:
        DataError: A row cannot be read as a sample.
        RunError: The store is damaged.
    """
    return judged_part(Part(rows), store, model, task, KeptRows()).frames


def part_judge() -> PartJudge:
    """What judges in a process; warnings about the options were given where it was started."""
    logging.disable()
    gc.freeze()  # what was imported stays, and is not looked through again and again
    gc.set_threshold(_COLLECTED)
    return PartJudge()
