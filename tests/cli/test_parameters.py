"""Values of options and arguments are read as the library reads them, without its validators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.test_command_line import COMMANDS

TEXTS = (None, "", " ", "x", "-1", "0.5", "007", "1e999", "9" * 30, "a/b", "x" * 300, "\udcff")
OTHERS: tuple[object, ...] = (
    0,
    1,
    0.5,
    True,
    False,
    Path("a"),
    (),
    [],
    ("1",),
    ("1", "x"),
    ["a", "\udcff"],
)


def outcome(read: Any, context: typer.Context, value: object) -> tuple[type, str]:
    """The type of what was read or raised, and what it says."""
    try:
        found = read(context, value)
    except Exception as error:
        return type(error), error.format_message() if hasattr(error, "format_message") else str(
            error
        )
    return type(found), repr(found)


@pytest.mark.slow
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_value_is_what_the_library_makes_of_it(path):
    command = COMMANDS[path]
    context = typer.Context(command, info_name=path[-1])
    parameters = command.get_params(context)
    assert "help" in {each.name for each in parameters}
    for parameter in parameters:
        library = type(parameter).process_value.__get__(parameter)
        assert parameter.process_value != library
        for value in (*TEXTS, *OTHERS):
            if parameter.name == "help" and value:  # it prints and ends
                continue
            ours = outcome(parameter.process_value, context, value)
            assert ours == outcome(library, context, value), (parameter.name, value)
