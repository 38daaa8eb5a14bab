"""What a start imports: the modules of its own command, and of these what it needs at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

from vlsu.cli.app import app, command_line

#: Runs a command and then says which modules are there.
_CODE = """
import sys
from vlsu.cli.app import run_command
code = run_command(sys.argv[1:])
print("\\nmodules:", *sorted(sys.modules))
sys.exit(code)
"""

#: Runs a command against a server in the same process, and then says which modules were there when
#: the first request came.
_CODE_UP_TO_THE_FIRST_REQUEST = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

there = []
message = {"role": "assistant", "content": json.dumps({"severity": "safe", "category": None})}
answer = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}

class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        there.append(sorted(sys.modules))
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
from vlsu.cli.app import run_command
url = f"http://127.0.0.1:{server.server_port}/v1"
code = run_command([*sys.argv[1:], "--model", "openai/mock", "--base-url", url])
print("\\nmodules:", *there[0])
sys.exit(code)
"""


def imported(*arguments: object, code: str = _CODE) -> set[str]:
    """The modules that a command has imported when it ends."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("modules: ")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "understanding", "--help"]])
def test_help_reads_no_data(arguments):
    modules = imported(*arguments)
    assert not modules & {"polars", "numpy", "rich", "jinja2", "yaml", "asyncio", "vlsu.runs"}


def test_a_command_leaves_the_modules_of_the_others_alone():
    ours = {each for each in imported("cost", "--help") if each.startswith("vlsu.cli.")}
    assert "vlsu.cli.cost" in ours
    assert not ours & {"vlsu.cli.run", "vlsu.cli.build", "vlsu.cli.annotate", "vlsu.cli.data"}


def test_a_run_imports_what_it_asks_with_and_nothing_for_later(dataset, tmp_path):
    command = ["run", "understanding", dataset.path, "--model", "openai/mock", "--out", tmp_path]
    modules = imported(*command, "--base-url", "http://127.0.0.1:9/v1", "--dry-run", "--json")
    assert {"vlsu.runs.understanding.evaluation", "vlsu.runs.session"} <= modules
    assert not modules & {
        "pydantic",
        "vlsu.cli.run_alignment",
        "vlsu.data.importers",
        "vlsu.data.importing.pipeline",
        "vlsu.models.batching.vllm_file",
        "vlsu.models.guards",
        "vlsu.report.tasks",
        "vlsu.runs.alignment.alignment_run",
        "vlsu.runs.batching.asker",
        "vlsu.runs.ensembles.ensemble",
        "vlsu.runs.finished.comparison",
        "vlsu.tasks.judging.guard",
    }


#: What is imported once all is asked, and libraries that a run of few samples may do without.
LATER = {
    "PIL",
    "numpy",
    "pydantic",
    "rich",
    "vlsu.analysis.results",
    "vlsu.analysis.stats",
    "vlsu.analysis.table",
    "vlsu.analysis.understanding.metrics",
    "vlsu.models.output",
    "vlsu.report",
    "vlsu.runs.estimate",
    "vlsu.runs.finished",
    "vlsu.runs.understanding.sampling",
    "vlsu.tasks.answers.reading",
}


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["text", "joint"])
def test_the_first_request_waits_for_no_import_of_what_comes_later(dataset, tmp_path, modality):
    command = ["run", "understanding", dataset.path, "--modalities", modality, "--limit", 2]
    command += ["--out", tmp_path, "--max-requests", 1, "--concurrency", 1]
    for _ in ("begun", "continued"):
        modules = imported(*command, code=_CODE_UP_TO_THE_FIRST_REQUEST)
        assert {"vlsu.runs.session", "vlsu.models.http.direct", "polars"} <= modules
        assert not modules & LATER


def test_a_command_alone_is_as_it_is_among_all():
    def parameters(made: typer.Typer, name: str) -> dict[str, list[str]]:
        command = commands(made)[name]
        inner = getattr(command, "commands", {"": command})
        return {sub: [each.name for each in one.params] for sub, one in inner.items()}

    def commands(made: typer.Typer) -> dict[str, Any]:
        return dict(getattr(typer.main.get_command(made), "commands"))  # noqa: B009

    whole = commands(app)
    assert len(whole) == 20
    for name in whole:
        alone = command_line(name)
        assert set(commands(alone)) == {name}
        assert parameters(alone, name) == parameters(app, name)
        for sub in parameters(app, name).keys() - {""}:
            one = parameters(command_line(name, sub), name)
            assert {sub: one[sub]} == {sub: parameters(app, name)[sub]}
            assert set(one) in ({sub}, set(parameters(app, name)))
        assert parameters(command_line(name, "--help"), name) == parameters(app, name)
    assert set(parameters(command_line("run", "understanding"), "run")) == {"understanding"}
