"""Images and sentences in the space of MiniLM, offline: captions, and what is seen by ConSE.

ConSE (Norouzi et al. 2014, "Zero-shot learning by convex combination of semantic embeddings"): an
image is the mean of the embeddings of the classes a classifier finds likeliest, weighted by their
probabilities. The classes are the 1000 of ImageNet: what is none of them is not seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlsu.build.search.embedders import Vector
from vlsu.errors import BuildError
from vlsu.models.baseline.assets import package_file
from vlsu.models.baseline.embedding import DIMENSIONS, SentenceEncoder
from vlsu.models.baseline.pixels import decode
from vlsu.models.baseline.tags import Tagger
from vlsu.models.packaged import file_sha256

__all__ = ["LIKELIEST", "Baseline", "class_names", "combined"]

#: Classes that stand for an image: of 1, 3, 10, 30 and all of them, none found clearly more here.
LIKELIEST = 10
#: Spec -> share of the image in its vector, and of the vector's ranking beside BM25's: what found
#: most in benchmarks/build_retrieval.py.
_SHARES = {
    "baseline": (0.35, 0.8),
    "baseline/captions": (0.0, 0.8),
    "baseline/conse": (1.0, 0.2),
}
_CLASSES = "imagenet-classes.txt"


class Baseline:
    """The embedded baseline's tags and sentence embeddings; English only.

    Args:
        spec: ``baseline``, ``baseline/captions`` or ``baseline/conse``.
        folder: Where the embeddings of the class names are kept; they take some seconds.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    dimensions = DIMENSIONS
    batch = 32
    language: str | None = "en"

    def __init__(self, spec: str, folder: Path) -> None:
        self.spec = spec
        self.image_share, self.hybrid_share = _SHARES[spec]
        self._folder = folder
        self._sentences = SentenceEncoder()
        self._tagger: Tagger | None = None
        self._classes: NDArray[np.float32] | None = None

    def identity(self) -> Mapping[str, object]:
        """The weights, the class names, and how many of them stand for an image."""
        names = hashlib.sha256("\n".join(class_names()).encode()).hexdigest()
        return {
            "text": file_sha256(package_file("text-embedding")),
            "image": file_sha256(package_file("image-tags")),
            "classes": names,
            "likeliest": LIKELIEST,
        }

    def images(self, images: Sequence[bytes]) -> list[Vector | None]:
        """The likeliest classes' embeddings, combined; `None` of what cannot be decoded."""
        if self._tagger is None:
            self._tagger = Tagger()
            self._classes = self._class_vectors()
        return [self._image(data) for data in images]

    def texts(self, texts: Sequence[str]) -> list[Vector | None]:
        """The mean of a text's windows; `None` of a text without any token."""
        return [_mean(self._sentences.encode(text)) for text in texts]

    def _image(self, data: bytes) -> Vector | None:
        try:
            picture = decode(data)
        except ValueError:
            return None
        assert self._tagger is not None
        assert self._classes is not None
        return combined(self._tagger.probabilities(picture), self._classes)

    def _class_vectors(self) -> NDArray[np.float32]:
        said = repr(sorted(self.identity().items()))
        path = self._folder / f"classes-{hashlib.sha256(said.encode()).hexdigest()[:16]}.npy"
        try:
            kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
            if kept.shape == (len(class_names()), DIMENSIONS):
                return kept
        except (OSError, ValueError, EOFError):
            pass  # not there yet, or cut short
        made = np.stack([v for v in self.texts(class_names()) if v is not None])
        part = path.with_suffix(".part.npy")
        stream = BytesIO()  # np.save itself does not say why a file cannot be written
        np.save(stream, made, allow_pickle=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(stream.getvalue())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise BuildError(f"{path}: cannot be written ({error.strerror})") from None
        return made


def class_names() -> list[str]:
    """Names of the ImageNet classes in the order of the classifier, synonyms by commas."""
    text = (Path(__file__).parent / _CLASSES).read_text(encoding="utf-8")
    return text.splitlines()


def combined(
    probabilities: NDArray[np.float32], classes: NDArray[np.float32], likeliest: int = LIKELIEST
) -> Vector:
    """The convex combination of the likeliest classes' vectors, at length 1.

    Args:
        probabilities: Of each class, shape (classes,).
        classes: Vectors of length 1, shape (classes, dimensions).
        likeliest: How many classes are combined.
    """
    best = np.argsort(-probabilities, kind="stable")[:likeliest]
    mean: NDArray[np.float32] = probabilities[best] @ classes[best]
    return mean / np.float32(np.linalg.norm(mean))


def _mean(windows: NDArray[np.float32]) -> Vector | None:
    if not len(windows):
        return None
    mean: NDArray[np.float32] = windows.mean(axis=0)
    return mean / np.float32(np.linalg.norm(mean))
