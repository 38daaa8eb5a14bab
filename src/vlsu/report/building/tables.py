"""The tables and charts of a build's page, from what ``vlsu build status --json`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.charts.bars import shares_chart
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import Spec
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.table import ABSENT, Table, format_rate

__all__ = ["charts", "duration", "tables"]

#: What became of a stage's records -> a colour of the stylesheet.
_FATES = {"kept": "right", "given up": "wrong", "not decided": "error"}


def tables(status: Mapping[str, Any]) -> dict[str, Table]:
    """The tables that have rows, by name.

    Args:
        status: As `vlsu.build.folder.build.status` gives it.
    """
    found = (
        _cells(status["cells"]),
        _stages(status["stages"]),
        _losses(status["stages"]),
        _lost_in(status["cells"]),
        _diversity(status.get("concepts") or {}),
        _forecast(status["forecast"]),
        _reasons("short", "Short", status["short"]),
        _reasons("stalled", "Stalled", status["stalled"]),
        _reasons("closed", "Never built", status["closed"]),
    )
    return {table.name: table for table in found if table.rows}


def charts(status: Mapping[str, Any]) -> dict[str, Spec]:
    """The map of the cells, and what became of the records of each stage."""
    cells, found = status["cells"], {}
    if cells:
        found["cells"] = heat_map(
            [
                _heat_cell(pattern, category, count)
                for pattern, of_pattern in cells.items()
                for category, count in of_pattern.items()
                if count["wanted"]
            ],
            description="Samples there are of those wanted, by pattern and category",
            columns=_categories(cells),
            rows=list(cells),
            x_title="category",
            y_title="pattern",
            row_px=34,
        )
    fates = {
        stage: {
            "kept": of["kept"],
            "given up": sum(of["lost"].values()),
            "not decided": of["undecided"],
        }
        for stage, of in status["stages"].items()
        if of["made"]
    }
    if fates:
        found["fates"] = shares_chart(
            fates,
            of="stage",
            what="record",
            colours={fate: colour(name) for fate, name in _FATES.items()},
            axis="share of the stage's records",
        )
    return found


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``.

    Example:
        >>> [duration(each) for each in (0.42, 59.6, 185, 7800)]
        ['0.4 s', '1 min 0 s', '3 min 5 s', '2 h 10 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _categories(cells: Mapping[str, Mapping[str, object]]) -> list[str]:
    return list(dict.fromkeys(category for of in cells.values() for category in of))


def _heat_cell(pattern: str, category: str, count: Mapping[str, Any]) -> HeatCell:
    have, wanted, lost = count["have"], count["wanted"], sum(count["lost"].values())
    return HeatCell(
        x=category,
        y=pattern,
        share=min(1.0, have / wanted),
        colour="late-fusion",
        number=f"{have}/{wanted}",
        tooltip={
            "pattern": pattern,
            "category": category,
            "samples": f"{have} of {wanted}",
            "records given up": str(lost),
        },
    )


def _cells(cells: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    categories = _categories(cells)
    rows = [
        (
            pattern,
            *(_have(of.get(category)) for category in categories),
            _have({key: sum(count[key] for count in of.values()) for key in ("have", "wanted")}),
        )
        for pattern, of in cells.items()
    ]
    note = f"Samples there are / wanted, over all languages. {ABSENT}: never built."
    return _table("cells", "Cells", ("pattern", *categories, "all"), rows, note)


def _have(count: Mapping[str, Any] | None) -> str:
    return ABSENT if count is None else f"{count['have']}/{count['wanted']}"


def _stages(stages: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = (
        *("stage", "tries", "open", "made", "kept", "given up", "calls", "cost"),
        *("unpriced calls", "starts", "time"),
    )
    rows = [
        (
            *(stage, of["tries"], of["open_tries"], of["made"], of["kept"]),
            *(sum(of["lost"].values()), of["calls"], f"{of['cost']:.2f}", of["unpriced"]),
            *(of["starts"], duration(of["seconds"])),
        )
        for stage, of in stages.items()
    ]
    note = (
        "A try is one piece of a stage's work: a concept, a search for an image, the queries of an "
        "image, a grade. A call is a request that a model answered, each once. Time is that of "
        "starts that ended."
    )
    return _table("stages", "By stage", columns, rows, note)


def _losses(stages: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        (stage, reason, number)
        for stage, of in stages.items()
        for reason, number in sorted(of["lost"].items(), key=lambda each: -each[1])
    ]
    return _table("losses", "Why records were given up", ("stage", "reason", "records"), rows)


def _lost_in(cells: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    rows = [
        (pattern, category, stage, number)
        for pattern, of_pattern in cells.items()
        for category, count in of_pattern.items()
        for stage, number in count["lost"].items()
    ]
    columns = ("pattern", "category", "stage", "records")
    return _table("lost_in", "Where records were given up", columns, rows)


def _forecast(forecast: Mapping[str, Any]) -> Table:
    names = (
        ("kept", "share of tries that end with a sample", 2),
        ("tries", "tries to come", 0),
        ("cost", "cost to come", 2),
    )
    rows = [
        (what, _rate(forecast[name], digits))
        for name, what, digits in names
        if forecast[name]["value"] is not None or forecast[name]["low"] is not None
    ]
    note = (
        "If tries go on as they did, with 95% intervals. The last cells are the hard ones, so that "
        "the higher end is the likelier."
    )
    return _table("forecast", "Forecast", ("what", "value"), rows, note)


def _diversity(concepts: Mapping[str, Any]) -> Table:
    """Of the concepts; empty where there is none, or nobody measured it."""
    rows: list[tuple[object, ...]] = []
    if concepts.get("n"):
        values, pairs = concepts["values"].values(), concepts["pairs"]
        met, of = (sum(each[key] for each in values) for key in ("met", "of"))
        rows = [
            ("values met of setting, subject, ...", f"{met} of {of}"),
            ("pairs of values met", f"{pairs['met']} of at most {pairs['reachable']}"),
        ]
        for name, found in concepts["diversity"].items():
            if found is not None and found["distance"] is not None:
                rows.append(
                    (f"Vendi score by {name}", f"{found['vendi']:.1f} of {found['n']}"),
                )
    note = "A Vendi score is the number of concepts that differ wholly which would be as diverse."
    return _table("diversity", "How diverse the concepts are", ("what", "value"), rows, note)


def _rate(tree: Mapping[str, float | None], digits: int) -> str:
    if None not in tree.values():
        return format_rate(Rate.from_json(tree), digits)
    low = "?" if tree["low"] is None else f"{tree['low']:.{digits}f}"
    return f"at least {low}"


def _reasons(name: str, title: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    listed = list(rows)
    columns = [
        key
        for key in ("pattern", "category", "language", "missing", "reason")
        if all(key in row for row in listed)
    ]
    cells = [tuple(row[key] or "none" for key in columns) for row in listed]
    return _table(name, title, columns, cells)


def _table(
    name: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = ""
) -> Table:
    cells = tuple(tuple(str(cell) for cell in row) for row in rows)
    return Table(name, title, tuple(columns), cells, note)
