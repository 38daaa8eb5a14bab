"""Wire formats, in-process models, guards, baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import orjson

from vlsu._arguments import require_kind
from vlsu._text import collapsed_line
from vlsu.errors import ModelError, UsageError, VlsuError
from vlsu.models.base import (
    Fault,
    ImageFile,
    ImagePart,
    ImageSource,
    Message,
    Model,
    Outcome,
    Raw,
    Request,
    Response,
    Settings,
)
from vlsu.policy import Policy
from vlsu.registry import Registry

__all__ = [
    "Fault",
    "ImageFile",
    "ImagePart",
    "ImageSource",
    "Message",
    "Model",
    "Outcome",
    "Raw",
    "Request",
    "Response",
    "Settings",
    "as_grader",
    "as_model",
    "models",
    "open_model",
    "provider_descriptions",
]

#: Provider -> function of a model's name and settings.
models: Registry[Callable[[str, Settings], Model]] = Registry(
    "model",
    {
        "openai": "vlsu.models.formats.openai:openai_model",
        "anthropic": "vlsu.models.formats.anthropic:anthropic_model",
        "systemone": "vlsu.models.formats.systemone:systemone_model",
        "google": "vlsu.models.formats.google:google_model",
        "guard": "vlsu.models.guards:guard_model",
        "baseline": "vlsu.models.baseline:baseline_model",
        "local": "vlsu.models.local:local_model",
        "hf": "vlsu.models.hf:hf_model",
        "ensemble": "vlsu.models.ensemble:ensemble_model",
        "vllm": "vlsu.models.vllm:vllm_model",
        "judge": "vlsu.models.judging.provider:judge_model",
    },
)

_IN_PROCESS = ("hf", "vllm", "guard")
#: Settings that only some providers of this package know -> those.
_APPLICABLE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("device", "dtype", "max_batch", "quantize", "adapter"), _IN_PROCESS),
    "score": ("openai", "hf", "vllm", "systemone"),
    "guard_policy": ("guard",),
}


def provider_descriptions() -> dict[str, str]:
    """Provider -> the first line of its factory's docstring, or why it cannot be loaded."""
    about = {}
    for name in models.names():
        try:
            first = (models.get(name).__doc__ or "").strip().partition("\n")[0]
            about[name] = first.replace("`", "")  # a docstring's markup is not for a terminal
        except UsageError as error:  # a plug-in that cannot be loaded must not hide the others
            about[name] = str(error)
    return about


def open_model(spec: str, settings: Settings | None = None) -> Model:
    """The model a SPEC such as ``openai/gpt-4o``, or the file of a guard of one's own, names.

    Raises:
        UsageError: The SPEC is not ``provider/name``, the provider is unknown, or its factory does
            not return a model.
        ModelError: The model cannot be set up, for example because no key is set.
    """
    require_kind("model", spec, str)
    if settings is not None:
        require_kind("settings", settings, Settings)
    provider, _, name = spec.partition("/")
    if spec.endswith((".yaml", ".yml")):  # a file that describes a guard
        provider, name = "guard", spec.removeprefix("guard/")
    if not name:
        raise UsageError(f"{spec!r} is not a model; write provider/name such as openai/gpt-4o")
    factory = models.get(provider)
    _require_applicable(spec, provider, settings or Settings())
    try:
        model = factory(name, settings or Settings())
    except VlsuError:
        raise
    except Exception as error:
        if models.is_builtin(provider):
            raise
        why = collapsed_line(f"{type(error).__name__}: {error}", 300)
        raise ModelError(f"{spec}: cannot be set up ({why})") from error
    return _require_model(model, spec)


def as_model(model: Model | str, settings: Settings | None = None) -> Model:
    """A model as it is, or the one a SPEC names.

    Raises:
        UsageError: It is neither; the message says what a model needs.
        ModelError: See `open_model`.
    """
    return open_model(model, settings) if isinstance(model, str) else _require_model(model, "model")


def as_grader(model: Model, policy: Policy) -> Model:
    """A model in the role of a grader of images, texts and pairs: of a guard, what grades content.

    Args:
        model: Any model; most have one role.
        policy: The run's policy.

    Raises:
        UsageError: It is a guard that grades no content, or not by that policy.
        ModelError: It is a guard that needs a server and has none.
    """
    grading: Callable[[Policy], Model] | None = getattr(model, "grading", None)
    return model if grading is None else grading(policy)


def _require_applicable(spec: str, provider: str, settings: Settings) -> None:
    """Refuse settings that mean nothing to a provider of this package.

    Raises:
        UsageError: One of them was given.
    """
    if not models.is_builtin(provider):
        return
    given = [name for name, those in _APPLICABLE.items() if provider not in those]
    default = Settings()
    for name in given:
        if getattr(settings, name) != getattr(default, name):
            option, where = (
                name.replace("_", "-"),
                ", ".join(f"{each}/..." for each in _APPLICABLE[name]),
            )
            raise UsageError(f"{spec}: --{option} is for {where}; leave it out")


def _require_model(model: object, name: str) -> Model:
    if isinstance(model, type):
        raise UsageError(f"{name}: {model.__name__} is a class; make one: {model.__name__}(...)")
    missing = [each for each in _REQUIRED if not hasattr(model, each)]
    if not missing:
        checked = cast("Model", model)
        try:
            orjson.dumps(dict(checked.identity()))
        except (TypeError, ValueError) as error:
            prefix = f"{name}: identity() of {type(model).__name__}: expected names and JSON values"
            raise UsageError(f"{prefix} ({error})") from None
        return checked
    if len(missing) < len(_REQUIRED):
        raise UsageError(
            f"{name}: {type(model).__name__} lacks {', '.join(missing)}; see vlsu.models.Model"
        )
    what = "a function" if callable(model) else repr(model)[:40]
    raise UsageError(
        f"{name}: {what} is no model; give a SPEC such as 'openai/gpt-4o', or for your own code "
        "vlsu.models.inprocess.InProcessModel('NAME', answerer): its identity() tells its answers "
        "from those of another"
    )


_REQUIRED = (
    *("spec", "takes_instructions", "modalities", "image_limits"),
    *("identity", "send", "read", "close"),
)
