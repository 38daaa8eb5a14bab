"""Through a proxy: which one, what is judged before it is asked, and the connection it makes.

A proxy looks names up itself, so that the rule of `vlsu.data.fetching.client`, to connect to an
address that was judged, ends at the proxy. What can be judged here still is: scheme and spelling of
every address and of every redirect, an IP address in its place, and the name as this machine
resolves it. What the proxy makes of a name that only it resolves is for it to guard.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import cast
from urllib.parse import urlsplit

from vlsu._proxies import configured_proxy, proxy_of
from vlsu.data.fetching.addresses import WebAddress, basic_authorization, parse_address
from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.data.fetching.resolver import Resolver
from vlsu.errors import UsageError

__all__ = ["ENVIRONMENT", "NameJudge", "Route", "Routing", "Tunnel", "routing", "say_unused"]

#: What is given in place of an address, for the proxies that the environment names.
ENVIRONMENT = "env"
#: Maximum bytes of the head of a proxy's response.
MAX_HEAD = 64 * 2**10
#: Maximum characters of a part of a name (RFC 1035).
MAX_LABEL = 63
#: Seconds for a look-up, and names that are remembered to have no answer.
LOOKUP_S, MAX_NAMES = 5.0, 4096
#: Names of metadata services, which hand out credentials, where only the proxy resolves them.
_METADATA = frozenset(
    {
        *("metadata", "metadata.goog", "metadata.google.internal"),
        *("instance-data", "instance-data.ec2.internal"),
    }
)
#: Last parts of names that are of no public network: RFC 6761, RFC 6762 with its appendix G, RFC
#: 8375, ICANN's ``internal``, and what clusters and distributions call themselves.
_INSIDE = tuple(
    f".{each}"
    for each in (
        *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home"),
        *("lan", "home.arpa", "svc"),
    )
)

_log = logging.getLogger(__name__)

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: [^\r\n]*)?\r\n")
_TRANSIENT = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Route:
    """A proxy.

    Attributes:
        host: Its name or IP address.
        port: From 1 to 65535.
        source: Where it is named: the option, or a variable of the environment.
        authorization: The header made of user and password; never shown.
    """

    host: str
    port: int
    source: str
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.source} {host}:{self.port}"

    @property
    def header(self) -> str:
        """The line of a request's head that the proxy asks for; empty without a user."""
        if self.authorization is None:
            return ""
        return f"Proxy-Authorization: {self.authorization}\r\n"

    def refused(self) -> UsageError:
        """The error where it wants other credentials."""
        form = "http://USER:PASSWORD@HOST:PORT"
        if self.authorization is None:
            return UsageError(f"{self}: the proxy wants a user and a password (407); give {form}")
        return UsageError(
            f"{self}: the proxy does not accept the user and the password that were given (407); "
            f"check {form}"
        )


#: From an address to the proxy it is asked through; `None` for none.
Routing = Callable[[WebAddress], Route | None]


def routing(proxy: str) -> Routing:
    """How addresses are asked: all through one proxy, or as the environment says.

    Args:
        proxy: ``http://HOST:PORT``, perhaps with ``USER:PASSWORD@``, or `ENVIRONMENT`, which obeys
            ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``.

    Raises:
        UsageError: It is no such address, or the environment names no proxy.
    """
    if proxy != ENVIRONMENT:
        fixed = _route(proxy, "--proxy")
        return lambda address: fixed
    # What is wrong with a variable is said before anything is asked.
    named = [configured_proxy(scheme) for scheme in ("http", "https")]
    if not any(named):
        raise UsageError(
            f"--proxy {ENVIRONMENT}: neither http_proxy nor https_proxy nor all_proxy names a "
            "proxy; set one, or give its address"
        )
    for found in named:
        if found is not None:
            _route(found.url, found.source)
    return lambda address: _of_environment(address.scheme, address.host_header)


def say_unused(count: int) -> None:
    """Warn that addresses are asked directly although the environment names a proxy."""
    found = [proxy_of(f"{scheme}://images.example/") for scheme in ("http", "https")]
    sources = sorted({each.source for each in found if each is not None})
    if sources:
        _log.warning(
            "%d addresses are asked directly, not through the proxy of %s: it could be made to "
            "reach what this command refuses; --proxy %s uses it all the same",
            count,
            " and ".join(sources),
            ENVIRONMENT,
        )


