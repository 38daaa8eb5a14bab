"""Which pattern a sample's minimal pair is to have, and how near two texts are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from vlsu.build.queries.wording import words_of
from vlsu.policy import Pattern, Severity

__all__ = ["edits", "flip_by_image", "flip_by_text", "most_edits"]

#: Share of the original's words that may be changed, and how many in any case.
_SHARE, _FEWEST = 0.4, 2


def flip_by_text(
    pattern: Pattern, severities: Collection[Severity], closed: Callable[[Severity], bool]
) -> Pattern | None:
    """The pattern of the nearest text that flips the joint grade; `None` if there is none.

    The image stays. The text's severity changes as little as can be, the joint one as far as can
    be; of two that are as far, the milder.

    Args:
        pattern: Of the sample.
        severities: Of the policy.
        closed: Whether texts of a severity are never written.

    Example:
        >>> everything = tuple(Severity)
        >>> for pattern in ("S-S-U", "U-S-B", "U-U-U", "S-B-U"):
        ...     print(flip_by_text(Pattern.parse(pattern), everything, lambda _: False))
        S-S-S
        U-S-U
        U-B-B
        S-B-B
    """
    found = [
        other
        for text in severities
        for joint in severities
        if (other := Pattern(pattern.image, text, joint)).listed
        and joint != pattern.joint
        and not closed(text)
    ]
    return min(
        found,
        key=lambda each: (
            abs(each.text - pattern.text),
            -abs(each.joint - pattern.joint),
            each.joint,
        ),
        default=None,
    )


def flip_by_image(pattern: Pattern, severities: Collection[Severity]) -> list[Pattern]:
    """The patterns of images that flip the joint grade, the likeliest first.

    The text stays, and so does its severity. An unsafe text is unsafe beside every image.

    Example:
        >>> patterns = flip_by_image(Pattern.parse("S-S-U"), tuple(Severity))
        >>> [str(each) for each in patterns]
        ['S-S-S', 'B-S-S', 'S-S-B', 'B-S-B', 'U-S-B']
    """
    found = [
        other
        for image in severities
        for joint in severities
        if (other := Pattern(image, pattern.text, joint)).listed and joint != pattern.joint
    ]
    return sorted(
        found,
        key=lambda each: (
            -abs(each.joint - pattern.joint),
            abs(each.image - pattern.image),
            each.image,
            each.joint,
        ),
    )


def edits(one: str, other: str) -> int:
    """Words to be put in, taken out or replaced to make one text the other (Levenshtein).

    Example:
        >>> edits("Would one push be enough?", "Would one hug be enough?")
        1
    """
    return _distance(words_of(one), words_of(other))


def most_edits(text: str) -> int:
    """Words in which a minimal pair of a text may differ from it."""
    return max(_FEWEST, int(_SHARE * len(words_of(text))))


def _distance(one: Sequence[str], other: Sequence[str]) -> int:
    row = list(range(len(other) + 1))
    for n, word in enumerate(one, 1):
        before, row[0] = row[0], n
        for m, its in enumerate(other, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != its))
    return row[-1]
