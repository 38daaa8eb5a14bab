"""The event loop around a run: started from a script or a notebook, stopped by signals."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import Any, Generic, TypeVar

import uvloop

__all__ = ["in_event_loop", "interrupted_at_once", "stopped_by_signals"]

T = TypeVar("T")
#: What stops a run in the main thread: Ctrl-C, what a process manager sends, and the end of the
#: terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between two looks of the waiting thread.
_LOOK_S = 0.2


def in_event_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, from a script or from a notebook whose thread has a loop already.

    An interrupt stops both alike: what is in flight comes in, and `work` returns.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    return _InAThread(work).result()


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


class _InAThread(Generic[T]):
    """Work in a thread with an event loop of its own, while the calling thread waits for it.

    Python handles signals in its main thread only. If that is the one that waits, it hands an
    interrupt on; whatever else is sent to the process is for the program around to handle.
    """

    #: That of the work under way here, for `stopped_by_signals`.
    current: ContextVar[_InAThread[Any] | None] = ContextVar("current", default=None)

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._future: Future[T] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._interrupted = False
        self.stop: Callable[[], None] | None = None

    def result(self) -> T:
        """Start the work and wait for what it returns.

        Raises:
            KeyboardInterrupt: An interrupt came while nothing was under way that could be stopped.
            Exception: Whatever the work raised.
        """
        self.current.set(self)
        context = copy_context()
        self.current.set(None)
        thread = threading.Thread(
            target=context.run, args=(self._in_thread,), name="run", daemon=True
        )
        with self._interrupts_handed_on():
            thread.start()
            while True:
                try:
                    thread.join(_LOOK_S)
                    if not thread.is_alive():
                        break
                except KeyboardInterrupt:  # raised here by other means than the signal
                    self._interrupt()
        if self._interrupted and self._future.cancelled():
            raise KeyboardInterrupt
        return self._future.result()

    @contextmanager
    def _interrupts_handed_on(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hand_on(number: int, frame: FrameType | None) -> None:
            self._interrupt()

        before = signal.signal(signal.SIGINT, hand_on)
        try:
            yield
        finally:
            # A handler that was not installed from Python cannot be put back from there.
            signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)

    def _interrupt(self) -> None:
        self._interrupted = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed: the work is done
                self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self.stop is not None:
            self.stop()
        elif self._task is not None:
            self._task.cancel()

    def _in_thread(self) -> None:
        async def work() -> T:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            if self._interrupted:  # before there was a loop to tell
                raise asyncio.CancelledError
            return await self._work()

        try:
            self._future.set_result(_run(work))
        except asyncio.CancelledError:
            self._future.cancel()
        except BaseException as error:
            self._future.set_exception(error)


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """While open, a signal raises `KeyboardInterrupt` where the main thread is.

    For work that gives the event loop no turn for long, which would else go on to its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handlers()
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        _put_back(before)


def _handlers() -> dict[signal.Signals, Any]:
    """The handlers of the signals that stop a run, but for those that are ignored."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    return {number: each for number, each in handlers.items() if each is not signal.SIG_IGN}


def _put_back(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        # One that was not installed from Python cannot be put back from there.
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default if handler is None else handler)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While open, Ctrl-C, SIGTERM and SIGHUP call `stop` instead of killing.

    A signal that is ignored stays so: ``nohup`` means it. In a thread that a program started itself
    nothing changes: Python hands it no signals.
    """
    loop = asyncio.get_running_loop()
    if (waited_for := _InAThread.current.get()) is not None:
        waited_for.stop = stop
        try:
            yield
        finally:
            waited_for.stop = None
    elif threading.current_thread() is threading.main_thread():
        before = _handlers()
        for number in before:
            loop.add_signal_handler(number, stop)
        try:
            yield
        finally:
            for number in before:
                loop.remove_signal_handler(number)
            _put_back(before)
    else:
        yield
