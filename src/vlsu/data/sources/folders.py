"""Folders of `datasets` and repositories of the Hugging Face hub, as one source of rows.

Read are, the first that is there: what `Dataset.save_to_disk` wrote (Arrow files listed in
``state.json``, below each split of ``dataset_dict.json``); every Parquet file; the table of an
image folder (``metadata.jsonl``, ``metadata.csv`` or ``metadata.parquet``, whose ``file_name``
names the image); every file of JSON lines, JSON, CSV or Arrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from vlsu._files import read_text
from vlsu.data.sources.base import Entry, Source, SourceItem
from vlsu.data.sources.columnar import arrow_source, class_names
from vlsu.data.sources.opening import open_source
from vlsu.errors import DataError

__all__ = ["Part", "folder_parts", "folder_source"]

_SHARD = re.compile(r"-\d{5}-of-\d{5}$|^\d{4,}$")
_TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_SUFFIXES = {".jsonl", ".json", ".csv", ".tsv", ".arrow"}
#: Files that describe a dataset and hold no rows.
_NOT_ROWS = {"dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json"}


@dataclass(frozen=True, slots=True)
class Part:
    """A file of rows, with the configuration and the split that it belongs to."""

    source: Source
    config: str
    split: str

    @property
    def place(self) -> str:
        """Configuration and split."""
        return f"{self.config}/{self.split}"


def folder_parts(path: Path) -> list[Part]:
    """The files of rows of a folder, or a single file of one.

    Raises:
        DataError: There is no such folder, it holds no rows, or a file of it is damaged.
    """
    if path.is_file():
        parts = [_part(path, path.parent)]
    elif path.is_dir():
        parts = _saved(path) or _found(path)
    else:
        raise DataError(f"{path}: no such file or folder")
    if not parts:
        raise DataError(
            f"{path}: no Parquet, Arrow, JSON lines or CSV file in this folder; give the folder of "
            "a downloaded dataset"
        )
    return parts


def folder_source(path: Path) -> Source:
    """Open a folder, or a single file of one.

    Rows are numbered through all files. `Entry.place` is the row's configuration and split.

    Raises:
        DataError: There is no such folder, it holds no rows, or a file of it is damaged.
    """
    parts = folder_parts(path)

    def read() -> Iterator[SourceItem]:
        number = 0
        for part in parts:
            for item in part.source.read():
                number += 1
                if isinstance(item, Entry):
                    yield replace(item, line=number, place=part.place)
                else:
                    yield replace(item, line=number)

    columns = dict.fromkeys(name for part in parts for name in part.source.columns)
    places = tuple(dict.fromkeys(part.place for part in parts))
    return Source(path, "a folder of datasets", tuple(columns), read, places)


def _saved(path: Path) -> list[Part]:
    """The parts of what `save_to_disk` wrote; none if it is no such folder."""
    splits = _json(path / "dataset_dict.json")
    if isinstance(splits, dict) and isinstance(splits.get("splits"), list):
        names = [_plain_name(name) for name in splits["splits"]]
        return [part for name in names if name for part in _shards(path / name)]
    return _shards(path)


def _plain_name(name: object) -> str:
    """A name of a file or folder directly below another; empty if it leads elsewhere."""
    return name if isinstance(name, str) and Path(name).name == name != ".." else ""


def _shards(folder: Path) -> list[Part]:
    state = _json(folder / "state.json")
    if not isinstance(state, dict):
        return []
    info = folder / "dataset_info.json"
    classes = class_names(read_text(info)) if info.is_file() else {}
    split = str(state.get("_split") or folder.name)
    return [
        Part(arrow_source(folder / name, stream=True, classes=classes), "", split)
        for each in state.get("_data_files") or ()
        if isinstance(each, dict) and (name := _plain_name(each.get("filename")))
    ]


def _found(path: Path) -> list[Part]:
    files = sorted(
        each
        for each in path.rglob("*")
        if each.is_file()
        and not any(part.startswith(".") for part in each.relative_to(path).parts)
        and each.name not in _NOT_ROWS
    )
    tables = [each for each in files if each.name in _TABLES]
    parquet = [each for each in files if each.suffix == ".parquet" and each.name not in _TABLES]
    texts = [each for each in files if each.suffix in _SUFFIXES]
    return [_part(each, path) for each in parquet or tables or texts]


def _part(file: Path, top: Path) -> Part:
    """A file's part: ``data/<config>/<split>-00000-of-00001.parquet`` and its like."""
    folders = [name for name in file.relative_to(top).parts[:-1] if name != "data"]
    split = _SHARD.sub("", file.stem)
    if not split or file.name in _TABLES:  # of a folder per split
        split = folders.pop() if folders else ""
    return Part(open_source(file), "/".join(folders), split)


def _json(file: Path) -> object:
    try:
        return orjson.loads(read_text(file))
    except (OSError, UnicodeDecodeError, orjson.JSONDecodeError):
        return None
