"""``vllm/NAME_OR_PATH``: the answerer of models in vLLM's offline engine, and its factory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from vlsu.errors import MissingExtraError, ModelError, UsageError
from vlsu.models.base import (
    ImagePart,
    ImageSource,
    Message,
    Model,
    Request,
    Settings,
    answerable_severities,
)
from vlsu.models.formats.logprobs import locate_severity, unsafe_probability
from vlsu.models.formats.scoring import MAX_TOKENS, most_probable
from vlsu.models.formats.wire import message_text
from vlsu.models.hf.fingerprint import folder_fingerprint
from vlsu.models.hf.images import rgb
from vlsu.models.inprocess import InProcessModel
from vlsu.models.vllm.engine import ALTERNATIVES, Engine, Output, engine_arguments

__all__ = ["EXTRA", "VllmModel", "vllm_model"]

EXTRA = "vllm"
#: Requests that are handed to the engine together; it forms its own batches of them.
GATHERED = 256
#: Parameters of sampling; the default is greedy.
SAMPLING = (
    *("temperature", "top_p", "top_k", "min_p"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty"),
)
_ENGINE, _VARIABLES = "engine", "chat_template_kwargs"
#: Fields of a configuration that only models with images have.
_VISION = re.compile(r"vision|visual|image|img")


class VllmModel:
    """A model as an `vlsu.models.inprocess.Answerer`; the engine starts at the first request.

    Args:
        name: Its folder, or its name on the hub.
        settings: How it is asked.

    Raises:
        UsageError: A parameter is not a mapping where one is needed.
        ModelError: The folder holds no model, or cannot be read.
    """

    takes_instructions = True

    def __init__(self, name: str, settings: Settings) -> None:
        self._spec = f"vllm/{name}"
        self._settings = settings
        self._own = _mapping(settings, _ENGINE)
        self._variables = dict(_mapping(settings, _VARIABLES))
        self._arguments = engine_arguments(name, settings, self._own)
        self._weights, sees = _known_of(self._spec, name)
        self.modalities = frozenset({"image", "text", "joint"} if sees else {"text"})
        self._engine: Engine | None = None

    def identity(self) -> Mapping[str, object]:
        """Weights, engine and its arguments, decoding; not the number of requests at once."""
        settings = self._settings
        arguments = {k: v for k, v in self._arguments.items() if k not in ("model", "max_num_seqs")}
        identity: dict[str, object] = {
            "weights": self._weights,
            "engine": f"vllm {_version()}",
            "arguments": arguments,
            "template_variables": self._variables,
            "images": "upright, 8-bit RGB on white",
        }
        if settings.adapter:
            identity["adapter"] = _adapter_known_by(settings.adapter)
        if settings.score:
            return identity | {"score": True, "alternatives": ALTERNATIVES}
        return identity | {"sampling": self._sampling(0), "logprobs": bool(settings.logprobs)}

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Answer requests together.

        Raises:
            DataError: An image is missing or cannot be read.
            ModelError: The engine cannot be started, has ended, or the model sees no images.
            EngineError: A request is refused.
        """
        if self._engine is None:
            self._engine = Engine(self._spec, self._arguments, self._settings.adapter)
        if not self._engine.sees and any(request.images for request in requests):
            raise ModelError(f"{self._spec} sees no images; ask for --modalities text")
        outputs = self._engine.chat(
            [self._conversation(self._engine, request, images) for request in requests],
            [self._sampling(request.draw) for request in requests],
            self._variables,
        )
        reads = self._scored if self._settings.score else self._generated
        return [reads(each, output) for each, output in zip(requests, outputs, strict=True)]

    def _conversation(
        self, engine: Engine, request: Request, images: ImageSource
    ) -> list[dict[str, object]]:
        conversation = []
        for message in request.messages:
            plain = message if message.role == "system" else _plain(engine, message)
            content: object = message_text(plain)
            if any(isinstance(part, ImagePart) for part in plain.parts):
                content = [
                    {"type": "image_pil", "image_pil": rgb(images, part.sha256)}
                    if isinstance(part, ImagePart)
                    else {"type": "text", "text": part}
                    for part in plain.parts
                ]
            conversation.append({"role": message.role, "content": content})
        return conversation

    def _sampling(self, draw: int) -> dict[str, object]:
        """The parameters of sampling; each draw of a temperature has its own seed."""
        settings = self._settings
        if settings.score:
            return {"temperature": 0, "max_tokens": MAX_TOKENS, "logprobs": ALTERNATIVES}
        given = {name: settings.params[name] for name in SAMPLING if name in settings.params}
        sampling = {"temperature": 0, "max_tokens": settings.max_tokens, **given}
        if sampling["temperature"]:
            sampling["seed"] = (settings.seed or 0) + draw
        if settings.logprobs:
            sampling["logprobs"] = ALTERNATIVES
        return sampling

    def _generated(self, request: Request, output: Output) -> Mapping[str, object]:
        place = locate_severity([token for token, _ in output.tokens], output.text)
        p_unsafe = None
        if place is not None:
            p_unsafe = unsafe_probability(output.tokens[place.token][1], place.lead)
        return {**_counts(output), "text": output.text, "p_unsafe": p_unsafe}

    def _scored(self, request: Request, output: Output) -> Mapping[str, object]:
        """The most probable severity; no text where none is among the alternatives."""
        tokens = [token for token, _ in output.tokens]
        labels = answerable_severities(request)
        found = most_probable(tokens, lambda n: output.tokens[n][1], labels, output.text)
        counts = {**_counts(output), "finish_reason": "stop"}
        if found is None:
            return {**counts, "text": "", "generated": output.text}
        label, probabilities = found
        shown = {"text": label, "p_unsafe": probabilities.get("unsafe")}
        return {**counts, **shown, "probabilities": dict(probabilities)}


