"""Options that commands share, as one parameter of each."""

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.parameters import read_strictly
from vlsu.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is."""

    host: Annotated[str, typer.Option(help="Its name.")] = "localhost"
    port: Annotated[int | None, typer.Option("--at", min=1, help="Its port.")] = None


CALLS: list[tuple[str, Server, bool]] = []


@with_option_groups
def start(
    name: Annotated[str, typer.Argument(help="Of the job.")],
    server: Server,
    quick: Annotated[bool, typer.Option("--quick")] = False,
) -> None:
    """Start a job."""
    CALLS.append((name, server, quick))


@pytest.fixture
def app():
    CALLS.clear()
    made = typer.Typer()
    made.command()(start)
    read_strictly(made)
    return made


def test_a_group_is_given_as_one_option_for_each_field(app):
    for arguments, called in (
        (["a"], ("a", Server(), False)),
        (["a", "--host", "h", "--at", "80", "--quick"], ("a", Server(host="h", port=80), True)),
    ):
        assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
        assert CALLS.pop() == called


def test_the_help_is_the_commands_and_has_the_options_of_the_group(app):
    text = CliRunner().invoke(app, ["--help"]).output
    assert "Start a job." in text
    for words in ("--host", "Its name.", "--at", "Its port.", "--quick"):
        assert words in text


def test_options_of_a_group_are_read_as_strictly_as_others(app):
    with pytest.raises(UsageError, match="--at '0': give a whole number, 1 or more"):
        CliRunner().invoke(app, ["a", "--at", "0"], catch_exceptions=False)
    assert not CALLS


def test_the_commands_parameters_are_the_options():
    assert list(inspect.signature(start).parameters) == ["name", "host", "port", "quick"]
