"""Labels of one's own that are one, however each grader's program wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vlsu.data.tables.labels import WHOLE_NUMBER, label_key

__all__ = ["merge_labels"]

#: Words for yes and for no, as programs and people write them.
_TRUTH: Mapping[str, str] = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), "true"),
    **dict.fromkeys(("false", "f", "no", "n", "0"), "false"),
}


def merge_labels(
    answers: Mapping[str, int],
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """The label that each answer is, and the labels that are spelt in several ways.

    Where all answers are yes or no, in more than one way of writing these, ``1`` is ``true``.

    Args:
        answers: Answer -> how often it is given.
    """
    keys = {answer: label_key(answer) for answer in answers}
    found = set(keys.values())
    # Beside any other answer, such as 2, a 1 is no truth value.
    if found <= set(_TRUTH) and len({_TRUTH[key] for key in found}) < len(found):
        keys = {answer: _TRUTH[key] for answer, key in keys.items()}
    groups: dict[str, list[str]] = {}
    for answer, key in keys.items():
        groups.setdefault(key, []).append(answer)
    of_answer: dict[str, str] = {}
    spellings: dict[str, tuple[str, ...]] = {}
    for key, group in groups.items():
        whole = {answer: _without_zeros(answer) for answer in group}
        label = min(
            whole.values(),
            key=lambda name: (len(name), -sum(answers[a] for a in group if whole[a] == name), name),
        )
        if key in ("true", "false") and len({label_key(a) for a in group}) > 1:
            label = key
        of_answer |= dict.fromkeys(group, label)
        if len(group) > 1:
            spellings[label] = tuple(sorted(group))
    return of_answer, spellings


def _without_zeros(answer: str) -> str:
    """A whole number without the decimals that a program added."""
    return re.sub(r"(?<=\d)\.0*", "", answer) if WHOLE_NUMBER.fullmatch(answer) else answer
