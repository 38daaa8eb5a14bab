"""The command line, put together."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vlsu._version import __version__
from vlsu.cli import (
    agreement,
    annotate,
    annotate_exchange,  # noqa: F401 (adds its commands to those of annotate)
    build,
    catalogue,
    compare,
    cost,
    data,
    data_derived,
    data_export,
    demo,
    framings,
    gate,
    guards,
    judge,
    power,
    project,
    report,
    run,
    run_alignment,  # noqa: F401 (adds its command to those of run)
    store,
    view,
)
from vlsu.cli.parameters import read_strictly
from vlsu.cli.terminal import print_text, say
from vlsu.errors import VlsuError

__all__ = ["app", "run_command"]

app = typer.Typer(
    name="vlsu",
    help="Vision-Language Safety Understanding: does a model understand what an image and a text "
    "mean together?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(f"vlsu {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
data_derived.add_to(data.app)
data_export.add_to(data.app)
app.add_typer(data.app, name="data")
app.add_typer(run.app, name="run")
app.add_typer(judge.app, name="judge")
app.add_typer(framings.app, name="framings")
app.command("agreement")(agreement.agreement)
app.add_typer(annotate.app, name="annotate")
app.add_typer(build.app, name="build")
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("cost")(cost.cost)
app.command("gate")(gate.gate)
app.command("guards")(guards.guards)
app.command("power")(power.power)
app.command("project")(project.project)
app.add_typer(store.app, name="store")
app.command("view")(view.view)
app.command("models")(catalogue.list_models)
app.command("prompts")(catalogue.show_prompts)
app.command("policy")(catalogue.show_policy)
read_strictly(app)


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; its exit code.

    A command line that cannot be read is one line on standard error, and 2.

    Raises:
        VlsuError: What the user has to put right.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("vlsu", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except VlsuError:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Polars is no Exception
        # The library's own exceptions have been in several places over its versions.
        if hasattr(error, "format_message"):
            _say_misuse(error)
            return 2
        from vlsu.runs.damage import damage

        named = (each.partition("=")[2] if each.startswith("-") else each for each in arguments)
        if (found := damage(filter(None, named), error)) is not None:
            raise found from error
        raise
    return 0


def _say_misuse(error: Any) -> None:
    words = error.format_message()
    if "\n" in words:  # a group without a command: its help
        print(words, file=sys.stderr)
        return
    context = getattr(error, "ctx", None)
    hint = "" if context is None else f" (see {context.command_path} --help)"
    say(f"error: {words[:1].lower()}{words[1:].rstrip('.')}{hint}")
