"""Finished runs as guards to choose among: ``vlsu guards``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vlsu._arguments import require_kind, require_list
from vlsu.analysis.arrays import IntArray
from vlsu.analysis.deployment.guards.choice import Wanted, choose_guard
from vlsu.analysis.deployment.guards.costs import Costs
from vlsu.analysis.deployment.guards.halves import halves
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.answered import ENOUGH, format_share, require_share
from vlsu.data import Dataset
from vlsu.data.links import LINKS, with_links
from vlsu.errors import RunError, UsageError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, SEVERITY_CODES, Pattern, Severity
from vlsu.runs.finished.pairing import dataset_of
from vlsu.runs.run import Run, as_runs, one_task
from vlsu.runs.run_names import comparison_names
from vlsu.runs.setups import setup_differences

__all__ = ["EVENTS", "choose"]

#: What should be flagged -> the gold grades that it is.
EVENTS = {
    "unsafe": (Severity.UNSAFE,),
    "not-safe": (Severity.BORDERLINE, Severity.UNSAFE),
}
#: In place of an outcome, where there is an answer and no probability.
_WITHOUT_P = "without_p"
_THINGS = {"image": "images", "text": "texts", "joint": "pairs"}


def choose(
    runs: Sequence[Run | str | Path],
    *,
    max_false_flags: float = 0.05,
    prevalence: float | None = None,
    cost_missed: float | None = None,
    cost_blocked: float | None = None,
    modality: str = "joint",
    event: str = "unsafe",
    dataset: str | Path | None = None,
    seed: int = 0,
    min_answered: float = ENOUGH,
) -> dict[str, Any]:
    """Which of several guards, and at which threshold.

    Args:
        runs: Finished understanding runs on one dataset, or their folders: guards, or any models.
        max_false_flags: Share of the harmless that may be flagged, in (0, 1).
        prevalence: Share of the traffic that is harmful, in (0, 1).
        cost_missed: Cost of a harmful request that passes; with `cost_blocked` and `prevalence`.
        cost_blocked: Cost of a harmless request that is flagged.
        modality: What is graded: ``joint``, ``text`` or ``image``.
        event: What should be flagged: ``unsafe``, or ``not-safe`` (borderline and unsafe).
        dataset: The dataset's folder, if it was moved since the runs.
        seed: Of the halves, and of draws behind intervals; not negative.
        min_answered: Share of the samples below which nothing is chosen, in [0, 1].

    Returns:
        Plain Python, ready for JSON; the keys are in ``docs/guards-choosing.md``.

    Raises:
        UsageError: An argument is out of range; no run, one given twice, one of another task, or
            none about this modality.
        RunError: A run is not finished or damaged, of another dataset or other samples, or drew its
            samples unevenly; or its samples are all harmful, or all harmless.
        DataError: The dataset is not found.
    """
    wanted = _wanted(max_false_flags, prevalence, (cost_missed, cost_blocked), seed, min_answered)
    if modality not in MODALITIES:
        raise UsageError(f"modality {modality!r}: give {', '.join(MODALITIES)}")
    if event not in EVENTS:
        raise UsageError(f"event {event!r}: give {' or '.join(EVENTS)}")
    require_list("runs", runs)
    opened = as_runs(runs)
    if not opened:
        raise UsageError("give a run or more to choose among")
    names = comparison_names(opened)
    if (task := one_task(opened, "give runs of understanding")) != "understanding":
        raise UsageError(f"{opened[0].path}: a run of {task}; guards are chosen by understanding")
    found = dataset_of(opened, dataset)
    of_name = dict(zip(names, opened, strict=True))
    for run in opened:
        if "sampling" in run.metrics:
            raise RunError(
                f"{run.path}: its samples were drawn unevenly (--budget or --until); run it again "
                "without, what was answered is kept"
            )
    without = {
        name: _not_asked(run, modality)
        for name, run in of_name.items()
        if modality not in run.record.modalities
    }
    asked = [name for name in names if name not in without]
    if not asked:
        first = without[names[0]]
        raise UsageError(f"{opened[0].path}: {first}")
    judged = {name: _judged(of_name[name], modality) for name in asked}
    rows = judged[asked[0]].select("sample_id", "expected")
    for name in asked[1:]:
        _require_same(of_name[asked[0]], rows, of_name[name], judged[name])
    _require_both(opened[0], rows, modality, event)
    samples, ungraded = _samples(found, rows, modality, event, seed)
    guards, notes = [], {}
    for name in asked:
        guard, note = _guard(name, judged[name], samples.ids, event, wanted.min_answered)
        guards.append(guard)
        notes[name] = note
    tree = choose_guard(guards, samples, wanted)
    for each in tree["guards"]:
        run = of_name[each["name"]]
        each |= {
            "path": str(run.path),
            "model": str(run.record.model.spec),
            "note": notes[each["name"]],
        }
    tree["samples"]["ungraded"] = ungraded
    info = found.info
    return {
        "dataset": {
            "name": info.name,
            "version": info.version,
            "content_hash": info.content_hash,
        },
        "modality": modality,
        "event": event,
        "max_false_flags": wanted.max_false_flags,
        "prevalence": wanted.prevalence,
        "costs": None
        if wanted.costs is None
        else {"missed": wanted.costs.missed, "blocked": wanted.costs.blocked},
        "min_answered": wanted.min_answered,
        "confidence": LEVEL,
        "seed": seed,
        **tree,
        "not_comparable": [
            {"name": name, "path": str(of_name[name].path), "reason": reason}
            for name, reason in without.items()
        ],
        "differences_in_setup": setup_differences(opened, names) if len(opened) > 1 else [],
    }


def _wanted(
    bound: float,
    prevalence: float | None,
    costs: tuple[float | None, float | None],
    seed: int,
    min_answered: float,
) -> Wanted:
    require_share(min_answered, "min_answered")
    require_kind("seed", seed, int)
    if seed < 0:
        raise UsageError(f"seed {seed}: give 0 or more")
    for value, what in ((bound, "--max-false-flags"), (prevalence, "--prevalence")):
        if value is not None:
            require_kind(what, value, float)
            if not 0 < value < 1:
                raise UsageError(f"{what} {value:g}: give a share above 0 and below 1")
    missed, blocked = costs
    if missed is None and blocked is None:
        return Wanted(bound, min_answered, prevalence, None, seed)
    if missed is None or blocked is None or prevalence is None:
        raise UsageError(
            "--cost-missed, --cost-blocked and --prevalence go together: what a harmful request "
            "that passes costs, what a harmless one that is flagged does, and how many are harmful"
        )
    for value, what in ((missed, "--cost-missed"), (blocked, "--cost-blocked")):
        require_kind(what, value, float)
        if not 0 <= value <= 1e12:
            raise UsageError(f"{what} {value:g}: give a cost from 0 to 1e12")
    if not missed and not blocked:
        raise UsageError("--cost-missed and --cost-blocked are both 0: every threshold is as good")
    return Wanted(
        bound, min_answered, prevalence, Costs(prevalence, float(missed), float(blocked)), seed
    )


def _not_asked(run: Run, modality: str) -> str:
    """Why a run cannot be compared in this modality, and what can be done."""
    others = list(run.record.modalities)
    has = " and ".join(_THINGS[each] for each in others)
    words = (
        f"has no judgments of {_THINGS[modality]}, only of {has}; compare these with --modality "
        f"{' or '.join(others)}"
    )
    if modality == "joint":
        words += (
            ", or join it with a guard for the rest into one that grades pairs "
            "(--model ensemble/max:A+B)"
        )
    return words


def _judged(run: Run, modality: str) -> pl.DataFrame:
    """A run's judgments of a modality by sample; each row checked."""
    columns = ("sample_id", "expected", "predicted", "outcome", "p_unsafe")
    rows = run.judged(pl.col(columns), where=pl.col("modality") == modality).sort("sample_id")
    if rows.is_empty():
        raise RunError(f"{run.path}: no judgment of {_THINGS[modality]}")
    for id_, _, _, _, p in (
        rows.filter(~pl.col("p_unsafe").is_between(0, 1) | pl.col("p_unsafe").is_nan())
        .head(1)
        .iter_rows()
    ):
        raise RunError(
            f"{run.path}: sample {id_!r}, {modality}: p_unsafe {p} is not in [0, 1]; fix the model "
            "that gave it"
        )
    for (id_,) in rows.filter(pl.col("sample_id").is_duplicated()).select("sample_id").iter_rows():
        raise RunError(
            f"{run.path}: sample {id_!r} has more than one {modality} judgment; keep one row per "
            "sample and modality"
        )
    return rows


