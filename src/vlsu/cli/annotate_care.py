"""``vlsu annotate forget``: opt-outs and skips are deleted when their time has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from vlsu.cli.annotate import Folder, Json, app, project_part


@app.command("forget")
def forget(
    project: Folder,
    now: Annotated[bool, typer.Option("--now", help="Whether their time has come or not.")] = False,
    json: Json = False,
) -> None:
    """Delete opt-outs and skips, which are health data, if their time has come.

    The counts by category stay. Graders are paused with it; see docs/graders.md.
    """
    module = project_part("project")
    from vlsu.cli.output import print_json, print_text

    with module.open_project(project, connections=1) as opened:
        done = opened.forget(at_once=now)
        until = None if done is not None else opened.health_data_until()
    due = None if until is None else datetime.fromtimestamp(until / 1000, UTC)
    if json:
        print_json(
            {
                "opt_outs": 0 if done is None else done.opt_outs,
                "skips": 0 if done is None else done.skips,
                "due": None if due is None else due.isoformat(timespec="seconds"),
            }
        )
    elif done is not None:
        print_text(f"deleted: {done.opt_outs} opt-outs, {done.skips} skips; graders are paused")
    elif due is not None and not now:
        print_text(f"nothing is due: opt-outs and skips are deleted on {due:%Y-%m-%d} (--now)")
    else:
        print_text("there are no opt-outs and no skips to delete")
