"""Web addresses of images, and which IP addresses may be connected to.

An image's address comes from whoever made the dataset, and what it redirects to from any server. A
request to it must not reach what only this machine can reach: its own services, the local network,
the metadata service of a cloud. The host of an address is therefore read once, here, in every
spelling; what it resolves to is judged as IP addresses; and a connection is made to an address that
was judged, never to a name (`vlsu.data.fetching.client`).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin, urlsplit

from vlsu._text import normal_form
from vlsu.data.fetching.faults import FetchFaultError, Reason

__all__ = [
    "IPAddress",
    "WebAddress",
    "basic_authorization",
    "embedded_ipv4",
    "parse_address",
    "refusal",
]

IPAddress = IPv4Address | IPv6Address

#: Maximum characters of an address.
MAX_LENGTH = 8192
PORTS = {"http": 80, "https": 443}

#: Never an image's host, even where private addresses are allowed: multicast, broadcast, and the
#: metadata services of clouds, which hand out credentials to whoever asks from inside.
_NEVER = tuple(
    map(
        ip_network,
        (
            *("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
            *("169.254.169.254/32", "169.254.169.253/32", "169.254.170.0/23"),
            *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
            *("fd00:ec2::/64", "fd20:ce::254/128"),
        ),
    )
)
#: IPv4 addresses that are not of the public internet: IANA's registry of special-purpose addresses
#: (RFC 6890 and its updates) and multicast.
_SPECIAL_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
#: All of the public internet's IPv6 addresses are in here ...
_GLOBAL_IPV6 = IPv6Network("2000::/3")
#: ... but not all that is in there: protocol assignments with Teredo and ORCHID, documentation,
#: 6to4, which leads to an IPv4 address of the writer's choice.
_SPECIAL_IPV6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
#: Prefixes in front of an IPv4 address that a connection ends at.
_MAPPED, _NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
_TRANSLATED = (_MAPPED, _NAT64)
_COMPATIBLE, _SIX_TO_FOUR = IPv6Network("::/96"), IPv6Network("2002::/16")
_LOCAL_NAT64, _TEREDO = IPv6Network("64:ff9b:1::/48"), IPv6Network("2001::/32")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_LOW = re.compile(r"[\x00-\x1f]")
_BAD_IN_AUTHORITY = re.compile(r"[\\\s\"<>^`{|}]")
_BRACKETED = re.compile(r"\[[^\[\]]*\](?::[0-9]*)?")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
#: Characters that a path and a query keep; all others are percent-encoded.
_KEPT = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An HTTP address, taken apart.

    Attributes:
        scheme: ``http`` or ``https``.
        host: In lower-case ASCII; an IP address in its usual spelling, whatever it was.
        port: From 1 to 65535.
        target: Path and query, as a request states them.
        ip: The host, where it is an IP address.
        authorization: The header made of user and password; never shown.
    """

    scheme: str
    host: str
    port: int
    target: str
    ip: IPAddress | None = None
    authorization: str | None = field(default=None, repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection may be shared for."""
        return (self.scheme, self.host, self.port)

    @property
    def host_header(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if isinstance(self.ip, IPv6Address) else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address without user and password."""
        return f"{self.scheme}://{self.host_header}{self.target}"

    def redirected(self, location: str) -> WebAddress:
        """The address that a redirect leads to; a password goes to no other server.

        Raises:
            FetchFaultError: It cannot be used.
        """
        try:
            joined = urljoin(self.url, location.strip())
        except ValueError:
            raise FetchFaultError(Reason.BAD_REDIRECT) from None
        target = parse_address(joined)
        kept = self.authorization if target.origin == self.origin else None
        return WebAddress(target.scheme, target.host, target.port, target.target, target.ip, kept)


def parse_address(url: str) -> WebAddress:
    """Read an address as browsers do, as far as it is of one meaning.

    Raises:
        FetchFaultError: It is no address, its scheme is not ``http`` or ``https``, or parsers could
            disagree about its host.
    """
    text = url.strip(" \t\r\n\f")
    if not text or len(text) > MAX_LENGTH:
        raise FetchFaultError(Reason.BAD_ADDRESS)
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[0][:-1].lower() not in PORTS:
        # `example.org:80/a` and `C:\a.png` have no scheme either, and cannot be fetched.
        raise FetchFaultError(Reason.SCHEME)
    try:
        parts = urlsplit(text)
        userinfo, _, authority = parts.netloc.rpartition("@")
        port = parts.port
        hostname = parts.hostname or ""
    except ValueError:
        raise FetchFaultError(Reason.BAD_ADDRESS) from None
    if scheme is None or not hostname or port == 0 or _CONTROL.search(parts.netloc):
        raise FetchFaultError(Reason.BAD_ADDRESS)
    bracketed = authority.startswith("[")
    if bracketed and _BRACKETED.fullmatch(authority) is None:
        raise FetchFaultError(Reason.BAD_ADDRESS)
    if _BAD_IN_AUTHORITY.search(parts.netloc) or _LOW.search(text):
        raise FetchFaultError(Reason.BAD_ADDRESS)
    host, ip = _ipv6(hostname) if bracketed else _host(hostname)
    try:
        path = quote(parts.path, safe=_KEPT) or "/"
        query = f"?{quote(parts.query, safe=_KEPT + '?')}" if parts.query else ""
        authorization = basic_authorization(userinfo) if userinfo else None
    except UnicodeEncodeError:  # half a surrogate pair
        raise FetchFaultError(Reason.BAD_ADDRESS) from None
    return WebAddress(
        parts.scheme, host, port or PORTS[parts.scheme], path + query, ip, authorization
    )


def basic_authorization(userinfo: str) -> str:
    """The header made of ``user:password``, percent-encoded as in an address."""
    user, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return f"Basic {base64.b64encode(pair).decode()}"


@lru_cache(4096)
def _ipv6(host: str) -> tuple[str, IPAddress]:
    try:
        if "%" in host:  # of an interface of this machine
            raise ValueError(host)
        ip = IPv6Address(host)
    except ValueError:
        raise FetchFaultError(Reason.BAD_ADDRESS) from None
    return str(ip), ip


@lru_cache(4096)
def _host(host: str) -> tuple[str, IPAddress | None]:
    """The host in ASCII, and what it is as an IP address."""
    try:
        plain = normal_form("NFKC", unquote(host, errors="strict"))
        name = plain.replace("\u3002", ".").lower()
        if not name.isascii():
            name = name.encode("idna").decode("ascii").lower()
    except (UnicodeError, ValueError):
        raise FetchFaultError(Reason.BAD_ADDRESS) from None
    name = name.removesuffix(".")
    if len(name) > 253 or _HOST.fullmatch(name) is None:
        raise FetchFaultError(Reason.BAD_ADDRESS)
    if _NUMBER.fullmatch(name.rpartition(".")[2]) is None:
        return name, None
    ip = _ipv4(name)
    return str(ip), ip


def _ipv4(name: str) -> IPv4Address:
    """An IPv4 address in any spelling: 1 to 4 decimal, octal or hexadecimal numbers.

    The rules are those of ``inet_aton`` and of the URL standard of browsers.
    """
    try:
        *firsts, last = (_number(part) for part in name.split("."))
        if len(firsts) > 3 or any(each > 255 for each in firsts):
            raise ValueError(name)
        if last >= 256 ** (4 - len(firsts)):
            raise ValueError(name)
    except ValueError:
        raise FetchFaultError(Reason.BAD_ADDRESS) from None
    value = last + sum(each << 8 * (3 - place) for place, each in enumerate(firsts))
    return IPv4Address(value)


def _number(part: str) -> int:
    if _NUMBER.fullmatch(part) is None or len(part) > 64:
        raise ValueError(part)
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)


