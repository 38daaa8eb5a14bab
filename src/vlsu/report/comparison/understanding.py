"""What a report shows of several understanding runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.policy import Family, Pattern
from vlsu.report.charts.dots import Spec
from vlsu.report.comparison.flagged import (
    COLUMNS,
    FAMILY_COLUMNS,
    any_unsafe_alone,
    family_rate,
    flagged_charts,
    flagged_column_note,
    flagged_patterns,
    score,
)
from vlsu.report.comparison.judgment_listing import SHARED_SAMPLES
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.comparison.task import Comparison
from vlsu.report.comparison.understanding_charts import (
    CEILING,
    ceiling_of,
    patterns_of,
    references_chart,
    understanding_charts,
)
from vlsu.report.table import ABSENT, RateCell, Table, format_rate, percent
from vlsu.report.understanding.answered import answered_share
from vlsu.report.understanding.headline import understood_together
from vlsu.report.understanding.modalities import severities_of, unsafe_alone
from vlsu.runs import Run

__all__ = ["UnderstandingComparison"]

_COLUMNS = {"accuracy": "accuracy", "f1_macro": "macro-F1", "f1_binary": "binary F1"}
_SCORES = {name: score(key) for key, name in _COLUMNS.items()}
_FAMILIES = {family.value: family_rate(family, "accuracy") for family in Family}
_RANK = (
    "rank: by {}; in brackets all ranks that the claims of all pairs, corrected together, leave "
    "open: the chance that any of these is wrong is at most 5%."
)
_UNRANKED = "Intervals that overlap do not show that two runs are alike, nor the reverse."


class UnderstandingComparison:
    """What a report shows of several understanding runs.

    See `vlsu.report.comparison.task.TaskComparison`.
    """

    samples = SHARED_SAMPLES

    def in_order(self, runs: Sequence[Run]) -> list[Run]:
        """Those first whose accuracy on the pair is higher, whatever decides.

        Where a model tells safe from unsafe only, those whose F1 of unsafe is.
        """
        alone = any(unsafe_alone(run.metrics) for run in runs)
        return sorted(runs, key=lambda run: _standing(run, "f1_binary" if alone else "accuracy"))

    def table(
        self,
        runs: Sequence[Run],
        names: Sequence[str],
        comparison: Comparison | None = None,
        oracle: Oracle | None = None,
    ) -> Table:
        """A row a run, best first where ranks are known.

        Below them two rows of reference: late fusion of the gold grades, and the human grader where
        given, unless it can be compared with the runs on the same references.
        """
        ranked_by = "" if comparison is None else _ranked_by(comparison)
        return _table(runs, names, _ranks(comparison, names), ranked_by, _apart(oracle, runs))

    def words(self, runs: Sequence[Run]) -> dict[str, object]:
        """Whether a model tells safe from unsafe only; everything else is in tables and charts."""
        return {"alone": any(unsafe_alone(run.metrics) for run in runs)}

    def tables(
        self, runs: Sequence[Run], names: Sequence[str], oracle: Oracle | None = None
    ) -> list[Table]:
        """Accuracy by pattern and run, and the human grader's scores."""
        metrics = dict(zip(names, (run.metrics for run in runs), strict=True))
        if any_unsafe_alone(metrics):
            return [flagged_patterns(metrics, patterns_of(metrics))]
        human = [] if oracle is None else oracle.tables(dict(zip(names, runs, strict=True)))
        return [_pattern_table(metrics), *human]

    def charts(
        self, runs: Sequence[Run], labels: Sequence[str], oracle: Oracle | None = None
    ) -> dict[str, Spec]:
        """Leaderboards, the map of runs and patterns, and families."""
        named = dict(zip(labels, runs, strict=True))
        metrics = {label: run.metrics for label, run in named.items()}
        if any_unsafe_alone(metrics):
            return flagged_charts(metrics, patterns_of(metrics))
        charts = understanding_charts(metrics, _apart(oracle, runs))
        if oracle is not None and (shared := oracle.shared(named)):
            charts["oracle"] = references_chart(shared, oracle.name)
        return charts

    def sentence(self, comparison: Comparison, runs: Sequence[Run], enough: float = ENOUGH) -> str:
        """Who is first and against whom that can be claimed."""
        path = comparison["declared"]["primary"][0]
        board = comparison["leaderboard"].get(path)
        if not board:
            return ""
        first, others = board[0], board[1:]
        shared = comparison["samples"]["paired"]
        label = _ranked_by(comparison)
        alike = [o["run"] for o in others if o["value"]["value"] == first["value"]["value"]]
        too = f", as {'have' if len(alike) > 1 else 'has'} {', '.join(alike)}" if alike else ""
        sentences = [
            f"On the {shared:,} pairs that all have, {first['run']} has the best {label}{too}: "
            f"{percent(Rate.from_json(first['value']))}, "
            f"of {format_share(first['answered']['value'])} answered; "
            f"{_claimed(first, len(others))}."
        ]
        little = [each["run"] for each in board if each["answered"]["value"] < enough]
        if little:
            sentences.append(
                f"Of {', '.join(little)} less than {format_share(enough)} was answered: better or "
                "worse is claimed only where it holds however the missing are counted."
            )
        together = {
            name["name"]: accuracy
            for name, run in zip(comparison["runs"], runs, strict=True)
            if name["name"] not in little
            and not any(unsafe_alone(each.metrics) for each in runs)
            and (accuracy := understood_together(run.metrics)).value is not None
        }
        if len(together) > 1:
            worst, best = (
                pick(together, key=lambda name: together[name].value or 0.0) for pick in (min, max)
            )
            sentences.append(
                f"Where image and text must be understood together it ranges from "
                f"{percent(together[worst])} ({worst}) to {percent(together[best])} ({best})."
            )
        return " ".join(sentences)


