"""What services found, kept so that nothing is asked of them twice.

Only of what the rails, the licence and the stated size let pass; what is refused once its bytes are
read, or taken down, is forgotten here too. One file a search, below ``index/``: deleted, they are
asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from vlsu.build.images.offers import candidate_hash
from vlsu.build.sources.base import Candidate
from vlsu.errors import BuildError

__all__ = ["SEARCHES", "Searches", "Stored"]

#: Their folder, below that of the indexes.
SEARCHES = "searches"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a service found.

    Attributes:
        candidates: Place -> candidate, without those that were refused.
        refused: Reason -> how many were refused before they were kept here.
    """

    candidates: dict[int, Candidate]
    refused: dict[str, int]


@dataclass(slots=True)
class Searches:
    """Searches of a build.

    Attributes:
        folder: Where they are.
    """

    folder: Path
    #: `candidate_hash` -> files that have the image; `None` until it is asked for.
    _where: dict[str, set[Path]] | None = field(default=None, init=False)

    def get(self, question: object, ask: Callable[[], Stored]) -> Stored:
        """What was found for a question, asked now if it never was.

        Args:
            question: All that decides the answer, JSON-ready.
            ask: Asks; what is refused has to be left out already.

        Raises:
            DataError: Of `ask`.
            BuildError: It cannot be written.
        """
        name = hashlib.sha256(orjson.dumps(question, option=orjson.OPT_SORT_KEYS)).hexdigest()
        file = self.folder / f"{name[:32]}.json"
        found = _read(file)
        if found is None:
            found = ask()
            _write(file, found)
            if self._where is not None:
                _note(self._where, file, found)
        return found

    def forget(self, candidates: Collection[str]) -> None:
        """Leave out images, by `candidate_hash`, wherever they were found.

        Raises:
            BuildError: It cannot be written.
        """
        if not candidates:
            return
        if self._where is None:
            self._where = {}
            for file in sorted(self.folder.glob("*.json")):
                if (found := _read(file)) is not None:
                    _note(self._where, file, found)
        gone = set(candidates)
        for file in sorted({file for each in gone for file in self._where.pop(each, ())}):
            if (found := _read(file)) is not None:
                kept = {n: each for n, each in found.candidates.items() if _hash(each) not in gone}
                _write(file, Stored(kept, found.refused))


def _note(where: dict[str, set[Path]], file: Path, found: Stored) -> None:
    for each in found.candidates.values():
        where.setdefault(_hash(each), set()).add(file)


def _hash(candidate: Candidate) -> str:
    return candidate_hash(candidate.source, candidate.id)


def _read(file: Path) -> Stored | None:
    try:
        tree = orjson.loads(file.read_bytes())
        rows = {int(place): Candidate(**row) for place, row in tree["candidates"].items()}
        return Stored(rows, tree["refused"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(file: Path, found: Stored) -> None:
    rows = {str(place): asdict(each) for place, each in found.candidates.items()}
    half = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(orjson.dumps({"candidates": rows, "refused": found.refused}))
        half.replace(file)
    except (OSError, TypeError) as error:
        raise BuildError(f"{file}: cannot be written ({error})") from None
