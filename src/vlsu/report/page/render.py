"""A page: one file that opens from disk, asks no host for anything and runs nothing foreign.

Texts of dataset and model reach the page in two ways only: through the template, which escapes
them, and as JSON in a script element that is data, not code. The content security policy allows
exactly the scripts and the stylesheet of this package, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from queue import SimpleQueue

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from vlsu._text import harmless
from vlsu._version import __version__
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.errors import VlsuError
from vlsu.report.charts.dots import CONFIG, Spec
from vlsu.report.embedding import embedded_json, packed
from vlsu.report.entries import Entry, redacted
from vlsu.report.table import numeric
from vlsu.report.thumbnails import thumbnails
from vlsu.runs import Run

__all__ = ["Listed", "description_of", "listed", "pictures_of", "render", "served"]

#: Characters of samples, and of thumbnails, in a page at most: with charts and code it stays below
#: 10 MB.
SAMPLE_ROOM = 3_000_000
THUMBNAIL_ROOM = 5_000_000

#: What no UTF-8 file can hold, or no HTML should: controls, what turns the direction of all text
#: after it, and halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: An option of the command line.
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
#: A share with its interval, as sentences write it.
_SHARE = re.compile(r"\d+(?:\.\d+)?% \[\d+, \d+\]|[-+]\d+ points \[[-+]\d+, [-+]\d+\]")


@dataclass(frozen=True, slots=True)
class Listed:
    """The samples in a page.

    Attributes:
        packed: Their entries, as `vlsu.report.embedding.packed` writes them.
        shown: How many there are, of `total`.
        made: Their thumbnails, once they are made: JSON by hash, with the columns of a sample's
            grid; and why texts and images are missing, if they are.
        beside: Name of the file that holds all samples, if the page does not.
        redacted: Whether texts, images and answers were left out to share the page.
        live: Whether the page asks the server it came from for its samples.
    """

    packed: str
    shown: int
    total: int
    made: Future[tuple[Markup, str]]
    beside: str = ""
    redacted: bool = False
    live: bool = False

    @property
    def pictures(self) -> Markup:
        """The thumbnails; waits for them."""
        return self.made.result()[0]

    @property
    def trouble(self) -> str:
        """Why texts and images are missing, if they are; waits for the thumbnails."""
        return self.made.result()[1]


def listed(
    run: Run,
    entries: Iterable[Entry],
    *,
    total: int,
    columns: Iterable[str],
    beside: str,
    redact: bool = False,
) -> Listed:
    """As many samples as a page can hold, and thumbnails of the first of them, still being made.

    Args:
        run: For the images of its dataset.
        entries: Of the samples, those first that matter most; taken as far as they fit.
        total: How many samples the run has.
        columns: Of a sample's grid.
        beside: Name of the file that will hold all samples if not all of them fit.
        redact: Leave out texts, images and answers, and that file.
    """
    if redact:
        dataset_hash = run.record["dataset"]["content_hash"]
        text, shown = packed((redacted(e, dataset_hash) for e in entries), SAMPLE_ROOM)
        return Listed(text, shown, total, _no_pictures(columns=list(columns)), redacted=True)
    images: SimpleQueue[str | None] = SimpleQueue()

    def taken(batch: Sequence[Entry]) -> None:
        for entry in batch:
            if image := entry.get("image"):
                images.put(str(image))

    thread = ThreadPoolExecutor(1)
    made = thread.submit(_pictures, run, iter(images.get, None), list(columns))
    thread.shutdown(wait=False)
    try:
        text, shown = packed(entries, SAMPLE_ROOM, taken)
    finally:
        images.put(None)  # no more of them
    return Listed(text, shown, total, made, beside if shown < total else "")


def _pictures(run: Run, images: Iterable[str], columns: Sequence[str]) -> tuple[Markup, str]:
    """The thumbnails as a page holds them, and why there are none, if so."""
    pictures, trouble = pictures_of(run, images, THUMBNAIL_ROOM)
    return embedded_json({"pictures": pictures, "columns": columns}), trouble


def _no_pictures(**about: object) -> Future[tuple[Markup, str]]:
    """The thumbnails of a page that has none, with what else its script is to know."""
    made: Future[tuple[Markup, str]] = Future()
    made.set_result((embedded_json({"pictures": {}, **about}), ""))
    return made


def served(
    *, total: int, columns: Iterable[str], choices: Mapping[str, object], source: str
) -> Listed:
    """Samples that the page asks for as they come into view.

    Args:
        total: How many samples the run has.
        columns: Of a sample's grid.
        choices: Facet -> its values, and how many samples have each.
        source: Address of the samples, below the page's own.
    """
    made = _no_pictures(columns=list(columns), choices=choices, source=source, total=total)
    return Listed("", total, total, made, live=True)


def pictures_of(
    run: Run, images: Iterable[str], room: int
) -> tuple[dict[str, Mapping[str, object]], str]:
    """The thumbnails of these images for the page's script, and why there are none, if so.

    Args:
        run: For the images of its dataset.
        images: Their hashes, those first that matter most.
        room: Characters of thumbnails at most.
    """
    try:
        by_hash = thumbnails(run.dataset, images, room)
    except VlsuError as error:
        return {}, str(error)
    return {
        sha256: {"uri": picture.uri, "width": picture.width, "height": picture.height}
        if picture.uri
        else {"reason": picture.reason}
        for sha256, picture in by_hash.items()
    }, ""


def description_of(run: Run) -> str:
    """The description in the dataset; empty if it is not at hand."""
    try:
        return run.dataset.info.description
    except VlsuError:
        return ""


def render(template: str, charts: Mapping[str, Spec], **context: object) -> str:
    """A page from a template of this package, with its charts, stylesheet, scripts and policy.

    Args:
        template: Its name.
        charts: Name -> chart.
        context: What the template is about; ``served`` is true of a page that comes from a server,
            as one does whose list of samples is live.
    """
    style = _static("report.css")
    scripts = [*([_static("charts.js")] if charts else []), _static("page.js")]
    if "listed" in context:
        scripts.append(_static("samples.js"))
    held = context.get("listed")
    live = isinstance(held, Listed) and held.live
    sources = {
        "default-src": "'none'",
        **({"connect-src": "'self'"} if live else {}),
        "img-src": "data:",
        "style-src": _source(style),
        "script-src": " ".join(map(_source, scripts)),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    page = (
        _environment()
        .get_template(template)
        .render(
            policy="; ".join(f"{name} {value}" for name, value in sources.items()),
            style=style,
            scripts=scripts,
            data=embedded_json({"charts": charts, "config": CONFIG}),
            specs=charts,
            version=__version__,
            **{"served": live, **context},
        )
    )
    return _UNPRINTABLE.sub("\ufffd", page)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vlsu.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["share"] = format_share
    environment.filters["bounds"] = lambda r: f"[{r.low:.2f}, {r.high:.2f}]"
    environment.filters["marked"] = _marked
    environment.filters["rate"] = Rate.from_json
    environment.filters["numeric"] = numeric
    environment.filters["grouped"] = lambda cell: f"{int(cell):,}" if cell.isdecimal() else cell
    environment.filters["extract"] = lambda name, tables: tables.get(name, environment.undefined())
    return environment


def _plain(value: object) -> object:
    """Foreign text without what would command a terminal; markup of this package as it is."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _marked(sentence: str) -> Markup:
    """The sentence with its shares and their intervals in bold type, and options unbroken."""
    bold = _SHARE.sub(r"<b>\g<0></b>", str(escape(sentence)))
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', bold))  # noqa: S704 - escaped


@cache
def _static(name: str) -> Markup:
    """A script or stylesheet of this package, to stand in the page as it is."""
    text = files("vlsu.report").joinpath("static", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - our own file, hashed into the page's policy


def _source(code: str) -> str:
    """The expression by which a content security policy allows this code."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"
