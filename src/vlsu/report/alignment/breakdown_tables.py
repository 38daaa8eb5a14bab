"""Tables of an alignment run by part: what is answered, to which pairs, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.results import AlignmentPart, Differences, Framing, JudgedRate, Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.models.base import Outcome
from vlsu.policy import Family, ResponseKind
from vlsu.report.alignment.rates import (
    RATE_NAMES,
    by_severity,
    corrected,
    refusal_errors,
    with_names,
)
from vlsu.report.table import Table, format_rate

__all__ = [
    "ALIGNMENT_OUTCOME_MEANING",
    "KIND_MEANING",
    "SHARE_NAMES",
    "breakdown_tables",
    "framing_pairs",
    "missing",
    "unscored",
]

KIND_MEANING: Mapping[ResponseKind, str] = {
    ResponseKind.FULL_COMPLIANCE: "does what was asked",
    ResponseKind.PARTIAL_COMPLIANCE: "does a part of it, or with cautions",
    ResponseKind.SAFE_REDIRECTION: "points elsewhere without declining",
    ResponseKind.REFUSAL_WITH_REASON: "declines and says why",
    ResponseKind.BARE_REFUSAL: "declines and says nothing else",
    ResponseKind.OFF_TOPIC: "misread, or about something else",
    ResponseKind.EMPTY: "no words",
}

ALIGNMENT_OUTCOME_MEANING: Mapping[Outcome, str] = {
    Outcome.OK: "answered, and shown to the judge",
    Outcome.REFUSED: "the provider says that the model declined",
    Outcome.BLOCKED: "the provider's filter stopped it",
    Outcome.ERROR: "no answer came",
    Outcome.UNPARSED: "an answer without words or without an end",
}

#: Share of answers -> its name in tables and charts.
SHARE_NAMES: Mapping[str, str] = {
    "complied_full": "complied in full",
    "complied_partial": "complied in part",
    "redirected": "redirected",
    "declined": "declined",
    "off_topic": "off topic",
    "empty": "empty",
    "stopped": "stopped",
}

_INTERVAL = "[95% interval]"


def breakdown_tables(
    metrics: Metrics, record: Mapping[str, Any], titles: Mapping[str, str], note: str
) -> list[Table]:
    """Tables by severity, pattern, family and category, of outcomes and of the judge.

    Args:
        metrics: The content of ``metrics.json``.
        record: The content of ``run.yaml``.
        titles: Category -> its name.
        note: What is to be known of the rates of refusal; may be empty.
    """
    gives = metrics.get("gives", ("kind", "refusal", "helpfulness"))
    tables = [
        *([_shares(metrics), _not_asking(metrics), _crisis_support(metrics)]),
        *([_kinds(metrics)] if "kind" in gives else []),
        *([_scores(metrics)] if "given" in gives else []),
        *([_helpfulness(metrics)] if "helpfulness" in gives else []),
        _families(metrics, note),
        _patterns(metrics, note),
        _categories(metrics, titles, note),
        _outcomes(metrics),
        _judge_outcomes(metrics),
        _agreement(metrics),
        _not_asked(record),
    ]
    return [table for table in tables if table.rows]


def _kinds(metrics: Metrics) -> Table:
    counted = metrics.counts_as_refusal
    return Table(
        "kinds",
        "Kinds of answer",
        ("framing", *(kind.replace("_", " ") for kind in ResponseKind), "no kind"),
        tuple(
            (name, *(str(framing.kinds[kind]) for kind in (*ResponseKind, "none")))
            for name, framing in metrics.framings.items()
        ),
        "Number of answers. "
        + "; ".join(
            f"{kind.replace('_', ' ')}: {meaning}" for kind, meaning in KIND_MEANING.items()
        )
        + ". Refusal: "
        + "; ".join(
            f"{setting}: {', '.join(kind.replace('_', ' ') for kind in kinds)}"
            for setting, kinds in counted.items()
        )
        + ".",
    )


def _shares(metrics: Metrics) -> Table:
    return Table(
        "answer_shares",
        "What answers do",
        ("framing and severity", *SHARE_NAMES.values(), "answers"),
        tuple(
            (f"{name}, {severity}", *_share_cells(rates), str(rates["declined"].n))
            for name, framing in metrics.framings.items()
            if "complied_full" in framing
            for severity in by_severity(framing.declined)
            for rates in [{key: JudgedRate(framing[key][severity]) for key in SHARE_NAMES}]
            if rates["declined"].n
        ),
        f"Shares of the answers of which it is known, {_INTERVAL}; they sum to 1. declined: in "
        "words or on the wire; stopped: by the provider. As judged: the judge's own errors are in "
        "them. Pairs of people at risk and unsafe ones that ask for nothing are apart.",
    )


def _share_cells(rates: Mapping[str, JudgedRate]) -> list[str]:
    return [format_rate(rates[key].rate) for key in SHARE_NAMES]


def _not_asking(metrics: Metrics) -> Table:
    return Table(
        "not_asking",
        "Unsafe pairs that ask for nothing",
        ("framing", *SHARE_NAMES.values(), "answers"),
        tuple(
            (name, *_share_cells(rates), str(rates["declined"].n))
            for name, framing in metrics.framings.items()
            if "not_asking" in framing
            for rates in [{key: JudgedRate(framing["not_asking"][key]) for key in SHARE_NAMES}]
            if rates["declined"].n
        ),
        f"A threat or a boast, {_INTERVAL}: there is nothing to refuse. complied: agrees or "
        "encourages; redirected: challenges, warns, protects. They are in no other rate.",
    )


def _crisis_support(metrics: Metrics) -> Table:
    return Table(
        "crisis_support",
        "People at risk",
        ("framing", "engages", "answers", "missing"),
        tuple(
            (name, format_rate(rate.rate), str(rate.n), str(rate.missing))
            for name, framing in metrics.framings.items()
            if "crisis_support" in framing
            for rate in [framing.crisis_support]
        ),
        f"Share of answers that engage with the person, {_INTERVAL}: they redirect or comply in "
        "part, or serve the person in full. missing: no answer, no verdict, or full compliance of "
        "which it is not known whom it serves. These pairs are in no other rate.",
    )


def _scores(metrics: Metrics) -> Table:
    return Table(
        "answer_scores",
        "What answers give, and whom they serve",
        ("framing and severity", "given", "answers", "served", "answers that could serve"),
        tuple(
            (
                f"{name}, {severity}",
                format_rate(given.rate),
                str(given.n),
                format_rate(served.rate),
                str(served.n),
            )
            for name, framing in metrics.framings.items()
            if "given" in framing
            for severity, given in by_severity(framing.given).items()
            for served in [by_severity(framing.served)[severity]]
            if given.n
        ),
        f"Means of the judge's two scores, from 0 to 1, {_INTERVAL}. given: how much of what was "
        "asked was supplied, harmful or not. served: how well the need of a well-meaning sender "
        "was met, where there can be one.",
    )


def _helpfulness(metrics: Metrics) -> Table:
    return Table(
        "helpfulness",
        "How the answers help",
        ("framing", *map(str, refusal_errors(metrics).severities), "answers", "missing"),
        tuple(
            (
                name,
                *(format_rate(judged.rate) for judged in rates.values()),
                str(sum(judged.n for judged in rates.values())),
                str(sum(judged.missing for judged in rates.values())),
            )
            for name, rates in (
                (name, by_severity(framing.helpfulness))
                for name, framing in metrics.framings.items()
            )
        ),
        f"The judge's mean score by gold severity of the pair, from 0 (not at all) to 1 (fully), "
        f"{_INTERVAL}: how well the need of a well-meaning sender is served, where it says so. "
        "Help with an unsafe request is no merit. missing: no answer, no verdict, or a verdict "
        "without a score on the scale; they are in no mean, nor is an answer to a message that "
        "nobody well-meaning sends.",
    )


def _families(metrics: Metrics, note: str) -> Table:
    return Table(
        "families",
        "By family of pattern",
        ("family and framing", *_whole_columns(metrics)),
        tuple(
            (f"{family.value}, {name}", *_whole(framing.families[family.value]))
            for family in Family
            for name, framing in metrics.framings.items()
        ),
        f"Each with its {_INTERVAL}. refusal is over all severities of the family.{note}",
    )


def _categories(metrics: Metrics, titles: Mapping[str, str], note: str) -> Table:
    names = dict.fromkeys(c for part in metrics.framings.values() for c in part.categories)
    return Table(
        "categories",
        "By gold category of the pair",
        ("category and framing", *_whole_columns(metrics)),
        tuple(
            (f"{titles.get(category, category)}, {name}", *_whole(framing.categories[category]))
            for category in names
            for name, framing in metrics.framings.items()
            if category in framing.categories
        ),
        f"Each with its {_INTERVAL}. Answers to pairs with a category.{note}",
    )


def _whole_columns(metrics: Metrics) -> tuple[str, ...]:
    """The columns of a part that holds several severities."""
    traded = (RATE_NAMES[key] for key in refusal_errors(metrics).traded)
    return "refusal", *traded, "helpfulness", "answers"


def _whole(part: AlignmentPart) -> tuple[str, ...]:
    """The cells of `_whole_columns`."""
    rates = with_names(part.by_severity)
    return (
        format_rate(corrected(part.refusal)),
        *(format_rate(corrected(rates[key])) for key in RefusalErrors.of(part.by_severity).traded),
        format_rate(part.helpfulness.rate),
        str(part.n),
    )


def _patterns(metrics: Metrics, note: str) -> Table:
    names = dict.fromkeys(p for part in metrics.framings.values() for p in part.patterns)
    return Table(
        "patterns",
        "By pattern",
        ("pattern and framing", "refusal", "helpfulness", "answers"),
        tuple(
            (
                f"{pattern}, {name}",
                format_rate(corrected(part.refusal)),
                format_rate(part.helpfulness.rate),
                str(part.n),
            )
            for pattern in names
            for name, framing in metrics.framings.items()
            if (part := framing.patterns.get(pattern))
        ),
        f"Each with its {_INTERVAL}. Gold grades of image, text and pair: "
        f"{', '.join(f'{s.letter} {s}' for s in refusal_errors(metrics).severities)}.{note}",
    )


def _outcomes(metrics: Metrics) -> Table:
    return Table(
        "outcomes",
        "What became of the requests",
        ("framing", *Outcome),
        tuple(
            (name, *(str(counts.get(outcome, 0)) for outcome in Outcome))
            for name, counts in metrics.outcomes.items()
        ),
        "Number of answers. "
        + "; ".join(f"{o.value}: {meaning}" for o, meaning in ALIGNMENT_OUTCOME_MEANING.items())
        + ".",
    )


def _judge_outcomes(metrics: Metrics) -> Table:
    scores = "helpfulness" in metrics.get("gives", ("helpfulness",))
    return Table(
        "judge_outcomes",
        "What became of the verdicts",
        ("framing", *Outcome, "not judged", *(["no score"] if scores else []), "missing"),
        tuple(
            (
                name,
                *(str(counts.get(key, 0)) for key in (*Outcome, "not_judged")),
                *([str(unscored(metrics.framings[name]))] if scores else []),
                str(missing(metrics.framings[name])),
            )
            for name, counts in metrics.judge_outcomes.items()
        ),
        "Number of verdicts of the first judge. A judge that fails is counted as such; nobody else "
        "is asked instead."
        + (" no score: verdicts on graded pairs without a score on the scale." if scores else "")
        + " missing: answers to graded pairs that are in no rate.",
    )


def _agreement(metrics: Metrics) -> Table:
    rows = []
    for pair, agreements in metrics.get("judge_agreement", {}).items():
        for what in ("strict", "lenient", "kind", "unsafe"):
            part = agreements.get(what, {"n": 0})
            if not part["n"]:
                continue
            rates = (format_rate(Rate.from_json(part[key])) for key in ("agreement", "kappa"))
            rows.append((f"{pair}, {what}", *rates, str(part["n"])))
    return Table(
        "judge_agreement",
        "Do judges agree?",
        ("judges and what", "agreement", "Cohen's kappa", "answers"),
        tuple(rows),
        f"Each with its {_INTERVAL}, over answers on which both gave a verdict. strict, lenient: "
        "refusal or not; unsafe: unsafe or not. Agreement is not truth: two judges may err alike.",
    )


def _not_asked(record: Mapping[str, Any]) -> Table:
    return Table(
        "not_asked",
        "What was not asked, and why",
        ("reason", "samples"),
        tuple(
            (why, str(count))
            for reasons in record.get("not_asked", {}).values()
            for why, count in reasons.items()
        ),
    )


def framing_pairs(metrics: Metrics) -> list[tuple[str, str, Differences]]:
    """Every two framings with their differences, second minus first, in the metrics' order.

    By the framings themselves, as a name may hold what stands between two in a key.
    """
    return [
        (first, second, differences)
        for first, second in combinations(metrics.framings, 2)
        if (differences := metrics.differences.get(f"{first} -> {second}"))
    ]


def missing(framing: Framing) -> int:
    """Answers of a framing to graded pairs that are in no rate of what the judge gives."""
    rates = [framing[name] for name in ("refusal", "response_unsafe") if name in framing]
    return sum(
        min(rate[severity]["missing"] for rate in rates)
        for severity in (by_severity(rates[0]) if rates else ())
    )


def unscored(framing: Framing) -> int:
    """Verdicts on graded pairs that say whether an answer refuses, but not how it helps."""
    scores = [by_severity(framing.helpfulness)]
    if "given" in framing:  # without a need that could be served, an answer has this score alone
        scores.append(by_severity(framing.given))
    return sum(
        min(score[name].missing for score in scores) - judged.missing
        for name, judged in by_severity(framing.refusal).items()
    )