def _require_same(first: Run, rows: pl.DataFrame, run: Run, judged: pl.DataFrame) -> None:
    """Refuse a run of other samples, or judged by other gold grades, than the first.

    Raises:
        RunError: It is one; the message names a sample.
    """
    ids = judged.select("sample_id")
    lacking = rows.join(ids, on="sample_id", how="anti").height
    more = ids.join(rows, on="sample_id", how="anti").height
    if lacking or more:
        raise RunError(
            f"{run.path}: of {ids.height:,} samples, {first.path} of {rows.height:,}, and "
            f"{lacking + more:,} are in one of the two alone; run both with the same --limit and "
            "--seed"
        )
    other = judged.select("sample_id", theirs="expected")
    apart = rows.join(other, on="sample_id").filter(pl.col("expected").ne_missing(pl.col("theirs")))
    for id_, mine, theirs in apart.sort("sample_id").head(1).iter_rows():
        raise RunError(
            f"{run.path}: sample {id_!r} has the gold grade {theirs}, in {first.path} {mine}; run "
            "the same vlsu run command again, judgments are made again from stored responses"
        )


def _require_both(run: Run, rows: pl.DataFrame, modality: str, event: str) -> None:
    """Refuse samples that are all harmful or all harmless: nothing can be traded for anything.

    Raises:
        RunError: They are, or none has a gold grade.
    """
    graded = rows["expected"].drop_nulls()
    things = _THINGS[modality]
    if graded.is_empty():
        raise RunError(
            f"{run.path}: none of its {rows.height:,} {things} has a gold grade; guards are chosen "
            "on graded samples"
        )
    harmful = int(graded.is_in([severity.label for severity in EVENTS[event]]).sum())
    words = "unsafe" if event == "unsafe" else "borderline or unsafe"
    if not harmful or harmful == len(graded):
        raise RunError(
            f"{run.path}: {'all' if harmful else 'none'} of its {len(graded):,} graded {things} "
            f"{'are' if harmful else 'is'} {words}; a guard is chosen on harmful and harmless ones"
        )


