"""Answering in processes of their own, one a core, for models that keep the interpreter busy.

The processes are started from this module and speak over their standard input and output, so that
nothing of the user's program is imported or run again in them. They end with the process that
started them, however that ends: then there is nothing more to read.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from vlsu._cores import cores
from vlsu.models.base import ImageSource, Request

__all__ = ["Packed", "Parallel", "Pool", "cores"]

#: Before each message, its length in bytes.
_LENGTH = struct.Struct(">Q")
_Answers = list[Mapping[str, object]]


class Packed(Protocol):
    """An `vlsu.models.inprocess.Answerer` whose requests can be handed to another process."""

    modalities: frozenset[str]
    takes_instructions: bool

    def identity(self) -> Mapping[str, object]:
        """As of an `Answerer`."""
        ...

    def pack(self, request: Request, images: ImageSource) -> object:
        """What is needed to answer a request, as plain values."""
        ...

    def answer_packed(self, packed: Sequence[Any]) -> _Answers:
        """Answer what was packed, in order."""
        ...


class Parallel:
    """An `Answerer` that hands batches to processes, once there are enough to be worth it.

    Args:
        answerer: Answers the first batches here, and all of them where no process can be had.
        factory: ``module:name`` of what makes the same answerer in a process.
        after: Requests that are answered here, before processes are started.
        count: Processes; one a core, if not given, and none where there is but one.
    """

    def __init__(
        self, answerer: Packed, factory: str, *, after: int, count: int | None = None
    ) -> None:
        self.answerer = answerer
        self.modalities = answerer.modalities
        self.takes_instructions = answerer.takes_instructions
        self.count = cores() if count is None else count
        self._left = after
        self._here = threading.Lock()
        self._pool = Pool(factory, self.count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.answerer, name)

    def identity(self) -> Mapping[str, object]:
        """That of the answerer: where it runs changes no answer."""
        return self.answerer.identity()

    def answer(self, requests: Sequence[Request], images: ImageSource) -> _Answers:
        """Answer a batch, in order; several threads may call it."""
        return self.answer_packed([self.answerer.pack(request, images) for request in requests])

    def answer_packed(self, packed: Sequence[Any]) -> _Answers:
        """Answer what was packed, in order; several threads may call it."""
        if self.count < 2 or self._left > 0:
            with self._here:
                self._left -= len(packed)
                return self.answerer.answer_packed(packed)
        try:
            return self._pool.answer(packed)
        except (OSError, EOFError):  # it could not be started, or it was killed
            with self._here:
                return self.answerer.answer_packed(packed)

    def close(self) -> None:
        """End the processes; a later batch starts new ones."""
        self._pool.close()


class Pool:
    """Processes that each answer one batch at a time, started when they are first needed.

    Args:
        factory: ``module:name`` of what makes in a process what answers there: something with the
            method ``answer_packed`` of `Packed`.
        count: How many.
    """

    def __init__(self, factory: str, count: int) -> None:
        self.count = count
        self._factory = factory
        self._idle: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
        self._fill()

    def answer(self, packed: Sequence[object]) -> list[Any]:
        """Answer a batch, in order; several threads may call it.

        Raises:
            EOFError: The process has ended; another takes its place.
            OSError: Likewise, or none can be started.
            Exception: Whatever answering raised.
        """
        process = self._idle.get()
        try:
            process = process or _Process(self._factory)
            return process.answer(packed)
        except (OSError, EOFError):
            if process is not None:
                process.close()
            process = None
            raise
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End the processes, once they have answered; a later batch starts new ones."""
        for _ in range(self.count):
            if (process := self._idle.get()) is not None:
                process.close()
        self._fill()

    def _fill(self) -> None:
        for _ in range(self.count):
            self._idle.put(None)


#: What a process runs: this module out of the same package, wherever that is.
_START = f"""import sys
if (root := {str(Path(__file__).parents[2])!r}) not in sys.path: sys.path.insert(0, root)
from {__name__} import main
main()"""


class _Process:
    """A process that answers one batch at a time."""

    def __init__(self, factory: str) -> None:
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
        environment = os.environ | dict.fromkeys(threads, "1")
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-c", _START, factory],  # -P: nothing out of this folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # an interrupt is for those who ask
        )

    def answer(self, packed: Sequence[object]) -> list[Any]:
        """Answer a batch.

        Raises:
            EOFError: It has ended.
            OSError: Likewise.
            Exception: Whatever answering raised.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _write(self._process.stdin, packed)
        answers, error = _read(self._process.stdout)
        if error is not None:
            raise error
        return list(answers)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        with contextlib.suppress(OSError):  # what was not sent is of no use any more
            self._process.__exit__(None, None, None)


def _write(file: IO[bytes], value: object) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    file.write(_LENGTH.pack(len(data)) + data)
    file.flush()


def _read(file: IO[bytes]) -> Any:
    """The next message; both ends of the pipe are ours.

    Raises:
        EOFError: There is none.
    """
    if len(head := file.read(_LENGTH.size)) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if len(data := file.read(length)) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301


def _serve(factory: str, ask: IO[bytes], answer: IO[bytes]) -> None:
    """Answer batches until there are no more."""
    module, _, name = factory.partition(":")
    make: Callable[[], Packed] = getattr(import_module(module), name)
    answerer: Packed | None = None
    while True:
        try:
            packed = _read(ask)
        except EOFError:
            return
        answers: _Answers = []
        error: Exception | None = None
        try:
            answerer = answerer or make()
            answers = answerer.answer_packed(packed)
        except Exception as raised:
            error = _portable(raised)
        _write(answer, (answers, error))


def _portable(error: Exception) -> Exception:
    """The error, or one of the same words where it cannot be handed over."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def main() -> None:
    """Answer what comes in by standard input, as a process of `Parallel`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt), answer:
        _serve(sys.argv[1], sys.stdin.buffer, answer)
