"""``vlsu build``: benchmarks from concepts, real images and queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vlsu.build.folder.build import Build

__all__ = ["Folder", "Json", "app", "print_status", "whole_status"]

app = typer.Typer(
    help="Build a benchmark: concepts, real images, queries, pre-grades, a dataset for graders.",
    no_args_is_help=True,
)

Folder = Annotated[Path, typer.Argument(metavar="B", help="The build's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("init")
def init(
    build: Folder,
    policy: Annotated[str, typer.Option(help="A policy file or name.")] = "default",
    languages: Annotated[str, typer.Option(help="Of the texts, such as en,de.")] = "en",
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Samples: S-S-U=20 over all categories and languages, S-S-U/C9=5 in one category, "
            "all=N of each pattern not named (30). Repeatable."
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Where images are looked for: folder:PATH, dataset:PATH, openverse, commons. "
            "Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    json: Json = False,
) -> None:
    """Make a build: how many samples of each pattern, category and language are wanted.

    Again with the same settings, it goes on with what is there.
    """
    from vlsu.build.folder.build import init as make
    from vlsu.build.plan.targets import parse_targets
    from vlsu.build.sources.base import check_source
    from vlsu.cli.options import read_names
    from vlsu.cli.output import say
    from vlsu.policy import load_policy

    for spec in source or ():
        check_source(spec)
    made = make(
        build,
        load_policy(policy),
        languages=read_names(languages),
        targets=parse_targets(target or ()),
        sources=source or (),
        seed=seed,
    )
    _show(made, json)
    if not json:
        say(f"next: vlsu build run {build} --model SPEC --grader SPEC")


@app.command("status")
def status(
    build: Folder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write it as a page too.")
    ] = None,
    json: Json = False,
) -> None:
    """How far a build is: wanted, have, lost and where, cost so far, forecast."""
    from vlsu._folders import require_replaceable
    from vlsu.build.folder.build import open_build

    if out is not None:
        from vlsu.report.written import PAGE, require_html

        require_replaceable(out, "--out", PAGE)
        require_html(out, "status.html")
    opened = open_build(build)
    _show(opened, json)
    if out is not None:
        from vlsu.cli.output import say
        from vlsu.report.building.page import write_status

        write_status(whole_status(opened), build.resolve().name, out)
        say(f"page: {out}")


def _show(opened: Build, json: bool) -> None:
    from vlsu.cli.output import print_json

    found = whole_status(opened)
    if json:
        print_json(found)
    else:
        print_status(opened.folder, found)


def whole_status(build: Build) -> dict[str, Any]:
    """How far a build is, and how diverse its concepts are."""
    from vlsu.build.concepts.coverage import measured
    from vlsu.build.folder.build import status as status_of

    found = status_of(build)
    with build.store(read_only=True) as store:
        found["concepts"] = measured(store, meaning=False)
    return found


def print_status(folder: Path, found: dict[str, Any]) -> None:
    """Print what `whole_status` found, as tables and lines."""
    from vlsu.cli.build_concepts import coverage_lines
    from vlsu.cli.output import print_table, print_text

    cells = found["cells"]
    categories = list(dict.fromkeys(c for of_pattern in cells.values() for c in of_pattern))
    print_table(
        f"{folder}: have/wanted",
        ("pattern", *categories),
        [
            (pattern, *(_have(of_pattern.get(category)) for category in categories))
            for pattern, of_pattern in cells.items()
            if any(count["wanted"] or count["have"] for count in of_pattern.values())
        ],
        "-: never built; see below. Patterns of which nothing is wanted are left out.",
    )
    for reason, patterns in _by_reason(found["closed"]).items():
        print_text(f"never built, {', '.join(patterns)}: {reason}")
    lost = [
        (pattern, category, stage, number)
        for pattern, of_pattern in cells.items()
        for category, count in of_pattern.items()
        for stage, number in count["lost"].items()
    ]
    if lost:
        print_table("Lost", ("pattern", "category", "stage", "records"), lost)
    for reason, short in _by_reason(found["short"]).items():
        shown = ", ".join(short[:6]) + (f" and {len(short) - 6} more" if len(short) > 6 else "")
        print_text(f"short, {shown}: {reason}")
    for line in coverage_lines(found["concepts"]):
        print_text(line)
    for reason, stalled in _by_reason(found["stalled"]).items():
        shown = ", ".join(stalled[:6]) + (f" and {len(stalled) - 6} more" if stalled[6:] else "")
        print_text(f"stalled, {shown}: {reason}")
    if any(of["made"] or of["calls"] for of in found["stages"].values()):
        print_table(
            "By stage",
            ("stage", "tries", "made", "kept", "given up", "calls", "cost", "seconds"),
            [
                (
                    *(stage, of["tries"], of["made"], of["kept"], sum(of["lost"].values())),
                    *(of["calls"], f"{of['cost']:.2f}", f"{of['seconds']:.1f}"),
                )
                for stage, of in found["stages"].items()
            ],
        )
    print_text(_line(found))


def _line(found: dict[str, Any]) -> str:
    """What is missing, what was spent, and what is to come."""
    forecast, cost = found["forecast"], found["cost"]
    line = f"{forecast['missing']} samples missing; {found['calls']} calls, {cost['total']:.2f}"
    if cost["unpriced"]:
        line += f" ({cost['unpriced']} without a known price)"
    for rate, digits, what in ((forecast["tries"], 0, "more tries"), (forecast["cost"], 2, "cost")):
        if forecast["missing"] and rate["value"] is not None:
            high = "?" if rate["high"] is None else f"{rate['high']:.{digits}f}"
            line += f"; about {rate['value']:.{digits}f} [{rate['low']:.{digits}f}, {high}] {what}"
    return line


def _have(count: dict[str, Any] | None) -> str:
    return "-" if count is None else f"{count['have']}/{count['wanted']}"


def _by_reason(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        parts = (row["pattern"], row["category"], row.get("language"))
        found.setdefault(row["reason"], []).append(" ".join(filter(None, parts)))
    return found


from vlsu.cli import (  # noqa: E402
    build_assemble,  # noqa: F401
    build_audit,  # noqa: F401
    build_concepts,  # noqa: F401
    build_grade,  # noqa: F401
    build_images,  # noqa: F401
    build_pairs,  # noqa: F401
    build_queries,  # noqa: F401
    build_run,  # noqa: F401
    build_search,  # noqa: F401
    build_selection,  # noqa: F401
    build_sources,  # noqa: F401
    build_tune_grader,  # noqa: F401
)
