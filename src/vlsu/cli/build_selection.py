"""``vlsu build selection``: what the pre-grader let through and threw away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.rates import rate_text

__all__: list[str] = []

_MEANING = (
    "precision: of what the pre-grader finds on target, what people do; missed: the same of what "
    "it finds off target; recall: of what people find on target, what it lets through. Each with "
    "its 95% interval."
)


@app.command("selection")
def selection(
    build: Folder,
    graded: Annotated[
        Path | None,
        typer.Argument(metavar="D", help="The assembled dataset with grades by people."),
    ] = None,
    json: Json = False,
) -> None:
    """What the pre-grader let through and threw away, and what that does to the benchmark.

    With grades by people, its errors, and the shares of the patterns among all candidates: as they
    would be had it chosen nothing.
    """
    from vlsu.build.folder.build import open_build
    from vlsu.build.grading.candidates import HumanGrades, candidates, human_grades
    from vlsu.build.grading.selection import selection as selection_of
    from vlsu.cli.output import print_json, say
    from vlsu.data import load

    opened = open_build(build)
    humans = HumanGrades({}, 0) if graded is None else human_grades(load(graded))
    with opened.store(read_only=True) as store:
        found = selection_of(candidates(store, humans.patterns))
    if graded is not None:
        found["without_human_grades"] = humans.without
    if json:
        print_json(found)
    else:
        _print(build, found)
    if graded is not None and found["human"] is None:
        say(f"{graded}: no sample with three grades is one of {build}; give its graded dataset")


def _print(build: Path, found: Mapping[str, Any]) -> None:
    from vlsu.build.grading.selection import reasons
    from vlsu.cli.output import print_table, print_text

    if not found["candidates"]:
        print_text(f"{build}: nothing is pre-graded yet; see vlsu build grade")
        return
    print_table(
        f"{build}: pre-graded candidates",
        ("pattern", "graded", "on target", "kept", "most are"),
        [_of_pattern(target, cells, found) for target, cells in found["cells"].items()],
    )
    lost = list(reasons(found).items())
    if lost:
        print_table("Given up", ("reason", "candidates"), lost)
    drawn = found["unfiltered"]
    line = f"kept whatever their grades: {drawn['drawn']}, {drawn['off_target']} of them off target"
    of_all, weighted = (rate_text(drawn[name]) for name in ("of_all", "share"))
    print_text(
        f"{line}; off target of all candidates: {of_all}, by the samples alone, each weighted: "
        f"{weighted}"
    )
    if (human := found["human"]) is None:
        return
    print_table(
        "The pre-grader against people",
        ("pattern", "on target", "off target", "precision", "missed", "recall"),
        [_errors("all", human), *(_errors(*each) for each in human["by_pattern"].items())],
        _MEANING,
    )
    print_table("Right, of all candidates", ("what", "share"), list(_accuracy(human)))
    print_table(
        "Patterns by human grades",
        ("pattern", "of the samples", "of all candidates"),
        [
            (pattern, rate_text(each["kept"]), rate_text(each["all"]))
            for pattern, each in human["shares"].items()
        ],
    )
    thrown = human["thrown_away"]
    if thrown["value"] is not None:
        low, high = thrown["low"], thrown["high"]
        print_text(
            f"on target by people and thrown away: about {thrown['value']:.0f} [{low:.0f}, "
            f"{high:.0f}] candidates"
        )


def _of_pattern(
    target: str, cells: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[object, ...]:
    sums = [sum(c[name] for c in cells.values()) for name in ("graded", "on_target", "kept")]
    pattern, count = next(iter(found["graded"][target].items()))
    return (target, *sums, f"{pattern} ({count})")


def _errors(name: str, tree: Mapping[str, Any]) -> tuple[object, ...]:
    rates = (rate_text(tree[key]) for key in ("precision", "missed", "recall"))
    return (name, tree["n"]["on_target"], tree["n"]["off_target"], *rates)


def _accuracy(human: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, rate in human["accuracy"].items():
        yield {"joint": "pair", "pattern": "all three"}.get(name, name), rate_text(rate)