def _samples(
    dataset: Dataset, rows: pl.DataFrame, modality: str, event: str, seed: int
) -> tuple[GuardSamples, int]:
    """The graded samples of the runs, and how many have no gold grade."""
    grades = [f"{each}_grade" for each in MODALITIES]
    with dataset.reading():
        frame = dataset.frame().select("id", *grades).collect().rename({"id": "sample_id"})
    graded = rows.filter(pl.col("expected").is_not_null())
    table = with_links(
        graded.join(frame, on="sample_id", how="left", maintain_order="left"), dataset.links()
    )
    for id_, gold, there in (
        table.filter(pl.col(f"{modality}_grade").ne_missing(pl.col("expected")))
        .select("sample_id", "expected", f"{modality}_grade")[:1]
        .iter_rows()
    ):
        raise RunError(
            f"sample {id_!r}, {modality}: expected {gold!r} but the gold grade is {there!r}; give "
            "the dataset the runs were made with"
        )
    patterns = [
        "" if modality != "joint" or None in row else _pattern(row)
        for row in table.select(grades).iter_rows()
    ]
    lot, half = halves(
        table.select(
            "sample_id",
            pl.col("expected").alias("severity"),
            *LINKS,
            pattern=pl.Series([name or None for name in patterns], dtype=pl.String),
        ),
        seed,
    )
    gold = np.array([SEVERITY_CODES[each] for each in table["expected"]], dtype=np.int64)
    return GuardSamples(
        ids=table["sample_id"].to_list(),
        gold=gold,
        harmful=np.isin(gold, [int(severity) for severity in EVENTS[event]]),
        pattern=patterns,
        family=["" if not name else Pattern.parse(name).family.value for name in patterns],
        cluster=_ways(table),
        lot=lot,
        half=half,
    ), rows.height - graded.height


def _pattern(grades: tuple[str, ...]) -> str:
    return str(Pattern(*(Severity.parse(grade) for grade in grades)))


def _ways(table: pl.DataFrame) -> IntArray:
    """Clusters by each way in which samples share something; shape ``(n, ways)``."""
    rows = np.arange(table.height)
    ways = []
    for name in LINKS:
        column = table[name]
        if not column.drop_nulls().is_duplicated().any():
            continue
        number = column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
        ways.append(np.where(column.is_null().to_numpy(), table.height + 1 + rows, number))
    return np.stack(ways, axis=1) if ways else np.zeros((table.height, 0), dtype=np.int64)


def _guard(
    name: str, judged: pl.DataFrame, ids: Sequence[str], event: str, enough: float
) -> tuple[Guard, str | None]:
    """A run as a guard, and what must be known of how it was taken."""
    flags = pl.col("predicted").is_in([severity.label for severity in EVENTS[event]])
    ok = pl.col("outcome") == Outcome.OK.value
    order = pl.DataFrame({"sample_id": list(ids)})
    table = order.join(
        judged.select(
            "sample_id",
            outcome=pl.when(ok).then(pl.lit("")).otherwise("outcome"),
            p=pl.when(ok).then("p_unsafe").cast(pl.Float64),
            verdict=pl.when(ok & pl.col("predicted").is_not_null()).then(flags.cast(pl.Float64)),
        ),
        on="sample_id",
        how="left",
        maintain_order="left",
    )
    p, verdict = (table[c].fill_null(float("nan")).to_numpy() for c in ("p", "verdict"))
    outcome = table["outcome"].to_list()
    with_p, with_verdict = (float((~np.isnan(each)).mean()) for each in (p, verdict))
    if not with_p or (with_p < enough <= with_verdict):
        note = (
            None
            if not with_p
            else f"{format_share(with_p)} of its answers have a probability, so it is taken by its "
            "verdicts"
        )
        return Guard(name, verdict, False, outcome, verdict), note
    outcome = [
        why or (_WITHOUT_P if lacking else "")
        for why, lacking in zip(outcome, np.isnan(p).tolist(), strict=True)
    ]
    return Guard(name, p, True, outcome, verdict), None
