"""A target precision: a metric, and how wide its interval may be."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.sampling.allocation import STRATA, stratum_name
from vlsu.analysis.stats.intervals import LEVEL, normal_quantile
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Pattern
from vlsu.registry import did_you_mean

__all__ = ["Precision", "rates"]

_FORM = re.compile(r"\s*(?P<key>.*?\S)\s*(?:\+/?-|±)\s*(?P<half_width>\S+)\s*")

#: From one look at the interval to the next the sample grows by at least the one share of itself,
#: at most by the other: few looks, as each is a chance to stop early by luck.
_LEAST, _MOST = 0.1, 1.0

#: How much a stratum matters that cannot enter the metric: little, not nothing, so that it is drawn
#: when all others are exhausted.
_BESIDE = 1e-3

#: Shares nearer to 0 or 1 are taken to be this near: the variance of a share of 0 is not known.
_NEAREST = 0.02


@dataclass(frozen=True, slots=True)
class Precision:
    """A metric whose 95% interval is to be narrow.

    Attributes:
        key: Its place in `metrics.json`, such as ``"joint.f1_macro"``.
        half_width: Half of the interval's width, in (0, 1).
    """

    key: str
    half_width: float

    @classmethod
    def parse(cls, text: str) -> Precision:
        """Read ``"joint.f1_macro +- 0.02"``; ``±`` and ``+/-`` are understood too.

        Raises:
            UsageError: It is not of that form, or the width is out of range.

        Example:
            >>> Precision.parse("joint.f1_macro ± 0.02")
            Precision(key='joint.f1_macro', half_width=0.02)
        """
        found = _FORM.fullmatch(text)
        try:
            half_width = float(found["half_width"]) if found else None
        except ValueError:
            half_width = None
        if found is None or half_width is None:
            raise UsageError(
                f"--until {text!r}: write KEY +- HALF_WIDTH, such as 'joint.f1_macro +- 0.02'"
            )
        if not 0 < half_width < 1:
            raise UsageError(f"--until {text!r}: give a half width between 0 and 1, such as 0.02")
        return cls(found["key"], half_width)

    def __str__(self) -> str:
        return f"{self.key} +- {self.half_width:g}"

    def require_in(self, metrics: Mapping[str, Any]) -> None:
        """Raise `UsageError` unless this is a rate of such metrics that has a value."""
        known = dict(rates(metrics))
        if self.key not in known:
            raise UsageError(
                f"--until {str(self)!r}: no rate {self.key!r} in metrics.json of such a run; "
                f"{did_you_mean(self.key, list(known))}"
            )
        if reason := known[self.key].get("reason"):
            raise UsageError(f"--until {str(self)!r}: cannot be told: {reason}")
        if known[self.key]["value"] is None:
            raise UsageError(
                f"--until {str(self)!r}: a run over this dataset and these modalities has nothing "
                f"to measure {self.key} on; choose another key"
            )

    def half_width_in(self, metrics: Mapping[str, Any]) -> float | None:
        """Half the width of the metric's interval; `None` where there is none yet."""
        found = dict(rates(metrics)).get(self.key)
        if found is None or found["value"] is None:
            return None
        return float(found["high"] - found["low"]) / 2

    def planned_half_width_in(self, metrics: Mapping[str, Any]) -> float | None:
        """What the half width would be if the variance were one standard error larger than found.

        The variance of a share p of n samples is estimated by p (1 - p) / n, whose own relative
        standard error is |1 - 2 p| / sqrt(n p (1 - p)) (delta method): with few errors it is
        uncertain, and the draw that happens to have the fewest would stop first. The size of a
        half is planned with that in view, not by a boundary that holds at every size (Howard
        2021), which asks for more than twice the samples; as in Stein's (1945) two-stage procedure
        the second stage is by an upper bound of the variance that the first showed.

        Args:
            metrics: Those of a sample twice as large as the one that the variance is known from:
                one half, and another like it.
        """
        found = dict(rates(metrics)).get(self.key)
        half_width = self.half_width_in(metrics)
        if found is None or half_width is None:
            return None
        share = min(max(float(found["value"]), _NEAREST), 1 - _NEAREST)
        errors = normal_quantile(LEVEL) * share * (1 - share) / (math.sqrt(2) * half_width or 1e-9)
        return half_width * math.sqrt(1 + abs(1 - 2 * share) / errors)

    def next_size(self, half_width: float | None, sampled: IntArray, population: IntArray) -> int:
        """The sample size that would do if what comes is like what came.

        It is smaller than the present one where the interval is narrower than wanted.

        Args:
            half_width: Of the interval now; `None` where there is none yet.
            sampled: Samples drawn by half and stratum, shape ``(2, H)``, H a multiple of `STRATA`.
            population: Samples there are, the same shape.
        """
        size = int(sampled.sum())
        if half_width is None:
            return size + math.ceil(_MOST * size)
        # Nearly all that comes is of the strata that matter, and among them the squared width goes
        # with 1 / size - 1 / population.
        matters = self.importance == 1
        inside, there = (
            int(each.reshape(2, STRATA, -1)[:, matters].sum()) for each in (sampled, population)
        )
        left = (1 / inside - 1 / there) * (self.half_width / half_width) ** 2
        more = 1 / (1 / there + left) - inside
        if half_width > self.half_width:
            more = min(max(more, _LEAST * inside), _MOST * size)
        return size + math.ceil(more)

    @property
    def modality(self) -> str:
        """The modality whose errors widen the interval: that of the key, else the joint one."""
        first = self.key.partition(".")[0]
        return first if first in MODALITIES else "joint"

    @property
    def importance(self) -> FloatArray:
        """How much each stratum matters to the metric: 1, or next to nothing; shape ``(STRATA,)``.

        Only the strata of its pattern or family matter to a pattern's or a family's accuracy.
        """
        section, _, rest = self.key.partition(".")
        part = rest.partition(".")[0]
        if section not in ("patterns", "families"):
            return np.ones(STRATA)
        names = [stratum_name(number) for number in range(STRATA)]
        if section == "families":
            names = ["" if "?" in name else Pattern.parse(name).family.value for name in names]
        return np.where([name == part for name in names], 1.0, _BESIDE)


def rates(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Key and ``{value, low, high}`` of every rate in metrics, in their order.

    Example:
        >>> dict(rates({"joint": {"n": 4, "accuracy": {"value": 0.5, "low": 0.2, "high": 0.8}}}))
        {'joint.accuracy': {'value': 0.5, 'low': 0.2, 'high': 0.8}}
    """
    for name, node in metrics.items():
        if isinstance(node, Mapping):
            if {"value", "low", "high"} <= node.keys():
                yield prefix + name, node
            else:
                yield from rates(node, f"{prefix}{name}.")
