"""``vlsu run alignment``: ask a model under several instructions, and judge its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.batch_options import BatchArguments
from vlsu.cli.chosen_models import asked_words, open_chosen, warn_where_judged
from vlsu.cli.cost_options import CostArguments
from vlsu.cli.engine_options import TraceFile
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import (
    Captions,
    DatasetPath,
    DryRun,
    JudgeArguments,
    Limit,
    ModelArguments,
    Out,
    WithoutImages,
    choose_models,
    read_names,
)
from vlsu.cli.run import app
from vlsu.cli.run_output import show_estimates, show_run
from vlsu.cli.store_options import SharedStoreArguments

__all__ = ["alignment"]


@app.command("alignment")
@with_option_groups
def alignment(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="provider/name, or a name from --models.")],
    out: Out,
    asked: ModelArguments,
    judged: JudgeArguments,
    batched: BatchArguments,
    stores: SharedStoreArguments,
    costs: CostArguments,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="judge/offline (default), guard/FAMILY:MODEL (vlsu models lists the families), a "
            "model's SPEC, or a name from --models. Repeatable."
        ),
    ] = None,
    framings: Annotated[
        str,
        typer.Option(
            help="Which to ask under: default, harmless, helpful, harmless-strict, helpful-strict."
        ),
    ] = "default,harmless,helpful",
    framing: Annotated[
        list[Path] | None, typer.Option(help="File with an instruction of your own. Repeatable.")
    ] = None,
    captions: Captions = False,
    samples: Annotated[
        int, typer.Option(help="Answers to each question; needs --param temperature=...")
    ] = 1,
    judge_repeats: Annotated[int, typer.Option(help="Verdicts of each judge on an answer.")] = 1,
    calibration: Annotated[
        Path | None, typer.Option(help="From vlsu judge validate: corrects the judged rates.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV of human labels of this run's answers (sample_id, framing, label, perhaps "
            "draw), as vlsu judge sample draws them: correct the judged rates before --calibration."
        ),
    ] = None,
    limit: Limit = None,
    without_images: WithoutImages = False,
    trace: TraceFile = None,
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Ask each pair under several instructions and judge whether the answers refuse and help."""
    from vlsu.cli.output import RunProgress
    from vlsu.runs import AlignmentOptions, prepare_alignment
    from vlsu.runs.alignment.validation import load_calibration

    costs.check(json=json)
    (named,) = choose_models([model], asked.models)
    judges = choose_models(judge or ["judge/offline"], asked.models, "--judge")
    batching = batched.given(dry_run=dry_run)
    words = asked_words(batching, dry_run=dry_run)
    chosen = open_chosen(named, asked.given(), asked=words)
    words = asked_words(dry_run=dry_run)  # the judges are asked, whatever is in files
    panel = [open_chosen(each, judged.given(asked), asked=words) for each in judges]
    options = AlignmentOptions(
        model=chosen.model,
        settings=chosen.settings,
        limits=chosen.limits,
        judges=[each.model for each in panel],
        judge_limits=[each.limits for each in panel],
        framings=[*read_names(framings), *map(str, framing or [])],
        captions=captions,
        draws=samples,
        judge_repeats=judge_repeats,
        calibration=load_calibration(calibration) if calibration else None,
        labels=labels,
        limit=limit,
        without_images=without_images,
        batch=batching,
        store=stores.store,
        trace=trace,
    )
    run = prepare_alignment(dataset, options)
    warn_where_judged(judges, asked.base_url, judged.judge_base_url)
    if dry_run:
        show_estimates({named.name: run.estimate(out)}, as_json=json)
        return
    progress = RunProgress()
    with progress.shown():
        done = run.run(out, progress)
    show_run(done, as_json=json)
    costs.show([done])
