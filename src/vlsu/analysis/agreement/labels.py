"""Labels of one's own that are one, however each grader's program wrote them."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.data.tables import plain_number, plain_word
from vlsu.data.tables.labels import label_key

__all__ = ["merge_labels"]

#: Words for yes and for no, as programs and people write them; spreadsheets, in their language.
_TRUTH: Mapping[str, str] = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "wahr", "vrai", "verdadero"), "true"),
    **dict.fromkeys(("verdadeiro", "vero", "waar", "sant", "sand", "prawda"), "true"),
    **dict.fromkeys(("false", "f", "no", "n", "0", "falsch", "faux", "falso"), "false"),
    **dict.fromkeys(("onwaar", "falskt", "falsk", "fa\u0142sz"), "false"),
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
        whole = {answer: _shown(answer, several=len(group) > 1) for answer in group}
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


def _shown(answer: str, *, several: bool) -> str:
    """A label as it is shown: a whole number without the decimals that a program added."""
    word = plain_word(answer) if several else answer
    if plain_number(word) is None:
        return word
    return word.lower().partition("e")[0].partition(".")[0]
