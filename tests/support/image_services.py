"""Openverse and Wikimedia Commons on loopback: real HTTP, answers of their shape, real images.

What they hold are the images of vlsu-mini with their captions. The shapes follow Openverse's own
source (``api/api/examples/image_responses.py``, ``serializers``, ``utils/throttle.py``) and
MediaWiki's reference of ``generator=search`` and ``prop=imageinfo`` (``formatversion=2``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import vlsu
from tests.data.fetching.image_server import (
    ImageServer,
    Request,
    Step,
    redirect,
    response,
    serving,
)

__all__ = ["IMAGE_PATH", "Service", "commons", "openverse"]

IMAGE_PATH = "/files/"
#: Licence codes and versions of Openverse's rows, and short names of Commons', in turn.
_CODES = (("by", "2.0"), ("cc0", "1.0"), ("by-sa", "4.0"), ("by-nc", "4.0"), ("pdm", "1.0"))
_NAMES = ("CC BY 2.0", "CC0", "CC BY-SA 4.0", "Public domain")
_TOO_LARGE = "Ensure this value is less than or equal to 20."
#: Answers in place of the service's own, one a request.
Fault = bytes | Callable[["Service", Request], "Step | list[Step]"]


@dataclass(frozen=True)
class Held:
    """An image that a service has."""

    sha256: str
    media_type: str
    caption: str
    number: int

    @property
    def words(self) -> set[str]:
        return set(re.findall(r"[a-z]+", self.caption.lower()))


@dataclass
class Service:
    """A service that runs.

    Attributes:
        server: What it was asked is in ``requests``.
        faults: Answers that the next requests of its interface get instead.
        image_faults: Likewise for images.
        page_limit: Results of one page at most.
    """

    held: list[Held]
    server: ImageServer = field(default_factory=lambda: ImageServer(lambda _: b""))
    faults: list[Fault] = field(default_factory=list)
    image_faults: list[Fault] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What follows ``openverse:`` in a SPEC."""
        return f"http://127.0.0.1:{self.server.port}/"

    @property
    def searches(self) -> list[dict[str, str]]:
        """The parameters of every question so far."""
        found = (urlsplit(each.target) for each in self.server.requests)
        return [
            {name: values[0] for name, values in parse_qs(each.query).items()}
            for each in found
            if not each.path.startswith(IMAGE_PATH)
        ]

    def image_url(self, held: Held) -> str:
        suffix = held.media_type.partition("/")[2].replace("jpeg", "jpg")
        return f"{self.url.rstrip('/')}{IMAGE_PATH}{held.sha256}.{suffix}"

    def matching(self, query: str) -> list[Held]:
        """Images whose captions hold a word of the query, those with most words first."""
        words = set(re.findall(r"[a-z]+", query.lower()))
        scored = [(-len(words & each.words), each.number, each) for each in self.held]
        return [each for score, _, each in sorted(scored, key=lambda row: row[:2]) if score]

    def answer(self, request: Request, own: Callable[[dict[str, str]], bytes]) -> Step | list[Step]:
        """The answer to any request: a fault, an image, or the interface's."""
        parts = urlsplit(request.target)
        is_image = parts.path.startswith(IMAGE_PATH)
        faults = self.image_faults if is_image else self.faults
        if faults:
            fault = faults.pop(0)
            return fault if isinstance(fault, bytes) else fault(self, request)
        if is_image:
            sha256 = parts.path.removeprefix(IMAGE_PATH).partition(".")[0]
            found = next((each for each in self.held if each.sha256 == sha256), None)
            if found is None:
                return response(status="404 Not Found")
            data = vlsu.load("vlsu-mini").read_image(sha256)
            return response(data, Content_Type=found.media_type)
        return own({name: values[0] for name, values in parse_qs(parts.query).items()})


def _held() -> list[Held]:
    dataset = vlsu.load("vlsu-mini")
    found = {each.image_sha256: str(each.metadata["caption"]) for each in dataset}
    rows = sorted((caption, str(sha256)) for sha256, caption in found.items())
    return [
        Held(sha256, dataset.media_type(sha256), caption, number)
        for number, (caption, sha256) in enumerate(rows)
    ]


def _json(tree: object, status: str = "200 OK", **headers: object) -> bytes:
    return response(json.dumps(tree).encode(), status, Content_Type="application/json", **headers)


# Openverse


@contextmanager
def openverse() -> Iterator[Service]:
    """Openverse, at ``/v1/images/``."""
    service = Service(_held())

    def respond(request: Request) -> Step | list[Step]:
        authorized = "authorization" in request.headers
        return service.answer(request, lambda asked: _openverse(service, asked, authorized))

    with serving(respond) as server:
        service.server = server
        yield service


