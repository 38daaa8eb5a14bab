"""Wire formats, in-process models, guards, baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import orjson

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
    "about_providers",
    "as_model",
    "models",
    "open_model",
]

#: Provider -> function of a model's name and settings.
models: Registry[Callable[[str, Settings], Model]] = Registry(
    "model",
    {
        "openai": "vlsu.models.formats.openai:openai_model",
        "anthropic": "vlsu.models.formats.anthropic:anthropic_model",
        "google": "vlsu.models.formats.google:google_model",
        "guard": "vlsu.models.guards:guard_model",
        "baseline": "vlsu.models.baseline:baseline_model",
        "local": "vlsu.models.local:local_model",
        "judge": "vlsu.models.judging.provider:judge_model",
    },
)


def about_providers() -> dict[str, str]:
    """Provider -> the first line of what its factory says of itself, or why it has none."""
    about = {}
    for name in models.names():
        try:
            about[name] = (models.get(name).__doc__ or "").strip().partition("\n")[0]
        except UsageError as error:  # one plug-in that cannot be loaded hides no other
            about[name] = str(error)
    return about


def open_model(spec: str, settings: Settings | None = None) -> Model:
    """The model a SPEC such as ``openai/gpt-4o`` names.

    Raises:
        UsageError: The SPEC is not ``provider/name``, the provider is unknown, or what brings it
            gives no model.
        ModelError: The model cannot be set up, for want of a key for one.
    """
    provider, _, name = spec.partition("/")
    if not name:
        raise UsageError(f"{spec!r} is not a model; write provider/name such as openai/gpt-4o")
    factory = models.get(provider)
    try:
        model = factory(name, settings or Settings())
    except VlsuError:
        raise
    except Exception as error:
        if models.is_builtin(provider):
            raise
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(f"{spec}: cannot be set up ({why})") from error
    return _checked(model, spec)


def as_model(model: Model | str, settings: Settings | None = None) -> Model:
    """A model as it is, or the one a SPEC names.

    Raises:
        UsageError: It is neither; the line says what a model is.
        ModelError: See `open_model`.
    """
    return open_model(model, settings) if isinstance(model, str) else _checked(model, "model")


def _checked(model: object, name: str) -> Model:
    if isinstance(model, type):
        raise UsageError(f"{name}: {model.__name__} is a class; make one: {model.__name__}(...)")
    lacking = [each for each in _OF_A_MODEL if not hasattr(model, each)]
    if not lacking:
        own = cast("Model", model)
        try:
            orjson.dumps(dict(own.identity()))
        except (TypeError, ValueError) as error:
            said = f"{name}: identity() of {type(model).__name__}: expected names and JSON values"
            raise UsageError(f"{said} ({error})") from None
        return own
    if len(lacking) < len(_OF_A_MODEL):
        raise UsageError(
            f"{name}: {type(model).__name__} lacks {', '.join(lacking)}; see vlsu.models.Model"
        )
    what = "a function" if callable(model) else repr(model)[:40]
    raise UsageError(
        f"{name}: {what} is no model; give a SPEC such as 'openai/gpt-4o', or for code of your own "
        "vlsu.models.inprocess.InProcessModel('NAME', answerer): its identity() tells its answers "
        "from those of another"
    )


_OF_A_MODEL = (
    *("spec", "takes_instructions", "modalities", "image_limits"),
    *("identity", "send", "read", "close"),
)
