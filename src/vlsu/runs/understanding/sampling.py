"""Fewer calls: a stratified sample, drawn step by step until it is large or sure enough.

A step draws, asks and counts; the next one knows what this one showed. A larger size contains every
smaller one, so a run that goes on asks only what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vlsu.analysis import Tabulation, stratified_metrics, understanding_metrics
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.results import Metrics
from vlsu.analysis.sampling.allocation import (
    STRATA,
    crossed_sizes,
    pilot_size,
    proportional_sizes,
    smallest_size,
)
from vlsu.analysis.sampling.precision import Precision
from vlsu.analysis.sampling.stratified import observed_deviations
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.analysis.understanding.levels import gives_all
from vlsu.data import Dataset
from vlsu.data.links import LINKS
from vlsu.data.marks import admissible_column, mark_columns
from vlsu.errors import UsageError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Policy, Severity
from vlsu.runs.asking.plan import ChosenSamples, Selection, Subset, rank
from vlsu.runs.understanding.history import read_history
from vlsu.runs.understanding.strata import Strata, read_grades

__all__ = ["DrawResult", "DrawnSample", "Sampling", "gold_rows", "prepare_sampling"]

#: How samples are drawn, for the record.
_BY_ITSELF = "stratified by gold grades, Neyman's sizes from the draw's own first part"
_BY_HISTORY = (
    "stratified by gold grades and by the chance of being right that a factor model of the pilot "
    "runs predicts, Neyman's sizes by that; what the pilot runs answered are control variates"
)


@dataclass(frozen=True)
class DrawResult:
    """What a draw came to.

    Attributes:
        steps: Sizes at which the results were looked at.
        metrics: Of the whole dataset, estimated; `None` if all of it was drawn.
        reached: Whether the interval is as narrow as wanted; `None` if nothing was.
    """

    steps: Sequence[int]
    metrics: Metrics | None
    reached: bool | None


@dataclass(frozen=True)
class DrawnSample(DrawResult):
    """The same, the samples that were asked about, and how they were drawn.

    Attributes:
        selection: The samples.
        table: As `Strata.table` gives it.
    """

    selection: Selection
    table: pl.DataFrame | None


@dataclass(frozen=True)
class Sampling:
    """A stratified draw, ready to start; made by `prepare_sampling`.

    Attributes:
        strata: The dataset in the order of the draw.
        modality: Whose errors the sizes of the strata go by.
        budget: Samples drawn at most; `None` for all.
        until: The precision at which the drawing stops.
        history: Earlier runs that decide the sizes, in place of the draw's own first part; they are
            what the strata were cut by.
        weights: What errors on pairs cost, for the metrics.
        severities: Those of the policy.
        levels: Those that the model can give; `None` for all.
    """

    strata: Strata
    modality: str
    budget: int | None = None
    until: Precision | None = None
    history: Sequence[tuple[str, str]] = ()
    weights: HarmWeights | None = None
    severities: tuple[Severity, ...] = tuple(Severity)
    levels: tuple[Severity, ...] | None = None

    @property
    def most(self) -> int:
        """The largest size it may come to."""
        return len(self.strata) if self.budget is None else min(self.budget, len(self.strata))

    def record(self) -> dict[str, object]:
        """What decides the draw, beside seed and dataset."""
        pilots = [{"run": run, "model": model} for run, model in self.history]
        first = {**pilots[0], "hash": self.strata.digest()} if pilots else None
        return {
            "design": _BY_HISTORY if pilots else _BY_ITSELF,
            "counts": "samples",
            "budget": self.budget,
            "until": self.until and str(self.until),
            "pilot": first,
            **({"pilots": pilots} if pilots else {}),
        }

    def expected(self) -> Selection:
        """Samples as many and much like those that will be drawn, before anything is known."""
        if self.budget is None:
            return Subset()
        return self._selection(self._sizes(_halved(self.most), None))

    async def draw(
        self,
        ask: Callable[[Selection, Selection], Awaitable[bool]],
        tabulate: Callable[[Selection, Tabulation], None],
    ) -> DrawnSample | None:
        """Draw until the budget is spent or the interval is narrow enough.

        Args:
            ask: Asks about new samples, called with those and all drawn so far; returns whether
                every one of them was asked about.
            tabulate: Counts the answers about samples into a table.

        Returns:
            The sample, or `None` if the asking was stopped.
        """
        halves = tuple(_Marking(self.strata, self.severities) for _ in range(2))
        drawing, before = self.drawing(), np.zeros_like(self.strata.population)
        sizes = next(drawing)
        while True:
            fresh = self.strata.first(sizes, before)
            whole = self._selection(sizes)
            if not await ask(ChosenSamples(fresh[0].ids + fresh[1].ids), whole):
                return None
            for chosen, tabulation in zip(fresh, halves, strict=True):
                tabulate(chosen, tabulation)
            before = sizes
            try:
                sizes = drawing.send((halves[0].cells(), halves[1].cells()))
            except StopIteration as end:
                looks: DrawResult = end.value
                table = None if looks.metrics is None else self.strata.table(sizes)
                return DrawnSample(looks.steps, looks.metrics, looks.reached, whole, table)

    def drawing(self) -> Generator[IntArray, tuple[Cells, Cells], DrawResult]:
        """The draw apart from the asking.

        Yields:
            How many samples of each stratum to have drawn next, by half; shape ``(2, H)``.
            Send the cells of all drawn so far, by half.

        Returns:
            What came of it.
        """
        population, until = self.strata.population, self.until
        halves, deviation = _halved(self._first_size()), None
        steps: list[int] = []
        while True:
            sizes = self._sizes(halves, deviation)
            cells = yield sizes
            size = sum(halves)
            steps.append(size)
            if size == len(self.strata):
                return DrawResult(steps, None, None if until is None else True)
            if deviation is None:
                deviation = observed_deviations(
                    cells,
                    MODALITIES.index(self.modality),
                    unsafe_alone=not gives_all(self.levels, self.severities),
                )
            if until is None and size < self.most:
                halves = _halved(self.most)
                continue
            metrics = self._metrics(cells)
            if until is None:
                return DrawResult(steps, metrics, None)
            half_width = until.half_width_in(metrics)
            reached = half_width is not None and half_width <= until.half_width
            if size >= self.most:
                return DrawResult(steps, metrics, reached)
            larger = self._larger(until, sizes, cells)
            if larger == halves:
                if reached:
                    return DrawResult(steps, metrics, reached)
                larger = self._grown(halves, until.next_size(half_width, sizes, population) - size)
            halves = self._affordable(halves, larger)

    def _larger(self, until: Precision, sizes: IntArray, cells: Sequence[Cells]) -> tuple[int, int]:
        """Sizes of the halves, each by the interval that the *other* half shows.

        Were a half's size decided by its own answers, one that happens to have few errors would
        look sure of itself, stop early, and keep its luck in the estimate.
        """
        population, larger = self.strata.population, []
        for half, other in ((0, 1), (1, 0)):
            # As if both halves were like the other one.
            alike = [other, other]
            half_width = until.planned_half_width_in(
                self._metrics([cells[h] for h in alike], alike)
            )
            wanted = until.next_size(half_width, sizes[alike], population[alike]) // 2
            larger.append(max(int(sizes[half].sum()), min(wanted, int(population[half].sum()))))
        return larger[0], larger[1]

    def _grown(self, halves: tuple[int, int], more: int) -> tuple[int, int]:
        """Both halves larger by as much, as far as they have samples, so many more in all."""
        first, second = self.strata.population.sum(axis=1).tolist()
        grown = min(halves[0] + max(-(-more // 2), more - (second - halves[1])), first)
        return grown, min(halves[1] + more - (grown - halves[0]), second)

    def _affordable(self, halves: tuple[int, int], larger: tuple[int, int]) -> tuple[int, int]:
        """The larger sizes of the halves, or as much of the growth as the budget leaves."""
        left, growth = self.most - sum(halves), sum(larger) - sum(halves)
        if growth <= left:
            return larger
        first = halves[0] + (larger[0] - halves[0]) * left // growth
        return first, self.most - first

    def _metrics(self, cells: Sequence[Cells], halves: Sequence[int] = (0, 1)) -> Metrics:
        """Those of the dataset; arguments as `Strata.sample`."""
        sample = self.strata.sample(cells, halves)
        return Metrics(stratified_metrics(sample, weights=self.weights, levels=self.levels))

    def _first_size(self) -> int:
        if self.strata.deviation is not None and self.until is None:
            return self.most
        return min(self.most, pilot_size(self.strata.population, self.strata.least))

    def _sizes(self, halves: tuple[int, int], deviation: FloatArray | None) -> IntArray:
        """Sizes of the strata; `deviation` is what the draw's own first part showed, if known."""
        strata, population, least = self.strata, self.strata.population, self.strata.least
        if strata.deviation is not None:
            deviation = np.stack([strata.deviation, strata.deviation])
        elif deviation is not None:
            first = min(self.most, pilot_size(population, least))
            least = proportional_sizes(population, first, least)
        else:
            return proportional_sizes(population, sum(halves), least)
        bins = population.shape[1] // STRATA
        importance = 1.0 if self.until is None else np.repeat(self.until.importance, bins)
        return crossed_sizes(population, halves, deviation * importance, least)

    def _selection(self, sizes: IntArray) -> Selection:
        if sizes.sum() >= len(self.strata):
            return Subset()
        first, second = self.strata.first(sizes)
        return ChosenSamples(first.ids + second.ids)


