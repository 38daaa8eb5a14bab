"""Rules of thumb for tokens that are not known before something is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlsu.models.base import Model
    from vlsu.tasks import Understanding

__all__ = [
    "ANSWER_TOKENS",
    "BYTES_PER_TOKEN",
    "REPLY_TOKENS",
    "TOKENS_PER_IMAGE",
    "VERDICT_TOKENS",
    "answer_tokens",
]

#: Four bytes of UTF-8 to a token holds for English; an image of about a megapixel costs some 800 to
#: 1,400 tokens with most providers.
BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1000
#: An answer is one short JSON object, with reasons before it or without.
ANSWER_TOKENS, REASONED_ANSWER_TOKENS = 25, 200
#: Of an answer that is one word.
WORD_TOKENS = 2
#: Of a chat model's reply, and of a judge's verdict.
REPLY_TOKENS, VERDICT_TOKENS = 300, 25


def answer_tokens(task: Understanding, model: Model | None = None) -> int:
    """Tokens of one answer to a task's prompt, by a model that may give reasons of its own."""
    if task.one_word:
        return WORD_TOKENS
    reasons = task.reasons or bool(getattr(model, "reasons", False))
    return REASONED_ANSWER_TOKENS if reasons else ANSWER_TOKENS
