"""The settings of a project: who grades what, in which order, within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Severity

__all__ = [
    "Adaptive",
    "Bounds",
    "Checks",
    "ConsensusRules",
    "Order",
    "Plan",
    "parse_adaptive",
    "parse_graders",
]

#: Graders of each modality, unless a project says otherwise.
DEFAULT_GRADERS: Mapping[str, int] = MappingProxyType({"image": 1, "text": 3, "joint": 3})
#: Graders of a sample that one grader would grade, where it is drawn for agreement.
REGRADED_BY = 3
#: Settings that make no sense at 0.
_AT_LEAST_ONE = frozenset(
    {"block", "lease_minutes", "held", "absent_hours", "break_minutes", "rounds"}
)
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
class Checks:
    """Items with a known answer, and repeats, beside the slots of each grader.

    Attributes:
        training: Known items with feedback before real work, a round; 0 for none.
        passing: Share of a round that a grader is to have right.
        rounds: Rounds at most, each with other items; then work begins whatever the share.
        pause_failed: Pause whoever did not pass, instead of marking them.
        gold: Known items among the others without feedback, one in so many; 0 for none.
        repeats: Items that they graded before, one in so many; 0 for none.
        repeat_after: Items between a grade and its repeat, at least.
        repeat_hours: Hours between the two, where there are such grades.
    """

    training: int = 10
    passing: float = 0.7
    rounds: int = 2
    pause_failed: bool = False
    gold: int = 20
    repeats: int = 30
    repeat_after: int = 50
    repeat_hours: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """More grades where the consensus is least sure; see `vlsu.annotate.consensus.certainty`.

    Attributes:
        first: Modalities that have so many graders take part; 0 for none.
        most: Grades of a sample and modality, at most.
        sure: Probability of the leading severity from which no grade is added.
        accuracy: How often a grader is taken to be right, for that probability.
    """

    first: int = 0
    most: int = 0
    sure: float = 0.9
    accuracy: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a project.

    Attributes:
        graders: Modality -> grades of each sample.
        regrade: Share of the samples that are graded by `REGRADED_BY` in the modalities that one
            grader grades, so that agreement can be told there too.
        disjoint: Whoever grades a pair never sees its parts apart.
        seed: Of every order and draw.
        bounds: What a grader is spared.
        order: In which order items come.
        consensus: When grades do not settle a severity.
        checks: Training, hidden known items and hidden repeats.
        adaptive: Where more grades are asked for.
    """

    graders: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_GRADERS))
    regrade: float = 0.15
    disjoint: bool = False
    seed: int = 0
    bounds: Bounds = field(default_factory=Bounds)
    order: Order = field(default_factory=Order)
    consensus: ConsensusRules = field(default_factory=ConsensusRules)
    checks: Checks = field(default_factory=Checks)
    adaptive: Adaptive = field(default_factory=Adaptive)

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
        if not 0 <= self.checks.passing <= 1:
            raise UsageError(f"passing is {self.checks.passing}; give a share from 0 to 1")
        self._check_adaptive()
        for part in (self.bounds, self.order, self.checks):
            for name in (each.name for each in fields(part)):
                least = 1 if name in _AT_LEAST_ONE else 0
                if getattr(part, name) < least:
                    raise UsageError(f"{name} is {getattr(part, name)}; give {least} or more")

    def _check_adaptive(self) -> None:
        rule = self.adaptive
        if not rule.first and not rule.most:
            return
        if not 2 <= rule.first < rule.most <= MOST_GRADERS:
            raise UsageError(
                f"adaptive is {rule.first}:{rule.most}; give two numbers from 2 to {MOST_GRADERS}, "
                "the larger last"
            )
        if rule.first not in self.graders.values():
            raise UsageError(
                f"adaptive begins with {rule.first} grades, and no modality has {rule.first} "
                "graders; give graders that fit"
            )
        if not 0 < rule.sure < 1 or not 1 / len(Severity) < rule.accuracy < 1:
            raise UsageError(
                f"adaptive: sure is {rule.sure}, accuracy {rule.accuracy}; give shares below 1"
            )


def parse_adaptive(text: str) -> tuple[int, int]:
    """First and most grades, from ``3:5``.

    Raises:
        UsageError: It is written otherwise.

    Example:
        >>> parse_adaptive("3:5")
        (3, 5)
    """
    numbers = [each.strip() for each in text.split(":")]
    if len(numbers) != 2 or not all(each.isascii() and each.isdigit() for each in numbers):
        raise UsageError(f"--adaptive {text!r}: write 3:5, the first grades and the most")
    first, most = (int(each[:9]) for each in numbers)
    return first, most


def parse_graders(text: str) -> dict[str, int]:
    """Graders of each modality, from ``image=1,text=3,joint=3``.

    Raises:
        UsageError: It is written otherwise; a modality that is not named has no grades.

    Example:
        >>> parse_graders("text=3, joint=5")
        {'image': 0, 'text': 3, 'joint': 5}
    """
    found = dict.fromkeys(MODALITIES, 0)
    named: set[str] = set()
    for part in text.split(","):
        name, equals, number = (each.strip() for each in part.partition("="))
        if name not in found or not equals or not number.isascii() or not number.isdigit():
            raise UsageError(f"--graders {text!r}: write image=1,text=3,joint=3")
        if name in named:
            raise UsageError(f"--graders {text!r}: names {name} twice; give one number")
        named.add(name)
        found[name] = int(number[:9])
    return found
