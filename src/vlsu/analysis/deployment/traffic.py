"""The mix of a deployment's requests: shares of severities, patterns and categories."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from vlsu.analysis.table.patterns import natural_order
from vlsu.errors import PolicyError, UsageError
from vlsu.policy import Pattern, Severity

__all__ = ["WITHOUT_CATEGORY", "Stratum", "Traffic", "read_traffic"]

#: Under ``categories``, the requests without one: the safe ones, as a rule.
WITHOUT_CATEGORY = "none"

#: By how much shares may miss 1: decimals such as 0.1 are not exact.
_TOLERANCE = 1e-6

_TOP = ("severity", "harm_prevalence", "patterns", "categories")
_PARTS = ("patterns", "categories")

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Stratum:
    """Requests with the same expected outcome: one severity, and within it perhaps one part.

    Attributes:
        severity: The gold joint grade.
        share: Of all requests, above 0.
        pattern: If it is one pattern.
        category: If it is one gold joint category, or `WITHOUT_CATEGORY`.
    """

    severity: Severity
    share: float
    pattern: str | None = None
    category: str | None = None

    @property
    def name(self) -> str:
        """Such as ``unsafe``, ``S-S-U``, ``unsafe C9`` or ``safe without category``."""
        category = "without category" if self.category == WITHOUT_CATEGORY else self.category
        return self.pattern or " ".join(filter(None, (self.severity.label, category)))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Shares of all requests; made by `read_traffic`.

    Attributes:
        where: Name of the file, for messages.
        severities: Severity -> share of all requests; sums to 1. `None` where only the share of
            harm is known.
        harm: Share of unsafe requests, in [0, 1]; `None` with `categories`.
        parts: Severity -> kind of part (``patterns`` or ``categories``) -> its shares within the
            severity, which sum to 1. A severity that is not there is as it is in the run.
        categories: Category (`WITHOUT_CATEGORY` for requests without one) -> share of all requests;
            severities within it are as in the run. `None` where severities are given.
    """

    where: str
    severities: Mapping[Severity, float] | None
    harm: float | None
    parts: Mapping[Severity, tuple[str, Mapping[str, float]]]
    categories: Mapping[str, float] | None = None

    def strata(self, samples: Mapping[tuple[Severity, str], int]) -> list[Stratum]:
        """The strata with a share above 0, from mild to severe.

        Args:
            samples: Severity and category (`WITHOUT_CATEGORY` for none) -> graded samples of the
                run: they divide what the file does not.

        Raises:
            UsageError: The run has no samples to divide by.
        """
        if self.categories is not None:
            return self._of_categories(self.categories, samples)
        strata = []
        for severity, share in self._severities(samples).items():
            kind, parts = self.parts.get(severity, ("", {"": 1.0}))
            for name, part in parts.items():
                if share * part > 0:
                    strata.append(
                        Stratum(
                            severity,
                            share * part,
                            pattern=name if kind == "patterns" else None,
                            category=name if kind == "categories" else None,
                        )
                    )
        return strata

    def _of_categories(
        self, categories: Mapping[str, float], samples: Mapping[tuple[Severity, str], int]
    ) -> list[Stratum]:
        strata = []
        for category, share in categories.items():
            counts = {severity: samples.get((severity, category), 0) for severity in Severity}
            whole = sum(counts.values())
            if share and not whole:
                raise UsageError(
                    f"{self.where}: the run has no judged sample of category {category!r}, so "
                    "nothing is known of it; it has "
                    f"{', '.join(sorted({name for _, name in samples}, key=natural_order))}"
                )
            strata += [
                Stratum(severity, share * count / whole, category=category)
                for severity, count in counts.items()
                if share * count > 0
            ]
        return sorted(strata, key=lambda stratum: stratum.severity)

    def _severities(self, samples: Mapping[tuple[Severity, str], int]) -> Mapping[Severity, float]:
        if self.severities is not None or self.harm is None:
            return self.severities or {}
        mild = (Severity.SAFE, Severity.BORDERLINE)
        of = dict.fromkeys(Severity, 0)
        for (severity, _), count in samples.items():
            of[severity] += count
        harmless = sum(of[severity] for severity in mild)
        if not harmless:
            raise UsageError(
                f"{self.where}: the run has no safe or borderline sample, so what is not harmful "
                "is not known; give severity in place of harm_prevalence, or another run"
            )
        shares = {s: (1 - self.harm) * of[s] / harmless for s in mild}
        return {**shares, Severity.UNSAFE: self.harm}


