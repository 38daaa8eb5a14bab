"""The proxy for an address, from environment variables.

They are interpreted as by curl (its manual, "ENVIRONMENT"; ``proxy_check_noproxy`` in its source):
``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, in lower case before upper case, an
empty one as if it were not set. One difference: ``HTTP_PROXY`` in upper case is used, as by most
libraries, except in a CGI program, where a client could set it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Proxy", "bypasses", "configured_proxy", "proxy_of"]

#: Supported kinds of proxy.
SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_HOST_AND_PORT = re.compile(r"(?:[\w.-]+|\[[\w.:%]+\])(?::\d+)?")
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Proxy(NamedTuple):
    """A proxy between this machine and a server.

    Attributes:
        url: Its address, which may contain a password and is never shown.
        shown: Its host and port.
        source: Where it is configured: a variable, or the system's settings.
    """

    url: str
    shown: str
    source: str

    @property
    def usable(self) -> bool:
        """Whether its address is valid."""
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            return False
        return known and _HOST_AND_PORT.fullmatch(self.shown) is not None


def proxy_of(url: str) -> Proxy | None:
    """The proxy for an address; `None` for a direct connection."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    named = _from_environment(parts.scheme)
    if named is None:
        named = _from_system(parts.scheme, host)
    elif bypasses(host, _variable("no_proxy")[1]):
        return None
    return None if named is None else _proxy(*named)


def configured_proxy(scheme: str) -> Proxy | None:
    """The proxy for addresses of a scheme, whatever hosts are excluded from it."""
    named = _from_environment(scheme) or _from_system(scheme, None)
    return None if named is None else _proxy(*named)


def _proxy(source: str, address: str) -> Proxy:
    address = address.strip()
    if not _HAS_SCHEME.match(address):
        address = f"http://{address}"
    shown = address.partition("://")[2].rpartition("@")[2]
    return Proxy(address, re.split(r"[/?#]", shown)[0], source)


def _variable(name: str) -> tuple[str, str]:
    """Name and value of a variable, in lower case before upper case; both empty if unset."""
    for each in (name, name.upper()):
        if each == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ:
            continue
        if value := os.environ.get(each):
            return each, value
    return "", ""


def _from_environment(scheme: str) -> tuple[str, str] | None:
    for name in (f"{scheme}_proxy", "all_proxy"):
        variable, value = _variable(name)
        if value:
            return variable, value
    return None


def _from_system(scheme: str, host: str | None) -> tuple[str, str] | None:
    """Source and address from the settings of macOS or Windows."""
    if sys.platform not in ("darwin", "win32"):
        return None
    from urllib.request import getproxies, proxy_bypass

    known = getproxies()
    found = known.get(scheme) or known.get("all") or known.get("socks")
    if not found or (host is not None and proxy_bypass(host)):
        return None
    return "the system's settings", found


def bypasses(host: str, no_proxy: str) -> bool:
    """Whether a host is excluded from proxying by a ``NO_PROXY`` list.

    Entries are separated by commas or blanks. A name matches itself and its subdomains, with or
    without a leading dot; an address matches itself, or its network with a prefix length. A single
    asterisk matches everything. Ports and other wildcards are not supported.

    >>> bypasses("gpu1.lan.example", "localhost, .lan.example")
    True
    >>> bypasses("10.1.2.3", "10.0.0.0/8"), bypasses("10.1.2.3", "10.1.2.3:8000")
    (True, False)
    """
    if no_proxy == "*":
        return True
    entries = re.split(r"[,\s]+", no_proxy)
    address = _address(host)
    if address is not None:
        return any(_covers(entry, address) for entry in entries)
    name = host.lower().removesuffix(".")
    for entry in entries:
        domain = entry.lower().removesuffix(".").removeprefix(".")
        if domain and (name == domain or name.endswith(f".{domain}")):
            return True
    return False


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(host: str) -> _Address | None:
    """The IP address that a host denotes, in any notation of IPv4 (``127.1``)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if re.fullmatch(r"(?:0[xX][0-9a-fA-F]*|\d+)(?:\.(?:0[xX][0-9a-fA-F]*|\d+)){0,3}", host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    return None


def _covers(entry: str, address: _Address) -> bool:
    network, slash, bits = entry.partition("/")
    try:
        start = ipaddress.ip_address(network)
        if slash and not (bits.isascii() and bits.isdigit() and len(bits) < 4):
            return False
        if start.version != address.version:
            return False
        if not slash or int(bits) == 0:  # as in curl: a prefix length of 0 is ignored
            return start == address
        return address in ipaddress.ip_network((start, int(bits)), strict=False)
    except ValueError:
        return False
