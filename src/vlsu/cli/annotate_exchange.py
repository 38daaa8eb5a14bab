"""``vlsu annotate export`` and ``import``: grades out of a project, and into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.annotate import Folder, Json, _part, app

if TYPE_CHECKING:
    from vlsu.annotate.exchange.exporting import Exported


@app.command("export")
def export(
    project: Folder,
    out: Annotated[Path, typer.Option(help="Folder of the graded dataset: new, or empty.")],
    long: Annotated[
        Path | None,
        typer.Option(help="All grades by pseudonym, as a CSV that vlsu agreement reads."),
    ] = None,
    label_studio: Annotated[
        Path | None,
        typer.Option(
            help="All grades as annotated tasks of Label Studio (JSON); beside it, as .xml, the "
            "labelling configuration."
        ),
    ] = None,
    image_url: Annotated[
        str,
        typer.Option(
            help="What stands before an image's ab/NAME in these tasks, such as "
            "/data/local-files/?d=images; its path in the dataset if not given."
        ),
    ] = "",
    notes: Annotated[
        bool, typer.Option("--notes", help="Graders' notes, too, which may quote content (--long).")
    ] = False,
    json: Json = False,
) -> None:
    """Export a project as a dataset: consensus as its grades, agreement in its datasheet.

    Open disputes and samples that lack grades have none; stopped samples are left out. The project
    may be served meanwhile.
    """
    module = _part("project")
    from vlsu.annotate.exchange.exporting import export_project
    from vlsu.cli.output import print_json
    from vlsu.errors import UsageError

    if notes and long is None:
        raise UsageError("--notes: is for the table of all grades; give --long FILE, too")
    with module.open_project(project, connections=1) as opened:
        done = export_project(
            opened, out, long=long, label_studio=label_studio, image_url=image_url, notes=notes
        )
    if json:
        print_json(done.tree())
    else:
        _print(done)


def _print(done: Exported) -> None:
    from vlsu.cli.output import print_table, print_text, say

    trees = {m: counts.tree() for m, counts in done.summary.modalities.items()}
    keys = ("decided", "adjudicator", "contested", "dispute", "unfinished", "grades", "graders")
    print_table(
        f"{done.dataset.path}: {done.summary.samples} samples",
        ("modality", "decided", "by adjudicator", "contested", "open disputes", "unfinished",
         "grades", "graders"),
        [(name, *(tree[key] for key in keys)) for name, tree in trees.items()],
        "Open disputes and unfinished samples have no grade.",
    )  # fmt: skip
    if done.summary.stopped:
        print_text(f"Left out, as they were stopped: {done.summary.stopped}.")
    for path in done.files.values():
        print_text(f"written: {path}")
    say(f"next: vlsu data check {done.dataset.path}")
