"""Whether `vlsu build selection` corrects for what a pre-grader threw away, by simulation.

    python -m benchmarks.selection_coverage [--runs 50]

Images with one to three candidates each, of which 40% or 10% are what they were written for. A
pre-grader finds them with a chance of 80% and takes others for them with a chance of 20%; which is
kept is decided as `vlsu build grade` does, and people grade what is kept. Held to the truth are the
share of the target among all candidates, what the pre-grader misses, and its recall; beside them
the share among the samples as they are, which nobody should take for it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.writing import markdown, percent, write_report
from vlsu.build.grading.deciding import Grade, Grades, decide_candidates
from vlsu.build.grading.selection import Candidate, selection
from vlsu.policy import Pattern, Severity

TARGET = Pattern.parse("S-S-U")
#: Chance that the pre-grader sees a pair as it is.
RIGHT = 0.8


class World(NamedTuple):
    """What is simulated: images, the share drawn, and how many candidates are on target."""

    images: int
    unfiltered: float
    on_target: float


WORLDS = [
    World(images, unfiltered, on_target)
    for images in (200, 1000, 5000)
    for unfiltered in (0.05, 0.2)
    for on_target in (0.4, 0.1)
]


def candidates_of(world: World, seed: int) -> tuple[list[Candidate], list[tuple[bool, bool]]]:
    """Candidates as a build has them, and of each whether it is on target, and passes."""
    rng = random.Random(seed)
    other = {Severity.UNSAFE: Severity.BORDERLINE, Severity.BORDERLINE: Severity.UNSAFE}
    made, truth = [], []
    for _ in range(world.images):
        true = [
            Severity.UNSAFE if rng.random() < world.on_target else Severity.BORDERLINE
            for _ in range(rng.randint(1, 3))
        ]
        seen = [each if rng.random() < RIGHT else other[each] for each in true]
        safe = Grade(Severity.SAFE)
        verdicts = decide_candidates(
            [Grades(safe, safe, Grade(each)) for each in seen],
            TARGET,
            unfiltered=world.unfiltered,
            draw=rng.random(),
            pick=rng.random(),
            closed_by=lambda category, severity: None,
        )
        for t, s, verdict in zip(true, seen, verdicts, strict=True):
            made.append(
                Candidate(
                    target=TARGET,
                    category="C9",
                    severities=(Severity.SAFE, Severity.SAFE, s),
                    kept=verdict.kept,
                    unfiltered=bool(verdict.about.get("unfiltered")),
                    probability=verdict.about.get("probability"),
                    human=Pattern(Severity.SAFE, Severity.SAFE, t) if verdict.kept else None,
                )
            )
            truth.append((t is Severity.UNSAFE, s is Severity.UNSAFE))
    return made, truth


def simulated(world: World, runs: int) -> dict[str, Any]:
    """Mean errors and coverage over some builds."""
    errors: dict[str, list[float]] = {"kept": [], "all": [], "missed": [], "recall": []}
    held: dict[str, list[bool]] = {"all": [], "missed": [], "recall": []}
    unknown = 0
    for seed in range(runs):
        made, truth = candidates_of(world, seed)
        human = selection(made)["human"]
        share = human["shares"].get(str(TARGET), {"all": {"value": None}, "kept": {"value": 0.0}})
        if human["missed"]["value"] is None or share["all"]["value"] is None:
            unknown += 1  # nothing off target was drawn
            continue
        off = [good for good, passes in truth if not passes]
        passed = sum(good and passes for good, passes in truth)
        true = {
            "all": float(np.mean([good for good, _ in truth])),
            "missed": float(np.mean(off)),
            "recall": passed / sum(good for good, _ in truth),
        }
        errors["kept"].append(share["kept"]["value"] - true["all"])
        for name, rate in (
            ("all", share["all"]),
            ("missed", human["missed"]),
            ("recall", human["recall"]),
        ):
            errors[name].append(rate["value"] - true[name])
            held[name].append(rate["low"] <= true[name] <= rate["high"])
    return {
        "world": world,
        "unknown": unknown,
        "errors": {name: float(np.mean(each)) for name, each in errors.items()},
        "held": {name: float(np.mean(each)) for name, each in held.items()},
    }


def row(found: Mapping[str, Any]) -> tuple[object, ...]:
    """A row of the table."""
    world, errors, held = found["world"], found["errors"], found["held"]
    return (
        world.images,
        percent(world.unfiltered),
        percent(world.on_target),
        f"{100 * errors['kept']:+.1f}",
        f"{100 * errors['all']:+.1f}",
        *(percent(held[name]) for name in ("all", "missed", "recall")),
        found["unknown"],
    )


def report(runs: int) -> str:
    """The table."""
    columns = (
        *("images", "drawn, %", "on target, %", "error of the samples' share, points"),
        *("of the corrected one", "its interval holds, %", "that of missed", "of recall"),
        "unknown",
    )
    text = (
        f"# Selection effect\n\n{runs} builds each; intervals of 95%. unknown: builds in which "
        "nothing off target was drawn.\n\n"
    )
    return text + markdown(columns, [row(simulated(each, runs)) for each in WORLDS])


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    runs = parser.parse_args().runs
    write_report("selection_coverage", lambda: report(runs))


if __name__ == "__main__":
    main()
