"""Warming a provider's prompt cache: one request of each prompt goes ahead of the others.

A provider caches the beginning of a prompt once it has answered a request with it. If hundreds that
begin alike go out at once, all of them miss, are paid in full, and each may be billed for writing
the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.models.base import Message, Model
from vlsu.runs.asking.backlog import PendingRequest

__all__ = ["Warming"]

#: Characters of a system prompt from which on waiting for it pays: as of `CACHED_FROM` of the
#: Messages API, and about the 1,024 tokens that OpenAI's and most others cache.
LONG = 3000
#: Requests that must be ready at once for a prompt's cache to be waited for.
MANY = 24
#: Prompts that are warmed at most; a run has one or two.
MOST = 4


class Warming:
    """Which requests go ahead, and whether the others still wait for them.

    Args:
        model: Whom to ask; only one on a server that is said to cache (`caches_prompts`) is waited
            for.
    """

    def __init__(self, model: Model) -> None:
        self._caches = bool(getattr(model, "caches_prompts", False))
        self._known: set[tuple[Message, ...]] = set()
        self._ahead: set[str] = set()

    @property
    def going_ahead(self) -> int:
        """How many requests the others wait for; 0 if none."""
        return len(self._ahead)

    def ordered(self, ready: Sequence[PendingRequest]) -> list[PendingRequest]:
        """The same requests, the first of each new prompt before all others.

        Args:
            ready: Requests in the order in which they would be sent.
        """
        if not self._caches or len(ready) < MANY:
            return list(ready)
        first: list[PendingRequest] = []
        others: list[PendingRequest] = []
        for each in ready:
            prompt = _prompt(each)
            if prompt and prompt not in self._known and len(self._known) < MOST:
                self._known.add(prompt)
                self._ahead.add(each.key)
                first.append(each)
            else:
                others.append(each)
        return first + others

    def came_back(self, key: str) -> None:
        """A request was answered, or failed: nothing waits for it any longer."""
        self._ahead.discard(key)


def _prompt(waiting: PendingRequest) -> tuple[Message, ...]:
    """The system messages at the beginning, if they are long."""
    messages = waiting.request.messages
    system = tuple(message for message in messages if message.role == "system")
    length = sum(len(part) for message in system for part in message.parts if isinstance(part, str))
    return system if length >= LONG else ()
