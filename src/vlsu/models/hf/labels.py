"""The tokens with which a tokenizer begins each severity's label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["LabelTokens", "label_tokens"]


class LabelTokens(NamedTuple):
    """How the probabilities of labels are read from a model's next-token probabilities.

    Attributes:
        first: Of each label, the tokens that begin it and no other label.
        whole: Of each label, all of its tokens, if the first do not tell the labels apart; else
            `None`.
    """

    first: tuple[tuple[int, ...], ...]
    whole: tuple[tuple[int, ...], ...] | None


def label_tokens(tokenizer: Any, labels: Sequence[str]) -> LabelTokens:
    """The tokens of labels in the forms that models write: bare, capitalised, after a space.

    A token that begins the forms of two labels, or is a mere space, tells nothing and is left out.
    If that leaves a label without the token that begins its bare form, the probability of every
    token of the bare form is needed.
    """
    bare = [_encode(tokenizer, label) for label in labels]
    forms = [
        {
            _encode(tokenizer, form)[0]
            for word in (label, label.capitalize(), label.upper())
            for form in (word, f" {word}")
        }
        for label in labels
    ]
    uses = Counter(token for tokens in forms for token in tokens)
    telling = {token for token, n in uses.items() if n == 1 and tokenizer.decode([token]).strip()}
    first = tuple(tuple(sorted(tokens & telling)) for tokens in forms)
    told_apart = all(
        tokens[0] in own and tokens[0] != tokenizer.unk_token_id
        for tokens, own in zip(bare, first, strict=True)
    )
    return LabelTokens(first, None if told_apart else tuple(map(tuple, bare)))


def _encode(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids
