"""Of the images that are free the one with which a sample's text is likely graded otherwise."""

from __future__ import annotations

from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import demand
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import Record
from vlsu.build.pairs.flips import flip_by_image
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.checks import Seen, never_kept, seen_of
from vlsu.build.queries.reading import Candidate
from vlsu.build.queries.wording import content_words
from vlsu.policy import Severity

__all__ = ["FreeImages"]


class FreeImages:
    """Images that nothing is under way for; each is taken once.

    Args:
        build: Whose.
        store: Its records.
    """

    def __init__(self, build: Build, store: Reader) -> None:
        self._build, self._store = build, store
        images = [each for found in demand(build, store).images.values() for each in found]
        self._left = {each.key: each for each in images}
        self._seen: dict[str, Seen] = {}
        self._words: dict[str, frozenset[str]] = {}

    def take_nearest(self, original: Record) -> tuple[Record, Cell] | None:
        """The image for another sample with the same text, and that one's cell; `None` if none.

        It is of the likeliest pattern for which there is one, and of these the one whose caption
        and concept share most words with those of the sample's own image.

        Args:
            original: The sample's query.
        """
        cell = original.cell
        own = self._words_of(self._store.record(str(original.parent)))
        for pattern in flip_by_image(cell.pattern, tuple(self._build.policy.severities)):
            categories = {cell.category}
            if pattern.joint is Severity.SAFE:
                categories.add(None)
            found = [
                (image, Cell(pattern, image.cell.category, cell.language))
                for image in self._left.values()
                if image.cell.pattern.image is pattern.image and image.cell.category in categories
            ]
            found.sort(key=lambda each: (-_overlap(own, self._words_of(each[0])), each[0].key))
            for image, goal in found:
                if self._allowed(original, image, goal):
                    del self._left[image.key]
                    return image, goal
        return None

    def _allowed(self, original: Record, image: Record, goal: Cell) -> bool:
        text, kinds = original.content["text"], original.content.get("kinds") or {}
        candidate = Candidate(str(text), dict(kinds))
        return never_kept(candidate, goal, self._seen_of(image), self._build.rails) is None

    def _seen_of(self, image: Record) -> Seen:
        if image.key not in self._seen:
            concept = self._store.record(str(image.parent))
            self._seen[image.key] = seen_of(image, concept, self._build.rails)
        return self._seen[image.key]

    def _words_of(self, image: Record) -> frozenset[str]:
        if image.key not in self._words:
            said = (content_words(each) for each in self._seen_of(image).descriptions)
            self._words[image.key] = frozenset().union(*said)
        return self._words[image.key]


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity, 0 of nothing."""
    return len(one & other) / max(1, len(one | other))
