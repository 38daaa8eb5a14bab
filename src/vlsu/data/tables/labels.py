"""Labels that are one, however a program or a person wrote them."""

from __future__ import annotations

from vlsu.data.tables.words import plain_number, plain_word

__all__ = ["folded_label", "label_key"]


def folded_label(label: str) -> str:
    """A label without letter case, kind of word separator, quotation marks and odd characters."""
    return plain_word(label).lower().replace(" ", "_").replace("-", "_")


def label_key(label: str) -> str:
    """The same for ``1``, ``1.0`` and ``01``, and for labels that `folded_label` makes one.

    Other numbers are left as they are: ``1.1`` and ``1.10`` may be two entries of a taxonomy.
    """
    return plain_number(plain_word(label)) or folded_label(label)
