"""Endpoints: a path, who may use it, and what it does. One table of them makes the application.

An endpoint's function is synchronous: it talks to the database and runs in a thread. It gets a
`Call` and returns a `starlette.responses.Response`, or a mapping or list that becomes JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlsu.errors import UsageError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from vlsu.annotate.web.service import Service

__all__ = ["ANYBODY", "LARGEST", "STAFF", "Call", "Endpoint", "Person"]

#: Who may use an endpoint: roles, or anybody, signed in or not.
ANYBODY: frozenset[str] = frozenset({"anybody"})
STAFF: frozenset[str] = frozenset({"grader", "adjudicator", "lead"})
#: Bytes of a body at most, unless an endpoint takes more.
LARGEST = 65_536


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in.

    Attributes:
        id: Number of the person.
        name: What the lead calls them.
        role: ``"grader"``, ``"adjudicator"`` or ``"lead"``.
        session: SHA-256 of their session's token.
    """

    id: int
    name: str
    role: str
    session: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        service: Project, content and pages.
        request: As Starlette has it; its body was read already.
        person: Who is signed in; `None` for an endpoint of `ANYBODY` alone.
        body: The JSON object or the form of a POST; empty for a GET.
        language: Of the page: a language that there are strings for.
    """

    service: Service
    request: Request
    person: Person | None
    body: Mapping[str, Any]
    language: str

    @property
    def who(self) -> Person:
        """Who is signed in, where somebody must be."""
        assert self.person is not None  # the table says who may call
        return self.person

    def text(self, name: str, default: str | None = None) -> str:
        """A text of the body.

        Raises:
            UsageError: It is missing without a default, or no text.
        """
        value = self.body.get(name, default)
        if not isinstance(value, str):
            raise UsageError(f"{name}: a text is expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts of the body; empty if it is missing.

        Raises:
            UsageError: It is no list of texts, or has more than a hundred.
        """
        value = self.body.get(name) or []
        if not isinstance(value, list) or len(value) > 100:
            raise UsageError(f"{name}: a list of at most 100 is expected")
        if not all(isinstance(each, str) for each in value):
            raise UsageError(f"{name}: a list of texts is expected")
        return tuple(value)

    def number(self, name: str, default: float = 0.0) -> float:
        """A number of the body.

        Raises:
            UsageError: It is no finite number.
        """
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{name}: a number is expected")
        if not abs(value) < 1e15:
            raise UsageError(f"{name}: {value} is out of range")
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes or no of the body.

        Raises:
            UsageError: It is neither.
        """
        value = self.body.get(name, default)
        if not isinstance(value, bool):
            raise UsageError(f"{name}: true or false is expected")
        return value


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        path: Below the root, with parameters in braces.
        roles: Who may use it: `ANYBODY`, or roles.
        answer: What it does.
        page: Whether it is a page, which sends who is not signed in to ``/login``; otherwise 401.
        largest: Bytes of its body at most.
    """

    method: str
    path: str
    roles: frozenset[str]
    answer: Callable[[Call], Response | Mapping[str, Any] | Sequence[Any]]
    page: bool = False
    largest: int = LARGEST
