"""The lead's page, and the JSON below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import Call, Endpoint

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_LEAD = frozenset({"lead"})


def page(call: Call) -> Response:
    """The page from which a project is led."""
    return call.service.page(call, "lead.html.jinja")


ENDPOINTS = (Endpoint("GET", "/lead", _LEAD, page, page=True),)
