"""A request's key: a hash of all that could change the answer.

Model and parameters, the messages as rendered, and the images by the SHA-256 of their bytes.
Resume, cache and audit all rest on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import orjson

from vlsu.models.base import Message, Request, is_scored

__all__ = ["RequestKeys"]

#: Raised when the way keys are made changes, so that no old key can be taken for a new one.
VERSION = 1


class RequestKeys:
    """Makes the keys of one model's requests: 32 hexadecimal digits each (BLAKE2b, 128 bits)."""

    def __init__(self, identity: Mapping[str, object]) -> None:
        # Where no schema is sent, none can change an answer.
        self._with_schema = bool(identity.get("structured"))
        # Embedded graders, which a fingerprint identifies, see one without being sent it.
        self._embedded = "fingerprint" in identity
        self._model = hashlib.blake2b(
            orjson.dumps([VERSION, identity], option=orjson.OPT_SORT_KEYS), digest_size=32
        ).digest()

    def key(self, request: Request) -> str:
        """The key of a request to this model."""
        state = hashlib.blake2b(self._model, digest_size=16)
        for message in request.messages:
            # A task's system message is one and the same object for every sample.
            digest = _shared(message) if message.role == "system" else _digest(message)
            state.update(digest)
        seen = self._with_schema or (self._embedded and request.messages[0].role != "system")
        # One that lists what is scored is not sent either, and decides the answer.
        if (seen or is_scored(request)) and request.schema is not None:
            state.update(orjson.dumps(request.schema, option=orjson.OPT_SORT_KEYS))
        if request.draw:
            state.update(b"draw %d" % request.draw)
        return state.hexdigest()


def _digest(message: Message) -> bytes:
    parts = [part if isinstance(part, str) else {"image": part.sha256} for part in message.parts]
    return hashlib.blake2b(orjson.dumps([message.role, parts]), digest_size=32).digest()


_shared = lru_cache(maxsize=64)(_digest)
