"""What `vlsu.compare` returns, with types: every figure of a comparison by its name.

Still the mapping that ``vlsu compare --json`` prints:

>>> row = MetricRow({"n": 90, "p": 0.2, "difference": {"value": 0.1, "low": -0.02, "high": 0.2}})
>>> row.difference.value
0.1
>>> row["difference"]["low"]
-0.02

What each member means stands in ``docs/comparing.md``.
"""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.alignment.results import JudgedRate
from vlsu.analysis.results import Counts, Share
from vlsu.analysis.stats.intervals import Rate

__all__ = [
    "BoundedDifference",
    "Comparison",
    "ComparisonDataset",
    "ComparisonIntervals",
    "ComparisonRun",
    "ComparisonSamples",
    "CountedDifference",
    "DeclaredMetrics",
    "Equivalence",
    "LeaderboardRow",
    "MetricRow",
    "ModalityAgreement",
    "Rank",
    "Region",
    "RunAgreement",
    "RunPair",
    "RunSpending",
    "SetupDifference",
    "SharedAnswers",
    "SideCounts",
    "Sides",
    "Spending",
    "UnsafeAlone",
]


class ComparisonDataset(View):
    """Which dataset the runs are on."""

    name: str
    version: str
    content_hash: str


class ComparisonRun(View):
    """A run that is compared: its name in the comparison, its folder and its model."""

    name: str
    path: str
    model: str


class SetupDifference(View):
    """What the runs do not share beside the model.

    Attributes:
        values_: By the run's name; the key is ``values``.
        note: How it affects the comparison.
    """

    what: str
    values_: dict[str, str]
    note: str


class ComparisonSamples(View):
    """Samples that all runs have (`paired`), and by run how many it judged and how many not.

    Attributes:
        drawn: Runs whose samples were drawn by pattern; absent where there is none.
    """

    paired: int
    judged: Counts
    left_out: Counts
    drawn: list[str]


class Sides(View):
    """A rate of each of two runs."""

    first: Rate
    second: Rate


class SideCounts(View):
    """Samples that the first run alone has right, and that the second alone has."""

    first: int
    second: int


class Region(View):
    """What a difference could be, whatever the missing answers are, were all samples asked."""

    low: float | None
    high: float | None


class Equivalence(View):
    """A difference held to a margin by its interval, of which `level` is the confidence.

    Attributes:
        equivalent: Whether the interval lies within the margin on both sides.
        verdict: Of the second run against the first: ``not worse`` by the margin, ``worse``, or
            ``cannot be told``; null where neither way is better.
        reason: Why nothing can be told of these runs, if so.
        text: That, as a sentence; null where it does not.
    """

    margin: float
    level: float
    low: float | None
    high: float | None
    equivalent: bool
    verdict: str | None
    reason: str | None
    text: str | None


class CountedDifference(View):
    """A metric of two runs, and its difference, in one way of counting missing answers.

    Attributes:
        n: Samples.
        difference: Second minus first, with a 95% interval.
        p: Two-sided; null where there is nothing to test.
        p_adjusted: The same corrected by Holm over the tests of its family.
    """

    n: int
    first: Rate
    second: Rate
    difference: Rate
    p: float | None
    p_adjusted: float | None


class BoundedDifference(CountedDifference):
    """The same in another way of counting missing answers.

    Attributes:
        region: Of the worst case: the difference without the error of sampling.
        missing: Of the worst case: samples whose answer, or verdict, is missing, by run.
    """

    region: Region
    missing: SideCounts


class MetricRow(CountedDifference):
    """A metric of two runs, its difference, and what can be claimed of it.

    Attributes:
        label: The metric in words.
        role: ``primary``, ``secondary`` or ``exploratory``.
        better_is: ``higher`` or ``lower``; null where neither is.
        family: Tests of one family are corrected together; `tests` is how many there are.
        q: Of an exploratory metric: the false discovery rate at which it would be marked.
        detectable: The smallest difference that would have been claimed with a chance of 80%.
        higher: The run claimed to be higher; `better` likewise. Null where nothing is claimed.
        marked: Of an exploratory metric: the run that is ahead, where it is marked.
        answered: The share of these samples that each run answered.
        bounds: Way of counting missing answers -> the same counted so.
        text: The claim, or what cannot be claimed, in a sentence.
        missing: Of alignment runs: samples without a known score in either run.
        corrected: Of alignment runs: the difference with the judge's errors taken out.
        equivalence: Of a primary metric, where a margin was given.
    """

    label: str
    role: str
    better_is: str | None
    family: str
    tests: int
    q: float | None
    discordant: SideCounts | None
    detectable: float | None
    higher: str | None
    better: str | None
    marked: str | None
    answered: Sides | None
    bounds: dict[str, BoundedDifference]
    text: str
    missing: int
    equivalence: Equivalence | None
    corrected: JudgedRate | None
    not_corrected: str


