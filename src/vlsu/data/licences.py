"""What a licence of data forbids, as far as its name says, and how other formats spell it."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Licence", "read_licence"]

#: How the parts of Creative Commons licences are written in names, and what is said in prose.
_NON_COMMERCIAL = re.compile(
    r"\b(?:cc[- ]?)?by[- ]?nc(?:[- ]?(?:sa|nd))?\b|\bcc[- ]nc\b|\bnc[- ](?:nd|sa)\b"
    r"|(?:non|not?|nicht)[- ]?(?:for[- ])?(?:kommerz|commerc)"
    r"|commercial use is (?:not|forbidden|prohibited)"
    r"|(?:research|academic|educational)(?:[- ](?:and|or)[- ]\w+)?[- ](?:use|purposes?|only)"
    r"|only for (?:\w+[- ](?:and|or)[- ])?(?:research|academic|education|non)",
    re.IGNORECASE,
)
_NO_DERIVATIVES = re.compile(
    r"\b(?:cc[- ]?)?by[- ]?(?:nc[- ]?)?nd\b|\bnc[- ]nd\b|no[- ]?deriv", re.IGNORECASE
)
#: Also data behind terms that everyone accepts for themselves.
_NO_REDISTRIBUTION = re.compile(
    r"\bgated\b|(?:no|not(?: be)?)[- ](?:re)?distribut|all rights reserved|\bproprietary\b",
    re.IGNORECASE,
)
#: Hyphens and dashes of all kinds, and the underscore: in names of licences they are one.
_HYPHENS = re.compile("[_\u2010-\u2015\u2212\ufe63\uff0d]")
_CREATIVE_COMMONS = re.compile(
    r"(?:cc[-\s_])(?P<parts>by(?:[-\s_](?:nc|nd|sa))*)(?:[-\s_]v?(?P<version>[1-4]\.\d))?\Z",
    re.IGNORECASE,
)
_CC0 = re.compile(r"cc[-\s_]?0(?:[-\s_](?P<version>1\.0))?\Z", re.IGNORECASE)

#: Lower-case name -> SPDX identifier, of licences that datasets are published under.
_SPDX = {
    name.lower(): name
    for name in (
        *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0", "LGPL-3.0"),
        *("ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0"),
        *("Unlicense", "OpenRAIL"),
    )
}
#: Identifiers of the Hugging Face hub that are not the SPDX identifier in lower case.
_HUB = {"ODC-By-1.0": "odc-by", "ODbL-1.0": "odbl", "PDDL-1.0": "pddl"}


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence.

    Attributes:
        name: As the dataset states it.
        spdx: Its identifier on https://spdx.org/licenses, or `None` where the name is not one.
        non_commercial: Whether the name says that only non-commercial use is permitted.
        no_derivatives: Whether the name says that changed copies must not be passed on.
        no_redistribution: Whether the name says that no copies at all must be passed on.
    """

    name: str
    spdx: str | None
    non_commercial: bool
    no_derivatives: bool
    no_redistribution: bool

    @property
    def restrictions(self) -> tuple[str, ...]:
        """What it forbids: ``non-commercial``, ``no-derivatives``, ``no-redistribution``."""
        found = (
            ("non-commercial", self.non_commercial),
            ("no-derivatives", self.no_derivatives),
            ("no-redistribution", self.no_redistribution),
        )
        return tuple(name for name, holds in found if holds)

    @property
    def url(self) -> str | None:
        """Where its text is, or `None` if the licence is not known."""
        if self.spdx is None:
            return None
        if self.spdx.startswith("CC-"):
            parts, version = self.spdx[3:].lower().rsplit("-", 1)
            return f"https://creativecommons.org/licenses/{parts}/{version}/"
        if self.spdx == "CC0-1.0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        return f"https://spdx.org/licenses/{self.spdx}"

    @property
    def hub(self) -> str:
        """Its identifier in the card of a dataset on the Hugging Face hub; else ``other``."""
        return "other" if self.spdx is None else _HUB.get(self.spdx, self.spdx.lower())


def read_licence(name: str) -> Licence:
    """The licence that a dataset's ``licence`` names.

    A text with several names, such as ``CC-BY-4.0 AND CC-BY-NC-4.0``, has the restrictions of all.
    A Creative Commons licence without a version has no SPDX identifier.

    >>> read_licence("CC-BY-NC-ND").restrictions
    ('non-commercial', 'no-derivatives')
    >>> read_licence("CC BY-SA 4.0").spdx
    'CC-BY-SA-4.0'
    """
    words = re.sub(r"\s+", " ", _HYPHENS.sub("-", name))
    return Licence(
        name,
        _identifier(name.strip()),
        non_commercial=_NON_COMMERCIAL.search(words) is not None,
        no_derivatives=_NO_DERIVATIVES.search(words) is not None,
        no_redistribution=_NO_REDISTRIBUTION.search(words) is not None,
    )


def _identifier(name: str) -> str | None:
    if _CC0.match(name):
        return "CC0-1.0"
    if found := _CREATIVE_COMMONS.match(name):
        version = found["version"]
        parts = re.sub(r"[\s_]", "-", found["parts"]).upper()
        return f"CC-{parts}-{version}" if version else None
    return _SPDX.get(name.lower())
