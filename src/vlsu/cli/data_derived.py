"""``vlsu data sample|split|filter|merge|diff``: datasets made of others, and their differences."""

from __future__ import annotations

from typing import Annotated

import typer

from vlsu.cli.data import AsJson, Folder, Out, Overwrite

__all__ = ["add_to"]

#: Rows of one table on the screen.
_MOST_ROWS = 20

Seed = Annotated[int, typer.Option(help="Another seed, another draw.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("sample")(sample)
    app.command("split")(split)
    app.command("filter")(filter_)
    app.command("merge")(merge)
    app.command("diff")(diff)


def sample(
    dataset: Folder,
    n: Annotated[int, typer.Option(help="Samples to draw.")],
    out: Out,
    seed: Seed = 0,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Equally many of each joint severity.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw a random sample, stratified by pattern, into a dataset of its own."""
    from vlsu.cli.output import say
    from vlsu.data import load, sample_dataset

    drawn = sample_dataset(
        load(dataset), out, n=n, seed=seed, balanced=balanced, overwrite=overwrite
    )
    say(f"dataset: {drawn.path} ({len(drawn)} samples)")


def split(
    dataset: Folder,
    out: Annotated[
        str, typer.Option(help="The folder in which each part becomes a dataset folder.")
    ],
    parts: Annotated[
        list[str],
        typer.Option(help="name=share, such as train=0.8,test=0.2. Repeatable."),
    ],
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Split by group and stratified by pattern: no part shares an image or a text with another."""
    from vlsu.cli.output import print_json, print_table
    from vlsu.data import load, split_dataset

    made = split_dataset(load(dataset), out, parts=_shares(parts), seed=seed, overwrite=overwrite)
    if json:
        print_json({"parts": [part.to_dict() for part in made]})
        return
    rows = [
        (
            *(part.name, len(part.dataset), f"{part.wanted:.1%}"),
            *(part.groups, part.largest, f"{part.furthest:.1f}"),
        )
        for part in made
    ]
    heads = (
        *("part", "samples", "wanted", "groups", "largest group"),
        "furthest pattern, samples off",
    )
    print_table(f"Parts in {out}", heads, rows)


def _shares(parts: list[str]) -> dict[str, float]:
    from vlsu._text import one_line
    from vlsu.errors import UsageError

    found: dict[str, float] = {}
    for pair in ",".join(parts).split(","):
        name, equals, share = (each.strip() for each in pair.partition("="))
        try:
            if not equals or name in found:
                raise ValueError
            found[name] = float(share)
        except ValueError:
            raise UsageError(
                f"--parts {one_line(pair, 60)!r}: write name=share, each name once, such as "
                "train=0.8,test=0.2"
            ) from None
    return found


def filter_(
    dataset: Folder,
    out: Out,
    where: Annotated[
        list[str],
        typer.Option(
            help="FIELD=VALUE or FIELD!=VALUE; several values divided by |, none for absent. "
            "Fields: columns, pattern, family, category, image, metadata.KEY. Repeatable: all "
            "must hold."
        ),
    ],
    overwrite: Overwrite = False,
) -> None:
    """Write the samples that meet every condition into a dataset of their own."""
    from vlsu.cli.output import say
    from vlsu.data import filter_dataset, load

    kept = filter_dataset(load(dataset), out, where=where, overwrite=overwrite)
    say(f"dataset: {kept.path} ({len(kept)} samples)")


def merge(
    datasets: Annotated[list[str], typer.Argument(help="Dataset folders, or vlsu-mini.")],
    out: Out,
    prefix: Annotated[
        bool,
        typer.Option(
            "--prefix", help="Put the dataset's name before an identifier that several have."
        ),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the dataset.")] = None,
    version: Annotated[str, typer.Option(help="Version of the dataset.")] = "1",
    licence: Annotated[
        str | None, typer.Option(help="Licence; by default those of all, joined by AND.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the samples of several datasets into one; identifiers are kept."""
    from vlsu.cli.output import say
    from vlsu.data import load, merge_datasets

    merged = merge_datasets(
        [load(dataset) for dataset in datasets],
        out,
        prefix=prefix,
        name=name,
        version=version,
        licence=licence,
        overwrite=overwrite,
    )
    say(f"dataset: {merged.path} ({len(merged)} samples)")


def diff(
    first: Annotated[str, typer.Argument(help="A dataset folder, or vlsu-mini.")],
    second: Annotated[str, typer.Argument(help="The dataset to compare with it.")],
    json: AsJson = False,
) -> None:
    """Show which samples were added, removed or changed, and in what; texts are never printed."""
    from vlsu._text import one_line
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.data import diff_datasets, load

    found = diff_datasets(load(first), load(second))
    if json:
        print_json(found.to_dict())
        return
    counts = [
        ("unchanged", found.unchanged, ""),
        ("added", len(found.added), _examples(list(found.added))),
        ("removed", len(found.removed), _examples(list(found.removed))),
        ("changed", len(found.changed), _examples(list(found.changed))),
    ]
    print_table(f"{first} and {second}", ("samples", "count", "such as"), counts)
    if found.columns:
        print_table("Changed columns", ("column", "samples"), list(found.columns.items()))
    moved = [
        (modality, move, n) for modality, moves in found.grades.items() for move, n in moves.items()
    ]
    if moved:
        print_table("Changed grades", ("modality", "grade", "samples"), moved[:_MOST_ROWS])
    for key, (before, after) in found.info.items():
        say(f"{key}: {one_line(before, 60)} -> {one_line(after, 60)}")
    if found.reordered:
        say("the samples of both stand in another order")
    say("the same samples" if found.same else "not the same samples")


def _examples(ids: list[str]) -> str:
    from vlsu._text import one_line

    shown = ", ".join(one_line(id_, 40) for id_ in ids[:3])
    return f"{shown}, …" if len(ids) > 3 else shown
