"""Anthropic's Message Batches API.

The requests go in one body (``POST /v1/messages/batches``), each as ``params`` under a
``custom_id``; the results are lines of a file (``GET .../results``), in any order.

Shapes and states after the types ``MessageBatch``, ``MessageBatchRequestCounts``,
``MessageBatchIndividualResponse``, ``MessageBatchResult``, ``BatchCreateParams`` and
``BatchListParams`` of the official Python SDK 0.121.0; limits after Anthropic's guide "Batch
processing" (100,000 requests or 256 MB, whichever is reached first; 24 hours; results are kept for
29 days) and the table of request sizes of "Errors" (32 MB for a message); of a ``custom_id``, 1 to
64 of the characters ``[a-zA-Z0-9_-]``. Each request is validated only when it is processed, so that
a batch as a whole does not fail. Requests that errored, expired or were cancelled are not billed.

A batch has no name. One whose answer was lost is found among those that were made since, by its
number of requests, and by the keys of its results once it has ended.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from urllib.parse import quote

import orjson

from vlsu.models.base import ImageSource, Request
from vlsu.models.batching.base import (
    Batch,
    BatchAnswer,
    BatchLimits,
    BatchState,
    BatchUnavailableError,
    forget,
)
from vlsu.models.batching.lines import not_processed
from vlsu.models.batching.remote import RemoteBatches, seconds_of, state_name
from vlsu.models.bodies.error_bodies import parse_error
from vlsu.models.formats.wire import (
    Tree,
    as_array,
    as_object,
    as_text,
    status_within,
    token_count,
)
from vlsu.models.http.model import HttpModel
from vlsu.models.http.rate_limits import seconds_until
from vlsu.models.http.service import Elements, Piece

__all__ = ["AnthropicBatches"]

#: What is around the requests in a body.
OPENING, CLOSING = b'{"requests":[', b"]}"
#: Batches on a page of the list, and pages that are read at most.
PAGE, PAGES = 1000, 10
#: States of a batch: the last one is not over until all of it is.
_STATES = frozenset({"in_progress", "ended", "canceling"})
#: Seconds by which the provider's clock, read from a header, may be wrong.
CLOCK_S = 2.0


class AnthropicBatches(RemoteBatches):
    """The Message Batches API for one model."""

    def __init__(self, model: HttpModel) -> None:
        at = model.endpoint
        self._url = f"{at.wire.url(at.name, at.settings)}/batches"
        super().__init__(model, self._url)
        #: Batches that were submitted, found or asked after, and the label of those found.
        self._labels: dict[str, str] = {}

    @property
    def limits(self) -> BatchLimits:
        """100,000 requests and 256 MB, 32 MB each."""
        return BatchLimits(100_000, 256_000_000 - len(OPENING + CLOSING), 32_000_000)

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        """An element of ``requests``."""
        return b'{"custom_id":%b,"params":%b}' % (orjson.dumps(key), self.body(request, images))

    async def submit(
        self,
        label: str,
        lines: Path,
        requests: int,
        *,
        uploaded: str = "",
        on_upload: Callable[[str], None] = forget,
    ) -> Batch:
        """Hand the requests in; no file is uploaded for that."""
        body: list[Piece] = [OPENING, Elements(lines), CLOSING]
        kind = {"Content-Type": "application/json"}
        batch = self._batch(await self.tree("POST", self._url, body, headers=kind))
        self._labels[batch.id] = label
        return batch

    async def find(
        self,
        label: str,
        keys: frozenset[str],
        since: float,
        others: frozenset[str] = frozenset(),
    ) -> Batch | None:
        """The batch of as many requests that was made since, and holds these keys.

        Raises:
            BatchUnavailableError: Several still run that it might be.
        """
        running = []
        for batch in await self._made(since):
            another = self._labels.get(batch.id, label) != label or batch.id in others
            if another or batch.requests != len(keys):
                continue
            if batch.state is BatchState.RUNNING:
                running.append(batch)
            elif await self._holds(batch.id, keys):
                self._labels[batch.id] = label
                return batch
        if len(running) > 1:
            raise BatchUnavailableError(
                f"{len(running)} batches of {len(keys)} requests are running, and which is the one "
                "that was handed in can be told when one has ended"
            )
        for batch in running:
            self._labels[batch.id] = label
        return running[0] if running else None

    async def _made(self, since: float) -> list[Batch]:
        """The batches that were made since then."""
        found: list[Batch] = []
        after = ""
        for _ in range(PAGES):
            page, reply = await self.listed(f"{self._url}?limit={PAGE}{after}", "data")
            # By the provider's clock.
            ahead = seconds_until(reply.header("date"), 0.0)
            begin = since - CLOCK_S + (0.0 if ahead is None else ahead - time.time())
            batches = [self._batch(as_object(tree)) for tree in as_array(page.get("data"))]
            found += [batch for batch in batches if (batch.created or begin) >= begin]
            last = as_text(page.get("last_id"))
            old = all((batch.created or begin) < begin for batch in batches)
            if not page.get("has_more") or not last or old:
                return found
            after = f"&after_id={quote(last, safe='')}"
        raise self.too_many()

    async def _holds(self, id: str, keys: frozenset[str]) -> bool:
        async with aclosing(self.answers(id)) as answers:
            async for answer in answers:
                return answer.key in keys
        return False

    async def status(self, id: str) -> Batch:
        """Where a batch is."""
        self._labels.setdefault(id, "")
        return self._batch(await self.described(self._at(id), "id", "processing_status"))

    async def answers(self, id: str) -> AsyncGenerator[BatchAnswer]:
        """The lines of the results.

        They are read from the address that the API reference documents, not from ``results_url``:
        the key goes where the user wants it to.
        """
        async with aclosing(self.results(f"{self._at(id)}/results", self._answer)) as answers:
            async for answer in answers:
                yield answer

    async def cancel(self, id: str) -> None:
        """Have it cancelled; requests that are being processed may still be answered."""
        await self.call("POST", f"{self._at(id)}/cancel")

    async def tidy(self, id: str | None, uploaded: str = "") -> None:
        """Delete it, with its requests and results."""
        if id is not None:
            await self.deleted(self._at(id))

    def _at(self, id: str) -> str:
        return f"{self._url}/{quote(id, safe='')}"

    def _batch(self, tree: Tree) -> Batch:
        of = as_object(tree.get("request_counts"))
        kinds = ("processing", "succeeded", "errored", "canceled", "expired")
        counts = {kind: token_count(of.get(kind)) or 0 for kind in kinds}
        state, named = BatchState.RUNNING, as_text(tree.get("processing_status"))
        if named == "ended":
            state = BatchState.ENDED
            if counts["canceled"]:
                state = BatchState.CANCELLED
            elif counts["expired"]:
                state = BatchState.EXPIRED
        return Batch(
            as_text(tree.get("id")),
            state,
            sum(counts.values()),
            counts["succeeded"],
            counts["errored"],
            seconds_of(tree.get("created_at")),
            seconds_of(tree.get("expires_at")),
            unknown="" if named in _STATES else state_name(named),
        )

    def _answer(self, line: Tree) -> BatchAnswer | None:
        """The answer in a line; `None` if it names no request."""
        key, result = as_text(line.get("custom_id")), as_object(line.get("result"))
        kind = as_text(result.get("type"))
        if not key:
            return None
        if kind == "succeeded":
            return self.answer(key, 200, result.get("message"))
        if kind == "errored":
            body = as_object(result.get("error"))
            return self.answer(key, status_within(parse_error(body)), body)
        return not_processed(key, kind or "no result")
