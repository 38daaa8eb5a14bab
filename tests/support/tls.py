"""Servers behind TLS, by an authority that only the tests trust."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import trustme

#: Of the servers of tests that are started now; `None` for plain HTTP.
current: ssl.SSLContext | None = None


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def of_this_machine() -> ssl.SSLContext:
    """A server's context, with a certificate of loopback addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context


@contextmanager
def servers_behind_tls(folder: Path) -> Iterator[None]:
    """While open, the servers of tests speak TLS, and their authority is trusted."""
    global current
    known = folder / "authority.pem"
    authority().cert_pem.write_to_path(str(known))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(known))
        current = of_this_machine()
        try:
            yield
        finally:
            current = None


def scheme() -> str:
    return "http" if current is None else "https"
