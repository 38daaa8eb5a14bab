"""What is shown of a model that tells safe from unsafe only: what it flags, by gold grade and part.

Three severities cannot be scored of it (`vlsu.analysis.understanding.levels`): in the place of
accuracy stands the share called unsafe, which is recall where the gold grade is unsafe, a false
flag where it is safe, and neither where it is borderline.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import FamilyPart, Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.policy import Family, Pattern, Severity, patterns_of
from vlsu.report.answered import Answered, answered_cell, answered_value, series
from vlsu.report.table import Table, format_rate, percent
from vlsu.report.understanding.answered import MODALITY_NAMES, answered_sentence
from vlsu.report.understanding.modalities import (
    family_part,
    graded,
    modality_scores,
    severities_of,
    unsafe_alone,
)
from vlsu.report.understanding.severity_table import severity_table

__all__ = [
    "MEANING",
    "UNSAFE_SCORES",
    "family_tile",
    "flagged_findings",
    "flagged_headline",
    "flagged_note",
    "flagged_scores",
    "flagged_tables",
    "unsafe_scores",
]

_INTERVAL = "[95% interval]"
#: What the share flagged is.
MEANING = (
    "Flagged: called unsafe, which is recall of an unsafe pair (X-X-U), a false flag on a safe one "
    "(X-X-S), and neither on a borderline one; what has no answer is not flagged."
)
#: Key of a score of unsafe in a modality's part of `metrics.json` -> its name.
UNSAFE_SCORES: Mapping[str, str] = {
    "recall": "recall of unsafe",
    "precision": "precision of unsafe",
}


def flagged_note(metrics: Metrics) -> str:
    """That three severities are not scored; empty where they are."""
    if not unsafe_alone(metrics):
        return ""
    return (
        "This model tells safe from unsafe only. Accuracy, macro-F1 and every other figure of "
        "three severities is left out, since whether it is right on borderline content cannot be "
        "told; shown is what it flags as unsafe."
    )


def unsafe_scores(metrics: Metrics, modality: str) -> dict[str, Rate]:
    """Name -> score of unsafe against the rest, and share flagged by the milder gold grades."""
    scores = modality_scores(metrics, modality)
    named = {name: scores.per_class["unsafe"][key] for key, name in UNSAFE_SCORES.items()}
    flagged = {
        f"{severity.label} flagged": scores.flagged[severity.label]
        for severity in severities_of(metrics)
        if severity is not Severity.UNSAFE
    }
    return {name: Rate.from_json(rate) for name, rate in named.items()} | flagged


def flagged_scores(metrics: Metrics, modality: str) -> dict[str, tuple[Rate, str]]:
    """Name -> rate and what it is over: binary F1, and the scores of `unsafe_scores`."""
    what = MODALITY_NAMES[modality]
    rates = {"binary F1": modality_scores(metrics, modality).f1_binary}
    over = {"binary F1": "unsafe against the rest", "precision of unsafe": "of what it flags"}
    rates |= unsafe_scores(metrics, modality)
    return {
        name: (rate, over.get(name, f"of {name.split()[0 if 'flagged' in name else -1]} {what}"))
        for name, rate in rates.items()
    }


def flagged_headline(metrics: Metrics, main: Answered | None, *, enough: bool) -> str:
    """What is flagged, by gold grade of the pair, and what share was answered.

    Args:
        metrics: The content of ``metrics.json``.
        main: What was answered of the pair, or of what was asked about in its place.
        enough: Whether that is enough to choose one way of counting.
    """
    asked = graded(metrics)
    asked = ("joint",) if "joint" in asked else asked
    if main is not None and not enough and not main.share.value:
        return f"{answered_sentence(metrics)} Nothing can be said of what it tells apart."
    if not asked:
        return f"Nothing of known severity was asked about. {answered_sentence(metrics)}".strip()
    flagged = "; ".join(_flagged_by_gold(metrics, modality) for modality in asked)
    if enough or main is None:
        return f"Flags {flagged}. {answered_sentence(metrics)}".strip()
    unsafe = modality_scores(metrics, asked[0]).confusion["unsafe"]
    known = sum(unsafe.values()) - unsafe["none"]
    sentence = (
        f"{answered_sentence(metrics)} It flags {flagged}, with what is missing as not flagged"
    )
    if not known or len(asked) > 1:
        return f"{sentence}."
    share = format_share(unsafe["unsafe"] / known)
    return f"{sentence}; of the {known:,} unsafe ones that it answered, {share}."


def _flagged_by_gold(metrics: Metrics, modality: str) -> str:
    """``83% [77, 88] of unsafe pairs, 36% [29, 44] of borderline ones and 3% [1, 9] of safe ones``.

    As far as there are any.
    """
    rates = modality_scores(metrics, modality).flagged
    parts = [f"{share} of {name}" for name in reversed(rates) if (share := percent(rates[name]))]
    first, others = parts[0], parts[1:]
    return series([f"{first} {MODALITY_NAMES[modality]}", *(f"{part} ones" for part in others)])


def flagged_tables(metrics: Metrics, titles: Mapping[str, str]) -> dict[str, Table]:
    """The tables by family, pattern, category and severity, by name.

    Args:
        metrics: The content of ``metrics.json``.
        titles: Category -> its name.
    """
    tables = (_families(metrics), _patterns(metrics), _categories(metrics, titles),
              severity_table(
            metrics,
            titles,
            "Flagged by gold category and severity of the pair",
            lambda part: part.flagged,
            "Share of the joint judgments called unsafe.",
        ))  # fmt: skip
    return {table.name: table for table in tables}


def _families(metrics: Metrics) -> Table:
    parts = [(family, family_part(metrics, family)) for family in Family]
    return Table(
        "families",
        "By family of pattern",
        (
            "family",
            f"unsafe flagged {_INTERVAL}",
            f"safe flagged {_INTERVAL}",
            f"all flagged {_INTERVAL}",
            "n unsafe, safe, all",
            "answered",
        ),
        tuple(
            (
                family.value,
                *map(format_rate, (part.unsafe_recall, part.safe_called_unsafe, part.flagged)),
                f"{part.n_unsafe:,}, {part.n_safe:,}, {part.n:,}",
                answered_cell(part),
            )
            for family, part in parts
        ),
        "Joint judgments. Unsafe flagged: recall; of escalating pairs what is unsafe only together "
        "is found, or missed. Safe flagged: false flags; of de-escalating pairs those on what is "
        "safe together. What has no answer is not flagged.",
    )


def _patterns(metrics: Metrics) -> Table:
    there = severities_of(metrics)
    unlisted = f"not one of the {len(patterns_of(there))}"
    rows = []
    for name, part in metrics.patterns.items():
        pattern = Pattern.parse(name)
        rows.append(
            (
                name,
                pattern.family.value,
                format_rate(part.flagged),
                _KINDS[pattern.joint],
                str(part.n),
                answered_cell(part),
                "" if pattern.listed else unlisted,
            )
        )
    remarked = any(row[-1] for row in rows)
    columns = ("pattern", "family", f"flagged {_INTERVAL}", "which is", "n", "answered", "remark")
    letters = ", ".join(f"{s.letter} {s.label}" for s in there)
    return Table(
        "patterns",
        "By pattern",
        columns if remarked else columns[:-1],
        tuple(row if remarked else row[:-1] for row in rows),
        f"Gold grades of image, text and pair: {letters}. {MEANING}",
    )


#: Gold grade of a pair -> what flagging it is.
_KINDS: Mapping[Severity, str] = {
    Severity.UNSAFE: "recall",
    Severity.SAFE: "false flags",
    Severity.BORDERLINE: "neither",
}


def _categories(metrics: Metrics, titles: Mapping[str, str]) -> Table:
    return Table(
        "categories",
        "By gold category of the pair",
        (
            "category",
            f"unsafe flagged {_INTERVAL}",
            "unsafe called safe",
            "n unsafe",
            "all flagged",
            "n",
            "answered",
        ),
        tuple(
            (
                titles.get(name, name),
                format_rate(part.unsafe_recall),
                format_rate(part.unsafe_called_safe),
                str(part.n_unsafe),
                format_rate(part.flagged),
                str(part.n),
                answered_cell(part),
            )
            for name, part in metrics.categories.items()
        ),
        "Joint judgments of samples with a category. Unsafe flagged: recall of unsafe; what is "
        "neither flagged nor called safe has no answer.",
    )


def family_tile(part: FamilyPart) -> dict[str, object]:
    """The tile of a family: recall of its unsafe pairs, else what is flagged of its safe ones."""
    unsafe = bool(part.n_unsafe)
    return {
        "accuracy": part.unsafe_recall if unsafe else part.safe_called_unsafe,
        "n": part.n_unsafe if unsafe else part.n_safe,
        "meaning": "unsafe pairs flagged (recall)"
        if unsafe
        else "safe pairs flagged (false flags)",
        "answered": answered_value(part),
    }


def flagged_findings(metrics: Metrics) -> list[tuple[str, str]]:
    """Section and sentence of what stands out: what is missed, and what is flagged wrongly."""
    if "joint" not in graded(metrics):
        return []
    return [
        (section, text)
        for section, text in (
            ("modalities", _missed(metrics)),
            ("patterns", _missed_jointly(metrics)),
            ("borderline", _false_flags(metrics)),
        )
        if text
    ]


def _missed(metrics: Metrics) -> str:
    unsafe = metrics.joint.confusion["unsafe"]
    total = sum(unsafe.values())
    if not total:
        return ""
    recall = percent(metrics.joint.per_class["unsafe"].recall)
    precision = percent(metrics.joint.per_class["unsafe"].precision)
    lost = f", and {unsafe['none']:,} have no answer" if unsafe["none"] else ""
    found = f"; of what it flags {precision} is unsafe" if precision else ""
    first = f"Of {total:,} unsafe pairs it flags {recall}"
    return f"{first}; {unsafe['safe']:,} it calls safe{lost}{found}."


def _missed_jointly(metrics: Metrics) -> str:
    together = family_part(metrics, Family.ESCALATING)
    apart = family_part(metrics, Family.LATE_FUSION)
    shares = [percent(part.unsafe_recall) for part in (together, apart)]
    if not all(shares):
        return ""
    return (
        f"Of {together.n_unsafe:,} pairs that are unsafe only together (escalating) it flags "
        f"{shares[0]}; of {apart.n_unsafe:,} with an unsafe image or text (late-fusion) it flags "
        f"{shares[1]}."
    )


def _false_flags(metrics: Metrics) -> str:
    if not metrics.get("over_sensitivity"):
        return ""
    with_part = percent(metrics.over_sensitivity.safe)
    without = percent(metrics.over_sensitivity.no_unsafe_part.safe)
    if not (with_part and without):
        return ""
    return (
        f"Safe pairs with an unsafe image or text it flags in {with_part}, those without one in "
        f"{without}."
    )
