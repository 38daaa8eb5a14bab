"""The client: from an address to an image's bytes, over redirects, within one time.

A connection is made to an IP address that the resolver has judged, and to no name: nothing is
looked up a second time. Host header, server name and certificate are those of the name. A proxy,
which looks names up itself and reaches with its own rights what is refused here, is used only where
it is asked for (`vlsu.data.fetching.proxies`).
"""

from __future__ import annotations

import asyncio
import platform
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

from vlsu._machine import exhausted_file_descriptors, exhausted_resource
from vlsu._version import __version__
from vlsu.data.fetching.addresses import WebAddress, parse_address
from vlsu.data.fetching.connection import Connection, Held, Received
from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.data.fetching.proxies import NameJudge, Route, Routing, Tunnel
from vlsu.data.fetching.resolver import Resolver
from vlsu.errors import MachineError, UsageError

__all__ = ["USER_AGENT", "Client", "Dial", "Download", "dial"]

#: What servers are told of who asks.
USER_AGENT = f"vlsu/{__version__} (vlsu data fetch; Python/{platform.python_version()})"
MAX_REDIRECTS = 8
#: What a proxy is asked that wants other credentials; no server has this name (RFC 6761).
NOWHERE = "http://credentials.invalid/"
#: Maximum seconds to connect to one of a host's addresses.
CONNECT_S = 10.0
#: Idle connections that are kept, and for how many seconds.
MAX_IDLE, IDLE_S = 64, 15.0
#: Maximum characters of an ETag or a date that is kept.
_MAX_VALIDATOR = 512

#: Statuses of a server that may answer otherwise later.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: Connects to an IP address and a port: ``dial(factory, ip, port, ssl, server_name)``.
Dial = Callable[
    [Callable[[], asyncio.Protocol], str, int, ssl.SSLContext | None, str | None],
    Awaitable[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]],
]


async def dial(
    factory: Callable[[], asyncio.Protocol],
    ip: str,
    port: int,
    context: ssl.SSLContext | None,
    server_name: str | None,
) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
    """Connect over TCP, and TLS where there is a context."""
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(
        factory, ip, port, ssl=context, server_hostname=server_name
    )
    return transport, connection


@dataclass(frozen=True, slots=True)
class Download:
    """What an address gave.

    Attributes:
        body: The bytes; `None` if the image is unchanged (status 304).
        etag: To ask conditionally next time.
        modified: ``Last-Modified``, likewise.
    """

    body: bytes | None
    etag: str | None = None
    modified: str | None = None


