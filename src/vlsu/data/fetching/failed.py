"""The list of the addresses that gave no image: ``fetch-failed.csv`` beside the dataset."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from urllib.parse import urlsplit

from vlsu.data.fetching.journal import Journal
from vlsu.data.tables.spreadsheets import escape_formula
from vlsu.errors import DataError

__all__ = ["FAILED_FILE", "write_failed"]

#: The list's name, in the dataset's folder.
FAILED_FILE = "fetch-failed.csv"


def write_failed(folder: Path, journal: Journal) -> Path | None:
    """Write the list, for a mirror to be found by; of an earlier start none is left.

    Its columns are ``id`` (of the first sample with the address), ``image_url`` (without user and
    password) and ``reason``.

    Returns:
        The file; `None` if nothing failed.

    Raises:
        DataError: It cannot be written.
    """
    file = folder / FAILED_FILE
    temporary = folder / f".{FAILED_FILE}-{os.getpid()}.tmp"
    count = 0
    try:
        with temporary.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("id", "image_url", "reason"))
            for _, sample, url, reason in journal.failed():
                cells = (sample, _without_password(url), reason)
                writer.writerow([escape_formula(cell) for cell in cells])
                count += 1
        if not count:
            file.unlink(missing_ok=True)
            return None
        temporary.replace(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be written ({error.strerror}); free space") from None
    finally:
        temporary.unlink(missing_ok=True)
    return file


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return url.rpartition("@")[2]
