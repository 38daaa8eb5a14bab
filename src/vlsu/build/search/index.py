"""The index of a build's local sources: made once, gone on with, and searched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vlsu.build.folder.build import Build
from vlsu.build.search.bm25 import Words, best, require_bm25s
from vlsu.build.search.catalogue import Catalogue
from vlsu.build.search.embedders import AUTO, NO_EMBEDDING, Embedder, Vector, open_embedder
from vlsu.build.search.fusion import fused
from vlsu.build.search.meaning import Meaning
from vlsu.build.search.vectors import Vectors
from vlsu.build.search.words import described
from vlsu.build.sources.base import Candidate, LocalSource, Source
from vlsu.errors import BuildError

__all__ = ["FORMAT", "Hit", "Index", "index_folder", "open_index"]

#: Part of what an index is named by: another one is made when words are read in another way.
FORMAT = 1
#: Candidates of each ranking that are fused, at least; more are where more are asked for.
DEPTH = 200

Progress = Callable[[int, int | None], None]


def _no_progress(done: int, total: int | None) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Hit:
    """An image that was found.

    Attributes:
        candidate: What its source says of it.
        ranks: From 1, by ``bm25``, ``embedding`` and ``hybrid``; `None` where it is not among what
            that ranking gave. Provenance of an image keeps them as ``rank``.
        score: By which the ranking was made; comparable within one search only.
    """

    candidate: Candidate
    ranks: Mapping[str, int | None]
    score: float


class Index:
    """The local sources of a build, searched by words and by meaning.

    Use it as a context manager, or close it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        words: Words,
        meaning: Meaning | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._catalogue, self._words = catalogue, words
        self._meaning, self._embedder = meaning, embedder

    def __len__(self) -> int:
        """How many candidates it has."""
        return len(self._catalogue)

    @property
    def embedding(self) -> str:
        """What ranks by meaning; ``none`` if nothing does."""
        return NO_EMBEDDING if self._embedder is None else self._embedder.spec

    @property
    def unreadable(self) -> int:
        """How many images could not be read when they were to be embedded."""
        return self._catalogue.unreadable()

    def search(self, words: str, sentence: str, count: int) -> list[Hit]:
        """The best candidates, at most `count`, best first; the same each time.

        Args:
            words: A few search words, for BM25; the sentence is used if it is empty.
            sentence: What is to be seen, for the embedding; the words are used if it is empty.
            count: How many are wanted.
        """
        if count < 1:
            return []
        depth = max(count, DEPTH)
        by_words = self._words.scores(words if words.strip() else sentence)
        query = self._query(sentence if sentence.strip() else words)
        rankings = {
            "bm25": [] if by_words is None else best(by_words, depth),
            "embedding": [] if query is None else _given(self._meaning).rank(query, depth),
        }
        found = self._fused(
            by_words, query, sorted({at for each in rankings.values() for at in each})
        )
        places = {
            name: {at: rank for rank, at in enumerate(ranking, 1)}
            for name, ranking in rankings.items()
        }
        candidates = self._catalogue.at([at for at, _ in found[:count]])
        return [
            Hit(
                candidate,
                {**{name: ranks.get(at) for name, ranks in places.items()}, "hybrid": rank},
                score,
            )
            for rank, ((at, score), candidate) in enumerate(zip(found, candidates, strict=False), 1)
        ]

    def _query(self, sentence: str) -> Vector | None:
        if self._embedder is None or not sentence.strip():
            return None
        (vector,) = self._embedder.texts([sentence])
        return vector

    def _fused(
        self,
        by_words: NDArray[np.float32] | None,
        query: Vector | None,
        positions: Sequence[int],
    ) -> list[tuple[int, float]]:
        words = np.zeros(len(positions), dtype=np.float64)
        if by_words is not None:
            words += by_words[np.asarray(positions, dtype=np.int64)] / float(by_words.max())
        if query is None or self._embedder is None:
            return fused(positions, words, np.zeros(len(positions)), 0.0)
        meaning = _given(self._meaning).scores(query, positions)
        return fused(positions, words, meaning, self._embedder.hybrid_share)

    def close(self) -> None:
        """Release its files."""
        self._catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def index_folder(build: Build, sources: Sequence[Source]) -> Path:
    """Where the index of these sources is: ``B/index/`` and the hash of what they hold."""
    said = {
        "format": FORMAT,
        "sources": [{"spec": each.spec, "identity": each.identity()} for each in _local(sources)],
    }
    return build.index_folder / _hash(said)


def open_index(
    build: Build,
    sources: Sequence[Source],
    *,
    embedding: str = AUTO,
    progress: Progress = _no_progress,
) -> Index:
    """The index of a build's local sources; made or gone on with if it is not whole.

    What was read or embedded when an earlier start was stopped is not read or embedded again; nor
    is what another index of the build has embedded. The caller has locked the build's folder,
    unless the index is whole.

    Args:
        build: In whose folder it is.
        sources: Those with a search of their own are left out.
        embedding: What ranks by meaning, as `vlsu.build.search.embedders.open_embedder` reads it.
        progress: Called with what is done and, if known, the total, step by step.

    Raises:
        UsageError: There is no such embedding.
        MissingExtraError: An extra is not installed.
        DataError: A source cannot be read.
        ModelError: The model of an embedding cannot be loaded.
        BuildError: The index cannot be written, or is damaged.
    """
    require_bm25s()
    folder = index_folder(build, sources)
    embedder = open_embedder(embedding, build.index_folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"{folder}: cannot be made ({error.strerror})") from None
    catalogue = Catalogue(folder / "candidates.sqlite")
    try:
        local = _local(sources)
        for number, source in enumerate(local):
            catalogue.add(number, source, progress)
        Words.build(
            (described(candidate) for _, _, candidate in catalogue.rows()),
            folder / "words",
            total=len(catalogue),
            progress=progress,
        )
        words = Words(folder / "words")
        if embedder is None:
            return Index(catalogue, words)
        meaning = _meaning(build, folder, catalogue, local, embedder, progress)
        return Index(catalogue, words, meaning, embedder)
    except BaseException:
        catalogue.close()
        raise


def _meaning(
    build: Build,
    folder: Path,
    catalogue: Catalogue,
    sources: Sequence[LocalSource],
    embedder: Embedder,
    progress: Progress,
) -> Meaning:
    said = _hash(embedder.identity())
    path = folder / f"meaning-{_hash([said, embedder.image_share])}.f16"
    vectors = Vectors(build.index_folder / f"vectors-{said}.sqlite", embedder)
    try:
        Meaning.build(catalogue, sources, embedder, vectors, path, progress=progress)
    finally:
        vectors.close()
    return Meaning(path, embedder.dimensions, len(catalogue))


def _hash(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _given(meaning: Meaning | None) -> Meaning:
    assert meaning is not None
    return meaning


def _local(sources: Sequence[Source]) -> list[LocalSource]:
    return [each for each in sources if isinstance(each, LocalSource)]