class Client:
    """Gets images over HTTP/1.1, with and without TLS.

    Args:
        resolver: Gives the IP addresses that may be connected to.
        timeout_s: Seconds for an image, redirects included.
        max_bytes: Maximum bytes of an image.
        dial: How a connection is made.
        context: Of TLS; the system's certificates by default.
        routing: Which proxy an address is asked through; none by default.
        judge: Judges an address that a proxy is asked for.
        headers: Of every request, in place of or beside the usual ones.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        timeout_s: float,
        max_bytes: int,
        dial: Dial = dial,
        context: ssl.SSLContext | None = None,
        routing: Routing | None = None,
        judge: NameJudge | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._dial = dial
        self._context = context
        self._routing: Routing = routing or (lambda address: None)
        self._judge = judge or NameJudge(resolver)
        self._headers = dict(headers or {})
        self._reached: set[str] = set()
        self._first = asyncio.Lock()
        self._held = Held()
        self._idle: OrderedDict[Connection, tuple[str, str, int]] = OrderedDict()
        self._idle_of: dict[tuple[str, str, int], list[Connection]] = {}

    async def get(
        self, address: WebAddress, etag: str | None = None, modified: str | None = None
    ) -> Download:
        """Get an image once.

        Args:
            address: Where it is.
            etag: Of the image that is there already.
            modified: When that was changed last.

        Raises:
            FetchFaultError: There is none, or not within the bounds.
            MachineError: A resource of this machine is exhausted.
            UsageError: The proxy cannot be reached, or wants other credentials.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": None if etag else modified}
        given = {name: value for name, value in conditions.items() if value}
        try:
            async with asyncio.timeout(self._timeout_s):
                received = await self._followed(address, given)
        except TimeoutError:
            raise FetchFaultError(Reason.TIMEOUT, transient=True) from None
        if received.status == 304 and given:
            return Download(None, etag, modified)
        if received.status != 200:
            raise FetchFaultError(
                f"http-{received.status}",
                transient=received.status in _TRANSIENT,
                retry_after_s=_retry_after(received.headers.get("retry-after")),
            )
        if not received.body:
            raise FetchFaultError(Reason.EMPTY)
        return Download(
            received.body,
            _validator(received.headers.get("etag")),
            _validator(received.headers.get("last-modified")),
        )

    async def _followed(self, address: WebAddress, conditions: Mapping[str, str]) -> Received:
        for _ in range(MAX_REDIRECTS + 1):
            received = await self._once(address, conditions)
            if received.status not in _REDIRECTS:
                return received
            location = received.headers.get("location", "")
            if not location:
                raise FetchFaultError(Reason.BAD_REDIRECT)
            # Servers send UTF-8 where headers are read as Latin-1.
            location = location.encode("latin-1").decode("utf-8", "replace")
            address = address.redirected(location)
        raise FetchFaultError(Reason.REDIRECTS)

    async def _once(self, address: WebAddress, conditions: Mapping[str, str]) -> Received:
        route = self._routing(address)
        plain_route = None if address.scheme == "https" else route
        head = _head(address, {**self._headers, **conditions}, plain_route)
        received = await self._first_answer(address, head, route)
        if received.status == 407 and plain_route is not None and await self._wanted(plain_route):
            raise plain_route.refused()
        return received

    async def _wanted(self, route: Route) -> bool:
        """Whether it is the proxy that wants other credentials, and not the server behind it."""
        nowhere = parse_address(NOWHERE)
        try:
            _, protocol = await self._reach(route, self._connection)
            connection = cast("Connection", protocol)
            received = await connection.request(_head(nowhere, {}, route))
        except FetchFaultError:
            return False
        connection.abort()
        return received.status == 407

    async def _first_answer(
        self, address: WebAddress, head: bytes, route: Route | None
    ) -> Received:
        connection = self._reused(address.origin)
        if connection is not None:
            try:
                return await self._asked(connection, address, head)
            except FetchFaultError as fault:
                # The server may have closed it just before it was used.
                if fault.reason != Reason.BROKEN or connection.began:
                    raise
        connected = self._connected(address) if route is None else self._through(route, address)
        return await self._asked(await connected, address, head)

    async def _asked(self, connection: Connection, address: WebAddress, head: bytes) -> Received:
        received = await connection.request(head)
        if connection.reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle[connection] = address.origin
            self._idle_of.setdefault(address.origin, []).append(connection)
            while len(self._idle) > MAX_IDLE:
                self._forget(next(iter(self._idle))).abort()
        return received

    def _reused(self, origin: tuple[str, str, int]) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while idle := self._idle_of.get(origin):
            connection = self._forget(idle[-1])
            if connection.reusable and now - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        return None

    def _forget(self, connection: Connection) -> Connection:
        """Take a connection out of the idle ones."""
        origin = self._idle.pop(connection)
        idle = self._idle_of[origin]
        idle.remove(connection)
        if not idle:
            del self._idle_of[origin]
        return connection

    async def _connected(self, address: WebAddress) -> Connection:
        """A new connection, to the first of the host's judged addresses that answers."""
        addresses = await self._resolver.addresses(address)
        context, name = None, None
        if address.scheme == "https":
            context, name = self._tls(), address.host
        fault = FetchFaultError(Reason.CONNECT, transient=True)
        for ip in addresses:
            try:
                return await self._opened(ip, address.port, context, name)
            except TimeoutError:
                continue
            except ssl.SSLCertVerificationError:
                raise FetchFaultError(Reason.TLS) from None
            except ssl.SSLError:
                fault = FetchFaultError(Reason.TLS, transient=True)
            except OSError as error:
                if lack := exhausted_resource(error) or exhausted_file_descriptors():
                    raise MachineError(lack) from None
        raise fault

    async def _opened(
        self, ip: str, port: int, context: ssl.SSLContext | None, name: str | None
    ) -> Connection:
        connection = self._connection()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._dial(lambda: connection, ip, port, context, name)
        except BaseException:
            # The event loop closes one over TLS in order, and waits for the server's part in it.
            connection.abort()
            raise
        return connection

    async def _through(self, route: Route, address: WebAddress) -> Connection:
        """A new connection to a proxy, which is one to the server where that speaks TLS."""
        await self._judge.judge(address)
        if address.scheme != "https":
            _, protocol = await self._reach(route, self._connection)
            return cast("Connection", protocol)
        transport, protocol = await self._reach(route, Tunnel)
        raw = cast("asyncio.Transport", transport)
        try:
            await cast("Tunnel", protocol).open(route, address)
            return await self._secured(raw, address, self._connection())
        except BaseException:
            raw.abort()
            raise

    async def _reach(
        self, route: Route, factory: Callable[[], asyncio.Protocol]
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """A connection to a proxy; until one is made, the others wait for it."""
        if str(route) in self._reached:
            return await self._dialled(route, factory)
        async with self._first:
            made = await self._dialled(route, factory)
            self._reached.add(str(route))
        return made

    async def _dialled(
        self, route: Route, factory: Callable[[], asyncio.Protocol]
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._dial(factory, route.host, route.port, None, None)
        except (TimeoutError, OSError) as error:
            if lack := exhausted_resource(error) or exhausted_file_descriptors():
                raise MachineError(lack) from None
            if str(route) in self._reached:
                raise FetchFaultError(Reason.PROXY, transient=True) from None
            why = getattr(error, "strerror", None) or "it does not answer"
            raise UsageError(f"{route}: the proxy cannot be reached ({why})") from None

    def _connection(self) -> Connection:
        return Connection(self._held, self._max_bytes)

    async def _secured(
        self, transport: asyncio.Transport, address: WebAddress, connection: Connection
    ) -> Connection:
        """The connection over TLS on a transport that leads to the server."""
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                transport,
                connection,
                self._tls(),
                server_hostname=address.host,
                ssl_handshake_timeout=CONNECT_S,
            )
        except ssl.SSLCertVerificationError:
            raise FetchFaultError(Reason.TLS) from None
        except ssl.SSLError:
            raise FetchFaultError(Reason.TLS, transient=True) from None
        except OSError:
            raise FetchFaultError(Reason.CONNECT, transient=True) from None
        if upgraded is None:
            raise FetchFaultError(Reason.CONNECT, transient=True)
        connection.connection_made(upgraded)
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self._idle):
            self._forget(connection).abort()
        await asyncio.sleep(0)  # they close in the loop's next iteration


def _head(address: WebAddress, more: Mapping[str, str], route: Route | None) -> bytes:
    """A request's head; of one to a proxy, `route`, with the whole address."""
    fields = {
        "Host": address.host_header,
        "User-Agent": USER_AGENT,
        "Accept": "image/*,*/*;q=0.5",
        "Accept-Encoding": "identity",
        **more,
    }
    if address.authorization is not None:
        fields["Authorization"] = address.authorization
    lines = (f"{name}: {value}\r\n" for name, value in fields.items())
    target, proxied = (address.target, "") if route is None else (address.url, route.header)
    return f"GET {target} HTTP/1.1\r\n{''.join(lines)}{proxied}\r\n".encode("latin-1")


def _validator(value: str | None) -> str | None:
    """A validator as it may be sent back: printable, and of bounded length."""
    if value is None or len(value) > _MAX_VALIDATOR or not value.isascii():
        return None
    return value if value.isprintable() else None


def _retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header: a number, or a date."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        at = parsedate_to_datetime(value[:64])
    except (TypeError, ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
