"""``vlsu build concepts``: image concepts for what is still missing."""

from __future__ import annotations

from typing import Annotated

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.build_stages import opened, show_stage, writer
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments

__all__ = ["concepts"]


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
    from vlsu.build.concepts.stage import make_concepts
    from vlsu.cli.output import RunProgress

    with opened(build) as found:
        writing, budget = writer(model, asked)
        progress = RunProgress()
        with progress.shown():
            report = make_concepts(found, writing, budget=budget, number=number, progress=progress)
    show_stage(build, report, json=json, following=f"vlsu build images {build}")
