"""``vlsu build pairs``: for kept samples the nearest text or image that flips the joint grade."""

from __future__ import annotations

from typing import Annotated

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments, WriterCaptions


@app.command("pairs")
@with_option_groups
def pairs(
    build: Folder,
    asked: ModelArguments,
    model: Annotated[
        str | None,
        typer.Option(help="The model that writes: provider/name, or a name. For --by text."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="text: the image stays and the text changes; image: the text stays and gets "
            "another image, of those that are free."
        ),
    ] = "text",
    number: Annotated[
        int | None, typer.Option(help="Samples that get one, at most; all if not given.")
    ] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="Samples of this pattern only, such as S-S-U. Repeatable."),
    ] = None,
    candidates: Annotated[int, typer.Option(help="Texts asked for at once.")] = 3,
    captions: WriterCaptions = False,
    json: Json = False,
) -> None:
    """Make minimal pairs of kept samples: as queries, which the pre-grader decides on.

    What is kept is of one group with its sample when the dataset is assembled.
    """
    from vlsu.build.pairs.samples import read_samples
    from vlsu.build.pairs.stage import PairOptions, write_pairs
    from vlsu.cli.build_stages import opened, show_stage, writer
    from vlsu.cli.output import RunProgress, print_text
    from vlsu.errors import PolicyError, UsageError
    from vlsu.policy import Pattern
    from vlsu.runs.asking.limits import Budget

    if by not in ("text", "image"):
        raise UsageError(f"--by {by!r}: use text or image")
    if by == "text" and model is None:
        raise UsageError("--model: give the model that writes the texts, or --by image")
    try:
        patterns = frozenset(Pattern.parse(each) for each in pattern or ())
    except PolicyError as error:
        raise UsageError(f"--pattern: {error}") from None
    options = PairOptions(
        by="text" if by == "text" else "image",
        number=number,
        candidates=candidates,
        patterns=patterns,
        captions=captions,
    )
    with opened(build) as found:
        first, budget = (None, Budget()) if model is None else writer(model, asked)
        progress = RunProgress()
        with progress.shown():
            report = write_pairs(found, first, options, budget=budget, progress=progress)
        with found.store(read_only=True) as store:
            samples = read_samples(store)
    counts = {
        "samples": len(samples.originals),
        "flipped": len(samples.flipped),
        "under_way": len(samples.under_way),
    }
    if not json:
        print_text(
            f"{counts['samples']} samples: {counts['flipped']} have a pair, "
            f"{counts['under_way']} wait for its grades"
        )
    show_stage(
        build,
        report,
        json=json,
        following=f"vlsu build grade {build} --model SPEC",
        more={"pairs": counts},
    )
