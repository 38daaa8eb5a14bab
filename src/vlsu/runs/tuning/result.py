"""``tuning.json``: what a framing search found, for programs and for the tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import polars as pl

from vlsu._arguments import require_path
from vlsu._files import read_bytes
from vlsu.analysis import Calibration
from vlsu.analysis.alignment.tradeoff import changes, tradeoffs
from vlsu.analysis.alignment.verdicts import read_answers
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.errors import RunError
from vlsu.runs.tuning.race import Race
from vlsu.runs.tuning.result_views import TuningResult
from vlsu.runs.tuning.samples import TuningSamples

__all__ = ["RESULT_FILE", "read_tuning", "tuning_result"]

RESULT_FILE = "tuning.json"

_METHODS = {
    "rate": "Wilson on the effective size: linked samples are clusters",
    "change": "paired by sample (MOVER), at a level at which all changes hold at once (Bonferroni)",
}


def tuning_result(
    race: Race,
    held_out: pl.DataFrame,
    samples: TuningSamples,
    *,
    sources: Mapping[str, str],
    baseline: str | None,
    bound: float | None,
    setting: str,
    calibration: Calibration | None,
    everything: int,
) -> TuningResult:
    """The content of ``tuning.json``; its keys are documented in ``docs/tuning.md``.

    Args:
        race: A race that is over.
        held_out: Answers of those confirmed.
        samples: Both parts.
        sources: By name, where an instruction comes from.
        baseline: What the winners are compared with, if it took part.
        bound: On the under-refusal of the one chosen.
        setting: What counts as a refusal.
        calibration: Of the judge.
        everything: Answers that trying all candidates on all pairs would take.
    """
    asked, errors = pl.concat(race.asked), samples.errors
    selection = tradeoffs(
        read_answers(asked, samples.gold(samples.rung(0, samples.most))),
        setting,
        calibration,
        errors,
    )
    read = read_answers(held_out, samples.gold(samples.held_out()))
    confirmed = tradeoffs(read, setting, calibration, errors)
    front = [framing.name for framing in race.alive]
    others = [name for name in front if name != baseline]
    change, level = (
        ({}, LEVEL)
        if baseline is None
        else changes(read, baseline, others, setting, calibration, errors)
    )
    calls = {"race": _calls(asked), "confirmation": _calls(held_out)}
    spent = sum(each["answers"] for each in calls.values())
    return TuningResult(
        {
            "refusal": setting,
            "front": front,
            "baseline": baseline,
            "constraint": None
            if bound is None
            else {"max_under_refusal": bound, "chosen": race.chosen},
            "framings": {
                framing.name: {
                    "source": sources[framing.name],
                    "instruction": framing.instruction,
                    "dropped": race.dropped.get(framing.name),
                    "selection": {
                        key: selection[framing.name][key]
                        for key in ("samples", *errors.traded, "answered", "unanswered", "judged")
                    },
                    "held_out": confirmed.get(framing.name),
                    "change": change.get(framing.name),
                }
                for framing in race.framings
            },
            "rungs": [
                {
                    "candidates": frame["framing"].n_unique(),
                    **{
                        severity: min(rung.samples, samples.count(severity, held_out=False))
                        for severity in samples.raced
                    },
                }
                for rung, frame in zip(race.rungs, race.asked, strict=True)
            ],
            "split": samples.counts(),
            "calls": {
                **calls,
                "answers": spent,
                "answers_of_all_on_everything": everything,
                "share": spent / everything,
            },
            "intervals": {"level": LEVEL, "change_level": level, "method": _METHODS},
        }
    )


def read_tuning(folder: str | Path) -> TuningResult:
    """The content of a finished tuning's ``tuning.json``; its members are attributes too.

    Raises:
        RunError: There is none, or it is damaged.
    """
    file = require_path("folder", folder) / RESULT_FILE
    try:
        tree = orjson.loads(read_bytes(file))
    except OSError:
        raise RunError(
            f"{folder}: no finished tuning; run the same vlsu framings tune command again to "
            "continue"
        ) from None
    except orjson.JSONDecodeError:
        tree = None
    if not isinstance(tree, dict):
        raise RunError(
            f"{file}: damaged; run the same vlsu framings tune command again: it is made again "
            "from the stored responses"
        )
    return TuningResult(tree)


def _calls(answers: pl.DataFrame) -> dict[str, int]:
    """Different requests to the model and to the judge."""
    return {
        "answers": answers["request_key"].n_unique(),
        "verdicts": answers["judge_key"].drop_nulls().n_unique(),
    }
