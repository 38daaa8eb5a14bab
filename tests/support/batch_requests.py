"""Requests in batches: what is asked, handed in, waited for and collected."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.conftest import grade, png
from vlsu.models import ImagePart, Message, Request, open_model
from vlsu.models.base import Encoded, ImageFile, Model, Raw, Settings
from vlsu.models.batching import Batch, BatchService, BatchState, open_batches

T = TypeVar("T")

PNG = png((1, 2, 3))
#: The SHA-256 of the one image of `Pictures`.
PICTURE = hashlib.sha256(PNG).hexdigest()


class Pictures:
    """One image."""

    def read_image(self, sha256: str) -> ImageFile:
        assert sha256 == PICTURE
        return ImageFile(PNG, "image/png")

    def read_encoded(self, sha256: str) -> Encoded:
        return self.read_image(sha256)


def text_of(body: dict[str, Any]) -> str:
    """The words of the last turn of a chat-completions request."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def by_text(body: dict[str, Any], number: int) -> dict[str, Any]:
    """A severity that the text alone decides."""
    return grade(("safe", "borderline", "unsafe")[len(text_of(body)) % 3])


def asked(texts: Sequence[str], *, image: bool = False) -> dict[str, Request]:
    """A request for each text by a key of its own, with or without the image."""
    image_parts = (ImagePart(PICTURE),) if image else ()
    return {
        hashlib.blake2b(text.encode(), digest_size=16).hexdigest(): Request(
            (Message("system", ("A policy.",)), Message("user", (*image_parts, text)))
        )
        for text in texts
    }


def written(service: BatchService, requests: dict[str, Request], file: Path) -> Path:
    """The file of a batch."""
    lines = [service.encode(key, request, Pictures()) for key, request in requests.items()]
    assert not any(b"\n" in line for line in lines)
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


async def ended(service: BatchService, batch: Batch) -> Batch:
    """A batch once it no longer runs."""
    while batch.state is BatchState.RUNNING:
        batch = await service.status(batch.id)
    return batch


async def collected(service: BatchService, id: str) -> list[tuple[str, Raw]]:
    """All answers of a batch, as they come."""
    return [(key, raw) async for key, raw in service.answers(id)]


def through(
    model: Model, call: Callable[[BatchService], Awaitable[T]], service: BatchService | None = None
) -> T:
    """What a coroutine makes of a model's batch interface, which is closed after it."""

    async def run() -> T:
        opened = service or open_batches(model)
        try:
            return await call(opened)
        finally:
            await opened.close()
            await model.close()

    return asyncio.run(run())


def opened(spec: str, base_url: str, **settings: Any) -> Model:
    """A model at a server."""
    return open_model(spec, Settings(base_url=base_url, timeout_s=10, **settings))


def severities(model: Model, answers: Sequence[tuple[str, Raw]]) -> dict[str, Any]:
    """What each request was answered, by its key; the kind of fault where it was not."""
    found: dict[str, Any] = {}
    for key, raw in answers:
        response = model.read(raw)
        text = response.text
        found[key] = json.loads(text)["severity"] if text else response.fault or response.outcome
    return found
