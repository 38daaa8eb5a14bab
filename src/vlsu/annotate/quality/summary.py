"""The quality of a project's grades: by grader, by modality and category, by unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from vlsu.analysis.stats.intervals import Rate, plain
from vlsu.annotate.projects.project import Project
from vlsu.annotate.quality.frames import Work, read_work
from vlsu.annotate.quality.scores import agreement_scores, change, mean_score, share
from vlsu.annotate.quality.speed import flagged, median_seconds, too_fast
from vlsu.annotate.quality.units import agreement, estimates, splits
from vlsu.policy import NOT_SURE

__all__ = ["graders", "summary"]


def summary(project: Project, *, most: int = 20) -> dict[str, Any]:
    """The quality of a project's grades, ready for JSON; the keys are in docs/annotate-design.md.

    Args:
        project: Opened.
        most: Splits to name at most.

    Raises:
        VlsuError: The database or the dataset cannot be used.
    """
    with project.database.read() as connection:
        work = read_work(connection)
    texts = project.dataset().frame().select("id", pl.col("text").str.len_chars().fill_null(0))
    models = estimates(work.grades)
    found: dict[str, object] = {
        "graders": graders(work, dict(texts.collect().iter_rows()), models),
        "agreement": agreement(work.grades),
        "splits": splits(work.grades, most),
        "models": models,
    }
    return plain(found)


def graders(
    work: Work, lengths: Mapping[str, int], models: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What is known of each grader, in the order of their names.

    Args:
        work: What graders did.
        lengths: Item -> characters of its text.
        models: See `vlsu.annotate.quality.units.estimates`.
    """
    scored = agreement_scores(work.grades)
    return [
        _grader(about, work, scored, lengths, models) for about in work.people.iter_rows(named=True)
    ]


def _grader(
    about: Mapping[str, Any],
    work: Work,
    scored: pl.DataFrame,
    lengths: Mapping[str, int],
    models: Mapping[str, Any],
) -> dict[str, Any]:
    own = pl.col("grader") == about["grader"]
    grades, repeats, scores = work.grades.filter(own), work.repeats.filter(own), scored.filter(own)
    known = work.known.filter(own).with_columns(
        score=(pl.col("grade") == pl.col("truth")).cast(pl.Float64)
    )
    hidden, training = (known.filter(pl.col("kind") == kind) for kind in ("gold", "training"))
    fast = too_fast(grades, lengths)
    same = int((repeats["grade"] == repeats["before"]).sum())
    return {
        "name": about["name"],
        "pseudonym": about["grader"],
        "paused": about["paused"],
        "done": grades.height,
        "training": {
            "answers": training.height,
            "right": int(training["score"].sum()),
            "passed": about["trained"],
        },
        "known": hidden.height,
        "accuracy": _of_known(hidden),
        "repeats": repeats.height,
        "self_agreement": share(same, repeats.height),
        "agreement": mean_score(scores),
        "drift": {"accuracy": change(hidden, _of_known), "agreement": change(scores)},
        "not_sure": share(int((grades["grade"] == NOT_SURE).sum()), grades.height),
        "seconds": median_seconds(grades),
        "too_fast": fast,
        "flagged": flagged(fast),
        "reliability": {
            name: tree["reliability"].get(about["grader"], {}) for name, tree in models.items()
        },
    }


def _of_known(answers: pl.DataFrame) -> Rate | None:
    """Accuracy on known items; `not_sure` is not right."""
    return share(int(answers["score"].sum()), answers.height)
