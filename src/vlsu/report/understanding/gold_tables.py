"""Tables of what goes beyond one gold grade: what errors cost, and grades that can be defended."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import GoldParts, Metrics, WeightedHarm
from vlsu.report.answered import answered_cell
from vlsu.report.table import ABSENT, Table, format_rate

__all__ = ["gold_tables"]

_INTERVAL = "[95% interval]"


def gold_tables(metrics: Metrics, titles: Mapping[str, str]) -> list[Table]:
    """The tables that this run has, in the order of the report.

    Args:
        metrics: The content of ``metrics.json``.
        titles: Category -> its name.
    """
    return [
        *(
            [_weighted_harm(metrics.weighted_harm, titles)]
            if _there(metrics, "weighted_harm")
            else []
        ),
        *([_gold(metrics.gold_agreement)] if _there(metrics, "gold_agreement") else []),
    ]


def _there(metrics: Metrics, part: str) -> bool:
    """Whether a run has a part, and its model can be scored by it."""
    return part in metrics and "reason" not in metrics[part]


def _weighted_harm(harm: WeightedHarm, titles: Mapping[str, str]) -> Table:
    n = str(harm.n)
    rows = [
        ("all pairs", format_rate(harm.mean), "", n),
        ("of it: called milder than they are", format_rate(harm.called_milder), "", n),
        ("of it: called worse than they are", format_rate(harm.called_worse), "", n),
        ("of it: without an answer", format_rate(harm.unanswered), "", n),
    ]
    for name, part in harm.categories.items():
        title = titles.get(name, name)
        rows.append((title, format_rate(part.mean), f"{part.weight:g}", str(part.n)))
    return Table(
        "weighted_harm",
        "What the errors on pairs cost, by the weights given",
        ("pairs", f"cost per pair {_INTERVAL}", "weight", "n"),
        tuple(rows),
        "Mean of what each joint judgment costs, pairs weighted by category; 0 is best, and the "
        f"worst error costs {harm.largest:g}. The weights are in run.yaml.",
    )


def _gold(gold: GoldParts) -> Table:
    return Table(
        "gold_agreement",
        "Where the gold grade is the only one that can be defended, and where it is not",
        (
            "gold grade",
            f"accuracy {_INTERVAL}",
            "an admissible grade",
            "macro-F1",
            "n",
            "answered",
        ),
        tuple(
            (
                name,
                format_rate(part.accuracy),
                format_rate(part.accuracy_admissible) if name == "split" else ABSENT,
                format_rate(part.f1_macro),
                str(part.n),
                answered_cell(part),
            )
            for name, part in (("unanimous", gold.unanimous), ("split", gold.split))
        ),
        "Joint judgments. split: the dataset names other grades that a careful grader could give. "
        "An admissible grade: the gold one or one of these. All other tables count the gold grade "
        "alone as right.",
    )
