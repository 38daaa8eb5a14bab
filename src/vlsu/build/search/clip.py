"""Images and sentences in the space of a CLIP or SigLIP model, by transformers.

CLIP: Radford et al. 2021; SigLIP: Zhai et al. 2023. The model comes from the hub or a folder; it is
loaded when the index is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlsu.build.search.embedders import Vector
from vlsu.errors import ModelError
from vlsu.models.base import Settings
from vlsu.models.baseline.pixels import decode
from vlsu.models.hf.checkpoint import Checkpoint, find_files, reason
from vlsu.models.hf.libraries import library, quiet, require_extra
from vlsu.models.hf.weights import load_weights, weights_identity

__all__ = ["Clip"]

_FEATURES = ("get_image_features", "get_text_features")


class Clip:
    """A dual encoder. The image alone stands for itself: captions are ranked by BM25.

    Args:
        spec: As the user wrote it, for messages.
        name: A folder, or a name on the hub, which may end in ``@REVISION``.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: It cannot be found or loaded, or is a model of another kind.
        MachineError: There is no memory for its weights.
    """

    image_share = 1.0
    hybrid_share = 0.5
    batch = 32
    language: str | None = None

    def __init__(self, spec: str, name: str) -> None:
        require_extra(spec)
        self.spec = spec
        # One precision everywhere: vectors made on a GPU are searched from a CPU.
        settings = Settings(dtype="float32")
        self._checkpoint = _read(spec, name)
        self._model = load_weights(self._checkpoint, settings)
        self._identity = weights_identity(self._checkpoint, settings)
        self._text_options = _text_options(self._checkpoint.config)
        self.dimensions = len(self._vectors(self._text_inputs(["a"]), "get_text_features")[0])

    def identity(self) -> Mapping[str, object]:
        """Weights, precision and the library's version."""
        return self._identity

    def images(self, images: Sequence[bytes]) -> list[Vector | None]:
        """One batch; `None` of what cannot be decoded."""
        found: list[Vector | None] = [None] * len(images)
        pictures = {}
        for index, data in enumerate(images):
            try:
                pictures[index] = decode(data)
            except ValueError:
                continue
        if pictures:
            inputs = self._checkpoint.processor(images=list(pictures.values()), return_tensors="pt")
            made = self._vectors(inputs, "get_image_features")
            for index, vector in zip(pictures, made, strict=True):
                found[index] = vector
        return found

    def texts(self, texts: Sequence[str]) -> list[Vector | None]:
        """One batch; texts beyond the model's length are cut."""
        found: list[Vector | None] = [None] * len(texts)
        given = {index: text for index, text in enumerate(texts) if text.strip()}
        if given:
            made = self._vectors(self._text_inputs(list(given.values())), "get_text_features")
            for index, vector in zip(given, made, strict=True):
                found[index] = vector
        return found

    def _text_inputs(self, texts: list[str]) -> Any:
        return self._checkpoint.tokenizer(
            texts, truncation=True, return_tensors="pt", **self._text_options
        )

    def _vectors(self, inputs: Any, method: str) -> NDArray[np.float32]:
        torch = library("torch")
        with torch.inference_mode():
            found = getattr(self._model, method)(**inputs.to(self._model.device))
        # transformers 5 gives the whole output of the tower, earlier ones its pooled vector
        pooled = getattr(found, "pooler_output", found)
        rows: NDArray[np.float32] = pooled.float().cpu().numpy()
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def _read(spec: str, name: str) -> Checkpoint:
    transformers = library("transformers")
    where, source, weights = find_files(spec, name)
    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(where, **source)
        except Exception as error:
            raise ModelError(f"{spec}: {reason(error)}") from None
        _require_dual_encoder(spec, config)
        try:
            processor = transformers.AutoProcessor.from_pretrained(where, **source)
        except Exception as error:
            raise ModelError(f"{spec}: its processor cannot be loaded: {reason(error)}") from None
    if getattr(processor, "image_processor", None) is None or not hasattr(processor, "tokenizer"):
        raise ModelError(f"{spec}: has no processor of images and texts; its files are missing")
    return Checkpoint(
        spec,
        where,
        source["revision"],
        config,
        processor,
        "AutoModel",
        weights,
        source["local_files_only"],
    )


def _require_dual_encoder(spec: str, config: Any) -> None:
    mapping = library("transformers.models.auto.modeling_auto").MODEL_MAPPING
    kind = mapping.get(type(config), None)
    if kind is None or not all(hasattr(kind, each) for each in _FEATURES):
        raise ModelError(
            f"{spec}: a {config.model_type} model does not embed images and texts in one space; "
            "give a CLIP or SigLIP model"
        )


def _text_options(config: Any) -> dict[str, Any]:
    """SigLIP was trained on texts padded to one length, and its pooled token is the last."""
    length = getattr(config.text_config, "max_position_embeddings", None)
    padding = "max_length" if "siglip" in config.model_type else True
    return {"padding": padding, **({} if length is None else {"max_length": length})}
