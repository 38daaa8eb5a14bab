"""What `import vlsu` offers: a list that is kept by hand, imported when it is first used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import vlsu

NAMES = {
    "a dataset": {"Dataset", "Sample", "check_dataset", "import_dataset", "load", "write_dataset"},
    "its grades": {"Category", "Family", "Pattern", "Policy", "Severity", "load_policy"},
    "a model": {"InProcessModel", "Limits", "Model", "Settings", "open_model"},
    "a run": {"Metrics", "Rate", "Run", "align", "evaluate", "load_run", "load_runs"},
    "finished runs": {"Comparison", "Gate", "compare", "gate", "write_report"},
    "anything": {"VlsuError", "__version__"},
}
PACKAGES = ("analysis", "data", "errors", "models", "policy", "report", "runs", "tasks")


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_list_is_this_one():
    assert set(vlsu.__all__) == set().union(*NAMES.values())
    assert len(vlsu.__all__) == len(set(vlsu.__all__))
    assert set(vlsu.__all__) <= set(dir(vlsu))


@pytest.mark.parametrize("name", sorted(vlsu.__all__))
def test_every_name_is_there_and_says_what_it_is(name):
    assert name == "__version__" or inspect.getdoc(getattr(vlsu, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_is_there_without_an_import_of_its_own(name):
    assert in_a_new_process(f"import vlsu; print(vlsu.{name}.__name__)") == f"vlsu.{name}"


def test_a_name_that_is_none_is_refused():
    with pytest.raises(AttributeError, match="'vlsu' has no attribute 'evalute'"):
        vlsu.__getattr__("evalute")


def test_a_type_checker_is_shown_what_is_imported():
    """What stands under `TYPE_CHECKING` is what `getattr` gives, from the same modules."""
    tree = ast.parse(Path(vlsu.__file__).read_text(encoding="utf-8"))
    checked = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    shown = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(shown) == {*vlsu.__all__, *PACKAGES} - {"__version__"}
    for name in set(shown) - set(PACKAGES):
        assert getattr(vlsu, name) is getattr(import_module(str(shown[name])), name)


def test_import_costs_next_to_nothing():
    heavy = "{'polars', 'numpy', 'jinja2', 'orjson', 'yaml', 'PIL', 'typer', 'asyncio'}"
    assert in_a_new_process(f"import sys, vlsu; print({heavy} & set(sys.modules))") == "set()"
    loaded = in_a_new_process("import sys, vlsu; print(*(n for n in sys.modules if 'vlsu' in n))")
    assert sorted(loaded.split()) == ["vlsu", "vlsu._version"]


def test_all_names_at_once():
    code = "from vlsu import *; print(evaluate.__name__, Severity.SAFE.name, __version__)"
    assert in_a_new_process(code) == f"evaluate SAFE {vlsu.__version__}"


def test_a_notebook_needs_no_other_import(tmp_path):
    """From a built-in dataset to a report of it."""
    run = vlsu.evaluate("vlsu-mini", model="baseline/majority", out=tmp_path / "R")
    assert vlsu.gate(run, ["joint.answered >= 95%"]).passed
    page = vlsu.write_report([run], tmp_path / "report.md")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# baseline/majority on vlsu-mini ")
