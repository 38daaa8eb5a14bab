"""Vectors by content: an image or a text that was embedded once is never embedded again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlsu.build.search.embedders import Embedder
from vlsu.errors import BuildError
from vlsu.runs.store.connections import connect

__all__ = ["Vectors"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (content BLOB PRIMARY KEY NOT NULL, vector BLOB) WITHOUT ROWID;
"""
#: Contents asked for in one statement.
_ASKED = 500


class Vectors:
    """The vectors of an embedder, in half precision, under the SHA-256 of what was embedded.

    They outlive the index that they were made for: where a source has grown, only what is new in it
    is embedded.

    Args:
        path: The SQLite file, made if need be.
        embedder: By whom they are made.

    Raises:
        BuildError: It cannot be used.
    """

    def __init__(self, path: Path, embedder: Embedder) -> None:
        self._path, self._embedder = path, embedder
        with self._errors():
            self._connection = connect(path)
            self._connection.execute("PRAGMA synchronous=NORMAL")  # can be made anew
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def images(self, images: Sequence[bytes]) -> NDArray[np.float32]:
        """Vectors of images, shape (images, dimensions); zeros of what cannot be decoded."""
        return self._all(images, [hashlib.sha256(data).digest() for data in images])

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, shape (texts, dimensions); zeros of a text without any token."""
        keys = [hashlib.sha256(b"text:" + t.encode("utf-8", "replace")).digest() for t in texts]
        return self._all(texts, keys)

    def _all(
        self, things: Sequence[bytes] | Sequence[str], keys: list[bytes]
    ) -> NDArray[np.float32]:
        known = self._known(keys)
        pairs: Iterable[tuple[bytes, bytes | str]] = zip(keys, things, strict=True)
        new = {key: each for key, each in pairs if key not in known}
        for start in range(0, len(new), self._embedder.batch):
            batch = dict(list(new.items())[start : start + self._embedder.batch])
            known |= self._made(batch)
        return np.stack([known[key] for key in keys]) if keys else self._zeros(0)

    def _made(self, batch: dict[bytes, bytes | str]) -> dict[bytes, NDArray[np.float32]]:
        images = [each for each in batch.values() if isinstance(each, bytes)]
        texts = [each for each in batch.values() if isinstance(each, str)]
        vectors = self._embedder.images(images) if images else self._embedder.texts(texts)
        halves = [None if each is None else each.astype(np.float16) for each in vectors]
        with self._errors(), self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [
                    (key, None if half is None else half.tobytes())
                    for key, half in zip(batch, halves, strict=True)
                ],
            )
        return {
            key: self._zeros() if half is None else half.astype(np.float32)
            for key, half in zip(batch, halves, strict=True)
        }

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        for start in range(0, len(keys), _ASKED):
            asked = keys[start : start + _ASKED]
            marks = ",".join("?" * len(asked))
            with self._errors():
                rows = self._connection.execute(
                    f"SELECT content, vector FROM vectors WHERE content IN ({marks})",  # noqa: S608
                    asked,
                ).fetchall()
            for content, vector in rows:
                found[content] = self._zeros() if vector is None else self._read(vector)
        return found

    def _read(self, vector: bytes) -> NDArray[np.float32]:
        if len(vector) != 2 * self._embedder.dimensions:
            raise self._damaged()
        return np.frombuffer(vector, dtype=np.float16).astype(np.float32)

    def _zeros(self, *rows: int) -> NDArray[np.float32]:
        return np.zeros((*rows, self._embedder.dimensions), dtype=np.float32)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise BuildError(f"{self._path}: cannot be used ({error})") from None
        except sqlite3.DatabaseError:
            raise self._damaged() from None

    def _damaged(self) -> BuildError:
        return BuildError(f"{self._path}: is damaged; remove it, it is made anew")
