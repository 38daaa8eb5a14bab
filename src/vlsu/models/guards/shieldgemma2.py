"""ShieldGemma 2 in this process: an image's probability of violating each of three policies.

`transformers`' ``ShieldGemma2ForImageClassification`` and its processor, which asks every policy of
every image: prompts and probabilities come in the order image 1 policy 1, image 1 policy 2, ...
Of the two probabilities of a prompt the first is that of *Yes*, which means a violation
(`vlsu.models.guards.grading.shieldgemma`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from vlsu.errors import ModelError
from vlsu.models.base import ImageSource, Model, Request, Settings
from vlsu.models.guards.grading.shieldgemma import POLICIES
from vlsu.models.hf.batches import Batches
from vlsu.models.hf.checkpoint import Checkpoint, read_checkpoint
from vlsu.models.hf.images import rgb
from vlsu.models.hf.libraries import library, require_extra
from vlsu.models.hf.weights import (
    check_settings,
    is_out_of_memory,
    load_weights,
    weights_identity,
)
from vlsu.models.inprocess import InProcessModel

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_BATCH", "ShieldGemma2", "shieldgemma_model"]

#: Images in a batch, at most, unless the run says otherwise; each makes three prompts.
MAX_BATCH = 4
#: Index of *Yes* among the two probabilities.
YES = 0


class ShieldGemma2:
    """A checkpoint as an `vlsu.models.inprocess.Answerer`; its weights load at the first image.

    An answer has the three probabilities as ``scores``, and the same as JSON in its text.

    Args:
        checkpoint: The model's files.
        settings: Device, type of the weights, size of batches.

    Raises:
        ModelError: The checkpoint is another model's, or lacks one of the policies or the template.
    """

    takes_instructions = False
    modalities = frozenset({"image"})

    def __init__(self, checkpoint: Checkpoint, settings: Settings) -> None:
        self._checkpoint = replace(checkpoint, auto_class="AutoModelForImageClassification")
        self._settings = settings
        self._processor = checkpoint.processor
        policies = getattr(self._processor, "policy_definitions", None)
        if policies is None or not self._processor.chat_template:
            raise ModelError(f"{checkpoint.spec}: is no ShieldGemma 2, or lacks its chat template")
        if lacking := [name for name in POLICIES if name not in policies]:
            raise ModelError(f"{checkpoint.spec}: its processor has no policy {lacking[0]!r}")
        self._policies = {name: str(policies[name]) for name in POLICIES}
        self._batches = Batches(settings.max_batch or MAX_BATCH, is_out_of_memory, _free)
        self._model: Any = None

    def identity(self) -> Mapping[str, object]:
        """Weights, policies, template; neither device nor size of batch, which change no answer."""
        prompt = (self._policies, str(self._processor.chat_template))
        return {
            **weights_identity(self._checkpoint, self._settings),
            "policies": hashlib.sha256(repr(prompt).encode()).hexdigest(),
        }

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """The probabilities of a violation, of each request's image.

        Raises:
            DataError: An image is missing or cannot be read.
            ModelError: The weights cannot be loaded.
            MachineError: There is no memory for the weights.
        """
        pictures = [rgb(images, request.images[0]) for request in requests]
        if self._model is None:
            self._model = load_weights(self._checkpoint, self._settings)
        # Every image is scaled to the same size.
        return self._batches.run(pictures, lambda _: (0,), self._batch)

    def _batch(self, pictures: list[Image.Image]) -> list[Mapping[str, object]]:
        torch = library("torch")
        inputs = self._processor(
            images=[[picture] for picture in pictures], policies=list(POLICIES), return_tensors="pt"
        ).to(self._model.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        with torch.inference_mode():
            both = self._model(**inputs, logits_to_keep=1).probabilities
        violated = both[:, YES].float().reshape(len(pictures), len(POLICIES)).tolist()
        return [_answer(dict(zip(POLICIES, row, strict=True))) for row in violated]


def _answer(scores: Mapping[str, float]) -> Mapping[str, object]:
    return {"text": orjson.dumps(scores).decode(), "scores": scores}


def _free() -> None:
    torch = library("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def shieldgemma_model(spec: str, name: str, settings: Settings) -> Model:
    """ShieldGemma 2 as a model in this process.

    Args:
        spec: As the user wrote it.
        name: A folder, or a name on the hub, which may end in ``@REVISION``.
        settings: Device, type of the weights, size of batches.

    Raises:
        MissingExtraError: The extra ``hf`` is not installed.
        ModelError: The model cannot be found, or is another one.
        UsageError: A setting is none of those known.
    """
    require_extra(spec)
    check_settings(settings)
    answerer = ShieldGemma2(read_checkpoint(spec, name), settings)
    return InProcessModel(spec, answerer, batch_size=4 * (settings.max_batch or MAX_BATCH))
