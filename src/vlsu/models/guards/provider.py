"""``guard/...`` as a model: a guard behind any OpenAI-compatible server."""

from __future__ import annotations

from dataclasses import replace

from vlsu.errors import ModelError
from vlsu.models.base import Settings
from vlsu.models.formats.openai import ChatCompletions, Completions, key_of_server, sampling
from vlsu.models.guards.families import GuardFamily, find_family
from vlsu.models.http.address import address_hint
from vlsu.models.http.model import HttpModel

__all__ = ["GuardModel", "guard_model"]


class GuardModel(HttpModel):
    """A guard model, which judges whether an answer refuses or is safe.

    Attributes:
        family: Its prompt format and parser.
        languages: The languages it was trained for; `None` if unknown.
    """

    takes_instructions = False
    #: It judges answers, not images, texts or pairs.
    modalities: frozenset[str] = frozenset()

    def __init__(self, family: GuardFamily, name: str, settings: Settings, key: str | None) -> None:
        settings = replace(settings, params={**family.params, **settings.params})
        wire = Completions() if family.completion else ChatCompletions()
        identity: dict[str, object] = {
            "format": "completions" if family.completion else "chat-completions",
            "model": name,
            "family": family.name,
            "sees_images": family.sees_images,
            "sampling": sampling(name, settings),
            "params": dict(settings.params),
        }
        if family.sees_images:
            identity["images"] = wire.image_limits(settings).identity()
        spec, hint = f"guard/{family.name}:{name}", address_hint(settings.base_url)
        super().__init__(spec, name, wire, settings, key, identity, not_found_hint=hint)
        self.family = family
        self.languages = family.languages


def guard_model(name: str, settings: Settings) -> GuardModel:
    """Guards that judge answers (vLLM, SGLang, ...): guard/FAMILY:MODEL, or a known name.

    The server is given by ``--judge-base-url`` or ``--base-url``; its key is that of
    ``openai/...``.

    Raises:
        UsageError: The family is neither given nor identified by the model's name.
        ModelError: No server is given, or the key it needs is not set.
    """
    family, model = find_family(name)
    spec = f"guard/{family.name}:{model}"
    if settings.base_url is None:
        raise ModelError(
            f"{spec}: name the server it runs on, with --judge-base-url "
            "(--base-url of vlsu judge validate)"
        )
    return GuardModel(family, model, settings, key_of_server(spec, settings.base_url))
