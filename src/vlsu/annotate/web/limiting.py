"""How often something may be tried: by name, by address, and in all."""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["SIGN_IN", "Limit", "Limiter", "network"]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts in so many seconds."""

    number: int
    seconds: float


#: Of attempts to sign in with a password that failed. One process counts for itself.
SIGN_IN = {"name": Limit(10, 900), "address": Limit(30, 900), "all": Limit(120, 60)}
#: Keys that are remembered at most.
_MOST = 50_000


class Limiter:
    """Counts attempts. An attempt counts before it is made, so that many at once are no way around.

    Args:
        limits: Kind of key -> how many of one key.
        clock: Seconds.
    """

    def __init__(
        self, limits: Mapping[str, Limit], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[tuple[str, bytes], deque[float]] = {}

    def take(self, keys: Mapping[str, str]) -> float:
        """Count an attempt.

        Args:
            keys: Kind -> key, for each kind that there is a limit of.

        Returns:
            0, or the seconds until one may be made; then none was counted.
        """
        with self._lock:
            now = self._clock()
            wait = max(self._wait(kind, key, now) for kind, key in keys.items())
            if wait > 0:
                return wait
            if len(self._made) > _MOST:
                self._prune(now)
            for kind, key in keys.items():
                self._made.setdefault(_key(kind, key), deque()).append(now)
            return 0.0

    def give_back(self, keys: Mapping[str, str]) -> None:
        """Count the latest attempt no longer: it succeeded."""
        with self._lock:
            for kind, key in keys.items():
                made = self._made.get(_key(kind, key))
                if made:
                    made.pop()

    def _wait(self, kind: str, key: str, now: float) -> float:
        limit = self._limits[kind]
        made = self._made.get(_key(kind, key))
        if made is None:
            return 0.0
        while made and made[0] <= now - limit.seconds:
            made.popleft()
        return 0.0 if len(made) < limit.number else made[0] + limit.seconds - now

    def _prune(self, now: float) -> None:
        """Forget what no longer counts; all, if that is not enough: there is a limit of all."""
        over = [
            key
            for key, made in self._made.items()
            if not made or made[-1] <= now - self._limits[key[0]].seconds
        ]
        for key in over:
            del self._made[key]
        if len(self._made) > _MOST:
            self._made = {key: made for key, made in self._made.items() if key[0] == "all"}


def network(address: str | None) -> str:
    """What is one for a limit: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _key(kind: str, key: str) -> tuple[str, bytes]:
    return kind, hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16]
