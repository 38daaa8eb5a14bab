"""The request for queries: what a model is told, and with which template."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlsu._text import collapsed_line
from vlsu.build.asking.answers import kinds_schema, object_schema
from vlsu.build.asking.prompts import StagePrompt
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.few_shot import Example
from vlsu.build.queries.manners import LENGTHS, STYLES, Manner
from vlsu.build.rails.rules import Rails
from vlsu.models.base import ImagePart, Message, Request
from vlsu.policy import Policy

__all__ = [
    "PROMPT",
    "answer_schema",
    "caption_line",
    "query_request",
    "system_message",
    "write_in",
]

PROMPT = StagePrompt("queries", Path(__file__).with_name("query.jinja"))
#: Characters of a caption that are shown, at most.
_MOST_CAPTION = 1000

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
    question = PROMPT.render(
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
    text = PROMPT.render(
        part="system",
        severities={s.label: meaning for s, meaning in policy.severities.items()},
        joint=policy.joint,
    )
    return Message("system", (text,))


def answer_schema(kinds: Collection[str]) -> dict[str, Any]:
    """The JSON schema of an answer."""
    query = object_schema({"text": {"type": "string"}, "kinds": kinds_schema(kinds)})
    return object_schema({"queries": {"type": "array", "items": query}})
