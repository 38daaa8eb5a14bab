"""The batch interface of the Gemini API, ``batchGenerateContent``.

A small batch carries its requests in the call that makes it, each with its key in ``metadata``, and
its answers stand in the batch; a larger one is made of an uploaded file of lines with ``key`` and
``request``, and its answers are such a file. An answer is a ``response`` or an ``error``.

Shapes and addresses after the official Python SDK 2.19.0 (``batches.py``:
``_CreateBatchJobParameters_to_mldev``, ``_BatchJob_from_mldev``,
``_BatchJobDestination_from_mldev``, ``_ListBatchJobsParameters_to_mldev``; the states of
``t_job_state`` and ``JobState``; ``files.py`` for uploads in parts and ``files/NAME:download``) and
Google's guide and reference "Batch API", which also give the limits: 20 MB for requests in the
call, 2 GB for a file. A batch expires after 48 hours, without any results. How many tokens may be
enqueued depends on model and tier (guide "Rate limits"); beyond that the call answers 429.
"""

from __future__ import annotations

import asyncio
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
from vlsu.models.batching.lines import not_processed, shown
from vlsu.models.batching.remote import RemoteBatches, seconds_of, state_name
from vlsu.models.formats.wire import Tree, as_array, as_object, as_text, token_count
from vlsu.models.http.model import HttpModel

__all__ = ["GoogleBatches"]

#: Batches of up to so many bytes and requests go in the call. The documented limit is 20 MB, but
#: their answers have to fit into one response.
INLINE_BYTES, INLINE_REQUESTS = 4_000_000, 100
#: Batches on a page of the list, and pages that are read at most.
PAGE, PAGES = 100, 100
#: How often an uploaded file is looked at until it can be used, and seconds between two looks.
LOOKS, PAUSE_S = 60, 1.0

_STATES = {
    "SUCCEEDED": BatchState.ENDED,
    "PARTIALLY_SUCCEEDED": BatchState.ENDED,
    "EXPIRED": BatchState.EXPIRED,
    "CANCELLED": BatchState.CANCELLED,
    "FAILED": BatchState.FAILED,
}
#: All states; those that are not over, too.
_KNOWN = frozenset(
    {*_STATES, "UNSPECIFIED", "QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED", "UPDATING"}
)
#: HTTP statuses of the codes of ``google.rpc.Code``, after the comments of its definition.
_STATUS_OF_CODE = {
    1: 499,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    13: 500,
    14: 503,
    15: 500,
    16: 401,
}
#: Of a batch that failed, statuses after which the same may be accepted later.
_LATER = frozenset({409, 429, 500, 503, 504})
_BEFORE = b',"request":'


