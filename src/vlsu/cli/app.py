"""The command line, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from vlsu._version import __version__
from vlsu.cli import (
    agreement,
    catalogue,
    compare,
    data,
    demo,
    framings,
    gate,
    judge,
    power,
    project,
    report,
    run,
    view,
)

__all__ = ["app"]

app = typer.Typer(
    name="vlsu",
    help="Vision-Language Safety Understanding: does a model understand what an image and a text "
    "mean together?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vlsu {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.add_typer(run.app, name="run")
app.add_typer(judge.app, name="judge")
app.add_typer(framings.app, name="framings")
app.command("agreement")(agreement.agreement)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("gate")(gate.gate)
app.command("power")(power.power)
app.command("project")(project.project)
app.command("view")(view.view)
app.command("models")(catalogue.list_models)
app.command("prompts")(catalogue.show_prompts)
app.command("policy")(catalogue.show_policy)
