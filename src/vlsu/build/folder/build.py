"""A build: made, or opened again, and how far it is."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlsu._folders import among_images, foreign_names
from vlsu._text import quoted
from vlsu.build.folder.records import STAGES
from vlsu.build.folder.settings import (
    BUILD_FILE,
    DATABASE_FILE,
    GRADES_FOLDER,
    INDEX_FOLDER,
    POLICY_FILE,
    RESPONSES_FILE,
    Settings,
    read,
    write,
)
from vlsu.build.folder.stalled import PATIENCE, stalled
from vlsu.build.folder.store import Store
from vlsu.build.folder.work import stages
from vlsu.build.plan.cells import Cell, closed_cells, wanted_by_cell
from vlsu.build.plan.progress import Count, forecast, why_short
from vlsu.build.plan.targets import Targets
from vlsu.build.rails.rules import Rails, default_rails
from vlsu.data.images.store import ImageStore
from vlsu.errors import BuildError, UsageError
from vlsu.policy import Pattern, Policy, Severity, load_policy
from vlsu.runs.writing import locked

__all__ = ["Build", "init", "open_build", "provenance", "status"]


_OWN = frozenset(
    {
        *(POLICY_FILE, BUILD_FILE, f"{BUILD_FILE}.part", ".lock"),
        *("images", INDEX_FOLDER, GRADES_FOLDER),
    }
)


@dataclass(frozen=True, slots=True)
class Build:
    """A build's folder, opened.

    Attributes:
        folder: Where it is.
        settings: Of ``build.yaml``.
        policy: Of ``policy.yaml``.
        rails: What is never built.
        wanted: Samples of every cell.
        closed: Patterns and categories that are never built, and why.
    """

    folder: Path
    settings: Settings
    policy: Policy
    rails: Rails
    wanted: Mapping[Cell, int]
    closed: Mapping[tuple[Pattern, str | None], str]

    @property
    def images(self) -> ImageStore:
        """The images that were found: ``images/`` in the folder."""
        return ImageStore(self.folder)

    @property
    def responses_file(self) -> Path:
        """The answers of all models that write, by request key."""
        return self.folder / RESPONSES_FILE

    @property
    def index_folder(self) -> Path:
        """Indexes of the sources; made anew if it is deleted."""
        return self.folder / INDEX_FOLDER

    @property
    def grades_folder(self) -> Path:
        """Runs of the pre-grader."""
        return self.folder / GRADES_FOLDER

    def store(self, *, read_only: bool = False) -> Store:
        """Its records; to be closed by the caller."""
        return Store(self.folder / DATABASE_FILE, read_only=read_only)


def init(
    folder: Path,
    policy: Policy,
    *,
    languages: Sequence[str] = ("en",),
    targets: Targets | None = None,
    sources: Sequence[str] = (),
    seed: int = 0,
) -> Build:
    """Make a build, or go on with the same one.

    Args:
        folder: New, empty, or of a build with the same settings.
        policy: Its categories and severities.
        languages: Of the texts.
        targets: Samples wanted; `vlsu.build.plan.targets.DEFAULT` of each pattern if not given.
        sources: Where images are looked for, as `vlsu.build.sources.base.open_source` reads them.
        seed: Of everything that is drawn.

    Raises:
        VlsuError: Something given cannot be used, or the folder holds something else.
    """
    rails = default_rails(policy)
    _require_languages(languages, rails)
    settings = Settings(
        policy=policy.identity,
        rails={"version": rails.version, "hash": rails.hash},
        languages=tuple(languages),
        targets=targets or Targets(),
        sources=tuple(sources),
        seed=seed,
    )
    wanted = _wanted(policy, settings, rails)
    if not any(wanted.values()):
        raise UsageError("--target: nothing is wanted of any pattern")
    _require_own(folder)
    with locked(folder):
        if (folder / BUILD_FILE).exists():
            there = open_build(folder)
            name = there.settings.difference(settings)
            if name is not None:
                raise BuildError(
                    f"{folder}: holds a build with other {name}; give another folder, or the same "
                    "settings to go on with it"
                )
            return there
        try:
            Store(folder / DATABASE_FILE).close()
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            write(folder, settings, policy.text, made_at=now)
        except OSError as error:
            raise BuildError(f"{folder}: cannot be written ({error.strerror})") from None
    return open_build(folder)


def open_build(folder: Path) -> Build:
    """Open a build.

    Raises:
        BuildError: It is none, or its policy or the rules are no longer those it was made with.
    """
    settings = read(folder)
    policy = load_policy(folder / POLICY_FILE)
    if policy.hash != settings.policy.get("hash"):
        raise BuildError(
            f"{folder / POLICY_FILE}: was changed after the build was made; put it back, or make "
            "another build"
        )
    rails = default_rails(policy)
    if rails.hash != settings.rails.get("hash"):
        raise BuildError(
            f"{folder}: was made under rules {quoted(str(settings.rails.get('version')))} on what "
            f"is never built, this vlsu has other ones ({rails.version}); make another build"
        )
    try:
        wanted = _wanted(policy, settings, rails)
    except UsageError as error:
        raise BuildError(f"{folder / BUILD_FILE}: {error}") from None
    closed = closed_cells(policy, settings.targets, lambda c, s: _reason(rails, c, s))
    return Build(folder, settings, policy, rails, wanted, closed)


def status(build: Build) -> dict[str, Any]:
    """How far a build is.

    Returns:
        ``cells{pattern: {category: {wanted, have, lost{stage: count}}}}``, over all languages, with
        the category ``none`` of what is safe throughout; ``cost{total, unpriced}``; ``calls``;
        ``short``, the cells by language that have less than is wanted, and why; ``closed``, what is
        never built, and why; ``stalled``, cells that are not worth more tries, and why;
        ``stages``, as `vlsu.build.folder.work.stages`; ``forecast``.
    """
    with build.store(read_only=True) as store:
        found, calls, work = store.counts(), store.calls(), stages(store)
        stuck = stalled(build.wanted, store, PATIENCE)
    counts = {
        cell: replace(found.get(cell, Count()), wanted=build.wanted.get(cell, 0))
        for cell in (*build.wanted, *(cell for cell in found if cell not in build.wanted))
    }
    cells: dict[str, dict[str, dict[str, object]]] = {}
    for pattern, category in dict.fromkeys((cell.pattern, cell.category_name) for cell in counts):
        parts = [
            count
            for cell, count in counts.items()
            if (cell.pattern, cell.category_name) == (pattern, category)
        ]
        cells.setdefault(str(pattern), {})[category] = _sum(parts).as_dict()
    whole = forecast(
        replace(
            _sum(counts.values()),
            # what one cell has too many fills no other
            wanted=sum(count.have + count.missing for count in counts.values()),
        ),
        None if calls.unpriced else calls.cost,
    )
    return {
        "cells": cells,
        "cost": {"total": calls.cost, "unpriced": calls.unpriced},
        "calls": calls.number,
        "short": [
            {**cell.as_dict(), "missing": count.missing, "reason": why_short(count)}
            for cell, count in counts.items()
            if count.missing
        ],
        "closed": [
            {"pattern": str(pattern), "category": category, "reason": reason}
            for (pattern, category), reason in build.closed.items()
        ],
        "stalled": [{**cell.as_dict(), "reason": reason} for cell, reason in stuck.items()],
        "stages": work,
        "forecast": whole.as_dict(),
    }


def provenance(store: Store, key: str) -> dict[str, Any]:
    """Where a sample is from: the entry ``provenance`` of its metadata.

    Args:
        store: Of the build.
        key: Of the pre-grade with which the sample was kept.

    Returns:
        ``{concept, query, image, pre_grades}``, each with its content and what its stage says of
        model, hash of the prompt, seed, source and licence.
    """
    chain = store.chain(key)
    names = dict(zip(STAGES, ("concept", "image", "query", "pre_grades"), strict=True))
    found = {
        names[stage]: {**record.content, **record.provenance} for stage, record in chain.items()
    }
    found["concept"].setdefault("category", chain[STAGES[0]].cell.category)
    return {name: found[name] for name in ("concept", "query", "image", "pre_grades")}


def _sum(counts: Any) -> Count:
    parts = list(counts)
    lost = {stage: sum(each.lost.get(stage, 0) for each in parts) for stage in STAGES}
    return Count(
        wanted=sum(each.wanted for each in parts),
        have=sum(each.have for each in parts),
        lost={stage: number for stage, number in lost.items() if number},
        open=sum(each.open for each in parts),
    )


def _reason(rails: Rails, category: str | None, severity: Severity) -> str | None:
    refused = rails.closed(category, severity)
    return None if refused is None else refused.reason


def _wanted(policy: Policy, settings: Settings, rails: Rails) -> dict[Cell, int]:
    return wanted_by_cell(
        policy,
        settings.targets,
        settings.languages,
        lambda category, severity: _reason(rails, category, severity),
        seed=settings.seed,
    )


def _require_languages(languages: Sequence[str], rails: Rails) -> None:
    if not languages:
        raise UsageError("--languages: give at least one, such as en")
    for language in languages:
        if language not in rails.languages:
            raise UsageError(
                f"--languages {quoted(language)}: texts can be built in "
                f"{', '.join(rails.languages)}, whose words for age are known"
            )
    if len(set(languages)) < len(languages):
        raise UsageError("--languages: one is given twice; remove it")


def _require_own(folder: Path) -> None:
    """Make a folder; refuse one with anything in it but a build, or the rest of one."""
    if wrong := among_images(folder):
        raise BuildError(f"{folder}: {wrong}; give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if found := foreign_names(folder, _is_own):
            if (folder / BUILD_FILE).exists():
                return
            raise BuildError(f"{folder}: has {quoted(found[0])} in it; give an empty folder")
    except OSError as error:
        raise BuildError(
            f"{folder}: cannot be used ({error.strerror}); give another folder"
        ) from None


def _is_own(entry: os.DirEntry[str]) -> bool:
    return entry.name in _OWN or entry.name.startswith((DATABASE_FILE, RESPONSES_FILE))