class GoogleBatches(RemoteBatches):
    """The batch interface of the Gemini API for one model."""

    def __init__(self, model: HttpModel) -> None:
        at = model.endpoint
        url = at.wire.url(at.name, at.settings)
        path = at.name if "/" in at.name else f"models/{at.name}"
        self._base = url.removesuffix(f"/{quote(path)}:generateContent")
        self._create = url.removesuffix(":generateContent") + ":batchGenerateContent"
        super().__init__(model, self._base)

    @property
    def limits(self) -> BatchLimits:
        """2 GB, in a file; the number of requests is not documented."""
        return BatchLimits(200_000, 2_000_000_000, 20_000_000)

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        """A line of the input file."""
        return b'{"key":%b%b%b}' % (orjson.dumps(key), _BEFORE, self.body(request, images))

    async def submit(
        self,
        label: str,
        lines: Path,
        requests: int,
        *,
        uploaded: str = "",
        on_upload: Callable[[str], None] = forget,
    ) -> Batch:
        """Hand the requests in, by way of a file unless they are few and small."""
        opening = b'{"batch":{"displayName":%b,"inputConfig":' % orjson.dumps(label)
        if requests <= INLINE_REQUESTS and lines.stat().st_size <= INLINE_BYTES:
            elements = b",".join(map(_inline, lines.read_bytes().splitlines()))
            config = b'{"requests":{"requests":[' + elements + b"]}}"
        else:
            file = await self.kept(f"{self._base}/{quote(uploaded)}") if uploaded else {}
            if not file or file.get("state") == "FAILED":
                file = await self._upload(label, lines)
                on_upload(as_text(file.get("name")))
            config = orjson.dumps({"fileName": await self._ready(file)})
        kind = {"Content-Type": "application/json"}
        body = [opening + config + b"}}"]
        return self._batch(await self.tree("POST", self._create, body, headers=kind))

    async def _upload(self, label: str, lines: Path) -> Tree:
        """What the server says of the file that was uploaded."""
        base, _, version = self._base.rpartition("/")
        start = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(lines.stat().st_size),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
        }
        described = {"file": {"displayName": label, "mimeType": "application/jsonl"}}
        reply = await self.call("POST", f"{base}/upload/{version}/files", described, headers=start)
        address = reply.header("x-goog-upload-url")
        if not address:
            raise BatchUnavailableError("the server gives no address to upload to")
        command = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
        file = as_object((await self.tree("POST", address, [lines], headers=command)).get("file"))
        if not as_text(file.get("name")):
            raise BatchUnavailableError("the server's answer names no file")
        return file

    async def _ready(self, file: Tree) -> str:
        """The name of an uploaded file, once it can be used.

        Raises:
            BatchUnavailableError: It takes too long.
        """
        name = as_text(file.get("name"))
        for _ in range(LOOKS):
            if file.get("state") != "PROCESSING":
                return name
            await asyncio.sleep(PAUSE_S)
            file = await self.tree("GET", f"{self._base}/{quote(name)}")
        raise BatchUnavailableError("the uploaded file is not processed yet")

    async def find(
        self,
        label: str,
        keys: frozenset[str],
        since: float,
        others: frozenset[str] = frozenset(),
    ) -> Batch | None:
        """The batch of that name."""
        token = ""
        for _ in range(PAGES):
            page = await self.tree("GET", f"{self._base}/batches?pageSize={PAGE}{token}")
            for tree in map(as_object, as_array(page.get("operations"))):
                if as_object(tree.get("metadata")).get("displayName") == label:
                    return self._batch(tree)
            following = as_text(page.get("nextPageToken"))
            if not following:
                return None
            token = f"&pageToken={quote(following, safe='')}"
        raise self.too_many()

    async def status(self, id: str) -> Batch:
        """Where a batch is."""
        return self._batch(await self._described(id))

    async def answers(self, id: str) -> AsyncGenerator[BatchAnswer]:
        """The answers that stand in the batch, or the lines of its file."""
        tree = await self._described(id)
        output = as_object(tree.get("response")) or as_object(
            as_object(tree.get("metadata")).get("output")
        )
        given = as_object(output.get("inlinedResponses")).get("inlinedResponses")
        for each in map(as_object, as_array(given)):
            key = as_text(as_object(each.get("metadata")).get("key"))
            yield self._answer({**each, "key": key}) or self.answer("", 200, each)
        if file := as_text(output.get("responsesFile")):
            address = f"{self._base}/{quote(file)}:download?alt=media"
            async with aclosing(self.results(address, self._answer)) as answers:
                async for answer in answers:
                    yield answer

    async def cancel(self, id: str) -> None:
        """Have it cancelled."""
        await self.call("POST", f"{self._at(id)}:cancel", {})

    async def tidy(self, id: str | None, uploaded: str = "") -> None:
        """Delete the uploaded file and the batch; a file of answers ends by itself."""
        files = [f"{self._base}/{quote(uploaded)}"] if uploaded else []
        await self.deleted(*files, *([] if id is None else [self._at(id)]))

    async def _described(self, id: str) -> Tree:
        tree = await self.described(self._at(id), "name")
        if not (tree.get("metadata") or tree.get("done")):
            raise self.says_nothing()
        return tree

    def _at(self, id: str) -> str:
        return f"{self._base}/{quote(id)}"

    def _batch(self, tree: Tree) -> Batch:
        about, error = as_object(tree.get("metadata")), as_object(tree.get("error"))
        named = as_text(about.get("state"))
        state = named.rpartition("_STATE_")[2]
        stats = as_object(about.get("batchStats"))
        total, answered, failed = (
            token_count(stats.get(f"{kind}equestCount")) or 0
            for kind in ("r", "successfulR", "failedR")
        )
        reached = _STATES.get(state, BatchState.RUNNING)
        if reached is BatchState.RUNNING and tree.get("done"):
            reached = BatchState.FAILED if error else BatchState.ENDED
        return Batch(
            as_text(tree.get("name")) or as_text(about.get("name")),
            reached,
            total,
            answered,
            failed,
            seconds_of(about.get("createTime")),
            message=shown({**error, "code": None}, self._endpoint.redaction),
            retry=reached is BatchState.FAILED and _http_status(error) in _LATER,
            unknown=state_name(named) if named and state not in _KNOWN else "",
        )

    def _answer(self, line: Tree) -> BatchAnswer | None:
        """The answer in a line; `None` if it names no request."""
        if not (key := as_text(line.get("key"))):
            return None
        if response := as_object(line.get("response")):
            return self.answer(key, 200, response)
        error = as_object(line.get("error")) or as_object(line.get("status"))
        if not error:
            return not_processed(key, "no result")
        status = _http_status(error)
        return self.answer(key, status, {"error": {**error, "code": status}})


def _inline(line: bytes) -> bytes:
    """A line of an input file as it stands in a call."""
    key, _, request = line.partition(_BEFORE)
    return b'{"metadata":%b},"request":%b' % (key, request)


def _http_status(error: Tree) -> int:
    """The HTTP status of a ``google.rpc.Status``, whose code may be one already."""
    code = token_count(error.get("code")) or 0
    return code if 400 <= code <= 599 else _STATUS_OF_CODE.get(code, 500)
