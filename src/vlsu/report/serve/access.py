"""Who may ask a server on this machine: only who knows its address, and no page of another site.

A browser lets any page send requests to the loopback address. What comes back it cannot read, but
how long it takes it can measure, and a search that finds something takes longer: texts could be
read letter by letter. So the path begins with a secret that is printed when the server starts, a
request that the browser says is another site's is refused before anything is looked up, and so is
one that calls this machine by a name of elsewhere (DNS rebinding).
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HEADERS", "Access"]

#: Names a request may call this server by.
_HOST = re.compile(rb"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?", re.IGNORECASE)
#: What a browser says of requests by the page itself, and of an address that was typed or opened.
_OWN = frozenset({b"same-origin", b"none"})
#: Bytes of an address's path and query at most.
LONGEST = 8192
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Access:
    """Lets requests through to an application (ASGI) that name the host and begin with the secret.

    The application sees the path after the secret.

    Args:
        app: The application.

    Attributes:
        secret: First part of every path: 128 random bits, safe in an address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.secret = secrets.token_urlsafe(16)
        self._app = app
        self._prefix = f"/{self.secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        status, why = self._refused(scope)
        if status:
            await _answer(send, status, why)
            return
        inside = scope["path"].removeprefix(self._prefix.decode())
        await self._app({**scope, "path": inside, "raw_path": inside.encode()}, receive, send)

    def _refused(self, scope: Scope) -> tuple[int, str]:
        """A status and why, or 0 for a request that is let through.

        Nothing here takes longer for one path than for another.
        """
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            return 400, "this server answers to 127.0.0.1 alone"
        sites = set(headers.get(b"sec-fetch-site", []))
        origins = set(headers.get(b"origin", []))
        if not sites <= _OWN or not origins <= {b"http://" + hosts[0]}:
            return 403, "a page of another site may not ask here; open the printed address"
        path = scope.get("raw_path") or scope["path"].encode()
        given = path[: len(self._prefix)]
        known = hmac.compare_digest(given.ljust(len(self._prefix)), self._prefix)
        if not known or path[len(self._prefix) : len(self._prefix) + 1] != b"/":
            return 404, "not found; open the address that vlsu view printed, to its end"
        if len(path) + len(scope.get("query_string", b"")) > LONGEST:
            return 400, "the address is too long"
        return 0, ""


async def _answer(send: Send, status: int, why: str) -> None:
    body = f"{why}\n".encode()
    headers = {**HEADERS, "Content-Type": "text/plain; charset=utf-8", "Content-Length": len(body)}
    lines = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
