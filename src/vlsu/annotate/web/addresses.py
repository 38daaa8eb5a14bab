"""Addresses by which people reach a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from vlsu.errors import UsageError

__all__ = ["Public", "bracketed", "public_address"]

_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_USUAL = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Public:
    """The parts of a base URL.

    Attributes:
        host: Name or address as a ``Host`` header has it, without port.
        origin: Scheme, host and port, as browsers write them.
        root: Path below which everything is; empty for none.
        secure: Whether it is ``https``.
    """

    host: str
    origin: str
    root: str
    secure: bool


def public_address(url: str) -> Public:
    """Read a base URL.

    Raises:
        UsageError: It is none.
    """
    wrong = UsageError(f"--base-url {url[:200]!r}: write http://HOST or https://HOST")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    host = bracketed(parts.hostname or "").lower()
    root = parts.path.rstrip("/")
    if (
        parts.scheme not in _USUAL
        or not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", host)
        or parts.query
        or parts.fragment
        or parts.username is not None
        or not _ROOT.fullmatch(root)
    ):
        raise wrong
    shown = "" if port in (None, _USUAL[parts.scheme]) else f":{port}"
    return Public(host, f"{parts.scheme}://{host}{shown}", root, parts.scheme == "https")


def bracketed(host: str) -> str:
    """A host as URLs have it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
