"""Which licences an image may have, whatever way a source spells them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlsu._text import quoted
from vlsu.data.licences import read_licence
from vlsu.errors import UsageError

__all__ = ["ANY", "OPEN", "UNSTATED", "Licences", "family"]

#: What ``--licences`` takes beside names.
OPEN, ANY, UNSTATED = "open", "any", "unstated"
#: Families that everyone may pass on and change, as Openverse names them.
_OPEN = ("cc0", "pdm", "by", "by-sa")
_HYPHENS = re.compile("[\\s_\u2010-\u2015\u2212]+")
_CC0 = re.compile(r"(?:cc-?)?(?:0|zero)(?:-v?1\.0)?(?:-universal)?")
_PUBLIC = re.compile(r"pdm(?:-1\.0)?|(?:cc-)?public-domain(?:-mark)?(?:-1\.0)?|pd(?:-[\w-]+)?")
#: A version, and a country of an unported licence such as ``CC BY 3.0 de``.
_CREATIVE = re.compile(r"(?:cc-)?by(?P<parts>(?:-(?:nc|nd|sa))*)(?:-v?[1-4]\.\d)?(?:-[a-z]{2,3})?")


def family(name: str) -> str:
    """The family of a licence, without version: ``cc0``, ``pdm``, ``by-sa``, ``mit``; or ``""``.

    >>> [family(name) for name in ("CC BY-SA 4.0", "by-sa", "Public domain", "CC0", "Apache-2.0")]
    ['by-sa', 'by-sa', 'pdm', 'cc0', 'apache-2.0']
    >>> family("all rights reserved")
    ''
    """
    short = _HYPHENS.sub("-", name.strip()).casefold()
    if _CC0.fullmatch(short):
        return "cc0"
    if _PUBLIC.fullmatch(short):
        return "pdm"
    if found := _CREATIVE.fullmatch(short):
        parts = found["parts"].split("-")
        return "-".join(("by", *(each for each in ("nc", "nd", "sa") if each in parts)))
    spdx = read_licence(name).spdx
    return "" if spdx is None else spdx.casefold()


@dataclass(frozen=True, slots=True)
class Licences:
    """Licences that are accepted.

    Attributes:
        names: Families, `OPEN` (known ones that forbid neither commercial use, nor changes, nor
            passing on), `UNSTATED` (the source says nothing), or `ANY`.
    """

    names: tuple[str, ...] = (OPEN,)

    @classmethod
    def parse(cls, names: Sequence[str]) -> Licences:
        """From what a user wrote.

        Raises:
            UsageError: A name is of no known licence.
        """
        found = []
        for name in names:
            short = name.strip().casefold()
            known = short if short in (OPEN, ANY, UNSTATED) else family(name)
            if not known:
                raise UsageError(
                    f"--licences {quoted(name)}: no known licence; use {OPEN}, {UNSTATED}, {ANY}, "
                    f"or names such as {', '.join(_OPEN)}"
                )
            found.append(known)
        if not found:
            raise UsageError(f"--licences: give at least one, such as {OPEN}")
        return cls(tuple(dict.fromkeys(found)))

    def accept(self, name: str) -> bool:
        """Whether an image of this licence is taken; of an empty name the source said nothing."""
        if ANY in self.names:
            return True
        if not name.strip():
            return UNSTATED in self.names
        known = family(name)
        if not known:
            return False
        if known in self.names:
            return True
        # A family of Creative Commons says all in its name, any other licence by its identifier.
        restricted = "nc" in known.split("-") or "nd" in known.split("-")
        return OPEN in self.names and not restricted and not read_licence(name).restrictions

    @property
    def asked(self) -> tuple[str, ...]:
        """What a service is asked for; empty if it is to leave nothing out."""
        if ANY in self.names or UNSTATED in self.names:
            return ()
        opened = _OPEN if OPEN in self.names else ()
        return tuple(dict.fromkeys((*opened, *(each for each in self.names if each != OPEN))))
