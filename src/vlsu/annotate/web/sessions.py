"""Who sends a request: sessions by cookie, looked up once and kept for a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vlsu.annotate.projects.project import Project
from vlsu.annotate.web.endpoints import Person
from vlsu.annotate.work.sessions import SESSION_MS, person_of, token_hash

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from vlsu.annotate.web.service import Site

__all__ = ["Sessions"]

#: Seconds that a session is believed without asking the database: what another process ends (a
#: command, a second server) ends here that much later. Pauses hold at once, being looked up by
#: each of the works themselves.
KEPT_S = 5.0
#: Sessions that are kept at most.
_MOST = 10_000


class Sessions:
    """The sessions of a project's people.

    Args:
        project: Opened.
        site: How it is reached.
        clock: Seconds.
    """

    def __init__(
        self, project: Project, site: Site, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._project = project
        self._clock = clock
        self._known: dict[str, tuple[float, Person]] = {}
        # A browser sends cookies to every port of a host; two projects have two names.
        name = f"vlsu-annotate-{project.record.id[:8]}"
        #: Name of the cookie. The prefix has browsers refuse it from anybody but this very host.
        self.cookie = f"__Host-{name}" if site.secure and not site.root else name
        self._about: Mapping[str, Any] = {
            "path": site.root or "/",
            "secure": site.secure,
            "httponly": True,
            "samesite": "lax",
        }

    def token(self, request: Request) -> str:
        """What a request has for its session; empty for none."""
        return str(request.cookies.get(self.cookie, ""))

    def person(self, request: Request) -> Person | None:
        """Who sends a request.

        Raises:
            VlsuError: The database cannot be used.
        """
        token = self.token(request)
        if not token:
            return None
        session = token_hash(token)
        now = self._clock()
        known = self._known.get(session)
        if known is not None and now < known[0]:
            return known[1]
        with self._project.database.read() as connection:
            row = person_of(connection, token, self._project.clock())
        if row is None:
            self._known.pop(session, None)
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        person = Person(row.id, row.name, row.role, session)
        self._known[session] = (now + KEPT_S, person)
        return person

    def forget(self) -> None:
        """Ask the database again: sessions were ended."""
        self._known.clear()

    def give(self, response: Response, session: str) -> None:
        """Set the cookie of a session."""
        response.set_cookie(self.cookie, session, max_age=SESSION_MS // 1000, **self._about)

    def take(self, response: Response) -> None:
        """Remove the cookie."""
        response.delete_cookie(self.cookie, **self._about)
