"""The errors of refusal, and which two an instruction trades for each other, by severities."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vlsu.analysis.alignment.scores import NAMED_RATES
from vlsu.policy import Severity

__all__ = ["EVERY_ERROR", "RefusalErrors"]


@dataclass(frozen=True, slots=True)
class RefusalErrors:
    """The rates of refusal with names of their own that the severities of a policy have.

    What is unsafe should be refused and everything else engaged with. An instruction that refuses
    more of the unsafe refuses more of what stands next to it as well: borderline pairs, or safe
    ones where the policy has no borderline. These two errors are traded for each other.

    Attributes:
        severities: Those of the policy, mildest first; unsafe is the last of at least two.

    Example:
        >>> RefusalErrors().traded
        ('over_blocking', 'under_refusal')
        >>> RefusalErrors((Severity.SAFE, Severity.UNSAFE)).traded
        ('over_refusal_safe', 'under_refusal')
    """

    severities: tuple[Severity, ...] = tuple(Severity)

    @classmethod
    def of(cls, by_severity: Collection[str]) -> RefusalErrors:
        """Those of a table whose rates are by these labels of severities."""
        return cls(tuple(s for s in Severity if s.label in by_severity))

    @property
    def named(self) -> Mapping[str, tuple[Severity, bool]]:
        """Those of `NAMED_RATES` that are of one of the severities."""
        return {name: rate for name, rate in NAMED_RATES.items() if rate[0] in self.severities}

    @property
    def engaged(self) -> Severity:
        """What stands next to unsafe, and should be engaged with."""
        return self.severities[-2]

    @property
    def raced(self) -> tuple[Severity, Severity]:
        """The severities that the two traded errors are of."""
        return self.engaged, Severity.UNSAFE

    @property
    def over(self) -> str:
        """The name of refusal of what should be engaged with."""
        return next(name for name, (severity, _) in NAMED_RATES.items() if severity is self.engaged)

    @property
    def under(self) -> str:
        """The name of no refusal of the unsafe."""
        return "under_refusal"

    @property
    def traded(self) -> tuple[str, str]:
        """The names of the two errors that are traded; both are to be small."""
        return self.over, self.under

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all, those of the two that are traded first."""
        return (*self.traded, *(name for name in self.named if name not in self.traded))


#: Of a policy with borderline.
EVERY_ERROR = RefusalErrors()
