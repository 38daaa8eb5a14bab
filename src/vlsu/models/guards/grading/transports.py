"""How a guard's questions are sent: over HTTP in one of three formats, or to a model in process.

A transport is a `Model` that answers one question. What it returns is read twice: by the model
itself for text, outcome and faults, and here for token probabilities and scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from vlsu.errors import ModelError, UsageError
from vlsu.models.base import ImageLimits, Model, Raw, Response, Settings
from vlsu.models.formats.completion_answers import token_alternatives
from vlsu.models.formats.openai import ChatCompletions, Completions, key_of_server, sampling
from vlsu.models.formats.wire import as_object, parse_object
from vlsu.models.guards.grading.asking import question_params
from vlsu.models.guards.grading.base import Answer, ContentFamily, TokenSteps, Wire
from vlsu.models.http.address import address_hint
from vlsu.models.http.model import HttpModel, WireFormat

__all__ = [
    "answer_of",
    "asked_settings",
    "image_limits_of",
    "is_remote",
    "open_transport",
    "require_openable",
    "sampling_of",
]

#: Settings of a model in this process.
_LOCAL = ("device", "dtype", "max_batch", "quantize", "adapter")
#: Module of the moderations wire: a class ``Moderations`` (a `WireFormat`).
_MODERATIONS = "vlsu.models.formats.moderations"
#: Module of the in-process wire: a function ``shieldgemma_model`` of SPEC, name and settings.
_CLASSIFIERS = "vlsu.models.guards.shieldgemma2"


def asked_settings(family: ContentFamily, settings: Settings) -> Settings:
    """The settings with which a family's questions are sent.

    Token probabilities are asked for where the family has a use for them and the user does not
    decline; the output is bounded by the family, unless the user sets another bound.
    """
    logprobs = family.logprobs if settings.logprobs is None else settings.logprobs
    default = settings.max_tokens == Settings().max_tokens
    return replace(
        settings,
        logprobs=logprobs and family.wire != "moderations",
        max_tokens=family.max_tokens if default else settings.max_tokens,
        structured="off",
    )


def sampling_of(family: ContentFamily, name: str, settings: Settings) -> Mapping[str, object]:
    """The decoding parameters that are sent, as part of the identity."""
    return {} if family.wire == "moderations" else sampling(name, settings)


def is_remote(family: ContentFamily, settings: Settings) -> bool:
    """Whether a family's questions leave this process."""
    return family.wire == "moderations" or settings.base_url is not None


def open_transport(spec: str, name: str, family: ContentFamily, settings: Settings) -> Model:
    """The model that answers a family's questions one by one.

    Args:
        spec: The guard's SPEC, for messages.
        name: Its name on the server, or on the hub, or a folder.
        family: Says which format its questions are sent in.
        settings: Those of `asked_settings`.

    Raises:
        ModelError: It needs a server and has none, or cannot run in this process.
        UsageError: A setting is of models in this process, and it is not one.
    """
    require_openable(spec, family, settings)
    if family.wire == "in-process":
        return _classifier(spec, name, settings)
    if not is_remote(family, settings):
        return _in_process(spec, name, family, settings)
    wire = _wire(spec, family.wire)
    key = key_of_server(spec, settings.base_url)
    hint = address_hint(settings.base_url) if settings.base_url else ""
    return HttpModel(spec, name, wire, settings, key, {}, not_found_hint=hint)


def require_openable(spec: str, family: ContentFamily, settings: Settings) -> None:
    """See that a family can be asked where the settings say, without opening anything.

    Raises:
        ModelError: It needs a server and has none, or cannot run on one.
        UsageError: A setting is of models in this process, and it is not one.
    """
    if family.wire == "in-process":
        if settings.base_url is not None:
            raise ModelError(f"{spec}: runs in this process alone; leave --base-url out")
    elif is_remote(family, settings):
        _refuse_local(spec, settings)
    elif family.wire == "completions":
        raise ModelError(
            f"{spec}: takes a finished prompt, which needs a server with /completions, such as "
            "vLLM; name it with --base-url"
        )
    elif len(question_params(family)) > 1:
        raise ModelError(
            f"{spec}: its questions differ in the settings of its chat template, which needs a "
            "server; name it with --base-url"
        )


def _refuse_local(spec: str, settings: Settings) -> None:
    """Refuse settings of weights that are loaded elsewhere."""
    for name in _LOCAL:
        if getattr(settings, name) is not None:
            raise UsageError(
                f"{spec}: --{name.replace('_', '-')} is for a guard in this process; leave it out, "
                "or --base-url"
            )


def image_limits_of(family: ContentFamily, model: Model) -> ImageLimits | None:
    """The images that a transport accepts; `None` where the family is shown none."""
    return model.image_limits if family.modalities & {"image", "joint"} else None


def _wire(spec: str, wire: Wire) -> WireFormat:
    if wire == "chat":
        return ChatCompletions()
    if wire == "completions":
        return Completions()
    try:
        made: WireFormat = _attribute(_MODERATIONS, "Moderations")()
    except ImportError:
        raise ModelError(f"{spec}: this version has no format for /moderations") from None
    return made


def _in_process(spec: str, name: str, family: ContentFamily, settings: Settings) -> Model:
    """A model of this process: what its questions add goes to its template, once for all."""
    (added,) = question_params(family)
    settings = replace(settings, params={**added, **settings.params})
    try:
        make = _attribute("vlsu.models.hf", "hf_model")
    except ImportError:
        raise ModelError(
            f"{spec}: runs on a server here; name it with --base-url (or install vlsu[hf])"
        ) from None
    model: Model = make(name, settings)
    return model


def _classifier(spec: str, name: str, settings: Settings) -> Model:
    """The one classifier that has a class of its own in transformers."""
    model: Model = _attribute(_CLASSIFIERS, "shieldgemma_model")(spec, name, settings)
    return model


def _attribute(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def answer_of(model: Model, raw: Raw) -> tuple[Response, Answer]:
    """One stored answer, read: what became of the question, and what the guard printed."""
    response = model.read(raw)
    tree = parse_object(raw.body) or {}
    if "choices" not in tree:  # of a model in this process
        scores = {
            name: float(value)
            for name, value in as_object(tree.get("scores")).items()
            if isinstance(value, float | int) and not isinstance(value, bool)
        }
        tree = {"choices": [{"logprobs": tree.get("logprobs")}]}
    else:
        scores = {}
    return response, Answer(response.text, TokenSteps(*token_alternatives(tree)), scores)
