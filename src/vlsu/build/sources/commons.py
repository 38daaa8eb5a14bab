"""``commons[:URL]``: Wikimedia Commons, or another MediaWiki, by its full-text search.

Asked is ``action=query`` with the generator ``search`` in the namespace of files and
``prop=imageinfo``, whose ``extmetadata`` holds author, licence and description as HTML. Wikimedia
requires a contact in ``User-Agent``, wants one request at a time and ``maxlag`` of whoever is in no
hurry, and serves scaled images only in certain widths, of which `WIDTH` is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

from vlsu._text import one_line
from vlsu.build.sources.base import Access, Candidate, SourceError, SourceKind
from vlsu.build.sources.fields import joined
from vlsu.build.sources.web import Service, contact_of, pixels, plain_words, service_url
from vlsu.data.fetching.fetch import Network
from vlsu.data.fetching.politeness import Pace
from vlsu.data.licences import read_licence

__all__ = ["COMMONS", "CommonsSource", "open_commons", "plain_text"]

DEFAULT_URL = "https://commons.wikimedia.org/w/api.php"
#: Width of the images that are fetched, unless they are smaller: Wikimedia serves 20, 40, 60, 120,
#: 250, 330, 500, 960, 1280, 1920 and 3840 pixels, and refuses others (phabricator T414805).
WIDTH = 1280
#: Results of one request, and requests for one search.
PAGE_SIZE, MAX_PAGES = 50, 10
MAX_QUERY = 300
#: Seconds that the databases may lag behind before an answer is put off.
MAX_LAG = 5
_METADATA = (
    *("LicenseShortName", "License", "LicenseUrl", "UsageTerms", "Artist", "Credit"),
    *("Attribution", "ObjectName", "ImageDescription", "Categories", "Restrictions"),
)
#: Codes of errors that pass.
_BUSY = frozenset({"maxlag", "ratelimited", "readonly", "cirrussearch-backend-error"})
_SUFFIX = re.compile(r"\.\w{2,5}\Z")
#: Categories that say how a file came to be there and not what it shows.
_UPKEEP = re.compile(
    r"(?i)\b(?:cc|pd|gfdl|licen[cs]e\w*|files?|media|images?|pages?|self-published|uploaded|taken "
    r"with|wikimedia|wikipedia|commons|flickr|sdc|missing|template|metadata|exif|user)\b"
)
_MAX_HTML, _CATEGORIES = 20_000, 20


class CommonsSource(Service):
    """Wikimedia Commons.

    Args:
        spec: What the user wrote.
        url: Of ``api.php``.
        access: What is permitted.
        pace: How often what may pass is tried.
        timeout_s: Seconds for one request.
        network: How connections are made.

    Raises:
        UsageError: The contact is none.
    """

    def __init__(
        self,
        spec: str,
        url: str,
        access: Access,
        *,
        pace: Pace | None = None,
        timeout_s: float = 30.0,
        network: Network | None = None,
    ) -> None:
        self._url = url
        super().__init__(
            spec,
            access,
            contact=contact_of(access),
            pace=pace,
            timeout_s=timeout_s,
            network=network,
        )

    def identity(self) -> Mapping[str, object]:
        """The address of ``api.php``."""
        return {"kind": "commons", "url": self._url, "width": WIDTH}

    def search(self, query: str, count: int, *, licences: Sequence[str]) -> list[Candidate]:
        """The best images for some words, at most 500.

        The service does not filter by licence; whoever asks does.

        Raises:
            SourceError: It is down, refuses, or answers with something else.
        """
        words = plain_words(query)[:MAX_QUERY].strip()
        if not words or count < 1:
            return []
        parameters: dict[str, object] = {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "maxlag": MAX_LAG,
            "generator": "search",
            "gsrnamespace": 6,
            "gsrsearch": f"filetype:bitmap {words}",
            "gsrlimit": min(count, PAGE_SIZE),
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|extmetadata",
            "iiurlwidth": WIDTH,
            "iiextmetadatafilter": "|".join(_METADATA),
        }
        ranked: dict[str, tuple[int, Candidate]] = {}
        more: dict[str, object] = {}
        for _ in range(MAX_PAGES):
            answer = self._answer({**parameters, **more})
            for page in _pages(answer):
                candidate = self._candidate(page)
                if candidate is not None:
                    rank = page.get("index")
                    place = rank if isinstance(rank, int) else 10**6
                    ranked.setdefault(candidate.id, (place, candidate))
            following = answer.get("continue")
            # Without an offset it leads to earlier versions of the same files.
            if not isinstance(following, dict) or "gsroffset" not in following:
                break
            if len(ranked) >= count:
                break
            more = {name: str(value) for name, value in following.items()}
        return [each for _, each in sorted(ranked.values(), key=lambda pair: pair[0])][:count]

    def _answer(self, parameters: Mapping[str, object]) -> dict[str, Any]:
        for tries in range(self._web.tries):
            answer = self._web.document(self._url, parameters)
            error = answer.get("error")
            if error is None:
                return answer
            code = str(error.get("code", "")) if isinstance(error, dict) else ""
            if code not in _BUSY or tries + 1 == self._web.tries:
                break
            self._web.rest(tries)
        raise SourceError(
            f"{self._spec}: the service answers with an error ({one_line(code, 40)})",
            f"error {one_line(code, 40)}",
            transient=code in _BUSY,
        )

    def _candidate(self, page: Mapping[str, Any]) -> Candidate | None:
        infos = page.get("imageinfo")
        info = infos[0] if isinstance(infos, list) and infos else None
        title, id_ = page.get("title"), page.get("pageid")
        if not isinstance(info, dict) or not isinstance(title, str) or id_ is None:
            return None
        original = info.get("url")
        if not isinstance(original, str) or not str(info.get("mime", "")).startswith("image/"):
            return None
        width, height = pixels(info.get("width")), pixels(info.get("height"))
        url, scaled = original, info.get("thumburl")
        if isinstance(scaled, str) and width is not None and width > WIDTH:
            url = scaled
            width, height = (
                pixels(info.get("thumbwidth")),
                pixels(info.get("thumbheight")),
            )
        said = {
            name: plain_text(value.get("value"))
            for name, value in (info.get("extmetadata") or {}).items()
            if isinstance(value, Mapping)
        }
        name = unquote(_SUFFIX.sub("", title.partition(":")[2] or title)).replace("_", " ")
        licence = said.get("LicenseShortName", "")
        licence = read_licence(licence).spdx or licence
        author = said.get("Artist") or said.get("Credit")
        description = info.get("descriptionurl")
        categories = [
            each.strip()
            for each in said.get("Categories", "").split("|")
            if each.strip() and not _UPKEEP.search(each)
        ][:_CATEGORIES]
        parts = (name, said.get("ImageDescription", ""), ", ".join(categories))
        about = {
            "title": name,
            "sha1": info.get("sha1"),
            "original": None if url == original else original,
            "licence_url": said.get("LicenseUrl"),
            "restrictions": said.get("Restrictions"),
        }
        return Candidate(
            id=str(id_),
            source=self._spec,
            caption=joined([each for each in parts if each]),
            licence=licence,
            url=url,
            page=description if isinstance(description, str) else None,
            author=author or None,
            attribution=said.get("Attribution") or credit(name, author, licence),
            width=width,
            height=height,
            about={key: value for key, value in about.items() if value},
        )


def credit(title: str, author: str | None, licence: str) -> str:
    """A line of credit, with title, author, place and licence."""
    by = f" by {author}" if author else ""
    under = f", {licence}" if licence else ""
    return f"\u201c{title}\u201d{by}, via Wikimedia Commons{under}"


def _pages(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pages of an answer, in either version of its format."""
    query = answer.get("query")
    pages = query.get("pages") if isinstance(query, dict) else None
    if isinstance(pages, dict):
        pages = list(pages.values())
    return [each for each in pages or () if isinstance(each, dict)]


