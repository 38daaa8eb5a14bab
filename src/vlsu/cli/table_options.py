"""Options of the commands that read a user's table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

import typer

__all__ = ["Encoding", "Missing", "read_pairs"]

Missing = Annotated[
    list[str] | None,
    typer.Option(
        help="Words for a missing value, comma-separated, in place of the usual ones (NA, nan, "
        "null, None, -, ...); '' for none but an empty cell."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Of the file's text, if it is none of Unicode's, such as cp1252."),
]


def read_pairs(
    option: str, given: Sequence[str], form: str, targets: Collection[str]
) -> dict[str, str]:
    """``left=right`` pairs, several in a value separated by commas.

    What stands left may hold commas and equals signs: a pair ends at a comma only where what stands
    before it is a pair with a known right side.

    Args:
        option: Its name, for messages.
        given: Its values.
        form: How a pair is written, for messages.
        targets: Known right sides.

    Raises:
        UsageError: A pair without ``=``, or a left side given twice.
    """
    from vlsu.data.tables import normalise
    from vlsu.errors import UsageError

    known = set(map(normalise, targets))
    pairs: dict[str, str] = {}
    for value in given:
        for pair in _split(value, known):
            left, equals, right = (part.strip() for part in pair.rpartition("="))
            if not equals or not left or not right:
                raise UsageError(f"{option} {pair.strip()[:80]!r}: write {form}")
            if pairs.setdefault(left, right) != right:
                raise UsageError(f"{option} {pair.strip()[:80]!r}: {left[:80]!r} is mapped twice")
    return pairs


def _split(value: str, known: Collection[str]) -> list[str]:
    from vlsu.data.tables import normalise

    pieces = value.split(",")
    pairs: list[str] = []
    begun: list[str] = []
    for piece in pieces:
        begun.append(piece)
        _, equals, right = piece.rpartition("=")
        if equals and normalise(right) in known:
            pairs.append(",".join(begun))
            begun = []
    # What is left ends in nothing that is known: pairs to be refused for it, one by one.
    return [*pairs, *begun] if all("=" in piece for piece in begun) else [*pairs, ",".join(begun)]
