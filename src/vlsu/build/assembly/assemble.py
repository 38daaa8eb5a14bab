"""From the kept pre-grades of a build to a dataset: for graders, then, graded, the benchmark."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlsu.build.assembly.account import account_of
from vlsu.build.assembly.canary import canary_line, canary_of
from vlsu.build.assembly.effect import effect_of, sentences
from vlsu.build.assembly.grades import Grades, merge, read_grades
from vlsu.build.assembly.items import Item, read_items
from vlsu.build.assembly.proof import prove
from vlsu.build.assembly.selecting import (
    DUPLICATE,
    TOO_MANY,
    Likeness,
    balanced,
    likeness,
    split,
    without_duplicates,
)
from vlsu.build.assembly.shown import show
from vlsu.build.assembly.tiers import CRITICAL, STANDARD, tier_of
from vlsu.build.assembly.writing import (
    Context,
    Options,
    Part,
    divided,
    require_free,
    write_part,
)
from vlsu.build.folder.build import Build
from vlsu.build.rails.critical import critical_categories
from vlsu.data.images.store import ImageStore
from vlsu.errors import BuildError, UsageError
from vlsu.policy import MODALITIES, Pattern

__all__ = ["Assembled", "assemble"]

#: In the build's folder, while it is assembled.
_SCRATCH = ".faces"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What was assembled.

    Attributes:
        parts: The dataset, or with ``--release open`` the open and the gated one.
        graded: Whether people have graded it.
        items: What it holds.
        left_out: Reason -> samples of the build that it does not hold.
        refiled: Samples that count for another cell than the one they were made for.
        contested: Samples that graders differ on.
        unknown: Grades of samples that the build does not have, or not any more.
        proof: ``{escalating, proven, refiled}``; `None` before it.
        selection: What the pre-grader let through and threw away, as
            `vlsu.build.grading.selection.selection` tells it.
        faces: ``{mode, searched, found, blurred}``, images.
        short: Cells that hold fewer samples than wanted, and how many are missing.
        canary: The GUID.
    """

    parts: Sequence[Part]
    graded: bool
    items: Sequence[Item]
    left_out: Mapping[str, int]
    refiled: int
    contested: int
    unknown: int
    proof: Mapping[str, int] | None
    selection: Mapping[str, Any]
    faces: Mapping[str, object]
    short: Sequence[Mapping[str, object]]
    canary: str

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        counts: dict[str, dict[str, int]] = {}
        for item in self.items:
            of_pattern = counts.setdefault(str(item.pattern), {})
            name = item.now.category_name
            of_pattern[name] = of_pattern.get(name, 0) + 1
        return {
            "graded": self.graded,
            "samples": len(self.items),
            "parts": [part.as_dict() for part in self.parts],
            "cells": counts,
            "tiers": _counted(item.notes["tier"] for item in self.items),
            "splits": _counted(each for i in self.items if (each := i.metadata.get("split"))),
            "left_out": dict(self.left_out),
            "refiled": self.refiled,
            "contested": self.contested,
            "unknown": self.unknown,
            "proof": None if self.proof is None else dict(self.proof),
            "selection": dict(self.selection),
            "faces": dict(self.faces),
            "short": [dict(each) for each in self.short],
            "canary": self.canary,
        }


