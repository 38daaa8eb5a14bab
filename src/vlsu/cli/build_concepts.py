"""``vlsu build concepts``: image concepts for what is still missing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.build_stages import opened, show_stage, writer
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments

__all__ = ["concepts", "coverage_lines"]


@app.command("concepts")
@with_option_groups
def concepts(
    build: Folder,
    model: Annotated[str, typer.Option(help="Who writes: provider/name, or a name.")],
    asked: ModelArguments,
    number: Annotated[
        int | None,
        typer.Option(
            min=1, help="Ask for this many at most, of all categories and severities in turn."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Have a model write image concepts for each category and severity that lacks images.

    Setting, subject, viewpoint, culture, season and medium are drawn so that all come up alike.
    What the rules refuse, and near-duplicates, are given up. Run again, it goes on.
    """
    from vlsu.build.concepts.coverage import measured
    from vlsu.build.concepts.stage import make_concepts
    from vlsu.cli.output import RunProgress, print_text

    with opened(build) as found:
        writing, budget = writer(model, asked)
        progress = RunProgress()
        with progress.shown():
            report = make_concepts(found, writing, budget=budget, number=number, progress=progress)
        with found.store(read_only=True) as store:
            how = measured(store, meaning=True)
    if not json:
        for line in coverage_lines(how):
            print_text(line)
    following = f"vlsu build images {build}"
    show_stage(build, report, json=json, following=following, more={"coverage": how})


def coverage_lines(how: dict[str, Any]) -> list[str]:
    """What `vlsu.build.concepts.coverage.measured` found, for people."""
    if not how["n"]:
        return []
    values, pairs = how["values"].values(), how["pairs"]
    met, of = (sum(each[name] for each in values) for name in ("met", "of"))
    lines = [
        f"covered by {how['n']} concepts: {met} of {of} values, {pairs['met']} pairs of values of "
        f"at most {pairs['reachable']} ({pairs['by_chance']:.0f} if drawn by chance)"
    ]
    for name, found in how["diversity"].items():
        if found is not None and found["distance"] is not None:
            lines.append(
                f"diversity by {name}: Vendi score {found['vendi']:.1f} of {found['n']}, mean "
                f"distance {found['distance']:.2f}"
            )
    return lines
