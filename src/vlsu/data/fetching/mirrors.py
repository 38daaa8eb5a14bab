"""Addresses of a mirror, made of the addresses that failed."""

from __future__ import annotations

import string
from urllib.parse import quote, unquote, urlsplit

from vlsu.data.fetching.addresses import parse_address
from vlsu.data.fetching.faults import FetchFaultError
from vlsu.errors import UsageError

__all__ = ["PLACES", "mirrored", "require_template"]

#: What a template may hold, and what that stands for.
PLACES = {
    "url": "the address as it is",
    "quoted": "the address, percent-encoded",
    "host": "its host",
    "path": "its path, without the first slash",
    "name": "the last part of its path",
    "id": "the identifier of the first sample that has it, percent-encoded",
}


def require_template(template: str) -> None:
    """Check a template of addresses.

    Raises:
        UsageError: It holds an unknown place or none, or what it makes is no address.
    """
    try:
        names = [name for _, name, spec, kind in string.Formatter().parse(template) if name]
        made = mirrored(template, "https://example.org/a/b.jpg", "1")
        parse_address(made)
    except (KeyError, ValueError, IndexError, AttributeError, FetchFaultError):
        names = []
    if not names or not set(names) <= set(PLACES):
        places = ", ".join(f"{{{name}}}" for name in PLACES)
        raise UsageError(
            f"--mirror {template!r}: give an http or https address with one of {places}, such as "
            "https://mirror.example/{quoted}"
        )


def mirrored(template: str, url: str, sample: str) -> str:
    """The address of a mirror for an address; a user and password in that are left out."""
    parts = urlsplit(url.strip())
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    path = parts.path.lstrip("/")
    values = {
        "url": bare,
        "quoted": quote(bare, safe=""),
        "host": parts.hostname or "",
        "path": path,
        "name": quote(unquote(path.rpartition("/")[2]), safe=""),
        "id": quote(sample, safe=""),
    }
    return template.format_map(values)
