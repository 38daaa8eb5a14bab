"""What holds for every request and every answer: the host's name, where it comes from, headers."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vlsu.annotate.web.service import Site

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard", "is_for_scripts", "is_foreign", "same_secret"]

#: Scripts and styles are files of this package; nothing is inline, nothing is from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    # Not `no-referrer`: with it, browsers hide the origin of our own forms as well.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_OWN = frozenset({"same-origin", "none"})
#: Bytes of a path with its query at most.
_LONGEST = 8192


class Guard:
    """Lets requests through to an application (ASGI) that name the host; adds headers to answers.

    A path may begin with the site's root or not: some proxies remove it, some do not.

    Args:
        app: The application.
        site: How it is reached.
    """

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _HEADERS if name not in given),
                ]
            await send(message)

        if (why := self._refusal(scope)) is not None:
            await _refusal(why, scope["path"])(scope, receive, sending)
            return
        root = self._site.root
        if root and (scope["path"] == root or scope["path"].startswith(f"{root}/")):
            path = scope["path"].removeprefix(root) or "/"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, sending)

    def _refusal(self, scope: Scope) -> str | None:
        if not self._is_named(scope):
            return "this server is not called so; start it with --base-url or --allow-host"
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope.get("query_string", b"")
        if len(path) + len(query) > _LONGEST:
            return "the address is too long"
        if "\0" in scope["path"] or b"%00" in query:
            return "the address is invalid"
        return None

    def _is_named(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return False
        host = hosts[0].decode("latin-1").lower()
        name, _, port = host.rpartition(":")
        if not name or not port.isdigit():
            name = host
        return name in self._site.hosts or (self._site.any_address and _is_address(name))


def _refusal(why: str, path: str) -> Response:
    from starlette.responses import JSONResponse, PlainTextResponse

    if is_for_scripts(path):
        return JSONResponse({"error": why}, 400)
    return PlainTextResponse(f"{why}\n", 400)


_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


def is_foreign(headers: Mapping[str, str], method: str, scheme: str, site: Site) -> bool:
    """Whether a page of another site may be behind a request, which is then refused.

    A link to a page may stand anywhere. Anything else comes from a page of this site: browsers say
    so by ``Sec-Fetch-Site``, and where they do not (older ones, plain HTTP), by ``Origin``.

    Args:
        headers: Of the request, their names in lower case.
        method: ``"GET"``, ``"HEAD"`` or ``"POST"``.
        scheme: ``"http"`` or ``"https"``, as a proxy says if its word counts.
        site: How the app is reached.
    """
    fetched = headers.get("sec-fetch-site")
    if method in ("GET", "HEAD"):
        return fetched not in (None, *_OWN) and headers.get("sec-fetch-mode") != "navigate"
    if fetched is not None and fetched not in _OWN:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    if origin == "null":  # a form of a page that hides where it is from, ours or not
        return fetched != "same-origin"
    schemes = {"https"} if site.secure else {"http", "https", scheme}
    own = {f"{each}://{headers.get('host', '')}".lower() for each in schemes}
    return origin.lower() not in own | ({site.origin} if site.origin else set())


def is_for_scripts(path: str) -> bool:
    """Whether a path is asked for by a script, which gets errors as JSON."""
    return path.startswith(("/api/", "/image/", "/case-image/", "/static/"))


def same_secret(given: object, known: str) -> bool:
    """Whether what a request has is a secret, in constant time."""
    if not isinstance(given, str):
        return False
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