class _Text(HTMLParser):
    """The text of a piece of HTML, without what is hidden or no text."""

    _VOID = frozenset({"br", "img", "hr", "input", "wbr", "meta", "link", "area", "col", "source"})
    _SILENT = frozenset({"script", "style"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._open: list[bool] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(" ")
        if tag in self._VOID:
            return
        style = (dict(attrs).get("style") or "").replace(" ", "").lower()
        hides = "display:none" in style or tag in self._SILENT
        self._open.append(hides)
        self._hidden += hides

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._VOID and self._open:
            self._hidden -= self._open.pop()
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_text(html: object) -> str:
    """The text of HTML as `extmetadata` holds it, on one line.

    Example:
        >>> plain_text('<a href="//x">A.&nbsp;Painter</a><span style="display: none;">me</span>')
        'A. Painter'
    """
    if not isinstance(html, str):
        return ""
    reader = _Text()
    reader.feed(html[:_MAX_HTML])
    reader.close()
    return re.sub(r" (?=[.,;:])", "", " ".join("".join(reader.parts).split()))


def open_commons(where: str, access: Access) -> CommonsSource:
    """The source of ``commons`` or ``commons:URL``.

    Raises:
        UsageError: The contact is none, or the address is none of a service.
    """
    if not where:
        return CommonsSource("commons", DEFAULT_URL, access)
    return CommonsSource(f"commons:{where}", service_url("commons", where), access)


COMMONS = SourceKind(
    open_commons,
    "commons[:URL]",
    "Wikimedia Commons, or api.php of another MediaWiki; needs --contact; at most 500 of one "
    "search",
    remote=True,
    needs_contact=True,
)
