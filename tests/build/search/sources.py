"""A tiny source of images whose captions are all there is to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.build.sources.base import Candidate
from vlsu.errors import DataError

__all__ = ["Listed", "captioned", "numbered"]


@dataclass
class Listed:
    """A local source over a list; counts how often it was listed and read.

    Attributes:
        stop_after: Candidates after which listing is interrupted, as by Ctrl-C.
        unreadable: Ids of images that cannot be read.
    """

    rows: Sequence[Candidate]
    spec: str = "folder:gallery"
    images: Mapping[str, bytes] = field(default_factory=dict)
    stop_after: int | None = None
    unreadable: set[str] = field(default_factory=set)
    listed: int = 0
    reads: list[str] = field(default_factory=list)

    def identity(self) -> dict[str, Any]:
        return {"ids": [row.id for row in self.rows]}

    def candidates(self) -> Iterator[Candidate]:
        for number, row in enumerate(self.rows):
            if number == self.stop_after:
                raise KeyboardInterrupt
            self.listed += 1
            yield row

    def read(self, candidate: Candidate) -> bytes:
        self.reads.append(candidate.id)
        if candidate.id in self.unreadable:
            raise DataError("cannot be read")
        return self.images[candidate.id]

    def close(self) -> None:
        pass


def captioned(*captions: str, spec: str = "folder:gallery", **fields: Any) -> Listed:
    """A source of images with these captions; their ids are a, b, c …, and 26, 27 …."""
    return Listed(
        [
            Candidate(
                id=chr(ord("a") + number) if number < 26 else str(number),
                source=spec,
                caption=caption,
                **fields,
            )
            for number, caption in enumerate(captions)
        ],
        spec,
    )


def numbered(count: int, **fields: Any) -> Listed:
    """A source of images with the captions ``picture 0``, ``picture 1`` …, their numbers as ids."""
    rows = [Candidate(id=str(n), source="folder:x", caption=f"picture {n}") for n in range(count)]
    return Listed(rows, "folder:x", **fields)
