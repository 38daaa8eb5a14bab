"""Which prompt a run has, what contradicts it, and whether its severities are scored."""

from __future__ import annotations

from vlsu.errors import UsageError
from vlsu.models.base import Model, Settings
from vlsu.tasks import CONTROLS, ONE_WORD, PROMPTS

__all__ = ["is_scored", "prompt_name"]


def is_scored(model: Model, settings: Settings) -> bool:
    """Whether a run scores the severities in place of asking for an answer."""
    return settings.score or bool(model.identity().get("score"))


def prompt_name(given: str | None, settings: Settings, model: Model) -> str:
    """The prompt's name or file: what was given, or the default.

    Args:
        given: What the user named.
        settings: How the model is asked.
        model: Whom to ask. If its severities are scored, the default asks for one word, or it has a
            default of its own.

    Raises:
        UsageError: A prompt of this package that asks for JSON is to be scored, or a server is to
            enforce JSON where one word is asked for.
    """
    scored = is_scored(model, settings)
    default = getattr(model, "default_prompt", ONE_WORD) if scored else PROMPTS[0]
    name = given or default
    if scored and name in (*PROMPTS, *CONTROLS):
        raise UsageError(
            f"{model.spec} is scored, and {name} asks for JSON, which does not begin with a "
            f"severity; leave out --prompt ({default} is the default), or give a file that asks "
            "for one word"
        )
    if settings.structured == "on" and (scored or name == ONE_WORD):
        what = f"scoring {model.spec}" if scored else f"prompt {ONE_WORD}"
        raise UsageError(f"--structured on: not with {what}: the answer is one word and no JSON")
    return name
