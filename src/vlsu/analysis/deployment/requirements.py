"""Requirements on a run's metrics, such as ``joint.f1_macro >= 0.6``, and whether they are met."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from vlsu._arguments import require_kind
from vlsu.analysis.deployment.metric_names import (
    UNTOLD,
    expanded,
    node_at,
    numbers,
    of_rate,
    samples,
    why_absent,
    why_not_of_policy,
)
from vlsu.errors import UsageError

__all__ = ["FEWEST", "Check", "Requirement", "check_of_parts"]

#: Samples below which nothing is said of one part of many. Where a requirement is of every part,
#: the worst of them decides, and the worst of a few samples is chance.
FEWEST = 20

_FORM = re.compile(r"\s*(?P<key>.*\S)\s*(?P<operator>>=|<=|==|>|<)\s*(?P<bound>[^\s<>=]+)\s*")
_BOUND = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(%?)", re.ASCII)
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
#: The part whose rates are costs, in the unit of the user's weights, and not shares.
_COSTS = "weighted_harm."


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
        told: Whether there was enough to tell; if not, it is not met.
        parts: Of a requirement of several parts, such as ``categories.*``, the check of each by the
            name of its part; the other members are then those of the worst.
        worst: The name of that part.
    """

    requirement: Requirement
    met: bool
    value: float | None
    low: float | None
    high: float | None
    compared: float | None
    why: str
    told: bool = True
    parts: tuple[tuple[str, Check], ...] = ()
    worst: str | None = None

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
            **({"worst": self.worst, "parts": _parts(self.parts)} if self.parts else {}),
        }


@dataclass(frozen=True, slots=True)
class Requirement:
    """A bound on a metric.

    Attributes:
        key: Its place in `metrics.json`, such as ``"joint.f1_macro"``; ``*`` stands for every
            part of a name, as in ``"categories.*.unsafe_recall"``.
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
        require_kind("requirement", text, str)
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

    def check(self, metrics: Mapping[str, Any], fewest: int = FEWEST) -> Check:
        """Check it against metrics: of a rate the bound of the interval that is against it.

        Args:
            metrics: As in `metrics.json`.
            fewest: Samples below which a part of many cannot be told, and so is not met.

        Raises:
            UsageError: The metrics have no number of that name, or a rate is compared by ``==``.

        Example:
            >>> metrics = {"joint": {"accuracy": {"value": 0.7, "low": 0.58, "high": 0.8}}}
            >>> Requirement.parse("joint.accuracy >= 0.6").check(metrics).why
            '0.7000 [0.5800, 0.8000]: the low bound is not >= 0.6'
        """
        known = dict(numbers(metrics))
        if "*" in self.key:
            return self._check_each(metrics, known, fewest)
        return self._check_one(metrics, known)

    def _check_each(
        self, metrics: Mapping[str, Any], known: Mapping[str, Any], fewest: int
    ) -> Check:
        """Check it against every part that the key's `*` stands for."""
        places = {key: ".".join(names) for key, names in expanded(metrics, self.key.split("*"))}
        if not any(of_rate(key)[0] in known for key in places):
            raise UsageError(f"--require {str(self)!r}: {self._unknown_parts(metrics, known)}")
        parts = []
        for key, name in places.items():
            one = replace(self, key=key)
            n = samples(metrics, key)
            if of_rate(key)[0] not in known:
                check = _untold(one, "nothing of it was measured")
            elif n is not None and n < fewest:
                check = _untold(one, f"{n} samples, {fewest} are needed")
            else:
                check = one._check_one(metrics, known)
                if check.value is None:
                    check = _untold(one, check.why)
            parts.append((name, check))
        return check_of_parts(self, parts)

    def _check_one(self, metrics: Mapping[str, Any], known: Mapping[str, Any]) -> Check:
        rate, _, side = self.key.rpartition(".")
        if self.key not in known and side in ("low", "high") and rate in known:
            found, why_not = known[rate]
            if isinstance(found, Mapping):
                return self._check_rate(found, why_not, side)
        if self.key not in known:
            above = next((name for name in known if self.key.startswith(f"{name}.")), None)
            if above is not None and known[above][0] is None:  # a part that is null as a whole
                return self._unmeasured(known[above][1])
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
        if rate == "critical" and side == "misses":
            n, recall = metrics["critical"]["n"], metrics["critical"]["recall"]
            if not n:
                return self._unmeasured("cannot be told: no critical pair was asked about")
            why += f"; {found} of {n} still allows {1 - recall['low']:.1%} missed"
        return Check(self, met, found, None, None, found, why)

    def _check_rate(self, rate: Mapping[str, Any], why_not: str, side: str | None = None) -> Check:
        """Hold a rate's bound to the requirement: the one against it, or the one that is named."""
        if self.operator == "==":
            raise UsageError(
                f"--require {str(self)!r}: an interval is never one number; use >= or <=, and == "
                "for counts"
            )
        if abs(self.bound) > 1 and not self.key.startswith(_COSTS):
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
        told = not why_not.startswith(UNTOLD)
        return Check(self, False, None, None, None, None, why_not, told=told)

    def _unknown_parts(self, metrics: Mapping[str, Any], known: Mapping[str, object]) -> str:
        """Why a key with stars stands for nothing."""
        if absent := why_not_of_policy(self.key, known):
            return absent
        before, _, after = self.key.partition("*")
        part = node_at(metrics, before.removesuffix("."))
        if part == {} and before.endswith("."):
            return (
                f"{before.removesuffix('.')} of metrics.json is empty: nothing of it was measured"
            )
        if not isinstance(part, Mapping) or (before and not before.endswith(".")):
            absent = why_absent(before)
            return absent or (
                "no part of metrics.json is named so, and * stands for a whole name between "
                f"points; the parts are {', '.join(metrics)}"
            )
        names = {name for name in known if name.startswith(before)}
        last = after.rpartition(".")[2]
        near = difflib.get_close_matches(
            last, sorted({n.rpartition(".")[2] for n in names} - {last})
        )
        return f"no part of {before.removesuffix('.') or 'metrics.json'} has that number" + (
            f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        )

    def _unknown(self, metrics: Mapping[str, Any], known: Mapping[str, object]) -> str:
        inside = [name for name in known if name.startswith(f"{self.key}.")]
        if inside:
            return f"a part of metrics.json; name a number in it, such as {' or '.join(inside[:3])}"
        there = self.key.partition(".")[0] in metrics
        absent = why_not_of_policy(self.key, known) if there else why_absent(self.key)
        if absent := absent or why_not_of_policy(self.key, known):
            return absent
        parent, _, last = self.key.rpartition(".")
        if last == "value" and parent in known:
            return f"not the point but the bound of its interval decides; write {parent}"
        lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(self.key.lower(), list(lower), n=3, cutoff=0.5)
        if near:
            names = " or ".join(repr(lower[name]) for name in near)
            return f"not in metrics.json; did you mean {names}?"
        return f"not in metrics.json, whose parts are {', '.join(metrics)}"


