"""Warming a provider's prompt cache: of what begins alike, one request goes before the others.

A provider caches the beginning of a prompt once it has answered a request with it. If hundreds that
begin alike go out at once, all of them miss, are paid in full, and each may be billed for writing
the same tokens. Two beginnings are worth waiting for:

- the system prompt, which nearly all requests have in common: the first request goes ahead of all
  others, once;
- a system prompt and the image after it, which a few have in common: the first of them goes out
  with the others of other images, and only its own followers wait for it. They are sent next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlsu.models.base import ImagePart, Message, Model, Request
from vlsu.models.formats.prompt_cache import is_cacheable
from vlsu.runs.asking.backlog import PendingRequest

__all__ = ["Warming", "shared_prefix"]

#: Requests that a start must have come to for a prompt's cache to be waited for.
MANY = 16
#: Prompts that are warmed at most; a run has a few.
MOST = 4
#: Requests that wait for others at most, so that memory is bounded; more go out at once.
MOST_HELD = 4096
#: Beginnings that are remembered: as requests come ordered by image, only the last ones return.
REMEMBERED = 512

#: System messages, and the digest of the image that follows them.
Prefix = tuple[tuple[Message, ...], str]


class Warming:
    """Which requests go ahead, and which still wait for them.

    Args:
        model: Whom to ask; only one on a server that is said to cache (`caches_from`) is waited
            for.
    """

    def __init__(self, model: Model) -> None:
        self._least: int | None = getattr(model, "caches_from", None)
        self._seen = 0
        self._known: set[tuple[Message, ...]] = set()
        self._ahead: set[str] = set()
        #: Beginning -> the request that goes first with it, whether it is out or long answered.
        self._led: dict[Prefix, str] = {}
        self._held: dict[str, list[PendingRequest]] = {}
        self._waiting = 0

    @property
    def going_ahead(self) -> int:
        """How many requests all others wait for; 0 if none."""
        return len(self._ahead)

    def ordered(self, ready: Sequence[PendingRequest]) -> list[PendingRequest]:
        """The requests that may be sent now, the first of each new prompt before all others.

        Those that are left out wait for another (`came_back`).

        Args:
            ready: Requests in the order in which they would be sent.
        """
        if self._least is None:
            return list(ready)
        self._seen += len(ready)
        return self._prompts_first(self._without_followers(ready, self._least), self._least)

    def came_back(self, key: str) -> list[PendingRequest]:
        """A request was answered, or failed: the requests that waited for it, to be sent next."""
        self._ahead.discard(key)
        freed = self._held.pop(key, [])
        self._waiting -= len(freed)
        return freed

    def clear(self) -> None:
        """Nothing more is to be sent."""
        self._ahead.clear()
        self._held.clear()
        self._waiting = 0

    def _prompts_first(self, ready: list[PendingRequest], least: int) -> list[PendingRequest]:
        if self._seen < MANY:
            return ready
        first: list[PendingRequest] = []
        others: list[PendingRequest] = []
        for each in ready:
            prompt = _system(each.request)
            fresh = bool(prompt) and prompt not in self._known and len(self._known) < MOST
            if fresh and is_cacheable(_characters(prompt), least):
                self._known.add(prompt)
                self._ahead.add(each.key)
                first.append(each)
            else:
                others.append(each)
        return first + others

    def _without_followers(
        self, ready: Sequence[PendingRequest], least: int
    ) -> list[PendingRequest]:
        """All but those that wait for one with the same image; both are said to share it."""
        prefixes = [shared_prefix(each.request) for each in ready]
        counts = Counter(prefix for prefix in prefixes if prefix is not None)
        kept: list[PendingRequest] = []
        for each, prefix in zip(ready, prefixes, strict=True):
            leader = None if prefix is None else self._led.get(prefix)
            if prefix is None or (leader is None and counts[prefix] < 2):
                kept.append(each)
                continue
            if not is_cacheable(_characters(prefix[0]), least, with_image=True):
                kept.append(each)
                continue
            each.request = each.request._replace(shared_prefix=True)
            if leader is None:
                self._lead(prefix, each.key)
                kept.append(each)
            elif leader in self._held and self._waiting < MOST_HELD:
                self._held[leader].append(each)
                self._waiting += 1
            else:
                kept.append(each)
        return kept

    def _lead(self, prefix: Prefix, key: str) -> None:
        while len(self._led) >= REMEMBERED:
            del self._led[next(iter(self._led))]
        self._led[prefix] = key
        self._held[key] = []


def shared_prefix(request: Request) -> Prefix | None:
    """What a request may have in common with others of its image; `None` if words come first."""
    for message in request.messages:
        if message.role != "system":
            first = message.parts[0] if message.parts else None
            return (_system(request), first.sha256) if isinstance(first, ImagePart) else None
    return None


def _system(request: Request) -> tuple[Message, ...]:
    """The system messages."""
    return tuple(message for message in request.messages if message.role == "system")


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(part) for message in messages for part in message.parts if isinstance(part, str))
