"""Wire formats, in-process models, guards, baselines."""

from __future__ import annotations

from collections.abc import Callable

from vlsu.errors import UsageError
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
    "models",
    "open_model",
]

#: Provider -> function of a model's name and settings.
models: Registry[Callable[[str, Settings], Model]] = Registry(
    "model",
    {
        "openai": "vlsu.models.openai:openai_model",
        "anthropic": "vlsu.models.anthropic:anthropic_model",
        "google": "vlsu.models.google:google_model",
        "guard": "vlsu.models.guards:guard_model",
        "baseline": "vlsu.models.baseline:baseline_model",
        "local": "vlsu.models.local:local_model",
        "judge": "vlsu.models.judging.provider:judge_model",
    },
)


def about_providers() -> dict[str, str]:
    """Provider -> the first line of what its factory says of itself."""
    return {
        name: (models.get(name).__doc__ or "").strip().partition("\n")[0] for name in models.names()
    }


def open_model(spec: str, settings: Settings | None = None) -> Model:
    """The model a SPEC such as ``openai/gpt-4o`` names.

    Raises:
        UsageError: The SPEC is not ``provider/name`` or the provider is unknown.
        ModelError: The model cannot be set up, for want of a key for one.
    """
    provider, _, name = spec.partition("/")
    if not name:
        raise UsageError(f"{spec!r} is not a model; write provider/name such as openai/gpt-4o")
    return models.get(provider)(name, settings or Settings())
