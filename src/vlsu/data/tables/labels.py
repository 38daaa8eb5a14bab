"""Labels that are one, however a program or a person wrote them."""

from __future__ import annotations

import re

__all__ = ["WHOLE_NUMBER", "folded_label", "label_key"]

#: A whole number, with the decimals that a program added.
WHOLE_NUMBER = re.compile(r"(?P<sign>[-+]?)0*(?P<digits>[0-9]+)(?:\.0*)?")


def folded_label(label: str) -> str:
    """A label without letter case, outer space and kind of word separator."""
    return label.strip().lower().replace(" ", "_").replace("-", "_")


def label_key(label: str) -> str:
    """The same for ``1``, ``1.0`` and ``01``, and for labels but for letter case and separators.

    Other numbers are left as they are: ``1.1`` and ``1.10`` may be two entries of a taxonomy.
    """
    stripped = label.strip()
    if whole := WHOLE_NUMBER.fullmatch(stripped):
        negative = whole["sign"] == "-" and whole["digits"] != "0"
        return f"{'-' if negative else ''}{whole['digits']}"
    return folded_label(stripped)
