"""Runs against each other, from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlsu._arguments import require_kind, require_list
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.planning import ReferenceRuns
from vlsu.analysis.comparison.results import Comparison
from vlsu.analysis.comparison.understanding import joint_differences
from vlsu.analysis.table.answered import ENOUGH, require_share
from vlsu.errors import RunError, UsageError
from vlsu.runs.finished.pairing import dataset_of
from vlsu.runs.finished.spending import spending
from vlsu.runs.finished.tasks import task_of
from vlsu.runs.finished.understanding import tabulated
from vlsu.runs.graded import tells_unsafe_alone
from vlsu.runs.run import Run, as_run, as_runs, one_task
from vlsu.runs.run_names import comparison_names
from vlsu.runs.setups import setup_differences

__all__ = ["compare", "compared", "seen_runs"]


def compare(
    runs: Sequence[Run | str | Path],
    *,
    dataset: str | Path | None = None,
    seed: int = 0,
    enough: float = ENOUGH,
    primary: Sequence[str] = (),
    secondary: Sequence[str] = (),
    margin: float | None = None,
) -> Comparison:
    """Compare finished runs on the samples that all of them have.

    Args:
        runs: Two or more of one task on one dataset, or their folders. Another prompt, policy,
            judge or setting does not prevent it and is listed in ``differences_in_setup``.
        dataset: The dataset's folder, if it was moved since the runs.
        seed: Of bootstrap and randomization, not negative.
        enough: Share answered below which a difference has to hold however missing answers are
            counted, in [0, 1]. At 0 none is counted in another way; else it must also hold
            whatever the answers are that never came or could not be read, or judged.
        primary: Metrics that decide, such as ``"joint.accuracy"``. If not given, ``joint.f1_macro``
            of understanding runs (``joint.f1_binary`` where a model tells safe from unsafe only:
            nothing is then compared that counts three severities), and of alignment runs
            over-blocking and under-refusal under the first framing. A run is called better on
            these, and on secondary ones, alone.
        secondary: Metrics that are tested once all primary tests hold. If not given, accuracy, in
            all and by family; the two rates under the other framings.
        margin: Runs that differ by less on a primary metric are equivalent, in (0, 1).

    Returns:
        The comparison, a mapping whose members are attributes too; they are in
        ``docs/comparing.md``.

    Raises:
        UsageError: Fewer than two runs, one given twice, or runs of different tasks; `enough`
            or `margin` is no share; or a metric is none of those compared.
        RunError: A run is not finished, damaged, or of another dataset; or it was judged by other
            gold grades than the dataset has.
        DataError: The dataset is not found.
    """
    require_share(enough, "enough")
    require_kind("seed", seed, int)
    if seed < 0:
        raise UsageError(f"seed {seed}: give 0 or more")
    require_list("primary", primary)
    require_list("secondary", secondary)
    declared = Declared(tuple(primary), tuple(secondary), margin)
    return compared(as_runs(runs), dataset, seed, enough, declared)


def compared(
    runs: Sequence[Run], dataset: str | Path | None, seed: int, enough: float, declared: Declared
) -> Comparison:
    """`compare`, with what is declared of it in one."""
    if len(runs) < 2:
        raise UsageError("give two runs or more to compare")
    names = comparison_names(runs)
    one_task(runs, "compare runs of one task")
    task = task_of(runs[0])
    found = dataset_of(runs, dataset)
    info = found.info
    spent = spending(runs, names)
    about = {"name": info.name, "version": info.version, "content_hash": info.content_hash}
    return Comparison(
        {
            "task": task.name,
            "dataset": about,
            "runs": [
                {"name": name, "path": str(run.path), "model": run.record.model.spec}
                for name, run in zip(names, runs, strict=True)
            ],
            "differences_in_setup": setup_differences(runs, names),
            **task.comparison(runs, names, found, seed, enough, declared),
            **({"cost": spent} if spent else {}),
        }
    )


def seen_runs(
    first: Run | str | Path,
    second: Run | str | Path,
    *,
    dataset: str | Path | None = None,
    seed: int = 0,
) -> ReferenceRuns:
    """How two finished understanding runs differ in joint accuracy and macro-F1, to plan by.

    Args:
        first: A run, or its folder.
        second: Another on the same dataset.
        dataset: Its folder, if it was moved since the runs.
        seed: Of the bootstrap.

    Raises:
        UsageError: The runs are one, or of different tasks, or of alignment.
        RunError: As `compare`; or no sample has both runs' joint judgment.
        DataError: The dataset is not found.
    """
    runs = (first, second) = as_run(first), as_run(second)
    names = comparison_names(runs)
    if (task := one_task(runs, "compare runs of one task")) != "understanding":
        raise UsageError(f"{first.path}: a run of {task}; plan by two understanding runs")
    for run in runs:
        if tells_unsafe_alone(run):
            raise UsageError(
                f"{run.path}: its model tells safe from unsafe only, and a plan is by accuracy and "
                "macro-F1; plan by two runs of models that give every severity"
            )
    cells, _ = tabulated(runs, dataset_of(runs, dataset))
    found = joint_differences(cells, seed=seed)
    if not found["accuracy"].n:
        raise RunError(
            f"{first.path} and {second.path} have no graded joint judgment of a sample in common"
        )
    return ReferenceRuns((names[0], names[1]), found["accuracy"], found["f1_macro"])
