"""The options of an understanding run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.errors import UsageError
from vlsu.policy import Policy
from vlsu.runs.options import RunOptions
from vlsu.tasks import DETAILS

__all__ = ["PROBES", "UnderstandingOptions"]

_log = logging.getLogger(__name__)

#: What can be asked besides a run's samples.
PROBES = ("swap",)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderstandingOptions(RunOptions):
    """What decides an understanding run, beside its dataset.

    Attributes:
        modalities: Which of image, text and joint to ask for; all that the model can judge, if not
            given.
        prompt: A prompt's name or file, ``zero-shot`` by default; a model that takes no
            instructions is not sent it, which a warning says.
        policy: A policy, its file, or ``default`` or ``binary``; the dataset's own by default.
        budget: Number of samples of a stratified draw, from which the metrics of the whole dataset
            are estimated; see ``docs/fewer-calls.md``.
        until: Draw until an interval is narrow enough, such as ``"joint.f1_macro +- 0.02"``.
        pilot: Finished runs over this dataset, one or several, that decide how the draw is spread
            and take part of its luck away.
        weights: What errors on pairs cost, or a file of it, for ``weighted_harm`` in the metrics;
            see ``docs/metrics.md``.
        probe: ``"swap"``: ask about pairs too of which one half was exchanged for one of another
            gold grade, to see how far each half moves the answer; see ``docs/metrics.md``.
        draws: Answers to each request, to see how far figures move when the model is asked again;
            more than one needs a temperature. The run's other figures are those of the first.
        policy_detail: How much of the policy the prompt states: ``full``, ``brief`` (without what
            is seen of each category) or ``category`` (that of likely categories alone, which a
            first pass names).
        replay: A finished run whose stored answers are judged instead of asking; see
            ``docs/store.md``.

    Raises:
        UsageError: A value is of the wrong kind or out of range, or options exclude each other.
    """

    modalities: Sequence[str] | None = None
    prompt: str | None = None
    policy: Policy | str | Path | None = None
    budget: int | None = None
    until: str | None = None
    pilot: str | Path | Sequence[str | Path] | None = None
    weights: HarmWeights | str | Path | None = None
    probe: str | None = None
    draws: int = 1
    replay: str | Path | None = None
    policy_detail: str = "full"

    def __post_init__(self) -> None:
        RunOptions.__post_init__(self)
        if self.limit is not None and (self.budget is not None or self.until is not None):
            raise UsageError(
                "--limit cuts the dataset, --budget and --until draw from it; give one"
            )
        self._check_draws()
        self._check_replay()
        self._check_detail()
        if self.probe is None:
            return
        if self.probe not in PROBES:
            raise UsageError(f"--probe {self.probe}: give {' or '.join(PROBES)}")
        if self.budget is not None or self.until is not None:
            raise UsageError(
                "--probe: not with --budget or --until, which estimate a whole dataset from a part"
            )
        if self.modalities is not None and "joint" not in self.modalities:
            raise UsageError("--probe swap: asks about pairs; add joint to --modalities")

    def _check_detail(self) -> None:
        if self.policy_detail not in DETAILS:
            raise UsageError(f"--policy-detail {self.policy_detail}: use {', '.join(DETAILS)}")
        if self.policy_detail != "category":
            return
        for option, given in (("--probe", self.probe is not None), ("--draws", self.draws > 1)):
            if given:
                raise UsageError(
                    f"--policy-detail category: not with {option}, as what is asked depends on a "
                    "first answer; use brief"
                )

    def _check_replay(self) -> None:
        if self.replay is None:
            return
        others = ("budget", "until", "probe", "batch", "store")
        given = [name for name in others if getattr(self, name) is not None]
        given += ["draws"] if self.draws > 1 else []
        given += ["policy-detail"] if self.policy_detail == "category" else []
        if given:
            raise UsageError(f"--replay: asks nothing; leave out --{given[0]}")

    def _check_draws(self) -> None:
        if self.draws < 1:
            raise UsageError(f"draws {self.draws}: ask for at least 1 answer")
        if self.draws == 1:
            return
        if isinstance(self.model, str) and self.model.startswith("baseline/"):
            raise UsageError(
                f"draws {self.draws}: {self.model} gives the same answer every time; leave it at 1"
            )
        if "temperature" not in self.settings.params:
            raise UsageError(
                f"draws {self.draws}: answers differ by chance only; add --param temperature=1"
            )
        if self.budget is not None or self.until is not None:
            raise UsageError(
                "--draws: not with --budget or --until, which spend the requests on other samples"
            )
        local = isinstance(self.model, str) and self.model.startswith("local/")
        if self.settings.seed is not None and not local:  # there each draw has a seed of its own
            _log.warning(
                "--seed %d: goes to a provider that takes one with every draw, and may make all "
                "draws equal",
                self.settings.seed,
            )
