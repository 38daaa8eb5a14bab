"""What the images of a build, and of named benchmarks, look like: no image is taken twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlsu.data.checks.pdq import MATCH, MIN_QUALITY, WORDS, pdq

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["Look", "Looks", "from_hex", "look", "to_hex"]

_BYTES = 8 * WORDS
_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Look:
    """What an image looks like.

    Attributes:
        pdq: Its perceptual hash as ThreatExchange writes it: 64 hexadecimal digits.
        quality: From 0 to 100; below `MIN_QUALITY` the hash tells nothing.
        pixels: A digest of its pixels, size and mode, 16 hexadecimal digits.
    """

    pdq: str
    quality: int
    pixels: str

    @property
    def comparable(self) -> bool:
        """Whether there is enough in the picture for its hash to be compared."""
        return self.quality >= MIN_QUALITY


def look(image: Image.Image) -> Look:
    """What a decoded picture looks like."""
    words, quality = pdq(image)
    digest = hashlib.blake2b(repr((image.mode, image.size)).encode(), digest_size=8)
    digest.update(image.tobytes())
    return Look(to_hex(words), quality, digest.hexdigest())


def to_hex(words: NDArray[np.uint64]) -> str:
    """A hash of `WORDS` words in hexadecimal, the highest bit first."""
    return "".join(f"{int(word):016x}" for word in reversed(words))


def from_hex(text: str) -> NDArray[np.uint64]:
    """The `WORDS` words of such a text.

    Raises:
        ValueError: It is none.
    """
    return np.frombuffer(_packed(text), dtype="<u8")


def _packed(text: str) -> bytes:
    """The bytes of a hash, the lowest first."""
    if not _HEX.fullmatch(text):
        raise ValueError("not a PDQ hash of 64 hexadecimal digits")
    return int(text, 16).to_bytes(_BYTES, "little")


class Looks:
    """Looks of many images; 32 bytes each and a name."""

    def __init__(self, looks: Iterable[tuple[str, Look]] = ()) -> None:
        self._words = bytearray()
        self._names: list[str] = []
        self._pixels: dict[str, str] = {}
        for name, each in looks:
            self.add(name, each)

    def __len__(self) -> int:
        return len(self._pixels)

    def add(self, name: str, look: Look) -> None:
        """Add one under a name, such as its SHA-256 or that of its benchmark."""
        self._pixels.setdefault(look.pixels, name)
        if look.comparable:
            self._names.append(name)
            self._words += _packed(look.pdq)

    def nearest(self, look: Look, distance: int = MATCH) -> tuple[str, int] | None:
        """The name of the one that is most alike, and the bits it is off by; `None` beyond those.

        Where there is too little in the picture, only the same pixels are alike.
        """
        if (same := self._pixels.get(look.pixels)) is not None:
            return same, 0
        if not look.comparable or not self._names:
            return None
        words = np.frombuffer(self._words, dtype="<u8").reshape(-1, WORDS)
        bits = np.bitwise_count(words ^ from_hex(look.pdq))
        apart = bits[:, 0].astype(np.uint16)
        for column in range(1, WORDS):  # of so few, a sum over rows takes five times as long
            apart += bits[:, column]
        first = int(apart.argmin())
        return (self._names[first], int(apart[first])) if apart[first] <= distance else None
