"""Tables from users: one reader for all of them, whatever program wrote them.

`Table` reads delimited text record by record. `source` recognises other file formats, `missing` the
words for missing values, `columns` finds columns by name, `spreadsheets` prevents and undoes what
spreadsheets do to cells.
"""

from vlsu.data.tables.columns import columns_found, find_column, listing, normalise, split_names
from vlsu.data.tables.frames import LINE, mapped, read_frame, stripped, tally
from vlsu.data.tables.missing import MissingWords
from vlsu.data.tables.records import Blank, Broken, Record
from vlsu.data.tables.rows import Row, read_rows
from vlsu.data.tables.spreadsheets import escape_formula, escaped_column, unescape_formula
from vlsu.data.tables.table import Table
from vlsu.data.tables.words import plain_number, plain_word, without_formula

__all__ = [
    "LINE",
    "Blank",
    "Broken",
    "MissingWords",
    "Record",
    "Row",
    "Table",
    "columns_found",
    "escape_formula",
    "escaped_column",
    "find_column",
    "listing",
    "mapped",
    "normalise",
    "plain_number",
    "plain_word",
    "read_frame",
    "read_rows",
    "split_names",
    "stripped",
    "tally",
    "unescape_formula",
    "without_formula",
]
