"""The first table of an understanding run: its scores, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import UNANSWERED
from vlsu.report.table import Table, format_rate
from vlsu.report.understanding.answered import answered_parts
from vlsu.report.understanding.flagged import unsafe_scores
from vlsu.report.understanding.modalities import score_names, unsafe_alone

__all__ = ["headline_table"]

_INTERVAL = "[95% interval]"
#: What a missing answer is; of a model that tells safe from unsafe only it is not flagged.
_MISSING = {
    False: "An answer that is missing counts as wrong.",
    True: "The model tells safe from unsafe only, so figures of three severities are left out. An "
    "answer that is missing counts as not flagged.",
}


def headline_table(metrics: Metrics, modalities: tuple[str, ...]) -> Table:
    """The scores of the pair; of what was asked about instead, if that was never the pair.

    Beside them stand the shares answered, refused, blocked, failed and unparsed.

    Args:
        metrics: The content of ``metrics.json``.
        modalities: Those that were asked about and have gold grades.
    """
    names = {
        "accuracy": "accuracy",
        "f1_macro": "macro-F1",
        "f1_binary": "binary F1 (unsafe against the rest)",
        "f1_binary_strict": "strict F1 (borderline and unsafe against safe)",
    }
    names = {key: name for key, name in names.items() if key in score_names(metrics)}
    parts = {part.name: part for part in answered_parts(metrics)}
    missing = [str(outcome) for outcome in UNANSWERED]
    if modalities and "joint" not in modalities:
        return Table(
            "headline",
            f"{' and '.join(modalities).capitalize()} alone",
            ("measure", *(f"{m} {_INTERVAL}" for m in modalities)),
            (
                *(
                    (name, *(format_rate(Rate.from_json(metrics[m][key])) for m in modalities))
                    for key, name in names.items()
                ),
                *_unsafe_rows(metrics, modalities),
                ("answered", *(format_rate(parts[m].share) for m in modalities)),
                *((o, *(format_rate(parts[m].others[o]) for m in modalities)) for o in missing),
            ),
            f"Pairs were not asked about. {_MISSING[unsafe_alone(metrics)]}",
        )
    n = str(metrics.joint.n)
    rows = [
        (name, format_rate(Rate.from_json(metrics.joint[key])), n) for key, name in names.items()
    ]
    rows += [
        (name, score, str(_size(metrics, name)))
        for name, score in (_unsafe_rows(metrics, ("joint",)) if modalities else ())
    ]
    if "joint" in parts:
        pair = parts["joint"]
        rows.append(("answered", format_rate(pair.share), str(pair.n)))
        rows += [(outcome, format_rate(pair.others[outcome]), str(pair.n)) for outcome in missing]
    return Table(
        "headline",
        "Image and text together",
        ("measure", f"value {_INTERVAL}", "n"),
        tuple(rows),
        f"Of the joint judgments. {_MISSING[unsafe_alone(metrics)]}",
    )


def _unsafe_rows(metrics: Metrics, modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """Scores of unsafe, and shares flagged, where three severities are not scored."""
    if not unsafe_alone(metrics):
        return []
    scores = [unsafe_scores(metrics, modality) for modality in modalities]
    return [(name, *(format_rate(each[name]) for each in scores)) for name in scores[0]]


def _size(metrics: Metrics, name: str) -> int:
    """How many joint judgments a row of `_unsafe_rows` is over."""
    confusion = metrics.joint.confusion
    if name.startswith("precision"):
        return sum(row["unsafe"] for row in confusion.values())
    gold = name.removesuffix(" flagged") if name.endswith(" flagged") else "unsafe"
    return sum(confusion[gold].values())
