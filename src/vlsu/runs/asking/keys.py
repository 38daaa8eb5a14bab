"""A request's key: a hash of all that could change the answer.

Model and parameters, the messages as rendered, and the images by the SHA-256 of their bytes.
Resume, cache and audit all rest on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import orjson

from vlsu.models.base import Message, Part, Request, is_scored

__all__ = ["DIGITS", "RequestKeys"]

#: Hexadecimal digits of a key.
DIGITS = 32

#: Raised when the way keys are made changes, so that no old key can be taken for a new one.
VERSION = 1


class RequestKeys:
    """Makes the keys of one model's requests: 32 hexadecimal digits each (BLAKE2b, 128 bits)."""

    def __init__(self, identity: Mapping[str, object]) -> None:
        # Where no schema is sent, none can change an answer.
        self._with_schema = bool(identity.get("structured"))
        # Embedded graders, which a fingerprint identifies, see one without being sent it.
        self._embedded = "fingerprint" in identity
        model = hashlib.blake2b(
            orjson.dumps([VERSION, identity], option=orjson.OPT_SORT_KEYS), digest_size=32
        ).digest()
        self._model = hashlib.blake2b(model, digest_size=DIGITS // 2)

    def key(self, request: Request) -> str:
        """The key of a request to this model."""
        state = self._model.copy()
        for message in request.messages:
            state.update(_shared(message) if message.role == "system" else _digest(*message))
        if end := self._end(request):
            state.update(end)
        return state.hexdigest()

    def like(self, request: Request) -> Callable[[tuple[Part, ...]], str]:
        """Makes the keys of requests that differ from one in the parts of its last message alone.

        That takes half the time, and no request.
        """
        *before, last = request.messages
        begun, role, end = self._model.copy(), last.role, self._end(request)
        for message in before:
            begun.update(_digest(*message))

        last_parts: tuple[Part, ...] | None = None
        last_key = ""

        def key(parts: tuple[Part, ...]) -> str:
            nonlocal last_parts, last_key
            if parts != last_parts:  # as of samples that share an image, about it alone
                state = begun.copy()
                state.update(_digest(role, parts))
                if end:
                    state.update(end)
                last_parts, last_key = parts, state.hexdigest()
            return last_key

        return key

    def _end(self, request: Request) -> bytes:
        """What besides the messages could change the answer."""
        schema = b""
        if request.schema is not None:
            bare = not request.messages or request.messages[0].role != "system"
            # One that lists what is scored is not sent either, and decides the answer.
            if self._with_schema or (self._embedded and bare) or is_scored(request):
                schema = orjson.dumps(request.schema, option=orjson.OPT_SORT_KEYS)
        return schema + b"draw %d" % request.draw if request.draw else schema


def _digest(role: str, parts: Sequence[Part]) -> bytes:
    shown = [part if isinstance(part, str) else {"image": part.sha256} for part in parts]
    return hashlib.blake2b(orjson.dumps([role, shown]), digest_size=32).digest()


@lru_cache(maxsize=64)
def _shared(message: Message) -> bytes:
    """That of a task's system message, which is one and the same object for every sample."""
    return _digest(*message)
