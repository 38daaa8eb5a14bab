"""What each task contributes to a report; the rooms of the tasks hold its two implementations.

What is the same for every task - pages, documents, notices, the list of samples - is written once
against `TaskReport`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from vlsu.analysis.results import Metrics
from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.answered import Answered
from vlsu.report.charts.dots import Spec
from vlsu.report.entries import Entry
from vlsu.report.facets import Facets
from vlsu.report.sample_tables import SampleTables
from vlsu.report.table import Table
from vlsu.runs import Run

__all__ = ["Contents", "Filter", "Finding", "Ids", "PageParts", "SampleList", "TaskReport"]

#: Identifiers of samples; of a million a series takes a fifth of a list's memory.
Ids = Sequence[str] | pl.Series

#: Of the sample list: a facet, its label, and whether it is one of parts of a sample.
Filter = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Contents:
    """Tables and charts by name, in the order of the report; those without a row are not there."""

    tables: Mapping[str, Table]
    charts: Mapping[str, Spec]


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence, and the section of the page that shows more."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class SampleList:
    """How the samples of one or several runs are listed.

    `Runs` are one run, or several of one task and dataset.

    Attributes:
        columns: Of a sample's grid.
        order: The order of the list, in words.
        filters: What samples can be filtered by.
        ids: Runs -> identifiers of all samples, in that order.
        tables: A run -> what `frame` reads of it.
        frame: Runs, identifiers, the tables of each run -> the rows of these samples, with texts
            and answers whole. Of other samples the tables may lack rows.
        entries: Runs, identifiers -> what the page's script lists, read as it is taken.
        facets: Runs -> all samples in that order, and what they can be filtered by.
    """

    columns: Sequence[str]
    order: str
    filters: Sequence[Filter]
    ids: Callable[[Sequence[Run]], pl.Series]
    tables: Callable[[Run], SampleTables]
    frame: Callable[[Sequence[Run], Ids, Sequence[SampleTables]], pl.DataFrame]
    entries: Callable[[Sequence[Run], Ids], Iterator[Entry]]
    facets: Callable[[Sequence[Run]], Facets]


@dataclass(frozen=True, slots=True)
class PageParts:
    """What a page shows of a task beside what all pages show.

    Attributes:
        sections: Identifier and title of each section that this run has, in their order.
        remarks: Notes that stand below the summary.
        values: Further variables of the template.
    """

    sections: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    values: Mapping[str, object] = field(default_factory=dict)


class TaskReport(Protocol):
    """What a report shows of runs of one task.

    Attributes:
        name: The task, as ``run.yaml`` has it.
        unit: What answers are counted by: ``modality`` or ``framing``.
        template: The file of the page's template.
        samples: How the samples of a run are listed.
    """

    name: str
    unit: str
    template: str
    samples: SampleList

    def units(self, metrics: Metrics) -> Sequence[str]:
        """Names of the modalities or framings, in their order."""

    def headline(self, metrics: Metrics, enough: float = ENOUGH) -> str:
        """The result in words, with intervals, and what share was answered.

        Args:
            metrics: The content of ``metrics.json``.
            enough: The share that must be answered.
        """

    def notes(self, run: Run) -> list[str]:
        """What must be known of the model, and of the judge if there is one."""

    def findings(self, metrics: Metrics, enough: float = ENOUGH) -> list[Finding]:
        """What stands out, a sentence each."""

    def metric_tables(self, run: Run, titles: Mapping[str, str]) -> Sequence[Table]:
        """The tables that `metrics.json` holds: no judgment is read.

        Args:
            run: A finished run.
            titles: Category -> its name.
        """

    def contents(
        self, run: Run, titles: Mapping[str, str]
    ) -> tuple[Sequence[Table], dict[str, Spec]]:
        """Every table but latency and settings, and every chart, in the order of the page."""

    def caption(self, chart: str, metrics: Metrics) -> str:
        """What share of the judgments a chart rests on; empty if it is all."""

    def page_parts(self, run: Run, contents: Contents, enough: float) -> PageParts:
        """What the page shows beside what all pages show."""

    def settings(self, record: Mapping[str, Any]) -> dict[str, object]:
        """Rows of the settings that other tasks do not have."""

    def answered_parts(self, metrics: Metrics) -> list[Answered]:
        """How much was answered, by modality or framing."""

    def answered_caption(self, metrics: Metrics) -> str:
        """The shares answered in a few words; empty where all was answered."""

    def too_little(
        self,
        metrics: Metrics,
        missing: Sequence[Answered],
        unjudged: Sequence[Answered],
        bound: str,
    ) -> str:
        """That too little was answered or judged, and what follows from it.

        Args:
            metrics: The content of ``metrics.json``.
            missing: Modalities or framings of which too little was answered.
            unjudged: Those of whose answers too little was judged.
            bound: The share that would be enough, such as ``95%``.
        """

    def unparsed_remedy(self, run: Run) -> str:
        """What may help where answers could not be read."""

    def metrics_path(self, unit: str) -> str:
        """Where `metrics.json` holds a modality or framing, as `vlsu gate` addresses it."""
