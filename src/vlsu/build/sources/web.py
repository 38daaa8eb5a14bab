"""Asking services on the web: one request at a time, through the fetcher that refuses the inside.

What is asked is a JSON document of a service, or the bytes of an image at an address that the
service gave. Addresses, redirects, sizes and times are bounded by `vlsu.data.fetching.client`; what
may pass is asked again after a pause, and as late as the server asks for.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import orjson

from vlsu._version import __version__
from vlsu.build.sources.base import Access, Candidate, SourceError
from vlsu.data.fetching.addresses import WebAddress, parse_address
from vlsu.data.fetching.client import Client
from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.data.fetching.fetch import Network
from vlsu.data.fetching.politeness import Pace
from vlsu.data.fetching.proxies import NameJudge, routing
from vlsu.data.fetching.resolver import Resolver
from vlsu.data.images.probe import MAX_BYTES
from vlsu.errors import UsageError

__all__ = [
    "CONTACT",
    "Service",
    "Web",
    "contact_of",
    "pixels",
    "plain_words",
    "service_url",
]

T = TypeVar("T")

#: Names whoever builds, where no option does.
CONTACT = "VLSU_CONTACT"
#: Seconds for one request, redirects included.
TIMEOUT_S = 30.0
#: Images of one source that are fetched at a time: Wikimedia's policy for robots allows two.
_AT_ONCE = 2
#: Seconds after which an interrupt is noticed at the latest.
_TICK_S = 0.2
#: How often an image is asked for whose host does not answer: there are others.
_IMAGE_TRIES = 2
#: Faults of a host that is asked too much, of whatever.
_BUSY = frozenset({"http-429", "http-503"})
_MAX_CONTACT = 200
#: An e-mail address or a page.
_CONTACT = re.compile(r"[^\s@()<>\"]+@[^\s@()<>\"]+\.[^\s@()<>\"]+|https?://[^\s()<>\"]+")
#: How faults read in messages; others are named as they are.
_READABLE = {
    Reason.PRIVATE: "its address is not of the public internet",
    Reason.DNS: "its name is not known",
    Reason.CONNECT: "no connection",
    Reason.TIMEOUT: "no answer in time",
    Reason.TOO_LARGE: "larger than is accepted",
    Reason.BROKEN: "the connection broke",
}


def contact_of(access: Access) -> str:
    """The contact that services are told: the option's, else that of the environment.

    Raises:
        UsageError: It is neither an e-mail address nor a page.
    """
    stated = access.contact.strip() or os.environ.get(CONTACT, "").strip()
    wrong = len(stated) > _MAX_CONTACT or not stated.isascii() or not _CONTACT.fullmatch(stated)
    if stated and wrong:
        where = "--contact" if access.contact.strip() else CONTACT
        raise UsageError(f"{where}: give an e-mail address or the address of a page")
    return stated


def service_url(name: str, where: str) -> str:
    """The address of a service, as it follows ``name:`` in a SPEC.

    A SPEC is written into the build and into the record of each image, so that it may hold no
    password and no key.

    Raises:
        UsageError: It is no address of the web, or has more than a host and a path.
    """
    try:
        address = parse_address(where)
    except FetchFaultError:
        raise UsageError(
            f"--source {name}:URL: is no address of the web; write {name}:https://HOST/PATH"
        ) from None
    parts = urlsplit(where)
    if address.authorization or parts.query or parts.fragment:
        raise UsageError(
            f"--source {name}:URL: give host and path alone; it is written into the build, so no "
            "user, password, key or query may be in it"
        )
    return where


def plain_words(query: str) -> str:
    """A search without the signs that services read as operators.

    Example:
        >>> plain_words('old bridge -night "at noon" insource:/x/')
        'old bridge night at noon insource x'
    """
    words = re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", query)
    return " ".join(word for word in words if word not in ("AND", "OR", "NOT"))


class Web:
    """Asks a service.

    Args:
        spec: The source's, for messages.
        access: What is permitted, and in whose name.
        contact: Of whoever builds; sent in ``User-Agent``.
        pace: How often what may pass is tried, and for how long one waits.
        interval_s: Seconds from one question to the next at least.
        timeout_s: Seconds for one request.
        max_bytes: Of a document or an image.
        network: How names are looked up and connections made.
    """

    def __init__(
        self,
        spec: str,
        access: Access,
        *,
        contact: str = "",
        pace: Pace | None = None,
        interval_s: float = 0.0,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
        network: Network | None = None,
    ) -> None:
        self.spec = spec
        self._pace = pace or Pace()
        self._interval_s = interval_s
        network = network or Network()
        about = f" ({contact})" if contact else ""
        self._headers = {
            "User-Agent": f"vlsu-bot/{__version__}{about} Python/{platform.python_version()}",
            "Accept": "application/json, image/*, */*;q=0.5",
            "Accept-Encoding": "gzip",
        }
        resolver = Resolver(network.lookup, allow_private=access.allow_private)
        self._client = Client(
            resolver,
            timeout_s=timeout_s,
            max_bytes=max_bytes,
            dial=network.dial,
            context=network.context,
            routing=routing(access.proxy) if access.proxy else None,
            judge=NameJudge(resolver, allow_private=access.allow_private),
            headers=self._headers,
        )
        self._turn, self._next = asyncio.Semaphore(1), 0.0
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def document(
        self, url: str, parameters: Mapping[str, object], token: str = ""
    ) -> dict[str, Any]:
        """A JSON object that the service answers with.

        Args:
            url: Of the service, without a query.
            parameters: Of the query.
            token: Sent to the service alone, if there is one.

        Raises:
            SourceError: It is down, refuses, or answers with something else.
        """
        address = self._address(f"{url}?{urlencode(dict(parameters))}")
        if token:
            address = replace(address, authorization=f"Bearer {token}")
        body = self._run(self._asked(address, api=True))
        try:
            tree = orjson.loads(body)
        except orjson.JSONDecodeError:
            tree = None
        if not isinstance(tree, dict):
            raise SourceError(
                f"{self.spec}: {address.host} answered with something else than JSON; see whether "
                "this is the address of its programming interface",
                "not-json",
                transient=True,
            )
        return tree

    def image(self, url: str) -> bytes:
        """The bytes at an address that a service gave.

        Raises:
            SourceError: There are none, or they are not to be had within the bounds.
        """
        return self._run(self._asked(self._address(url), api=False))

    def rest(self, tries: int) -> None:
        """Wait before the next try where a service says in its answer that it is busy."""
        self._run(asyncio.sleep(self._pace.backoff_s * 2**tries))

    @property
    def tries(self) -> int:
        """How often a request is made, if its failure may pass."""
        return self._pace.tries

    def close(self) -> None:
        """Close all connections."""
        if self._loop is None or self._thread is None:
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self._loop = self._thread = None

    def _address(self, url: str) -> WebAddress:
        try:
            return parse_address(url)
        except FetchFaultError as fault:
            raise self._failed(fault, "an address") from None

    async def _asked(self, address: WebAddress, *, api: bool) -> bytes:
        pace = self._pace
        for tries in range(pace.tries):
            try:
                async with self._turn if api else self._places:
                    if api:
                        await self._wait_turn()
                    body = (await self._client.get(address)).body
                    return body or b""
            except FetchFaultError as fault:
                pause_s = fault.retry_after_s
                if pause_s is None:
                    pause_s = pace.backoff_s * 2**tries
                patient = api or fault.reason in _BUSY
                most = pace.tries if patient else min(pace.tries, _IMAGE_TRIES)
                last = tries + 1 >= most or not fault.soon
                if not fault.transient or last or pause_s > pace.max_wait_s:
                    raise self._failed(fault, address.host) from None
            await asyncio.sleep(pause_s)
        raise AssertionError  # pragma: no cover - the last try returns or raises

    async def _wait_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next:
            await asyncio.sleep(self._next - now)
        self._next = asyncio.get_running_loop().time() + self._interval_s

    def _failed(self, fault: FetchFaultError, host: str) -> SourceError:
        try:
            said = _READABLE.get(Reason(fault.reason), fault.reason)
        except ValueError:
            said = fault.reason
        advice = ""
        if fault.reason in _BUSY:
            advice = "; it wants rest, so run the same command again later"
            if fault.retry_after_s:
                advice = f"; it wants {fault.retry_after_s:.0f} s of rest, run this again then"
        elif fault.reason in ("http-401", "http-403") and not _names_somebody(self._headers):
            advice = f"; services may refuse whoever gives no contact: --contact or {CONTACT}"
        elif fault.reason == Reason.PRIVATE:
            advice = "; only addresses of the public internet are asked"
        return SourceError(
            f"{self.spec}: nothing from {host} ({said}){advice}",
            fault.reason,
            transient=fault.transient,
        )

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the loop of this source, from whatever thread."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            while not future.done():  # a wait without end may not notice an interrupt
                wait((future,), timeout=_TICK_S)
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=loop.run_forever, name=f"source {self.spec[:40]}", daemon=True
                )
                self._thread.start()
                self._loop = loop
            return self._loop


class Service:
    """The parts of a source that are the same for every service; arguments as of `Web`."""

    def __init__(
        self,
        spec: str,
        access: Access,
        *,
        contact: str,
        pace: Pace | None,
        interval_s: float = 0.0,
        timeout_s: float,
        network: Network | None,
    ) -> None:
        self._spec = spec
        self._web = Web(
            spec,
            access,
            contact=contact,
            pace=pace,
            interval_s=interval_s,
            timeout_s=timeout_s,
            network=network,
        )

    @property
    def spec(self) -> str:
        """What the user wrote."""
        return self._spec

    def read(self, candidate: Candidate) -> bytes:
        """The bytes of an image that the service gave the address of.

        Raises:
            SourceError: They are not to be had.
        """
        if candidate.url is None:
            raise SourceError(f"{self._spec}: an image has no address", "bad-address")
        return self._web.image(candidate.url)

    def close(self) -> None:
        """Close all connections."""
        self._web.close()


def pixels(value: object) -> int | None:
    """A width or height in JSON, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _names_somebody(headers: Mapping[str, str]) -> bool:
    """Whether requests name somebody."""
    return "(" in headers["User-Agent"]
