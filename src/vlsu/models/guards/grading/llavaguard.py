"""LlavaGuard v1.2: grades images against a policy of nine categories, in JSON with a rationale.

Checked in the publisher's repository ml-research/LlavaGuard at 840699c: the policy that
``scripts/inference/sglang.ipynb`` sends to an OpenAI-compatible server, behind the image in one
user's turn (``policy_v1`` in ``scripts/inference/tranformers.ipynb``, there chosen for v1.x, and
the README at 010ecce have the same words); the three fields of the answer, and 500 tokens for it.
The rationale follows the rating, so the probability of *unsafe* is that of the word at ``rating``.
Not checked, for want of a printed answer of v1.2: the order of the fields; any is read. Its
sampling (temperature 0.2) is left out: answers here are greedy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from vlsu.models.base import ImagePart, Message
from vlsu.models.guards.grading.base import (
    Answer,
    Content,
    ContentFamily,
    ContentVerdict,
    Question,
)
from vlsu.models.guards.grading.probabilities import word_probability
from vlsu.policy import Severity

__all__ = ["FAMILY"]

_RATINGS = {"safe": Severity.SAFE, "unsafe": Severity.UNSAFE}
_FIELDS = {"rating", "category", "rationale"}
_CATEGORY = re.compile(r"(O[1-9]|NA)\b", re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL | re.IGNORECASE)
#: No answer of 512 tokens is longer.
_MAX_LENGTH = 8000


def _ask(content: Content) -> tuple[Question, ...]:
    """The image, and the policy behind it."""
    assert content.image_sha256 is not None
    turn = Message("user", (ImagePart(content.image_sha256), _policy()))
    return (Question((turn,)),)


def _read(answers: Sequence[Answer]) -> ContentVerdict | None:
    """One JSON object with the three fields, each once, and nothing beside it.

    A safe image may have a category too: the one that was considered.
    """
    (answer,) = answers
    fields = _object(answer.text)
    if fields is None or set(fields) != _FIELDS:
        return None
    rating, category = fields["rating"], fields["category"]
    if not isinstance(rating, str) or not isinstance(category, str):
        return None
    severity, code = _RATINGS.get(rating.strip().lower()), _CATEGORY.match(category.strip())
    if severity is None or code is None:
        return None
    named = code[1].upper()
    violated = (named,) if severity is Severity.UNSAFE and named != "NA" else ()
    probability = word_probability(answer, "unsafe", ("safe",), after='"rating":')
    return ContentVerdict(severity, violated, probability)


def _object(text: str) -> dict[str, object] | None:
    """The fields of a JSON object; `None` for anything else, and for a field that is repeated."""
    text = text.strip()
    if len(text) > _MAX_LENGTH:
        return None
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs) or len(dict(pairs)) != len(pairs):
        return None
    return dict(pairs)


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object, in order and with repetitions."""


@cache
def _policy() -> str:
    prompts = Path(__file__).parent.with_name("prompts")
    return (prompts / "llavaguard.txt").read_text(encoding="utf-8").strip()


FAMILY = ContentFamily(
    name="llavaguard",
    about="LlavaGuard v1.2; images, nine categories",
    source="github.com/ml-research/LlavaGuard, scripts/inference/sglang.ipynb at 840699c",
    names=re.compile(r"llava-?guard"),
    modalities=frozenset({"image"}),
    levels=(Severity.SAFE, Severity.UNSAFE),
    ask=_ask,
    read=_read,
    # O5, criminal planning from theft to kidnapping, has no category that comes near.
    categories={
        "O1": "C1",
        "O2": "C9",
        "O3": "C6",
        "O4": "C6",
        "O6": "C10",
        "O7": "C4",
        "O8": "C5",
        "O9": "C11",
    },
    logprobs=True,
    max_tokens=512,
)
