"""A comparison of runs as tables and sentences; its keys are in ``docs/comparing.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vlsu.analysis.comparison.families import EXPLORATORY, MEANING, PRIMARY, SECONDARY, WORST_CASE
from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.report.understanding.swap import compared_swaps

__all__ = [
    "PAIR_TABLES",
    "claims",
    "comparison_tables",
    "held_table",
    "marked_table",
    "open_claims",
    "pair_tables",
    "setup_table",
]

Comparison = Mapping[str, Any]
_Pair = Mapping[str, Any]

#: Tables of a pair: what is declared, then the rest by kind.
PAIR_TABLES = ("headline", "others", "families", "patterns", "categories")
#: Metrics of a pair that are shown of those that are not declared.
_SHOWN = (
    *("image.accuracy", "text.accuracy", "joint.", "late_fusion.", "over_sensitivity."),
    *("framings.", "outcomes."),
)
#: What a comparison of runs by --budget or --until is about.
_DRAWN = (
    "patterns the draw found hard have more than their share here, so what spans several patterns "
    "is of these samples, not of the dataset, which each run estimates by itself (vlsu report); "
    "within a pattern it is the dataset's."
)
_PARTS = {"families": "Families", "patterns": "Patterns", "categories": "Categories"}


def comparison_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Every table of a comparison: setup, leaderboard, agreement, and each pair's."""
    return (
        setup_table(comparison),
        *_leaderboards(comparison),
        _agreement(comparison),
        *_swaps(comparison),
        *(table for pair in comparison["pairs"] for table in pair_tables(pair)),
    )


def _swaps(comparison: Comparison) -> list[Table]:
    """How far each half moves each run's answers, where all runs have the swap probe."""
    swaps = comparison.get("swap", {})
    return compared_swaps({name: Metrics({"swap": swap}) for name, swap in swaps.items()})


def setup_table(comparison: Comparison) -> Table:
    """What was compared, and what the runs do not share beside the model."""
    names = [run["name"] for run in comparison["runs"]]
    samples = comparison["samples"]
    rows = (
        ("samples", *(f"{samples['judged'][name]:,}" for name in names), ""),
        ("left out", *(f"{samples['left_out'][name]:,}" for name in names), "not in all runs"),
        *(
            (f"{what} asked", *(f"{asked[name]:,}" for name in names), "of the samples all have")
            for what, asked in comparison["asked"].items()
        ),
        *(
            (f"{what} answered", *(format_rate(Rate.from_json(shares[name])) for name in names), "")
            for what, shares in comparison["answered"].items()
            if any(shares[name]["value"] is not None for name in names)
        ),
        *(
            (each["what"], *(each["values"][name] for name in names), each["note"])
            for each in comparison["differences_in_setup"]
        ),
    )
    dataset = comparison["dataset"]
    enough = format_share(comparison["enough"])
    note = (
        f"Compared on the {samples['paired']:,} samples that all runs have. "
        f"{_declared(comparison['declared'])} Nothing is claimed that does not hold whatever the "
        "answers are that never came or could not be read, or judged. Where a run answered less "
        f"than {enough} of a metric's samples, it must hold with what is missing as wrong and with "
        "it left out."
    )
    if alone := comparison.get("unsafe_alone"):
        note += f" {alone['reason']}."
    if drawn := samples.get("drawn"):
        which = "All" if len(drawn) == len(names) else ", ".join(drawn)
        note += f" {which} drawn by pattern: {_DRAWN}"
    title = f"Runs of {comparison['task']} on {dataset['name']} {dataset['version']}"
    return Table("setup", title, ("", *names, "note"), rows, note)


def _declared(declared: Mapping[str, Any]) -> str:
    secondary = declared["secondary"]
    after = f", then {', '.join(secondary)}" if secondary else ""
    return f"Declared to decide: {', '.join(declared['primary'])}{after}."


