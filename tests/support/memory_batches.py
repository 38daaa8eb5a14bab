"""A provider of batches in memory, for models in this process; it outlives the starts of a run."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson

from vlsu.errors import UsageError
from vlsu.models.base import ImageSource, Model, Raw, Request
from vlsu.models.batching.base import (
    Batch,
    BatchAnswer,
    BatchLimits,
    BatchState,
    BatchUnavailableError,
    forget,
)
from vlsu.models.inprocess import InProcessModel
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.batching.options import Batching

DOCUMENTED = BatchLimits(50_000, 200_000_000)


class LostError(BatchUnavailableError):
    """The connection broke after the provider had done what it was asked."""


@dataclass
class Held:
    """A batch as the provider holds it."""

    label: str
    spec: str
    keys: list[str]
    looks: int = 0
    state: BatchState = BatchState.RUNNING
    message: str = ""


@dataclass
class MemoryProvider:
    """Answers batches as the models' answerers do.

    Attributes:
        limits: Of one batch.
        looks: How often a batch is looked at before it has ended.
        end: How a batch ends, by its number.
        answer: What becomes of an answer, by how often the key was answered; by default itself.
        faults: By the name of a call, what its next calls raise; `None` lets one pass.
        unlisted: How often more no batch is found, though it is there.
        paid: By key, how often an answer was made.
        unknown: What is said of batches that run, if that is a state that is not known.
        uploads: Names of the files that were uploaded.
        tidied: Batches whose leavings were deleted, and files of which none was made.
        cancels: Whether a batch that is to be cancelled is.
        calls: How often each call was made.
    """

    limits: BatchLimits = DOCUMENTED
    looks: int = 0
    end: Callable[[int], BatchState] = lambda number: BatchState.ENDED
    answer: Callable[[BatchAnswer, int], list[BatchAnswer]] = lambda answer, time: [answer]
    faults: dict[str, list[Exception | None]] = field(default_factory=dict)
    unlisted: int = 0
    paid: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    batches: dict[str, Held] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    without: frozenset[str] = frozenset()
    unknown: str = ""
    cancels: bool = True
    uploads: list[str] = field(default_factory=list)
    tidied: list[str] = field(default_factory=list)

    def batching(self, **options: Any) -> Batching:
        """Options of runs whose batches come here."""
        return Batching(services=self.service, **{"pause_s": 0.01, "patience_s": 0.2, **options})

    def service(self, model: Model) -> MemoryService:
        if not isinstance(model, InProcessModel) or model.spec in self.without:
            raise UsageError(f"{model.spec}: no batch interface; leave out --batch")
        return MemoryService(self, model)

    def called(self, name: str) -> Exception | None:
        """Count a call; what it raises, if anything."""
        self.calls[name] += 1
        waiting = self.faults.get(name)
        return waiting.pop(0) if waiting else None


@dataclass
class MemoryService:
    """The provider for one model."""

    provider: MemoryProvider
    model: InProcessModel

    @property
    def limits(self) -> BatchLimits:
        return self.provider.limits

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        for image in request.images:
            images.read_encoded(image)
        self.provider.requests[key] = request
        return orjson.dumps({"custom_id": key})

    async def submit(
        self,
        label: str,
        lines: Path,
        requests: int,
        *,
        uploaded: str = "",
        on_upload: Callable[[str], None] = forget,
    ) -> Batch:
        if uploaded not in self.provider.uploads:
            self.provider.uploads.append(f"file-{label}")
            on_upload(self.provider.uploads[-1])
        fault = self.provider.called("submit")
        if fault is not None and not isinstance(fault, LostError):
            raise fault
        keys = [orjson.loads(line)["custom_id"] for line in lines.read_bytes().splitlines()]
        assert len(keys) == requests <= self.limits.most_requests
        assert lines.stat().st_size <= self.limits.most_bytes
        assert label not in {each.label for each in self.provider.batches.values()}
        identifier = f"batch-{len(self.provider.batches)}"
        self.provider.batches[identifier] = Held(label, self.model.spec, keys)
        if fault is not None:
            raise fault
        return Batch(identifier, BatchState.RUNNING, requests, created=time.time())

    async def find(
        self,
        label: str,
        keys: frozenset[str],
        since: float,
        others: frozenset[str] = frozenset(),
    ) -> Batch | None:
        if (fault := self.provider.called("find")) is not None:
            raise fault
        if self.provider.unlisted > 0:
            self.provider.unlisted -= 1
            return None
        for identifier, held in self.provider.batches.items():
            if held.label == label:
                assert keys == set(held.keys)
                assert identifier not in others
                return Batch(identifier, held.state)
        return None

    async def status(self, id: str) -> Batch:
        if (fault := self.provider.called("status")) is not None:
            raise fault
        held = self.provider.batches[id]
        assert held.spec == self.model.spec
        held.looks += 1
        if held.state is BatchState.RUNNING and held.looks > self.provider.looks:
            held.state = self.provider.end(int(id.removeprefix("batch-")))
        message = held.message if held.state is BatchState.FAILED else ""
        running = held.state is BatchState.RUNNING
        return Batch(
            *(id, held.state, len(held.keys)),
            message=message,
            retry="token_limit" in message,
            unknown=self.provider.unknown if running else "",
        )

    async def answers(self, id: str) -> AsyncIterator[BatchAnswer]:
        fault = self.provider.called("answers")
        keys = list(self.provider.batches[id].keys)
        Random(id).shuffle(keys)
        for number, key in enumerate(keys):
            if fault is not None and number == len(keys) // 2:
                raise fault
            answerer = self.model._answerer
            (tree,) = answerer.answer([self.provider.requests[key]], MemoryImages({}))
            self.provider.times[key] += 1
            made = BatchAnswer(key, Raw(200, orjson.dumps(tree)))
            for each in self.provider.answer(made, self.provider.times[key]):
                yield each

    async def cancel(self, id: str) -> None:
        if self.provider.cancels:
            self.provider.batches[id].state = BatchState.CANCELLED

    async def tidy(self, id: str | None, uploaded: str = "") -> None:
        assert uploaded in self.provider.uploads
        if (fault := self.provider.called("tidy")) is not None:
            raise fault
        self.provider.tidied.append(id or uploaded)

    async def close(self) -> None:
        self.provider.calls["close"] += 1


def asked_twice(provider: MemoryProvider) -> dict[str, int]:
    """Keys that are in more than one batch, with how many."""
    batches: dict[str, int] = defaultdict(int)
    for held in provider.batches.values():
        for key in held.keys:
            batches[key] += 1
    return {key: count for key, count in batches.items() if count > 1}
