"""Detecting a file's format and text encoding before it is read as a table."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import orjson

from vlsu._files import open_binary
from vlsu.errors import DataError, UsageError

__all__ = ["find_encoding", "marked_encoding", "other_format"]

#: Bytes at the beginning of a file that are inspected.
_HEAD = 64 * 1024
_CHUNK = 1 << 20

# UTF-32 before UTF-16, whose byte order mark is a prefix of it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: Signatures of other file formats, and their names.
_MAGIC = (
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"FEA1", "a Feather file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (xls)"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"%PDF-", "a PDF"),
    (b"{\\rtf", "an RTF text"),
    (b"\x89PNG\r\n", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"$FL2", "an SPSS file"),
)
#: Entries of ZIP archives that identify formats.
_ZIPPED = (
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (ods)"),
    (b"xl/", "an Excel workbook (xlsx)"),
    (b"word/", "a Word document"),
    (b"[Content_Types].xml", "an Excel workbook (xlsx)"),
)
#: Encodings of Python for host names and source code, not for files.
_NO_TEXTS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
_ADVICE = {
    "Git LFS": "fetch the file itself with git lfs pull",
    "web page": "download the file itself",
    "spreadsheet": "save the sheet as CSV UTF-8",
    "workbook": "save the sheet as CSV UTF-8",
    "compressed": "decompress it first",
    "archive": "unpack it first",
}
_PAGE = re.compile(r"<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_POINTER = "version https://git-lfs.github.com/"


def other_format(path: Path) -> str | None:
    """The format of a file that is not delimited text, such as ``"a Parquet file"``.

    Raises:
        OSError: It cannot be read.
    """
    with open_binary(path) as file:
        head = file.read(_HEAD)
    for magic, what in _MAGIC:
        # A column may be called PAR1, and text has no null bytes.
        if head.startswith(magic) and (b"\0" in head or not magic.isalnum()):
            return what
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((what for mark, what in _ZIPPED if mark in head), "a ZIP archive")
    if head[257:262] == b"ustar":
        return "a tar archive"
    encoding = marked_encoding(head) or "utf-8"
    return _other_text(head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n"), len(head) < _HEAD)


def _other_text(text: str, whole: bool) -> str | None:
    if text.startswith(("{", "[")):
        first, _, rest = text.partition("\n")
        if isinstance(_json(first), dict | list):
            return "JSON lines" if rest.strip() else "JSON"
        if re.match(r'\{\s*"(?:[^"\\\n]|\\.){0,1000}"\s*:', text) or re.match(r"\[\s*[\[{]", text):
            return "JSON"
        if whole and isinstance(_json(text), dict | list):
            return "JSON"
    if _PAGE.match(text):
        return "a web page"
    if text.startswith("<?xml"):
        return "XML"
    if text.startswith(_POINTER):
        return "a Git LFS pointer, not the file itself"
    return None


def _json(text: str) -> object:
    try:
        return orjson.loads(text.strip())
    except orjson.JSONDecodeError:
        return None


def find_encoding(path: Path, stated: str | None = None, *, option: str = "--encoding") -> str:
    """The encoding of a table, after checking that the whole file can be decoded.

    It is detected by a byte order mark, or by null bytes beside letters (UTF-16); otherwise it is
    UTF-8. Other encodings are not guessed, since every byte is valid in most of them.

    Args:
        path: The file.
        stated: The encoding stated by the user.
        option: The option that states it, for messages; empty if there is none.

    Raises:
        UsageError: The stated encoding does not exist.
        DataError: The file cannot be read, is not delimited text, or is not in that encoding.
    """
    try:
        if (what := other_format(path)) is not None:
            advice = next((a for word, a in _ADVICE.items() if word in what), "convert it to CSV")
            raise DataError(f"{path}: is {what}, and a CSV is expected; {advice}")
        with open_binary(path) as file:
            head = file.read(4)
        encoding = marked_encoding(head) or "utf-8"
        if stated is not None:
            known = known_encoding(stated, option)
            if head.startswith(codecs.BOM_UTF8) and not known.startswith("utf"):
                raise DataError(
                    f"{path}: begins with the mark of UTF-8, which is not {known}; leave {option} "
                    "out"
                )
            encoding = known
        _decode(path, encoding, option)
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; give a file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return encoding


def marked_encoding(head: bytes) -> str | None:
    """The encoding indicated by a file's first bytes."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    unmarked = {(False, True): "utf-16-le", (True, False): "utf-16-be"}
    return unmarked.get((head[0:1] == b"\0", head[1:2] == b"\0"))


def known_encoding(name: str, option: str = "--encoding") -> str:
    """The usual name of an encoding.

    Raises:
        UsageError: There is no such encoding of texts.
    """
    try:
        codec = codecs.lookup(name)
        "".encode(name)  # rejects codecs that are not for text, such as hex
        codecs.getincrementaldecoder(name)
        if codec.name in _NO_TEXTS:
            raise LookupError(name)
    except (LookupError, ValueError, TypeError):
        raise UsageError(
            f"{option} {name!r}: no such encoding; common ones are cp1252 (Western Europe), "
            "cp1251 (Cyrillic), shift_jis, gb18030, utf-16"
        ) from None
    return codec.name


def _decode(path: Path, encoding: str, option: str) -> None:
    """Decode a whole file in bounded memory, to check it."""
    with open_binary(path) as file:
        decoder = codecs.getincrementaldecoder(encoding)()
        offset, line = 0, 1
        while True:
            chunk = file.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(encoding, "ignore").count("\n")
                byte = error.object[error.start]
                where = offset - pending + error.start
                raise DataError(
                    f"{path}: line {line}: byte 0x{byte:02X} at offset {where} is not "
                    f"{encoding.upper()} text; save the file as UTF-8 (in a spreadsheet: CSV UTF-8)"
                    f"{_reading(byte, encoding, option)}"
                ) from None
            offset += len(chunk)
            if not chunk:
                return


def _reading(byte: int, encoding: str, option: str) -> str:
    """A hint with the byte's meaning in cp1252, the most likely other encoding."""
    if encoding != "utf-8" or not option:
        return ""
    try:
        letter = bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return f", or give {option}"
    return f", or give {option} cp1252 if it should be {letter!r}"
