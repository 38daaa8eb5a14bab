"""Whatever standard output and error are, a command ends as it would; foreign text is shown."""

import json
import logging
import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from time import process_time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import completion
from tests.support.commands import vlsu
from tests.support.fault_server import (
    FaultServer,
    ask_and_judge,
    error,
    good,
    run_command,
    text_dataset,
)
from tests.support.fault_server import say as answer_with
from vlsu import _text as vlsu_text
from vlsu._text import collapsed_line, without_control_sequences
from vlsu.cli.output import print_table
from vlsu.cli.terminal import LONGEST_LINE, harmless, json_text, one_line, print_text, say
from vlsu.runs import load_run

pytestmark = pytest.mark.slow

VLSU = f"{shlex.quote(sys.executable)} -m vlsu"


def shell(command, **environment):
    """A command line as a shell runs it, failing if any part of a pipe fails."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        check=False,
        timeout=600,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    done = shell(f"{VLSU} run understanding vlsu-mini --model baseline/majority --out {folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&-", 0),
        ("2>&-", 0),
        (">&- 2>&- <&-", 0),
        ("--json >&-", 0),
        ("2> /dev/full", 0),
        ("| true", 0),
        ("--json | head -c 1", 0),
        ("> /dev/full", 2),
        ("--json > /dev/full", 2),
        ("> /dev/full 2>&1", 2),
    ],
)
def test_a_run_is_stored_whatever_becomes_of_its_output(streams, code, tmp_path):
    out = tmp_path / "run"
    asked = f"{VLSU} run understanding vlsu-mini --model baseline/majority --out {out} {streams}"
    done = shell(asked)
    assert done.returncode == code, done.stderr
    assert b"defect" not in done.stderr
    assert b"Traceback" not in done.stderr
    run = load_run(out)
    assert run.finished
    assert run.metrics["n"] > 0
    assert run.judgments.height > 0


def test_a_full_disk_under_standard_output_is_named(run):
    done = shell(f"{VLSU} models > /dev/full")
    assert done.returncode == 2
    assert b"standard output cannot be written (No space left on device)" in done.stderr


@pytest.mark.parametrize("streams", ["", "| true", ">&-", "> /dev/full", "2>&-", "2> /dev/full"])
def test_a_gate_fails_as_it_would(run, streams):
    assert shell(f"{VLSU} gate {run} --require 'n >= 1000000' {streams}").returncode == 1


def test_no_file_of_a_run_lies_under_the_number_of_a_closed_stream(tmp_path):
    # What is printed would go into it.
    code = """
import os, sys
from vlsu.cli.terminal import open_streams
with open_streams():
    opened = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    print("to nobody")
    sys.stdout.flush()
    assert opened > 2, opened
