"""Importers: readers of other people's files.

An importer only parses: it turns a file into rows, each a sample with the names under which its
image may be found. `vlsu.data.importing.pipeline` finds the images and duplicates, counts
the rows that were rejected, and writes the dataset. An outside package adds an importer by the
entry-point group ``vlsu.importers``, or with the decorator `register`.
"""

from vlsu.data.importers.base import (
    About,
    Importer,
    ImportItem,
    ImportOptions,
    Note,
    Rejected,
    SourceRow,
    SourceRows,
)
from vlsu.registry import Registry

__all__ = [
    "About",
    "ImportItem",
    "ImportOptions",
    "Importer",
    "Note",
    "Rejected",
    "SourceRow",
    "SourceRows",
    "get",
    "importers",
    "names",
    "register",
]

#: Every known importer by the name of its format.
importers: Registry[Importer] = Registry(
    "importer",
    {
        "beavertails-v": "vlsu.data.importers.beavertails_v:BEAVERTAILS_V",
        "csv": "vlsu.data.importers.tabular:CSV",
        "dataset": "vlsu.data.importers.dataset:DATASET",
        "figstep": "vlsu.data.importers.figstep:FIGSTEP",
        "hateful-memes": "vlsu.data.importers.hateful_memes:HATEFUL_MEMES",
        "hf": "vlsu.data.importers.hf:HF",
        "holisafe": "vlsu.data.importers.holisafe:HOLISAFE",
        "jsonl": "vlsu.data.importers.tabular:JSONL",
        "mm-safetybench": "vlsu.data.importers.mm_safetybench:MM_SAFETYBENCH",
        "mossbench": "vlsu.data.importers.mossbench:MOSSBENCH",
        "mssbench": "vlsu.data.importers.mssbench:MSSBENCH",
        "msts": "vlsu.data.importers.msts:MSTS",
        "parquet": "vlsu.data.importers.tabular:PARQUET",
        "siuo": "vlsu.data.importers.siuo:SIUO",
        "vlguard": "vlsu.data.importers.vlguard:VLGUARD",
        "vlsbench": "vlsu.data.importers.vlsbench:VLSBENCH",
        "vlsu": "vlsu.data.importers.vlsu:VLSU",
        "webdataset": "vlsu.data.importers.webdataset:WEBDATASET",
        "xlsx": "vlsu.data.importers.tabular:XLSX",
    },
)
#: The registry's methods, so that ``vlsu.data.importers``, this package, can be used as one.
register, get, names = importers.register, importers.get, importers.names