def _of_environment(scheme: str, host: str) -> Route | None:
    found = proxy_of(f"{scheme}://{host}/")
    return None if found is None else _route(found.url, found.source)


def _route(url: str, source: str) -> Route:
    """The proxy at an address, which is never shown: a password may be anywhere in it."""
    text = url.strip()
    if "://" not in text:
        text = f"http://{text}"
    form = (
        "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with / ? # of a password "
        "percent-encoded"
    )
    wrong = UsageError(f"{source}: not the address of a proxy; {form}")
    try:
        parts = urlsplit(text)
        userinfo, _, authority = parts.netloc.rpartition("@")
        authorization = basic_authorization(userinfo) if userinfo else None
    except ValueError:
        raise wrong from None
    if re.fullmatch(r"https|socks\w*", parts.scheme):
        raise UsageError(f"{source}: {parts.scheme} proxies are not supported here; {form}")
    # What follows the port is perhaps the rest of a password, and its first part the "host".
    if parts.scheme != "http" or parts.path not in ("", "/") or re.search(r"[?#]", text):
        raise wrong
    try:
        address = parse_address(f"http://{authority}/")
    except FetchFaultError:
        raise wrong from None
    if any(len(label) > MAX_LABEL for label in address.host.split(".")):
        raise wrong
    return Route(address.host, address.port, source, authorization)


class NameJudge:
    """Judges an address before a proxy is asked for it.

    Args:
        resolver: This machine's view of names.
        allow_private: As `vlsu.data.fetching.addresses.refusal`.
        lookup_s: Seconds to wait for an answer, which can only serve to refuse.
    """

    def __init__(
        self, resolver: Resolver, *, allow_private: bool = False, lookup_s: float = LOOKUP_S
    ) -> None:
        self._resolver = resolver
        self._allow_private = allow_private
        self._lookup_s = lookup_s
        self._unknown: OrderedDict[str, None] = OrderedDict()

    async def judge(self, address: WebAddress) -> None:
        """Refuse what is known not to be of the public internet.

        Raises:
            FetchFaultError: It is an IP address that may not be asked, or a name of one.
        """
        name = address.host
        if address.ip is None and (
            name in _METADATA or (not self._allow_private and _of_the_inside(name))
        ):
            raise FetchFaultError(Reason.PRIVATE)
        if name in self._unknown:
            return
        try:
            async with asyncio.timeout(self._lookup_s):
                await self._resolver.addresses(address)
        except TimeoutError:
            pass
        except FetchFaultError as fault:
            if fault.reason != Reason.DNS:
                raise
        else:
            return
        self._unknown[name] = None  # only the proxy may know it
        while len(self._unknown) > MAX_NAMES:
            self._unknown.popitem(last=False)


def _of_the_inside(name: str) -> bool:
    """Whether no public network has such a name; one without a dot is of the proxy's own."""
    return "." not in name or name.endswith(_INSIDE)


class Tunnel(asyncio.Protocol):
    """A connection to a proxy up to where it is one to the server: the answer to ``CONNECT``."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._head = b""

    async def open(self, route: Route, address: WebAddress) -> None:
        """Have the proxy connect to the server of an address.

        Raises:
            FetchFaultError: It does not.
            UsageError: It wants other credentials.
        """
        self._answer = asyncio.get_running_loop().create_future()
        transport = self._transport
        if transport is None or transport.is_closing():
            raise FetchFaultError(Reason.PROXY, transient=True)
        host = f"[{address.host}]" if isinstance(address.ip, IPv6Address) else address.host
        target = f"{host}:{address.port}"
        transport.write(
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{route.header}\r\n".encode("latin-1")
        )
        status = await self._answer
        if 200 <= status < 300:
            return
        if status == 407:
            raise route.refused()
        raise FetchFaultError(Reason.PROXY, transient=status >= 500 or status in _TRANSIENT)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy is there."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A piece of its answer."""
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        status = _STATUS.match(head + b"\r\n")
        if not end and len(self._head) <= MAX_HEAD:
            return
        # A server that speaks TLS says nothing before it is spoken to.
        if status is None or not end or (status[1].startswith(b"2") and rest):
            self._fail()
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(int(status[1]))

    def connection_lost(self, error: Exception | None) -> None:
        """It hung up."""
        self._fail()

    def _fail(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(FetchFaultError(Reason.PROXY, transient=True))
