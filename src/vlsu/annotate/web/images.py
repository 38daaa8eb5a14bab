"""Images, served only to who has the item that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.keys import unseal
from vlsu.annotate.work.leases import Shown

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS", "image_of"]

#: Seconds that a browser keeps an image at most: about as long as its item is looked at.
_KEPT_S = 600


def image(call: Call) -> Response:
    """The image of an item that is before the grader."""
    key = unseal(call.service.secret, str(call.request.path_params["key"]))
    return image_of(call, call.service.project.shown_to(call.who.id, key))


def image_of(call: Call, shown: Shown | None) -> Response:
    """The image that a lease shows, for the browser of one person and until the lease ends.

    Args:
        call: The request.
        shown: What the lease shows; `None` if it is over. 404 if that has no image.
    """
    from starlette.responses import JSONResponse, Response

    sha256 = None
    if shown is not None:
        sha256 = call.service.content.of(shown.sample_id, shown.modality)["image_sha256"]
    if shown is None or sha256 is None:
        return JSONResponse({"error": "this item is not before you"}, 404)
    data, media_type = call.service.content.image(sha256)
    seconds = (shown.until - call.service.project.clock()) // 1000
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
