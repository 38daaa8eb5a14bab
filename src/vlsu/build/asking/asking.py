"""Asking a model for a build: what is stored is not asked again, and every call is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlsu.build.folder.build import Build
from vlsu.build.folder.store import Store
from vlsu.data import Sample
from vlsu.data.images.store import ImageStore
from vlsu.models.base import Model, Request, Response
from vlsu.runs.asking.asking import ask as ask_model
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.images import DatasetImages, Images
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Budget, Limits, Price, TokenCounts
from vlsu.runs.asking.plan import Chunk, Planned
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.stop import Stop
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks import TaskRequest

__all__ = ["Answer", "Asked", "Writer", "ask", "known_cost"]


@dataclass(frozen=True, slots=True)
class Writer:
    """A model that writes concepts or queries, and how it may be asked.

    Attributes:
        model: Whom to ask.
        limits: How fast, and at which price; what one start may spend in all is the `Budget`'s.
    """

    model: Model
    limits: Limits


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to one request.

    Attributes:
        key: The request's, under which the answer lies in ``responses.sqlite``.
        response: `None` while there is no answer: it was not reached, or each attempt failed. The
            try it belongs to stays open, and the next start asks for it.
    """

    key: str
    response: Response | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back to several requests, in their order.

    Attributes:
        stopped: Why asking ended before all was asked, if it did: a bound, or an interrupt.
    """

    answers: tuple[Answer, ...]
    stopped: Stop | None


@dataclass(frozen=True, slots=True)
class _Folder:
    images: ImageStore


def ask(
    build: Build,
    store: Store,
    stage: str,
    writer: Writer,
    requests: Sequence[Request],
    *,
    budget: Budget,
    progress: Progress = NO_PROGRESS,
    images: Images | None = None,
) -> Asked:
    """Ask a model whatever of these requests has no stored answer.

    Every answer is on disk before this returns, and counted as a call of the stage with its cost.
    The model is left usable; whoever opened it closes it.

    Args:
        build: Whose store of responses; its folder is locked by the caller.
        store: Its records.
        stage: One of `vlsu.build.folder.records.STAGES`, that the calls are counted under.
        writer: Whom to ask.
        requests: May hold the same one twice.
        budget: What this start may spend and has spent, over all stages and models.
        progress: Where progress is reported.
        images: Those of the requests, if they are not stored in the build.

    Raises:
        ModelError: The server is down or refuses every request; what was answered is stored.
        RunError: Answers cannot be stored.
    """
    model, limits = writer.model, writer.limits
    keys = RequestKeys(model.identity())
    named = [keys.key(request) for request in requests]
    responses = ResponseStore(build.responses_file)
    try:
        budget.price = limits.price

        async def work() -> Stop | None:
            try:
                tally = await ask_model(
                    iter(_chunks(requests, named)),
                    model,
                    images or DatasetImages(_Folder(build.images), model.image_limits),
                    responses,
                    limits=limits,
                    budget=budget,
                    progress=progress,
                    outcome_of=lambda response: response.outcome,
                )
                return tally.stopped
            finally:
                if getattr(model, "destination", None) is not None:
                    await model.close()  # its connections belong to this event loop

        try:
            stopped = in_event_loop(work)
        finally:
            responses.flush()
            answers = _answers(store, responses, stage, writer, named)
    finally:
        responses.close()
    return Asked(tuple(answers), stopped)


def _chunks(requests: Sequence[Request], keys: Sequence[str]) -> list[Chunk]:
    return [
        Chunk([], [Planned(key, TaskRequest("text", request), Sample(key))])
        for key, request in zip(keys, requests, strict=True)
    ]


def _answers(
    store: Store, responses: ResponseStore, stage: str, writer: Writer, keys: Sequence[str]
) -> list[Answer]:
    """The stored answers, each counted as a call."""
    stored = responses.responses(keys)
    found = {key: writer.model.read(each.raw) for key, each in stored.items()}
    price = writer.limits.price
    store.add_calls(
        (
            key,
            stage,
            writer.model.spec,
            known_cost(price, each),
        )
        for key, each in found.items()
    )
    return [Answer(key, found.get(key)) for key in keys]


def known_cost(price: Price | None, response: Response) -> float | None:
    """What an answer cost; `None` without a price, or where its tokens were not counted."""
    counted = response.input_tokens is not None or response.output_tokens is not None
    return price.cost_of(TokenCounts.of(response)) if price is not None and counted else None
