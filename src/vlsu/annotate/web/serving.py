"""Running the server: the socket, the names it is called by, and TLS or the warning about it."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from vlsu.annotate.projects.project import Project
from vlsu.annotate.web.addresses import bracketed, public_address
from vlsu.annotate.web.app import annotate_app
from vlsu.annotate.web.protocol import Protocol
from vlsu.annotate.web.service import Site
from vlsu.errors import UsageError

__all__ = ["Address", "serve", "site_of"]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
#: Seconds that requests under way have when the server ends.
_GRACE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens and how it is reached; the options of ``vlsu annotate serve``.

    Attributes:
        host: Address to listen on.
        port: 0 for a free one.
        base_url: How people reach it; empty if that is the address it listens on.
        root_path: What a proxy adds before every path; empty for what `base_url` has.
        proxies: Addresses or networks whose forwarded headers are believed.
        allowed_hosts: Further names that it may be called by.
        certificate: PEM file for TLS.
        key: Its private key.
    """

    host: str = "127.0.0.1"
    port: int = 8766
    base_url: str = ""
    root_path: str = ""
    proxies: Sequence[str] = field(default=())
    allowed_hosts: Sequence[str] = field(default=())
    certificate: Path | None = None
    key: Path | None = None


def site_of(address: Address) -> Site:
    """How an app is reached.

    Raises:
        UsageError: A URL, path, name or address is none.
    """
    public = public_address(address.base_url) if address.base_url else None
    root = address.root_path.rstrip("/")
    if not _ROOT.fullmatch(root):
        raise UsageError(f"--root-path {root[:200]!r}: write a path such as /grading")
    if public is not None and public.root:
        if root not in ("", public.root):
            raise UsageError(f"--root-path {root}: --base-url ends with {public.root}; give one")
        root = public.root
    for proxy in address.proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            raise UsageError(f"--proxy {proxy!r}: give an IP address or a network") from None
    names = [name.lower() for name in address.allowed_hosts]
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        raise UsageError(f"--allow-host {wrong[0]!r}: give a name without scheme and port")
    if (address.certificate is None) != (address.key is None):
        raise UsageError("--tls-certificate and --tls-key belong together; give both")
    everywhere = _is_unspecified(address.host)
    own = {socket.gethostname().lower()} if everywhere else {bracketed(address.host).lower()}
    return Site(
        root=root,
        hosts=frozenset({*_LOOPBACK, *own, *names} | ({public.host} if public else set())),
        any_address=everywhere,
        secure=address.certificate is not None or (public is not None and public.secure),
        origin=public.origin if public else "",
    )


def serve(project: Project, address: Address, *, connections: int = 10) -> None:
    """Serve a project until the process is told to end; what was acknowledged is stored by then.

    Args:
        project: Opened.
        address: Where, and how it is reached.
        connections: To the database, as the project was opened with.

    Raises:
        UsageError: The address cannot be listened on, or the certificate not be used.
    """
    site = site_of(address)
    app = annotate_app(project, site, connections=connections)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(address.proxies),
        forwarded_allow_ips=list(address.proxies),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        unread = None if isinstance(error, ssl.SSLError) else error.strerror
        why = unread or "it is no certificate with its key"
        raise UsageError(f"--tls-certificate {address.certificate}: {why}") from None
    with _listener(address.host, address.port) as listener:
        port = listener.getsockname()[1]
        for line in _lines(address, site, port):
            print(line, file=sys.stderr, flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    if not host.strip():  # to the system that is all addresses
        raise UsageError("--host '': give an address; 0.0.0.0 for all of this machine")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.removeprefix("[").removesuffix("]"), port))
        listener.listen(1024)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--host {host} --port {port}: {why}; give another") from None
    return listener


def _lines(address: Address, site: Site, port: int) -> list[str]:
    """What is said when the server begins."""
    scheme = "http" if address.certificate is None else "https"
    host = socket.gethostname() if _is_unspecified(address.host) else bracketed(address.host)
    lines = [f"grading: {scheme}://{host}:{port}{site.root}/  (Ctrl-C ends it)"]
    if address.base_url:
        lines.append(f"grading: people reach it at {address.base_url}")
    if not _is_loopback(address.host) and not site.secure:
        lines.append(
            f"warning: {address.host} can be reached by others, and without TLS whoever is on the "
            "way reads invitations, grades and images, and can take sessions over; give "
            "--tls-certificate and --tls-key, or --base-url https://... of a proxy that has TLS"
        )
    return lines


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _is_unspecified(host: str) -> bool:
    address = _address(host)
    return host == "" or (address is not None and address.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
