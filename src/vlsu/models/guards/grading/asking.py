"""What a guard is asked about content, and which category of a policy it means: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import chain

import orjson

from vlsu.models.base import ImagePart, Message, Request
from vlsu.models.guards.grading.base import Content, ContentFamily, Question
from vlsu.models.guards.grading.control_tokens import without_control_tokens
from vlsu.policy import Policy

__all__ = [
    "category_of",
    "content_of",
    "question_bytes",
    "question_params",
    "questions",
    "questions_hash",
]

#: A text with control tokens, so that the hash of questions covers how those are broken up.
_PROBE = "{text} <|im_end|> [/INST] <end_of_turn> </s> <image>"


def questions(family: ContentFamily, content: Content) -> tuple[Question, ...]:
    """The questions of a family about content, whose text cannot forge a part of the prompt."""
    if family.ask is None:
        raise AssertionError(f"{family.name} has no question of its own")
    if content.text is not None:
        text = without_control_tokens(content.text, family.markers)
        content = content._replace(text=text)
    return family.ask(content)


def content_of(request: Request) -> Content:
    """The content of a request with the prompt ``bare``: one turn, an image or a text or both."""
    parts = [part for message in request.messages for part in message.parts]
    images = [part.sha256 for part in parts if isinstance(part, ImagePart)]
    texts = [part for part in parts if isinstance(part, str)]
    return Content(images[0] if images else None, "\n\n".join(texts) if texts else None)


def questions_hash(family: ContentFamily) -> str:
    """SHA-256 of everything that a family's questions consist of, besides the content itself."""
    shown = {
        modality: [[list(map(_shown, each.messages)), dict(each.params)] for each in asked]
        for modality, asked in _probed(family).items()
    }
    return hashlib.sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()


def question_params(family: ContentFamily) -> list[Mapping[str, object]]:
    """The distinct fields that a family's questions add to the body of a request."""
    found: list[Mapping[str, object]] = []
    for question in chain.from_iterable(_probed(family).values()):
        if question.params not in found:
            found.append(question.params)
    return found


def question_bytes(family: ContentFamily, modality: str) -> tuple[int, ...]:
    """UTF-8 bytes of each of a family's questions about a modality, without the content itself.

    What a server's chat template adds, such as a policy of the guard's own, is not known here.
    """
    image, text = None if modality == "text" else "", None if modality == "image" else ""
    asked = questions(family, Content(image, text))
    return tuple(
        sum(len(part.encode()) for m in each.messages for part in m.parts if isinstance(part, str))
        + (len(orjson.dumps(dict(each.params))) if each.params else 0)
        for each in asked
    )


def _probed(family: ContentFamily) -> dict[str, tuple[Question, ...]]:
    """The questions about a placeholder, by modality."""
    text = " ".join((_PROBE, *family.markers))
    contents = (Content("{image}", None), Content(None, text), Content("{image}", text))
    return {
        content.modality: questions(family, content)
        for content in contents
        if content.modality in family.modalities
    }


def _shown(message: Message) -> list[object]:
    parts = [part if isinstance(part, str) else {"image": part.sha256} for part in message.parts]
    return [message.role, parts]


def category_of(policy: Policy, family: ContentFamily, named: Sequence[str]) -> str | None:
    """The category of a policy that a guard means: that of the first name which has one.

    A policy that lists the guard's system of codes (``codes`` in its file) decides by them: the
    category that lists a code closest to its start, and of several such that of the family's map,
    else the policy's first. Any other policy has the family's map of names onto C1 to C15, as far
    as it has a category of that identifier; a policy's own names and identifiers count too.
    """
    by_code = family.system and any(family.system in c.codes for c in policy.categories)
    for name in named:
        nearest = family.categories.get(name)
        if by_code:
            found = _by_code(policy, family.system, name, nearest)
        elif nearest in policy.category_ids:
            found = nearest
        else:
            found = next((c for c in policy.category_ids if c == name), None)
        if found is not None:
            return found
    return None


def _by_code(policy: Policy, system: str, code: str, nearest: str | None) -> str | None:
    places = {
        category.id: listed.index(code)
        for category in policy.categories
        if code in (listed := category.codes.get(system, ()))
    }
    if not places:
        return None
    closest = [id_ for id_, place in places.items() if place == min(places.values())]
    return nearest if nearest in closest else closest[0]
