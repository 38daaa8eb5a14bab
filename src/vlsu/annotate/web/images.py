"""Images, served only to who has the item that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import Call, Endpoint
from vlsu.annotate.web.keys import unseal

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]


def image(call: Call) -> Response:
    """The image of an item that is before the grader."""
    from starlette.responses import JSONResponse, Response

    key = unseal(call.service.secret, str(call.request.path_params["key"]))
    sample_id = call.service.project.shown_to(call.who.id, key)
    sha256 = None
    if sample_id is not None:
        sha256 = call.service.content.of(sample_id, "joint")["image_sha256"]
    if sha256 is None:
        return JSONResponse({"error": "this item is not before you"}, 404)
    data, media_type = call.service.content.image(sha256)
    return Response(data, media_type=media_type)


ENDPOINTS = (Endpoint("GET", "/image/{key}", frozenset({"grader"}), image),)