def _parts(parts: Sequence[tuple[str, Check]]) -> dict[str, object]:
    names = ("met", "told", "value", "low", "high", "compared", "why")
    return {part: {name: getattr(check, name) for name in names} for part, check in parts}


def check_of_parts(requirement: Requirement, parts: Sequence[tuple[str, Check]]) -> Check:
    """The check of a requirement that every part must meet.

    Args:
        requirement: The requirement, with ``*`` in its key.
        parts: Name and check of every part; at least one.
    """
    told = {name: check for name, check in parts if check.told}
    untold = [(name, check) for name, check in parts if not check.told]
    unmet = [name for name, check in told.items() if not check.met]
    compared = {n: c.compared for n, c in told.items() if c.compared is not None}
    if requirement.operator == "==":
        off = {name: -abs(found - requirement.bound) for name, found in compared.items()}
    else:
        sign = 1 if requirement.operator.startswith(">") else -1
        off = {name: sign * found for name, found in compared.items()}
    worst = min(off, key=off.__getitem__) if off else None
    found = told[worst] if worst is not None else None
    count = len(parts)
    sentences = []
    if unmet:
        sentences.append(f"not met by {len(unmet)} of {count}")
    elif not untold:
        sentences.append(f"met by all {count}")
    elif told:
        sentences.append(f"met by {len(told)} of {count}")
    if found is not None:
        sentences.append(f"the worst, {worst}: {found.why}")
    if untold:
        of: dict[str, list[str]] = {}
        for name, check in untold:
            of.setdefault(check.why.removeprefix(f"{UNTOLD}: "), []).append(name)
        reasons = ", ".join(f"{', '.join(names)} ({why})" for why, names in of.items())
        sentences.append(f"{UNTOLD} of {len(untold)} of {count}: {reasons}")
    return Check(
        requirement,
        not unmet and not untold,
        *((None,) * 4 if found is None else (found.value, found.low, found.high, found.compared)),
        "; ".join(sentences),
        told=not untold,
        parts=tuple(parts),
        worst=worst,
    )


def _untold(requirement: Requirement, why: str) -> Check:
    return Check(requirement, False, None, None, None, None, why, told=False)


def _plain(number: float) -> str:
    """A number in full, without an exponent where it needs none."""
    return f"{number:.15g}"
