"""Normalising labels, so that spellings of one label are equal."""

from __future__ import annotations

from vlsu.data.tables.words import plain_number, plain_word

__all__ = ["folded_label", "label_key"]


def folded_label(label: str) -> str:
    """A label in lower case, with underscores as separators, without quotation marks."""
    return plain_word(label).lower().replace(" ", "_").replace("-", "_")


def label_key(label: str) -> str:
    """A key that is equal for ``1``, ``1.0`` and ``01``, and for labels with one `folded_label`.

    Other numbers are unchanged: ``1.1`` and ``1.10`` may be two entries of a taxonomy.
    """
    return plain_number(plain_word(label)) or folded_label(label)
