"""The documents name only what exists: files, modules, functions, commands, options and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer

from vlsu.build.images.hash_lists import HASH_LISTS
from vlsu.build.sources.base import SOURCES
from vlsu.cli.app import app
from vlsu.data.importers import importers
from vlsu.models import models

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "vlsu"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "NOTICE")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name / "README.md" for name in ("benchmarks", "training", "training/judge")),
]
FLOORS = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
FOLDERS = {"src", "docs", "tests", "benchmarks", "training", "datasets", "scripts"}
GROUPS = {f"vlsu.{registry.kind}s" for registry in (importers, models, SOURCES, HASH_LISTS)}

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
#: Files inside npm packages, as the table of vendored libraries names them.
VENDORED = re.compile(r"build/vega[\w.-]*\.js")
LINK = re.compile(r"\]\((?!<?https?:)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?<![\w./-])vlsu ((?:[a-z-]+ ?){1,3})")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
#: Lines about other programs, which have options of their own.
OTHER_PROGRAM = re.compile(r"\b(?:pip|python|make|llama\.cpp)\b|--no-prefill-assistant")
#: What looks like the name of something in a module, and is a file.
FILE = re.compile(r".*\.(?:yaml|json|md|py|sqlite|parquet)")


def named(pattern: re.Pattern[str], document: Path) -> Iterator[str]:
    """What a document puts into backticks, as far as it is of a form."""
    for code in CODE.findall(document.read_text(encoding="utf-8")):
        if pattern.fullmatch(code):
            yield code


def code_of(document: Path) -> Iterator[str]:
    """What a document shows as code: in backticks, indented or fenced."""
    fenced = False
    for line in document.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        if fenced or line.startswith("    "):
            yield line.partition("#")[0]
        else:
            yield from CODE.findall(line)


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command and group, by the words that lead to it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))
OPTIONS = {
    option
    for command in COMMANDS.values()
    for parameter in getattr(command, "params", ())
    for option in (*parameter.opts, *parameter.secondary_opts)
} | {"--help", "--version"}


def exists(name: str) -> bool:
    """Whether a dotted name is that of a module of the package, or of something in one."""
    parts = name.removeprefix("vlsu.").split(".")
    found: object = None
    for n in range(len(parts), -1, -1):
        try:
            found = import_module(".".join(("vlsu", *parts[:n])))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            annotated = getattr(found, "__annotations__", {})
            if not hasattr(found, part) and part not in annotated:
                return False
            found = getattr(found, part, None)
        return True
    return False


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestDocument:
    def test_files_are_there(self, document: Path) -> None:
        for path in named(PATH, document):
            first = path.partition("/")[0]
            if first in FOLDERS:
                assert (ROOT / path).exists() or (document.parent / path).exists(), path
            elif first in FLOORS and not VENDORED.fullmatch(path):
                assert (SOURCE / path).exists() or (ROOT / path).exists(), path

    def test_names_are_there(self, document: Path) -> None:
        for name in named(NAME, document):
            first = name.partition(".")[0]
            is_name = first == "vlsu" or first in FLOORS
            if is_name and name not in GROUPS and not FILE.fullmatch(name):
                assert exists(name), name

    def test_links_lead_somewhere(self, document: Path) -> None:
        for link in LINK.findall(document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), link

    def test_commands_are_there(self, document: Path) -> None:
        for words in COMMAND.findall("\n".join(code_of(document))):
            first, *rest = words.split()
            for name in first.split("|"):
                assert (name,) in COMMANDS, f"vlsu {words}"
            if rest and getattr(COMMANDS[(first,)], "commands", None):
                assert (first, rest[0]) in COMMANDS, f"vlsu {words}"

    def test_options_are_there(self, document: Path) -> None:
        if document.parent.name in ("benchmarks", "training", "judge"):
            return  # of the scripts beside it
        for line in document.read_text(encoding="utf-8").splitlines():
            if not OTHER_PROGRAM.search(line):
                unknown = set(OPTION.findall(line)) - OPTIONS
                assert not unknown, f"{sorted(unknown)} in {line.strip()!r}"


def test_what_is_not_there_is_found() -> None:
    assert exists("vlsu.models.base.Settings")
    assert exists("analysis.results")
    assert not exists("vlsu.models.base.Nothing")
    assert not exists("runs.nowhere.at_all")
