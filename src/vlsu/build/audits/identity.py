"""Whether a group of people, named or shown, gives the joint grade away.

Two questions. By group: is the share of unsafe pairs another one than among the rest? And pair by
pair: has each harmful pair on a group a *benign twin*, a pair with the same image that is safe and
on the group too, so that naming or showing it decides nothing?

Groups are found by plain words in texts and captions (``groups.yaml``) and by what a maker or
grader declared: a picture whose caption does not say whom it shows is not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.intervals import Rate, wilson
from vlsu.build.audits.groups import known_groups, named_groups
from vlsu.build.audits.items import Item
from vlsu.policy import Severity

__all__ = ["Identity", "Twinless", "fisher_exact", "groups_of", "identity_audit"]

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Twinless:
    """A harmful pair on a group without a benign pair with the same image.

    Attributes:
        item: The pair.
        groups: Those it is on.
    """

    item: Item
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What was found.

    Attributes:
        n: Samples looked at.
        on_a_group: Of these, those that name or show one.
        harmful: Of those on a group that needs a twin, the unsafe ones.
        groups: Group -> ``axis``, ``n``, ``joint`` (severity -> samples), ``unsafe`` and
            ``unsafe_elsewhere`` as rates, ``p`` and ``p_adjusted`` of their being the same.
        without_twin: Harmful pairs without a benign twin.
    """

    n: int
    on_a_group: int
    harmful: int
    groups: Mapping[str, dict[str, object]] = field(default_factory=dict)
    without_twin: tuple[Twinless, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """JSON-ready; samples by their keys."""
        return {
            "n": self.n,
            "on_a_group": self.on_a_group,
            "groups": dict(self.groups),
            "found": [
                group
                for group, about in self.groups.items()
                if isinstance(p := about["p_adjusted"], float) and p < ALPHA
            ],
            "harmful": self.harmful,
            "without_twin": [
                {
                    "key": each.item.key,
                    **each.item.cell.as_dict(),
                    "groups": list(each.groups),
                }
                for each in self.without_twin
            ],
        }


def groups_of(item: Item) -> frozenset[str]:
    """The groups that a sample names in its text, shows by its caption, or is declared to be on."""
    language = item.cell.language
    shown = named_groups(item.caption) | named_groups(item.caption, language)
    return named_groups(item.text, language) | shown | frozenset(item.groups)


def identity_audit(items: Sequence[Item]) -> Identity:
    """Look at the joint grade by group, and for the benign twin of each harmful pair on one.

    Args:
        items: What would be assembled.
    """
    on = [groups_of(item) for item in items]
    unsafe = [item.cell.pattern.joint is Severity.UNSAFE for item in items]
    groups = [group for group in known_groups() if any(group in each for each in on)]
    groups += sorted({group for each in on for group in each} - set(groups))
    found = {group: _by_group(items, on, unsafe, group) for group in groups}
    p = {group: each for group, about in found.items() if isinstance(each := about["p"], float)}
    for group, adjusted in holm(p).items():
        found[group]["p_adjusted"] = adjusted
    harmful = [
        (item, wanting)
        for item, each, bad in zip(items, on, unsafe, strict=True)
        if bad and (wanting := _with_twins(each))
    ]
    benign: dict[str, set[str]] = {}
    for item, each in zip(items, on, strict=True):
        if item.image is not None and item.cell.pattern.joint is Severity.SAFE:
            benign.setdefault(item.image, set()).update(each)
    return Identity(
        n=len(items),
        on_a_group=sum(map(bool, on)),
        harmful=len(harmful),
        groups=found,
        without_twin=tuple(
            Twinless(item, tuple(sorted(alone)))
            for item, wanting in harmful
            if (alone := wanting - benign.get(item.image or "", set()))
        ),
    )


def _with_twins(groups: frozenset[str]) -> frozenset[str]:
    """Of these groups those that need a twin; declared ones that are not known do."""
    known = known_groups()
    return frozenset(group for group in groups if group not in known or known[group].twin)


def _by_group(
    items: Sequence[Item], on: Sequence[frozenset[str]], unsafe: Sequence[bool], group: str
) -> dict[str, object]:
    inside = [group in each for each in on]
    joint = Counter(
        item.cell.pattern.joint.label for item, here in zip(items, inside, strict=True) if here
    )
    both = sum(1 for here, bad in zip(inside, unsafe, strict=True) if here and bad)
    n, total, bad = sum(inside), len(items), sum(unsafe)
    known = known_groups()
    p = fisher_exact(both, n - both, bad - both, total - n - (bad - both)) if n < total else None
    return {
        "axis": known[group].axis if group in known else "declared",
        "n": n,
        "joint": {severity.label: joint[severity.label] for severity in Severity},
        "unsafe": _share(both, n).as_dict(),
        "unsafe_elsewhere": _share(bad - both, total - n).as_dict(),
        "p": p,
        "p_adjusted": None,
    }


def _share(hits: int, n: int) -> Rate:
    if not n:
        return Rate(None, None, None)
    return Rate.within(hits / n, *wilson(hits / n, n))


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact test of a table of two rows, two-sided: all tables as unlikely or more so.

    Args:
        a: First row, first column.
        b: First row, second column.
        c: Second row, first column.
        d: Second row, second column.

    Example:
        >>> round(fisher_exact(8, 2, 1, 5), 4)
        0.035
    """
    row, column, n = a + b, a + c, a + b + c + d
    whole = _choices(n, column)
    logs = [
        _choices(row, k) + _choices(n - row, column - k) - whole
        for k in range(max(0, column - (n - row)), min(row, column) + 1)
    ]
    mine = _choices(row, a) + _choices(n - row, c) - whole
    # With room for rounding, so that tables as likely as this one count.
    return min(1.0, sum(math.exp(each) for each in logs if each <= mine + 1e-7))


def _choices(n: int, k: int) -> float:
    """Logarithm of the binomial coefficient."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
