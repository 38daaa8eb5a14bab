"""What the commands of the stages of ``vlsu build`` share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlsu.build.asking.asking import Writer
    from vlsu.build.folder.build import Build
    from vlsu.build.folder.stage_report import StageReport
    from vlsu.build.search.index import Index
    from vlsu.build.sources.base import Access, Source
    from vlsu.cli.options import ModelArguments
    from vlsu.runs.asking.limits import Budget

__all__ = ["opened", "opened_sources", "require_approval", "show_stage", "writer"]


@contextmanager
def opened(folder: Path) -> Iterator[Build]:
    """A build that no other process works on meanwhile.

    Raises:
        VlsuError: There is none, or another process works on it.
    """
    from vlsu.build.folder.build import open_build
    from vlsu.runs.writing import locked

    build = open_build(folder)
    with locked(folder):
        yield build


def writer(spec: str, asked: ModelArguments, option: str = "--model") -> tuple[Writer, Budget]:
    """The model that an option names, and what this start may spend on it.

    Raises:
        UsageError: There is no such model, its options are wrong, or its price is needed and not
            known.
    """
    from vlsu.build.asking.asking import Writer
    from vlsu.cli.chosen_models import open_chosen
    from vlsu.cli.options import choose_models
    from vlsu.errors import UsageError

    (named,) = choose_models([spec], asked.models, option)
    first = option == "--model"
    chosen = open_chosen(named, (asked if first else replace(asked, max_cost=None)).given())
    is_asked = getattr(chosen.model, "destination", None) is not None
    if not first and asked.max_cost is not None and is_asked and chosen.limits.price is None:
        raise UsageError(f"--max-cost needs the price of {option} too; give {option}-price")
    return Writer(chosen.model, chosen.limits), chosen.limits.budget()


def require_approval(also: Sequence[str] | None, approve: str) -> None:
    """Check that what one model refuses goes to another only where a person approved it.

    Args:
        also: The other models.
        approve: Categories.

    Raises:
        UsageError: One is given without the other.
    """
    from vlsu.errors import UsageError

    if also and not approve:
        raise UsageError(
            "--also: name the categories in which you approve it, as in --approve C1,C3"
        )
    if approve and not also:
        raise UsageError("--approve: name the model that is asked then with --also")


@contextmanager
def opened_sources(
    build: Build, specs: Iterable[str], access: Access, embedding: str
) -> Iterator[tuple[list[Source], Index | None]]:
    """Sources, and the index over those without a search of their own, if there are any.

    Raises:
        UsageError: One cannot be what it says.
        DataError: One cannot be read.
    """
    from vlsu.build.search.index import open_index
    from vlsu.build.sources.base import LocalSource, open_source
    from vlsu.cli.output import counter

    with ExitStack() as open_:
        sources = []
        for spec in specs:
            sources.append(open_source(spec, access))
            open_.callback(sources[-1].close)
        index = None
        if any(isinstance(each, LocalSource) for each in sources):
            with counter("indexing") as progress:
                index = open_.enter_context(
                    open_index(build, sources, embedding=embedding, progress=progress)
                )
        yield sources, index


def show_stage(
    folder: Path,
    report: StageReport,
    *,
    json: bool,
    following: str,
    more: Mapping[str, object] | None = None,
) -> None:
    """Print what a stage did, and what comes next.

    Args:
        folder: The build's.
        report: What it did.
        json: Print it as JSON.
        following: The command that comes next.
        more: Further entries of the JSON.

    Raises:
        typer.Exit: It was stopped: with 130 by an interrupt, with 0 by a bound, else with 1.
    """
    from vlsu.cli.output import print_json, print_table, print_text, say
    from vlsu.cli.stopping import exit_stopped

    if json:
        print_json({**report.as_dict(), **(more or {})})
    else:
        line = f"{report.stage}: {report.tries} tries, {report.made} made, {report.kept} kept"
        print_text(line)
        if report.lost:
            rows = sorted(report.lost.items(), key=lambda each: -each[1])
            print_table("Given up", ("reason", report.stage), rows)
        for each in report.lacking:
            print_text(f"lacking: {each}")
    if report.stopped is not None:
        exit_stopped(report.stopped.message, report.stopped.reason, folder)
    if not json:
        say(f"next: {following}")
