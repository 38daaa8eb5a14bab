"""The page of several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from vlsu.analysis.table.answered import ENOUGH
from vlsu.errors import VlsuError
from vlsu.report.bibtex import references
from vlsu.report.comparison.compared import Compared, compared
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.comparison.tasks import comparison_of
from vlsu.report.page.render import Listed, listed, render
from vlsu.report.run_labels import run_labels, run_names
from vlsu.report.settings import settings_table
from vlsu.report.task import SampleList
from vlsu.report.tasks import notes, report_of
from vlsu.runs import Run

__all__ = ["comparison_page", "of_one_dataset"]

_SECTIONS = {
    "leaderboard": "Leaderboard",
    "trade-off": "Trade-off",
    "patterns": "Patterns",
    "claims": "Differences",
    "samples": "Samples",
    "agreement": "Agreement",
    "cost": "Cost",
    "setup": "Settings",
}


def comparison_page(
    runs: Sequence[Run],
    beside: str,
    oracle: Oracle | None = None,
    *,
    redact: bool = False,
    live: Callable[[], Listed] | None = None,
    links: bool = False,
    enough: float = ENOUGH,
) -> tuple[str, pl.Series | None]:
    """The page of several runs, compared on the samples they share where that can be done.

    The runs are in the order of `vlsu.report.comparison.compared.in_order`.

    Args:
        runs: At least two finished runs of one task.
        beside: Name of the file that will hold all samples if the page cannot.
        oracle: A human grader's scores, to stand beside the models'.
        redact: As in `vlsu.report.write_report`.
        live: Makes the list of samples of a page that is served, once the runs are compared: what
            each needs is then not held together. Else they are put into it.
        links: Whether each run has a page of its own below this one's address.
        enough: The share answered below which the page opens with it, and claims nothing by one
            way of counting missing answers alone.

    Returns:
        The page, and, if it needs that file, the identifiers of all samples in their order.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    task = comparison_of(runs)
    runs = task.in_order(runs)
    names = run_names(runs)
    labels = run_labels(names)
    samples: Listed | None = None
    ids: pl.Series | None = None
    if live is None:  # first, as their thumbnails are made while the runs are compared
        samples, ids = _samples(task.samples, runs, beside, redact=redact)
    result = compared(runs, oracle, enough)
    if live is not None:
        samples = live()
    page = render(
        "comparison.html.jinja",
        result.charts,
        title=f"{len(runs)} runs side by side",
        task=report_of(runs[0]).name,
        datasets=list(
            dict.fromkeys(
                f"{run.record['dataset']['name']} {run.record['dataset']['version']}"
                for run in runs
            )
        ),
        result=result,
        tables=result.tables,
        boards=[name for name in result.tables if name.startswith("leaderboard-")],
        pairs=_pairs(result),
        names=list(zip(labels, names, strict=True)),
        links=links,
        oracle=oracle,
        contents=_sections(result, listed=samples is not None),
        notes=_notes(runs, names),
        notices=result.notices,
        settings_tables=[
            (name, settings_table(report_of(run), run, redact=redact))
            for name, run in zip(names, runs, strict=True)
        ],
        bibtex=references(runs),
        order=task.samples.order,
        selects=task.samples.filters,
        **task.words(runs),
        **({} if samples is None else {"listed": samples}),
    )
    return page, ids


def of_one_dataset(runs: Sequence[Run]) -> bool:
    """Whether the runs' samples are the same ones, so that they can be listed side by side."""
    return len({run.record["dataset"]["content_hash"] for run in runs}) == 1


def _samples(
    samples: SampleList, runs: Sequence[Run], beside: str, *, redact: bool
) -> tuple[Listed | None, pl.Series | None]:
    if not of_one_dataset(runs):
        return None, None
    ids = samples.ids(runs)
    held = listed(
        _at_hand(runs),
        samples.entries(runs, ids),
        total=len(ids),
        columns=samples.columns,
        beside=beside,
        redact=redact,
    )
    return held, ids if held.beside else None


def _at_hand(runs: Sequence[Run]) -> Run:
    """The first run whose dataset can be read, for its images."""
    for run in runs:
        try:
            _ = run.dataset
        except VlsuError:
            continue
        return run
    return runs[0]


def _sections(compared: Compared, *, listed: bool) -> list[tuple[str, str]]:
    there = {
        "trade-off": "trade-off" in compared.charts,
        "patterns": "models" in compared.charts,
        "claims": bool(compared.claims),
        "samples": listed,
        "agreement": "agreement" in compared.tables,
        "cost": "spending" in compared.tables,
    }
    return [(id_, title) for id_, title in _SECTIONS.items() if there.get(id_, True)]


def _pairs(compared: Compared) -> list[tuple[str, list[str]]]:
    """Title of two runs -> names of their tables, the headline first."""
    groups: dict[str, list[str]] = {}
    for name in compared.tables:
        if name.startswith("pair-"):
            groups.setdefault(name.split("-")[1], []).append(name)
    return [
        (compared.tables[f"pair-{number}-headline"].title, names)
        for number, names in groups.items()
        if f"pair-{number}-headline" in compared.tables
    ]


def _notes(runs: Sequence[Run], names: Sequence[str]) -> list[tuple[str, str]]:
    """What must be known of the runs: a note that several share stands once."""
    shared: dict[str, list[str]] = {}
    for name, run in zip(names, runs, strict=True):
        for note in notes(run):
            shared.setdefault(note, []).append(name)
    return [
        ("all runs" if len(whose) == len(runs) else ", ".join(whose), note)
        for note, whose in shared.items()
    ]
