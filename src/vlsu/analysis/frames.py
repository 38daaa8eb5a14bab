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
    read = lazy.select(pl.col(name) for name in names if name in present).collect()
    for name in names:
        type_ = types.get(name, pl.String)
        if name not in present:
            read = read.with_columns(pl.lit(None, dtype=type_).alias(name))
            continue
        cast = read[name].cast(type_, strict=False)
        wrong = (cast.is_null() & read[name].is_not_null()).arg_true()
        if len(wrong):
            row = wrong[0]
            raise error(
                f"the {what}, row {row + 1}: {name} {read[name][row]!r} is not "
                f"{_KINDS[type_]}; mend it"
            )
        read = read.with_columns(cast.alias(name))
    return read.select(names)


def require(frame: pl.DataFrame, wrong: pl.Expr, error: Callable[[Row], VlsuError]) -> None:
    """Raise the error of the first wrong row, if there is one."""
    rows = frame.filter(wrong).head(1)
    if rows.height:
        raise error(rows.row(0, named=True))


_KINDS: Mapping[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Int64: "a whole number",
    pl.Float64: "a number",
    pl.Boolean: "true or false",
}
