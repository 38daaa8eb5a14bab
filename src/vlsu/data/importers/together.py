"""Many records at once, as columns: the same samples and notes as `build_row` makes of each.

A record that needs more than a note without a value stays apart, and is left to `build_row`: its
reasons, messages and corrections stand there alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import orjson
import polars as pl

from vlsu.data.importers.base import ImportItem, ImportOptions, Note, SourceRows
from vlsu.data.importers.record import LONG_ID_LENGTH, RecordReader
from vlsu.data.rows import COLUMNS, json_text
from vlsu.data.sources.base import Entry
from vlsu.data.tables.frames import stripped
from vlsu.data.tables.records import Record
from vlsu.policy import MODALITIES, Severity

__all__ = ["Together", "build_rows", "filled", "stretches", "with_others"]

_Item = TypeVar("_Item")

#: Items of a file that are read at once, and the characters after which there are no more of them.
_STRETCH, _STRETCH_LENGTH = 16_384, 16 * 2**20
#: Share of a stretch that must be rows of columns; else all of it is read one by one.
_MOST = 0.25
#: Characters of an image's name by which an image in its place is known.
_NAME_LENGTH = 64

#: The rows of `SourceRows.frame` and their notes, and which records stay apart.
Together = tuple[pl.DataFrame, Sequence[tuple[Note, Sequence[int]]], pl.Series]


def build_rows(
    places: pl.Series,
    lines: pl.Series,
    values: Mapping[str, pl.Series],
    extra: Mapping[str, pl.Series],
    options: ImportOptions,
    apart: pl.Series,
) -> Together:
    """Build the samples of records.

    Args:
        places: Place of each record among the items of its file.
        lines: Number of its first line.
        values: Field of `vlsu.data.importers.record.FIELDS` -> its texts, as in `build_row`.
        extra: Name -> the other cells as JSON, `None` where one is blank; they go into the
            metadata.
        options: The policy, and what counts as a missing value.
        apart: Records that are to stay apart in any case.

    Returns:
        Frame and notes of `SourceRows`, and which records stay apart.
    """
    return _Builder(values, options, apart).build(places, lines, extra)


def filled(cells: pl.Series) -> pl.Series:
    """Texts as JSON, `None` where one is blank."""
    frame = cells.to_frame("cell")
    json = pl.when(stripped(pl.col("cell")) != "").then(json_text(pl.col("cell")))
    return frame.select(json.alias("json")).to_series()


def stretches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The items of a file in lists of bounded length."""
    held: list[_Item] = []
    length = 0
    for item in items:
        held.append(item)
        if isinstance(item, Record):
            length += sum(map(len, item.fields))
        elif isinstance(item, Entry):
            length += sum(len(v) for v in item.values.values() if isinstance(v, str | bytes))
        if len(held) == _STRETCH or length > _STRETCH_LENGTH:
            yield held
            held, length = [], 0
    if held:
        yield held


def with_others(
    frame: pl.DataFrame,
    notes: Sequence[tuple[Note, Sequence[int]]],
    items: Sequence[_Item],
    read: Callable[[_Item], ImportItem],
) -> SourceRows | None:
    """Rows of a stretch with those that stay apart, `None` if these are most of it.

    Args:
        frame: What `build_rows` returned of items of the stretch, by their places in it.
        notes: Likewise.
        items: All items of the stretch.
        read: Reads one of the others.
    """
    if frame.height < len(items) * _MOST:
        return None
    together = set(frame["place"])
    others = [(n, read(item)) for n, item in enumerate(items) if n not in together]
    return SourceRows(frame, notes, others)


