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
from vlsu.annotate.web.strings import LANGUAGES, strings_of
from vlsu.data import Dataset
from vlsu.errors import AnnotationError

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
        secure: Whether cookies are for TLS alone.
        proxies: Addresses whose forwarded headers are believed.
    """

    root: str = ""
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    secure: bool = False
    proxies: tuple[str, ...] = ()


class Content:
    """Texts and images of the dataset, by a sample's identifier.

    Args:
        dataset: What is graded.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        frame = dataset.frame().select("id", "text", "language", "image_sha256")
        with dataset.reading():
            self._rows = frame.collect()
        self._at = {id_: at for at, id_ in enumerate(self._rows["id"])}

    def of(self, sample_id: str, modality: str) -> dict[str, Any]:
        """What of a sample a page shows in a modality.

        Returns:
            ``text`` and ``image_sha256``, each `None` where the modality does not show it, and
            ``language``.
        """
        _, text, language, image = self._rows.row(self._at[sample_id])
        return {
            "text": None if modality == "image" else text,
            "language": language,
            "image_sha256": None if modality == "text" else image,
        }

    def image(self, sha256: str) -> tuple[bytes, str]:
        """The bytes and the media type of an image.

        Raises:
            AnnotationError: It is missing.
        """
        try:
            return self.dataset.images.read_typed(sha256)
        except OSError:
            raise AnnotationError("the image is missing from the dataset") from None


class Service:
    """A project as it is served.

    Args:
        project: Opened.
        site: How it is reached.
    """

    def __init__(self, project: Project, site: Site) -> None:
        self.project = project
        self.site = site
        self.pages = Environment(
            loader=PackageLoader("vlsu.annotate.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @cached_property
    def content(self) -> Content:
        """The dataset's content."""
        return Content(self.project.dataset())

    @property
    def secret(self) -> str:
        """The project's session key."""
        return self.project.record.session_key

    def csrf(self, session: str) -> str:
        """What a page sends back with every POST, to show that it is ours."""
        mac = hmac.digest(self.secret.encode(), f"csrf {session}".encode(), hashlib.sha256)
        return mac.hex()

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
        ``csrf``, ``person``, ``language``, ``languages``, ``version`` and ``strings(prefix)``, the
        strings of a part for a script.
        """
        from starlette.responses import HTMLResponse

        texts = strings_of(call.language)

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
            version=__version__,
            **(context or {}),
        )
        return HTMLResponse(html, status)
