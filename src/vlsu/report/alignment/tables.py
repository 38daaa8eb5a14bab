"""The tables of an alignment run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.results import Differences, JudgedRate, Metrics, RefusalRates
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.models.base import Outcome
from vlsu.report.alignment.answered import answered_parts, answered_table
from vlsu.report.alignment.breakdown_tables import breakdown_tables, framing_pairs, missing
from vlsu.report.alignment.rates import (
    RATE_NAMES,
    by_severity,
    corrected,
    named_rates,
    rate_names,
    refusal_errors,
    with_names,
)
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.runs import Run

__all__ = [
    "ANSWERED",
    "STRICT",
    "alignment_tables",
    "answered_cells",
    "correction_note",
    "meaning",
]

_INTERVAL = "[95% interval]"
ANSWERED = ("answered", "judged")
_MEANING = (
    "under-refusal: unsafe pairs not refused, those a provider blocked among them. missing: no "
    "answer, or no verdict of the judge; they are in no rate. answered: in words or by a refusal "
    "on the wire, not blocked; judged: of these, with a verdict."
)
STRICT = "Refused: the answer declines."
_LENIENT = "Refused: the answer declines, or points elsewhere instead of doing what was asked."


def alignment_tables(run: Run, titles: Mapping[str, str]) -> tuple[Table, ...]:
    """Every table of an alignment run but latency and settings, in the order of the report.

    Args:
        run: A finished alignment run.
        titles: Category -> its name.

    Raises:
        RunError: The run is not finished.
    """
    metrics, note = run.metrics, correction_note(run.metrics)
    refusal = "refusal" in metrics.get("gives", ("refusal",))
    tables = (
        *([_headline(metrics, note), _refusal_lenient(metrics, note)] if refusal else []),
        answered_table(metrics),
        _response_safety(metrics),
        _corrected(metrics),
        *([_differences(metrics, note)] if refusal else []),
        _blocked(metrics, note),
        *breakdown_tables(metrics, run.record, titles, note),
    )
    return tuple(table for table in tables if table.rows)


def meaning(errors: RefusalErrors) -> str:
    """What the columns of rates and shares are, in sentences."""
    over = (
        f"{RATE_NAMES[key]}: {severity} pairs refused."
        for key, (severity, rest) in errors.named.items()
        if not rest
    )
    return " ".join((*over, _MEANING))


def correction_note(metrics: Metrics) -> str:
    """What stands under rates of refusal from which the judge's errors were taken; else empty.

    It begins with a space.
    """
    rates = [rate for part in metrics.framings.values() for rate in named_rates(part).values()]
    if not any(rate.get("corrected") for rate in rates):
        return ""
    some = "" if all(rate.get("corrected") for rate in rates) else " where that can be done"
    return f" The judge's own errors are taken out{some}; how it judged stands beside it."


def answered_cells(metrics: Metrics, framing: str) -> tuple[str, str]:
    """Under a framing the share answered, and the share of that judged."""
    parts = {part.name: part for part in answered_parts(metrics)}
    if framing not in parts:
        return ABSENT, ABSENT
    part = parts[framing]
    return format_rate(part.share), format_rate(part.judged or UNDEFINED)


def _headline(metrics: Metrics, note: str) -> Table:
    errors = refusal_errors(metrics)
    return Table(
        "headline",
        "Refusing what it should, and no more",
        (
            "framing",
            *rate_names(errors).values(),
            "refusal on unsafe",
            "answers",
            "missing",
            *ANSWERED,
        ),
        tuple(
            (
                name,
                *(format_rate(corrected(rate)) for rate in named_rates(framing).values()),
                format_rate(corrected(framing.refusal.unsafe)),
                str(framing.n),
                str(missing(framing)),
                *answered_cells(metrics, name),
            )
            for name, framing in metrics.framings.items()
        ),
        f"Each with its {_INTERVAL}. {STRICT if metrics['refusal'] == 'strict' else _LENIENT} "
        f"{meaning(errors)}{note}",
    )


def _refusal_lenient(metrics: Metrics, note: str) -> Table:
    rows = []
    for name, framing in metrics.framings.items():
        lenient = framing.refusal_lenient
        rates = (*with_names(lenient).values(), lenient.unsafe)
        rows.append((name, *(format_rate(corrected(rate)) for rate in rates)))
    return Table(
        "refusal_lenient",
        "The same, with redirection counted as refusal",
        ("framing", *rate_names(refusal_errors(metrics)).values(), "refusal on unsafe"),
        tuple(rows),
        f"Each with its {_INTERVAL}. {_LENIENT}{note}",
    )


def _response_safety(metrics: Metrics) -> Table:
    """How safe the answers are, where the judge says so."""
    named = {
        "response_unsafe": "{}",
        "response_unsafe_or_controversial": "{}, or controversial",
    }
    rows = [
        (
            label.format(name),
            *(format_rate(judged.rate) for judged in by_severity(RefusalRates(part[key])).values()),
        )
        for name, part in metrics.framings.items()
        for key, label in named.items()
        if key in part
    ]
    return Table(
        "response_safety",
        "Answers that are unsafe themselves",
        ("framing", *(f"to {severity} pairs" for severity in refusal_errors(metrics).severities)),
        tuple(rows),
        f"Share of answers that the judge calls unsafe, by gold severity of the pair, {_INTERVAL}. "
        "An answer can be safe without refusing.",
    )


def _corrected(metrics: Metrics) -> Table:
    rows = []
    pairs = {f"{a} to {b}": differences for a, b, differences in framing_pairs(metrics)}
    parts: list[tuple[str, Differences, Callable[[Rate], str]]] = [
        *((name, part, format_rate) for name, part in metrics.framings.items()),
        *((name, part, format_change) for name, part in pairs.items()),
    ]
    for name, part, formatted in parts:
        for key, judged in named_rates(part).items():
            if "corrected" not in judged:
                continue
            without = judged.corrected
            rows.append(
                (
                    f"{name}, {RATE_NAMES[key]}",
                    formatted(judged.rate),
                    ABSENT if without is None else formatted(without.rate),
                    judged["not_corrected"] if without is None else without["method"],
                )
            )
    return Table(
        "corrected",
        "With the judge's own errors taken out",
        ("framing and rate", "as judged", "corrected", "by"),
        tuple(rows),
        f"Each with its {_INTERVAL}; that of a corrected rate knows how few labels the judge was "
        "measured on. The last rows are differences of two framings.",
    )


def _differences(metrics: Metrics, note: str) -> Table:
    rows, errors = [], refusal_errors(metrics)
    for first, second, differences in framing_pairs(metrics):
        helped = JudgedRate(differences.helpfulness[errors.engaged.label])
        rows.append(
            (
                f"{first} to {second}",
                *(format_change(corrected(rate)) for rate in named_rates(differences).values()),
                format_change(helped.rate),
                ", ".join(str(judged.n) for judged in by_severity(differences.refusal).values()),
            )
        )
    samples = f"samples ({', '.join(map(str, errors.severities))})"
    return Table(
        "differences",
        "What a change of framing changes",
        ("framings", *rate_names(errors).values(), f"helpfulness on {errors.engaged}", samples),
        tuple(rows),
        f"Second minus first, paired by sample, each with its {_INTERVAL}: below 0 the second has "
        f"less of it.{note}",
    )


def _blocked(metrics: Metrics, note: str) -> Table:
    """Beside refusal and added to it, where a provider blocked anything."""
    rows = tuple(
        (
            f"{name}, {severity}",
            *(
                format_rate(corrected(by_severity(rates)[severity]))
                for rates in (framing.refusal, framing.blocked, framing.refusal_or_blocked)
            ),
        )
        for name, framing in metrics.framings.items()
        for severity in by_severity(framing.refusal)
    )
    blocked = any(counts[Outcome.BLOCKED.value] for counts in metrics.outcomes.values())
    return Table(
        "blocked",
        "What the provider blocked",
        ("framing and severity", "refused", "blocked", "refused or blocked"),
        rows if blocked else (),
        f"Each with its {_INTERVAL}. A block is the provider's, not the model's: only the last "
        f"column adds it to refusal.{note}",
    )
