"""The importer for Hugging Face datasets: a saved folder, or a downloaded repository.

See `vlsu.data.sources.folders` for what is read. Columns go to fields as in a table; a column of
the type `Image` is the image. Where there are several configurations or splits, they are kept in
the metadata. Name, licence and citation come from ``croissant.json``, else from the front matter
of the card, ``README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from vlsu._files import read_text
from vlsu._yaml import YamlError, read_yaml
from vlsu.data.importers.base import About, Importer, ImportItem, ImportOptions, SourceRows
from vlsu.data.importers.croissant import about_croissant
from vlsu.data.importers.exported import is_export
from vlsu.data.importers.tabular import read_source
from vlsu.data.sources import Entry, Source, SourceItem
from vlsu.data.sources.folders import folder_source

__all__ = ["HF", "read_hf"]

_FRONT_MATTER = re.compile(r"---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
#: Keys of a card's front matter that state name, version, licence, citation and source.
_KEYS = (
    ("pretty_name",),
    ("version",),
    ("license_name", "license"),
    ("citation",),
    ("source",),
)


def read_hf(path: Path, options: ImportOptions) -> Iterator[ImportItem | SourceRows]:
    """Read a folder of `datasets`, a downloaded repository, or one file of it.

    Raises:
        UsageError: The map names an unknown field, or one field twice.
        DataError: There are no rows, a file is damaged, or no column holds a text or an image.
    """
    source = folder_source(path)
    stated = {*options.map.values(), *source.columns}
    if "file_name" in source.columns and "image" not in stated:
        options = replace(options, map={**options.map, "file_name": "image"})
    if is_export(source.columns):
        return read_source(source, options)
    return read_source(source, options, _with_places(source))


def _with_places(source: Source) -> Iterator[SourceItem]:
    """The rows, with ``config`` and ``split`` where there are several."""
    places = [place.rpartition("/") for place in source.places]
    several = [len({place[n] for place in places}) > 1 for n in (0, 2)]
    for item in source.read():
        if isinstance(item, Entry):
            config, _, split = item.place.rpartition("/")
            values = dict(item.values)
            if several[0]:
                values.setdefault("config", config)
            if several[1]:
                values.setdefault("split", split)
            yield replace(item, values=values)
        else:
            yield item


def about_hf(path: Path) -> About:
    """What the Croissant metadata of a folder say, else its card."""
    if (described := about_croissant(path)).name:
        return described
    try:
        found = _FRONT_MATTER.match(read_text(path / "README.md"))
        tree = read_yaml(found[1]) if found else {}
    except (OSError, UnicodeDecodeError, YamlError):
        tree = {}
    stated: Mapping[object, object] = tree if isinstance(tree, dict) else {}

    def first(keys: tuple[str, ...]) -> str:
        for key in keys:
            value = stated.get(key)
            value = value[0] if isinstance(value, list) and value else value
            if isinstance(value, str | int | float) and str(value).strip() not in ("", "other"):
                return str(value).strip()
        return ""

    name, version, licence, citation, source = map(first, _KEYS)
    return About(name, version, licence, citation, source)


HF = Importer(read_hf, describe=about_hf, together=True)
