"""A batch interface over a played server: what is handed in is asked of it, so many at a time.

Providers process a batch beside one another and in no promised order; what is read from a cache is
what happens to be there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from vlsu.models.base import ImageSource, Model, Raw, Request
from vlsu.models.batching.base import Batch, BatchAnswer, BatchLimits, BatchState
from vlsu.models.http.model import HttpModel
from vlsu.runs.batching.options import Batching

__all__ = ["batching"]

#: Requests of a batch that are processed at a time.
AT_ONCE = 64


class PlayedBatches:
    """The interface for one model.

    Args:
        model: Its bodies are what is handed in.
        address: Where the played server answers one of them.
    """

    def __init__(self, model: HttpModel, address: str) -> None:
        self.limits = BatchLimits(50_000, 200_000_000)
        self._model, self._address = model, address
        self._batches: dict[str, list[bytes]] = {}

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        """A line of a batch."""
        return key.encode() + b" " + b"".join(self._model.encode(request, images))

    async def submit(self, label: str, lines: Path, requests: int) -> Batch:
        """Hand a batch in."""
        found = lines.read_bytes().splitlines()
        assert len(found) == requests
        random.Random(label).shuffle(found)
        self._batches[label] = found
        return Batch(label, BatchState.RUNNING, requests)

    async def find(
        self, label: str, keys: frozenset[str], since: float, others: frozenset[str] = frozenset()
    ) -> Batch | None:
        """None is ever lost."""
        raise AssertionError(label)

    async def status(self, id: str) -> Batch:
        """It has ended: what it comes to is found out when that is asked for."""
        return Batch(id, BatchState.ENDED, len(self._batches[id]))

    async def answers(self, id: str) -> AsyncIterator[BatchAnswer]:
        """The answers, as they come."""
        lines = iter(self._batches[id])
        answered: asyncio.Queue[BatchAnswer] = asyncio.Queue()

        async def work(session: aiohttp.ClientSession) -> None:
            for line in lines:
                key, _, body = line.partition(b" ")
                async with session.post(self._address, data=body) as response:
                    raw = Raw(response.status, await response.read())
                answered.put_nowait(BatchAnswer(key.decode(), raw))

        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work(session))
            for _ in range(len(self._batches[id])):
                yield await answered.get()

    async def cancel(self, id: str) -> None:
        """Never needed."""
        raise AssertionError(id)

    async def close(self) -> None:
        """Nothing is open."""


def batching(address: str) -> Batching:
    """How a run hands its batches to that server."""

    def service(model: Model) -> PlayedBatches:
        assert isinstance(model, HttpModel)
        return PlayedBatches(model, address)

    return Batching(services=service, pause_s=0.01)