def _openverse(service: Service, asked: dict[str, str], authorized: bool) -> bytes:
    size, page = int(asked.get("page_size", 20)), int(asked.get("page", 1))
    if size > 20 and not authorized:
        return _json({"detail": _TOO_LARGE}, "401 Unauthorized")
    if page > 20:
        return _json({"detail": {"page": [_TOO_LARGE]}}, "400 Bad Request")
    licences = set(filter(None, asked.get("license", "").split(",")))
    if unknown := licences - {"by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "cc0", "pdm"}:
        said = f"License '{sorted(unknown)[0]}' does not exist."
        return _json({"detail": {"license": [said]}}, "400 Bad Request")
    rows = [_openverse_row(service, held) for held in service.matching(asked.get("q", ""))]
    found = [row for row in rows if not licences or row["license"] in licences]
    return _json(
        {
            "result_count": len(found),
            "page_count": min(20, -(-len(found) // size)),
            "page_size": size,
            "page": page,
            "results": found[(page - 1) * size : page * size],
        }
    )


def _openverse_row(service: Service, held: Held) -> dict[str, object]:
    code, version = _CODES[held.number % len(_CODES)]
    id_ = str(UUID(held.sha256[:32]))
    creator = f"Painter {held.number}"
    title, *rest = held.caption.split(". ")
    return {
        "id": id_,
        "title": title,
        "indexed_on": "2022-08-27T17:39:48Z",
        "foreign_landing_url": f"https://photos.example/{held.number}",
        "url": service.image_url(held),
        "creator": creator,
        "creator_url": f"https://photos.example/people/{held.number}",
        "license": code,
        "license_version": version,
        "license_url": f"https://creativecommons.org/licenses/{code}/{version}/",
        "provider": "flickr",
        "source": "flickr",
        "category": "photograph",
        "filesize": 896128,
        "filetype": "jpg",
        "tags": [
            {"accuracy": None, "name": name, "unstable__provider": "flickr"}
            for name in ("made", *(each.strip() for each in rest))
        ],
        "attribution": f'"{title}" by {creator} is licensed under CC {code.upper()} {version}.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 256,
        "width": 256,
        "thumbnail": f"{service.url}v1/images/{id_}/thumb/",
        "detail_url": f"{service.url}v1/images/{id_}/",
        "related_url": f"{service.url}v1/images/{id_}/related/",
        "unstable__sensitivity": [],
    }


# Wikimedia Commons


@contextmanager
def commons() -> Iterator[Service]:
    """Commons; its interface is at ``/w/api.php``."""
    service = Service(_held())

    def respond(request: Request) -> Step | list[Step]:
        agent = request.headers.get("user-agent", "")
        if not re.search(r"\(.*(?:@|https?://).*\)", agent):
            return response(b"Please set a user-agent.", "403 Forbidden", Content_Type="text/plain")
        return service.answer(request, lambda asked: _commons(service, asked))

    with serving(respond) as server:
        service.server = server
        yield service


def _commons(service: Service, asked: dict[str, str]) -> bytes:
    wanted = {"action": "query", "generator": "search", "gsrnamespace": "6", "format": "json"}
    if any(asked.get(name) != value for name, value in wanted.items()):
        return _json({"error": {"code": "badvalue", "info": "Unrecognized value"}})
    if not asked["gsrsearch"].startswith("filetype:bitmap "):
        return _json({"batchcomplete": True})
    found = service.matching(asked["gsrsearch"].partition(" ")[2])
    limit, offset = int(asked.get("gsrlimit", 10)), int(asked.get("gsroffset", 0))
    part = found[offset : offset + limit]
    pages = [_commons_page(service, held, offset + n) for n, held in enumerate(part, 1)]
    answer: dict[str, object] = {"batchcomplete": True}
    if offset + limit < len(found):
        answer["continue"] = {"gsroffset": offset + limit, "continue": "gsroffset||"}
    if pages:
        # in the order of their numbers, as the service gives them, and not of their rank
        answer["query"] = {"pages": sorted(pages, key=lambda page: str(page["pageid"]))}
    return _json(answer)


def _commons_page(service: Service, held: Held, index: int) -> dict[str, object]:
    title, _, rest = held.caption.partition(". ")
    name = _NAMES[held.number % len(_NAMES)]
    address = service.image_url(held)
    large = held.number % 2 == 0
    info: dict[str, object] = {
        "size": 1353326,
        "width": 3746 if large else 256,
        "height": 2400 if large else 164,
        # the original of a large one is not to be fetched
        "url": address.replace(IMAGE_PATH, "/originals/") if large else address,
        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{held.number}.jpg",
        "descriptionshorturl": f"https://commons.wikimedia.org/w/index.php?curid={held.number}",
        "sha1": held.sha256[:40],
        "mime": held.media_type,
        "thumburl": address,
        "thumbwidth": 1280,
        "thumbheight": 820,
        "extmetadata": {
            "ObjectName": {"value": title, "source": "mediawiki-metadata"},
            "Categories": {
                "value": "CC-BY-SA-4.0|Self-published work|Made pictures",
                "source": "commons-categories",
                "hidden": "",
            },
            "ImageDescription": {
                "value": f"<p>{escape(title)}.<br>{escape(rest)}</p>",
                "source": "commons-desc-page",
            },
            "Artist": {
                "value": f'<a href="//commons.wikimedia.org/wiki/User:P{held.number}" '
                f'title="User:P{held.number}">Painter&nbsp;{held.number}</a>'
                '<span style="display: none;">Unknown author</span>',
                "source": "commons-desc-page",
            },
            "LicenseShortName": {
                "value": name,
                "source": "commons-desc-page",
                "hidden": "",
            },
            "Restrictions": {"value": "", "source": "commons-desc-page", "hidden": ""},
        },
    }
    return {
        "pageid": 1000 + held.number,
        "ns": 6,
        "title": f"File:{title}.jpg",
        "index": index,
        "imagerepository": "local",
        "imageinfo": [info],
    }


# Faults of either


TOO_MANY = response(b'{"detail": "Request was throttled."}', "429 Too Many Requests")
HTML = response(b"<html><h1>Bad gateway</h1></html>", Content_Type="text/html")
BROKEN = response(status="502 Bad Gateway")
MAXLAG = _json({"error": {"code": "maxlag", "info": "Waiting for db: 6 seconds lagged", "lag": 6}})


def throttled(seconds: int) -> bytes:
    """Too many requests, and how long to wait."""
    return response(status="429 Too Many Requests", Retry_After=seconds)


def leads_to(address: str) -> bytes:
    """A redirect."""
    return redirect(address)
