"""The prompts of the stages: templates that are kept with the records made by them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["StagePrompt"]


@dataclass(frozen=True, slots=True)
class StagePrompt:
    """A template of a stage.

    Attributes:
        name: Under which its text is kept in the store; records name it by its hash.
        path: Of the file.
    """

    name: str
    path: Path

    @property
    def text(self) -> str:
        """The template before anything is put into it."""
        return _read(self.path)

    def render(self, **values: object) -> str:
        """The template with these values.

        Raises:
            jinja2.UndefinedError: It needs another one.
        """
        return _compiled(self.path).render(**values)


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _compiled(path: Path) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    return environment.from_string(_read(path))
