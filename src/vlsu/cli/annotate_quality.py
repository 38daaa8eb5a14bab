"""``vlsu annotate quality``: how well graders grade, and how far they agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlsu.cli.annotate import Folder, Json, app, project_part, shown_rate

__all__ = ["quality"]


@app.command("quality")
def quality(project: Folder, json: Json = False) -> None:
    """How well graders grade, how far they agree, and what models of them would say."""
    module = project_part("project")
    from vlsu.annotate.quality.summary import summary
    from vlsu.cli.output import print_json

    with module.open_project(project, connections=1) as opened:
        found = summary(opened)
    if json:
        print_json(found)
    else:
        _print(project, found)


def _print(project: Path, found: dict[str, Any]) -> None:
    from vlsu.cli.output import print_table

    print_table(
        f"{project}: graders",
        (
            *("name", "grades", "on known items", "with the others", "with themselves"),
            *("change", "not sure", "too fast"),
        ),
        [
            (
                f"{each['name']}{' (paused)' if each['paused'] else ''}",
                each["done"],
                shown_rate(each["accuracy"]),
                shown_rate(each["agreement"]),
                shown_rate(each["self_agreement"]),
                shown_rate(each["drift"]["agreement"]),
                shown_rate(each["not_sure"]),
                f"{shown_rate(each['too_fast'])}{' !' if each['flagged'] else ''}",
            )
            for each in found["graders"]
        ],
        "95% intervals. change: of the agreement with the others, second half less the first. "
        "Too fast: faster than anybody reads; look, and never pay less for it.",
    )
    print_table(
        "Agreement",
        ("modality", "category", "units", "alpha", "AC2"),
        [
            (modality, category, tree["paired"], shown_rate(tree["alpha"]), shown_rate(tree["ac2"]))
            for modality, whole in found["agreement"].items()
            for category, tree in (("all", whole), *whole["by_category"].items())
        ],
        "units: items with two grades or more. alpha: Krippendorff's, ordinal.",
    )
    if found["splits"]:
        print_table(
            "Items that split the graders",
            ("item", "modality", "grades"),
            [
                (
                    each["item"],
                    each["modality"],
                    ", ".join(f"{n} {g}" for g, n in each["grades"].items()),
                )
                for each in found["splits"]
            ],
        )
    if any(tree["differences"] for tree in found["models"].values()):
        print_table(
            "Where a model would say otherwise than the majority",
            ("model", "item", "modality", "majority", "model says"),
            [
                (name, each["item"], each["modality"], each["majority"] or "tie", each["estimate"])
                for name, tree in found["models"].items()
                for each in tree["differences"]
            ],
            "The models weigh graders by how well they agree, and decide nothing.",
        )