def pair_tables(pair: _Pair) -> tuple[Table, ...]:
    """A pair's metrics: those that are declared, then the others, families, patterns, categories.

    What is declared is primary or secondary, and can be claimed; the rest can be marked.
    """
    first, second = pair["first"], pair["second"]
    title = f"{second} against {first}"
    groups: dict[str, list[Mapping[str, Any]]] = {name: [] for name in PAIR_TABLES}
    for path, row in pair["metrics"].items():
        if row["role"] != EXPLORATORY:
            groups["headline"].append(row)
        elif (part := _part_of(path)) is not None:
            groups[part].append(row)
        elif path.startswith(_SHOWN):
            groups["others"].append(row)
    groups["headline"].sort(key=lambda row: row["role"] != PRIMARY)
    titles = {"headline": title, "others": f"Further metrics: {title}"}
    notes = {
        "headline": f"Difference: {second} - {first}, on the same samples, 95% intervals. p: exact "
        f"McNemar, or by swapping the runs. {MEANING[PRIMARY]} {MEANING[SECONDARY]} answered: by "
        "the first run, and by the second.",
        "others": MEANING[EXPLORATORY],
    }
    return tuple(
        _pair_table(
            group,
            titles.get(group, f"{_PARTS.get(group, '')}: {title}"),
            (first, second),
            rows,
            notes.get(group, "" if groups["others"] else MEANING[EXPLORATORY]),
        )
        for group, rows in groups.items()
        if rows
    )


def _pair_table(
    name: str, title: str, pair: tuple[str, str], rows: Sequence[Mapping[str, Any]], note: str
) -> Table:
    """Rows of one table of two runs."""
    declared = name == "headline"
    worst = any(WORST_CASE in row["bounds"] for row in rows)
    columns = (
        "",
        *(["role"] if declared else []),
        "n",
        *pair,
        "difference",
        *(["at worst"] if worst else []),
        "p",
        *(["corrected p", "claimed"] if declared else ["q", "marked"]),
        "answered",
    )
    cells = [
        (
            row["label"],
            *([row["role"]] if declared else []),
            f"{row['n']:,}",
            format_rate(Rate.from_json(row["first"])),
            format_rate(Rate.from_json(row["second"])),
            format_change(Rate.from_json(row["difference"])),
            *([_at_worst(row)] if worst else []),
            _p(row["p"]),
            _p(row["p_adjusted" if declared else "q"]),
            "yes" if row["higher"] or row["marked"] else "no",
            _shares(row, ("first", "second")),
        )
        for row in rows
    ]
    if worst:
        note = (
            f"{note} at worst: the differences that are possible whatever the missing answers, or "
            "verdicts, are; nothing is claimed or marked that does not hold for all of them."
        ).strip()
    return Table(name, title, columns, tuple(cells), note)


def _at_worst(row: Mapping[str, Any]) -> str:
    """The interval of what the missing answers leave open; empty where none is missing."""
    worst = row["bounds"].get(WORST_CASE)
    if worst is None or worst["difference"]["low"] is None:
        return ""
    low, high = (worst["difference"][side] for side in ("low", "high"))
    return f"[{low:+.2f}, {high:+.2f}]"


def held_table(comparison: Comparison) -> Table:
    """Differences that are claimed: of primary and secondary metrics."""
    return Table(
        "held",
        "Differences that hold",
        ("on", "run", "against", "difference", "n", "corrected p", "answered"),
        _ahead(comparison, "higher", "p_adjusted"),
        "The better run first; its value minus the other's on the same samples, with 95% "
        "intervals. The chance that any row is false is at most 5%. answered: by the run, and by "
        "the other.",
    )


def marked_table(comparison: Comparison) -> Table:
    """Differences that are marked: of exploratory metrics."""
    return Table(
        "marked",
        "Differences that are marked",
        ("on", "run", "against", "difference", "n", "q", "answered"),
        _ahead(comparison, "marked", "q"),
        "Of the rows of this table, on average at most 5% are chance (false discovery rate): leads "
        "to follow up on other samples, not claims. The run that is ahead first.",
    )


def _ahead(comparison: Comparison, key: str, evidence: str) -> tuple[tuple[str, ...], ...]:
    """Rows of differences where one run is ahead, metric by metric, primary ones first.

    Args:
        comparison: As `vlsu.runs.finished.comparison.compare` makes it.
        key: Of a row, where one is.
        evidence: Of a row, what is shown for it.
    """
    rows: dict[str, list[tuple[str, ...]]] = {}
    roles: dict[str, str] = {}
    for pair in comparison["pairs"]:
        for path, row in pair["metrics"].items():
            if row[key] is None:
                continue
            first, second = pair["first"], pair["second"]
            above = row["better"] or row[key]
            below = second if above == first else first
            upward = above == second
            change = Rate.from_json(row["difference"])
            if not upward:
                change = Rate(*(_negated(n) for n in (change.value, change.high, change.low)))
            neither = row["better_is"] is None
            name = f"{row['label']} (higher, not better)" if neither else row["label"]
            cells = (
                name,
                above,
                below,
                format_change(change),
                f"{row['n']:,}",
                _p(row[evidence]),
                _shares(row, ("second", "first") if upward else ("first", "second")),
            )
            rows.setdefault(path, []).append(cells)
            roles[path] = row["role"]
    order = sorted(rows, key=lambda path: (roles[path] != PRIMARY, _part_of(path) is not None))
    return tuple(row for path in order for row in rows[path])


