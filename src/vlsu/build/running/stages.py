"""The four stages with all that they need, as the loop calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from vlsu.build.asking.asking import Writer
from vlsu.build.concepts.stage import make_concepts
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import STAGES
from vlsu.build.folder.stage_report import StageReport
from vlsu.build.grading.stage import Grader, grade_queries
from vlsu.build.images.index import Index
from vlsu.build.images.options import Options
from vlsu.build.images.pre_filter import PreFilter
from vlsu.build.images.stage import find_images
from vlsu.build.queries.stage import QueryOptions, write_queries
from vlsu.build.running.loop import Stage
from vlsu.build.sources.base import Source
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.progress import Progress

__all__ = ["Parts", "stages_of"]

#: Shows the progress of one stage while its context is entered.
Shown = Callable[[], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Who and what a build's stages work with.

    Attributes:
        writers: The first writes concepts and queries; the others are asked for queries that the
            one before refused, where that is approved.
        grader: Pre-grades.
        sources: Where images are looked for, opened; the caller closes them.
        index: Over those without a search of their own.
        images: What images may be taken.
        queries: How queries are asked for.
        budget: What this start may spend, over all models and stages.
    """

    writers: Sequence[Writer]
    grader: Grader
    sources: Sequence[Source]
    index: Index | None
    images: Options
    queries: QueryOptions
    budget: Budget


def stages_of(parts: Parts, shown: Shown) -> Mapping[str, Stage]:
    """The stages, by their names.

    Args:
        parts: Who and what they work with.
        shown: Entered for each start of a stage.
    """
    options = parts.images
    if options.model is not None:  # what it costs counts too
        options = replace(options, model=PreFilter(options.model.writer, parts.budget))

    def concepts(build: Build) -> StageReport:
        with shown() as progress:
            return make_concepts(build, parts.writers[0], budget=parts.budget, progress=progress)

    def images(build: Build) -> StageReport:
        with shown() as progress:
            return find_images(build, parts.sources, parts.index, options, progress=progress)

    def queries(build: Build) -> StageReport:
        with shown() as progress:
            return write_queries(
                build, parts.writers, parts.queries, budget=parts.budget, progress=progress
            )

    def grades(build: Build) -> StageReport:
        parts.budget.price = parts.grader.limits.price
        with shown() as progress:
            return grade_queries(build, parts.grader, budget=parts.budget, progress=progress)

    return dict(zip(STAGES, (concepts, images, queries, grades), strict=True))
