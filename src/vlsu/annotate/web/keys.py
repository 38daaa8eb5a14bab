"""Keys of items: what a page sends back about an item, which tells nothing about it.

A slot and a hidden check look alike to whoever reads the page's source: both are a token and a
number that only the server can read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from vlsu.errors import UsageError

__all__ = ["Key", "seal", "unseal"]

_KEY = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_KINDS = ("slot", "check", "case")


@dataclass(frozen=True, slots=True)
class Key:
    """What a key stands for.

    Attributes:
        kind: ``"slot"``, ``"check"`` (a training item, a hidden gold item or a hidden repeat) or
            ``"case"``, a dispute before an adjudicator.
        number: Of its row.
        token: Of its lease: 32 hexadecimal digits.
    """

    kind: str
    number: int
    token: str

    @property
    def slot(self) -> int:
        """The number, as a lease has it."""
        return self.number


def seal(secret: str, key: Key) -> str:
    """The text of a key.

    Args:
        secret: The project's session key.
        key: What it stands for; the number is below 2**56.
    """
    plain = bytes([_KINDS.index(key.kind)]) + key.number.to_bytes(7, "big")
    return f"{key.token}-{_masked(secret, key.token, plain).hex()}"


def unseal(secret: str, text: str) -> Key:
    """What a key stands for.

    Raises:
        UsageError: It is none.
    """
    if (found := _KEY.fullmatch(text)) is not None:
        token, hidden = found.groups()
        plain = _masked(secret, token, bytes.fromhex(hidden))
        if plain[0] < len(_KINDS):
            return Key(_KINDS[plain[0]], int.from_bytes(plain[1:], "big"), token)
    raise UsageError("key: is not the key of an item")


def _masked(secret: str, token: str, plain: bytes) -> bytes:
    mask = hmac.digest(secret.encode(), f"item {token}".encode(), hashlib.sha256)
    return bytes(a ^ b for a, b in zip(plain, mask, strict=False))
