"""Stages that do what real ones do, with results that a test draws: no model, no search."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.build.folder.made import PROMPT, SEEN, record
from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import demand
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.store import Store
from vlsu.build.plan.cells import Place

__all__ = ["PlayedStages"]

CONCEPTS, IMAGES, QUERIES, GRADES = STAGES


class PlayedStages:
    """The four stages of a build.

    Args:
        build: What is wanted.
        store: Its records.
        draw: What comes of a try: a number in [0, 1) for a name; the caller decides.
        reuse: Samples that one image may be part of.
    """

    def __init__(
        self, build: Build, store: Store, draw: Callable[[str], float], *, reuse: int = 1
    ) -> None:
        self.build, self.store, self.draw, self.reuse = build, store, draw, reuse
        self.prompt = store.add_prompt("concepts", PROMPT)

    def work(self, stage: str, most: int | None = None) -> int:
        """Start a stage; `most` tries are concluded before it is killed. How many were."""
        tries = self.store.tries(stage, open_only=True)
        if not tries:
            tries = list(self.plan(stage))
            self.store.plan(tries)
        conclude = getattr(self, stage)
        for each in tries[:most]:
            conclude(each)
        return len(tries[:most])

    def plan(self, stage: str) -> Iterator[Try]:
        """New tries of a stage."""
        found = demand(self.build, self.store, reuse=self.reuse)
        before = self.store.tries(stage)
        if stage == CONCEPTS:
            for place, number in found.concepts_wanted.items():
                done = sum(Place.of(each.cell) == place for each in before)
                cell = next(cell for cell in found.cells if Place.of(cell) == place)
                yield from (Try(stage, cell, None, done + n) for n in range(number))
        elif stage == IMAGES:
            for place, number in found.images_wanted.items():
                for concept in found.concepts.get(place, ())[:number]:
                    yield next_try(stage, concept, before)
        elif stage == QUERIES:
            free = {place: iter(images) for place, images in found.images.items()}
            for cell, number in found.cells.items():
                for _, image in zip(range(number), free.get(Place.of(cell), ()), strict=False):
                    done = sum(each.subject == image.key for each in before)
                    yield Try(stage, cell, image.key, done)
        else:
            asked = {each.subject for each in before}
            for query in self.store.records(QUERIES, kept=True):
                if query.key not in asked:
                    yield Try(stage, query.cell, query.key, 0)

    def concepts(self, done: Try) -> None:
        """One concept, or none."""
        made = []
        if self.draw("concept is written") < 0.9:
            made = [record(CONCEPTS, self.prompt, None, done.cell, concept=done.key)]
        self._conclude(done, made, [self.draw("concept is kept") < 0.8 for _ in made])

    def images(self, done: Try) -> None:
        """One image, or none; or none and no more of this concept."""
        drawn = self.draw("image is found")
        if drawn < 0.25:
            self.store.conclude(done, about={"exhausted": drawn < 0.15})
            return
        made = Record(
            stage=IMAGES,
            cell=done.cell,
            content={"caption": ""},
            provenance={**SEEN, "id": done.key},
            parent=done.subject,
        )
        self._conclude(done, [made], [drawn < 0.9])

    def queries(self, done: Try) -> None:
        """No query, or up to three."""
        number = int(4 * self.draw("queries are written"))
        made = [
            record(QUERIES, self.prompt, done.subject, done.cell, text=f"{done.key} {n}")
            for n in range(number)
        ]
        self._conclude(done, made, [self.draw("query is kept") < 0.8 for _ in made])

    def grades(self, done: Try) -> None:
        """A pre-grade; of an image's queries for a cell one is kept at most."""
        query = self.store.record(str(done.subject))
        made = record(GRADES, self.prompt, query.key, done.cell)
        others = {
            each.key
            for each in self.store.children(str(query.parent))
            if each.cell == query.cell and each.key != query.key
        }
        taken = any(grade.parent in others for grade in self.store.records(GRADES, kept=True))
        drawn = self.draw("pair is on target")
        kept = drawn < 0.6 and not taken
        about = {"on_target": drawn >= 0.1} if kept else {}
        decision = Decision(made.key, kept, "" if kept else "pair is borderline", about)
        self.store.conclude(done, [made], [decision])

    def _conclude(self, done: Try, made: list[Record], kept: list[bool]) -> None:
        decisions = [
            Decision(each.key, keeps, "" if keeps else "near-duplicate")
            for each, keeps in zip(made, kept, strict=True)
        ]
        self.store.conclude(done, made, decisions)


def next_try(stage: str, subject: Record, before: list[Try]) -> Try:
    """The next try on a record."""
    done = sum(each.subject == subject.key for each in before)
    return Try(stage, subject.cell, subject.key, done)
