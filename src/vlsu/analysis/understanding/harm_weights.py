"""What errors on pairs cost, as a user gives it: the weights of severity-weighted harm."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vlsu.errors import UsageError
from vlsu.policy import Severity

__all__ = ["CALLED", "HarmWeights"]

#: What a pair may be called: a severity, or `none` for an outcome other than `ok`.
CALLED = (*(severity.label for severity in Severity), "none")
_FORM = "write severities: {unsafe: {safe: 1, borderline: 0.4}}, and perhaps categories: {C9: 2}"


@dataclass(frozen=True, slots=True)
class HarmWeights:
    """What errors cost.

    Attributes:
        severities: Gold severity -> what it is called (a severity or ``none``) -> cost of one such
            pair, not negative; complete. Right calls cost nothing.
        categories: Category -> weight of its pairs; others, and pairs without one, weigh 1.

    Example:
        >>> weights = HarmWeights.of({"severities": {"unsafe": {"safe": 1, "borderline": 0.4}}})
        >>> weights.severities["unsafe"]
        {'safe': 1.0, 'borderline': 0.4, 'unsafe': 0.0, 'none': 1.0}
    """

    severities: Mapping[str, Mapping[str, float]]
    categories: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: object, known: Iterable[str] | None = None) -> HarmWeights:
        """Weights from a tree such as a YAML file holds.

        Args:
            tree: ``severities``: gold severity -> what it is called -> cost; what is not there
                costs nothing, but ``none`` (no answer) the most that any call of its gold severity
                does. ``categories``: category -> weight.
            known: Categories that there are; any where it is not given.

        Raises:
            UsageError: It is not of that form; the message names the entry.
        """
        parts = _mapping(tree, "the weights")
        _require_known(parts, ("severities", "categories"), "")
        rows = _mapping(parts.get("severities"), "severities")
        _require_known(rows, CALLED[:3], "severities.")
        costs = {}
        for gold in CALLED[:3]:
            row = _mapping(rows.get(gold, {}), f"severities.{gold}")
            _require_known(row, CALLED, f"severities.{gold}.")
            given = {c: _number(v, f"severities.{gold}.{c}") for c, v in row.items()}
            if given.get(gold):
                raise UsageError(f"severities.{gold}.{gold}: a right call costs nothing; remove it")
            worst = max(given.values(), default=0.0)
            costs[gold] = {**dict.fromkeys(CALLED, 0.0), "none": worst, **given}
        if not any(cost for row in costs.values() for cost in row.values()):
            raise UsageError(f"severities: no error costs anything; {_FORM}")
        weights = _mapping(parts.get("categories", {}), "categories")
        if known is not None:
            _require_known(weights, tuple(known), "categories.")
        return cls(costs, {c: _number(v, f"categories.{c}") for c, v in weights.items()})

    def record(self, severities: Iterable[Severity] = tuple(Severity)) -> dict[str, object]:
        """All of them that a policy of these severities can use, as plain values."""
        labels = [severity.label for severity in severities]
        rows = {
            gold: {called: self.severities[gold][called] for called in (*labels, "none")}
            for gold in labels
        }
        return {"severities": rows, "categories": dict(self.categories)}


def _mapping(tree: object, place: str) -> Mapping[str, object]:
    if not isinstance(tree, Mapping):
        raise UsageError(f"{place}: expected a mapping; {_FORM}")
    return tree


def _require_known(given: Mapping[str, object], known: tuple[str, ...], place: str) -> None:
    for name in given:
        if name not in known:
            folded = {each.casefold(): each for each in known}
            near = difflib.get_close_matches(str(name).casefold(), folded, 1)
            meant = (
                f"did you mean {folded[near[0]]!r}?" if near else f"there are {', '.join(known)}"
            )
            raise UsageError(f"{place}{name}: unknown; {meant}")


def _number(value: object, place: str) -> float:
    if isinstance(value, str):  # as YAML reads 1e-3, which has no point, and 1/3
        raise UsageError(
            f"{place}: {value[:40]!r} is a text to YAML; write a number of 0 or more without "
            "quotes, such as 0.001 or 1.0e-3"
        )
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:  # type: ignore[operator, arg-type]
        raise UsageError(f"{place}: {str(value)[:40]!r} is no weight; give a number of 0 or more")
    return float(value)  # type: ignore[arg-type]