def assemble(
    build: Build, out: Path, options: Options, *, progress: Progress | None = None
) -> Assembled:
    """Assemble a build into a dataset folder.

    Args:
        build: Opened.
        out: New or empty, or a dataset if `options.overwrite`. With the release ``open``, the
            critical tier is written into the folder of the same name with ``-gated``.
        options: What is assembled.
        progress: Called with what is done, how far it is, and of how many.

    Raises:
        VlsuError: There is nothing to assemble, something given cannot be used, or the folder
            cannot be written.
    """
    if options.grades is None and options.release != "gated":
        raise UsageError("--release open: is for a graded benchmark; give --grades, too")
    require_free(out, options)
    left_out: Counter[str] = Counter()
    grades = None if options.grades is None else read_grades(options.grades, build.policy)
    with build.store(read_only=True) as store:
        items: Sequence[Item] = read_items(store)
        account = account_of(store)
    if not items:
        raise BuildError(f"{build.folder}: has no kept sample yet; run its stages first")
    guid = canary_of(build)
    contested = unknown = 0
    blurred_before: set[str] = set()
    if grades is not None:
        merged = merge(items, grades)
        items, contested, unknown = merged.items, merged.contested, merged.unknown
        left_out.update(merged.left_out)
        blurred_before = _blurred_before(items, grades)
    with build.store(read_only=True) as store:
        effect = effect_of(store, items)
    proof = None
    if options.proof is not None:
        items, proof = _proven(items, options.proof, build, graded=grades is not None)
    like = likeness(items, build.images)
    items = _less(items, without_duplicates(items, like), left_out, DUPLICATE)
    with _scratch(build) as folder:
        blurs = ImageStore(folder)
        shown = show(
            items,
            build.images,
            blurs,
            options.faces,
            consents=options.consents,
            blurred_before=blurred_before,
            progress=None if progress is None else lambda n, of: progress("faces", n, of),
        )
        items = shown.items
        left_out.update(shown.left_out)
        if options.balance:
            chosen = balanced(items, build.wanted, build.settings.seed)
            items = _less(items, chosen, left_out, TOO_MANY)
        if not items:
            reasons = ", ".join(f"{why} ({number})" for why, number in left_out.items())
            raise BuildError(f"{build.folder}: nothing is left to assemble: {reasons}")
        items = _noted(items, build, options, like)
        context = Context(
            build=build,
            account=account,
            options=options,
            canary=canary_line(guid),
            images=(build.images, blurs),
            left_out=dict(left_out),
            faces=shown.sentences(options.faces),
            grades=grades,
            selected=sentences(effect),
        )
        parts = [
            write_part(context, folder, those, gated=gated)
            for folder, those, gated in divided(out, items, options)
        ]
    return Assembled(
        parts=parts,
        graded=grades is not None,
        items=items,
        left_out=dict(left_out),
        refiled=sum(item.now != item.cell for item in items),
        contested=contested,
        unknown=unknown,
        proof=proof,
        selection=effect,
        faces={
            "mode": options.faces,
            "searched": shown.searched,
            "found": shown.with_faces,
            "blurred": shown.blurred,
        },
        short=_short(items, build),
        canary=guid,
    )


@contextmanager
def _scratch(build: Build) -> Iterator[Path]:
    """A folder for pictures that are on their way; what a killed start left there is deleted."""
    folder = build.folder / _SCRATCH
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as error:
        raise BuildError(f"{folder}: cannot be made ({error.strerror})") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _noted(items: Sequence[Item], build: Build, options: Options, like: Likeness) -> list[Item]:
    """The items with their tier and the part of the split that they are in."""
    parts = split(items, like, options.shares, build.settings.seed) if options.shares else {}
    critical = critical_categories(build.policy, build.rails)
    found = []
    for item in items:
        tier = _tier(item, critical)
        metadata = {**item.metadata, **({"split": parts[item.id]} if parts else {})}
        found.append(replace(item, notes={**item.notes, "tier": tier}, metadata=metadata))
    return found


def _tier(item: Item, critical: Collection[str]) -> str:
    """The tier by people, of whichever part they name a critical category of.

    Before they have graded it is the stricter of target and pre-grades.
    """
    patterns = [item.pattern]
    if not item.grades and len(item.pre_graded) == len(MODALITIES):
        patterns.append(Pattern(*(item.pre_graded[modality] for modality in MODALITIES)))
    named = {item.category, *item.categories.values()}
    tiers = {tier_of(critical, each, pattern) for each in named for pattern in patterns}
    return CRITICAL if CRITICAL in tiers else STANDARD


def _proven(
    items: Sequence[Item], path: Path, build: Build, *, graded: bool
) -> tuple[list[Item], dict[str, int]]:
    if not graded:
        raise UsageError("--proof-grades: are for a graded benchmark; give --grades, too")
    done = prove(items, read_grades(path, build.policy, ("joint",)))
    escalating = sum("escalation" in item.notes for item in done.items)
    return done.items, {
        "escalating": escalating,
        "proven": done.proven,
        "refiled": done.refiled,
    }


def _blurred_before(items: Sequence[Item], grades: Grades) -> set[str]:
    """Images that graders were shown with faces blurred."""
    return {
        item.image
        for item in items
        if (seen := grades.samples[item.id].image) is not None and seen != item.image
    }


def _less(
    items: Sequence[Item], kept: Sequence[Item], left_out: Counter[str], reason: str
) -> Sequence[Item]:
    if len(kept) < len(items):
        left_out[reason] += len(items) - len(kept)
    return kept


def _short(items: Sequence[Item], build: Build) -> list[dict[str, object]]:
    have = Counter(item.now for item in items)
    return [
        {**cell.as_dict(), "missing": wanted - have[cell]}
        for cell, wanted in build.wanted.items()
        if have[cell] < wanted
    ]


def _counted(values: Iterable[object]) -> dict[str, int]:
    return {str(name): number for name, number in Counter(values).most_common()}
