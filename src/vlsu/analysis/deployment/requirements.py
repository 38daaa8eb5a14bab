"""Requirements on a run's metrics, such as ``joint.f1_macro >= 0.6``, and whether they are met."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from vlsu.errors import UsageError

__all__ = ["Check", "Requirement"]

_FORM = re.compile(r"\s*(?P<key>.*\S)\s*(?P<operator>>=|<=|==|>|<)\s*(?P<bound>[^\s<>=]+)\s*")
_BOUND = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(%?)", re.ASCII)
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
_RATE = {"value", "low", "high"}


@dataclass(frozen=True, slots=True)
class Check:
    """The result of checking a requirement against metrics.

    Attributes:
        requirement: The requirement.
        met: Whether it is so.
        value: What was found: the number, or the rate's value; `None` if nothing was measured.
        low: Of a rate, else `None`.
        high: Of a rate, else `None`.
        compared: The number that was compared with the bound: of a rate its low bound for ``>=``
            and ``>``, its high bound for ``<=`` and ``<``.
        why: The reason, as a sentence.
    """

    requirement: Requirement
    met: bool
    value: float | None
    low: float | None
    high: float | None
    compared: float | None
    why: str

    def to_dict(self) -> dict[str, object]:
        """Plain Python, ready for JSON."""
        requirement = self.requirement
        return {
            "requirement": str(requirement),
            "key": requirement.key,
            "operator": requirement.operator,
            "bound": requirement.bound,
            "met": self.met,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "compared": self.compared,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Requirement:
    """A bound on a metric.

    Attributes:
        key: Its place in `metrics.json`, such as ``"joint.f1_macro"``.
        operator: ``>=``, ``>``, ``<=``, ``<`` or ``==``.
        bound: What it is compared with.
        percent: Whether the bound was given as a percentage, which does not apply to counts.
    """

    key: str
    operator: str
    bound: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read ``"joint.f1_macro >= 0.6"``, or ``">= 60%"``, which is the same.

        Raises:
            UsageError: It is not of that form.

        Example:
            >>> str(Requirement.parse("joint.f1_macro >= 60%"))
            'joint.f1_macro >= 0.6'
        """
        found = _FORM.fullmatch(text)
        number = _BOUND.fullmatch(found["bound"]) if found else None
        bound = float(number[1]) if number else math.nan
        if found is None or number is None or not math.isfinite(bound):
            raise UsageError(
                f"--require {text!r}: write KEY OPERATOR NUMBER, such as 'joint.f1_macro >= 0.6' "
                f"or '>= 60%'; operators: {', '.join(_OPERATORS)}"
            )
        percent = bool(number[2])
        if percent:  # by decimals, so that 55% is exactly 0.55
            bound = float(Decimal(number[1]).scaleb(-2))
        return cls(found["key"], found["operator"], bound, percent)

    def __str__(self) -> str:
        return f"{self.key} {self.operator} {_plain(self.bound)}"

    def check(self, metrics: Mapping[str, Any]) -> Check:
        """Check it against metrics: of a rate the bound of the interval that is against it.

        Raises:
            UsageError: The metrics have no number of that name, or a rate is compared by ``==``.

        Example:
            >>> metrics = {"joint": {"accuracy": {"value": 0.7, "low": 0.58, "high": 0.8}}}
            >>> Requirement.parse("joint.accuracy >= 0.6").check(metrics).why
            '0.7000 [0.5800, 0.8000]: the low bound is not >= 0.6'
        """
        known = dict(_named(metrics))
        rate, _, side = self.key.rpartition(".")
        if self.key not in known and side in ("low", "high") and rate in known:
            found, why_not = known[rate]
            if isinstance(found, Mapping):
                return self._check_rate(found, why_not, side)
        if self.key not in known:
            raise UsageError(f"--require {str(self)!r}: {self._unknown(metrics, known)}")
        found, why_not = known[self.key]
        if isinstance(found, Mapping):
            return self._check_rate(found, why_not)
        if self.percent and isinstance(found, int):
            raise UsageError(
                f"--require {str(self)!r}: {self.key} is a count; give a number and no percentage"
            )
        if found is None:
            return self._unmeasured(why_not)
        met = _OPERATORS[self.operator](found, self.bound)
        why = f"{_plain(found)} {'' if met else 'is not '}{self.operator} {_plain(self.bound)}"
        return Check(self, met, found, None, None, found, why)

    def _check_rate(self, rate: Mapping[str, Any], why_not: str, side: str | None = None) -> Check:
        """Hold a rate's bound to the requirement: the one against it, or the one that is named."""
        if self.operator == "==":
            raise UsageError(
                f"--require {str(self)!r}: an interval is never one number; use >= or <=, and == "
                "for counts"
            )
        if abs(self.bound) > 1:
            raise UsageError(
                f"--require {str(self)!r}: {self.key} is a share, 1 at most; write "
                f"{_plain(self.bound)}% or {_plain(self.bound / 100)} if that is meant"
            )
        value, low, high = (rate[name] for name in ("value", "low", "high"))
        if value is None:
            return self._unmeasured(why_not)
        if side is None:
            side = "low" if self.operator.startswith(">") else "high"
        compared = low if side == "low" else high
        met = _OPERATORS[self.operator](compared, self.bound)
        why = (
            f"{value:.4f} [{low:.4f}, {high:.4f}]: the {side} bound is "
            f"{'' if met else 'not '}{self.operator} {_plain(self.bound)}"
        )
        return Check(self, met, value, low, high, compared, why)

    def _unmeasured(self, why_not: str) -> Check:
        return Check(self, False, None, None, None, None, why_not)

    def _unknown(self, metrics: Mapping[str, Any], known: Mapping[str, object]) -> str:
        inside = [name for name in known if name.startswith(f"{self.key}.")]
        if inside:
            return f"a part of metrics.json; name a number in it, such as {' or '.join(inside[:3])}"
        parent, _, last = self.key.rpartition(".")
        if last == "value" and parent in known:
            return f"not the point but the bound of its interval decides; write {parent}"
        lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(self.key.lower(), list(lower), n=3, cutoff=0.5)
        if near:
            names = " or ".join(repr(lower[name]) for name in near)
            return f"not in metrics.json; did you mean {names}?"
        return f"not in metrics.json, whose parts are {', '.join(metrics)}"


def _plain(number: float) -> str:
    """A number in full, without an exponent where it needs none."""
    return f"{number:.15g}"


def _named(
    metrics: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, tuple[Mapping[str, Any] | float | None, str]]]:
    """Every number and rate by its path, and the reason given where it is `None`."""
    for name, node in metrics.items():
        path = f"{prefix}{name}"
        why_not = metrics.get(f"not_{name}") or "nothing was measured: no judgment enters it"
        if isinstance(node, Mapping):
            rest = node
            if node.keys() >= _RATE:
                yield path, (node, why_not)
                rest = {key: value for key, value in node.items() if key not in _RATE}
            yield from _named(rest, f"{path}.")
        elif node is None or (isinstance(node, int | float) and not isinstance(node, bool)):
            yield path, (node, str(why_not))