class _Marking(Tabulation):
    """A table whose cells say of which sample they are, where the strata need that."""

    def __init__(self, strata: Strata, severities: tuple[Severity, ...]) -> None:
        super().__init__(severities=severities)
        self._strata = strata

    def add(self, judgments: Frame, gold: Frame) -> None:
        super().add(judgments, self._strata.marked(gold.lazy().collect()))


def _halved(size: int) -> tuple[int, int]:
    return math.ceil(size / 2), size // 2


def prepare_sampling(
    dataset: Dataset,
    modalities: Sequence[str],
    policy: Policy,
    seed: int,
    *,
    budget: int | None = None,
    until: str | Precision | None = None,
    pilots: str | Path | Sequence[str | Path] = (),
    weights: HarmWeights | None = None,
    levels: tuple[Severity, ...] | None = None,
) -> Sampling | None:
    """Check what is wanted; `None` if that is no sampling at all.

    Args:
        dataset: What is drawn from.
        modalities: Those that will be asked for.
        policy: The one that the model grades by.
        seed: Of the draw.
        budget: Samples at most.
        until: A precision, such as ``"joint.f1_macro +- 0.02"``.
        pilots: Finished runs over samples of this dataset.
        weights: What errors on pairs cost, for the metrics.
        levels: The severities that the model can give; `None` for all.

    Raises:
        UsageError: The budget is too small, the metric unknown, or the pilot of no use.
        RunError: The pilot cannot be read.
    """
    pilots = [pilots] if isinstance(pilots, str | Path) else list(pilots)
    if budget is None and until is None:
        if pilots:
            raise UsageError("--pilot decides how a budget is spent; give --budget or --until too")
        return None
    severities = tuple(policy.severities)
    if isinstance(until, str):
        until = Precision.parse(until)
    if until is not None:
        until.require_in(_metrics_of_each_kind(dataset, modalities, severities, levels))
    preferred = [until.modality if until else "joint", "joint", "text", "image"]
    modality = next(m for m in preferred if m in modalities)
    strata = Strata.of(dataset, seed)
    history: Sequence[tuple[str, str]] = ()
    if pilots:
        ids, gold = read_grades(dataset)
        found = read_history(pilots, dataset, policy, ids, gold, modality)
        order = pl.Series([rank(seed, id_) for id_ in ids])
        strata, history = Strata.by_forecast(ids, gold, order, found.forecast), found.runs
    least = smallest_size(strata.least)
    if budget is not None and budget < min(least, len(strata)):
        kinds = int((strata.population.reshape(2, STRATA, -1).sum(axis=(0, 2)) > 0).sum())
        raise UsageError(
            f"--budget {budget}: {kinds} patterns need at least {least} samples to tell how sure "
            "the estimates are; give more"
        )
    return Sampling(
        strata=strata,
        modality=modality,
        budget=budget,
        until=until,
        history=history,
        weights=weights,
        severities=severities,
        levels=levels,
    )


