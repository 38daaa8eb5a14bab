"""What the batch interfaces of all providers have in common: calls, faults, and answers."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import orjson

from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.base import ImageSource, Raw, Request
from vlsu.models.batching.base import (
    BatchAnswer,
    BatchGoneError,
    BatchRefusedError,
    BatchUnavailableError,
)
from vlsu.models.batching.lines import answer, unreadable
from vlsu.models.bodies.json_bodies import parse_json
from vlsu.models.formats.wire import Tree, parse_object
from vlsu.models.http.model import HttpModel, is_answer
from vlsu.models.http.service import HttpService, Piece, Reply
from vlsu.models.http.transport import NetworkFaultError

__all__ = ["RemoteBatches", "seconds_of", "state_name", "trimmed"]

#: Kinds of network faults after which the same call may succeed.
_PASSING = frozenset({"connect", "proxy", "machine", "timeout", "broken", "malformed", "endless"})


class RemoteBatches:
    """A model's server beyond single requests; a base of the batch services.

    Args:
        model: The model.
        url: An address of the batch interface.
    """

    def __init__(self, model: HttpModel, url: str) -> None:
        at = model.endpoint
        self._model = model
        self._endpoint = at
        self._service = HttpService(
            url, at.headers, at.settings.timeout_s, only_local=at.only_local
        )

    def body(self, request: Request, images: ImageSource) -> bytes:
        """The body of a request as `HttpModel` sends it, on one line."""
        return b"".join(self._model.encode(request, images))

    async def call(
        self,
        method: str,
        url: str,
        body: Sequence[Piece] | Mapping[str, object] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Call an address; only an answer of success is returned.

        Args:
            method: ``GET``, ``POST``, ``PUT`` or ``DELETE``.
            url: The address.
            body: In pieces, or an object that is sent as JSON.
            headers: Further ones.

        Raises:
            BatchUnavailableError: A later call may succeed.
            ModelError: None will.
        """
        if isinstance(body, Mapping):
            headers = {"Content-Type": "application/json"} | dict(headers or {})
            body = [orjson.dumps(body)]
        try:
            reply = await self._service.call(method, url, body, headers=headers)
        except NetworkFaultError as fault:
            raise self._unreachable(fault) from None
        body_ = self._endpoint.redaction.bytes(reply.body, answer=is_answer(reply.status))
        reply = reply._replace(body=body_)
        if not is_answer(reply.status):
            raise self.refused(reply)
        return reply

    async def tree(
        self,
        method: str,
        url: str,
        body: Sequence[Piece] | Mapping[str, object] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Tree:
        """The JSON object that an address answers with; errors as `call`."""
        tree = parse_object((await self.call(method, url, body, headers=headers)).body)
        if tree is None:
            raise BatchUnavailableError("the server's answer is not a JSON object")
        return tree

    async def kept(self, url: str) -> Tree:
        """What the server says of a file of an earlier try; empty if it has it no more.

        Raises:
            BatchUnavailableError: A later call may succeed.
        """
        try:
            return await self.tree("GET", url)
        except BatchUnavailableError:
            raise
        except ModelError:  # some answer 403 for what is not there
            return {}

    async def deleted(self, *urls: str) -> None:
        """Delete all of these, as far as the server lets that.

        Raises:
            ModelError: What the first one that could not be deleted met; the others were tried.
        """
        first = None
        for url in urls:
            try:
                await self.call("DELETE", url)
            except ModelError as error:  # such as a file that has expired
                first = first or error
        if first is not None:
            raise first

    async def described(self, url: str, *fields: str) -> Tree:
        """What the server says of a batch; errors as `call`.

        Args:
            url: Its address.
            fields: What the answer has in any case; one without says nothing of the batch, which
                must not be waited for without an end, nor be taken for one without results.
        """
        tree = await self.tree("GET", url)
        if not all(tree.get(field) for field in fields):
            raise self.says_nothing()
        return tree

    @staticmethod
    def says_nothing() -> BatchUnavailableError:
        """The error for an answer that is none about a batch."""
        return BatchUnavailableError("the server's answer does not say where the batch is")

    async def listed(self, url: str, field: str) -> tuple[Tree, Reply]:
        """A page of a list, and the reply that it came in; errors as `call`.

        Args:
            url: Its address.
            field: The list, which is there even if it is empty: what says nothing of batches is no
                proof that there are none.
        """
        reply = await self.call("GET", url)
        page = parse_object(reply.body)
        if page is None or not isinstance(page.get(field), list):
            raise BatchUnavailableError("the server's answer is not a list of batches")
        return page, reply

    async def results(
        self, url: str, read: Callable[[Tree], BatchAnswer | None]
    ) -> AsyncGenerator[BatchAnswer]:
        """The answers in a file of results, a JSON object each line.

        Args:
            url: Its address.
            read: The answer in a line; `None` if it names no request.

        Raises:
            BatchUnavailableError: It did not arrive whole.
            ModelError: It cannot be had.
        """
        strange = some = False
        try:
            async with aclosing(self._service.lines(url, self.refused)) as lines:
                async for line in lines:
                    strange |= not line.lstrip().startswith(b"{")
                    tree = parse_json(line, replace_invalid=True)
                    found = None
                    if isinstance(tree, dict):
                        some = True
                        found = read(tree)
                    yield found or unreadable(line, self._endpoint.redaction)
        except NetworkFaultError as fault:
            raise self._unreachable(fault) from None
        if strange and not some:  # a page in HTML, and not what came of the batch
            raise BatchUnavailableError("the server's answer is not lines of JSON objects")

    def refused(self, reply: Reply) -> ModelError:
        """The error for an answer that is no success."""
        wire = self._endpoint.wire
        body = self._endpoint.redaction.bytes(reply.body)
        fault = self._model.read(Raw(reply.status, body)).fault
        message = f"HTTP {reply.status}" if fault is None else fault.message
        if fault is None or not fault.retry:
            kind = BatchGoneError if reply.status == 404 else BatchRefusedError
            return kind(f"{self._model.spec}: {message}")
        limits = wire.rate_limits(reply.header, body, time.time())
        wait_s = limits.retry_after_s or limits.wait_s() or None
        return BatchUnavailableError(message, wait_s, full=reply.status == 429)

    def _unreachable(self, fault: NetworkFaultError) -> ModelError:
        message = self._endpoint.redaction.text(fault.message)
        if fault.kind in _PASSING:
            return BatchUnavailableError(message)
        return ModelError(f"{self._model.spec}: {message}")

    def too_many(self) -> ModelError:
        """The error for a list of batches that has no end: one may be among those not read."""
        return ModelError(
            f"{self._model.spec}: the provider lists too many batches to tell whether one of them "
            "is that of an earlier start; delete old ones there"
        )

    def answer(self, key: str, status: int, body: object) -> BatchAnswer:
        """An answer as the server alone would have given it, without the credential."""
        return answer(key, status, body, self._endpoint.redaction)

    async def close(self) -> None:
        """Close every connection."""
        await self._service.close()


def seconds_of(value: object) -> float | None:
    """Seconds since the epoch of a time that is a number or a date of RFC 3339."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def state_name(name: str) -> str:
    """The name of a state that is not known, as it is shown."""
    return collapsed_line(name, 40) or "nothing"


def trimmed(base: str, *ends: str) -> str:
    """An address without a query, trailing slashes and the first of these ends that it has."""
    base = base.partition("?")[0].rstrip("/")
    for end in ends:
        base = base.removesuffix(end)
    return base.rstrip("/")
