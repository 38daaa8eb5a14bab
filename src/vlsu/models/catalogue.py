"""``models.yaml``: names for models with all their settings, so that commands stay short.

    models:
      qwen:
        spec: openai/Qwen2.5-VL-7B-Instruct
        base_url: http://127.0.0.1:8000/v1
        max_tokens: 512
        concurrency: 128
      gemini:
        spec: google/gemini-2.5-flash
        requests_per_minute: 300
        price: {input: 0.30, output: 2.50}

Beside ``spec``, an entry takes every field of `Settings`, and what a run may ask of a server.
Keys never stand in it: they come from the provider's environment variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from vlsu._files import read_text
from vlsu.errors import UsageError
from vlsu.models.base import Settings
from vlsu.registry import did_you_mean

__all__ = ["NamedModel", "load_models", "with_settings"]

_SETTINGS = {f.name: f for f in fields(Settings)}
#: What an entry may say of how fast and how dear, by the names `vlsu.runs.Limits` has for them.
_LIMITS = ("concurrency", "requests_per_minute", "tokens_per_minute", "price")
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "Mapping": (dict,),
    "Structured": (str,),
}


@dataclass(frozen=True, slots=True)
class NamedModel:
    """An entry of ``models.yaml``, or a bare SPEC with no settings of its own.

    Attributes:
        name: What the user calls it; part of its run folder's name.
        settings: Field of `Settings` -> value, as far as given.
        limits: Of concurrency, requests_per_minute, tokens_per_minute and price, those given.
    """

    name: str
    spec: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)


def load_models(path: str | Path) -> dict[str, NamedModel]:
    """Read a ``models.yaml``.

    Raises:
        UsageError: It cannot be read, or an entry is wrong; the message names entry and field.
    """
    try:
        tree = yaml.safe_load(read_text(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise UsageError(f"{path}: not valid YAML; mend the file") from None
    entries = tree.get("models") if isinstance(tree, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise UsageError(f"{path}: expected a mapping 'models' with at least one name in it")
    return {str(name): _entry(path, str(name), entry) for name, entry in entries.items()}


def _entry(path: str | Path, name: str, entry: object) -> NamedModel:
    if not isinstance(entry, dict) or not isinstance(entry.get("spec"), str):
        raise UsageError(f"{path}: model {name}: spec: expected provider/name")
    settings, limits = {}, {}
    for key, value in entry.items():
        if key == "spec":
            continue
        if key in _LIMITS:
            limits[key] = value
        elif key in _SETTINGS:
            settings[key] = _checked(f"{path}: model {name}: {key}", key, value)
        else:
            near = did_you_mean(str(key), ["spec", *_SETTINGS, *_LIMITS])
            raise UsageError(f"{path}: model {name}: unknown field {key!r}; {near}")
    return NamedModel(name, entry["spec"], settings, limits)


def _checked(where: str, key: str, value: object) -> object:
    kinds = tuple(
        kind
        for word in str(_SETTINGS[key].type).replace("|", " ").replace("[", " ").split()
        for kind in _KINDS.get(word, ())
    )
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"{where}: expected {wanted}, found {value!r}")
    return value


def with_settings(settings: Settings, own: Mapping[str, Any]) -> Settings:
    """Settings of the command line over those of an entry; ``params`` are merged."""
    given = {
        f.name: value
        for f in fields(Settings)
        if (value := getattr(settings, f.name)) != getattr(Settings(), f.name)
    }
    params = {**own.get("params", {}), **settings.params}
    return replace(Settings(), **{**own, **given, "params": params})
