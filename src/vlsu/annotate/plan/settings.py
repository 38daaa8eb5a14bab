"""The settings of a project: who grades what, in which order, within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from vlsu.errors import UsageError
from vlsu.policy import MODALITIES

__all__ = ["Bounds", "ConsensusRules", "Order", "Plan", "parse_graders"]

#: Graders of each modality, unless a project says otherwise.
DEFAULT_GRADERS: Mapping[str, int] = MappingProxyType({"image": 1, "text": 3, "joint": 3})
#: Graders of a sample that one grader would grade, where it is drawn for agreement.
REGRADED_BY = 3
#: Settings that make no sense at 0.
_AT_LEAST_ONE = frozenset({"block", "lease_minutes", "held", "absent_hours", "break_minutes"})
#: Most graders of one sample and modality.
MOST_GRADERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a grader is spared.

    Attributes:
        minutes_a_day: Of grading, at most; 0 for no bound.
        hard_a_day: Hard items, at most; 0 for no bound.
        spacing: Lighter items between two hard ones, at least, as long as there are any.
        hard_share: Share of hard items in what a grader sees in a day, at most, as long as there
            are lighter ones; 1 for no bound.
        calm_minutes: At the end of the day's minutes, in which hard items come only if there are no
            lighter ones, so that none is the last of the day.
        work_minutes: Of work in a row, after which a break is due; 0 for never.
        break_minutes: A pause of so many minutes is a break.
        forget_after_days: After the last grade, opt-outs and skips are deleted; 0 keeps them until
            somebody has them deleted.
    """

    minutes_a_day: int = 240
    hard_a_day: int = 60
    spacing: int = 3
    hard_share: float = 0.3
    calm_minutes: int = 10
    work_minutes: int = 25
    break_minutes: int = 5
    forget_after_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """In which order a grader's items come.

    Attributes:
        block: Items of one modality in a row.
        apart: Items between two of one cluster (a minimal pair, or the same image or text) and
            between two modalities of one sample, at least, as long as there are others.
        lease_minutes: After which an item goes to another, unless its page says that it is open.
        held: Items that a grader may hold at once: one that is open, others fetched ahead.
        absent_hours: Without a grade of theirs, after which a grader's begun samples go to others.
    """

    block: int = 20
    apart: int = 10
    lease_minutes: int = 10
    held: int = 3
    absent_hours: int = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusRules:
    """When grades do not settle a severity.

    Attributes:
        not_sure: Share of `not_sure` among the grades from which an adjudicator decides.
        spread: Severities apart from which an adjudicator decides, whatever the majority; 0 for
            never.
    """

    not_sure: float = 0.5
    spread: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a project.

    Attributes:
        graders: Modality -> grades of each sample.
        regrade: Share of the samples that are graded by `REGRADED_BY` in the modalities that one
            grader grades, so that agreement can be told there too.
        disjoint: Whoever grades a pair never sees its parts apart.
        seed: Of every order and draw.
    """

    graders: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_GRADERS))
    regrade: float = 0.15
    disjoint: bool = False
    seed: int = 0
    bounds: Bounds = field(default_factory=Bounds)
    order: Order = field(default_factory=Order)
    consensus: ConsensusRules = field(default_factory=ConsensusRules)

    def __post_init__(self) -> None:
        for modality, number in self.graders.items():
            if modality not in MODALITIES:
                raise UsageError(f"graders: {modality!r} is no modality; use image, text, joint")
            if not 0 <= number <= MOST_GRADERS:
                raise UsageError(f"graders: {modality}={number}; give 0 to {MOST_GRADERS}")
        if not any(self.graders.values()):
            raise UsageError("graders: nothing is graded; give image=1,text=3,joint=3")
        if not 0 <= self.regrade <= 1:
            raise UsageError(f"regrade is {self.regrade}; give a share from 0 to 1")
        if not 0 <= self.bounds.hard_share <= 1:
            raise UsageError(f"hard_share is {self.bounds.hard_share}; give a share from 0 to 1")
        if not 0 < self.consensus.not_sure <= 1:
            raise UsageError(f"not_sure is {self.consensus.not_sure}; give a share up to 1")
        for part in (self.bounds, self.order):
            for name in (each.name for each in fields(part)):
                least = 1 if name in _AT_LEAST_ONE else 0
                if getattr(part, name) < least:
                    raise UsageError(f"{name} is {getattr(part, name)}; give {least} or more")


def parse_graders(text: str) -> dict[str, int]:
    """Graders of each modality, from ``image=1,text=3,joint=3``.

    Raises:
        UsageError: It is written otherwise; a modality that is not named has no grades.

    Example:
        >>> parse_graders("text=3, joint=5")
        {'image': 0, 'text': 3, 'joint': 5}
    """
    found = dict.fromkeys(MODALITIES, 0)
    for part in text.split(","):
        name, equals, number = (each.strip() for each in part.partition("="))
        if name not in found or not equals or not number.isascii() or not number.isdigit():
            raise UsageError(f"--graders {text!r}: write image=1,text=3,joint=3")
        found[name] = int(number[:9])
    return found
