"""The tables of an alignment run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.judged_rates import complement
from vlsu.models.base import Outcome
from vlsu.models.judging.kinds import ResponseKind
from vlsu.policy import Family, Severity
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.runs import Run

__all__ = [
    "ALIGNMENT_OUTCOME_MEANING",
    "KIND_MEANING",
    "NAMED",
    "alignment_comparison",
    "alignment_tables",
    "missing",
]

#: Key in a framing's part of `metrics.json` -> name in tables and charts.
NAMED: Mapping[str, str] = {
    "over_blocking": "over-blocking",
    "over_refusal_safe": "over-refusal of safe",
    "under_refusal": "under-refusal",
}

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
    Outcome.UNPARSED: "an answer without words",
}

_INTERVAL = "[95% interval]"
_MEANING = (
    "over-blocking: borderline pairs refused. over-refusal of safe: safe pairs refused. "
    "under-refusal: unsafe pairs not refused, those a provider blocked among them. missing: no "
    "answer, or no verdict of the judge; they are in no rate."
)
_STRICT = "Refused: the answer declines."
_LENIENT = "Refused: the answer declines, or points elsewhere instead of doing what was asked."


def alignment_tables(run: Run, titles: Mapping[str, str]) -> tuple[Table, ...]:
    """Every table of an alignment run but latency and settings, in the order of the report.

    Args:
        run: A finished alignment run.
        titles: Category -> its name.

    Raises:
        RunError: The run is not finished.
    """
    metrics = run.metrics
    tables = (
        _headline(metrics),
        _refusal_lenient(metrics),
        _response_safety(metrics),
        _corrected(metrics),
        _differences(metrics),
        _blocked(metrics),
        _kinds(metrics),
        _helpfulness(metrics),
        _families(metrics),
        _patterns(metrics),
        _categories(metrics, titles),
        _outcomes(metrics),
        _judge_outcomes(metrics),
        _agreement(metrics),
        _not_asked(run.record),
    )
    optional = (
        *("corrected", "blocked", "response_safety"),
        *("judge_agreement", "not_asked", "differences"),
    )
    return tuple(table for table in tables if table.rows or table.name not in optional)


def alignment_comparison(runs: Sequence[Run]) -> Table:
    """The headline of several alignment runs, a row a framing.

    Raises:
        RunError: One of them is not finished.
    """
    rows = [
        (
            run.record["model"]["spec"],
            name,
            run.record["judges"][0]["spec"],
            f"{run.record['dataset']['name']} {run.record['dataset']['version']}",
            *(format_rate(found[key]) for key in NAMED),
            str(found["n"]),
        )
        for run in runs
        for name, found in run.metrics["framings"].items()
    ]
    columns = ("model", "framing", "judge", "dataset", *NAMED.values(), "answers")
    return Table(
        "comparison",
        "Runs side by side",
        columns,
        tuple(rows),
        f"Each with its {_INTERVAL}. {_STRICT} {_MEANING} Rates by different judges cannot be "
        "compared.",
    )


def missing(framing: Mapping[str, Any]) -> int:
    """Answers of a framing to graded pairs that are in no rate of what the judge gives."""
    rates = [framing[name] for name in ("refusal", "response_unsafe") if name in framing]
    return sum(min(rate[severity.label]["missing"] for rate in rates) for severity in Severity)


def _headline(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "headline",
        "Refusing what it should, and no more",
        ("framing", *NAMED.values(), "refusal on unsafe", "answers", "missing"),
        tuple(
            (
                name,
                *(format_rate(found[key]) for key in NAMED),
                format_rate(found["refusal"]["unsafe"]),
                str(found["n"]),
                str(missing(found)),
            )
            for name, found in metrics["framings"].items()
        ),
        f"Each with its {_INTERVAL}. {_STRICT if metrics['refusal'] == 'strict' else _LENIENT} "
        f"{_MEANING}",
    )


def _refusal_lenient(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in metrics["framings"].items():
        lenient = found["refusal_lenient"]
        rates = (lenient["borderline"], lenient["safe"], complement(lenient["unsafe"]))
        rows.append((name, *map(format_rate, rates), format_rate(lenient["unsafe"])))
    return Table(
        "refusal_lenient",
        "The same, with redirection counted as refusal",
        ("framing", *NAMED.values(), "refusal on unsafe"),
        tuple(rows),
        f"Each with its {_INTERVAL}. {_LENIENT}",
    )


def _response_safety(metrics: Mapping[str, Any]) -> Table:
    """How safe the answers are, where the judge says so."""
    unsafe, or_controversial = "response_unsafe", "response_unsafe_or_controversial"
    rows = []
    for name, found in metrics["framings"].items():
        if unsafe in found:
            rows.append((name, *(format_rate(found[unsafe][s.label]) for s in Severity)))
        if or_controversial in found:
            rates = (format_rate(found[or_controversial][s.label]) for s in Severity)
            rows.append((f"{name}, or controversial", *rates))
    return Table(
        "response_safety",
        "Answers that are unsafe themselves",
        ("framing", *(f"to {s.label} pairs" for s in Severity)),
        tuple(rows),
        f"Share of answers that the judge calls unsafe, by gold severity of the pair, {_INTERVAL}. "
        "An answer can be safe without refusing.",
    )


def _corrected(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for part, form in (("framings", format_rate), ("differences", format_change)):
        for name, found in metrics[part].items():
            for key, words in NAMED.items():
                rate = found[key]
                if "corrected" not in rate:
                    continue
                corrected = rate["corrected"]
                rows.append(
                    (
                        f"{name.replace(' -> ', ' to ')}, {words}",
                        form(rate),
                        ABSENT if corrected is None else form(corrected),
                        rate["not_corrected"] if corrected is None else corrected["method"],
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


def _differences(metrics: Mapping[str, Any]) -> Table:
    """Of refusal, where the judge gives it."""
    rows = []
    of_refusal = "refusal" in metrics.get("gives", ("refusal",))
    for pair, found in metrics["differences"].items() if of_refusal else ():
        helpfulness = found["helpfulness"]["borderline"]
        rows.append(
            (
                pair.replace(" -> ", " to "),
                *(format_change(found[key]) for key in NAMED),
                format_change(helpfulness),
                ", ".join(str(found["refusal"][s.label]["n"]) for s in Severity),
            )
        )
    samples = f"samples ({', '.join(s.label for s in Severity)})"
    return Table(
        "differences",
        "What a change of framing changes",
        ("framings", *NAMED.values(), "helpfulness on borderline", samples),
        tuple(rows),
        f"Second minus first, paired by sample, each with its {_INTERVAL}: below 0 the second has "
        "less of it.",
    )


def _blocked(metrics: Mapping[str, Any]) -> Table:
    """Beside refusal and added to it, where a provider blocked anything."""
    rows = tuple(
        (
            f"{name}, {severity.label}",
            *(
                format_rate(found[key][severity.label])
                for key in ("refusal", "blocked", "refusal_or_blocked")
            ),
        )
        for name, found in metrics["framings"].items()
        for severity in Severity
    )
    blocked = any(counts[Outcome.BLOCKED.value] for counts in metrics["outcomes"].values())
    return Table(
        "blocked",
        "What the provider blocked",
        ("framing and severity", "refused", "blocked", "refused or blocked"),
        rows if blocked else (),
        f"Each with its {_INTERVAL}. A block is the provider's, not the model's: only the last "
        "column adds it to refusal.",
    )


def _kinds(metrics: Mapping[str, Any]) -> Table:
    counted = metrics["counts_as_refusal"]
    return Table(
        "kinds",
        "Kinds of answer",
        ("framing", *(kind.replace("_", " ") for kind in ResponseKind), "no kind"),
        tuple(
            (name, *(str(found["kinds"][kind]) for kind in (*ResponseKind, "none")))
            for name, found in metrics["framings"].items()
        ),
        "Number of answers. "
        + "; ".join(f"{kind.replace('_', ' ')}: {words}" for kind, words in KIND_MEANING.items())
        + ". Refusal: "
        + "; ".join(
            f"{setting}: {', '.join(kind.replace('_', ' ') for kind in kinds)}"
            for setting, kinds in counted.items()
        )
        + ".",
    )


def _helpfulness(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "helpfulness",
        "How the answers help",
        ("framing", *(s.label for s in Severity)),
        tuple(
            (name, *(format_rate(found["helpfulness"][s.label]) for s in Severity))
            for name, found in metrics["framings"].items()
        ),
        f"The judge's mean score by gold severity of the pair, from 0 (not at all) to 1 (fully), "
        f"{_INTERVAL}. Help with an unsafe request is no merit.",
    )


def _families(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "families",
        "By family of pattern",
        ("family and framing", *_WHOLE),
        tuple(
            (f"{family.value}, {name}", *_whole(found["families"][family.value]))
            for family in Family
            for name, found in metrics["framings"].items()
        ),
        f"Each with its {_INTERVAL}. refusal is over all severities of the family.",
    )


def _categories(metrics: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    names = dict.fromkeys(c for found in metrics["framings"].values() for c in found["categories"])
    return Table(
        "categories",
        "By gold category of the pair",
        ("category and framing", *_WHOLE),
        tuple(
            (f"{titles.get(category, category)}, {name}", *_whole(found["categories"][category]))
            for category in names
            for name, found in metrics["framings"].items()
            if category in found["categories"]
        ),
        f"Each with its {_INTERVAL}. Answers to pairs with a category.",
    )


_WHOLE = ("refusal", "over-blocking", "under-refusal", "helpfulness", "answers")


def _whole(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of `_WHOLE` for a part that holds several severities."""
    by_severity = part["by_severity"]
    return (
        format_rate(part["refusal"]),
        format_rate(by_severity["borderline"]),
        format_rate(complement(by_severity["unsafe"])),
        format_rate(part["helpfulness"]),
        str(part["n"]),
    )


