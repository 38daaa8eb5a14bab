"""`baseline/late-fusion`: each modality graded apart, the worse of the two for the pair."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import vlsu.data.images
from vlsu.errors import MissingExtraError
from vlsu.models.baseline.assets import (
    EXTRA,
    FEATURE,
    MODEL_FILES,
    own_weights,
    package_file,
)
from vlsu.models.baseline.embedding import VOCABULARY
from vlsu.models.baseline.grade import Grade, without_borderline, worse
from vlsu.models.baseline.head import HEAD_WEIGHTS
from vlsu.models.baseline.image import ImageGrader
from vlsu.models.baseline.text import TextGrader
from vlsu.models.packaged import file_sha256

__all__ = ["LateFusion", "late_fusion_fingerprint"]

#: Packages whose version may move the last digits of a score: inference, arithmetic, scaling.
_NUMERIC_PACKAGES = ("numpy", "onnxruntime", "pillow")
#: What makes pixels of an image file.
_DECODER = ("cleaning.py", "pixels.py", "probe.py")
_IMAGES = Path(vlsu.data.images.__file__).parent
_REMEMBERED = 4096  # grades kept; an image is usually asked about alone and in a pair


class LateFusion:
    """Grades images, texts and pairs on the CPU, with no network. Not thread-safe.

    By construction it cannot see harm that only the pair makes, nor harm that one part takes back:
    it is the floor that a model with joint understanding has to beat.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self) -> None:
        self._texts = TextGrader()
        self._images = ImageGrader(self._texts)
        self._known: dict[str, Grade] = {}

    def grade(self, image: bytes | None, text: str | None) -> Grade:
        """Grade whichever of the two is given, or the pair.

        Raises:
            ValueError: Neither is given, or the image cannot be decoded.
        """
        if image is not None and text is not None:
            return self.grade_pair(image, text)
        if image is not None:
            return self.grade_image(image)
        if text is not None:
            return self.grade_text(text)
        raise ValueError("neither an image nor a text to grade")

    def grade_text(self, text: str) -> Grade:
        """Grade a text alone."""
        return self._remember("text", text.encode(), lambda: self._texts.grade([text]))

    def grade_image(self, image: bytes) -> Grade:
        """Grade an image file alone.

        Raises:
            ValueError: The image cannot be decoded.
        """
        return self._remember("image", image, lambda: self._images.grade([image]))

    def grade_pair(self, image: bytes, text: str) -> Grade:
        """The worse of the image's grade and the text's, with its category.

        Raises:
            ValueError: The image cannot be decoded.
        """
        return worse(self.grade_image(image), self.grade_text(text))

    def of_two(self, grade: Grade) -> Grade:
        """The grade under a policy of safe and unsafe."""
        return without_borderline(grade)

    def fingerprint(self) -> str:
        """`late_fusion_fingerprint`."""
        return late_fusion_fingerprint()

    def _remember(self, kind: str, content: bytes, grade: Callable[[], list[Grade]]) -> Grade:
        key = f"{kind} {hashlib.sha256(content).hexdigest()}"
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            (self._known[key],) = grade()
        return self._known[key]


@functools.cache
def late_fusion_fingerprint() -> str:
    """A hash of all that decides a grade: weights, code with its thresholds, versions, processor.

    Needs no model to be loaded, so that a run can tell what it has already asked.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """
    try:
        versions = {name: version(name) for name in _NUMERIC_PACKAGES}
    except PackageNotFoundError:
        raise MissingExtraError(FEATURE, EXTRA) from None
    parts = {
        "weights": {name: file_sha256(package_file(name)) for name in MODEL_FILES},
        "own": {name: file_sha256(own_weights(name)) for name in (HEAD_WEIGHTS, VOCABULARY)},
        "code": {
            path.name: file_sha256(path) for path in sorted(Path(__file__).parent.glob("*.py"))
        },
        "decoder": {name: file_sha256(_IMAGES / name) for name in _DECODER},
        "versions": versions,
        "machine": platform.machine(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
