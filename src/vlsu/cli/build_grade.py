"""``vlsu build grade``: the pre-grader."""

from __future__ import annotations

from typing import Annotated

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments, StructuredOutput

__all__: list[str] = []


@app.command("grade")
@with_option_groups
def grade(
    build: Folder,
    model: Annotated[
        str,
        typer.Option(
            help="Who grades: provider/name, guard/FAMILY:MODEL, baseline/late-fusion, a name from "
            "--models, or ensemble/max|vote:A+B."
        ),
    ],
    asked: ModelArguments,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="zero-shot, structured-cot, one-word (with --score the default), or a template "
            "file, such as that of vlsu build tune-grader."
        ),
    ] = None,
    unfiltered: Annotated[
        float,
        typer.Option(
            help="Share of the images of which one candidate is kept whatever its grades, for "
            "what the grader throws away by mistake."
        ),
    ] = 0.05,
    structured: StructuredOutput = None,
    score: Annotated[
        bool | None,
        typer.Option("--score", help="Take the most probable severity; needs probabilities."),
    ] = None,
    guard_policy: Annotated[
        str | None,
        typer.Option(help="Of a guard that takes a policy: own (if not given) or ours."),
    ] = None,
    json: Json = False,
) -> None:
    """Grade image, text and pair of every query; keep what meets its cell.

    Of the rest a share is kept all the same, so that what the grader throws away can be estimated.
    Again with the same grader it asks only what has no answer yet; an image is asked about once.
    """
    from vlsu.build.grading.stage import Grader, grade_queries
    from vlsu.cli.build_stages import opened, show_stage
    from vlsu.cli.ensembles import member_models, open_grader
    from vlsu.cli.options import choose_models
    from vlsu.cli.output import RunProgress

    given = asked.given(structured=structured, score=score, guard_policy=guard_policy)
    (named,) = choose_models([model], asked.models)
    chosen = open_grader(named, given)
    grader = Grader(
        model=chosen.model,
        settings=chosen.settings,
        limits=chosen.limits,
        members=member_models(asked.models, given),
        prompt=prompt,
        unfiltered=unfiltered,
    )
    progress = RunProgress()
    with opened(build) as there, progress.shown():
        report = grade_queries(there, grader, progress=progress)
    show_stage(build, report, json=json, following=f"vlsu build status {build}")
