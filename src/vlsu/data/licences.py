"""What licences of data forbid, as far as their names say."""

from __future__ import annotations

import re

__all__ = ["restrictions"]

_NON_COMMERCIAL = re.compile(
    r"\b(?:cc-?)?(?:by-?)?nc(?:-?(?:sa|nd))?\b"
    r"|(?:non|not?|nicht)[- ]?(?:for[- ])?(?:kommerz|commerc)"
    r"|commercial use is (?:not|forbidden|prohibited)"
    r"|(?:research|academic|educational)(?:[- ](?:and|or)[- ]\w+)?[- ](?:use|purposes?|only)"
    r"|only for (?:\w+[- ](?:and|or)[- ])?(?:research|academic|education|non)",
    re.IGNORECASE,
)
_NO_DERIVATIVES = re.compile(r"\b(?:cc-?)?(?:by-?)?(?:nc-?)?nd\b|no[- ]?deriv", re.IGNORECASE)
_NO_REDISTRIBUTION = re.compile(
    r"\bgated\b|(?:no|not(?: be)?) (?:re)?distribut|all rights reserved|\bproprietary\b",
    re.IGNORECASE,
)
#: Hyphens and dashes of all kinds, and the underscore: in names of licences they are one.
_HYPHENS = re.compile("[_\u2010-\u2015\u2212\ufe63\uff0d]")


def restrictions(licence: str) -> tuple[str, ...]:
    """What a licence forbids: ``non-commercial``, ``no-derivatives``, ``no-redistribution``.

    >>> restrictions("CC-BY-NC-ND")
    ('non-commercial', 'no-derivatives')
    >>> restrictions("CC BY-SA 4.0")
    ()
    """
    name = re.sub(r"\s+", " ", _HYPHENS.sub("-", licence))
    found = (
        ("non-commercial", _NON_COMMERCIAL),
        ("no-derivatives", _NO_DERIVATIVES),
        ("no-redistribution", _NO_REDISTRIBUTION),
    )
    return tuple(what for what, pattern in found if pattern.search(name))
