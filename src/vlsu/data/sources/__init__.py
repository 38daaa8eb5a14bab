"""Files of any kind that hold one sample per row, read as entries of named values.

`open_source` finds out from a file's content what it is, whatever its name says: delimited text,
JSON lines, JSON, Parquet, Arrow, an Excel workbook or a tar archive. Files are streamed in bounded
memory, and no message repeats a value of a row.
"""

from vlsu.data.sources.base import Entry, Source, SourceItem
from vlsu.data.sources.opening import open_source

__all__ = ["Entry", "Source", "SourceItem", "open_source"]
