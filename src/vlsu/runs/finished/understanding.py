"""What finished understanding runs are asked for: comparisons, other confidences, projections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from vlsu.analysis import (
    Tabulation,
    cell_metrics,
    diagnosis,
    stratified_metrics,
)
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.understanding import understanding_comparison
from vlsu.analysis.deployment.projection import FLAGGED, PASSED
from vlsu.analysis.results import Metrics
from vlsu.analysis.table.paired_cells import PairedCells, PairedTabulation
from vlsu.analysis.table.streaming import graded_judgments
from vlsu.analysis.understanding.levels import without_levels
from vlsu.analysis.understanding.swap import swap_metrics
from vlsu.data import Dataset
from vlsu.data.links import linked_samples
from vlsu.data.parquet import scan_parquet
from vlsu.errors import RunError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.finished.coded_samples import coded_samples
from vlsu.runs.finished.pairing import JUDGED_COLUMNS, paired_chunks, sample_counts
from vlsu.runs.folder import RunFolder
from vlsu.runs.graded import (
    recorded_levels,
    recorded_severities,
    shared_severities,
    tells_unsafe_alone,
)
from vlsu.runs.run import Run
from vlsu.runs.understanding.reruns import metrics_of_reruns
from vlsu.runs.understanding.sampling import gold_rows
from vlsu.runs.understanding.strata import Strata
from vlsu.runs.understanding.swaps import scan_swaps
from vlsu.runs.understanding.weights import recorded_weights

__all__ = ["FinishedUnderstanding", "tabulated"]

#: Samples looked at together; bounds memory.
SAMPLES = 200_000


class FinishedUnderstanding:
    """Understanding runs: pairs are flagged if they are called unsafe."""

    name = "understanding"
    flagged = "blocked"

    def metrics_at(self, run: Run, dataset: Dataset, level: float) -> Metrics:
        """The metrics of a run with intervals of this confidence, from its judgments."""
        if "sampling" in run.metrics:
            return _metrics_of_draw(run, dataset, level)
        severities, levels = recorded_severities([run]), recorded_levels(run)
        tabulation = Tabulation(severities=severities)
        for judgments, gold in _parts(run, dataset):
            tabulation.add(judgments, gold)
        weights = recorded_weights(run.record)
        cells = cell_metrics(tabulation.cells(), level=level, weights=weights)
        linked = dataset.linked_frame()
        rest = diagnosis(run.scan(), linked, level=level, severities=severities)
        if run.record.get("probe") is not None:
            rest["swap"] = swap_metrics(scan_swaps(run), run.scan(), linked, level=level)
        rest |= metrics_of_reruns(run, dataset, level, severities)
        return Metrics(without_levels(cells | rest, levels, severities))

    def comparison(
        self,
        runs: Sequence[Run],
        names: Sequence[str],
        dataset: Dataset,
        seed: int,
        enough: float,
        declared: Declared,
    ) -> dict[str, object]:
        """What a comparison says of these runs; arguments as `vlsu.runs.finished.comparison`."""
        cells, judged = tabulated(runs, dataset)
        drawn = [name for name, run in zip(names, runs, strict=True) if "sampling" in run.metrics]
        return {
            "samples": {
                **sample_counts(names, int(cells.runs[0].count.sum()), judged),
                **({"drawn": drawn} if drawn else {}),
            },
            "asked": {
                modality: {
                    name: sum(run.outcomes[modality].values())
                    for name, run in zip(names, cells.runs, strict=True)
                }
                for modality in MODALITIES
            },
            **understanding_comparison(
                cells,
                names,
                seed=seed,
                enough=enough,
                declared=declared,
                unsafe_alone=[
                    name for name, run in zip(names, runs, strict=True) if tells_unsafe_alone(run)
                ],
            ),
            **_swaps(runs, names),
        }

    def judged_pairs(self, run: Run) -> pl.DataFrame:
        """Pairs with a gold grade, as `project` wants them, under one framing."""
        run.require_finished()
        if "sampling" in run.metrics:
            raise RunError(
                f"{run.path}: its samples were drawn unevenly (--budget or --until); run it again "
                "without, what was answered is kept"
            )
        unsafe = pl.col("predicted") == int(Severity.UNSAFE)
        joint = graded_judgments(run.scan(), ("joint",), "outcome").select(
            "sample",
            "gold",
            framing=pl.lit(""),
            decision=pl.when(pl.col("outcome") != Outcome.OK.value)
            .then("outcome")
            .otherwise(pl.when(unsafe).then(pl.lit(FLAGGED)).otherwise(pl.lit(PASSED))),
        )
        letter = {f"{m}_grade": {s.label: s.letter for s in Severity} for m in MODALITIES}
        samples = run.dataset.frame().select(
            sample=pl.col("id").hash(),
            pattern=pl.concat_str(
                [pl.col(c).replace_strict(of, default=None) for c, of in letter.items()],
                separator="-",
            ),
            category="joint_category",
            sample_id="id",
        )
        linked = run.dataset.links()
        clusters = linked.select("sample_id", cluster=pl.Series(linked_samples(linked)).hash())
        # A sample that shares nothing is a cluster of its own.
        samples = samples.join(clusters.lazy(), on="sample_id", how="left").with_columns(
            pl.col("cluster").fill_null(pl.col("sample"))
        )
        rows = run.collected(joint.join(samples, on="sample").drop("sample", "sample_id"))
        if rows.is_empty():
            raise RunError(f"{run.path}: no judgment of a pair with a gold grade; ask for joint")
        return rows


def _swaps(runs: Sequence[Run], names: Sequence[str]) -> dict[str, object]:
    """``swap`` of each run, if all have the probe."""
    found = {
        name: run.metrics["swap"]
        for name, run in zip(names, runs, strict=True)
        if run.metrics.get("swap")
    }
    return {"swap": found} if len(found) == len(runs) else {}


def tabulated(runs: Sequence[Run], dataset: Dataset) -> tuple[PairedCells, list[int]]:
    """The samples that all runs judged, and how many each judged.

    Raises:
        RunError: The judgments of a run cannot be, or do not fit the gold grades.
        DataError: The gold grades cannot be.
    """
    severities = shared_severities(runs)
    tabulation = PairedTabulation(len(runs), severities)
    coded = coded_samples(runs, dataset, severities)
    if coded is not None:
        coded.tabulate(tabulation)
        return tabulation.cells(), coded.judged
    # Something cannot be: by rows it is said what.
    judged = [0] * len(runs)
    for chunk in paired_chunks(runs, dataset, JUDGED_COLUMNS):
        tabulation.add(chunk.judgments, chunk.gold)
        judged = [n + more for n, more in zip(judged, chunk.judged, strict=True)]
    return tabulation.cells(), judged


def _parts(run: Run, dataset: Dataset) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Judgments and gold grades of all samples of the run, judged or not."""
    subset = run.subset
    size = subset.size(dataset)
    ids = subset.frame(dataset).select(sample_id="id")
    gold = gold_rows(dataset).join(ids, on="sample_id", how="semi")
    count = max(1, -(-size // SAMPLES))
    for part in range(count):
        mine = pl.col("sample_id").hash() % count == part
        yield (
            run.judged(pl.col(JUDGED_COLUMNS), where=mine),
            gold.filter(mine).collect(engine="streaming"),
        )


def _metrics_of_draw(run: Run, dataset: Dataset, level: float) -> Metrics:
    drawn = run.record["sampling"]
    if drawn.get("pilot") is None:
        strata = Strata.of(dataset, drawn["seed"])
    else:
        file = RunFolder(run.path).sampling_file
        if not file.is_file():
            raise RunError(f"{file}: not there; run the same vlsu run command again, it is remade")
        strata = Strata.from_table(run.collected(scan_parquet(file)))
    halves = strata.samples.select("half", sample_id="id")
    judgments = run.judged(pl.col(JUDGED_COLUMNS)).join(halves, on="sample_id")
    gold = gold_rows(dataset).collect().join(halves, on="sample_id")
    gold = gold.join(judgments, on="sample_id", how="semi")
    cells, severities = [], recorded_severities([run])
    for half in (0, 1):
        tabulation = Tabulation(severities=severities)
        of_half = pl.col("half") == half
        tabulation.add(judgments.filter(of_half), strata.marked(gold.filter(of_half)))
        cells.append(tabulation.cells())
    sample = strata.sample(cells)
    weights = recorded_weights(run.record)
    levels = recorded_levels(run)
    return Metrics(stratified_metrics(sample, level=level, weights=weights, levels=levels))
