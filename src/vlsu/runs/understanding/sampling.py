"""Fewer calls: a stratified sample, drawn step by step until it is large or sure enough.

A step draws, asks and counts; the next one knows what this one showed. A larger size contains every
smaller one, so a run that goes on asks only what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vlsu.analysis import StratifiedSample, Tabulation, stratified_metrics, understanding_metrics
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.results import Metrics
from vlsu.analysis.sampling.allocation import (
    LEAST,
    crossed_sizes,
    pilot_size,
    proportional_sizes,
    smallest_size,
)
from vlsu.analysis.sampling.precision import Precision
from vlsu.analysis.sampling.stratified import observed_deviations
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.understanding.weighted_harm import HarmWeights
from vlsu.data import Dataset
from vlsu.data.links import LINKS
from vlsu.data.marks import admissible_column, mark_columns
from vlsu.errors import RunError, UsageError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.asking.plan import ChosenSamples, Selection, Subset
from vlsu.runs.run import Run, load_run
from vlsu.runs.understanding.strata import Strata

__all__ = ["DrawResult", "DrawnSample", "Pilot", "Sampling", "gold_rows", "prepare_sampling"]


@dataclass(frozen=True)
class Pilot:
    """The variation within strata in an earlier run.

    Attributes:
        run: Its folder.
        model: Its model's SPEC.
        deviation: Of right and wrong by half and stratum, shape ``(2, STRATA)``.
    """

    run: str
    model: str
    deviation: FloatArray


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
    """The same, and the samples that were asked about."""

    selection: Selection


@dataclass(frozen=True)
class Sampling:
    """A stratified draw, ready to start; made by `prepare_sampling`.

    Attributes:
        strata: The dataset in the order of the draw.
        modality: Whose errors the sizes of the strata go by.
        budget: Samples drawn at most; `None` for all.
        until: The precision at which the drawing stops.
        pilot: An earlier run that decides the sizes, in place of the draw's own first part.
        weights: What errors on pairs cost, for the metrics.
        severities: Those of the policy.
    """

    strata: Strata
    modality: str
    budget: int | None = None
    until: Precision | None = None
    pilot: Pilot | None = None
    weights: HarmWeights | None = None
    severities: tuple[Severity, ...] = tuple(Severity)

    @property
    def most(self) -> int:
        """The largest size it may come to."""
        return len(self.strata) if self.budget is None else min(self.budget, len(self.strata))

    def record(self) -> dict[str, object]:
        """What decides the draw, beside seed and dataset."""
        pilot = self.pilot and {
            "run": self.pilot.run,
            "model": self.pilot.model,
            "hash": hashlib.sha256(self.pilot.deviation.tobytes()).hexdigest(),
        }
        return {
            "design": "stratified by gold grades, Neyman's sizes from "
            + ("the draw's own first part" if self.pilot is None else "a pilot run"),
            "counts": "samples",
            "budget": self.budget,
            "until": self.until and str(self.until),
            "pilot": pilot,
        }

    def expected(self) -> Selection:
        """Samples as many and much like those that will be drawn, before anything is known."""
        if self.budget is None:
            return Subset()
        return self._selection(self._sizes(self.most, None))

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
        halves = tuple(Tabulation(severities=self.severities) for _ in range(2))
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
                return DrawnSample(looks.steps, looks.metrics, looks.reached, whole)

    def drawing(self) -> Generator[IntArray, tuple[Cells, Cells], DrawResult]:
        """The draw apart from the asking.

        Yields:
            How many samples of each stratum to have drawn next, by half; shape ``(2, STRATA)``.
            Send the cells of all drawn so far, by half.

        Returns:
            What came of it.
        """
        population, until = self.strata.population, self.until
        size, deviation = self._first_size(), None
        steps: list[int] = []
        while True:
            sizes = self._sizes(size, deviation)
            cells = yield sizes
            steps.append(size)
            if size == len(self.strata):
                return DrawResult(steps, None, None if until is None else True)
            if deviation is None:
                deviation = observed_deviations(cells, MODALITIES.index(self.modality))
            if until is None and size < self.most:
                size = self.most
                continue
            sample = StratifiedSample.from_halves(cells, population)
            metrics = Metrics(stratified_metrics(sample, weights=self.weights))
            if until is None:
                return DrawResult(steps, metrics, None)
            half_width = until.half_width_in(metrics)
            reached = half_width is not None and half_width <= until.half_width
            if reached or size >= self.most:
                return DrawResult(steps, metrics, reached)
            size = min(self.most, until.next_size(half_width, sizes, population))

    def _first_size(self) -> int:
        if self.pilot is not None and self.until is None:
            return self.most
        return min(self.most, pilot_size(self.strata.population))

    def _sizes(self, size: int, deviation: FloatArray | None) -> IntArray:
        """Sizes of the strata; `deviation` is what the draw's own first part showed, if known."""
        population = self.strata.population
        if self.pilot is not None:
            deviation, least = self.pilot.deviation, np.minimum(population, LEAST)
        elif deviation is not None:
            least = proportional_sizes(population, min(self.most, pilot_size(population)))
        else:
            return proportional_sizes(population, size)
        importance = 1.0 if self.until is None else self.until.importance
        return crossed_sizes(population, size, deviation * importance, least)

    def _selection(self, sizes: IntArray) -> Selection:
        if sizes.sum() >= len(self.strata):
            return Subset()
        first, second = self.strata.first(sizes)
        return ChosenSamples(first.ids + second.ids)