def read_traffic(tree: object, where: str = "traffic") -> Traffic:
    """Read a traffic mix from parsed YAML; `docs/deployment.md` describes it.

    Args:
        tree: ``severity`` (severity -> share of all requests), ``harm_prevalence`` (share of unsafe
            requests), ``patterns`` (pattern -> share of all requests) or ``categories`` (category
            -> share of all requests, `WITHOUT_CATEGORY` for those without one); with the first two
            perhaps ``within`` (severity -> ``patterns`` or ``categories`` -> share of that
            severity). A share is a number or a text such as ``1/1000`` or ``0.1%``.
        where: The file name, for messages.

    Raises:
        UsageError: A key, a name or a share cannot be used; the message names it.
    """
    top = _mapping(tree, where, (*_TOP, "within"))
    given = [name for name in _TOP if name in top]
    if len(given) != 1:
        raise UsageError(
            f"{where}: give one of {', '.join(_TOP)}; it has {' and '.join(given) or 'none'}"
        )
    if given[0] in _PARTS:
        if "within" in top:
            raise UsageError(f"{where}: within goes with severity or harm_prevalence; leave it out")
        if given == ["categories"]:
            shares = _shares(top["categories"], f"{where}: categories")
            return Traffic(where, None, None, {}, shares)
        return _of_patterns(_patterns(top["patterns"], f"{where}: patterns"), where)
    parts = {}
    for name, part in _mapping(top.get("within", {}), f"{where}: within").items():
        severity = _severity(name, f"{where}: within")
        parts[severity] = _part(part, severity, f"{where}: within.{severity}")
    if given == ["severity"]:
        named = _shares(top["severity"], f"{where}: severity")
        severities = _keyed((_severity(n, f"{where}: severity"), v) for n, v in named.items())
        for severity in parts:
            if not severities.get(severity):
                raise UsageError(
                    f"{where}: within.{severity} divides nothing: severity has no share of it"
                )
        ordered = {s: severities.get(s, 0.0) for s in Severity}
        return Traffic(where, ordered, ordered[Severity.UNSAFE], parts)
    harm = _share(top["harm_prevalence"], f"{where}: harm_prevalence")
    if not 0 < harm < 1:
        raise UsageError(f"{where}: harm_prevalence {harm:g}: give a share above 0 and below 1")
    return Traffic(where, None, harm, parts)


def _of_patterns(patterns: Mapping[str, float], where: str) -> Traffic:
    """Traffic from shares of patterns in all requests."""
    severities = dict.fromkeys(Severity, 0.0)
    for name, share in patterns.items():
        severities[Pattern.parse(name).joint] += share
    parts = {
        severity: (
            "patterns",
            {
                name: share / whole
                for name, share in patterns.items()
                if Pattern.parse(name).joint is severity
            },
        )
        for severity, whole in severities.items()
        if whole
    }
    return Traffic(where, severities, severities[Severity.UNSAFE], parts)


def _part(tree: object, severity: Severity, where: str) -> tuple[str, Mapping[str, float]]:
    top = _mapping(tree, where, _PARTS)
    if len(top) != 1:
        raise UsageError(f"{where}: give patterns or categories, one of the two")
    ((kind, shares),) = top.items()
    if kind == "categories":
        return kind, _shares(shares, f"{where}.categories")
    patterns = _patterns(shares, f"{where}.patterns")
    for name in patterns:
        if Pattern.parse(name).joint is not severity:
            raise UsageError(
                f"{where}.patterns: {name} is {Pattern.parse(name).joint} together, not {severity}"
            )
    return kind, patterns


def _patterns(tree: object, where: str) -> Mapping[str, float]:
    named = _shares(tree, where)
    return _keyed((_pattern(name, where), share) for name, share in named.items())


def _pattern(name: str, where: str) -> str:
    try:
        return str(Pattern.parse(name))
    except PolicyError as error:
        raise UsageError(f"{where}: {error}") from None


def _severity(name: str, where: str) -> Severity:
    try:
        return Severity.parse(name)
    except PolicyError as error:
        raise UsageError(f"{where}: {error}") from None


def _keyed(pairs: Iterable[tuple[_Key, float]]) -> dict[_Key, float]:
    """Shares by what a name means; names that mean the same are added up."""
    found: dict[_Key, float] = {}
    for key, share in pairs:
        found[key] = found.get(key, 0.0) + share
    return found


def _mapping(tree: object, where: str, known: tuple[str, ...] = ()) -> dict[str, object]:
    if not isinstance(tree, Mapping):
        raise UsageError(f"{where}: expected names and values, found {reprlib.repr(tree)}")
    for name in tree:
        if known and name not in known:
            raise UsageError(f"{where}: unknown key {reprlib.repr(name)}; use {', '.join(known)}")
    return {str(name): value for name, value in tree.items()}


def _shares(tree: object, where: str) -> dict[str, float]:
    """Shares by name, in order; they sum to 1."""
    shares = {
        name: _share(value, f"{where}.{name}") for name, value in _mapping(tree, where).items()
    }
    total = math.fsum(shares.values())
    if abs(total - 1) > _TOLERANCE:
        raise UsageError(f"{where}: the shares sum to {total:.6g}, not 1")
    return shares


def _share(value: object, where: str) -> float:
    text = str(value).replace(" ", "")
    try:
        if isinstance(value, bool):
            raise ValueError
        percent = text.endswith("%")
        share = float(Fraction(text.removesuffix("%")) / (100 if percent else 1))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UsageError(
            f"{where}: {reprlib.repr(value)} is not a share; write 0.001, 0.1% or 1/1000"
        ) from None
    if not 0 <= share <= 1:
        raise UsageError(f"{where}: {reprlib.repr(value)} is not between 0 and 1")
    return share
