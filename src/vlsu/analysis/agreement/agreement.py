"""Agreement between graders: how much, between whom, on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl

from vlsu.analysis.agreement.findings import notes
from vlsu.analysis.agreement.graders import (
    confused_labels,
    grader_pairs,
    grader_table,
    split_units,
)
from vlsu.analysis.agreement.grades import UNSURE, Grades, grades_from_frame
from vlsu.analysis.agreement.oracle import Consensus, Ties, compare_with_consensus, oracle_metrics
from vlsu.analysis.agreement.redrawn import UnitAnswers
from vlsu.analysis.agreement.results import Agreement
from vlsu.analysis.agreement.scope import Bootstrap, unit_agreement
from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.stats.intervals import LEVEL, plain
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.table.estimator import THIN
from vlsu.analysis.table.patterns import natural_order
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES

__all__ = ["OVER", "Over", "grader_agreement"]

#: What intervals are over.
Over = Literal["items", "graders,items"]
OVER: tuple[Over, ...] = get_args(Over)

#: Graders of whom one can be left out.
_FEWEST = 3

_METHODS = {
    "percent_agreement, unanimous, accuracy, not_sure, harsher, milder": (
        "Wilson on the effective number of items"
    ),
    "bias": "MOVER over harsher and milder",
    "coefficients": (
        "percentile bootstrap over items; if thin, Wilson on the agreement at fixed chance"
    ),
}

_REDRAWN = {
    "percent_agreement": "Wilson on the size that variance over items and graders is worth; "
    "jackknife over graders",
    "coefficients": "Student's t on the logarithm of observed over expected disagreement; variance "
    "over items by the bootstrap and over graders by the jackknife",
    "oracle": "Student's t; answers of an item and those of a grader are crossed clusters",
    "pairs, graders, unanimous": "as above, over items",
}


def grader_agreement(
    grades: Frame | Grades,
    *,
    order: Sequence[str] = (),
    nominal: bool = False,
    modality: str = "joint",
    consensus: Consensus = "others",
    ties: Ties = "random",
    split: int = 20,
    over: Over = "items",
    seed: int = 0,
    replicates: int = 2000,
    source: str = "the grades",
    references: bool = True,
) -> Agreement:
    """How far graders agree; every key is in ``docs/agreement.md``.

    `not_sure` is an answer and no grade: counted for each grader, in the confusions of pairs, a
    miss in the oracle, and left out of every coefficient.

    Args:
        grades: A row an answer: `item`, `grader`, `grade` (null is no answer), and where present
            `modality`, `category`, `line`. Or what `grades_from_frame` made of them by the same
            `order` and `nominal`, so that they need not be kept.
        order: The labels, mildest first; by default safe, borderline, unsafe if all answers are
            these, and no order otherwise.
        nominal: Take any labels, in no order.
        modality: That of grades without one.
        consensus: ``"others"`` or ``"all"``; see
            `vlsu.analysis.agreement.oracle.compare_with_consensus`.
        ties: ``"random"``, ``"worse"`` or ``"drop"``; see there.
        split: How many of the most divided items to name.
        over: ``"items"``: intervals show how figures would change with other items, graded by the
            same graders. ``"graders,items"``: with other graders too, for the agreement of all
            graders and the oracle; what is of one or two of them remains over items.
        seed: Of the bootstrap, and of ties.
        replicates: Of the bootstrap, at least 1.
        source: What to call the grades in messages.
        references: Whether to give ``oracle.references``, an entry an item.

    Returns:
        A mapping ready for JSON, whose members are attributes too; the same for any order of the
        rows.

    Raises:
        UsageError: An argument is out of range.
        DataError: The grades cannot be used; the message names the line.
    """
    if replicates < 1:
        raise UsageError(f"replicates is {replicates}; give at least 1")
    if seed < 0:
        raise UsageError(f"seed is {seed}; give 0 or more")
    if modality not in MODALITIES:
        raise UsageError(f"unknown modality {modality!r}; use {', '.join(MODALITIES)}")
    if isinstance(grades, Grades):
        read = grades
    else:
        read = grades_from_frame(grades, order=order, nominal=nominal, source=source)
    if ties == "worse" and not read.ordinal:
        raise UsageError("ties to the worse need labels with an order; give --order")
    bootstrap = Bootstrap(replicates, seed)
    answers = None
    if over == "graders,items":
        if len(read.graders) < _FEWEST:
            raise UsageError(
                f"{source}: {len(read.graders)} graders do not show how others would agree; "
                f"intervals over graders need {_FEWEST} or more, so leave --over graders,items out"
            )
        graded = read.graded.sort("grader", "unit")
        answers = UnitAnswers(*(graded[name].to_numpy() for name in ("unit", "grader", "code")))
    comparisons = compare_with_consensus(read, consensus="others", ties=ties, seed=seed)
    whole, counts = np.full(read.units.height, True), read.counts()

    def agreement(inside: BoolArray, name: str) -> dict[str, object]:
        return unit_agreement(
            counts[inside],
            read.item[inside],
            ordinal=read.ordinal,
            name=name,
            bootstrap=bootstrap,
            answers=None if answers is None else answers.of_units(np.flatnonzero(inside)),
        )

    tree: dict[str, object] = {
        "labels": list(read.labels),
        "ordinal": read.ordinal,
        "counts": _counts(read),
        "overall": agreement(whole, "overall"),
    }
    if read.units["modality"].is_not_null().any():
        tree["modalities"] = {
            m: agreement(_equal(read, "modality", m), f"modalities.{m}")
            for m in MODALITIES
            if m in read.units["modality"]
        }
    categories = read.units["category"].drop_nulls().unique().to_list()
    if categories:
        tree["categories"] = {
            c: agreement(_equal(read, "category", c), f"categories.{c}")
            for c in sorted(categories, key=natural_order)
        }
    tree |= {
        "pairs": grader_pairs(read, bootstrap),
        "graders": grader_table(read, comparisons),
        "confused": confused_labels(read),
        "split": split_units(read, split),
        "oracle": oracle_metrics(
            read,
            modality=modality,
            consensus=consensus,
            ties=ties,
            other_graders=answers is not None,
            seed=seed,
            replicates=replicates,
            comparisons=comparisons if consensus == "others" else None,
            references=references,
        ),
    }
    tree["intervals"] = {
        "level": LEVEL,
        "method": _METHODS | ({} if answers is None else _REDRAWN),
        "thin_below": THIN,
        "thin": sorted(bootstrap.thin),
        "resampled": over,
        "replicates": replicates,
        "seed": seed,
    }
    oracle = tree["oracle"]
    assert isinstance(oracle, dict)
    # Texts, an entry an item: they hold no rate to look for.
    texts = {name: oracle[name] for name in ("references",) if name in oracle}
    tree["oracle"] = {}  # in its place
    made = plain(tree)
    made["oracle"] = plain(oracle | dict.fromkeys(texts)) | texts
    return Agreement(made | {"notes": notes(read, made)})


def _counts(read: Grades) -> dict[str, object]:
    graded = np.bincount(read.graded["unit"].to_numpy(), minlength=read.units.height)
    unsure = read.answers.filter(pl.col("code") == UNSURE).height
    return {
        "items": read.items,
        "units": read.units.height,
        "graders": len(read.graders),
        "answers": read.answers.height,
        "not_sure": unsure,
        "paired": int((graded > 1).sum()),
        "grades": dict(zip(read.labels, read.counts().sum(axis=0).tolist(), strict=True)),
    }


def _equal(read: Grades, column: str, value: str) -> BoolArray:
    equal: BoolArray = read.units[column].eq_missing(value).to_numpy()
    return equal
