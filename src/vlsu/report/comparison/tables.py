"""A comparison of runs as tables and sentences; its keys are in ``docs/comparing.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.report.understanding.swap import compared_swaps

__all__ = ["claims", "comparison_tables", "held_table", "open_claims", "pair_tables", "setup_table"]

Comparison = Mapping[str, Any]
_Pair = Mapping[str, Any]

#: Metrics of a pair that are shown first, and those that have a sentence, claimed or not.
_HEADLINE = ("image.accuracy", "text.accuracy", "joint.", "late_fusion.", "over_sensitivity.")
_ALWAYS = ("joint.accuracy", "joint.f1_macro", "families.", ".over_blocking", ".under_refusal")
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
        f"Compared on the {samples['paired']:,} samples that all runs have. Where a run answered "
        f"less than {enough} of a metric's samples, a difference is claimed only if it holds with "
        "what is missing as wrong and with it left out."
    )
    if drawn := samples.get("drawn"):
        which = "All" if len(drawn) == len(names) else ", ".join(drawn)
        note += f" {which} drawn by pattern: {_DRAWN}"
    title = f"Runs of {comparison['task']} on {dataset['name']} {dataset['version']}"
    return Table("setup", title, ("", *names, "note"), rows, note)


def pair_tables(pair: _Pair) -> tuple[Table, ...]:
    """A pair's metrics: the headline, then families, patterns and categories."""
    first, second = pair["first"], pair["second"]
    title = f"{second} against {first}"
    note = (
        f"Difference: {second} - {first}, on the same samples, 95% intervals. p: exact McNemar, or "
        "by swapping the runs; corrected (Holm) over the tests of its table, if more than one. "
        "answered: by the first run, and by the second."
    )
    groups: dict[str, list[tuple[str, ...]]] = {"headline": []}
    for path, row in pair["metrics"].items():
        where = _part_of(path)
        if where is None and not (path.startswith(_HEADLINE) or path.startswith("framings.")):
            continue
        groups.setdefault(where or "headline", []).append(_cells(row))
    columns = ("", "n", first, second, "difference", "p", "corrected p", "answered")
    return tuple(
        Table(
            group,
            title if group == "headline" else f"{_PARTS[group]}: {title}",
            columns,
            tuple(rows),
            note if group == "headline" else "",
        )
        for group, rows in groups.items()
        if rows
    )


def held_table(comparison: Comparison) -> Table:
    """Differences that hold after correction, metric by metric, as in `claims`."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for pair in comparison["pairs"]:
        for path, row in pair["metrics"].items():
            if row["higher"] is None or not (_has_sentence(path) or _part_of(path)):
                continue
            first, second = pair["first"], pair["second"]
            above = row["better"] or row["higher"]
            below = second if above == first else first
            upward = above == second
            change = Rate.from_json(row["difference"])
            if not upward:
                change = Rate(*(_negated(n) for n in (change.value, change.high, change.low)))
            name = row["label"] if row["better"] else f"{row['label']} (higher, not better)"
            cells = (
                name,
                above,
                below,
                format_change(change),
                f"{row['n']:,}",
                _p(row["p_adjusted"]),
                _shares(row, ("second", "first") if upward else ("first", "second")),
            )
            rows.setdefault(path, []).append(cells)
    order = sorted(rows, key=lambda path: (not _has_sentence(path), _part_of(path) is not None))
    return Table(
        "held",
        "Differences that hold",
        ("on", "run", "against", "difference", "n", "corrected p", "answered"),
        tuple(row for path in order for row in rows[path]),
        "The better run first; its value minus the other's on the same samples, with 95% "
        "intervals. Corrected (Holm) over all tests of the metric's family and all pairs of runs. "
        "answered: by the run, and by the other.",
    )


def _negated(number: float | None) -> float | None:
    return None if number is None else -number


def claims(comparison: Comparison) -> Iterator[str]:
    """What can and cannot be claimed, in sentences.

    The headline metrics and families whether or not anything is claimed of them; of patterns,
    categories and the rest what is claimed, and how many say nothing.
    """
    return (sentence for _, sentence in _sentences(comparison))


def open_claims(comparison: Comparison) -> Iterator[str]:
    """Those of `claims` that say what cannot be claimed."""
    return (sentence for claimed, sentence in _sentences(comparison) if not claimed)


def _sentences(comparison: Comparison) -> Iterator[tuple[bool, str]]:
    """Whether a difference is claimed, and the sentence; those on headline metrics first."""
    parts: list[tuple[bool, str]] = []
    for pair in comparison["pairs"]:
        silent = dict.fromkeys(_PARTS, 0)
        counts = dict.fromkeys(_PARTS, 0)
        for path, row in pair["metrics"].items():
            part = _part_of(path)
            if part in ("patterns", "categories"):
                counts[part] += 1
                silent[part] += row["higher"] is None
            if _has_sentence(path):
                yield row["higher"] is not None, f"{row['text']}."
            elif row["higher"] is not None and part is not None:
                parts.append((True, f"{row['text']}."))
        parts += [
            (
                False,
                f"{pair['second']} and {pair['first']}: no difference can be claimed on "
                f"{silent[part]} of {counts[part]} tests over {part}.",
            )
            for part in ("patterns", "categories")
            if silent[part]
        ]
    yield from parts


def _has_sentence(path: str) -> bool:
    return path.startswith(_ALWAYS[:3]) or path.endswith(_ALWAYS[3:])


def _part_of(path: str) -> str | None:
    return next(
        (part for part in _PARTS if path.startswith(f"{part}.") or f".{part}." in path), None
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["label"],
        f"{row['n']:,}",
        format_rate(Rate.from_json(row["first"])),
        format_rate(Rate.from_json(row["second"])),
        format_change(Rate.from_json(row["difference"])),
        _p(row["p"]),
        _p(row["p_adjusted"]) if row["tests"] > 1 else "",
        _shares(row, ("first", "second")),
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
            "The ranks a run can have by the claims of all pairs, corrected together.",
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
    notes = [
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
