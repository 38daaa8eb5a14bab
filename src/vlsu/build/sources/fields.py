"""What rows of other people's tables say of an image: its caption, licence, author and the like."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from vlsu.build.sources.base import Candidate
from vlsu.data.tables import normalise
from vlsu.errors import UsageError

__all__ = [
    "FROM_NAME",
    "OF_DATASET",
    "OPTIONS",
    "READING",
    "Described",
    "Fields",
    "joined",
    "sentence",
]

#: Field -> names of columns that hold it, as datasets and services call them, the likeliest first.
_NAMES: dict[str, tuple[str, ...]] = {
    "licence": (
        "licence",
        "license",
        "licence_name",
        "license_name",
        "license_short_name",
        "rights",
    ),
    "author": ("author", "creator", "artist", "photographer", "owner", "credit"),
    "attribution": ("attribution", "credit_line", "attribution_text"),
    "page": (
        "page",
        "page_url",
        "foreign_landing_url",
        "landing_url",
        "source_url",
        "description_url",
    ),
    "url": ("image_url", "url", "img_url", "photo_image_url"),
    "language": ("language", "lang", "caption_language"),
    "width": ("width", "image_width", "original_width"),
    "height": ("height", "image_height", "original_height"),
}
#: Columns that describe an image; of each line the first that is there, and all lines together.
_CAPTIONS: tuple[tuple[str, ...], ...] = (
    ("title",),
    ("caption", "captions", "text", "sentences", "sentence", "alt_text", "alttext", "alt"),
    ("description", "image_description"),
    ("tags", "keywords", "labels"),
)
_TEXTS = ("licence", "author", "attribution", "page", "language")
#: Options of a SPEC that name columns, and those that say what holds where a row says nothing.
OPTIONS = frozenset({"caption", *_NAMES, *(f"default_{name}" for name in _TEXTS)})
#: Changes whenever rows are read to something else, so that an index is made anew.
READING = 1
#: Entries of `Candidate.about`: the caption is no more than the file's name; the licence is only
#: that of the whole dataset.
FROM_NAME, OF_DATASET = "caption_is_file_name", "licence_is_of_dataset"
#: Maximum characters of a caption, of another text, and entries that are kept beside them.
_LONGEST, _LONGEST_OTHER, _MOST = 2_000, 1_000, 32
#: Sets of columns that are remembered: rows of JSON may each have others.
_PLANS = 256
#: Columns of a row, fields with the columns that may hold them, and those of captions.
_Plan = tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, slots=True)
class Described:
    """What a row says of an image; the attributes are those of a candidate."""

    caption: str = ""
    licence: str = ""
    author: str | None = None
    attribution: str | None = None
    page: str | None = None
    url: str | None = None
    language: str | None = None
    width: int | None = None
    height: int | None = None
    about: dict[str, object] = field(default_factory=dict)

    def candidate(
        self, id_: str, source: str, *, page: str | None, url: str | None = None
    ) -> Candidate:
        """The candidate that is so described; its page and address are the source's to say."""
        return Candidate(
            id=id_,
            source=source,
            caption=self.caption,
            licence=self.licence,
            url=url,
            page=page,
            author=self.author,
            attribution=self.attribution,
            language=self.language,
            width=self.width,
            height=self.height,
            about=self.about,
        )