def embedded_ipv4(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4 or Teredo."""
    if any(ip in prefix for prefix in (*_TRANSLATED, _COMPATIBLE, _LOCAL_NAT64)):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _SIX_TO_FOUR:
        return ip.sixtofour
    if ip in _TEREDO and ip.teredo is not None:
        return ip.teredo[1]
    return None


def refusal(address: str | IPAddress, *, allow_private: bool = False) -> str | None:
    """Why an IP address may not be connected to; `None` if it may.

    Args:
        address: The IP address.
        allow_private: Whether all may be but multicast, broadcast and metadata services.

    >>> refusal("93.184.216.34"), refusal("10.0.0.1"), refusal("::ffff:127.0.0.1")
    (None, 'not of the public internet', 'not of the public internet')
    """
    try:
        ip = ip_address(address) if isinstance(address, str) else address
    except ValueError:
        return "no IP address"
    inner = embedded_ipv4(ip) if isinstance(ip, IPv6Address) else None
    for each in (ip, inner):
        if each is not None and _within(each, _NEVER):
            return "multicast, broadcast or a metadata service"
    if allow_private:
        return None
    if isinstance(ip, IPv6Address) and inner is not None and _within(ip, _TRANSLATED):
        ip = inner
    if isinstance(ip, IPv4Address):
        special = _within(ip, _SPECIAL_IPV4)
    else:
        special = ip.scope_id is not None or ip not in _GLOBAL_IPV6 or _within(ip, _SPECIAL_IPV6)
    return "not of the public internet" if special else None


def _within(ip: IPAddress, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)
