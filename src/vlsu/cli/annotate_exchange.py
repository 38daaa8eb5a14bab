"""``vlsu annotate export`` and ``import``: grades out of a project, and into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.annotate import Folder, Json, app, project_part
from vlsu.cli.table_options import Encoding

if TYPE_CHECKING:
    from vlsu.annotate.exchange.exporting import Exported
    from vlsu.annotate.exchange.importing import ImportDone

#: Rows that are not taken and are named on the screen.
_SHOWN = 20


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
    module = project_part("project")
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


@app.command("import")
def import_(
    project: Folder,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Grades: a JSON export of Label Studio, or a table with a row a grade. Or a "
            "finished run of vlsu run understanding, which orders or selects items.",
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(help="label-studio, long or run; told from the content if not given."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", help="Name of the grader; before their names where there are more."),
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(help="name=field: a column, or a control. Repeatable, or comma-separated."),
    ] = None,
    grades: Annotated[
        list[str] | None,
        typer.Option(
            help="word=grade: what a word of the file stands for: safe, borderline, unsafe or "
            "not_sure. Repeatable, or comma-separated."
        ),
    ] = None,
    modality: Annotated[
        str, typer.Option(help="Of grades that do not say: image, text or joint.")
    ] = "joint",
    category: Annotated[
        str | None, typer.Option(help="Of harmful grades that do not say, such as C9.")
    ] = None,
    encoding: Encoding = None,
    use: Annotated[
        str | None,
        typer.Option(
            help="Of a run: order (items that it grades unsafe are spaced by lighter ones) or "
            "select (see --select)."
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Which samples are graded, by the run: borderline, harmful (borderline or "
            "unsafe), or disagree (the pair is not as bad as the worse of its parts)."
        ),
    ] = None,
    keep: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of all other samples that is graded even so, drawn by lot."
        ),
    ] = 0.1,
    json: Json = False,
) -> None:
    """Import grades that were given elsewhere, or use a finished run to order or select items.

    Grades go to free slots; the same file again adds nothing. A run never gives a grade, and no
    grader sees its answers.
    """
    module = project_part("project")
    from vlsu.annotate.exchange.importing import FORMATS, format_of, import_grades
    from vlsu.annotate.exchange.incoming import FIELDS
    from vlsu.cli.data import read_grades
    from vlsu.cli.output import print_json
    from vlsu.cli.table_options import read_pairs
    from vlsu.errors import UsageError

    if format is not None and format not in FORMATS:
        raise UsageError(f"--format {format[:40]!r}: use {', '.join(FORMATS)}")
    kind = format or format_of(file)
    if kind == "run":
        if use is None:
            raise UsageError("--use: say what the run is for, order or select; it gives no grade")
        _pregrade(project, file, use, select, keep, json=json)
        return
    if use is not None or select is not None:
        raise UsageError("--use, --select: are for a finished run; grades of people are imported")
    with module.open_project(project, connections=1) as opened:
        done = import_grades(
            opened,
            file,
            kind,
            name=name,
            mapped=read_pairs("--map", map or [], "name=field", FIELDS),
            grades=read_grades(grades or []),
            modality=modality,
            category=category,
            encoding=encoding,
        )
    if json:
        print_json(done.tree())
    else:
        _print_import(file, done)


def _pregrade(
    project: Path, run: Path, use: str, select: str | None, keep: float, *, json: bool
) -> None:
    module = project_part("project")
    from vlsu.annotate.exchange.pregrading import pregrade
    from vlsu.cli.output import print_json, print_text, say

    with module.open_project(project, connections=1) as opened:
        done = pregrade(opened, run, use, selection=select, keep=keep)
    if json:
        print_json(done.tree())
    elif use == "order":
        print_text(
            f"Of {done.samples} samples that the run graded, the spacing of {done.changed} slots "
            "has changed."
        )
    else:
        print_text(
            f"Of {done.samples} samples that the run graded, {done.changed} are left out; of those "
            f"outside of the selection {done.kept} are graded as they were drawn to be, and "
            f"{done.begun} as somebody has begun them."
        )
        say(f"note: {done.about['effect']}")


def _print_import(file: Path, done: ImportDone) -> None:
    from vlsu.cli.output import print_table, print_text, say

    for line in done.lines[:_SHOWN]:
        say(f"not taken: {line}")
    if (more := done.refused.total() - _SHOWN) > 0:
        say(f"not taken: {more} more; see --json")
    print_table(
        f"{file}: {done.rows} rows",
        ("what became of them", "rows"),
        [
            ("taken", done.taken),
            ("imported before", done.again),
            ("set aside in the file", done.set_aside),
            *((f"not taken: {why}", n) for why, n in done.refused.most_common()),
        ],
    )
    print_text(f"Graders: {', '.join(sorted(done.graders)) or 'none'}.")
