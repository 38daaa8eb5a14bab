"""The command line, put together.

A start imports the module of the command that it is to run, and no other: half of what a short
command would take otherwise.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsu._version import __version__
from vlsu.cli.parameters import read_strictly
from vlsu.cli.terminal import print_text, say
from vlsu.errors import VlsuError

if TYPE_CHECKING:
    app: typer.Typer

__all__ = ["app", "command_line", "run_command"]

#: Group -> its modules, of which the first has the `app`; the others add their commands to it, by
#: being imported or by an `add_to`.
_GROUPS = {
    "data": ("data", "data_derived", "data_export"),
    "run": ("run", "run_alignment"),
    "judge": ("judge",),
    "framings": ("framings",),
    "annotate": ("annotate", "annotate_exchange"),
    "build": ("build",),
    "store": ("store",),
}
#: Command -> its module and function.
_COMMANDS = {
    "demo": ("demo", "demo"),
    "agreement": ("agreement", "agreement"),
    "report": ("report", "report"),
    "compare": ("compare", "compare"),
    "cost": ("cost", "cost"),
    "gate": ("gate", "gate"),
    "guards": ("guards", "guards"),
    "power": ("power", "power"),
    "project": ("project", "project"),
    "view": ("view", "view"),
    "models": ("catalogue", "list_models"),
    "prompts": ("catalogue", "show_prompts"),
    "policy": ("catalogue", "show_policy"),
}


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(f"vlsu {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@cache
def command_line(name: str | None = None, of_group: str | None = None) -> typer.Typer:
    """The command line; with the name of a command or a group, of that one alone.

    Args:
        name: Of the command or group.
        of_group: Of one of its commands. Where the group's first module has it, there is no other.
    """
    made = typer.Typer(
        name="vlsu",
        help="Vision-Language Safety Understanding: does a model understand what an image and a "
        "text mean together?",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_options)
    for command, (module, function) in _COMMANDS.items():
        if name in (None, command):
            found = import_module(f"vlsu.cli.{module}")
            made.command(command)(getattr(found, function))
    for group in _GROUPS:
        if name in (None, group):
            made.add_typer(_alone(group, of_group) or _group(group), name=group)
    read_strictly(made)
    return made


@cache
def _group(name: str) -> typer.Typer:
    """A group with all its commands."""
    first, *others = (import_module(f"vlsu.cli.{module}") for module in _GROUPS[name])
    group: typer.Typer = first.app
    for each in others:
        if hasattr(each, "add_to"):
            each.add_to(group)
    return group


def _alone(name: str, command: str | None) -> typer.Typer | None:
    """A group with one command, if its first module has that."""
    if command is None:
        return None
    first: typer.Typer = import_module(f"vlsu.cli.{_GROUPS[name][0]}").app
    if not (found := [each for each in first.registered_commands if each.name == command]):
        return None
    alone = copy.copy(first)
    alone.registered_commands, alone.registered_groups = found, []
    return alone


if not TYPE_CHECKING:  # `app`, the whole command line

    def __getattr__(name: str) -> object:
        if name != "app":
            raise AttributeError(f"module 'vlsu.cli.app' has no attribute {name!r}")
        return command_line()


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; its exit code.

    A command line that cannot be read is one line on standard error, and 2.

    Raises:
        VlsuError: What the user has to put right.
    """
    known = {*_COMMANDS, *_GROUPS}
    first = arguments[0] if arguments and arguments[0] in known else None
    second = arguments[1] if first in _GROUPS and len(arguments) > 1 else None
    command = typer.main.get_command(command_line(first, second))
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
