"""Sources of images, by name: what each finds, and where that is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from vlsu.registry import Registry

__all__ = ["SOURCES", "Candidate", "LocalSource", "RemoteSource", "Source", "open_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An image that a source offers.

    Attributes:
        id: Unique within its source, and the same each time.
        source: The source's SPEC.
        caption: What describes it: title, caption, tags; may be empty. Never shown or logged.
        licence: As the source names it; empty if it says nothing.
        url: Address of the bytes; `None` of a local one.
        page: Address of the page that shows it.
        author: Who made it.
        attribution: The line by which it is to be credited.
        language: Of the caption, if it is known.
        width: Pixels, if known before it is fetched; likewise `height`.
        about: Whatever else the source says, JSON-ready.
    """

    id: str
    source: str
    caption: str = ""
    licence: str = ""
    url: str | None = None
    page: str | None = None
    author: str | None = None
    attribution: str | None = None
    language: str | None = None
    width: int | None = None
    height: int | None = None
    about: Mapping[str, object] = field(default_factory=dict)


class Source(Protocol):
    """Where images come from."""

    @property
    def spec(self) -> str:
        """What a user writes for it: ``folder:PATH``, ``openverse``."""
        ...

    def identity(self) -> Mapping[str, object]:
        """What a search index of it depends on; JSON-ready."""
        ...

    def read(self, candidate: Candidate) -> bytes:
        """The bytes of an image it offered; over HTTP through the safe fetcher.

        Raises:
            DataError: It cannot be read or fetched; the message names no text of it.
        """
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...


@runtime_checkable
class LocalSource(Source, Protocol):
    """A source all of whose images are known beforehand, and searched by an index of ours."""

    def candidates(self) -> Iterator[Candidate]:
        """All images, always in the same order.

        Raises:
            DataError: It cannot be read.
        """
        ...


@runtime_checkable
class RemoteSource(Source, Protocol):
    """A source with a search of its own."""

    def search(self, query: str, count: int, *, licences: Sequence[str]) -> list[Candidate]:
        """The best candidates for some words, at most `count`, the best first.

        Args:
            query: Words that have passed the rails; it leaves this machine.
            count: How many are wanted.
            licences: Names as of `vlsu.data.licences` that are acceptable; asked for where the
                service can filter, and checked by the caller in any case.

        Raises:
            DataError: It is down, refuses, or answers with something else.
        """
        ...


SOURCES: Registry[object] = Registry("source")


def open_source(spec: str) -> Source:
    """The source that a SPEC names: ``name`` or ``name:where``.

    Raises:
        UsageError: There is no such source, or it cannot be what it says.
    """
    raise NotImplementedError(spec)
