"""JSON lines and JSON as sources.

A JSON document is one of: a list of objects, streamed; an object whose values are objects, each of
them a row with its key as ``key``; an object with lists of objects, the rows of which have the
list's name as ``part`` if there are several; a single object, which is one row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from vlsu._files import open_binary, open_text, read_bytes
from vlsu.data.sources.base import Entry, Source, SourceItem, columns_of
from vlsu.data.tables.records import Blank, Broken
from vlsu.data.tables.source import known_encoding, marked_encoding
from vlsu.errors import DataError

__all__ = ["LONG_NUMBER", "json_source", "read_document"]

#: Digits of a number that may not fit into 64 bits.
LONG_NUMBER = re.compile(r"\d{20}")

#: Maximum characters of a line or of an element of a list.
_MAX_LENGTH = 512 * 2**20
_CHUNK = 1 << 20
_SPACE = " \t\r\n"
_ADVICE = "write one JSON object per line"


def json_source(path: Path, encoding: str | None = None) -> Source:
    """Open JSON lines or a JSON document.

    Raises:
        UsageError: The encoding does not exist.
        DataError: The file cannot be read, or is a document that is not valid JSON.
    """
    if encoding is not None:
        encoding = known_encoding(encoding)
    try:
        with open_binary(path) as file:
            encoding = encoding or marked_encoding(file.read(4)) or "utf-8"
        kind = _shape(path, encoding)
        if kind == "lines":

            def read() -> Iterator[SourceItem]:
                return _lines(path, encoding)

        elif kind == "list":

            def read() -> Iterator[SourceItem]:
                return _elements(path, encoding)

        else:
            document = read_document(path, encoding)

            def read() -> Iterator[SourceItem]:
                return _members(document)

        columns = columns_of(read())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return Source(path, "JSON lines" if kind == "lines" else "JSON", columns, read)


def read_document(path: Path, encoding: str | None = None) -> object:
    """A JSON document of at most 256 MiB as a whole.

    Raises:
        DataError: It cannot be read or is not valid JSON.
    """
    try:
        data = read_bytes(path)
        encoding = encoding or marked_encoding(data[:4]) or "utf-8"
        return json.loads(data.decode(encoding).removeprefix("\ufeff"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(path, encoding or "utf-8", error)) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: line {error.lineno}: not valid JSON ({error.msg}, column {error.colno}); "
            "correct it there"
        ) from None
    except ValueError:
        raise DataError(f"{path}: holds a number too long for JSON; correct it") from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply for JSON; give a flat file") from None


def _shape(path: Path, encoding: str) -> str:
    """Whether a file is ``lines``, a ``list`` or another ``document``."""
    with open_text(path, encoding=encoding) as file:
        try:
            first = file.readline(_MAX_LENGTH).lstrip("\ufeff").strip()
            while not first and (line := file.readline(_MAX_LENGTH)):
                first = line.strip()
            more = next((line for line in file if line.strip()), "").strip()
        except UnicodeDecodeError as error:
            raise DataError(_undecodable(path, encoding, error)) from None
    if not first:
        raise DataError(f"{path}: the file is empty; give a file with rows")
    if first.startswith("["):
        return "list"
    try:
        tree = orjson.loads(first)
    except orjson.JSONDecodeError:
        # A first line that is broken, with others that are objects, is one bad row of many.
        return "lines" if first.endswith("}") and more.startswith("{") else "document"
    alone = not more and isinstance(tree, dict)
    return "document" if alone and _has_rows(tree) else "lines"


def _has_rows(tree: Mapping[str, object]) -> bool:
    """Whether an object is a container of rows and not a row."""
    values = list(tree.values())
    if any(isinstance(tree.get(name), str) for name in ("text", "image", "image_url", "id")):
        return False
    return bool(values) and (
        all(isinstance(value, dict) for value in values) or any(_is_rows(value) for value in values)
    )


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _lines(path: Path, encoding: str) -> Iterator[SourceItem]:
    number = 0
    try:
        with open_text(path, encoding=encoding, newline="\n") as file:
            while line := file.readline(_MAX_LENGTH):
                number += 1
                if len(line) >= _MAX_LENGTH:
                    yield Broken(number, number, "too long", "", _ADVICE)
                    while line and not line.endswith("\n"):
                        line = file.readline(_MAX_LENGTH)
                    continue
                text = (line.removeprefix("\ufeff") if number == 1 else line).strip()
                yield _object(text, number) if text else Blank(number, number)
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(path, encoding, error)) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _object(text: str, number: int) -> Entry | Broken:
    try:
        if LONG_NUMBER.search(text):
            raise ValueError  # orjson would round it
        tree: object = orjson.loads(text)
    except ValueError:
        try:  # NaN, and numbers of any length
            tree = json.loads(text)
        except (ValueError, RecursionError) as error:  # or a number of thousands of digits
            at = f"column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            return Broken(number, number, "not valid JSON", at, _ADVICE)
    return _entry(tree, number)


def _entry(tree: object, number: int) -> Entry | Broken:
    if isinstance(tree, dict):
        return Entry(number, tree)
    return Broken(number, number, "not a JSON object", type(tree).__name__, _ADVICE)


def _elements(path: Path, encoding: str) -> Iterator[SourceItem]:
    """The elements of a list, of which a part of bounded size is in memory."""
    decoder = json.JSONDecoder()
    line = 1
    try:
        with open_text(path, encoding=encoding) as file:
            text = file.read(_CHUNK).lstrip("\ufeff")
            at = len(text) - len(text.lstrip(_SPACE)) + 1
            line += text.count("\n", 0, at)
            ended = False
            while True:
                start = at
                while start < len(text) and text[start] in " \t\r\n,":
                    start += 1
                line += text.count("\n", at, start)
                at = start
                if at < len(text) and text[at] == "]":
                    return
                try:
                    tree, end = decoder.raw_decode(text, at)
                    whole = end < len(text) or ended  # a number may go on
                except (ValueError, RecursionError) as error:
                    if ended or len(text) - at > _MAX_LENGTH:
                        raise _broken_list(path, line, error) from None
                    whole = False
                if not whole:
                    # Doubling keeps the time linear in an element of many chunks.
                    more = file.read(max(_CHUNK, len(text) - at))
                    ended = not more
                    text, at = text[at:] + more, 0
                    continue
                yield _entry(tree, line)
                line += text.count("\n", at, end)
                at = end
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(path, encoding, error)) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _broken_list(path: Path, line: int, error: Exception) -> DataError:
    reason = "nested too deeply"
    if isinstance(error, ValueError):
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number too long"
    return DataError(
        f"{path}: line {line}: the element that begins there is not valid JSON ({reason}); "
        "correct it, or download the file again"
    )


def _members(document: object) -> Iterator[SourceItem]:
    if not isinstance(document, dict):
        yield _entry(document, 1)
        return
    number = 0
    lists = {str(name): value for name, value in document.items() if _is_rows(value)}
    if lists and _has_rows(document):
        for name, rows in lists.items():
            for row in rows:
                number += 1
                yield Entry(number, {"part": name, **row} if len(lists) > 1 else row)
    elif _has_rows(document):
        for key, row in document.items():
            number += 1
            yield Entry(number, {"key": str(key), **row})
    else:
        yield Entry(1, document)


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    return (
        f"{path}: byte 0x{error.object[error.start]:02X} is not {encoding.upper()} text; save the "
        "file as UTF-8, or give --encoding"
    )
