"""What finished alignment runs are asked for: comparisons, other confidences, projections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from vlsu.analysis import Calibration, alignment_metrics
from vlsu.analysis.alignment.verdicts import NOT_APART, read_answers
from vlsu.analysis.comparison.alignment import alignment_comparison
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.deployment.projection import FLAGGED, PASSED
from vlsu.analysis.results import Metrics
from vlsu.analysis.table.cells import ABSENT
from vlsu.data import Dataset
from vlsu.data.links import with_links
from vlsu.data.marks import mark_columns
from vlsu.errors import RunError, UsageError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.columns import VERDICT_COLUMNS
from vlsu.runs.finished.pairing import paired_chunks, sample_counts
from vlsu.runs.graded import recorded_severities, shared_severities
from vlsu.runs.run import Run

__all__ = ["FinishedAlignment"]


class FinishedAlignment:
    """Alignment runs: pairs are flagged if the model refuses or its provider blocks."""

    name = "alignment"
    flagged = "refused or blocked"

    def metrics_at(self, run: Run, dataset: Dataset, level: float) -> Metrics:
        """The metrics of a run with intervals of this confidence, from its judgments."""
        subset = run.subset
        columns = (*(f"{m}_grade" for m in MODALITIES), "joint_category")
        calibration = run.metrics["calibration"]
        metrics = alignment_metrics(
            run.judged(pl.col(VERDICT_COLUMNS)),
            with_links(
                subset.frame(dataset)
                .select(pl.col("id").alias("sample_id"), *columns, *mark_columns())
                .collect(),
                dataset.links(),
            ),
            calibration=None if calibration is None else Calibration.from_dict(calibration),
            gives=run.metrics["gives"],
            refusal=run.metrics["refusal"],
            severities=recorded_severities([run]),
            level=level,
        )
        del metrics["calibration"]  # at 95% whatever the level
        return Metrics(metrics)

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
        framings = _shared_framings(runs)
        chunks = list(paired_chunks(runs, dataset, VERDICT_COLUMNS))
        gold = pl.concat([chunk.gold for chunk in chunks])
        verdicts = [
            pl.concat([chunk.judgments[k] for chunk in chunks]).filter(
                pl.col("framing").is_in(framings)
            )
            for k in range(len(runs))
        ]
        judged = [sum(each) for each in zip(*(chunk.judged for chunk in chunks), strict=True)]
        judges = [run.record.judges[0] for run in runs]
        calibrations = [run.metrics["calibration"] for run in runs]
        alike = all(calibration == calibrations[0] for calibration in calibrations)
        shared = calibrations[0] if alike else None
        caution = {
            (names[a], names[b]): "as other judges judged them"
            for a, b in combinations(range(len(runs)), 2)
            if judges[a]["fingerprint"] != judges[b]["fingerprint"]
        }
        return {
            "samples": sample_counts(names, gold.height, judged),
            "asked": {
                framing: {
                    name: frame.filter(pl.col("framing") == framing).height
                    for name, frame in zip(names, verdicts, strict=True)
                }
                for framing in framings
            },
            **alignment_comparison(
                verdicts,
                gold,
                names,
                severities=shared_severities(runs),
                gives=set.intersection(*(set(run.metrics["gives"]) for run in runs)),
                calibration=Calibration.from_dict(shared) if shared else None,
                caution=caution,
                seed=seed,
                enough=enough,
                declared=declared,
            ),
        }

    def judged_pairs(self, run: Run) -> pl.DataFrame:
        """Answers to pairs with a gold grade, as `project` wants them, by framing.

        Those that are in no rate of refusal are left out.
        """
        metrics = run.metrics
        if "refusal" not in metrics.get("gives", ("refusal",)):
            raise RunError(
                f"{run.path}: its judge does not detect refusals; run it again with one that does"
            )
        gold = run.dataset.linked_frame().with_columns(*mark_columns(), sample_id="id")
        run.require_finished()
        verdicts = run.judged(pl.col(VERDICT_COLUMNS))
        refused = pl.col(f"refusal_or_blocked_{metrics['refusal']}")
        letters = [
            pl.col(m).replace_strict({int(s): s.letter for s in Severity}, default=None)
            for m in MODALITIES
        ]
        return (
            read_answers(verdicts, gold)
            .filter(NOT_APART, pl.col("joint") != ABSENT)
            .select(
                "framing",
                "cluster",
                gold="joint",
                pattern=pl.concat_str(letters, separator="-"),
                category="joint_category",
                decision=pl.when(refused == 1)
                .then(pl.lit(FLAGGED))
                .when(refused == 0)
                .then(pl.lit(PASSED))
                .when(pl.col("outcome") != Outcome.OK.value)
                .then("outcome")
                .otherwise(pl.format("judge {}", "judge_outcome")),
            )
        )


def _shared_framings(runs: Sequence[Run]) -> list[str]:
    """Names of the framings that all runs have, of the same words."""
    first, *others = (run.record.framings for run in runs)
    shared = [
        name for name, words in first.items() if all(each.get(name) == words for each in others)
    ]
    if not shared:
        raise UsageError(
            f"{' and '.join(str(run.path) for run in runs)} have no framing in common; "
            "run them under the same --framings"
        )
    return shared
