"""What licences of data forbid, as far as their names say."""

from __future__ import annotations

import re

__all__ = ["restrictions"]

_NON_COMMERCIAL = re.compile(r"\bNC\b|NON-?\s?COMMERCIAL|RESEARCH ONLY", re.IGNORECASE)
_NO_DERIVATIVES = re.compile(r"\bND\b|NO-?\s?DERIV", re.IGNORECASE)
_GATED = re.compile(r"\bGATED\b|NO REDISTRIBUTION", re.IGNORECASE)


def restrictions(licence: str) -> tuple[str, ...]:
    """What a licence forbids: ``non-commercial``, ``no-derivatives``, ``no-redistribution``.

    >>> restrictions("CC-BY-NC-ND")
    ('non-commercial', 'no-derivatives')
    >>> restrictions("CC BY-SA 4.0")
    ()
    """
    name = licence.replace("_", "-")
    found = (
        ("non-commercial", _NON_COMMERCIAL),
        ("no-derivatives", _NO_DERIVATIVES),
        ("no-redistribution", _GATED),
    )
    return tuple(what for what, pattern in found if pattern.search(name))
