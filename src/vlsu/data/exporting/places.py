"""Where an export and its documents go, so that nothing but a former export is replaced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import orjson

from vlsu._files import read_bytes
from vlsu._folders import Kind, among_images, foreign_names, require_replaceable
from vlsu.data.exporting.croissant import MARK
from vlsu.errors import UsageError

__all__ = ["CROISSANT", "DATASHEET", "beside", "comment", "require_folder", "write_text"]

CROISSANT, DATASHEET = "croissant.json", "DATASHEET.md"


def beside(path: Path, name: str) -> Path:
    """Where a document about a single file goes: beside it, unless another's document is there.

    Raises:
        UsageError: Other files are in both of its places.
    """
    usual = path.parent / name
    if not usual.exists() or _describes(usual, path.name):
        return usual
    other = path.with_name(f"{path.name}.{name}")
    kind = Kind(f"document of {path.name}", lambda document: _describes(document, path.name))
    require_replaceable(other, "--out", kind)
    return other


def _describes(document: Path, name: str) -> bool:
    """Whether a document was written by this package for the file of that name."""
    try:
        data = read_bytes(document)
        if document.name.endswith(".md"):
            return data.startswith(comment(name).encode())
        tree = orjson.loads(data)
        return MARK in tree and [each["contentUrl"] for each in tree["distribution"]] == [name]
    except (OSError, ValueError, TypeError, KeyError):
        return False


def comment(name: str) -> str:
    """The first line of a datasheet that was written for the file of that name."""
    return f"<!-- Written by vlsu data export for {name} -->\n"


def require_folder(path: Path) -> None:
    """Refuse a place that holds anything but an export.

    Raises:
        UsageError: It is a file, or a folder with other files.
    """
    if path.name in ("", ".."):
        raise UsageError(f"{path}: give --out the name of a new folder")
    if wrong := among_images(path):
        raise UsageError(f"{path}: {wrong}; choose another --out")
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not path.is_dir():
        raise UsageError(f"{path}: is a file; give --out the name of a new folder")
    if not foreign_names(path, lambda _: False) or _is_export(path):
        return
    raise UsageError(
        f"{path}: holds other files and is no export of a dataset; choose a new folder"
    )


def _is_export(folder: Path) -> bool:
    """Whether a folder is an export of this package, and nothing was put into it since."""
    try:
        tree = orjson.loads(read_bytes(folder / CROISSANT))
        listed = tree[MARK]["vlsu:files"]
        return not foreign_names(folder, lambda entry: entry.name in listed)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
