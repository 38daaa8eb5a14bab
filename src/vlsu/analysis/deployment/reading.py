"""Reading the mix of a deployment's requests, and each share in it, as people write them."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TypeVar

from vlsu.analysis.deployment.traffic import Traffic
from vlsu.errors import PolicyError, UsageError
from vlsu.policy import Pattern, Severity

__all__ = ["parse_prevalence", "read_traffic"]

#: By how much shares may miss 1: decimals such as 0.1 are not exact.
_TOLERANCE = 1e-6

_TOP = ("severity", "harm_prevalence", "patterns", "categories")
_PARTS = ("patterns", "categories")

_Key = TypeVar("_Key")


def read_traffic(tree: object, where: str = "traffic") -> Traffic:
    """Read a traffic mix from parsed YAML; `docs/deployment.md` describes it.

    Args:
        tree: ``severity`` (severity -> share of all requests), ``harm_prevalence`` (share of unsafe
            requests), ``patterns`` (pattern -> share of all requests) or ``categories`` (category
            -> share of all requests, ``none`` for those without one); with the first two
            perhaps ``within`` (severity -> ``patterns`` or ``categories`` -> share of that
            severity). A share is a number or a text such as ``1/1000`` or ``0.1%``. Shares that
            were counted have ``of`` beside them, in how many requests; they may then be counts.
        where: The file name, for messages.

    Raises:
        UsageError: A key, a name or a share cannot be used; the message names it.
    """
    top = _mapping(tree, where, (*_TOP, "within", "of"))
    given = [name for name in _TOP if name in top]
    if len(given) != 1:
        raise UsageError(
            f"{where}: give one of {', '.join(_TOP)}; it has {' and '.join(given) or 'none'}"
        )
    of = _of(top, where)
    if given[0] in _PARTS:
        if "within" in top:
            raise UsageError(f"{where}: within goes with severity or harm_prevalence; leave it out")
        if given == ["categories"]:
            shares = _shares(top["categories"], f"{where}: categories", of)
            return Traffic(where, None, None, {}, shares, of=of)
        return _of_patterns(_patterns(top["patterns"], f"{where}: patterns", of), where, of)
    parts, within_of = {}, {}
    for name, part in _mapping(top.get("within", {}), f"{where}: within").items():
        severity = _severity(name, f"{where}: within")
        parts[severity], counted = _part(part, severity, f"{where}: within.{severity}")
        if counted is not None:
            within_of[severity] = counted
    if given == ["severity"]:
        named = _shares(top["severity"], f"{where}: severity", of)
        severities = _keyed((_severity(n, f"{where}: severity"), v) for n, v in named.items())
        for severity in parts:
            if not severities.get(severity) and of is None:
                raise UsageError(
                    f"{where}: within.{severity} divides nothing: severity has no share of it"
                )
        ordered = {s: severities.get(s, 0.0) for s in Severity}
        harm = ordered[Severity.UNSAFE]
        return Traffic(where, ordered, harm, parts, of=of, within_of=within_of)
    harm = _harm(top["harm_prevalence"], f"{where}: harm_prevalence", of)
    return Traffic(where, None, harm, parts, of=of, within_of=within_of)


def parse_prevalence(text: str, option: str) -> float:
    """The share of the harmful, from ``0.01``, ``1%`` or ``1/100``.

    Args:
        text: As it was typed.
        option: What it was typed after, for the message.

    Raises:
        UsageError: It is no share above 0 and below 1.

    Example:
        >>> parse_prevalence("1/1000", "--prevalence")
        0.001
    """
    return _harm(text, option, None)


def _of(tree: Mapping[str, object], where: str) -> float | None:
    """Requests that shares were counted in; `None` where that is not said."""
    if "of" not in tree:
        return None
    value = tree["of"]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(
            f"{where}: of {reprlib.repr(value)}: give the number of requests that the shares were "
            "counted in, such as 20000"
        )
    return float(value)


def _harm(value: object, where: str, of: float | None) -> float:
    if of is None:
        harm = _share(value, where)
        if not 0 < harm < 1:
            raise UsageError(f"{where} {harm:g}: give a share above 0 and below 1")
        return harm
    number = _number(value, where)
    # A whole number is a count: 1 is one request, as a share of 1 leaves nothing to project.
    counted = number >= 1 and number.is_integer() and not set("%/") & set(str(value))
    harm = number / of if counted else number
    if harm >= 1:
        raise UsageError(
            f"{where} {reprlib.repr(value)}: give a share below 1, or a whole count below the "
            f"{of:.0f} of `of`"
        )
    return harm


def _of_patterns(patterns: Mapping[str, float], where: str, of: float | None) -> Traffic:
    """Traffic from shares of patterns in all requests."""
    severities = dict.fromkeys(Severity, 0.0)
    for name, share in patterns.items():
        severities[Pattern.parse(name).joint] += share
    harm = severities[Severity.UNSAFE]
    return Traffic(where, severities, harm, {}, patterns=patterns, of=of)


def _part(
    tree: object, severity: Severity, where: str
) -> tuple[tuple[str, Mapping[str, float]], float | None]:
    """Kind and shares of the parts of a severity, and what these were counted in."""
    top = _mapping(tree, where, (*_PARTS, "of"))
    of = _of(top, where)
    given = [name for name in _PARTS if name in top]
    if len(given) != 1:
        raise UsageError(f"{where}: give patterns or categories, one of the two")
    kind = given[0]
    if kind == "categories":
        return (kind, _shares(top[kind], f"{where}.categories", of)), of
    patterns = _patterns(top[kind], f"{where}.patterns", of)
    for name in patterns:
        if Pattern.parse(name).joint is not severity:
            raise UsageError(
                f"{where}.patterns: {name} is {Pattern.parse(name).joint} together, not {severity}"
            )
    return (kind, patterns), of


def _patterns(tree: object, where: str, of: float | None) -> Mapping[str, float]:
    named = _shares(tree, where, of)
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


def _shares(tree: object, where: str, of: float | None = None) -> dict[str, float]:
    """Shares by name, in order; they sum to 1.

    Args:
        tree: Shares; or counts, which sum to `of`.
        where: For messages.
        of: What they were counted in, if so.
    """
    read = {
        name: (_share if of is None else _number)(value, f"{where}.{name}")
        for name, value in _mapping(tree, where).items()
    }
    total = math.fsum(read.values())
    if of is not None and of != 1 and abs(total - of) <= _TOLERANCE * of:
        return {name: count / of for name, count in read.items()}
    if abs(total - 1) > _TOLERANCE:
        if of is None:
            raise UsageError(f"{where}: the shares sum to {total:.6g}, not 1")
        raise UsageError(
            f"{where}: these sum to {total:.10g}; shares sum to 1, counts to the {of:.0f} of `of`"
        )
    return read


def _share(value: object, where: str) -> float:
    share = _number(value, where)
    if share > 1:
        raise UsageError(
            f"{where}: {reprlib.repr(value)} is not between 0 and 1; for counts say in how many "
            "requests, such as `of: 20000` at the top"
        )
    return share


def _number(value: object, where: str) -> float:
    """A share, or a count: not negative."""
    text = str(value).replace(" ", "")
    try:
        if isinstance(value, bool):
            raise ValueError
        percent = text.endswith("%")
        number = float(Fraction(text.removesuffix("%")) / (100 if percent else 1))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UsageError(
            f"{where}: {reprlib.repr(value)} is not a share; write 0.001, 0.1% or 1/1000"
        ) from None
    if number < 0:
        raise UsageError(f"{where}: {reprlib.repr(value)} is not between 0 and 1")
    return number
