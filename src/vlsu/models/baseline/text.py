"""Grading a text: sentence embedding, then the trained head."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.models.baseline.assets import own_weights
from vlsu.models.baseline.embedding import SentenceEncoder
from vlsu.models.baseline.grade import Grade
from vlsu.models.baseline.head import CATEGORIES, HEAD_WEIGHTS, TextHead
from vlsu.policy import Severity

__all__ = ["TextGrader"]


class TextGrader:
    """Grades English texts. The severity is the head's most probable one.

    A text of more than 64 tokens is graded in windows, and the worst window stands for it.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self) -> None:
        self._encoder = SentenceEncoder()
        self._head = TextHead.load(own_weights(HEAD_WEIGHTS))

    def grade(self, texts: Sequence[str]) -> list[Grade]:
        """Grade each text by itself, in order. A text without words is safe."""
        return [self._grade(text) for text in texts]

    def _grade(self, text: str) -> Grade:
        vectors = self._encoder.encode(text)
        if not len(vectors):
            return Grade(Severity.SAFE, None, 0.0, "no text")
        severities = self._head.severities(vectors)
        categories = self._head.categories(vectors)
        severity, p_unsafe, window = max(
            (Severity(int(shares.argmax())), float(shares[Severity.UNSAFE]), index)
            for index, shares in enumerate(severities)
        )
        share = float(severities[window, severity])
        if severity is Severity.SAFE:
            return Grade(severity, None, p_unsafe, f"text head safe {share:.2f}")
        category = CATEGORIES[int(categories[window].argmax())]
        evidence = f"text head {severity.label} {share:.2f} {category}"
        return Grade(severity, category, p_unsafe, evidence)