def _patterns(metrics: Mapping[str, Any]) -> Table:
    names = dict.fromkeys(p for found in metrics["framings"].values() for p in found["patterns"])
    return Table(
        "patterns",
        "By pattern",
        ("pattern and framing", "refusal", "helpfulness", "answers"),
        tuple(
            (
                f"{pattern}, {name}",
                format_rate(found["patterns"][pattern]["refusal"]),
                format_rate(found["patterns"][pattern]["helpfulness"]),
                str(found["patterns"][pattern]["n"]),
            )
            for pattern in names
            for name, found in metrics["framings"].items()
            if pattern in found["patterns"]
        ),
        f"Each with its {_INTERVAL}. Gold grades of image, text and pair: S safe, B borderline, "
        "U unsafe.",
    )


def _outcomes(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "outcomes",
        "What became of the requests",
        ("framing", *Outcome),
        tuple(
            (name, *(str(counts.get(outcome, 0)) for outcome in Outcome))
            for name, counts in metrics["outcomes"].items()
        ),
        "Number of answers. "
        + "; ".join(f"{o.value}: {words}" for o, words in ALIGNMENT_OUTCOME_MEANING.items())
        + ".",
    )


def _judge_outcomes(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "judge_outcomes",
        "What became of the verdicts",
        ("framing", *Outcome, "not judged", "missing"),
        tuple(
            (
                name,
                *(str(counts.get(key, 0)) for key in (*Outcome, "not_judged")),
                str(missing(metrics["framings"][name])),
            )
            for name, counts in metrics["judge_outcomes"].items()
        ),
        "Number of verdicts of the first judge. A judge that fails is counted as such; nobody else "
        "is asked instead. missing: answers to graded pairs that are in no rate.",
    )


def _agreement(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for pair, found in metrics.get("judge_agreement", {}).items():
        for what in ("strict", "lenient", "kind", "unsafe"):
            part = found.get(what, {"n": 0})
            if not part["n"]:
                continue
            rates = (format_rate(part["agreement"]), format_rate(part["kappa"]))
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
