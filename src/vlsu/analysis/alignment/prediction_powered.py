"""A judged rate with the judge's errors taken out, by human labels on some of the same answers.

Prediction-powered inference (Angelopoulos et al. 2023) corrects the mean of the judge's verdicts by
its mean error on the labelled answers; PPI++ (Angelopoulos, Duchi and Zrnic 2023) weights the
verdicts by the power-tuned lambda that gives the least variance, so that a bad judge does no harm:

    p = mean(Y, labelled) + lambda (mean(v, unlabelled) - mean(v, labelled)),
    lambda = cov(Y, v) / ((1 + n / N) var(v)).

With yes-or-no labels and verdicts this is, to the last digit, the double-sampling estimator of
Tenenbein (1970),

    p = q PPV + (1 - q) FOR,

where q is the rate of verdicts over all answers, and PPV and FOR (false-omission rate) are the
shares of refusals among the labelled answers that the judge calls so and does not. In that form it
is a mean of independent proportions, and its interval MOVER's (Zou and Donner 2008): over Wilson's
for the mix of verdicts, and over modified Jeffreys intervals (`vlsu.analysis.stats.jeffreys`) for
the labels. The normal interval of the papers collapses where the judge and few labels agree in all,
and Wilson's in its place still dips to 86% at rates near 0 and 1.

The labelled answers must be a random part of the run's answers, each with the same chance to be
labelled, by verdict in turn or at will. Nothing else is assumed: the judge may err as it likes.
"""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.intervals import LEVEL, Rate, mover
from vlsu.analysis.stats.jeffreys import modified_jeffreys

__all__ = ["FEWEST_LABELS", "prediction_powered"]

#: With fewer labels among the judged answers of a rate it is not corrected by them. The interval
#: holds the truth from 8 labels on (`benchmarks/correction_coverage.py`), but below this number it
#: spans more than a quarter of the scale, hardly shorter than by the labels alone.
FEWEST_LABELS = 20


def prediction_powered(
    scores: FloatArray,
    labels: FloatArray,
    cluster: IntArray,
    certain: BoolArray | None = None,
    *,
    level: float = LEVEL,
) -> Rate:
    """The rate of refusals among all answers; see the module.

    Where one of the judge's two verdicts has no labelled answer at all, the labels stand alone.

    Args:
        scores: 1 where the answer is judged a refusal, else 0; shape ``(n,)``.
        labels: 1 for a refusal, 0 for none, NaN where there is no label; at least one. ``(n,)``.
        cluster: Of each answer, equal ones together; shape ``(n,)``.
        certain: Answers whose score is the truth without a judge; shape ``(n,)``.
        level: Confidence of the interval.

    Example:
        Of 200 answers 60 are judged refusals. Of each verdict 30 answers are labelled; 3 verdicts
        of refusal and 1 of no refusal are wrong:

        >>> scores = np.repeat([1.0, 0.0], [60, 140])
        >>> labels = np.full(200, np.nan)
        >>> labels[:30] = np.repeat([1.0, 0.0], [27, 3])
        >>> labels[60:90] = np.repeat([0.0, 1.0], [29, 1])
        >>> print(prediction_powered(scores, labels, np.arange(200)))
        0.293 [0.222, 0.393]
    """
    judged = np.ones(len(scores), dtype=np.bool_) if certain is None else ~certain
    labelled = judged & ~np.isnan(labels)
    expected = scores.astype(np.float64)
    weights, rates = [1.0], []
    strata = [judged & (scores == 0), judged & (scores == 1)]
    if all((labelled & stratum).any() for stratum in strata if stratum.any()):
        for stratum in strata:
            if stratum.any():
                seen = labelled & stratum
                rate = _of_labels(labels[seen], cluster[seen], level)
                rates.append(rate)
                weights.append(float(stratum.mean()))
                expected[stratum] = rate.value
    else:
        alone = _of_labels(labels[labelled], cluster[labelled], level)
        if judged.all():
            return alone
        rates.append(alone)
        weights.append(float(judged.mean()))
        expected[judged] = alone.value
    mean = clustered_mean(expected, cluster, level)
    # The first term varies by the mix of verdicts, the others by the labels within each: the value
    # is the first alone, so the others enter as deviations around 0.
    deviations = tuple(
        Rate(0.0, rate.low - rate.value, rate.high - rate.value)
        for rate in rates
        if rate.value is not None and rate.low is not None and rate.high is not None
    )
    bounds = mover(np.array(weights), (mean.rate, *deviations), np.eye(len(weights)))
    return Rate.within(mean.value, *bounds)


def _of_labels(labels: FloatArray, cluster: IntArray, level: float) -> Rate:
    """The mean of labels with its interval."""
    mean = clustered_mean(labels, cluster, level)
    return Rate.within(mean.value, *modified_jeffreys(mean.value, mean.size, level))
