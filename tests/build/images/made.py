"""Builds with concepts, and sources of made pictures, for tests of the stage of images."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from vlsu.build.folder.build import Build, init
from vlsu.build.folder.records import Decision, Record
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.targets import parse_targets
from vlsu.build.sources.base import Candidate
from vlsu.errors import DataError
from vlsu.policy import Pattern, default_policy

KINDS = {"minor": False, "sexual": False, "propaganda": False}


def picture(number: int, size=(320, 240), form="PNG", **options) -> bytes:
    """Smooth coloured patches, other ones for each number: no two look alike to PDQ."""
    small = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@dataclass
class Shelf:
    """A source whose images are given; it counts what is read."""

    spec: str = "shelf"
    images: dict[str, bytes] = field(default_factory=dict)
    listed: list[Candidate] = field(default_factory=list)
    read_ids: list[str] = field(default_factory=list)

    def put(self, caption: str, data: bytes, licence="CC0-1.0", **stated) -> Candidate:
        """Put an image in."""
        id_ = f"{len(self.listed):03}"
        candidate = Candidate(id=id_, source=self.spec, caption=caption, licence=licence, **stated)
        self.listed.append(candidate)
        self.images[id_] = data
        return candidate

    def identity(self) -> Mapping[str, object]:
        return {"spec": self.spec, "images": len(self.listed)}

    def candidates(self) -> Iterator[Candidate]:
        yield from self.listed

    def read(self, candidate: Candidate) -> bytes:
        self.read_ids.append(candidate.id)
        try:
            return self.images[candidate.id]
        except KeyError:
            raise DataError(f"{self.spec}: an image cannot be read") from None

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Hit:
    candidate: Candidate
    ranks: Mapping[str, int]
    score: float


@dataclass
class ByWords:
    """An index that counts common words; those that have none in common are not found."""

    shelves: Sequence[Shelf]
    asked: list[str] = field(default_factory=list)

    def search(self, words: str, sentence: str, count: int) -> list[Hit]:
        self.asked.append(words)
        wanted = set(words.lower().split())
        scored = [
            (len(wanted & set(each.caption.lower().split())), each)
            for shelf in self.shelves
            for each in shelf.candidates()
        ]
        best = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])[:count]
        return [Hit(each, {"bm25": n}, score) for n, (score, each) in enumerate(best, 1)]


def made_build(folder: Path, *targets: str, languages=("en",)) -> Build:
    """A build that wants what targets say."""
    wanted = parse_targets(targets or ["all=0", "S-S-U/C9=2"])
    return init(folder, default_policy(), languages=languages, targets=wanted)


def concept(
    build: Build, words: str, pattern="S-S-U", category="C9", kinds=KINDS, near=None
) -> str:
    """Keep a concept; its key."""
    with build.store() as store:
        prompt = store.add_prompt("concepts", "Name a place.")
        record = Record(
            stage="concepts",
            cell=Cell(Pattern.parse(pattern), category, "en"),
            content={
                "concept": f"A photograph of {words}.",
                "search": words,
                "kinds": kinds,
                "category": near or category,
            },
            provenance={"model": "made/by-hand", "prompt": prompt, "seed": 0},
        )
        (key,) = store.add([record])
        store.decide([Decision(key, kept=True)])
    return key


def renamed(shelf: Shelf, spec: str) -> Shelf:
    """The same shelf under another name."""
    listed = [replace(each, source=spec) for each in shelf.listed]
    return Shelf(spec, dict(shelf.images), listed)
