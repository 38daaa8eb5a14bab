"""``openverse[:URL]``: openly licensed images of many collections, by Openverse's search.

Its interface was read in its own source (WordPress/openverse, ``api/api``): at most 20 results a
page without a token, 500 with one; at most 20 pages; queries cut at 200 characters. It limits the
number of requests (429 with ``Retry-After``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.build.sources.base import Access, Candidate, SourceError, SourceKind
from vlsu.build.sources.fields import joined, sentence
from vlsu.build.sources.web import Service, contact_of, pixels, plain_words, service_url
from vlsu.data.fetching.fetch import Network
from vlsu.data.fetching.politeness import Pace
from vlsu.data.licences import read_licence

__all__ = ["OPENVERSE", "TOKEN", "OpenverseSource", "open_openverse"]

DEFAULT_URL = "https://api.openverse.org/"
#: The environment variable of an access token, with which more may be asked.
TOKEN = "OPENVERSE_TOKEN"  # noqa: S105 - its name, not a token
MAX_QUERY, MAX_PAGES = 200, 20
PAGE_SIZE, PAGE_SIZE_WITH_TOKEN = 20, 500
#: Seconds between two questions without a token: 20 a minute are what public clients report.
INTERVAL_S = 3.0
_LICENCE = re.compile(r"(?:cc[- ])?(by(?:[- ](?:nc|nd|sa))*)\b", re.IGNORECASE)
_TAGS = 30


class OpenverseSource(Service):
    """Openverse.

    Sensitive results are left out, as the service's own flag says (``mature``), which is no filter
    to rely on.

    Args:
        spec: What the user wrote.
        url: Of the service, above ``v1/``.
        access: What is permitted.
        token: Of an account with it; from `TOKEN` by default.
        interval_s: Seconds between two questions; by the token by default.
        pace: How often what may pass is tried.
        timeout_s: Seconds for one request.
        network: How connections are made.
    """

    def __init__(
        self,
        spec: str,
        url: str,
        access: Access,
        *,
        token: str | None = None,
        interval_s: float | None = None,
        pace: Pace | None = None,
        timeout_s: float = 30.0,
        network: Network | None = None,
    ) -> None:
        self._url = f"{url.rstrip('/')}/v1/images/"
        self._token = os.environ.get(TOKEN, "").strip() if token is None else token
        if interval_s is None:
            interval_s = 0.0 if self._token else INTERVAL_S
        super().__init__(
            spec,
            access,
            contact=contact_of(access),
            pace=pace,
            interval_s=interval_s,
            timeout_s=timeout_s,
            network=network,
        )

    def identity(self) -> Mapping[str, object]:
        """The service's address."""
        return {"kind": "openverse", "url": self._url}

    def search(self, query: str, count: int, *, licences: Sequence[str]) -> list[Candidate]:
        """The best images for some words, at most 400 of them without a token.

        Raises:
            SourceError: It is down, refuses, or answers with something else.
        """
        words = plain_words(query)[:MAX_QUERY].strip()
        codes = licence_codes(licences)
        if not words or count < 1 or (licences and not codes):
            return []
        size = min(count, PAGE_SIZE_WITH_TOKEN if self._token else PAGE_SIZE)
        parameters: dict[str, object] = {"q": words, "page_size": size, "mature": "false"}
        if codes:
            parameters["license"] = ",".join(codes)
        found: dict[str, Candidate] = {}
        for page in range(1, MAX_PAGES + 1):
            answer = self._answer({**parameters, "page": page})
            rows = answer.get("results")
            if not isinstance(rows, list):
                raise SourceError(
                    f"{self._spec}: the answer has no results; see whether this is Openverse",
                    "no-results",
                )
            for row in rows:
                candidate = self._candidate(row) if isinstance(row, dict) else None
                if candidate is not None:
                    found.setdefault(candidate.id, candidate)
            last = answer.get("page_count")
            if len(found) >= count or not rows or (isinstance(last, int) and page >= last):
                break
        return list(found.values())[:count]

    def _answer(self, parameters: Mapping[str, object]) -> dict[str, Any]:
        try:
            return self._web.document(self._url, parameters, self._token)
        except SourceError as error:
            if error.reason != "http-401" or not self._token:
                raise
            raise SourceError(
                f"{self._spec}: the token of {TOKEN} is not accepted, they expire; get another, or "
                "unset it to ask without one",
                error.reason,
            ) from None

    def _candidate(self, row: Mapping[str, Any]) -> Candidate | None:
        id_, url = row.get("id"), row.get("url")
        if not isinstance(id_, str) or not isinstance(url, str) or row.get("mature") is True:
            return None
        tags = [
            sentence(tag.get("name")) for tag in row.get("tags") or () if isinstance(tag, Mapping)
        ]
        tags = list(dict.fromkeys(filter(None, tags)))[:_TAGS]
        title = sentence(row.get("title"))
        about = {
            name: row[name]
            for name in ("provider", "source", "category", "license_url", "creator_url", "filesize")
            if row.get(name)
        }
        return Candidate(
            id=id_,
            source=self._spec,
            caption=joined(list(filter(None, (title, ", ".join(tags))))),
            licence=licence_name(
                sentence(row.get("license")), sentence(row.get("license_version"))
            ),
            url=url,
            page=sentence(row.get("foreign_landing_url")) or None,
            author=sentence(row.get("creator")) or None,
            attribution=sentence(row.get("attribution")) or None,
            width=pixels(row.get("width")),
            height=pixels(row.get("height")),
            about={"title": title, **about},
        )


def licence_name(code: str, version: str) -> str:
    """The usual name of a licence, of its code and version.

    Example:
        >>> licence_name("by-sa", "2.0"), licence_name("cc0", "1.0"), licence_name("pdm", "1.0")
        ('CC-BY-SA-2.0', 'CC0-1.0', 'Public Domain Mark 1.0')
    """
    code = code.lower()
    if code == "pdm":
        return f"Public Domain Mark {version or '1.0'}"
    if code == "cc0":
        return f"CC0-{version or '1.0'}"
    return f"CC-{code.upper()}-{version}".rstrip("-") if code else ""


def licence_codes(names: Sequence[str]) -> list[str]:
    """The codes of the licences that are acceptable; those without one are left out.

    Example:
        >>> licence_codes(["CC-BY-4.0", "CC BY-SA 2.0", "CC0-1.0", "Public domain", "MIT"])
        ['by', 'by-sa', 'cc0', 'pdm']
    """
    codes: dict[str, None] = {}
    for name in names:
        if read_licence(name).spdx == "CC0-1.0":
            codes["cc0"] = None
        elif re.match(r"pdm?\b|cc[- ]pdm|public domain", name.strip(), re.IGNORECASE):
            codes["pdm"] = None
        elif found := _LICENCE.match(name.strip()):
            codes[found[1].lower().replace(" ", "-")] = None
    return list(codes)


def open_openverse(where: str, access: Access) -> OpenverseSource:
    """The source of ``openverse`` or ``openverse:URL``.

    Raises:
        UsageError: The contact is none, or the address is none of a service.
    """
    if not where:
        return OpenverseSource("openverse", DEFAULT_URL, access)
    return OpenverseSource(f"openverse:{where}", service_url("openverse", where), access)


OPENVERSE = SourceKind(
    open_openverse,
    "openverse[:URL]",
    "openly licensed images of many collections (api.openverse.org); at most 400 of one search",
    remote=True,
)
