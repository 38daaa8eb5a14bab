"""Validation of a judge against human labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from vlsu.analysis.alignment.calibration import (
    BinaryCounts,
    Calibration,
    kappa_rate,
    proportion,
    too_weak,
)
from vlsu.analysis.alignment.verdicts import (
    LABELS,
    NOT_JUDGED,
    label_scores,
    read_verdicts,
    verdict_scores,
)
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.columns import Frame, columns, require
from vlsu.errors import DataError, RunError
from vlsu.policy import REFUSAL_KINDS, Outcome, ResponseKind

__all__ = ["calibrate", "judge_validation"]

_BINARY = ("refusal", "no_refusal")
_KINDS = tuple(kind.value for kind in ResponseKind)
_NONE = "none"
#: What ``refusal`` means in `vlsu.analysis.alignment_metrics` by default.
_HEADLINE = "strict"


def judge_validation(
    labels: Frame, predictions: Frame, *, seed: int = 0, replicates: int = 2000
) -> dict[str, object]:
    """A judge compared with human labels, each rate with its 95% interval.

    A label ``refusal`` or ``no_refusal`` is the truth in both settings; a response kind is a
    refusal in those settings that count it (`REFUSAL_KINDS`). Answers labelled ``empty``, or that
    the judge calls so, are neither and enter the confusion alone. Answers on which the judge failed
    are in no rate: they are counted in ``missing`` and, by how it failed, in ``outcomes``.

    Keys of the result (plain Python, ready for JSON): ``n`` labelled answers; ``missing``;
    ``outcomes`` of the judge; ``labels`` (label -> answers);

    - ``strict``, ``lenient``: ``n``, ``tp``, ``fn``, ``tn``, ``fp``, ``sensitivity``,
      ``specificity``, ``precision``, ``f1`` (of refusal), ``youden`` (sensitivity + specificity -
      1), ``kappa``, ``too_weak`` (why the judge cannot correct rates, or `None`).
    - ``refusal``: the setting whose ``sensitivity``, ``specificity`` and ``kappa`` stand at the top
      too, as it is what ``refusal`` means in the metrics of a run.
    - ``refusal_only``: the measures of ``strict`` but for ``too_weak``, where nothing counts but a
      `bare_refusal`; for labels of that narrow notion. `None` where the judge names no kinds.
    - ``by_label``: of the answers of each label, the share called a refusal in either setting.
    - ``confusion``: label -> the judge's kind -> answers, ``none`` where it named no kind.
    - ``kinds``: over answers whose label is a kind and whose judgment names one, ``n``,
      ``agreement``, ``kappa``, and for each kind ``support``, ``precision``, ``recall``, ``f1``.
    - ``by_language``, ``by_group``: ``strict`` and ``lenient`` as above for each.

    Wilson's interval for shares; F1 by Wilson on TP / (TP + FP + FN); kappa by the bootstrap, see
    `vlsu.analysis.alignment.calibration.kappa_rate`; Youden's J by Newcombe (1998).

    Args:
        labels: One row per answer: `id`, `label` (``refusal``, ``no_refusal`` or a response kind)
            and, where present, `language`, `group`.
        predictions: One row per labelled answer: `id`, `judge_outcome`, `refused_strict`,
            `refused_lenient` and, where present, `kind`.
        seed: Of the bootstrap of kappa.
        replicates: Its replicates.

    Raises:
        DataError: The labels cannot be used; the message names the answer.
        RunError: The predictions cannot be used, or do not cover the labels.
    """
    answers = _matched(labels, predictions)
    draws = {"seed": seed, "replicates": replicates}
    settings = {s: _setting(_binary(answers, s), **draws) for s in REFUSAL_KINDS}
    return {
        "n": answers.height,
        "missing": _missing(answers),
        "outcomes": _counts(answers["judge_outcome"], (*Outcome, NOT_JUDGED)),
        "labels": _counts(answers["label"], LABELS),
        "refusal": _HEADLINE,
        **{name: settings[_HEADLINE][name] for name in ("sensitivity", "specificity", "kappa")},
        **settings,
        "refusal_only": _refusal_only(answers, **draws),
        "by_label": _by_label(answers),
        "confusion": _confusion(answers),
        "kinds": _by_kind(answers, **draws),
        **{
            f"by_{column}": {
                name: {s: _setting(_binary(part, s), **draws) for s in REFUSAL_KINDS}
                for name, part in _parts(answers, column).items()
            }
            for column in ("language", "group")
        },
        "intervals": {"level": LEVEL, **draws},
    }


def calibrate(labels: Frame, predictions: Frame, judge: str) -> Calibration:
    """The calibration of a judge by human labels; arguments and errors as `judge_validation`.

    Args:
        labels: See there.
        predictions: See there.
        judge: Fingerprint of the judge.
    """
    answers = _matched(labels, predictions)
    parts = {
        column: {
            name: {s: _binary(part, s) for s in REFUSAL_KINDS}
            for name, part in _parts(answers, column).items()
        }
        for column in ("language", "group")
    }
    return Calibration(
        judge=judge,
        strict=_binary(answers, "strict"),
        lenient=_binary(answers, "lenient"),
        by_language=parts["language"],
        by_group=parts["group"],
        missing=_missing(answers),
    )


def _matched(labels: Frame, predictions: Frame) -> pl.DataFrame:
    """Labels and verdicts by answer; `label_<setting>`, `refused_<setting>` are 0, 1 or null."""
    labelled = columns(labels, DataError, "labels", ("id", "label"), ("language", "group"))
    require(
        labelled,
        ~pl.col("label").is_in(LABELS).fill_null(value=False),
        lambda r: DataError(
            f"answer {r['id']!r}: label {r['label']!r} is none of {', '.join(LABELS)}"
        ),
    )
    require(
        labelled,
        pl.col("id").is_duplicated(),
        lambda r: DataError(f"answer {r['id']!r} is labelled twice; keep one label"),
    )
    judged = read_verdicts(predictions, ("id",))
    require(
        judged,
        pl.col("id").is_duplicated(),
        lambda r: RunError(f"answer {r['id']!r} has more than one verdict; keep one"),
    )
    require(
        labelled.join(judged, on="id", how="anti"),
        pl.lit(value=True),
        lambda r: RunError(f"answer {r['id']!r} is labelled but has no verdict, not even a failed"),
    )
    return labelled.join(judged, on="id", maintain_order="left").with_columns(
        pl.col("judge_outcome").fill_null(NOT_JUDGED), **label_scores("label"), **verdict_scores()
    )


def _binary(answers: pl.DataFrame, setting: str) -> BinaryCounts:
    label, verdict = f"label_{setting}", f"refused_{setting}"
    known = answers.select(label, verdict).drop_nulls().cast(pl.Int64)
    return BinaryCounts.from_labels(known[label].to_numpy(), known[verdict].to_numpy())


def _setting(counts: BinaryCounts, *, seed: int, replicates: int) -> dict[str, object]:
    measures = _measures(counts, seed=seed, replicates=replicates)
    return {**measures, "too_weak": too_weak(counts)}


def _refusal_only(answers: pl.DataFrame, *, seed: int, replicates: int) -> dict[str, object] | None:
    bare = ResponseKind.BARE_REFUSAL.value
    known = answers.filter(
        pl.col("kind").is_not_null(),
        pl.all_horizontal(pl.col("label", "kind") != ResponseKind.EMPTY.value),
    )
    if not known.height:
        return None
    counts = BinaryCounts.from_labels(
        known["label"].is_in(["refusal", bare]).cast(pl.Int64).to_numpy(),
        (known["kind"] == bare).cast(pl.Int64).to_numpy(),
    )
    return _measures(counts, seed=seed, replicates=replicates)


def _measures(counts: BinaryCounts, *, seed: int, replicates: int) -> dict[str, object]:
    return {
        "n": counts.n,
        **counts.to_dict(),
        "sensitivity": counts.sensitivity.as_dict(),
        "specificity": counts.specificity.as_dict(),
        "precision": counts.precision.as_dict(),
        "f1": counts.f1.as_dict(),
        "youden": counts.youden.as_dict(),
        "kappa": counts.kappa(seed=seed, replicates=replicates).as_dict(),
    }


def _missing(answers: pl.DataFrame) -> int:
    return answers.filter(pl.col("judge_outcome") != Outcome.OK.value).height


def _by_label(answers: pl.DataFrame) -> dict[str, object]:
    table: dict[str, object] = {}
    for label in LABELS:
        part = answers.filter(pl.col("label") == label)
        if part.height:
            calls = {s: part[f"refused_{s}"].drop_nulls() for s in REFUSAL_KINDS}
            table[label] = {
                "n": part.height,
                **{
                    f"called_refusal_{s}": proportion(int(c.sum()), len(c)).as_dict()
                    for s, c in calls.items()
                },
            }
    return table


def _confusion(answers: pl.DataFrame) -> dict[str, dict[str, int]]:
    named = answers.with_columns(pl.col("kind").fill_null(_NONE))
    return {
        label: _counts(named.filter(pl.col("label") == label)["kind"], (*_KINDS, _NONE))
        for label in LABELS
        if (named["label"] == label).any()
    }


def _by_kind(answers: pl.DataFrame, *, seed: int, replicates: int) -> dict[str, object]:
    both = answers.filter(~pl.col("label").is_in(_BINARY), pl.col("kind").is_not_null())
    numbers = {kind: number for number, kind in enumerate(_KINDS)}
    label, verdict = (
        both[column].replace_strict(numbers, return_dtype=pl.Int64).to_numpy()
        for column in ("label", "kind")
    )
    size = len(_KINDS)
    table = np.bincount(label * size + verdict, minlength=size**2).reshape(size, size)
    classes = {}
    for kind, number in numbers.items():
        tp, support = int(table[number, number]), int(table[number].sum())
        counts = BinaryCounts(tp=tp, fn=support - tp, fp=int(table[:, number].sum()) - tp, tn=0)
        classes[kind] = {
            "support": support,
            "precision": counts.precision.as_dict(),
            "recall": counts.sensitivity.as_dict(),
            "f1": counts.f1.as_dict(),
        }
    return {
        "n": both.height,
        "agreement": proportion(int(np.trace(table)), both.height).as_dict(),
        "kappa": kappa_rate(table, seed=seed, replicates=replicates).as_dict(),
        "classes": classes,
    }


def _parts(answers: pl.DataFrame, column: str) -> dict[str, pl.DataFrame]:
    """Answers by language or group, those without one left out."""
    parts = answers.drop_nulls(column).partition_by(column, as_dict=True)
    return {str(name): part for (name,), part in sorted(parts.items(), key=lambda item: item[0])}


def _counts(values: pl.Series, names: tuple[str, ...]) -> dict[str, int]:
    found: Mapping[str, int] = dict(values.value_counts().iter_rows())
    return {str(name): found.get(str(name), 0) for name in names}
