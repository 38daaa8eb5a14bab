"""The columns a frame must have, in the types they must have, and the first row that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import polars as pl

from vlsu.errors import VlsuError

__all__ = ["Frame", "Row", "columns", "require"]

Row = dict[str, object]
Frame = pl.DataFrame | pl.LazyFrame


def columns(
    frame: Frame,
    error: type[VlsuError],
    what: str,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    types: Mapping[str, type[pl.DataType]] = MappingProxyType({}),
) -> pl.DataFrame:
    """The named columns, as text or the type given; an optional one that is absent is all null.

    Args:
        frame: May have other columns; they are left out.
        error: Raised where a column is absent or a value is not of its type.
        what: The frame's name, for messages.
        required: Columns that must be there.
        optional: Columns that may be.
        types: Of the columns that are not text.
    """
    lazy = frame.lazy()
    present = lazy.collect_schema().names()
    if missing := [name for name in required if name not in present]:
        raise error(
            f"the {what} has no column {missing[0]!r}; it has {', '.join(present) or 'none'}"
        )
    names = (*required, *optional)
    read = lazy.select(name for name in names if name in present).collect()
    wanted = {name: types.get(name, pl.String) for name in names}
    for name in read.columns:
        if read.schema[name] != wanted[name]:
            read = read.with_columns(_typed(read[name], wanted[name], error, what))
    return read.select(
        pl.col(name) if name in present else pl.lit(None, dtype=type_).alias(name)
        for name, type_ in wanted.items()
    )


def require(frame: pl.DataFrame, wrong: pl.Expr, error: Callable[[Row], VlsuError]) -> None:
    """Raise the error of the first wrong row, if there is one."""
    rows = frame.filter(wrong).head(1)
    if rows.height:
        raise error(rows.row(0, named=True))


def _typed(
    series: pl.Series, type_: type[pl.DataType], error: type[VlsuError], what: str
) -> pl.Series:
    """The values as this type; the first that cannot be raises the error."""
    if type_ is pl.Boolean and series.dtype == pl.String:
        cast = series.replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
    else:
        try:
            cast = series.cast(type_, strict=False)
        except pl.exceptions.InvalidOperationError:
            cast = pl.Series(series.name, [None] * len(series), dtype=type_)
    wrong = (cast.is_null() & series.is_not_null()).arg_true()
    if len(wrong):
        row = wrong[0]
        raise error(
            f"the {what}, row {row + 1}: {series.name} {series[row]!r} is not {_KINDS[type_]}; "
            "fix it"
        )
    return cast


_BOOLEANS = {"true": True, "false": False, "True": True, "False": False}

_KINDS: Mapping[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Int64: "a whole number",
    pl.Float64: "a number",
    pl.Boolean: "true or false",
}
