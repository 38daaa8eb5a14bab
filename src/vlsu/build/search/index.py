"""The index of a build's local sources: made once, gone on with, and searched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from vlsu.build.folder.build import Build
from vlsu.build.search.bm25 import Words
from vlsu.build.search.catalogue import Catalogue
from vlsu.build.search.fusion import fused
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

    def __init__(self, catalogue: Catalogue, words: Words) -> None:
        self._catalogue, self._words = catalogue, words

    def __len__(self) -> int:
        """How many candidates it has."""
        return len(self._catalogue)

    def search(self, words: str, sentence: str, count: int) -> list[Hit]:
        """The best candidates, at most `count`, best first; the same each time.

        Args:
            words: A few search words, for BM25.
            sentence: What is to be seen, for the embedding; the words are used if it is empty.
            count: How many are wanted.
        """
        depth = max(count, DEPTH)
        rankings = {"bm25": [position for position, _ in self._words.rank(words, depth)]}
        best = fused(rankings)[:count]
        places = {
            name: {position: rank for rank, position in enumerate(ranking, 1)}
            for name, ranking in rankings.items()
        }
        return [
            Hit(
                candidate,
                {
                    **{name: places.get(name, {}).get(at) for name in ("bm25", "embedding")},
                    "hybrid": rank,
                },
                score,
            )
            for rank, ((at, score), candidate) in enumerate(
                zip(best, self._catalogue.at([at for at, _ in best]), strict=True), 1
            )
        ]

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
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), default=str)
    return build.index_folder / hashlib.sha256(canonical.encode()).hexdigest()[:16]


def open_index(
    build: Build, sources: Sequence[Source], *, progress: Progress = _no_progress
) -> Index:
    """The index of a build's local sources; made or gone on with if it is not whole.

    What was read when an earlier start was stopped is not read again. The caller has locked the
    build's folder, unless the index is whole.

    Args:
        build: In whose folder it is.
        sources: Those with a search of their own are left out.
        progress: Called with what is done and, if known, the total, step by step.

    Raises:
        MissingExtraError: The extra ``build`` is not installed.
        DataError: A source cannot be read.
        BuildError: The index cannot be written, or is damaged.
    """
    folder = index_folder(build, sources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"{folder}: cannot be made ({error.strerror})") from None
    catalogue = Catalogue(folder / "candidates.sqlite")
    try:
        for number, source in enumerate(_local(sources)):
            catalogue.add(number, source, progress)
        Words.build(
            (described(candidate) for _, candidate in catalogue.rows()),
            folder / "words",
            total=len(catalogue),
            progress=progress,
        )
        return Index(catalogue, Words(folder / "words"))
    except BaseException:
        catalogue.close()
        raise


def _local(sources: Sequence[Source]) -> list[LocalSource]:
    return [each for each in sources if isinstance(each, LocalSource)]
