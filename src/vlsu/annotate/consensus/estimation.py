"""Estimates of the true label that weigh graders by how well they agree: Dawid-Skene and MACE.

Both stand beside the majority and decide nothing. Implemented here in NumPy, since the library that
has them (crowd-kit, which the tests compare these to) brings a language-model library with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answers", "Estimate", "dawid_skene", "mace"]

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]
#: Probabilities are not estimated below this, so that one answer excludes no label for ever.
_LEAST = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers as numbers: of item `item[n]`, by grader `grader[n]`, the label `label[n]`.

    Attributes:
        item: From 0; each item has an answer.
        grader: From 0; each grader has one.
        label: From 0, below `labels`.
        labels: How many labels there are.
    """

    item: _Integers
    grader: _Integers
    label: _Integers
    labels: int

    @classmethod
    def of(
        cls, item: Sequence[int], grader: Sequence[int], label: Sequence[int], labels: int
    ) -> Answers:
        """From lists.

        Raises:
            ValueError: They differ in length, are empty, or a label is out of range.
        """
        items, graders, given = (np.asarray(each, np.int64) for each in (item, grader, label))
        made = cls(items, graders, given, labels)
        if not (made.item.size == made.grader.size == made.label.size) or not made.item.size:
            raise ValueError("item, grader and label are as many, and at least one")
        if made.label.min() < 0 or made.label.max() >= labels:
            raise ValueError(f"labels are from 0 to {labels - 1}")
        return made


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What a model estimates.

    Attributes:
        probabilities: Of each label for each item; shape ``(items, labels)``.
        competence: Of each grader, from 0 to 1: the probability of the true label, over labels as
            frequent as estimated (Dawid-Skene), or of not guessing (MACE); shape ``(graders,)``.
    """

    probabilities: _Floats
    competence: _Floats

    @property
    def labels(self) -> _Integers:
        """The most probable label of each item; shape ``(items,)``."""
        most: _Integers = self.probabilities.argmax(axis=1)
        return most


def dawid_skene(answers: Answers, *, iterations: int = 100, tolerance: float = 1e-5) -> Estimate:
    """Dawid and Skene (1979): each grader has a table of errors, estimated with the labels by EM.

    Args:
        answers: At least one; a grader may have several of an item.
        iterations: At most.
        tolerance: Change of the largest probability at which it ends.

    Example:
        Graders 0 and 1 agree on all items, grader 2 mostly gives the other label:

        >>> answers = Answers.of([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2] * 3,
        ...                      [0, 0, 1, 1, 1, 0, 1, 1, 0], 2)
        >>> dawid_skene(answers).labels.tolist()
        [0, 1, 1]
    """
    items, graders = _counts(answers)
    posterior = np.zeros((items, answers.labels))
    np.add.at(posterior, (answers.item, answers.label), 1.0)
    posterior /= posterior.sum(axis=1, keepdims=True)
    for _ in range(iterations):
        prior = np.maximum(posterior.mean(axis=0), _LEAST)
        errors = np.zeros((graders, answers.labels, answers.labels))  # grader, given, true
        np.add.at(errors, (answers.grader, answers.label), posterior[answers.item])
        errors = np.maximum(errors, _LEAST)
        errors /= errors.sum(axis=1, keepdims=True)
        logs = np.tile(np.log(prior), (items, 1))
        np.add.at(logs, answers.item, np.log(errors[answers.grader, answers.label]))
        before, posterior = posterior, _normalised_exp(logs)
        if np.abs(posterior - before).max() < tolerance:
            break
    prior = posterior.mean(axis=0)
    correct = np.einsum("gkk,k->g", errors, prior)
    return Estimate(posterior, correct)


def mace(
    answers: Answers,
    *,
    iterations: int = 50,
    restarts: int = 10,
    seed: int = 0,
    alpha: float = 0.5,
    beta: float = 0.5,
    strategy: float = 10.0,
) -> Estimate:
    """MACE (Hovy et al. 2013), by variational Bayes: a grader either knows the label or guesses.

    Of the restarts that with the largest marginal likelihood is taken.

    Args:
        answers: At least one.
        iterations: Of each restart.
        restarts: From other starting points.
        seed: Of the starting points.
        alpha: Prior count of guessing.
        beta: Prior count of knowing.
        strategy: Prior count of each label among a grader's guesses.
    """
    items, graders = _counts(answers)
    random = np.random.default_rng(seed)
    best: tuple[float, Estimate] | None = None
    for _ in range(restarts):
        knows = _start(random, (graders, 2))[:, 1]
        guesses = _start(random, (graders, answers.labels))
        spam = 1 - knows
        for round_ in range(iterations + 1):
            given_guess = (spam[answers.grader] * guesses[answers.grader, answers.label])[:, None]
            hit = answers.label[:, None] == np.arange(answers.labels)
            of_answer = given_guess + knows[answers.grader, None] * hit
            logs = np.full((items, answers.labels), -np.log(answers.labels))
            np.add.at(logs, answers.item, np.log(np.maximum(of_answer, 1e-300)))
            top = logs.max(axis=1, keepdims=True)
            likelihood = float((top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))).sum())
            posterior = _normalised_exp(logs)
            if round_ == iterations:
                break
            share = given_guess / np.maximum(of_answer, 1e-300)
            guessed = (posterior[answers.item] * share).sum(axis=1)
            by_label = np.zeros((graders, answers.labels))
            np.add.at(by_label, (answers.grader, answers.label), guessed)
            known = np.bincount(answers.grader, weights=1 - guessed, minlength=graders)
            counts = np.stack([by_label.sum(axis=1) + alpha, known + beta], axis=1)
            spam, knows = _expected(counts).T
            guesses = _expected(by_label + strategy)
        if best is None or likelihood > best[0]:
            best = likelihood, Estimate(posterior, knows / (knows + spam))
    assert best is not None
    return best[1]


def _counts(answers: Answers) -> tuple[int, int]:
    return int(answers.item.max()) + 1, int(answers.grader.max()) + 1


def _start(random: np.random.Generator, shape: tuple[int, int]) -> _Floats:
    drawn = random.uniform(1.0, 1.5, shape)
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def _normalised_exp(logs: _Floats) -> _Floats:
    values = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def _expected(counts: _Floats) -> _Floats:
    """Exponential of the expected logarithm of shares under a Dirichlet with these counts."""
    whole = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.exp(_digamma(counts) - _digamma(whole)))


def _digamma(x: _Floats) -> _Floats:
    """The digamma function of positive numbers (Abramowitz and Stegun 1964, 6.3.5 and 6.3.18)."""
    x = np.array(x, dtype=np.float64)
    result = np.zeros_like(x)
    for _ in range(6):
        small = x < 6
        result = np.where(small, result - 1 / x, result)
        x = np.where(small, x + 1, x)
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return np.asarray(result + np.log(x) - 0.5 / x - series)