assert os.path.getsize(sys.argv[1]) == 0
"""
    file = tmp_path / "file"
    python = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {file}"
    done = shell(f"{python} <&- >&- 2>{tmp_path / 'errors'}")
    assert done.returncode == 0, (tmp_path / "errors").read_text()


# Encodings

ENCODINGS = ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"]
COMMANDS = [
    "--help",
    "models",
    "prompts",
    "policy",
    "policy --category C9",
    "data info vlsu-mini",
    "power --margin 0.03",
    "gate {run} --require 'n >= 1'",
    "compare {run} {run}/../run",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_takes_tables_and_sentences(run, encoding):
    for command in COMMANDS:
        done = vlsu(*shlex.split(command.format(run=run)), expect=None, encoding=encoding)
        assert done.returncode in (0, 2), done.stderr
        assert "defect" not in done.stderr, command
        if done.returncode == 0:
            assert done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_json_is_the_same_value_in_every_encoding(encoding):
    done = shell(f"{VLSU} policy --json", PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout.decode(encoding)) == json.loads(
        shell(f"{VLSU} policy --json", PYTHONIOENCODING="utf-8").stdout
    )


def test_a_locale_without_characters_is_no_hindrance(tmp_path):
    done = shell(
        f"{VLSU} run understanding vlsu-mini --model baseline/majority --out {tmp_path / 'run'}",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert done.returncode == 0, done.stderr


def test_a_minus_sign_does_not_become_a_question_mark(tmp_path):
    code = "from vlsu.cli.terminal import open_streams\nwith open_streams(): print('\\u22120.5 …é')"
    done = shell(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", PYTHONIOENCODING="ascii")
    assert done.stdout == b"-0.5 ...?\n"


# Foreign text

HOSTILE = [
    ("\x1b[2J\x1b[Hname", "name"),
    ("\x1b]0;title\x07name", "name"),
    ("\x1b]8;;https://example.org\x1b\\name\x1b]8;;\x1b\\", "name"),
    ("\x9b31mname\x9b0m", "name"),
    ("\x1bPq#0\x1b\\name", "name"),
    ("\x1b[38;2;1;2;3mname\x1b[" + "0;" * 100 + "m", "name"),
    ("\x1b]52;c;" + "QUJD" * 5_000 + "\x07name", "name"),
    ("\x1b[?25l\x1b(B\x1b#8\x1b=\x1bcname\x1b[31", "name"),
    ("\x1b\x1b[31m[32mname", "[32mname"),
    ("na\bme", "na\ufffdme"),
    ("name\x07\x00\x7f", "name\ufffd\ufffd\ufffd"),
    ("\u202eeman", "\ufffdeman"),
    ("name\udcff", "name\ufffd"),
    ("one\r\ntwo\rthree", "one\ntwo\nthree"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_control_sequences_are_removed(text, shown):
    assert harmless(text) == shown


@pytest.mark.parametrize(("text", "shown"), HOSTILE[:9])
def test_control_sequences_are_removed_from_every_message(text, shown):
    assert vlsu_text.one_line(text) == shown
    assert collapsed_line(text) == shown
    assert vlsu_text.both_ends(text) == shown
    assert without_control_sequences(text) == shown


def test_a_servers_colours_are_nowhere(tmp_path):
    """Not on the screen, in the record, in the judgments or in what is kept of a fault."""
    texts = text_dataset(tmp_path / "dataset", 8)
    coloured = "\x1b[1;31mno such\x1b[0m \x1b]0;title\x07place \x9b4m"

    def respond(asked):
        if "words 5 " in asked.words:
            return answer_with(completion(f'{coloured}{{"severity": "unsafe"}}'))
        return error(400, coloured) if "words 3 " in asked.words else good(asked)

    with FaultServer(respond) as server:
        result = ask_and_judge(texts, server.base_url, tmp_path / "run")
    assert result.outcomes["error"] == 1
    with closing(sqlite3.connect(tmp_path / "run" / "responses.sqlite")) as store:
        assert store.execute("SELECT message FROM errors").fetchall() == [
            ("HTTP 400: no such place",)
        ]
    answers = result.judgments.filter(pl.col("predicted") == "unsafe")["answer"].to_list()
    assert answers == ['no such place {"severity": "unsafe"}']

    with FaultServer(lambda asked: error(401, coloured)) as server:
        process = run_command(texts, server.base_url, tmp_path / "stopped")
        out, said = process.communicate(timeout=300)
    assert "HTTP 401: no such place" in said
    assert "[1;31m" not in out + said
    assert "title" not in out + said
    assert "[1;31m" not in (tmp_path / "stopped" / "run.yaml").read_text()


@given(st.text())
def test_nothing_is_left_that_a_terminal_acts_on(text):
    shown = harmless(text)
    assert not any(c < " " and c not in "\n\t" for c in shown)
    assert not any("\x7f" <= c <= "\x9f" for c in shown)
    assert "\n" not in one_line(text)
    shown.encode()


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Zl", "Zp"))))
def test_other_text_is_shown_as_it_is(text):
    assert harmless(text) == text


@pytest.mark.parametrize(
    "unit", ["\x1b[", "\x1b[0;", "\x1b]", "\x9d", "\x1b", "\x1b]a", "\x9b0", "\x1b[1 !"]
)
def test_the_time_to_clean_a_text_is_in_proportion_to_its_length(unit):
    def seconds(text):
        took = []
        for _ in range(5):
            start = process_time()
            harmless(text)
            took.append(process_time() - start)
        return min(took)

    # 16 times as long; where the square of it counts, that is 256 times.
    assert seconds(unit * 320_000) < 64 * max(seconds(unit * 20_000), 1e-4)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_for_a_terminal_is_the_same_value(value):
    document = json.dumps(value, ensure_ascii=False)
    for encoding in ("utf-8", "ascii", None, "no such"):
        shown = json_text(document, encoding)
        assert json.loads(shown) == value
        assert not any("\x7f" <= c <= "\x9f" for c in shown)
    json_text(document, "latin-1").encode("ascii")


def test_tables_lines_and_texts_are_cleaned_and_hold_no_markup(capsys):
    dirty = "[bold red]name[/] :warning: \x1b[31m"
    print_table(dirty, (dirty, "b"), [(dirty, 1)], dirty)
    print_text(dirty)
    say(dirty)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "\x1b" not in text
        assert "[bold red]name[/] :warning:" in text
    assert said.out.count("[bold red]name[/] :warning:") == 5


def test_a_table_that_goes_to_no_terminal_is_as_wide_as_was_asked_for(capsys, monkeypatch):
    widths = {"": 120, "nonsense": 120, "400": 400, "80": 120}
    for columns, width in widths.items():
        monkeypatch.setenv("COLUMNS", columns)
        print_table("", ("long", "b"), [("x" * 1000, 1)])
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) == width
        assert "".join(lines).count("x") == 1000


def test_a_long_line_is_cut(capsys):
    say("x" * 10**7)
    assert len(capsys.readouterr().err) < LONGEST_LINE + 10


def test_what_is_logged_is_cleaned(capsys, monkeypatch):
    from vlsu.cli.terminal import say_logged

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    say_logged()
    logging.getLogger("vlsu.anything").warning("%s: damaged", "run\x1b]0;title\x07\nname")
    assert capsys.readouterr().err == "run name: damaged\n"


@pytest.mark.parametrize(
    "command", ["report {}", "gate {} --require 'n >= 1'", "data info {}", "policy {}", "models {}"]
)
def test_names_in_errors_are_cleaned(command, tmp_path):
    name = shlex.quote(str(tmp_path / "no\x1b[31m[bold]such\x9b"))
    said = vlsu(*shlex.split(command.format(name)), expect=2).stderr
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "\x9b" not in said


def test_of_a_long_error_the_middle_is_left_out():
    line = f"{'d' * 300}: cannot be read (it is a link)"
    assert vlsu_text.both_ends(line, 40) == f"{'d' * 20}…{line[-20:]}"
    assert vlsu_text.both_ends(line, len(line)) == line
