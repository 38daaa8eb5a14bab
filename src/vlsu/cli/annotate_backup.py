"""``vlsu annotate backup`` and ``vlsu annotate restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.annotate import Folder, Json, app, project_part


@app.command("backup")
def backup(
    project: Folder,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the backup goes, such as p.tar.gz.")
    ],
    json: Json = False,
) -> None:
    """Back up a project, also while it is served. The file holds its secrets: keep it safe."""
    module = project_part("project")
    from vlsu.annotate.backup.making import back_up
    from vlsu.cli.output import print_json, print_text

    with module.open_project(project, connections=1) as opened:
        made = back_up(opened, file)
    if json:
        print_json({"file": str(file), "rows": made.rows, "bytes": file.stat().st_size})
    else:
        print_text(f"{file}: {made.rows:,} rows, {-(-file.stat().st_size // 1024):,} KiB")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    project: Annotated[Path, typer.Argument(metavar="P", help="A new or empty folder.")],
    db: Annotated[
        str | None,
        typer.Option(
            help="postgresql://USER@HOST/NAME, an empty database; a SQLite file in the folder if "
            "not given."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Restore a backup into a new folder and an empty database, SQLite or PostgreSQL."""
    project_part("project")
    from vlsu.annotate.backup.restoring import restore as restore_project
    from vlsu.cli.output import print_json, print_text, say

    made = restore_project(file, project, database=db)
    if json:
        print_json({"project": str(project), "rows": made.rows, "made_at": made.made_at})
        return
    print_text(f"{project}: {made.rows:,} rows, as of {made.made_at}")
    if made.database == "postgresql" and db is None:
        say("note: it was in PostgreSQL and is in a SQLite file now; --db puts it into another")
    say(f"next: vlsu annotate serve {project}")