class _Builder:
    def __init__(
        self, values: Mapping[str, pl.Series], options: ImportOptions, apart: pl.Series
    ) -> None:
        self._values = values
        self._options = options
        self._apart = apart
        self._noted: list[tuple[Note, pl.Series]] = []

    def build(
        self, places: pl.Series, lines: pl.Series, extra: Mapping[str, pl.Series]
    ) -> Together:
        height = len(lines)
        none = pl.Series([None], dtype=pl.String).new_from_index(0, height)
        grades = {f"{modality}_grade": self._grades(modality) for modality in MODALITIES}
        given = [each for each in grades.values() if each is not None]
        graded = pl.Series([False]).new_from_index(0, height)
        for each in given:
            graded |= each.is_not_null()
        self._note(Note(0, "no grade at all", fix="it is not evaluated on any modality"), ~graded)
        columns: dict[str, pl.Series | None] = dict(grades)
        for modality in MODALITIES:
            columns[f"{modality}_category"] = self._categories(modality)
        for field in ("image_sha256", "metadata"):
            if field in self._values:
                self._set_apart(stripped(self._values[field]) != "")
        url, image = self._plain("image_url"), self._plain("image")
        for name in (url, image):
            if name is not None:
                self._set_apart(_may_be_an_image(name))
        metadata = dict(extra)
        columns["image"] = image
        if image is not None:
            address = image.str.contains(r"(?i)^https?://")
            if url is not None:
                address &= url.is_null()
            stated = image.to_frame("name").select(json_text(pl.col("name"))).to_series()
            stated = stated.zip_with(image.is_not_null() & ~address.fill_null(value=False), none)
            if "image" in extra:
                self._set_apart(stated.is_not_null())
            else:
                metadata["image"] = stated
            found = image.zip_with(address.fill_null(value=False), none)
            url = found if url is None else url.zip_with(url.is_not_null(), found)
        columns["image_url"] = url
        columns["id"] = self._ids(lines)
        columns["text"] = self._texts()
        columns["language"] = self._words("language", lambda reader: reader.language())
        columns["group"] = self._plain("group")
        columns["metadata"] = _objects(metadata, height)
        frame = pl.DataFrame(
            {
                name: none if (cells := columns[name]) is None else cells
                for name in (*(c for c in COLUMNS if c != "image_sha256"), "image")
            }
        ).with_columns(lines.alias("line"), places.alias("place"))
        kept = ~self._apart
        notes = [
            (note, on.filter(kept).arg_true().to_list())
            for note, on in self._noted
            if (on & kept).any()
        ]
        return frame.filter(kept), notes, self._apart

    def _note(self, note: Note, on: pl.Series) -> None:
        self._noted.append((note, on))

    def _set_apart(self, rows: pl.Series) -> None:
        self._apart |= rows.fill_null(value=False)

    def _words(self, field: str, read: Callable[[RecordReader], object]) -> pl.Series | None:
        """A field of few words, each of which is read once; what is noted stays apart."""
        if field not in self._values:
            return None
        cells = self._values[field]
        values: dict[str, str | None] = {}
        noted = []
        for cell in cells.unique():
            reader = RecordReader(0, {field: cell}, self._options)
            value = read(reader)
            if reader.notes or reader.originals or not isinstance(value, str | None):
                noted.append(cell)
            values[cell] = value if isinstance(value, str) else None
        if noted:
            self._set_apart(cells.is_in(noted))
        words = pl.Series(list(values), dtype=pl.String)
        return cells.replace_strict(words, pl.Series(values.values(), dtype=pl.String))

    def _grades(self, modality: str) -> pl.Series | None:
        field = f"{modality}_grade"

        def read(reader: RecordReader) -> object:
            grade = reader.grade(modality)
            if isinstance(grade, Severity):
                return grade.label if grade in self._options.policy.severities else grade
            return grade

        cells = self._values.get(field)
        if cells is None:
            return None
        empty = stripped(cells) == ""
        self._note(Note(0, f"grade empty -> absent ({modality})"), empty)
        apart = self._apart
        found = self._words(field, read)
        self._apart = self._apart & ~empty | apart  # an empty grade needs no more than its note
        return found

    def _categories(self, modality: str) -> pl.Series | None:
        return self._words(f"{modality}_category", lambda reader: reader.category(modality))

    def _plain(self, field: str) -> pl.Series | None:
        """A field without outer space, `None` where it is empty; a missing value stays apart."""
        if field not in self._values:
            return None
        cells = stripped(self._values[field])
        there = cells != ""
        self._set_apart(there & self._options.missing.of_column(cells))
        return cells.to_frame("cell").select(pl.when(pl.col("cell") != "").then(pl.col("cell")))[
            "cell"
        ]

    def _ids(self, lines: pl.Series) -> pl.Series:
        if "id" not in self._values:
            return "row-" + lines.cast(pl.String)
        cells = stripped(self._values["id"])
        length = cells.str.len_chars()
        odd = (length == 0) | (length > LONG_ID_LENGTH) | cells.str.contains(r"[^ -~]")
        self._set_apart(odd | self._options.missing.of_column(cells))
        return cells

    def _texts(self) -> pl.Series | None:
        cells = self._values.get("text")
        if cells is None:
            return None
        empty = stripped(cells) == ""
        ends = cells.str.contains("\r\n", literal=True) & ~empty
        self._note(Note(0, "text empty -> absent"), empty)
        self._note(Note(0, "line ends in text CRLF -> LF"), ends)
        if ends.any():
            cells = cells.str.replace_all("\r\n", "\n", literal=True)
        return cells.to_frame("cell").select(pl.when(~empty).then(pl.col("cell"))).to_series()


def _may_be_an_image(names: pl.Series) -> pl.Series:
    """Names that `vlsu.data.images.inline.inline_image` may take for an image itself."""
    begins = names.str.slice(0, _NAME_LENGTH)
    named = (names.str.len_chars() < _NAME_LENGTH) | begins.str.contains(r"[.:]")
    return ~named | begins.str.contains(r"(?i)^data:")


def _objects(cells: Mapping[str, pl.Series], height: int) -> pl.Series:
    """JSON objects of the cells, with sorted keys and without those that are `None`."""
    members = [
        pl.DataFrame({"cell": cells[name]})
        .select(pl.concat_str(pl.lit(orjson.dumps(name).decode() + ":"), pl.col("cell")))
        .to_series()
        for name in sorted(cells)
    ]
    if not members:
        return pl.Series(["{}"]).new_from_index(0, height)
    frame = pl.DataFrame([each.alias(str(n)) for n, each in enumerate(members)])
    inner = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
    return frame.select(pl.concat_str(pl.lit("{"), inner, pl.lit("}")).alias("json")).to_series()