def gold_rows(dataset: Dataset) -> pl.LazyFrame:
    """Gold grades, and what samples share, as `Tabulation` takes them."""
    return dataset.linked_frame().select(
        "joint_category",
        *(f"{m}_grade" for m in MODALITIES),
        *mark_columns(),
        admissible_column(),
        *LINKS,
        sample_id="id",
    )


def _metrics_of_each_kind(
    dataset: Dataset,
    modalities: Sequence[str],
    severities: tuple[Severity, ...],
    levels: tuple[Severity, ...] | None,
) -> Metrics:
    """Metrics of one sample of each kind there is, answered in every way: they have every key."""
    kinds = gold_rows(dataset).drop("sample_id", *LINKS).unique().collect()
    answers = pl.DataFrame({"predicted": [severity.label for severity in severities]})
    gold = (
        kinds.join(answers, how="cross")
        .with_row_index("sample_id")
        .with_columns(pl.col("sample_id").cast(pl.String))
    )
    judgments = pl.concat(
        gold.select("sample_id", "predicted", modality=pl.lit(m), outcome=pl.lit(Outcome.OK.value))
        for m in modalities
    )
    gold = gold.drop("predicted")
    return Metrics(
        understanding_metrics(judgments, gold, replicates=1, severities=severities, levels=levels)
    )
