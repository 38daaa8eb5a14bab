"""Scripts and styles: files of this package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import ANYBODY, Call, Endpoint

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def _asset(name: str) -> bytes | None:
    """A file of the folder ``static``; its name is one of the names there, never a path."""
    folder = files("vlsu.annotate.web") / "static"
    for each in folder.iterdir():
        if each.name == name:
            return each.read_bytes()
    return None


def asset(call: Call) -> Response:
    """A script or a style."""
    from starlette.responses import PlainTextResponse, Response

    name = str(call.request.path_params["name"])
    suffix = name.rpartition(".")[2]
    data = _asset(name) if suffix in _TYPES else None
    if data is None:
        return PlainTextResponse("not found\n", 404)
    return Response(
        data,
        media_type=f"{_TYPES[suffix]}; charset=utf-8",
        headers={"Cache-Control": "private, max-age=300"},
    )


ENDPOINTS = (Endpoint("GET", "/static/{name}", ANYBODY, asset),)
