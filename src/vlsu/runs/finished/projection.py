"""A finished run in a deployment's traffic: ``vlsu project``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from vlsu._yaml import load_yaml
from vlsu.analysis.alignment.verdicts import read_answers
from vlsu.analysis.deployment.projection import FLAGGED, PASSED, project
from vlsu.analysis.deployment.traffic import Traffic, read_traffic
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.cells import ABSENT
from vlsu.analysis.table.streaming import graded_judgments
from vlsu.errors import RunError, UsageError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.folder import RunFolder
from vlsu.runs.run import Run

__all__ = ["load_traffic", "project_run", "rounded"]

#: Of an alignment run's judgments.
_OF_VERDICTS = (
    *("sample_id", "framing", "draw", "outcome", "judge_outcome", "kind"),
    *("refused_strict", "refused_lenient", "helpfulness"),
)


def load_traffic(path: str | Path) -> Traffic:
    """Read a traffic mix from a YAML file; `docs/deployment.md` describes it.

    Raises:
        UsageError: The file cannot be read, or what it says cannot be used.
    """
    tree = load_yaml(path, UsageError)
    return read_traffic(tree, Path(path).name)


def project_run(run: Run, traffic: Traffic, *, level: float = LEVEL) -> dict[str, Any]:
    """The run's joint errors in a deployment's traffic.

    Of an understanding run, flagged is what it calls unsafe. Of an alignment run, it is what the
    model refuses or its provider blocks, for each framing.

    Args:
        run: A finished run, whose dataset lies where it did.
        traffic: The mix.
        level: Confidence of the intervals.

    Returns:
        Framing (``""`` for understanding) -> what `vlsu.analysis.project` returns, and ``words``,
        the same in a sentence.

    Raises:
        UsageError: The run lacks samples of a part of the traffic.
        RunError: It is not finished or did not ask for pairs.
        DataError: Its dataset is gone.
    """
    alignment = run.record["task"] == "alignment"
    found = _of_alignment(run) if alignment else _of_understanding(run)
    projections = {
        str(framing): project(rows.drop("framing"), traffic, level=level)
        for (framing,), rows in found.partition_by("framing", as_dict=True).items()
    }
    verb = "refused or blocked" if alignment else "blocked"
    return {f: {"words": _in_words(p, verb), **p} for f, p in projections.items()}


def _of_understanding(run: Run) -> pl.DataFrame:
    """Pairs with a gold grade, as `project` wants them, under one framing."""
    if "sampling" in run.metrics:
        raise RunError(
            f"{run.path}: its samples were drawn unevenly (--budget or --until); run it again "
            "without, what was answered is kept"
        )
    unsafe = pl.col("predicted") == int(Severity.UNSAFE)
    joint = graded_judgments(_judgments(run), ("joint",), "outcome").select(
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
            [pl.col(c).replace_strict(of, default=None) for c, of in letter.items()], separator="-"
        ),
        category="joint_category",
        # A sample without a group is a cluster of its own.
        cluster=pl.coalesce(
            pl.when(pl.col("group").is_not_null()).then(pl.col("group").hash()),
            pl.col("id").hash(),
        ),
    )
    rows = _collected(joint.join(samples, on="sample").drop("sample"), run)
    if rows.is_empty():
        raise RunError(f"{run.path}: no judgment of a pair with a gold grade; ask for joint")
    return rows


def _of_alignment(run: Run) -> pl.DataFrame:
    """Answers to pairs with a gold grade, as `project` wants them, by framing."""
    metrics = run.metrics
    if "refusal" not in metrics.get("gives", ("refusal",)):
        raise RunError(
            f"{run.path}: its judge does not tell refusals; run it again with one that does"
        )
    gold = run.dataset.frame().with_columns(sample_id="id")
    verdicts = _collected(_judgments(run).select(_OF_VERDICTS), run)
    refused = pl.col(f"refusal_or_blocked_{metrics['refusal']}")
    letters = [
        pl.col(m).replace_strict({int(s): s.letter for s in Severity}, default=None)
        for m in MODALITIES
    ]
    return (
        read_answers(verdicts, gold)
        .filter(pl.col("joint") != ABSENT)
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


def _judgments(run: Run) -> pl.LazyFrame:
    run.require_finished()
    return run.scan()


def _collected(frame: pl.LazyFrame, run: Run) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError):
        raise RunError(
            f"{RunFolder(run.path).judgments_file}: damaged; delete it and run the same vlsu run "
            "command again: it is made anew from the stored responses"
        ) from None


def _in_words(projection: Mapping[str, Any], verb: str) -> str:
    rates, shares = projection["per_million"], projection["shares"]
    words = (
        f"Per million requests at {_prevalence(shares['unsafe'])}: "
        f"{rounded(rates['missed_harm'])} harmful ones missed, "
        f"{rounded(rates['wrong_blocks'])} harmless ones {verb}."
    )
    if projection["precision"]["value"] is not None:
        words += f" Of what is {verb}, {rounded(projection['precision'], percent=True)} is harmful."
    if rates["no_verdict"]["value"]:
        words += (
            f" {rounded(rates['no_verdict'])} get no verdict; the harmful ones among them, "
            f"{rounded(rates['no_verdict_harmful'])}, count as missed."
        )
    if projection["harmless_as_in_run"]:
        words += (
            f" Harmless requests are taken to be {_percent(shares['safe'])} safe and "
            f"{_percent(shares['borderline'])} borderline, as in the run: give severity if yours "
            "are not."
        )
    if projection["severities_as_in_run"]:
        words += (
            " Within a category severities are taken to be as in the run, which makes "
            f"{_percent(shares['safe'])} safe and {_percent(shares['borderline'])} borderline in "
            "all: give severity, with categories within it, if yours are not."
        )
    return words


def rounded(rate: Mapping[str, float | None], *, percent: bool = False) -> str:
    """A value and its interval, to three digits: ``312 [240, 401]``."""
    if rate["value"] is None:
        return "-"
    show = _percent if percent else _three_digits
    value, low, high = (show(rate[key] or 0.0) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _three_digits(number: float) -> str:
    return f"{float(f'{number:.3g}'):,.10g}"


def _percent(share: float) -> str:
    return f"{_three_digits(100 * share)}%"


def _prevalence(share: float) -> str:
    """``1 harmful in 1,000`` where that is nearly so, else a percentage."""
    whole = round(1 / share) if share else 0
    if whole > 1 and abs(whole * share - 1) < 0.005:
        return f"1 harmful in {whole:,}"
    return f"{_percent(share)} harmful"