def _apart(oracle: Oracle | None, runs: Sequence[Run]) -> Oracle | None:
    """A human grader to stand beside the runs, if they cannot share its references."""
    return None if oracle is None or any(map(oracle.is_about, runs)) else oracle


def _standing(run: Run, key: str) -> float:
    """A score of the pair, to sort by: the higher one first."""
    return -(run.metrics.joint[key]["value"] or 0.0)


def _table(
    runs: Sequence[Run],
    names: Sequence[str],
    ranks: Mapping[str, str],
    ranked_by: str,
    oracle: Oracle | None,
) -> Table:
    named = list(zip(names, runs, strict=True))
    if ranks:
        order = list(ranks)
        named.sort(key=lambda pair: order.index(pair[0]) if pair[0] in ranks else len(order))
    varied = _varied(runs)
    blank = ["–"] * len(varied)
    metrics = {name: run.metrics for name, run in named}
    alone = any_unsafe_alone(metrics)
    columns = _SCORES
    if alone:
        columns = {
            name: of
            for name, of in COLUMNS.items()
            if any(of(each).value is not None for each in metrics.values())
        }
    families_of = FAMILY_COLUMNS if alone else _FAMILIES
    rows = [
        (
            f"{name}{' (estimate)' if run.metrics.get('sampling') else ''}",
            *([ranks.get(name, "–")] if ranks else []),
            *(of(run) for of in varied.values()),
            f"{run.metrics.joint.n:,}",
            *(format_rate(of(run.metrics)) for of in columns.values()),
            _answered(run),
            *(format_rate(of(run.metrics)) for of in families_of.values()),
        )
        for name, run in named
    ]
    head = (*(["–"] if ranks else []), *blank)
    ceiling = None if alone else ceiling_of(metrics)
    if ceiling is not None:
        exact = [Rate(best, best, best) for best in (1.0, 0.0, 0.0)]
        by_definition = (RateCell(f"{rate.value:.2f}", rate) for rate in exact)
        rows.append((CEILING, *head, "–", format_rate(ceiling), "–", "–", ABSENT, *by_definition))
    if oracle is not None and not alone:
        scores = (
            format_rate(oracle.joint[key]) if key in oracle.joint else "–" for key in _COLUMNS
        )
        families = (
            format_rate(oracle.families[f.value][0]) if f.value in oracle.families else "–"
            for f in Family
        )
        n = "–" if oracle.n is None else f"{oracle.n:,}"
        rows.append((oracle.name, *head, n, *scores, ABSENT, *families))
    return Table(
        "comparison",
        "Leaderboard" if ranks else "Runs side by side",
        (
            "model",
            *(["rank"] if ranks else []),
            *varied,
            "n",
            *columns,
            "answered",
            *families_of,
        ),
        tuple(rows),
        _note(
            named,
            ranked=ranked_by if ranks else "",
            ceiling=ceiling is not None,
            human=oracle is not None and not alone,
        )
        if not alone
        else " ".join(
            (flagged_column_note(metrics), _RANK.format(ranked_by) if ranks else _UNRANKED)
        ),
    )


