"""OpenAI's Batch API, which compatible servers offer under the same addresses.

A file of requests is uploaded (``POST /files``, purpose ``batch``), then a batch is made of it
(``POST /batches``); its answers are in two files, ``output_file_id`` and ``error_file_id``, whose
lines come in any order and name their request by ``custom_id``.

Shapes, states and limits after the types ``Batch``, ``BatchCreateParams``, ``BatchListParams``,
``BatchError``, ``FileCreateParams`` and ``FileObject`` of the official Python SDK 3.3.1, whose
``input_file_id`` documents the limits of 50,000 requests and 200 MB, and OpenAI's guide "Batch API"
and API reference ("The request output object"): a line has ``response`` with ``status_code`` and
``body``, or ``error`` with ``code`` (``batch_expired``, ``batch_cancelled``,
``request_timeout``). That more tokens are enqueued than the account may have is not known when a
batch is made: it fails during validation, with the code ``token_limit_exceeded``. Azure processes a
file before a batch can be made of it (guide "Getting started with Azure OpenAI global batch
deployments").
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from urllib.parse import quote

from vlsu.errors import ModelError, UsageError
from vlsu.models.base import ImageSource, Request
from vlsu.models.batching.base import (
    Batch,
    BatchAnswer,
    BatchLimits,
    BatchState,
    BatchUnavailableError,
    forget,
)
from vlsu.models.batching.lines import ENDPOINT, read_result, request_line, shown
from vlsu.models.batching.remote import RemoteBatches, seconds_of, state_name, trimmed
from vlsu.models.formats.openai import DEFAULT_BASE_URL
from vlsu.models.formats.wire import Tree, as_array, as_object, as_text, token_count
from vlsu.models.http.model import HttpModel
from vlsu.models.http.service import Piece

__all__ = ["OpenAIBatches"]

#: Where a label is kept with a batch.
LABEL = "vlsu"
#: Batches on a page of the list, and pages that are read at most.
PAGE, PAGES = 100, 100
#: How often an uploaded file is looked at until it can be used, and seconds between two looks.
LOOKS, PAUSE_S = 120, 1.0
#: States of a file that cannot be used yet, and of one that never can.
_NOT_READY = frozenset({"pending", "running", "uploading", "processing"})
_USELESS = frozenset({"error", "failed", "canceled", "cancelled", "deleting", "deleted", "expired"})
#: Seconds by which the clocks of this machine and of the provider may differ.
CLOCKS_S = 600.0

_STATES = {
    "completed": BatchState.ENDED,
    "expired": BatchState.EXPIRED,
    "cancelled": BatchState.CANCELLED,
    "canceled": BatchState.CANCELLED,
    "failed": BatchState.FAILED,
}
#: States of a batch that goes on.
_RUNNING = frozenset({"validating", "in_progress", "finalizing", "cancelling", "canceling"})
#: Codes of a failed batch that may be accepted later.
_LATER = frozenset({"token_limit_exceeded", "rate_limit_exceeded", "server_error"})


class OpenAIBatches(RemoteBatches):
    """The Batch API for one model.

    Raises:
        UsageError: Its address has no room for others beside it.
    """

    def __init__(self, model: HttpModel) -> None:
        base = model.endpoint.settings.base_url or DEFAULT_BASE_URL
        if "?" in base:
            raise UsageError(f"{model.spec}: no batches at a --base-url with a query; leave it out")
        self._base = trimmed(base, "/chat/completions")
        super().__init__(model, self._base)

    @property
    def limits(self) -> BatchLimits:
        """50,000 requests and 200 MB."""
        return BatchLimits(50_000, 200_000_000)

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        """A line of the input file."""
        return request_line(key, self.body(request, images))

    async def submit(
        self,
        label: str,
        lines: Path,
        requests: int,
        *,
        uploaded: str = "",
        on_upload: Callable[[str], None] = forget,
    ) -> Batch:
        """Upload the file, unless it is there, and make a batch of it."""
        file = await self.kept(self._file(uploaded)) if uploaded else {}
        if as_text(file.get("status")).lower() in _USELESS:
            file = {}
        if not file:
            file = await self._upload(label, lines)
            on_upload(as_text(file.get("id")))
        name = as_text(file.get("id"))
        await self._processed(name, file)
        asked = {
            "input_file_id": name,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {LABEL: label},
        }
        try:
            return self._batch(await self.tree("POST", f"{self._base}/batches", asked))
        except ModelError as error:
            # A file is not known everywhere at once (bespokelabsai/curator#116).
            if name in str(error):
                raise BatchUnavailableError(str(error)) from None
            raise

    async def _upload(self, label: str, lines: Path) -> Tree:
        """What the server says of the file that was uploaded."""
        boundary = secrets.token_hex(16)
        start = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{label}.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n'
        )
        form: list[Piece] = [start.encode(), lines, f"\r\n--{boundary}--\r\n".encode()]
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        file = await self.tree("POST", f"{self._base}/files", form, headers=kind)
        if not as_text(file.get("id")):
            raise BatchUnavailableError("the server's answer names no file")
        return file

    async def _processed(self, name: str, file: Tree) -> None:
        """Wait until a file can be used, which Azure needs some time for.

        Raises:
            BatchUnavailableError: It takes too long.
        """
        for _ in range(LOOKS):
            if as_text(file.get("status")).lower() not in _NOT_READY:
                return
            await asyncio.sleep(PAUSE_S)
            file = await self.tree("GET", self._file(name))
        raise BatchUnavailableError("the uploaded file is not processed yet")

    async def find(
        self,
        label: str,
        keys: frozenset[str],
        since: float,
        others: frozenset[str] = frozenset(),
    ) -> Batch | None:
        """The batch with that label; on a server that keeps none, the one of the file so named."""
        unlabelled: list[Tree] = []
        async for tree in self._listed(since - CLOCKS_S):
            kept = as_object(tree.get("metadata")).get(LABEL)
            if kept == label:
                return self._batch(tree)
            if as_text(tree.get("id")) in others:
                continue
            if kept is None and (seconds_of(tree.get("created_at")) or since) >= since - CLOCKS_S:
                unlabelled.append(tree)
        for tree in unlabelled:
            try:
                file = await self.tree("GET", self._file(as_text(tree.get("input_file_id"))))
            except BatchUnavailableError:
                raise
            except ModelError:  # its file was deleted
                continue
            if file.get("filename") == f"{label}.jsonl":
                return self._batch(tree)
        return None

    async def _listed(self, since: float) -> AsyncIterator[Tree]:
        """The batches of the account; where the newest come first, until those that are older."""
        after = ""
        for _ in range(PAGES):
            page, _ = await self.listed(f"{self._base}/batches?limit={PAGE}{after}", "data")
            trees = [as_object(tree) for tree in as_array(page.get("data"))]
            for tree in trees:
                yield tree
            last = as_text(page.get("last_id")) or (as_text(trees[-1].get("id")) if trees else "")
            made = [seconds_of(tree.get("created_at")) or since for tree in trees]
            newest_first = made[:1] > made[-1:]  # as OpenAI lists them; no order is documented
            if not page.get("has_more") or not last or (newest_first and made[0] < since):
                return
            after = f"&after={quote(last, safe='')}"
        raise self.too_many()

    async def status(self, id: str) -> Batch:
        """Where a batch is."""
        return self._batch(await self.described(self._at(id), "id", "status"))

    async def answers(self, id: str) -> AsyncIterator[BatchAnswer]:
        """The lines of both files."""
        tree = await self.described(self._at(id), "id", "status")
        for name in ("output_file_id", "error_file_id"):
            if file := as_text(tree.get(name)):
                read = partial(read_result, redaction=self._endpoint.redaction)
                async with aclosing(self.results(f"{self._file(file)}/content", read)) as answers:
                    async for answer in answers:
                        yield answer

    async def cancel(self, id: str) -> None:
        """Have it cancelled; that takes the provider up to ten minutes."""
        await self.call("POST", f"{self._at(id)}/cancel")

    async def tidy(self, id: str | None, uploaded: str = "") -> None:
        """Delete its files; the batch itself stays in the account's list."""
        tree = {} if id is None else await self.described(self._at(id), "id", "status")
        names = [as_text(tree.get(name)) for name in ("output_file_id", "error_file_id")]
        names.append(as_text(tree.get("input_file_id")) or uploaded)
        await self.deleted(*(self._file(name) for name in names if name))

    def _at(self, id: str) -> str:
        return f"{self._base}/batches/{quote(id, safe='')}"

    def _file(self, id: str) -> str:
        return f"{self._base}/files/{quote(id, safe='')}"

    def _batch(self, tree: Tree) -> Batch:
        state = as_text(tree.get("status")).lower()
        counts = as_object(tree.get("request_counts"))
        errors = [as_object(e) for e in as_array(as_object(tree.get("errors")).get("data"))]
        message = shown(errors[0], self._endpoint.redaction) if errors else ""
        return Batch(
            as_text(tree.get("id")),
            _STATES.get(state, BatchState.RUNNING),
            token_count(counts.get("total")) or 0,
            token_count(counts.get("completed")) or 0,
            token_count(counts.get("failed")) or 0,
            seconds_of(tree.get("created_at")),
            seconds_of(tree.get("expires_at")),
            message,
            retry=state == "failed" and _may_retry(errors),
            unknown="" if state in _STATES or state in _RUNNING else state_name(state),
        )


def _may_retry(errors: Iterable[Tree]) -> bool:
    return any(as_text(error.get("code")) in _LATER for error in errors)
