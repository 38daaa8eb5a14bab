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

Beside ``spec``, an entry takes every field of `Settings` but ``insecure_http``, and what a run may
ask of a server. Keys never stand in it: they come from the provider's environment variable.

A name is never mistaken for a SPEC, nor leads out of the folder that bears it: it holds no slash.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vlsu._yaml import load_yaml
from vlsu.errors import UsageError
from vlsu.models.base import Settings
from vlsu.registry import did_you_mean

__all__ = ["NamedModel", "folder_name", "load_models", "with_settings"]

#: Not for a file to say, which may lie in a folder from elsewhere: whether a key may be read on its
#: way is the user's to decide.
_OF_COMMAND = frozenset({"insecure_http"})
_SETTINGS = {f.name: f for f in fields(Settings) if f.name not in _OF_COMMAND}
#: What an entry may say of how fast and how dear, by the names `vlsu.runs.Limits` has for them.
_LIMIT_KINDS: dict[str, tuple[type, ...]] = {
    "concurrency": (int,),
    "requests_per_minute": (int, float),
    "tokens_per_minute": (int, float),
    "price": (str, dict),
}
#: Characters of a name, which becomes a folder's.
LONGEST_NAME = 100
#: Names that Windows keeps for devices, whatever follows a dot in them.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
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
        file: The file that holds the entry.
    """

    name: str
    spec: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""


def load_models(path: str | Path) -> dict[str, NamedModel]:
    """Read a ``models.yaml``.

    Raises:
        UsageError: It cannot be read, or an entry is wrong; the message names entry and field.
    """
    tree = load_yaml(path, UsageError)
    entries = tree.get("models") if isinstance(tree, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise UsageError(f"{path}: expected a mapping 'models' with at least one name in it")
    folders: dict[str, str] = {}
    for name in entries:
        _check_name(path, name)
        if (other := folders.setdefault(folder_name(name).casefold(), name)) != name:
            raise UsageError(
                f"{path}: models {other} and {name}: both would run in the folder "
                f"{folder_name(name)}; rename one"
            )
    return {name: _entry(path, name, entry) for name, entry in entries.items()}


def folder_name(model: str) -> str:
    """A model's name as a folder's: ``openai/gpt-4o`` is ``openai-gpt-4o``."""
    return re.sub(r"[^\w.-]+", "-", model)


def _check_name(path: str | Path, name: str) -> None:
    """Refuse a name that could be taken for a SPEC, or is no name of a folder.

    Raises:
        UsageError: It is one; the message names the file and the entry.
    """
    where = f"{path}: model {name[:LONGEST_NAME]!r}"
    if "/" in name or "\\" in name:
        raise UsageError(
            f"{where}: a name must not look like provider/model, which it would stand in for; "
            "rename it, without a slash"
        )
    reserved = name.strip(". ") != name or _DEVICES.fullmatch(name) is not None
    if not name or not name.isprintable() or len(name) > LONGEST_NAME or reserved:
        raise UsageError(
            f"{where}: not usable as the name of a folder; give at most {LONGEST_NAME} characters "
            "of one line, no dot or blank at either end, no name of a device"
        )


def _entry(path: str | Path, name: str, entry: object) -> NamedModel:
    if not isinstance(entry, dict) or not isinstance(entry.get("spec"), str):
        raise UsageError(f"{path}: model {name}: spec: expected provider/name")
    settings: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for key, value in entry.items():
        if key == "spec":
            continue
        where = f"{path}: model {name}: {key}"
        if key in _LIMIT_KINDS:
            limits[key] = _of_kind(where, _LIMIT_KINDS[key], value)
        elif key in _SETTINGS:
            settings[key] = _checked(where, key, value)
        elif key in _OF_COMMAND:
            option = f"--{key.replace('_', '-')}"
            raise UsageError(f"{where}: no file can say this; give {option} with the command")
        else:
            near = did_you_mean(str(key), ["spec", *_SETTINGS, *_LIMIT_KINDS])
            raise UsageError(f"{path}: model {name}: unknown field {reprlib.repr(key)}; {near}")
    try:
        Settings(**settings)
    except UsageError as error:
        raise UsageError(f"{path}: model {name}: {error}") from None
    return NamedModel(name, entry["spec"], settings, limits, str(path))


def _checked(where: str, key: str, value: object) -> object:
    kinds = tuple(
        kind
        for word in str(_SETTINGS[key].type).replace("|", " ").replace("[", " ").split()
        for kind in _KINDS.get(word, ())
    )
    if key == "structured" and isinstance(value, bool):
        value = "on" if value else "off"  # as YAML reads these words
    return _of_kind(where, kinds, value)


def _of_kind(where: str, kinds: tuple[type, ...], value: object) -> object:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"{where}: expected {wanted}, found {reprlib.repr(value)}")
    return value


def with_settings(given: Mapping[str, Any], own: Mapping[str, Any]) -> Settings:
    """How a model is asked: as given, else as its entry says, else by default.

    Args:
        given: Field of `Settings` -> value, on the command line; `None` is not given. A value that
            happens to be the default is given all the same.
        own: The same, of the model's entry; ``params`` are merged.

    Raises:
        UsageError: A value is out of range.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    merged = {**own, **stated}
    merged["params"] = {**own.get("params", {}), **stated.get("params", {})}
    merged["system"] = merged.get("system") or None  # an empty one is none
    return Settings(**merged)
