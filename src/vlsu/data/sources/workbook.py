"""The first sheet of an Excel workbook as a source; needs the extra ``xlsx``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from vlsu.data.sources.base import Entry, Source, SourceItem
from vlsu.data.tables.records import Blank
from vlsu.errors import DataError, UsageError

__all__ = ["workbook_source"]


def workbook_source(path: Path) -> Source:
    """Open a workbook (xlsx): its first sheet, the first row of which is the header.

    Cells are read as text. A sheet has at most 1,048,576 rows and is read into memory.

    Raises:
        UsageError: The package that reads workbooks is not installed.
        DataError: It is damaged, encrypted or empty.
    """
    try:
        import fastexcel
    except ImportError:
        raise UsageError(
            f"{path}: is an Excel workbook (xlsx), and the package that reads it is not "
            "installed; pip install 'vlsu[xlsx]', or save the sheet as CSV UTF-8"
        ) from None

    def frame() -> pl.DataFrame:
        try:
            sheet = fastexcel.read_excel(str(path)).load_sheet(
                0, header_row=None, skip_rows=0, dtypes="string"
            )
            return sheet.to_polars()
        except (fastexcel.FastExcelError, pl.exceptions.PolarsError):
            raise DataError(
                f"{path}: cannot be read as an Excel workbook; remove its password, or save the "
                "sheet as CSV UTF-8"
            ) from None

    def header() -> list[str]:
        rows = frame()
        first = rows.row(0) if rows.height else ()
        return [str(name).strip() if name is not None else "" for name in first]

    names = header()
    if not any(names):
        raise DataError(f"{path}: its first sheet has no header; give a sheet with a header row")
    places = {name: n for n, name in reversed(list(enumerate(names))) if name}

    def read() -> Iterator[SourceItem]:
        for number, cells in enumerate(frame().iter_rows(), 1):
            if number == 1:
                continue
            if not any(cell is not None and str(cell).strip() for cell in cells):
                yield Blank(number, number)
                continue
            yield Entry(
                number, {n: "" if cells[at] is None else cells[at] for n, at in places.items()}
            )

    columns = tuple(dict.fromkeys(filter(None, names)))
    return Source(path, "an Excel workbook (xlsx)", columns, read)
