"""What the Croissant metadata beside a dataset say of it, as `vlsu data export` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from vlsu._files import read_bytes
from vlsu.data.importers.base import About
from vlsu.policy import known_policy

__all__ = ["about_croissant"]

_FILE = "croissant.json"
_EXPORT = "vlsu:export"
#: Of an export: name and version of the policy of its grades, and its hash.
_POLICY, _POLICY_HASH = "vlsu:policy", "vlsu:policyHash"


def about_croissant(path: Path) -> About:
    """Name, version, licence, citation, source, description and policy of a folder or a file.

    Of a folder, ``croissant.json`` is read; of a file, the one that has its name before it, or that
    which lists it. Everything is empty if there is none.
    """
    places = [path / _FILE] if path.is_dir() else []
    if not places:
        places = [path.with_name(f"{path.name}.{_FILE}"), path.with_name(_FILE)]
    for place in places:
        tree = _read(place)
        if tree and (path.is_dir() or place.name != _FILE or path.name in _files(tree)):
            export = tree.get(_EXPORT)
            hash_, graded_by = _text(export, _POLICY_HASH), _text(export, _POLICY)
            policy = known_policy(hash_)
            usage, origin = tree.get("usageInfo"), tree.get("prov:wasDerivedFrom")
            return About(
                name=_text(tree, "name"),
                version=_text(tree, "version"),
                licence=_text(usage, "name") or _text(tree, "license"),
                citation=_text(tree, "citeAs"),
                source=_text(origin, "prov:label") or _text(tree, "url"),
                description=_text(tree, "description"),
                policy=policy,
                lacking=graded_by if hash_ and policy is None else "",
            )
    return About()


def _files(tree: Mapping[str, object]) -> set[str]:
    listed = tree.get("distribution")
    found = {_text(each, "contentUrl") for each in listed} if isinstance(listed, list) else set()
    export = tree.get(_EXPORT)
    names = export.get("vlsu:files") if isinstance(export, dict) else None
    return found | ({str(name) for name in names} if isinstance(names, list) else set())


def _text(tree: object, key: str) -> str:
    value = tree.get(key) if isinstance(tree, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _read(place: Path) -> dict[str, object]:
    try:
        tree = orjson.loads(read_bytes(place, limit=16 * 2**20))
    except (OSError, orjson.JSONDecodeError):
        return {}
    return tree if isinstance(tree, dict) else {}
