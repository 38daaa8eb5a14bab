"""Sources of images, by name: what each finds, and where that is from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from vlsu._text import quoted
from vlsu.errors import DataError, UsageError
from vlsu.registry import Registry

__all__ = [
    "SOURCES",
    "Access",
    "Candidate",
    "LocalSource",
    "RemoteSource",
    "Source",
    "SourceError",
    "SourceKind",
    "check_source",
    "is_remote",
    "open_source",
]


class SourceError(DataError):
    """An image or an answer that a source does not give.

    Attributes:
        reason: Short, and the same words for the same reason: ``http-404``, ``private-address``.
        transient: Whether the same request may succeed later.
    """

    def __init__(self, message: str, reason: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.transient = transient


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
            SourceError: It cannot be read or fetched; the message names no text of it.
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
            SourceError: It is down, refuses, or answers with something else.
        """
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """What sources may do outside of this machine, and in whose name.

    Attributes:
        contact: An e-mail address or a page by which a service reaches whoever builds; sent to
            services in the header ``User-Agent``. Some require it.
        allow_private: Whether addresses of this machine and of the local network may be asked.
        proxy: ``http://HOST:PORT`` through which everything is asked, or ``environment``; empty for
            none.
    """

    contact: str = ""
    allow_private: bool = False
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source, as `SOURCES` holds it.

    Attributes:
        open: From what follows ``name:`` in a SPEC (empty if nothing does) and what is permitted to
            the source. Raises `UsageError` where there is no such thing.
        form: How a SPEC of it is written, such as ``folder:PATH``.
        about: What it finds, in one line.
        remote: Whether it has a search of its own, on another machine: whatever is searched for
            leaves this one.
        needs_contact: Whether it may not be asked without `Access.contact`.
    """

    open: Callable[[str, Access], Source]
    form: str
    about: str
    remote: bool = False
    needs_contact: bool = False


#: Every known kind of source; others add theirs by the entry-point group ``vlsu.sources``.
SOURCES: Registry[SourceKind] = Registry(
    "source",
    {
        "commons": "vlsu.build.sources.commons:COMMONS",
        "dataset": "vlsu.build.sources.dataset:DATASET",
        "folder": "vlsu.build.sources.folder:FOLDER",
        "openverse": "vlsu.build.sources.openverse:OPENVERSE",
    },
)


def open_source(spec: str, access: Access | None = None) -> Source:
    """The source that a SPEC names: ``name`` or ``name:where``.

    Args:
        spec: Such as ``folder:photos`` or ``openverse``.
        access: What it may do outside of this machine; by default no private address is asked.

    Raises:
        UsageError: There is no such source, it cannot be what it says, or it may not be asked
            without a contact and there is none.
        DataError: It cannot be read.
    """
    access = access or Access()
    kind, where = _kind(spec)
    if kind.needs_contact:
        from vlsu.build.sources.web import CONTACT, contact_of

        if not contact_of(access):
            raise UsageError(
                f"--source {quoted(spec, 80)}: may not be asked without a contact; give --contact "
                f"with an e-mail address or the address of a page, or set {CONTACT}"
            )
    return kind.open(where, access)


def check_source(spec: str) -> None:
    """See that a SPEC names a source that can be opened, whoever will ask it.

    Raises:
        UsageError: As `open_source`, but for the contact.
        DataError: It cannot be read.
    """
    kind, where = _kind(spec)
    kind.open(where, Access()).close()


def is_remote(spec: str) -> bool:
    """Whether searches of a source leave this machine.

    Raises:
        UsageError: There is no such kind of source.
    """
    return _kind(spec)[0].remote


def _kind(spec: str) -> tuple[SourceKind, str]:
    name, _, where = spec.partition(":")
    if not name:
        raise UsageError(f"--source {quoted(spec, 80)}: names no source; write folder:PATH")
    return SOURCES.get(name), where
