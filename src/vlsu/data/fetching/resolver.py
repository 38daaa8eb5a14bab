"""Host names to IP addresses that may be connected to: bounded, cached, and judged once."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from vlsu._machine import exhausted_resource
from vlsu.data.fetching.addresses import WebAddress, refusal
from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.errors import MachineError

__all__ = ["Lookup", "Resolver", "system_lookup"]

#: From a host name to its IP addresses, all of them.
#: Raises an `OSError` where there are none.
Lookup = Callable[[str], Awaitable[Sequence[str]]]

#: Look-ups at a time, seconds for one, and seconds that an answer is kept.
AT_ONCE, TIMEOUT_S, KEPT_S, FAILURE_KEPT_S = 8, 15.0, 300.0, 30.0
#: Names that are remembered, and addresses of one that are tried.
MAX_NAMES, MAX_TRIED = 4096, 4
#: A name with more answers than this is refused rather than judged.
MAX_ANSWERS = 256
#: Errors of `getaddrinfo` after which asking again at once is of no use. A machine without a
#: network gets them as well, so a later start asks again.
_FINAL = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


async def system_lookup(host: str) -> Sequence[str]:
    """The addresses that the system's resolver gives, IPv4 and IPv6."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Resolver:
    """Resolves and judges the hosts of addresses.

    A name is refused if one of its addresses is: a name of the public internet has no private ones.
    An answer is judged before it is kept, and what is kept is what is connected to, so that a name
    whose answer changes between two look-ups leads nowhere else.

    Args:
        lookup: How names are looked up.
        allow_private: As `vlsu.data.fetching.addresses.refusal`.
    """

    def __init__(self, lookup: Lookup = system_lookup, *, allow_private: bool = False) -> None:
        self._lookup = lookup
        self._allow_private = allow_private
        self._kept: OrderedDict[str, tuple[float, tuple[str, ...] | FetchFaultError]] = (
            OrderedDict()
        )
        self._under_way: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def addresses(self, address: WebAddress) -> tuple[str, ...]:
        """The IP addresses to connect to for an address, best first; at least one.

        Raises:
            FetchFaultError: There are none, or one of them may not be connected to.
        """
        if address.ip is not None:
            return self._judged([str(address.ip)])
        loop, name = asyncio.get_running_loop(), address.host
        if name in self._kept:
            until, kept = self._kept[name]
            if loop.time() < until:
                if isinstance(kept, FetchFaultError):
                    raise FetchFaultError(kept.reason, transient=kept.transient, soon=kept.soon)
                return kept
            del self._kept[name]
        if name not in self._under_way:
            task = self._under_way[name] = asyncio.ensure_future(self._resolve(name))
            task.add_done_callback(lambda done: self._ended(name, done))
        # A caller that gives up does not end the look-up that others wait for.
        return await asyncio.shield(self._under_way[name])

    async def _resolve(self, name: str) -> tuple[str, ...]:
        async with self._places:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    found = await self._lookup(name)
            except TimeoutError:
                raise FetchFaultError(Reason.DNS, transient=True) from None
            except socket.gaierror as error:
                raise FetchFaultError(
                    Reason.DNS, transient=True, soon=error.errno not in _FINAL
                ) from None
            except OSError as error:
                if exhausted := exhausted_resource(error):
                    raise MachineError(exhausted) from None
                raise FetchFaultError(Reason.DNS, transient=True) from None
            except UnicodeError:
                raise FetchFaultError(Reason.BAD_ADDRESS) from None
        return self._judged(found)

    def _judged(self, found: Sequence[str]) -> tuple[str, ...]:
        if not found:
            raise FetchFaultError(Reason.DNS, transient=True, soon=False)
        distinct = list(dict.fromkeys(found))
        if len(distinct) > MAX_ANSWERS:
            raise FetchFaultError(Reason.DNS)
        if any(refusal(each, allow_private=self._allow_private) for each in distinct):
            raise FetchFaultError(Reason.PRIVATE)
        return tuple(distinct[:MAX_TRIED])

    def _ended(self, name: str, task: asyncio.Task[tuple[str, ...]]) -> None:
        del self._under_way[name]
        if task.cancelled():
            return
        error, now = task.exception(), task.get_loop().time()
        if error is None:
            self._kept[name] = (now + KEPT_S, task.result())
        elif isinstance(error, FetchFaultError):
            kept_s = FAILURE_KEPT_S if error.transient else KEPT_S
            self._kept[name] = (now + kept_s, error)
        while len(self._kept) > MAX_NAMES:
            self._kept.popitem(last=False)