class Fields:
    """Reads rows, by the usual names of columns or those that the user states.

    Args:
        options: Of a SPEC: ``caption`` and others name columns, ``default_licence`` and others say
            what holds where a row says nothing.
        leave_out: Normalised names of columns that say nothing of an image, such as its own.
        text_is_caption: Whether a column called ``text`` describes the image; in datasets of
            image-text pairs it is what is asked about it.
        licence: That the whole dataset states. It often covers the annotations and not the images,
            and so a candidate says where it has it from.
    """

    def __init__(
        self,
        options: Mapping[str, str],
        *,
        leave_out: frozenset[str] = frozenset(),
        text_is_caption: bool = True,
        licence: str = "",
    ) -> None:
        self._licence = licence
        self._stated = {
            name: normalise(options[name]) for name in (*_NAMES, "caption") if name in options
        }
        self._defaults = {
            name: options[f"default_{name}"] for name in _TEXTS if f"default_{name}" in options
        }
        self._leave_out = leave_out
        self._plan = lru_cache(_PLANS)(self._planned)
        self._captions = tuple(
            tuple(name for name in names if text_is_caption or name != "text")
            for names in _CAPTIONS
        )

    def require(self, columns: tuple[str, ...], where: str) -> None:
        """Refuse a stated column that does not exist.

        Raises:
            UsageError: One does not.
        """
        known = {normalise(column) for column in columns}
        for name, column in self._stated.items():
            if column not in known:
                found = ", ".join(sorted(known)[:20]) or "none"
                raise UsageError(f"{where}: no column {column!r} ({name}={column}); found: {found}")

    def read(self, values: Mapping[str, object], fallback: str = "") -> Described:
        """What a row says.

        Args:
            values: Column -> value, in the table's own spelling.
            fallback: The caption where the row has none.
        """
        columns, fields, captions = self._plan(tuple(values))
        row = dict(zip(columns, values.values(), strict=True))
        used: set[str] = set()
        texts = {name: _first(row, usual, used) for name, usual in fields}
        caption = joined([text for usual in captions if (text := _first(row, usual, used))])
        rest = (
            (name, kept)
            for name, value in row.items()
            if name not in used
            and name not in self._leave_out
            and (kept := _plain(value)) not in (None, "", [], {})
        )
        about: dict[str, object] = dict(islice(rest, _MOST))
        if not caption and fallback:
            caption = fallback
            about[FROM_NAME] = True
        defaults = self._defaults
        licence = texts.get("licence") or defaults.get("licence", "")
        if not licence and self._licence:
            licence = self._licence
            about[OF_DATASET] = True
        return Described(
            caption=caption,
            licence=licence,
            author=texts.get("author") or defaults.get("author"),
            attribution=texts.get("attribution") or defaults.get("attribution"),
            page=texts.get("page") or defaults.get("page"),
            url=texts["url"] if re.match(r"https?://", texts.get("url", ""), re.I) else None,
            language=texts.get("language") or defaults.get("language"),
            width=_pixels(texts.get("width")),
            height=_pixels(texts.get("height")),
            about=about,
        )

    def _planned(self, names: tuple[str, ...]) -> _Plan:
        """For rows of these columns: their names, and which of them may say what."""
        columns = tuple(map(normalise, names))
        present = frozenset(columns)

        def among(usual: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in usual if name in present)

        fields = tuple(
            (name, among((self._stated[name],) if name in self._stated else usual))
            for name, usual in _NAMES.items()
        )
        stated = self._stated.get("caption")
        captions = self._captions if stated is None else ((stated,),)
        return columns, fields, tuple(filter(None, map(among, captions)))


def _first(row: Mapping[str, object], columns: tuple[str, ...], used: set[str]) -> str:
    """The text of the first of these columns that has one."""
    for column in columns:
        if text := sentence(row[column]):
            used.add(column)
            return text
    return ""


def joined(parts: list[str]) -> str:
    """Several descriptions of an image as one text, without those that another one contains."""
    if len(parts) == 1:
        return parts[0].rstrip(". ")[:_LONGEST]
    kept: list[str] = []
    for part in parts:
        folded = part.casefold()
        if not any(folded in each.casefold() for each in kept):
            kept = [each for each in kept if each.casefold() not in folded]
            kept.append(part)
    return ". ".join(each.rstrip(". ") for each in kept)[:_LONGEST]


def sentence(value: object) -> str:
    """A value as text on one line: lists joined by commas, names of mappings taken."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(sentence, value)))
    if isinstance(value, Mapping):
        return sentence(value.get("name") or value.get("raw"))
    return ""


def _plain(value: object) -> object:
    """A value that JSON can hold and that is small; `None` for any other."""
    if isinstance(value, str):
        return value.strip()[:_LONGEST_OTHER]
    if isinstance(value, bool | int | float) or value is None:
        return value if value == value else None  # NaN is no JSON
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value if len(text) <= _LONGEST_OTHER else None


def _pixels(text: str | None) -> int | None:
    try:
        number = int(float(text or ""))
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < 10**6 else None
