"""The request for queries: what a model is told, and with which template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vlsu._text import collapsed_line
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.few_shot import Example
from vlsu.build.queries.manners import LENGTHS, STYLES, Manner
from vlsu.build.rails.rules import Rails
from vlsu.models.base import ImagePart, Message, Request
from vlsu.policy import Policy

__all__ = [
    "PROMPT_NAME",
    "answer_schema",
    "caption_line",
    "query_request",
    "system_message",
    "template_text",
    "write_in",
]

#: Under which the template is kept in the store.
PROMPT_NAME = "queries"
#: Characters of a caption that are shown, at most.
_MOST_CAPTION = 1000
_FOLDER = Path(__file__).parent
_TEMPLATE = "query.jinja"

#: Language -> how a model is told to write in it, in English and in the language itself.
_WRITE_IN: Mapping[str, str] = {
    "en": "Write in English, as a native speaker would say it.",
    "de": "Write in German. Schreibe auf Deutsch, so wie man es dort sagt; übersetze nicht.",
    "fr": "Write in French. Écris en français, comme on le dirait ; ne traduis pas.",
    "es": "Write in Spanish. Escribe en español, como se diría; no traduzcas.",
}


def write_in(language: str) -> str:
    """How a model is told to write in a language."""
    return _WRITE_IN.get(language, f"Write in the language with the code {language}.")


def caption_line(caption: str | None) -> str | None:
    """A caption as prompts show it, in one line of a bounded length: sources are not trusted."""
    return None if caption is None else collapsed_line(caption, _MOST_CAPTION)


def template_text() -> str:
    """The template, by whose hash records name it."""
    return (_FOLDER / _TEMPLATE).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(_FOLDER), undefined=jinja2.StrictUndefined
    )
    return environment.get_template(_TEMPLATE)


def query_request(
    policy: Policy,
    rails: Rails,
    cell: Cell,
    image: str,
    manner: Manner,
    *,
    count: int,
    draw: int = 0,
    examples: Sequence[Example] = (),
    caption: str | None = None,
    near: str | None = None,
) -> Request:
    """The request for queries to one image.

    Args:
        policy: What the severities mean, in general and in the cell's category.
        rails: What is never written, and the kinds that the writer has to declare.
        cell: What is wanted.
        image: SHA-256 of the image.
        manner: Style and length.
        count: How many queries one answer holds.
        draw: Of several requests for one image.
        examples: Of the user.
        caption: Shown in place of the image.
        near: Where the cell has no category, the one that its concept looks near.
    """
    pattern, length = cell.pattern, LENGTHS[manner.length]
    category = None if cell.category is None else policy.category(cell.category)
    question = _template().render(
        part="user",
        caption=caption_line(caption),
        near=None if near is None else policy.category(near),
        count=count,
        category=category,
        lines=None
        if category is None
        else {
            "image": category.severities[pattern.image].image,
            "text": category.severities[pattern.text].text,
        },
        image=pattern.image.label,
        text=pattern.text.label,
        joint_severity=pattern.joint.label,
        image_rank=int(pattern.image),
        text_rank=int(pattern.text),
        joint_rank=int(pattern.joint),
        examples=examples,
        style=STYLES[manner.style],
        fewest=length.fewest,
        most=length.most,
        language=write_in(cell.language),
        never=[each.reason for each in rails.on_kinds(cell.category, pattern.text)],
        kinds=rails.kinds,
    )
    shown = (question,) if caption is not None else (ImagePart(image), question)
    messages = (system_message(policy), Message("user", shown))
    return Request(messages, answer_schema(rails.kinds), draw)


def system_message(policy: Policy) -> Message:
    """What a writer of queries is told beforehand, whatever it is to write."""
    text = _template().render(
        part="system",
        severities={s.label: meaning for s, meaning in policy.severities.items()},
        joint=policy.joint,
    )
    return Message("system", (text,))


def answer_schema(kinds: Mapping[str, str]) -> dict[str, Any]:
    """The JSON schema of an answer."""
    query = _object(
        {
            "text": {"type": "string"},
            "kinds": _object({name: {"type": "boolean"} for name in kinds}),
        }
    )
    return _object({"queries": {"type": "array", "items": query}})


def _object(properties: Mapping[str, object]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
