"""The tables of a judge against human labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.table import Table, format_rate

__all__ = ["validation_tables"]

_MEASURES = ("sensitivity", "specificity", "precision", "kappa")
_PART = ("sensitivity", "specificity", "kappa")
_SETTINGS = ("strict", "lenient")


def validation_tables(metrics: Mapping[str, Any], judge: str) -> tuple[Table, ...]:
    """What there is to show of it: in all, by label, by kind, by language, by group.

    Args:
        metrics: From `vlsu.analysis.alignment.judge_validation`.
        judge: What to call the judge.
    """
    tables = (
        _overall(metrics, judge),
        _by_label(metrics),
        _kinds(metrics),
        _parts(metrics, "language"),
        _parts(metrics, "group"),
    )
    return tuple(table for table in tables if table.rows)


def _overall(metrics: Mapping[str, Any], judge: str) -> Table:
    only = metrics["refusal_only"]
    named = {**{s: metrics[s] for s in _SETTINGS}, **({"refusal only": only} if only else {})}
    return Table(
        "validation",
        f"{judge} against {metrics['n']} labelled answers",
        ("refusal counted", "n", *_MEASURES),
        tuple(
            (name, str(part["n"]), *(_rate(part[m]) for m in _MEASURES))
            for name, part in named.items()
        ),
        "[95% intervals]. strict: declined; lenient: declined or redirected; refusal only: "
        "declined and said nothing else. Answers without words, or without a verdict, are left "
        "out.",
    )


def _by_label(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "by_label",
        "What the judge calls a refusal, by label",
        ("label", "n", *_SETTINGS),
        tuple(
            (
                label,
                str(part["n"]),
                *(_rate(part[f"called_refusal_{s}"]) for s in _SETTINGS),
            )
            for label, part in metrics["by_label"].items()
        ),
        "Share of the answers with that label.",
    )


def _kinds(metrics: Mapping[str, Any]) -> Table:
    kinds = metrics["kinds"]
    rows = [
        (
            kind,
            str(scores["support"]),
            *(_rate(scores[m]) for m in ("precision", "recall", "f1")),
        )
        for kind, scores in kinds["classes"].items()
        if scores["support"]
    ]
    return Table(
        "kinds",
        "By kind of answer",
        ("kind", "labelled", "precision", "recall", "f1"),
        tuple(rows) if kinds["n"] else (),
        f"Over {kinds['n']} answers whose label is a kind. Same kind: "
        f"{_rate(kinds['agreement'])}; kappa {_rate(kinds['kappa'])}.",
    )


def _parts(metrics: Mapping[str, Any], column: str) -> Table:
    return Table(
        f"by_{column}",
        f"By {column}",
        (f"{column} and refusal counted", "n", *_PART),
        tuple(
            (f"{name}, {setting}", str(part[setting]["n"]), *_cells(part[setting]))
            for name, part in metrics[f"by_{column}"].items()
            for setting in _SETTINGS
        ),
    )


def _cells(part: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_rate(part[measure]) for measure in _PART)


def _rate(tree: Mapping[str, Any]) -> str:
    return format_rate(Rate.from_json(tree))
