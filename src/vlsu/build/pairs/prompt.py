"""The request for the nearest texts that flip a sample's joint grade."""

from __future__ import annotations

from pathlib import Path

from vlsu.build.asking.prompts import StagePrompt
from vlsu.build.pairs.flips import most_edits
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.prompt import answer_schema, caption_line, system_message, write_in
from vlsu.build.rails.rules import Rails
from vlsu.models.base import ImagePart, Message, Request
from vlsu.policy import Pattern, Policy

__all__ = ["PROMPT", "pair_request"]

PROMPT = StagePrompt("pairs", Path(__file__).with_name("pair.jinja"))


def pair_request(
    policy: Policy,
    rails: Rails,
    text: str,
    before: Pattern,
    cell: Cell,
    image: str,
    *,
    count: int,
    draw: int = 0,
    caption: str | None = None,
) -> Request:
    """The request for minimal pairs of one sample.

    Args:
        policy: What the severities mean.
        rails: What is never written, and the kinds that the writer has to declare.
        text: Of the sample.
        before: Its pattern.
        cell: Of its pairs.
        image: SHA-256 of the image, which stays.
        count: How many texts one answer holds.
        draw: Of several requests for one sample.
        caption: Shown in place of the image.
    """
    after = cell.pattern
    category = None if cell.category is None else policy.category(cell.category)
    question = PROMPT.render(
        text=text,
        caption=caption_line(caption),
        category=category,
        lines="" if category is None else category.severities[after.text].text,
        image=before.image.label,
        before={"text": before.text.label, "joint": before.joint.label},
        after={"text": after.text.label, "joint": after.joint.label},
        count=count,
        most=most_edits(text),
        language=write_in(cell.language),
        never=[each.reason for each in rails.on_kinds(cell.category, after.text)],
        kinds=rails.kinds,
    )
    shown = (question,) if caption is not None else (ImagePart(image), question)
    messages = (system_message(policy), Message("user", shown))
    return Request(messages, answer_schema(rails.kinds), draw)
