"""Whether a credential sent to an address could be intercepted.

Over TLS it could not. Over plain HTTP it could, so it is sent only to this machine and to addresses
that are never routed over the internet: loopback, link-local and the private networks of RFC 1918
and RFC 4193. A host name counts as the addresses it resolves to.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from urllib.parse import urlsplit

from vlsu._proxies import proxy_of

__all__ = ["exposure", "holds_credentials", "is_local"]

#: Maximum seconds to resolve a host name.
RESOLVE_S = 5.0

_LOCAL = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/32", "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
            *("169.254.0.0/16", "::/128", "::1/128", "fc00::/7", "fe80::/10"),
        ),
    )
)


def is_local(address: str) -> bool:
    """Whether an IP address is this machine's or of a private network.

    >>> is_local("192.168.1.7"), is_local("::1"), is_local("8.8.8.8")
    (True, True, False)
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found.version == network.version and found in network for network in _LOCAL)


def holds_credentials(url: str) -> bool:
    """Whether a URL contains a user or a password."""
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return False


def exposure(url: str, *, guarded: bool) -> str | None:
    """Why a credential sent to an address could be intercepted; `None` if it could not.

    Args:
        url: The address.
        guarded: Whether the client checks the IP address again before it sends anything. Only then
            is a name that cannot be resolved now accepted.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None  # nothing is ever sent to it
    if parts.scheme != "http" or not parts.hostname:
        return None
    proxy = proxy_of(url)
    if proxy is None:
        return _exposed(url, "", guarded=guarded)
    proxy_exposure = None if proxy.url.startswith("https:") else _exposed(proxy.url, "the proxy ")
    return proxy_exposure or _exposed(url, "")


def _exposed(url: str, what: str, *, guarded: bool = False) -> str | None:
    """Why a host is not known to be private; `None` if it is."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return None
    if not host.isascii():  # URL parsers may disagree about it
        return f"{what}{host} is not known to be a private host"
    if host == "localhost" or host.endswith(".localhost") or is_local(host):
        return None
    addresses = _resolved(host, port)
    public = [address for address in addresses if not is_local(address)]
    if public:
        resolved = "" if public[0] == host else f" ({public[0]})"
        return f"{what}{host}{resolved} is no private or loopback address"
    if not addresses and not guarded:
        return f"{what}{host} cannot be resolved, so it is not known to be a private host"
    return None


def _resolved(host: str, port: int) -> list[str]:
    """The IP addresses of a host; empty if it cannot be resolved in time."""
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        answers.put([str(address[0]) for *_, address in found])

    # In a thread: a resolver may take half a minute, and cannot be interrupted.
    threading.Thread(target=resolve, daemon=True).start()
    try:
        return answers.get(timeout=RESOLVE_S)
    except queue.Empty:
        return []
