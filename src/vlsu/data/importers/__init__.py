"""Importers: readers of other people's files.

An importer only parses: it turns a file into rows, each a sample with the names under which its
image may be found. `vlsu.data.importing.pipeline` finds the images, duplicates and groups, counts
the rows that were rejected, and writes the dataset. An outside package adds an importer by the
entry-point group ``vlsu.importers``, or with the decorator `register`.
"""

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, Note, Rejected, SourceRow
from vlsu.registry import Registry

__all__ = [
    "ImportItem",
    "ImportOptions",
    "Importer",
    "Note",
    "Rejected",
    "SourceRow",
    "get",
    "importers",
    "names",
    "register",
]

#: Every known importer by the name of its format.
importers: Registry[Importer] = Registry(
    "importer",
    {
        "csv": "vlsu.data.importers.csv:CSV",
        "vlsu": "vlsu.data.importers.vlsu:VLSU",
    },
)
#: The registry's methods, so that ``vlsu.data.importers``, this package, can be used as one.
register, get, names = importers.register, importers.get, importers.names
