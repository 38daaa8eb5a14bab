"""The adjudicator's page, and the JSON below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import Call, Endpoint

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_ADJUDICATOR = frozenset({"adjudicator"})


def page(call: Call) -> Response:
    """The page on which disputes are decided."""
    return call.service.page(call, "adjudicate.html.jinja")


ENDPOINTS = (Endpoint("GET", "/adjudicate", _ADJUDICATOR, page, page=True),)
