"""A finished run in a deployment's traffic: ``vlsu project``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlsu._yaml import load_yaml
from vlsu.analysis.deployment.projection import project
from vlsu.analysis.deployment.reading import read_traffic
from vlsu.analysis.deployment.traffic import Traffic
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.errors import RunError, UsageError
from vlsu.runs.finished.tasks import task_of
from vlsu.runs.graded import recorded_severities, tells_unsafe_alone
from vlsu.runs.run import Run, as_run

__all__ = ["load_traffic", "project_run", "rounded"]

_UNSAFE_ALONE = (
    " The model tells safe from unsafe only: a borderline request is blocked or passed, and cannot "
    "be set apart."
)


def load_traffic(path: str | Path) -> Traffic:
    """Read a traffic mix from a YAML file; `docs/deployment.md` describes it.

    Raises:
        UsageError: The file cannot be read, or what it says cannot be used.
    """
    tree = load_yaml(path, UsageError)
    return read_traffic(tree, Path(path).name)


def project_run(run: Run | str | Path, traffic: Traffic, *, level: float = LEVEL) -> dict[str, Any]:
    """The run's joint errors in a deployment's traffic.

    Of an understanding run, flagged is what it calls unsafe. Of an alignment run, it is what the
    model refuses or its provider blocks, for each framing.

    Args:
        run: A finished run, whose dataset is where it was, or the run's folder.
        traffic: The mix.
        level: Confidence of the intervals.

    Returns:
        Framing (``""`` for understanding) -> what `vlsu.analysis.project` returns, and ``words``,
        the same in a sentence.

    Raises:
        UsageError: The run lacks samples of a part of the traffic, or is a framing search.
        RunError: It is not finished, did not ask for pairs, or all of them are counted apart.
        DataError: Its dataset is gone.
    """
    run = as_run(run)
    task = task_of(run)
    found = task.judged_pairs(run)
    if found.is_empty():
        raise RunError(
            f"{run.path}: no pair with a gold grade is in a rate that could be projected; give a "
            "run on a dataset that has some"
        )
    projections = {
        str(framing): project(
            rows.drop("framing"), traffic, level=level, severities=recorded_severities([run])
        )
        for (framing,), rows in found.partition_by("framing", as_dict=True).items()
    }
    alone = _UNSAFE_ALONE if tells_unsafe_alone(run) else ""
    return {f: {"words": _summary(p, task.flagged) + alone, **p} for f, p in projections.items()}


def _summary(projection: Mapping[str, Any], verb: str) -> str:
    rates, shares = projection["per_million"], projection["shares"]
    wrong = f"{rounded(rates['wrong_blocks_safe'])} safe"
    harmless = f"{_percent(shares['safe'])} safe"
    if "borderline" in shares:
        wrong += f", {rounded(rates['wrong_blocks_borderline'])} borderline"
        harmless += f" and {_percent(shares['borderline'])} borderline"
    words = (
        f"Per million requests at {_prevalence(shares['unsafe'])}: "
        f"{rounded(rates['missed_harm'])} harmful ones missed, "
        f"{rounded(rates['wrong_blocks'])} that break no rule {verb} "
        f"({wrong})."
    )
    if projection["precision"]["value"] is not None:
        words += f" Of what is {verb}, {rounded(projection['precision'], percent=True)} is harmful."
    if rates["no_verdict"]["value"]:
        words += (
            f" {rounded(rates['no_verdict'])} get no verdict; the harmful ones among them, "
            f"{rounded(rates['no_verdict_harmful'])}, count as missed."
        )
    if projection["harmless_as_in_run"] and "borderline" in shares:
        words += (
            f" Requests that break no rule are taken to be {harmless}, as in the run: give "
            "severity if yours are not."
        )
    if projection["shares_of"]:
        words += f" The shares were counted in {projection['shares_of']:,} requests"
        unsafe = (projection["share_intervals"] or {}).get("unsafe")
        if unsafe is not None:
            words += f", of which {rounded(unsafe, percent=True)} harmful"
        words += "; the intervals contain what that leaves open."
    if projection["severities_as_in_run"]:
        words += (
            " Within a category severities are taken to be as in the run, which makes "
            f"{harmless} in all: give severity, with categories within it, if yours are not."
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
