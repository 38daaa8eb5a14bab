"""Hints about a base URL that is probably wrong."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from vlsu.models.http.transport import host_of

__all__ = ["address_hint"]

#: Paths of OpenAI-compatible servers.
_PLAUSIBLE = re.compile(r"/v\d+\w*(?:/openai)?/*$|/chat/completions/*$|/openai(?:/|$)")


def address_hint(base_url: str | None) -> str:
    """A hint about a --base-url that answers 404; empty if its path looks right."""
    try:
        parts = urlsplit(base_url or "")
    except ValueError:
        return ""
    if not parts.hostname:
        return ""
    if _PLAUSIBLE.search(parts.path):
        return ""
    return f"is the --base-url right? most servers answer under /v1: {_up_to_v1(parts)}"


def _up_to_v1(parts: SplitResult) -> str:
    """The address up to ``/v1`` that was probably meant, without credentials."""
    before, version, _ = parts.path.partition("/v1")
    path = (
        before if version else re.sub(r"/(?:api(?:/\w+)?|models|docs|health)?/*$", "", parts.path)
    )
    return f"{parts.scheme}://{host_of(parts)}{path.rstrip('/')}/v1"
