"""Images, served only to who has the item that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.keys import unseal

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS", "image_response"]

#: Seconds that a browser keeps an image at most: about as long as its item is looked at.
_KEPT_S = 600


def image(call: Call) -> Response:
    """The image of an item that is before the grader."""
    key = unseal(call.service.secret, str(call.request.path_params["key"]))
    project = call.service.project
    shown = project.shown_to(call.who.id, key)
    sha256 = None
    seconds = 0
    if shown is not None:
        sha256 = call.service.content.of(shown.sample_id, shown.modality)["image_sha256"]
        seconds = (shown.until - project.clock()) // 1000
    return image_response(call, sha256, seconds)


def image_response(call: Call, sha256: str | None, seconds: int) -> Response:
    """An image, for the browser of one person and for a time; 404 if it is none.

    Args:
        call: The request.
        sha256: Its hash; `None` if the person may not see it.
        seconds: How long a browser may keep it.
    """
    from starlette.responses import JSONResponse, Response

    if sha256 is None:
        return JSONResponse({"error": "this item is not before you"}, 404)
    data, media_type = call.service.content.image(sha256)
    kept = max(0, min(seconds, _KEPT_S))
    return Response(
        data,
        media_type=media_type,
        headers={
            "Cache-Control": f"private, max-age={kept}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Disposition": "inline",
        },
    )


ENDPOINTS = (Endpoint("GET", "/image/{key}", frozenset({"grader"}), image),)