def prepare_sampling(
    dataset: Dataset,
    modalities: Sequence[str],
    seed: int,
    *,
    budget: int | None = None,
    until: str | Precision | None = None,
    pilot: str | Path | None = None,
    weights: HarmWeights | None = None,
    severities: tuple[Severity, ...] = tuple(Severity),
) -> Sampling | None:
    """Check what is wanted; `None` if that is no sampling at all.

    Args:
        dataset: What is drawn from.
        modalities: Those that will be asked for.
        seed: Of the draw.
        budget: Samples at most.
        until: A precision, such as ``"joint.f1_macro +- 0.02"``.
        pilot: A finished run over samples of this dataset.
        weights: What errors on pairs cost, for the metrics.
        severities: Those of the policy.

    Raises:
        UsageError: The budget is too small, the metric unknown, or the pilot of no use.
        RunError: The pilot cannot be read.
    """
    if budget is None and until is None:
        if pilot is not None:
            raise UsageError("--pilot decides how a budget is spent; give --budget or --until too")
        return None
    if isinstance(until, str):
        until = Precision.parse(until)
    if until is not None:
        until.require_in(_metrics_of_each_kind(dataset, modalities, severities))
    strata = Strata.of(dataset, seed)
    least = smallest_size(strata.population)
    if budget is not None and budget < min(least, len(strata)):
        kinds = int((strata.population.sum(axis=0) > 0).sum())
        raise UsageError(
            f"--budget {budget}: {kinds} patterns need at least {least} samples to tell how sure "
            "the estimates are; give more"
        )
    preferred = [until.modality if until else "joint", "joint", "text", "image"]
    modality = next(m for m in preferred if m in modalities)
    return Sampling(
        strata=strata,
        modality=modality,
        budget=budget,
        until=until,
        pilot=None if pilot is None else _read_pilot(pilot, dataset, strata, modality),
        weights=weights,
        severities=severities,
    )


def gold_rows(dataset: Dataset) -> pl.LazyFrame:
    """Gold grades, and what samples share, as `Tabulation` takes them."""
    rows = dataset.frame().select(
        "joint_category",
        *(f"{m}_grade" for m in MODALITIES),
        *mark_columns(),
        admissible_column(),
        sample_id="id",
    )
    return rows.join(dataset.links().lazy(), on="sample_id", how="left")


def _read_pilot(path: str | Path, dataset: Dataset, strata: Strata, modality: str) -> Pilot:
    run = load_run(path)
    judgments = _judgments(run, modality)
    known = strata.samples.rename({"id": "sample_id"}).select("sample_id", "half")
    judgments = judgments.join(known, on="sample_id", how="inner")
    if not judgments.height:
        raise UsageError(
            f"--pilot {path}: judged {modality} of no sample of this dataset; give a run over it"
        )
    gold = gold_rows(dataset).join(known.lazy(), on="sample_id").collect()
    gold = gold.join(judgments, on="sample_id", how="semi")
    cells = []
    for half in (0, 1):
        tabulation = Tabulation()
        of_half = pl.col("half") == half
        try:
            tabulation.add(judgments.filter(of_half), gold.filter(of_half))
        except RunError:
            raise UsageError(
                f"--pilot {path}: a run over a dataset with other grades; give one over this"
            ) from None
        cells.append(tabulation.cells())
    deviation = observed_deviations(cells, MODALITIES.index(modality))
    return Pilot(str(path), run.record.model.spec, deviation)


def _judgments(run: Run, modality: str) -> pl.DataFrame:
    if run.record.task != "understanding":
        raise UsageError(
            f"--pilot {run.path}: an {run.record['task']} run; give an understanding one"
        )
    return run.judgments.filter(pl.col("modality") == modality)


def _metrics_of_each_kind(
    dataset: Dataset, modalities: Sequence[str], severities: tuple[Severity, ...]
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
    return Metrics(understanding_metrics(judgments, gold, replicates=1, severities=severities))
