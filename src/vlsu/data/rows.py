"""Conversion between samples and the flat rows of dataset files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
import polars as pl

from vlsu.data.sample import Sample, is_sha256
from vlsu.errors import DataError
from vlsu.policy import Severity

__all__ = [
    "COLUMNS",
    "Row",
    "canonical",
    "canonical_frame",
    "json_text",
    "known_grades",
    "to_frame",
    "to_row",
    "to_sample",
    "valid_frame",
]

#: Columns of a dataset, in order; all are text and may be null, `id` and `metadata` excepted.
COLUMNS: tuple[str, ...] = (
    "id",
    "text",
    "language",
    "image_sha256",
    "image_url",
    "image_grade",
    "text_grade",
    "joint_grade",
    "image_category",
    "text_category",
    "joint_category",
    "group",
    "metadata",
)

#: One value a column, in the order of `COLUMNS`.
Row = tuple[str | None, ...]

#: Characters that JSON escapes in texts, and how orjson does.
_ESCAPED = ['"', "\\", *map(chr, range(0x20))]
_ESCAPES = [orjson.dumps(character).decode()[1:-1] for character in _ESCAPED]

_SEVERITIES: dict[str | None, Severity | None] = {None: None, **{s.label: s for s in Severity}}
_GRADES = ("image_grade", "text_grade", "joint_grade")


def to_row(sample: Sample) -> Row:
    """The row of a sample; `metadata` becomes JSON text with sorted keys.

    Raises:
        DataError: The sample cannot be stored: it has no id, an invalid `image_sha256`, invalid
            Unicode, or metadata that is not JSON.
    """
    if not sample.id:
        raise DataError(f"a sample has no id (joint grade {sample.joint_grade}); give it one")
    if sample.image_sha256 is not None and not is_sha256(sample.image_sha256):
        raise DataError(
            f"sample {sample.id[:80]!r}: image_sha256 {sample.image_sha256[:80]!r} is not a "
            "SHA-256; use what ImageStore.add returns"
        )
    try:
        metadata = _json(sample.metadata)
    except TypeError as error:
        raise DataError(
            f"sample {sample.id[:80]!r}: metadata cannot be written as JSON ({error}); "
            "use texts, numbers, lists and mappings"
        ) from None
    row = (
        sample.id,
        sample.text,
        sample.language,
        sample.image_sha256,
        sample.image_url,
        _label(sample.image_grade),
        _label(sample.text_grade),
        _label(sample.joint_grade),
        sample.image_category,
        sample.text_category,
        sample.joint_category,
        sample.group,
        metadata,
    )
    for column, value in zip(COLUMNS, row, strict=True):
        if value is not None and not _is_unicode(value):
            raise DataError(
                f"sample {sample.id[:80]!r}: {column} holds half a surrogate pair, which no file "
                "can hold; decode the source again"
            )
    return row


def to_sample(row: Sequence[str | None]) -> Sample:
    """The sample of a row.

    Raises:
        DataError: No id, a grade that is not a severity, or metadata that is not a JSON object.
    """
    id_, text, language, sha256, url, image_grade, text_grade, joint_grade, *rest = row
    image_category, text_category, joint_category, group, metadata = rest
    if not id_:
        raise DataError("samples: a row has no id; write the dataset again")
    try:
        extra = orjson.loads(metadata) if metadata else {}
    except orjson.JSONDecodeError:
        extra = None
    if not isinstance(extra, dict):
        raise DataError(
            f"sample {id_[:80]!r}: metadata is not a JSON object; write the dataset again"
        )
    try:
        grades = (
            _SEVERITIES[image_grade],
            _SEVERITIES[text_grade],
            _SEVERITIES[joint_grade],
        )
    except KeyError as error:
        raise DataError(
            f"sample {id_[:80]!r}: grade {error.args[0][:40]!r} is not safe, borderline or unsafe; "
            "run vlsu data check"
        ) from None
    values = (id_, text, language, sha256, url, *grades)
    return Sample(*values, image_category, text_category, joint_category, group, extra)


def canonical(row: Row) -> bytes:
    """The bytes a row contributes to a dataset's content hash: a JSON list and a line feed."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def to_frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as a frame with `COLUMNS`, all of them text."""
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def known_grades() -> list[pl.Expr]:
    """Of each grade, whether it is a severity or missing, as `to_sample` wants it."""
    return [pl.col(name).is_in(list(_SEVERITIES), nulls_equal=True) for name in _GRADES]


def valid_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a dataset, which another program may have written, as `to_row` writes them.

    Raises:
        DataError: As `to_sample` and `to_row`.
    """
    sha256 = pl.col("image_sha256")
    sound = (
        pl.col("id").fill_null("").ne("")
        & (sha256.is_null() | sha256.str.contains(r"^[0-9a-f]{64}$"))
        & pl.col("metadata").is_not_null()
    )
    if frame.select(pl.all_horizontal(sound, *known_grades()).all()).item() and all(
        map(_is_canonical, frame["metadata"].filter(frame["metadata"] != "{}"))
    ):
        return frame
    return to_frame([to_row(to_sample(row)) for row in frame.iter_rows()])


def _is_canonical(metadata: str) -> bool:
    try:
        tree = orjson.loads(metadata)
        return isinstance(tree, dict) and _json(tree) == metadata
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # the latter where it is too deep
        return False


def canonical_frame(frame: pl.DataFrame) -> bytes:
    """What `canonical` gives of the rows of a frame with `COLUMNS`, one after the other."""
    cells = pl.concat_str([json_text(pl.col(column)) for column in COLUMNS], separator=",")
    lines = frame.select(pl.concat_str(pl.lit("["), cells, pl.lit("]\n")).str.join(""))
    return str(lines.item()).encode()


def json_text(text: pl.Expr) -> pl.Expr:
    """Texts as orjson writes them as JSON; ``null`` where there is none."""
    escaped = text.str.replace_many(_ESCAPED, _ESCAPES)
    return pl.concat_str(pl.lit('"'), escaped, pl.lit('"')).fill_null("null")


def _json(metadata: Mapping[str, object]) -> str:
    return orjson.dumps(dict(metadata), option=orjson.OPT_SORT_KEYS).decode()


def _label(severity: Severity | None) -> str | None:
    return None if severity is None else severity.label


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