class RunPair(View):
    """Two runs, and their metrics by path in ``metrics.json``."""

    first: str
    second: str
    metrics: dict[str, MetricRow]


class Rank(View):
    """A run's rank, and the interval of the ranks that it could have."""

    value: int
    low: int
    high: int


class LeaderboardRow(View):
    """A run in a ranking by one metric.

    Attributes:
        role: Of the metric; ranks of one that is exploratory are all left open.
    """

    run: str
    n: int
    value: Rate
    rank: Rank
    answered: Rate
    role: str


class RunAgreement(View):
    """How often two runs say the same, right or not, and Cohen's kappa."""

    first: str
    second: str
    n: int
    agreement: Rate
    kappa: Rate


class SharedAnswers(View):
    """Of `n` samples, those that all runs get right, and those that none does."""

    n: int
    all_right: Share
    all_wrong: Share


class ModalityAgreement(SharedAnswers):
    """The same of a modality, by family of patterns for the pair, and every two runs."""

    pairs: list[RunAgreement]
    families: dict[str, SharedAnswers]


class UnsafeAlone(View):
    """Runs whose models tell safe from unsafe only, and what follows for a comparison."""

    runs: list[str]
    reason: str


class DeclaredMetrics(View):
    """Which metrics decide, by path, and the margin of equivalence."""

    primary: list[str]
    secondary: list[str]
    margin: float | None


class ComparisonIntervals(View):
    """How intervals and tests were computed.

    Attributes:
        roles: What is known of the rows of a role, in words.
    """

    level: float
    claimed_below: float
    power: float
    method: dict[str, str]
    roles: dict[str, str]
    resampled: str
    replicates: int
    swaps: int
    seed: int


class RunSpending(View):
    """What one run cost, and what it scores.

    Attributes:
        score: The metric that runs are ranked by; undefined of alignment runs.
        per_1000: Money for 1,000 samples; `None` without a price, as `total` and `currency`.
        points_per_unit: Hundredths of the score for one unit of money spent on 1,000 samples.
        latency_s: Median seconds of a judgment's request.
        unbeaten_in_cost: Whether no other run is at least as good for less; `None` where that
            cannot be told. `unbeaten_in_latency` likewise.
    """

    score: Rate
    total: float | None
    per_1000: float | None
    currency: str | None
    points_per_unit: float | None
    latency_s: float | None
    unbeaten_in_cost: bool | None
    unbeaten_in_latency: bool | None


class Spending(View):
    """What the runs cost, by name, and the metric that their scores are of."""

    metric: str | None
    runs: dict[str, RunSpending]


class Comparison(View):
    """Runs compared on the samples that all of them have.

    Attributes:
        task: ``understanding`` or ``alignment``.
        runs: In the order given.
        asked: Modality or framing -> run -> judgments of these samples.
        answered: Modality or framing -> run -> the share of its questions that it answered.
        enough: The share answered below which a difference has to hold in every way of counting.
        declared: The metrics that decide.
        pairs: Every two runs.
        leaderboard: Path of a metric -> runs, best first; empty for two runs.
        agreement: By modality; of alignment runs, framing -> every two runs.
        unsafe_alone: Absent where every model gives every severity.
        cost: What the runs cost; absent where no price is known.
    """

    task: str
    dataset: ComparisonDataset
    runs: list[ComparisonRun]
    differences_in_setup: list[SetupDifference]
    samples: ComparisonSamples
    asked: dict[str, Counts]
    answered: dict[str, dict[str, Rate]]
    enough: float
    unsafe_alone: UnsafeAlone
    declared: DeclaredMetrics
    pairs: list[RunPair]
    leaderboard: dict[str, list[LeaderboardRow]]
    agreement: dict[str, ModalityAgreement | list[RunAgreement]]
    intervals: ComparisonIntervals
    cost: Spending
