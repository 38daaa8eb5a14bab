"""A BibTeX entry of a dataset, from what its ``dataset.yaml`` says."""

from __future__ import annotations

import re
import unicodedata

from vlsu.data.dataset import DatasetInfo

__all__ = ["bibtex"]

_ENTRY = re.compile(r"@\w+\s*\{.*\}", re.DOTALL)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_SPECIAL = re.compile(r"([&%$#_])")


def bibtex(info: DatasetInfo) -> str:
    """The entry of a dataset: its citation as it is where that is BibTeX, else a ``@misc``."""
    if found := _ENTRY.search(info.citation):
        return found[0]
    fields = {
        "title": f"{{{_tex(f'{info.name} {info.version}')}}}",
        "year": year[0] if (year := _YEAR.search(info.citation)) else "",
        "howpublished": _tex(info.source),
        "note": _tex(". ".join(filter(None, (info.citation.strip(" ."), _licence(info))))),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join((f"@misc{{{_key(info)},", *lines, "}"))


def _licence(info: DatasetInfo) -> str:
    return f"Licence: {info.licence}" if info.licence else ""


def _key(info: DatasetInfo) -> str:
    """A key of plain letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", f"{info.name}-{info.version}").encode("ascii", "ignore")
    return re.sub(r"[^A-Za-z0-9]+", "-", plain.decode()).strip("-").lower() or "dataset"


def _tex(text: str) -> str:
    """Text within braces: special characters escaped, and no brace or backslash of its own."""
    words = " ".join(re.sub(r"[\\~^]", " ", re.sub(r"[{}]", "", text)).split())
    return _SPECIAL.sub(r"\\\1", words)
