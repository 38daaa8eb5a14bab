"""``vlsu power``: how many samples distinguish two models?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def power(
    margin: Annotated[
        float | None,
        typer.Option(help="How far apart the accuracies are, such as 0.03 for 3 points."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Samples that both models are asked about.")
    ] = None,
    wanted: Annotated[
        float | None,
        typer.Option(
            "--power", help="Chance to claim the better model where it is; 0.8 if not given."
        ),
    ] = None,
    accuracy: Annotated[
        float | None,
        typer.Option(help="Of the worse model; the two are taken to err independently."),
    ] = None,
    discordant: Annotated[
        float | None,
        typer.Option(help="Share of samples on which exactly one of the two models is right."),
    ] = None,
    like: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--from", help="Two finished understanding runs, assumed to be like those to come."
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Chance of a claim where there is no difference.")
    ] = 0.05,
    tests: Annotated[
        int,
        typer.Option(
            help="Tests corrected together (Holm), such as 3 for the pairs of three runs."
        ),
    ] = 1,
    dataset: Annotated[
        Path | None, typer.Option(help="The dataset's folder of --from, if it was moved since.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How many samples distinguish two models by a margin, before they are asked.

    Give --margin for the samples, --samples for the margin that they show, or both for the chance
    to show it. The test is that of vlsu compare: McNemar's, exact, on the same samples. What it
    takes depends on how many samples exactly one of the two models is right on: give it
    (--discordant), have it taken from two runs (--from), or from an accuracy (--accuracy), as if
    they erred independently. Two models often err on the same samples, and then need fewer.
    """
    from vlsu.analysis.comparison.planning import Discordance, plan
    from vlsu.cli.output import print_json
    from vlsu.errors import UsageError
    from vlsu.runs import load_run
    from vlsu.runs.finished.comparison import seen_runs

    given = {"--accuracy": accuracy, "--discordant": discordant, "--from": like}
    if len(named := [name for name, value in given.items() if value is not None]) > 1:
        raise UsageError(
            f"{' and '.join(named)}: give only one of them: each states how the models differ"
        )
    if dataset is not None and like is None:
        raise UsageError("--dataset goes with --from")
    assumed = None
    if accuracy is not None:
        assumed = Discordance.independent(accuracy)
    elif discordant is not None:
        assumed = Discordance.given(discordant)
    seen = seen_runs(*map(load_run, like), dataset=dataset) if like is not None else None
    found = plan(
        margin=margin,
        samples=samples,
        target_power=wanted,
        alpha=alpha,
        tests=tests,
        discordance=assumed,
        seen=seen,
    )
    if json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    from vlsu.cli.output import print_table, print_text

    solved = found["solved"]
    others = [each for each in found["others"] if each["discordance"] != found["discordance"]]
    rows = [(f"{each['discordance']:.1%}", _shown(solved, each)) for each in others]
    if found["discordance"] is not None:
        what = f"{found['discordance']:.1%}, {found['assumed']}"
        rows.insert(0, (what, _shown(solved, found)))
    print_table(
        f"To distinguish two models: {_TITLES[solved]}",
        ("exactly one of the two is right on", solved),
        rows,
        f"Joint accuracy, {found['test']}.",
    )
    print_text(found["text"] + ".")
    if found["design_effect"] > 1:
        print_text(
            f"Samples come in groups: {found['design_effect']:.2f} of them are worth one "
            "independent one here, and are counted so."
        )
    if (f1 := found["f1_macro"]) is not None:
        print_text(
            f"Joint macro-F1, by the spread of these two runs: {solved} {_shown(solved, f1)}."
        )


_TITLES = {
    "samples": "samples that show the margin",
    "margin": "the margin these samples show",
    "power": "the chance that these samples show the margin",
}


def _shown(solved: str, found: dict[str, Any]) -> str:
    value = found[solved]
    if value is None:
        return "none"
    if solved == "samples":
        return f"{value:,}"
    return f"{100 * value:.3g} points" if solved == "margin" else f"{value:.1%}"
