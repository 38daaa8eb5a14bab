"""The moderations format: OpenAI's classifier of texts and images, and servers compatible with it.

After ``CreateModerationRequest`` and ``CreateModerationResponse`` of OpenAI's published OpenAPI
description (openai/openai-openapi at f85dbe2): ``POST <base>/moderations`` with a list of parts, of
type ``text`` or ``image_url`` (an address or a data address), which together give one result. The
description names no limit; the server takes one image a request, and answers a second with status
400, code ``too_many_images`` (antiwork/gumroad#4709). Limits of one image are those of OpenAI's
guide "Images and vision", for want of others.

What a result means is for the guard's family to say (`vlsu.models.guards.grading`): the answer's
text is the result as JSON, unchanged.
"""

from __future__ import annotations

import json

from vlsu.errors import UsageError
from vlsu.models.base import ImageLimits, Outcome, Request, Response, Settings
from vlsu.models.bodies.error_bodies import parse_error, parse_error_body
from vlsu.models.formats.completion_answers import error_response
from vlsu.models.formats.openai import DEFAULT_BASE_URL, ChatCompletions
from vlsu.models.formats.wire import (
    JSON_HEADERS,
    Images,
    Tree,
    as_array,
    decode_body,
    malformed_response,
    status_within,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.model import ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header

__all__ = ["MAX_IMAGES", "Moderations"]

#: Images in one request that the server accepts.
MAX_IMAGES = 1


class Moderations:
    """The wire format of moderations, as pure functions."""

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/moderations``; a base URL that already ends so is unchanged."""
        base, question, query = (settings.base_url or DEFAULT_BASE_URL).partition("?")
        base = base.rstrip("/")
        if not base.endswith("/moderations"):
            base += "/moderations"
        return base + question + query

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, and the key as a bearer token."""
        return {**JSON_HEADERS, **({"Authorization": f"Bearer {key}"} if key else {})}

    def image_limits(self, settings: Settings) -> ImageLimits:
        """Those of chat completions."""
        return ChatCompletions().image_limits(settings)

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The limits in a response's headers; `now` is seconds since the epoch."""
        return rate_limits.openai_limits(header, now)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body: every part of every message, in order, with images as data URLs.

        Raises:
            UsageError: There is more than one image.
        """
        if len(request.images) > MAX_IMAGES:
            raise UsageError(f"moderations: {len(request.images)} images; a request takes one")
        images = Images(image)
        parts: list[object] = []
        for message in request.messages:
            for part in message.parts:
                if isinstance(part, str):
                    parts.append({"type": "text", "text": part})
                else:
                    address = images.data_uri(part.sha256)
                    parts.append({"type": "image_url", "image_url": {"url": address}})
        return images.pieces({"model": model, "input": parts} | dict(settings.params))

    def decode(self, status: int, body: bytes) -> Response:
        """Parse status and body; anything but one result is an error with a message."""
        if not is_answer(status):
            return error_response(status, parse_error_body(body))
        return decode_body(status, body, _read)


def _read(tree: Tree) -> Response:
    if tree.get("error"):
        found = parse_error(tree)
        return error_response(status_within(found), found)
    results = as_array(tree.get("results"))
    if len(results) != 1 or not isinstance(results[0], dict):
        return malformed_response(f"expected one moderation result, found {len(results)}")
    return Response(Outcome.OK, text=json.dumps(results[0]))
