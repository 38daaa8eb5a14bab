"""Which prompt a run has, and what contradicts it."""

from __future__ import annotations

from vlsu.errors import UsageError
from vlsu.models.base import Settings
from vlsu.tasks import CONTROLS, ONE_WORD, PROMPTS

__all__ = ["prompt_name"]


def prompt_name(given: str | None, settings: Settings) -> str:
    """The prompt's name or file: what was given, or the default.

    Args:
        given: What the user named.
        settings: How the model is asked; with `score` the default asks for one word.

    Raises:
        UsageError: A prompt of this package that asks for JSON is to be scored, or a server is to
            enforce JSON where one word is asked for.
    """
    name = given or (ONE_WORD if settings.score else PROMPTS[0])
    if settings.score and name in (*PROMPTS, *CONTROLS):
        raise UsageError(
            f"--score: {name} asks for JSON, which does not begin with a severity; leave out "
            f"--prompt ({ONE_WORD} is the default), or give a file that asks for one word"
        )
    if settings.structured == "on" and (settings.score or name == ONE_WORD):
        what = "--score" if settings.score else f"prompt {ONE_WORD}"
        raise UsageError(f"--structured on: not with {what}, whose answer is one word and no JSON")
    return name
