"""What pages say, in the languages there is a file for (``strings/LANGUAGE.yaml``).

English is complete; a test compares the others with it. A string has its place by a dotted name,
``grade.submit``, and parameters in braces: ``"{done} of {wanted}"``. What has to be said otherwise
where a policy has no borderline stands beside it, with ``_without_borderline`` behind its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from vlsu._yaml import read_yaml

__all__ = ["LANGUAGES", "LANGUAGE_COOKIE", "language_of", "said_by", "strings_of"]

#: Languages of the pages and their own names; the first is used where nothing else is known.
LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "de": "Deutsch"})
#: Name of the cookie that holds the language somebody chose.
LANGUAGE_COOKIE = "vlsu-annotate-language"
#: Behind the name of a string that is for policies without borderline.
_WITHOUT = "_without_borderline"


@cache
def strings_of(language: str) -> Mapping[str, str]:
    """The strings of a language by dotted name."""
    text = (files("vlsu.annotate.web") / "strings" / f"{language}.yaml").read_text("utf-8")
    found: dict[str, str] = {}

    def walk(prefix: str, tree: object) -> None:
        if isinstance(tree, dict):
            for name, value in tree.items():
                walk(f"{prefix}.{name}" if prefix else str(name), value)
        else:
            found[prefix] = str(tree)

    walk("", read_yaml(text))
    return MappingProxyType(found)


@cache
def said_by(language: str, severities: frozenset[str]) -> Mapping[str, str]:
    """The strings of a language for a policy: none speaks of a severity that it does not have.

    Args:
        language: Of `LANGUAGES`.
        severities: Labels of those that the policy has.
    """
    every = strings_of(language)
    found = {name: text for name, text in every.items() if not name.endswith(_WITHOUT)}
    if "borderline" in severities:
        return MappingProxyType(found)
    for name in list(found):
        found[name] = every.get(name + _WITHOUT, found[name])
        if name.endswith(("_borderline", ".borderline")):
            del found[name]
    return MappingProxyType(found)


def language_of(wanted: str, chosen: str = "") -> str:
    """The language of a page.

    Args:
        wanted: A browser's ``Accept-Language``.
        chosen: What the person chose before, which comes first; empty if nothing.
    """
    if chosen in LANGUAGES:
        return chosen
    for part in wanted.split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return next(iter(LANGUAGES))
