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

Besides ``spec``, an entry has any field of `Settings` except ``insecure_http``, and the limits of a
run. Keys are never part of it: they come from the provider's environment variable.

Names contain no slash, so that they are never mistaken for a SPEC or for a path.
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

__all__ = ["NamedModel", "folder_name", "load_models"]

#: Not allowed in the file, which may come from elsewhere: only the user decides whether a key may
#: be sent unencrypted.
_COMMAND_LINE_ONLY = frozenset({"insecure_http"})
_SETTINGS = {f.name: f for f in fields(Settings) if f.name not in _COMMAND_LINE_ONLY}
#: Limits and price that an entry may have, named as in `vlsu.runs.Limits`.
_LIMIT_KINDS: dict[str, tuple[type, ...]] = {
    "concurrency": (int,),
    "requests_per_minute": (int, float),
    "tokens_per_minute": (int, float),
    "price": (str, dict),
}
#: Maximum characters of a name, which becomes the name of a folder.
MAX_NAME_LENGTH = 100
#: Names that Windows reserves for devices, with any extension.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "Mapping": (dict,),
    "Structured": (str,),
    "GuardPolicy": (str,),
}


@dataclass(frozen=True, slots=True)
class NamedModel:
    """An entry of ``models.yaml``, or a bare SPEC with no settings of its own.

    Attributes:
        name: The user's name for it; part of its run folder's name.
        settings: Field of `Settings` -> value, for the fields that are set.
        limits: Those set of concurrency, requests_per_minute, tokens_per_minute and price.
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
        UsageError: It cannot be read, or an entry is invalid; the message names entry and field.
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
    """Refuse a name that could be taken for a SPEC, or cannot be the name of a folder.

    Raises:
        UsageError: The name is refused; the message names the file and the entry.
    """
    where = f"{path}: model {name[:MAX_NAME_LENGTH]!r}"
    if "/" in name or "\\" in name:
        raise UsageError(
            f"{where}: a name must not look like provider/model, which it would stand in for; "
            "rename it, without a slash"
        )
    reserved = name.strip(". ") != name or _DEVICES.fullmatch(name) is not None
    if not name or not name.isprintable() or len(name) > MAX_NAME_LENGTH or reserved:
        raise UsageError(
            f"{where}: not usable as the name of a folder; give at most "
            f"{MAX_NAME_LENGTH} characters on one line, no dot or blank at either end, no device "
            "name"
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
            limits[key] = _require_type(where, _LIMIT_KINDS[key], value)
        elif key in _SETTINGS:
            settings[key] = _checked(where, key, value)
        elif key in _COMMAND_LINE_ONLY:
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
    return _require_type(where, kinds, value)


def _require_type(where: str, kinds: tuple[type, ...], value: object) -> object:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"{where}: expected {wanted}, found {reprlib.repr(value)}")
    return value
