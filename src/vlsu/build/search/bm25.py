"""Ranking by words: BM25 as Lucene computes it, with `bm25s`, from files mapped into memory."""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlsu.build.search.words import words_of
from vlsu.errors import BuildError, MissingExtraError

__all__ = ["Words", "best", "require_bm25s"]

_REPORT_EVERY = 10_000
_EMPTY = "empty.json"  # marks an index without any word


class Words:
    """The words of all candidates, and the ranks that words give them.

    Args:
        folder: Where `Words.build` put them.

    Raises:
        MissingExtraError: The extra ``build`` is not installed.
        BuildError: The files cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        library = require_bm25s()
        self._retriever = None
        if (folder / _EMPTY).exists():
            return
        try:
            self._retriever = library.BM25.load(folder, mmap=True, show_progress=False)
        except (OSError, ValueError, KeyError, TypeError):
            raise BuildError(
                f"{folder}: is damaged; remove the folder {folder.parent}, which is made anew"
            ) from None

    @staticmethod
    def build(
        texts: Iterable[str],
        folder: Path,
        *,
        total: int,
        progress: Callable[[int, int | None], None] = lambda done, total: None,
    ) -> None:
        """Index texts by their positions; the folder appears when it is whole.

        Args:
            texts: What describes each candidate, in the order of their positions.
            folder: Made; one that is there is kept.
            total: How many texts there are.
            progress: Called with the texts that were read.

        Raises:
            MissingExtraError: The extra ``build`` is not installed.
            BuildError: The folder cannot be written.
        """
        library = require_bm25s()
        if folder.exists():
            return
        vocabulary: dict[str, int] = {}
        ids, starts = array("i"), array("q", [0])
        for position, text in enumerate(texts, 1):
            ids.extend(vocabulary.setdefault(word, len(vocabulary)) for word in words_of(text))
            starts.append(len(ids))
            if position % _REPORT_EVERY == 0:
                progress(position, total)
        part = folder.with_name(f"{folder.name}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            if vocabulary:
                _save(library, vocabulary, _Documents(ids, starts), part)
            else:
                (part / _EMPTY).write_text(json.dumps({"texts": total}), encoding="utf-8")
            part.rename(folder)
        except OSError as error:
            why = error.strerror or "is the disk full?"  # which NumPy does not say
            raise BuildError(f"{folder}: cannot be written ({why})") from None

    def scores(self, text: str) -> NDArray[np.float32] | None:
        """The score of each candidate by position; `None` where none shares a word."""
        if self._retriever is None:
            return None
        known = [word for word in words_of(text) if word in self._retriever.vocab_dict]
        if not known:
            return None
        found: NDArray[np.float32] = self._retriever.get_scores(known)
        return found


def best(scores: NDArray[np.float32], count: int) -> list[int]:
    """Positions of the highest scores above 0, highest first; of equal ones the first comes first.

    Example:
        >>> best(np.array([0, 2, 1, 2], dtype=np.float32), 2)
        [1, 3]
    """
    (found,) = np.nonzero(scores > 0)
    if len(found) > count:
        least = np.partition(scores[found], -count)[-count] if count else np.inf
        found = found[scores[found] >= least]
    order = np.lexsort((found, -scores[found]))[:count]
    return [int(position) for position in found[order]]


class _Documents:
    """Documents as lists of numbers, out of two flat arrays: a fraction of the memory of lists."""

    def __init__(self, ids: array[int], starts: array[int]) -> None:
        self._ids, self._starts = ids, starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[list[int]]:
        for index in range(len(self)):
            yield self._ids[self._starts[index] : self._starts[index + 1]].tolist()


def _save(library: Any, vocabulary: dict[str, int], documents: _Documents, folder: Path) -> None:
    retriever = library.BM25(method="lucene", backend="numpy", csc_backend="numpy")
    retriever.scores = retriever.build_index_from_ids(
        unique_token_ids=list(range(len(vocabulary))),
        corpus_token_ids=documents,
        show_progress=False,
    )
    retriever.vocab_dict = vocabulary
    retriever.save(folder, show_progress=False)


def require_bm25s() -> Any:
    """The library.

    Raises:
        MissingExtraError: The extra ``build`` is not installed.
    """
    try:
        return import_module("bm25s")
    except ModuleNotFoundError:
        raise MissingExtraError("searching for images", "build") from None
