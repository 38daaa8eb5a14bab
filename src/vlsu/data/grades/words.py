"""Answers as labels: what stands for none, and what the user says they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from vlsu.data.grades.answers import plain_answer
from vlsu.data.tables import MissingWords, listing, normalise
from vlsu.errors import UsageError
from vlsu.policy import NOT_SURE, Severity

__all__ = ["AnswerWords"]

_SEVERITIES = frozenset(
    {*(s.label for s in Severity), *(s.letter.lower() for s in Severity), NOT_SURE}
)
#: May be a label of one's own ("none, mild, grave") as well as a missing value.
_NONE = "none"


class AnswerWords:
    """Reads answers.

    Args:
        missing: What stands for no answer.
        relabel: ``"GLOB=LABEL"``: answers that match are read as this label.
        labels: The labels, where the user says which they are; none of them is a missing value.

    Raises:
        UsageError: A rule of `relabel` cannot be read.
    """

    def __init__(
        self, missing: MissingWords, relabel: Sequence[str], labels: Sequence[str]
    ) -> None:
        self._missing = missing
        self._declared = frozenset(label.strip().lower() for label in labels)
        self._rules: list[tuple[str, str]] = []
        for rule in relabel:
            pattern, equals, label = rule.rpartition("=")
            if not equals or not pattern.strip() or not label.strip():
                raise UsageError(f"--map {rule!r}: give ANSWER=LABEL, * for any letters: '1*=safe'")
            self._rules.append((pattern.strip().lower(), label.strip()))
        self._left_out: Counter[str] = Counter()
        self._none_is_label = False

    def read(self, cells: Sequence[str]) -> list[str | None]:
        """The labels in cells, `None` for no answer."""
        answers = [plain_answer(cell) for cell in cells]
        declared = self._declared
        if _NONE not in declared and self._is_label(answers):
            self._none_is_label = True
            declared |= {_NONE}
        return [self._label(answer, declared) for answer in answers]

    def notes(self) -> Iterator[str]:
        """Sentences on what was taken for no answer."""
        if self._left_out:
            words = listing([repr(word) for word, _ in self._left_out.most_common()])
            count = self._left_out.total()
            yield (
                f"{count} {'answer is' if count == 1 else 'answers are'} a word for a missing value"
                f" ({words}) and count as none; --missing '' takes such words for labels."
            )
        if self._none_is_label:
            yield (
                "'none' is taken for a label; if it stands for a missing value, say so with "
                "--missing none."
            )

    def _label(self, answer: str, declared: frozenset[str]) -> str | None:
        if not answer:
            return None
        folded = answer.lower()
        for pattern, label in self._rules:
            if fnmatchcase(folded, pattern):
                return label
        if self._missing(answer, declared):
            self._left_out[answer] += 1
            return None
        return answer

    def _is_label(self, answers: Sequence[str]) -> bool:
        """Whether ``none`` is a label among labels of one's own, and not a missing value.

        So it is beside other words, written as they are: among numbers, grades of severity, or
        beside lower-case words as Python's ``None``, it stands for a missing value.
        """
        given = set(answers)
        spelt = {answer for answer in given if answer.lower() == _NONE}
        others = {a for a in given - spelt if not self._missing(a, self._declared)}
        if self._missing.words is not None or not spelt or not others:
            return False
        if not all(any(map(str.isalpha, other)) for other in others):
            return False
        if all(normalise(other) in _SEVERITIES for other in others):
            return False
        as_python = spelt == {"None"} and not any(other[:1].isupper() for other in others)
        return not as_python
