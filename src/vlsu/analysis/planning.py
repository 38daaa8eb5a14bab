"""How many samples to tell two models apart: a plan, before they are asked.

Two of three are given and the third is worked out: the margin of the accuracies, the samples, and
the chance to claim the better model (`vlsu.analysis.power`). What nobody knows beforehand is on how
many samples exactly one model will be right; it is assumed here, and said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from vlsu.analysis.claims import ALPHA, POWER
from vlsu.analysis.intervals import LEVEL, normal_quantile
from vlsu.analysis.paired_estimates import Difference
from vlsu.analysis.power import independent_discordance, power, samples_needed, smallest_margin
from vlsu.errors import UsageError

__all__ = ["Discordance", "SeenRuns", "plan"]

#: Discordances that a plan is also made for.
_OTHERS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
#: A chance of a false claim that is still told from none.
_LEAST_ALPHA = 1e-12
_MOST_SAMPLES = 10**12
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class SeenRuns:
    """Two runs that what comes is taken to be like.

    Attributes:
        names: Of the two.
        accuracy: Their difference of joint accuracy.
        f1_macro: Their difference of joint macro-F1.
    """

    names: tuple[str, str]
    accuracy: Difference
    f1_macro: Difference

    @property
    def design_effect(self) -> float:
        """Samples for each independent one, at least 1; above it where samples share a group."""
        return self.accuracy.n / self.accuracy.size


@dataclass(frozen=True, slots=True)
class Discordance:
    """The share of samples on which exactly one of two models is right.

    Attributes:
        at: The share at a margin of the accuracies.
        largest: The largest margin there can be.
        words: Of which models that is so; empty if it was given.
    """

    at: Callable[[float], float]
    largest: float
    words: str

    @classmethod
    def given(cls, share: float) -> Discordance:
        """So much of them.

        Raises:
            UsageError: Not a share above 0.
        """
        if not 0 < share <= 1:
            raise UsageError(f"--discordant {share:g}: give a share above 0 and at most 1")
        return cls(lambda margin: share, share, "")

    @classmethod
    def independent(cls, accuracy: float | None = None) -> Discordance:
        """Of two models that err independently, the worse one at this accuracy.

        Args:
            accuracy: Without one, that at which they differ the most: the margin around one half.

        Raises:
            UsageError: Not an accuracy that another can be above.
        """
        if accuracy is None:
            return cls(
                lambda margin: independent_discordance((1 - margin) / 2, margin),
                1.0,
                "models of about 50% accuracy that err independently, a cautious guess",
            )
        if not 0 <= accuracy < 1:
            raise UsageError(f"--accuracy {accuracy:g}: give a share from 0 to below 1")
        return cls(
            lambda margin: independent_discordance(accuracy, margin),
            1 - accuracy,
            f"models that err independently, the worse one right on {100 * accuracy:g}%",
        )

    @classmethod
    def seen(cls, runs: SeenRuns) -> Discordance:
        """That of two runs; more where the margin asks for it."""
        first, second = runs.accuracy.discordant or (0, 0)
        share = (first + second) / runs.accuracy.n
        return cls(
            lambda margin: max(share, margin),
            1.0,
            f"as {' and '.join(runs.names)} on {runs.accuracy.n:,} samples",
        )


def plan(
    *,
    margin: float | None = None,
    samples: int | None = None,
    wanted: float | None = None,
    alpha: float = ALPHA,
    tests: int = 1,
    discordance: Discordance | None = None,
    seen: SeenRuns | None = None,
) -> dict[str, object]:
    """What is missing of margin, samples and power, by McNemar's exact test on the same samples.

    Args:
        margin: Difference of the accuracies, in (0, 1).
        samples: That both models are asked about. If neither this nor `margin` is given, those of
            `seen`.
        wanted: Chance to claim the better model, in (0, 1); 0.8 if not given.
        alpha: Chance of a claim where there is no difference, two-sided, in (0, 1).
        tests: How many are corrected together; each is planned at ``alpha / tests``, the level
            that the first of them has to pass (Holm 1979).
        discordance: By default that of `seen`, or of models that err independently.
        seen: Two runs to go by.

    Returns:
        ``solved`` (``"samples"``, ``"margin"`` or ``"power"``), ``margin``, ``samples``, ``power``
        (at these), ``discordance``, ``assumed`` (words), ``design_effect``, ``alpha``, ``tests``,
        ``others`` (``discordance`` and what was solved at others), ``f1_macro`` (the same of joint
        macro-F1, or `None` without `seen`) and ``text``. What cannot be had is `None`.

    Raises:
        UsageError: Too much or too little is given, or a number is out of range.
    """
    if margin is None and samples is None:
        if seen is None:
            raise UsageError("give --margin (how far apart), or --samples, or both")
        samples = seen.accuracy.n
    if margin is not None and samples is not None and wanted is not None:
        raise UsageError("--margin, --samples and --power: give two of them, the third is found")
    _require("margin", margin)
    _require("power", wanted)
    _require("alpha", alpha)
    if tests < 1:
        raise UsageError(f"--tests {tests}: give at least 1")
    if alpha / tests < _LEAST_ALPHA:
        of = f" over {tests} tests" if tests > 1 else ""
        raise UsageError(f"--alpha {alpha:g}{of}: give at least {_LEAST_ALPHA:g} for each")
    if samples is not None and not 1 <= samples <= _MOST_SAMPLES:
        raise UsageError(f"--samples {samples}: give a number from 1 to {_MOST_SAMPLES:,}")
    if discordance is None:
        discordance = Discordance.independent() if seen is None else Discordance.seen(seen)
    if margin is not None and margin > discordance.largest:
        of = discordance.words or f"models that differ on {100 * discordance.largest:g}% of samples"
        raise UsageError(f"--margin {margin:g}: {of}, are at most {discordance.largest:g} apart")
    asked = _Question(
        margin,
        samples,
        POWER if wanted is None else wanted,
        alpha / tests,
        1.0 if seen is None else seen.design_effect,
    )
    found = asked.answer(discordance)
    shares = {*_OTHERS} if margin is None else {margin, *(s for s in _OTHERS if s > margin)}
    return {
        "test": "McNemar's exact test on the same samples, two-sided",
        "solved": asked.solved,
        **found,
        "assumed": discordance.words or "given",
        "design_effect": asked.design_effect,
        "alpha": alpha,
        "tests": tests,
        "others": [
            {
                "discordance": share,
                asked.solved: asked.answer(Discordance.given(share))[asked.solved],
            }
            for share in sorted(shares)
        ],
        "f1_macro": None if seen is None else asked.of_f1(seen.f1_macro),
        "text": asked.text(found, discordance, tests),
    }


@dataclass(frozen=True, slots=True)
class _Question:
    """Two of margin, samples and power; `wanted` counts where another is missing."""

    margin: float | None
    samples: int | None
    wanted: float
    alpha: float
    design_effect: float

    @property
    def solved(self) -> str:
        if self.samples is None:
            return "samples"
        return "margin" if self.margin is None else "power"

    def answer(self, discordance: Discordance) -> dict[str, float | int | None]:
        margin, samples = self.margin, self.samples
        if samples is None:
            assert margin is not None
            needed = samples_needed(
                margin, discordance.at(margin), alpha=self.alpha, wanted=self.wanted
            )
            samples = math.ceil(needed * self.design_effect)
        if margin is None:
            margin = smallest_margin(
                samples / self.design_effect,
                discordance.at,
                alpha=self.alpha,
                wanted=self.wanted,
                largest=discordance.largest,
            )
        share = None if margin is None else discordance.at(margin)
        worth = max(1, int(samples / self.design_effect))
        chance = (
            None if margin is None or share is None else power(worth, share, margin, self.alpha)
        )
        return {"margin": margin, "samples": samples, "power": chance, "discordance": share}

    def of_f1(self, seen: Difference) -> dict[str, float | int | None] | None:
        """The same of a difference whose error goes with 1 / sqrt(samples), normal."""
        low, high = seen.difference.low, seen.difference.high
        if low is None or high is None:
            return None
        error = (high - low) / 2 / normal_quantile(LEVEL) * math.sqrt(seen.n)
        reach = normal_quantile(1 - self.alpha) + _NORMAL.inv_cdf(self.wanted)
        margin, samples, chance = self.margin, self.samples, self.wanted
        if samples is None:
            assert margin is not None
            samples = math.ceil((reach * error / margin) ** 2)
        elif margin is None:
            margin = reach * error / math.sqrt(samples)
            margin = margin if margin < 1 else None
        else:
            z = margin * math.sqrt(samples) / error - normal_quantile(1 - self.alpha)
            chance = _NORMAL.cdf(z)
        return {
            "margin": margin,
            "samples": samples,
            "power": chance if margin is not None else None,
        }

    def text(
        self, found: dict[str, float | int | None], discordance: Discordance, tests: int
    ) -> str:
        margin, samples, chance, share = (
            found[key] for key in ("margin", "samples", "power", "discordance")
        )
        if margin is None or share is None or chance is None:
            return (
                f"{samples:,} samples show no difference of accuracy with a chance of "
                f"{self.wanted:.0%}, however large; ask about more"
            )
        wanted = chance if self.solved == "power" else self.wanted
        test = f"p < {self.alpha:.3g}, McNemar's exact test"
        if tests > 1:
            test += f"; corrected over {tests} tests"
        said = (
            f"{samples:,} samples show a difference of {100 * margin:.3g} points of accuracy with "
            f"a chance of {wanted:.0%} ({test}), if exactly one of the two models is right on "
            f"{share:.1%} of the samples"
        )
        return f"{said}: {discordance.words}" if discordance.words else said


def _require(name: str, share: float | None) -> None:
    if share is not None and not 0 < share < 1:
        raise UsageError(f"--{name} {share:g}: give a share above 0 and below 1, such as 0.05")
