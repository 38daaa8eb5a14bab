"""How a command line is read: one line for what cannot be, the same for every command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tests.support.commands import vlsu
from vlsu.cli.app import app, run_command
from vlsu.cli.parameters import read_strictly
from vlsu.errors import UsageError


def commands(command=None, path=()):
    """Every command of the command line with its words."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [
        found
        for name, inner in command.commands.items()
        for found in commands(inner, (*path, name))
    ]


COMMANDS = dict(commands())


@pytest.mark.parametrize("path", [(), ("run",), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_to_be_had_by_both_names(path, flag, capsys):
    assert run_command([*path, flag]) == 0
    assert f"Usage: {' '.join(('vlsu', *path))}" in capsys.readouterr().out


def read(*arguments, kind=int, **about):
    """What a command with one option of that kind is given."""
    given = []
    small = typer.Typer()

    def only(value):
        given.append(value)

    only.__annotations__ = {"value": typing_annotated(kind, typer.Option("--value", **about))}
    small.command()(only)
    read_strictly(small)
    command = typer.main.get_command(small)
    with command.make_context("small", list(arguments)) as context:
        command.invoke(context)
    return given[0]


def typing_annotated(kind, about):
    from typing import Annotated

    return Annotated[kind, about]


@pytest.mark.parametrize(
    ("kind", "about", "value", "wanted"),
    [
        (int, {}, "ten", "give a whole number"),
        (int, {}, "", "give a whole number"),
        (int, {}, "1.5", "give a whole number"),
        (int, {}, "1_000", "give a whole number"),
        (int, {}, "٣", "give a whole number"),
        (int, {}, "9" * 19, "of at most 18 digits"),
        (int, {}, "9" * 5000, "give a whole number"),
        (int, {"min": 0}, "-1", "give a whole number, 0 or more"),
        (int, {"min": 1, "max": 5}, "6", "give a whole number from 1 to 5"),
        (int | None, {}, "ten", "give a whole number"),
        (list[int], {}, "ten", "give a whole number"),
        (float, {}, "nan", "give a number"),
        (float, {}, "-inf", "give a number"),
        (float, {}, "1e400", "give a number"),
        (float, {}, "40%", "give a number"),
        (float, {"max": 1}, "2", "give a number, 1 or less"),
        (str, {}, "\udcff", "give a text in UTF-8"),
        (Path, {}, "", "give a path"),
        (Path | None, {}, "  ", "give a path"),
        (list[Path], {}, "", "give a path"),
        (Path, {}, "x" * 256, "give a shorter path"),
        (Path, {}, "x/" * 2500, "give a shorter path"),
        (Path, {}, "a\udcff", "give a path in UTF-8"),
        (tuple[Path, Path], {}, ("a", ""), "give a path"),
    ],
)
def test_a_wrong_value_names_option_value_and_what_is_wanted(kind, about, value, wanted):
    values = (value,) if isinstance(value, str) else value
    with pytest.raises(UsageError) as refused:
        read("--value", *values, kind=kind, **about)
    said = str(refused.value)
    assert said.startswith("--value '")
    assert wanted in said
    assert len(said) < 250


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_whole_numbers_of_64_bits_are_read(number):
    assert read("--value", str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_are_read(number):
    assert read("--value", repr(number), kind=float) == number


@pytest.mark.parametrize(
    ("kind", "arguments", "value"),
    [
        (str, ["--value", ""], ""),
        (str, ["--value", "Größe 🙂"], "Größe 🙂"),
        (list[str], ["--value", "a", "--value", "b"], ["a", "b"]),
        (Path, ["--value", "k[1]"], Path("k[1]")),
        (list[Path], ["--value", "a"], [Path("a")]),
        (tuple[Path, Path], ["--value", "a", "b"], (Path("a"), Path("b"))),
        (int | None, ["--value", " 7 "], 7),
    ],
)
def test_other_values_are_as_written(kind, arguments, value):
    assert read(*arguments, kind=kind) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run understanding", "missing argument 'dataset'"),
        ("run understanding vlsu-mini", "missing option '--model'"),
        ("run understandng", "Did you mean 'understanding'?"),
        ("frobnicate", "no such command 'frobnicate'"),
        ("power --margin", "'--margin' requires an argument"),
        ("models --jsn", "no such option: --jsn"),
        ("models extra", "unexpected extra argument"),
        ("run understanding vlsu-mini --model m --out r --limit ten", "--limit 'ten': give a"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, message, tmp_path):
    done = vlsu(*arguments.split(), expect=2, cwd=tmp_path)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("policy", "--category", "größe"), "gr??e"),
        (("prompts", "größe"), "set LC_ALL=C.UTF-8"),
    ],
)
def test_a_locale_without_characters_is_one_line_at_worst(arguments, said):
    done = subprocess.run(
        [sys.executable, "-m", "vlsu", *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"defect" not in done.stderr


def test_a_folder_of_runs_names_the_runs_inside(tmp_path):
    from vlsu.errors import RunError
    from vlsu.runs import load_run

    for number in range(10):
        (tmp_path / "runs" / f"model-{number}").mkdir(parents=True)
        (tmp_path / "runs" / f"model-{number}" / "run.yaml").write_text("{}")
    with pytest.raises(RunError) as refused:
        load_run(tmp_path / "runs")
    said = str(refused.value)
    assert "a folder of runs; give those that you mean: " in said
    assert f"{tmp_path / 'runs' / 'model-0'} {tmp_path / 'runs' / 'model-1'} " in said
    assert said.endswith(" and 2 more")
