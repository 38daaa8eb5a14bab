"""Grading an image by three signals: the text in it, an NSFW score, and objects in sight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from vlsu.models.baseline.grade import Grade, worse
from vlsu.models.baseline.nsfw import NsfwScorer
from vlsu.models.baseline.ocr import TextReader
from vlsu.models.baseline.pixels import decode
from vlsu.models.baseline.tags import Tag, Tagger
from vlsu.models.baseline.text import TextGrader
from vlsu.policy import Severity

__all__ = ["ImageGrader", "grade_nsfw", "grade_tag"]

#: open_nsfw's authors call scores above 0.8 very likely pornographic and leave the middle to the
#: user; the middle is taken for racy from 0.5 on.
NSFW_UNSAFE = 0.8
NSFW_BORDERLINE = 0.5
#: Weapons in the test drawings score 0.37 and more, harmless pictures at most 0.10.
TAG_BORDERLINE = 0.3
TAG_MENTIONED = 0.05  # the evidence names no object below this
#: Fewer letters are more often a misread texture than a message.
MIN_LETTERS = 4


class ImageGrader:
    """Grades images: the worst of what the text, the score and the objects say.

    Args:
        texts: The grader for text found in images.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self, texts: TextGrader) -> None:
        self._texts = texts
        self._reader = TextReader()
        self._nsfw = NsfwScorer()
        self._tagger = Tagger()

    def grade(self, images: Sequence[bytes]) -> list[Grade]:
        """Grade each image file by itself, in order; of an animation, the first frame.

        Raises:
            ValueError: An image cannot be decoded.
        """
        return [self._grade(image) for image in images]

    def _grade(self, data: bytes) -> Grade:
        image = decode(data)
        return reduce(
            worse,
            [
                self._grade_writing(self._reader.read(image)),
                grade_nsfw(self._nsfw.score(image)),
                grade_tag(self._tagger.tag(image)),
            ],
        )

    def _grade_writing(self, text: str) -> Grade:
        letters = sum(char.isalpha() for char in text)
        if letters < MIN_LETTERS:
            return Grade(Severity.SAFE, None, 0.0, "no ocr text")
        (grade,) = self._texts.grade([text])
        evidence = f"ocr {letters} letters, {grade.evidence}"
        return Grade(grade.severity, grade.category, grade.p_unsafe, evidence)


def grade_nsfw(score: float) -> Grade:
    """Explicit (C6) from `NSFW_UNSAFE`, racy (C7) from `NSFW_BORDERLINE`."""
    evidence = f"nsfw {score:.2f}"
    if score >= NSFW_UNSAFE:
        return Grade(Severity.UNSAFE, "C6", score, evidence)
    if score >= NSFW_BORDERLINE:
        return Grade(Severity.BORDERLINE, "C7", score, evidence)
    return Grade(Severity.SAFE, None, score, evidence)


def grade_tag(tag: Tag) -> Grade:
    """Borderline from `TAG_BORDERLINE`; never unsafe by itself, so that its score counts half."""
    evidence = f"tag {tag.name} {tag.score:.2f}" if tag.score >= TAG_MENTIONED else "no tag"
    if tag.score >= TAG_BORDERLINE:
        return Grade(Severity.BORDERLINE, tag.category, tag.score / 2, f"{evidence} {tag.category}")
    return Grade(Severity.SAFE, None, tag.score / 2, evidence)
