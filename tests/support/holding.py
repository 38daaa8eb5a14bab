"""How a test's server holds an answer back until what is tested has come about.

A server that answers after a while leaves it to the machine what has happened by then. One that
holds its answers decides itself: that so many requests are in flight at once, that a process is
in the middle of its work when it is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["HELD_S", "held_until", "up_to"]

#: Seconds after which an answer is given all the same: only a test that fails comes to that.
HELD_S = 300.0


async def held_until(ready: Callable[[], bool]) -> None:
    """Wait for what another thread or another request brings about."""
    end = asyncio.get_running_loop().time() + HELD_S
    while not ready() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.002)


def up_to(last: int) -> Callable[[int], bool]:
    """Whether a request is answered: the first so many are, those after them are held."""
    return lambda number: number <= last
