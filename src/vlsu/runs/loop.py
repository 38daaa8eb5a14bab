"""The event loop around a run: started from a script or a notebook, stopped by signals."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import uvloop

__all__ = ["in_event_loop", "stopped_by_signals"]

T = TypeVar("T")


def in_event_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, from a script or from a notebook whose thread has a loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run, work).result()


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While open, Ctrl-C and SIGTERM call `stop` instead of killing; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