def _answered(run: Run) -> str:
    part = answered_share(run.metrics)
    return ABSENT if part is None else format_rate(part.share)


def _varied(runs: Sequence[Run]) -> dict[str, Callable[[Run], str]]:
    """Prompt and dataset, as far as the runs do not share them."""
    columns: dict[str, Callable[[Run], str]] = {
        "prompt": lambda run: str(run.record["prompt"]["name"]),
        "dataset": lambda run: (
            f"{run.record['dataset']['name']} {run.record['dataset']['version']}"
        ),
    }
    return {name: of for name, of in columns.items() if len({of(run) for run in runs}) > 1}


def _note(named: Sequence[tuple[str, Run]], *, ranked: str, ceiling: bool, human: bool) -> str:
    sentences = [
        "Of the pair, each with its [95% interval]; the last three columns are accuracy by family. "
        "A missing answer counts as wrong."
    ]
    if len({severities_of(run.metrics) for _, run in named}) > 1:
        sentences.append(
            "macro-F1: over the severities of each run's own policy; differences and their ranks "
            "are over those that all have."
        )
    if ranked:
        sentences.append(_RANK.format(ranked))
    else:
        sentences.append(_UNRANKED)
    if ceiling:
        sentences.append(
            f"{CEILING}: what grading image and text apart without an error, and taking the worse, "
            "reaches; by family it is so by definition. It is no limit: the best rule from the "
            "two gold grades is right at least as often (gold_lookup in metrics.json)."
        )
    if human:
        sentences.append(
            "human grader: one against the consensus of the others, on items of its own; the runs "
            "are compared with the gold grade, so it is no measure of them."
        )
    if any(run.metrics.get("sampling") for _, run in named):
        sentences.append("estimate: of the whole dataset from a sample of it drawn by pattern.")
    return " ".join(sentences)


def _ranks(result: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, str]:
    """Name -> rank by what decides, with those it could have, best first; empty if not ranked."""
    board = result and result["leaderboard"].get(result["declared"]["primary"][0])
    if result is None or not board:
        return {}
    known_as = dict(zip((run["name"] for run in result["runs"]), names, strict=True))
    ranks = {}
    for each in board:
        rank = each["rank"]
        between = "" if rank["low"] == rank["high"] else f" ({rank['low']}–{rank['high']})"
        ranks[known_as[each["run"]]] = f"{rank['value']}{between}"
    return ranks


def _ranked_by(result: Mapping[str, Any]) -> str:
    """What decides, in words."""
    path = result["declared"]["primary"][0]
    return str(result["pairs"][0]["metrics"][path]["label"])


def _pattern_table(metrics: Mapping[str, Metrics]) -> Table:
    rows = []
    for pattern in patterns_of(metrics):
        parts = [each.patterns.get(pattern) for each in metrics.values()]
        counts = {part.n for part in parts if part}
        rows.append(
            (
                pattern,
                Pattern.parse(pattern).family.value,
                "–".join(f"{n:,}" for n in sorted({min(counts), max(counts)})),
                *("–" if part is None else format_rate(part.accuracy) for part in parts),
            )
        )
    return Table(
        "models",
        "Accuracy on the pair by pattern and run",
        ("pattern", "family", "n", *metrics),
        tuple(rows),
        "Each with its [95% interval]; whether two runs differ is told by their paired difference.",
    )


def _claimed(first: Mapping[str, Any], others: int) -> str:
    """Over how many of the others the first is better, by the ranks that are left open."""
    beaten = others + 1 - first["rank"]["high"]
    if beaten == others:
        whom = "the other" if others == 1 else f"all {others} others"
        return f"that it is better than {whom} holds after correction"
    if beaten == 0:
        return "that it is better than any other cannot be claimed"
    return f"that it is better holds after correction against {beaten} of the {others} others"