def _plain(engine: Engine, message: Message) -> Message:
    parts = (part if isinstance(part, ImagePart) else engine.plain(part) for part in message.parts)
    return Message(message.role, tuple(parts))


def _counts(output: Output) -> dict[str, object]:
    return {
        "finish_reason": output.finish_reason or "stop",
        "input_tokens": output.input_tokens,
        "output_tokens": output.output_tokens,
        "cached_tokens": output.cached_tokens,
    }


def _mapping(settings: Settings, name: str) -> Mapping[str, object]:
    given = settings.params.get(name, {})
    if not isinstance(given, Mapping):
        raise UsageError(f"{name}: give a mapping, such as --param '{name}={{\"a\": 1}}'")
    return given


def _known_of(spec: str, name: str) -> tuple[str, bool]:
    """What the weights are known by, and whether the model may see images.

    Raises:
        ModelError: It is a folder without a readable configuration.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name, True
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return folder_fingerprint(folder), any(map(_VISION.search, config))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{spec}: the folder has no readable config.json ({type(error).__name__}); give the "
            "one that save_pretrained wrote"
        ) from None


def _adapter_known_by(adapter: str) -> str:
    """A hash of its folder's files, which may be trained again; a name on the hub as it is."""
    folder = Path(adapter).expanduser()
    return folder_fingerprint(folder) if folder.is_dir() else adapter


def _version() -> str:
    try:
        return version("vllm")
    except PackageNotFoundError:
        return "unknown"


def vllm_model(name: str, settings: Settings) -> Model:
    """Open models in this process, by vLLM's offline engine: many requests at once, on a GPU.

    Raises:
        MissingExtraError: vLLM is not installed.
        UsageError: A setting or parameter means nothing here.
        ModelError: The folder holds no model.
    """
    spec = f"vllm/{name}"
    known = (*SAMPLING, _ENGINE, _VARIABLES)
    if unknown := sorted(set(settings.params) - set(known)):
        raise UsageError(f"{spec} has no parameter {unknown[0]!r}; {', '.join(known)}")
    if settings.base_url is not None:
        raise UsageError(f"{spec} runs in this process; a server of vLLM is openai/... there")
    if settings.device is not None:
        raise UsageError(f"{spec}: vLLM chooses its device; set CUDA_VISIBLE_DEVICES instead")
    if settings.structured == "on":
        raise UsageError(f"{spec} enforces no schema; leave out --structured on")
    if settings.quantize not in (None, "8bit", "4bit"):
        raise UsageError(f"quantize {settings.quantize!r}: use 8bit or 4bit")
    if find_spec("vllm") is None:
        raise MissingExtraError(spec, EXTRA)
    answerer = VllmModel(name, settings)
    return InProcessModel(spec, answerer, batch_size=max(GATHERED, settings.max_batch or 0))
