"""``vlsu build audit``: what gives the joint grade away in a build, or in a dataset."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsu.cli.build import Json, app
from vlsu.cli.rates import rate_text

if TYPE_CHECKING:
    from vlsu.build.folder.build import Build

__all__ = ["audit"]

#: Pairs that are named on the screen; --json has them all.
_NAMED = 10


@app.command("audit")
def audit(
    source: Annotated[str, typer.Argument(metavar="B|D", help="A build's folder, or a dataset's.")],
    refill: Annotated[
        bool,
        typer.Option(
            "--refill",
            help="Of a build: give up samples that a shortcut tells, half of a cell at most, so "
            "that the next round fills their places.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Look for what gives joint grades away: one part alone, or a group of people.

    Names cells that classifiers tell from one part of their samples, and harmful pairs on a group
    of people without a benign pair with the same image. Of a build the samples that it has so far
    are looked at, by their pre-grades.
    """
    from vlsu.build.folder.settings import BUILD_FILE
    from vlsu.cli.build_stages import opened
    from vlsu.errors import UsageError

    folder = Path(source)
    if (folder / BUILD_FILE).exists():
        from vlsu.build.folder.build import open_build

        with opened(folder) if refill else nullcontext(open_build(folder)) as build:
            found = _of_build(build, refill)
    elif refill:
        raise UsageError(f"--refill: {source} is no build; leave it out, or name a build's folder")
    else:
        found = _of_dataset(source)
    _show(found, json)


def _of_build(build: Build, refill: bool) -> dict[str, Any]:
    from vlsu.build.audits.audit import audit as audited
    from vlsu.build.audits.items import items_of_build
    from vlsu.build.audits.refill import refill as refilled

    with build.store(read_only=not refill) as store:
        if refill:
            shortcuts, identity, decisions = refilled(build, store)
            given_up = {"given_up": len(decisions)}
        else:
            items = items_of_build(store)
            shortcuts, identity = audited(items, build.images, seed=build.settings.seed)
            given_up = {}
    return {"shortcuts": shortcuts.as_dict(), "identity": identity.as_dict(), **given_up}


def _of_dataset(source: str) -> dict[str, Any]:
    from vlsu.build.audits.audit import audit as audited
    from vlsu.build.audits.items import items_of_samples
    from vlsu.data import load

    dataset = load(source)
    with dataset.reading():
        shortcuts, identity = audited(items_of_samples(dataset), dataset.images)
    return {"shortcuts": shortcuts.as_dict(), "identity": identity.as_dict()}


def _show(found: dict[str, Any], json: bool) -> None:
    from vlsu.cli.output import print_json, print_table, print_text

    if json:
        print_json(found)
        return
    shortcuts, identity = found["shortcuts"], found["identity"]
    rows = [
        (pattern, each["n"], each["rivals"], *_best(each))
        for pattern, each in shortcuts["patterns"].items()
    ]
    print_table(
        "Told without looking at both parts",
        ("pattern", "samples", "rivals", "best probe", "balanced accuracy", "p"),
        rows,
        "Rivals: samples with the same grades of image and text, and another joint one. Chance is "
        "0.50; p is corrected for all probes.",
    )
    for each in shortcuts["solved"]:
        print_text(
            f"solved by {each['probe']}: {each['pattern']} {each['category']} {each['language']}, "
            f"{rate_text(each['balanced_accuracy'])}, {len(each['told'])} samples told each time"
        )
    if not shortcuts["solved"]:
        print_text("no cell is solved by a shortcut, as far as so few or many samples can tell")
    if "given_up" in found:
        print_text(f"given up: {found['given_up']} samples or images")
    if identity["groups"]:
        print_table(
            "Joint grade by group of people, named or shown",
            ("group", "axis", "samples", "unsafe", "elsewhere", "p"),
            [
                (
                    group,
                    each["axis"],
                    each["n"],
                    rate_text(each["unsafe"], ""),
                    rate_text(each["unsafe_elsewhere"], ""),
                    _p(each["p_adjusted"]),
                )
                for group, each in identity["groups"].items()
            ],
        )
    lacking = identity["without_twin"]
    print_text(
        f"harmful pairs on a group: {identity['harmful']}, {len(lacking)} without a benign pair "
        "with the same image"
    )
    for each in lacking[:_NAMED]:
        cell = f"{each['pattern']} {each['category']}"
        print_text(f"no benign twin: {each['key'][:16]} {cell} ({', '.join(each['groups'])})")
    if len(lacking) > _NAMED:
        print_text(f"and {len(lacking) - _NAMED} more; --json has them all")


def _best(pattern: dict[str, Any]) -> tuple[str, str, str]:
    """The probe that tells the most, or why there is none."""
    if pattern["why"]:
        return pattern["why"], "", ""
    if not pattern["probes"]:
        return "nothing to see", "", ""
    name, probe = min(pattern["probes"].items(), key=lambda each: each[1]["p"])
    return name, rate_text(probe["balanced_accuracy"]), _p(probe["p_adjusted"])


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}"
