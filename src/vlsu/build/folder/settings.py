"""``build.yaml``: what a build is to have, and under which policy and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsu._text import quoted
from vlsu._version import __version__
from vlsu._yaml import load_yaml, write_yaml
from vlsu.build.plan.targets import Targets, parse_targets
from vlsu.errors import BuildError, UsageError

__all__ = [
    "BUILD_FILE",
    "DATABASE_FILE",
    "FORMAT",
    "GRADES_FOLDER",
    "INDEX_FOLDER",
    "POLICY_FILE",
    "RESPONSES_FILE",
    "Settings",
    "read",
    "write",
]

BUILD_FILE = "build.yaml"
POLICY_FILE = "policy.yaml"
DATABASE_FILE = "build.sqlite"
RESPONSES_FILE = "responses.sqlite"
INDEX_FOLDER = "index"
GRADES_FOLDER = "grades"
FORMAT = "vlsu-build/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The content of ``build.yaml``.

    Attributes:
        policy: Name, version and hash.
        rails: Version and hash of the rules on what is never built.
        languages: Of the texts.
        targets: Samples wanted.
        sources: Where images are looked for.
        seed: Of everything that is drawn.
    """

    policy: Mapping[str, Any]
    rails: Mapping[str, Any]
    languages: tuple[str, ...]
    targets: Targets
    sources: tuple[str, ...] = ()
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As ``build.yaml`` has it."""
        return {
            "policy": dict(self.policy),
            "rails": dict(self.rails),
            "languages": list(self.languages),
            "targets": self.targets.as_dict(),
            "sources": list(self.sources),
            "seed": self.seed,
        }

    def difference(self, other: Settings) -> str | None:
        """The name of the first entry in which two builds differ; `None` if they are one."""
        mine, its = self.as_dict(), other.as_dict()
        return next((name for name in mine if mine[name] != its[name]), None)


def write(folder: Path, settings: Settings, policy_text: str, *, made_at: str) -> None:
    """Write the files of a new build; ``build.yaml`` last, so that it is there when all are.

    Args:
        folder: There already.
        settings: What it says.
        policy_text: The policy's YAML.
        made_at: ISO 8601.

    Raises:
        OSError: The folder cannot be written.
    """
    (folder / POLICY_FILE).write_text(policy_text, encoding="utf-8")
    tree = {
        "format": FORMAT,
        "made_at": made_at,
        "made_with": f"vlsu {__version__}",
        **settings.as_dict(),
    }
    half = folder / f"{BUILD_FILE}.part"
    half.write_text(write_yaml(tree), encoding="utf-8")
    half.replace(folder / BUILD_FILE)


def read(folder: Path) -> Settings:
    """Read the ``build.yaml`` of a folder.

    Raises:
        BuildError: There is none, or it is invalid; the message names the entry.
    """
    file = folder / BUILD_FILE
    try:
        there = file.exists()
    except OSError as error:
        raise BuildError(f"{folder}: cannot be read ({error.strerror})") from None
    if not there:
        raise BuildError(f"{folder}: no build; make one with vlsu build init")
    tree = _kind(load_yaml(file, BuildError), dict, file, "the file")
    if tree.get("format") != FORMAT:
        raise BuildError(f"{file}: format is {quoted(str(tree.get('format')))}, not {FORMAT!r}")
    targets = _kind(tree.get("targets"), dict, file, "targets")
    languages = _kind(tree.get("languages"), list, file, "languages")
    if not languages:
        raise BuildError(f"{file}: languages: expected at least one")
    try:
        return Settings(
            policy=_kind(tree.get("policy"), dict, file, "policy"),
            rails=_kind(tree.get("rails"), dict, file, "rails"),
            languages=tuple(_kind(each, str, file, "languages") for each in languages),
            targets=parse_targets(f"{name}={number}" for name, number in targets.items()),
            sources=tuple(
                _kind(each, str, file, "sources")
                for each in _kind(tree.get("sources", []), list, file, "sources")
            ),
            seed=_kind(tree.get("seed"), int, file, "seed"),
        )
    except UsageError as error:
        raise BuildError(f"{file}: targets: {error}") from None


def _kind(value: Any, kind: type, file: Path, part: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "nothing" if value is None else type(value).__name__
        wanted = {dict: "a mapping", list: "a list", str: "a text", int: "a whole number"}[kind]
        raise BuildError(f"{file}: {part}: expected {wanted}, found {found}")
    return value
