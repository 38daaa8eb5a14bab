"""What endpoints share: the project, the content of its dataset, and the pages."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vlsu._version import __version__
from vlsu.annotate.projects.project import Project
from vlsu.annotate.web.content import Content
from vlsu.annotate.web.limiting import SIGN_IN, Limit, Limiter
from vlsu.annotate.web.sessions import Sessions
from vlsu.annotate.web.strings import LANGUAGES, said_by

if TYPE_CHECKING:
    from starlette.responses import Response

    from vlsu.annotate.web.endpoints import Call

__all__ = ["Content", "Service", "Site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How the app is reached.

    Attributes:
        root: Path that a proxy adds before every other, such as ``"/grading"``; empty for none.
        hosts: Names that a request may call the server by, in lower case, without port.
        any_address: Whether it may be called by any IP address as well. A page of another site can
            give itself a name that leads here (DNS rebinding), but no address.
        secure: Whether cookies are for TLS alone.
        origin: Scheme, name and port of its public address, as browsers write them; empty if it is
            not known.
    """

    root: str = ""
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    any_address: bool = False
    secure: bool = False
    origin: str = ""


class Service:
    """A project as it is served.

    Args:
        project: Opened.
        site: How it is reached.
        sign_ins: How often somebody may try to sign in with a password.
    """

    def __init__(
        self, project: Project, site: Site, sign_ins: Mapping[str, Limit] = SIGN_IN
    ) -> None:
        self.project = project
        self.site = site
        self.sessions = Sessions(project, site)
        self.sign_ins = Limiter(sign_ins)
        self.pages = Environment(
            loader=PackageLoader("vlsu.annotate.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Severities and categories keep their order in what a script reads.
        self.pages.policies["json.dumps_kwargs"] = {"sort_keys": False}

    @cached_property
    def content(self) -> Content:
        """The dataset's content."""
        return Content(self.project.dataset(), self.project.folder)

    @property
    def secret(self) -> str:
        """The project's session key."""
        return self.project.record.session_key

    def texts(self, language: str) -> Mapping[str, str]:
        """What pages say in a language, by dotted name."""
        return said_by(language, frozenset(self.severities))

    @cached_property
    def severities(self) -> tuple[str, ...]:
        """Labels of the policy's severities, the mildest first."""
        return tuple(severity.label for severity in self.project.policy.severities)

    def csrf(self, session: str) -> str:
        """What a page sends back with every POST, to show that it is ours."""
        mac = hmac.digest(self.secret.encode(), f"csrf {session}".encode(), hashlib.sha256)
        return mac.hex()

    def problem(self, call: Call, status: int, why: str = "") -> Response:
        """The page for what went wrong: what its status means, and why in a sentence."""
        known = f"problem.{status}" in self.texts(call.language)
        told = why if status in (400, 409) else ""  # of the others the status says it all
        context = {"name": f"problem.{status if known else 'other'}", "why": told}
        return self.page(call, "problem.html.jinja", context, status=status)

    def page(
        self,
        call: Call,
        template: str,
        context: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
    ) -> Response:
        """A page.

        Templates have ``t`` (strings by dotted name), ``root``, ``path`` (below the root),
        ``csrf``, ``person``, ``language``, ``languages``, ``severities``, ``version`` and
        ``strings(prefix)``, the strings of a part for a script.
        """
        from starlette.responses import HTMLResponse

        texts = self.texts(call.language)

        def part(prefix: str) -> dict[str, str]:
            return {
                name.removeprefix(f"{prefix}."): text
                for name, text in texts.items()
                if name.startswith(f"{prefix}.")
            }

        person = call.person
        html = self.pages.get_template(template).render(
            t=texts,
            strings=part,
            root=self.site.root,
            path=call.request.url.path.removeprefix(self.site.root),
            csrf="" if person is None else self.csrf(person.session),
            person=person,
            language=call.language,
            languages=LANGUAGES,
            severities=self.severities,
            support=self.project.record.care.support,
            version=__version__,
            **(context or {}),
        )
        return HTMLResponse(html, status)