def _negated(number: float | None) -> float | None:
    return None if number is None else -number


def claims(comparison: Comparison) -> Iterator[str]:
    """What can and cannot be claimed, in sentences.

    The primary metrics first, then the secondary ones, whether or not anything is claimed of them;
    of the rest how much is marked.
    """
    return (sentence for _, sentence in _sentences(comparison))


def open_claims(comparison: Comparison) -> Iterator[str]:
    """Those of `claims` that say what cannot be claimed."""
    return (sentence for claimed, sentence in _sentences(comparison) if not claimed)


def _sentences(comparison: Comparison) -> Iterator[tuple[bool, str]]:
    """Whether a difference is claimed, and the sentence."""
    for role in (PRIMARY, SECONDARY):
        for pair in comparison["pairs"]:
            for row in pair["metrics"].values():
                if row["role"] == role:
                    yield row["higher"] is not None, f"{row['text']}."
    for pair in comparison["pairs"]:
        rest = [
            row
            for row in pair["metrics"].values()
            if row["role"] == EXPLORATORY and row["p"] is not None
        ]
        marked = sum(row["marked"] is not None for row in rest)
        if rest:
            yield (
                False,
                f"{pair['second']} and {pair['first']}: of {len(rest)} further metrics {marked} "
                f"{'is' if marked == 1 else 'are'} marked, to be followed up; of what is marked, "
                "on average at most 5% is chance.",
            )


def _part_of(path: str) -> str | None:
    return next(
        (part for part in _PARTS if path.startswith(f"{part}.") or f".{part}." in path), None
    )


def _shares(row: Mapping[str, Any], sides: tuple[str, str]) -> str:
    """What share of the samples each of two runs answered, such as ``96%, 100%``."""
    if row["answered"] is None:
        return ABSENT
    values = [row["answered"][side]["value"] for side in sides]
    return ", ".join(ABSENT if value is None else format_share(value) for value in values)


def _p(p: float | None) -> str:
    if p is None:
        return ABSENT
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def _leaderboards(comparison: Comparison) -> Iterator[Table]:
    for path, board in comparison["leaderboard"].items():
        rows = tuple(
            (
                each["run"],
                f"{each['rank']['value']}",
                f"{each['rank']['low']}–{each['rank']['high']}",
                format_rate(Rate.from_json(each["value"])),
                format_rate(Rate.from_json(each["answered"])),
            )
            for each in board
        )
        yield Table(
            f"leaderboard-{path}",
            f"By {path}",
            ("run", "rank", "95% of ranks", path.rpartition(".")[2], "answered"),
            rows,
            "The ranks a run can have by the claims of all pairs, corrected together; the chance "
            "that any interval on any board is wrong is at most 5%."
            if board[0]["role"] != EXPLORATORY
            else "Not declared as primary or secondary: nothing is claimed, and any rank is open.",
        )


def _agreement(comparison: Comparison) -> Table:
    rows: list[tuple[str, ...]] = []
    for what, agreement in comparison["agreement"].items():
        pairs: Sequence[_Pair] = agreement if isinstance(agreement, list) else agreement["pairs"]
        rows += (
            (
                what,
                f"{each['first']}, {each['second']}",
                f"{each['n']:,}",
                format_rate(Rate.from_json(each["agreement"])),
                format_rate(Rate.from_json(each["kappa"])),
            )
            for each in pairs
        )
    alone = "unsafe_alone" in comparison
    notes = ["the same answer, and right, is as to unsafe or not"] if alone else []
    notes += [
        f"{what}: all right on {agreement['all_right']['count']:,}, all wrong on "
        f"{agreement['all_wrong']['count']:,} of {agreement['n']:,}"
        for what, agreement in comparison["agreement"].items()
        if isinstance(agreement, Mapping) and agreement["n"]
    ]
    return Table(
        "agreement",
        "Agreement of the runs with each other",
        ("", "runs", "n", "same answer", "Cohen's kappa"),
        tuple(rows),
        "; ".join(notes),
    )
