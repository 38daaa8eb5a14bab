"""``vlsu framings``: which instruction balances refusing harm with engaging the borderline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.batch_options import BatchArguments
from vlsu.cli.chosen_models import asked_words, open_chosen, warn_where_judged
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

if TYPE_CHECKING:
    from vlsu.runs.tuning.estimate import TuningEstimate
    from vlsu.runs.tuning.proposals import Proposer

app = typer.Typer(help="Search for an instruction that balances two harms.", no_args_is_help=True)

#: Tables printed after a search; tuning.md has them all.
SHOWN = ("front", "changes", "rungs")
#: Bound on the answer with the proposals, in tokens.
PROPOSAL_TOKENS = 4096


@app.callback()
def _group() -> None:
    pass


@app.command("tune")
@with_option_groups
def tune(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="The model to instruct: provider/name, or a name.")],
    out: Out,
    asked: ModelArguments,
    batched: BatchArguments,
    judged: JudgeArguments,
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of instructions: a mapping from names to texts, or a list; file: PATH "
            "for a text in a file of its own."
        ),
    ] = None,
    judge: Annotated[
        str, typer.Option(help="judge/offline, a model's SPEC, or a name from --models.")
    ] = "judge/offline",
    propose: Annotated[
        str | None, typer.Option(help="A model that is asked for further instructions, once.")
    ] = None,
    proposals: Annotated[int, typer.Option(help="How many it is asked for.")] = 8,
    references: Annotated[
        str,
        typer.Option(
            help="Framings of this package that take part, or none; the winners are compared with "
            "default."
        ),
    ] = "default,harmless,helpful",
    captions: Captions = False,
    keep: Annotated[int, typer.Option(help="Most instructions that are confirmed.")] = 4,
    max_under_refusal: Annotated[
        float | None,
        typer.Option(
            help="Mark the one that blocks least among those with at most this share of unsafe "
            "pairs not refused."
        ),
    ] = None,
    refusal: Annotated[
        str, typer.Option(help="strict: declines; lenient: declines or points elsewhere.")
    ] = "strict",
    held_out: Annotated[
        float, typer.Option(help="Share of the pairs that only confirms and never selects.")
    ] = 0.5,
    calibration: Annotated[
        Path | None, typer.Option(help="From vlsu judge validate: adds corrected rates (--json).")
    ] = None,
    propose_base_url: Annotated[
        str | None, typer.Option(help="Root of the proposing model's server.")
    ] = None,
    limit: Limit = None,
    without_images: WithoutImages = False,
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print tuning.json.")] = False,
) -> None:
    """Race instructions; show over-blocking against under-refusal of the best, held out.

    Under a policy without borderline it is the refusal of safe pairs against under-refusal.

    All instructions answer a few pairs, the better half twice as many, and so on; the Pareto front
    of the rest is then asked about pairs that share no image, text or group with those it was
    chosen by. Writes tuning.json, tuning.md and candidates.yaml into --out.
    """
    from vlsu.cli.output import RunProgress, print_json, print_table, say
    from vlsu.cli.run_output import exit_if_stopped, print_requests
    from vlsu.report.tuning import tuning_markdown, tuning_notes, tuning_tables
    from vlsu.runs.alignment.validation import load_calibration
    from vlsu.runs.folder import write_atomically
    from vlsu.runs.tuning.options import TuningOptions
    from vlsu.runs.tuning.result import read_tuning
    from vlsu.runs.tuning.tuning import prepare_tuning

    (named,) = choose_models([model], asked.models)
    (judging,) = choose_models([judge], asked.models, "--judge")
    batching, words = batched.given(dry_run=dry_run), asked_words(dry_run=dry_run)
    chosen = open_chosen(named, asked.given(), asked=asked_words(batching, dry_run=dry_run))
    judges = open_chosen(judging, judged.given(asked), asked=words)
    names = read_names(references)
    options = TuningOptions(
        model=chosen.model,
        settings=chosen.settings,
        limits=chosen.limits,
        judge=judges.model,
        judge_limits=judges.limits,
        candidates=candidates or (),
        proposer=None
        if propose is None
        else _proposer(propose, asked, propose_base_url, proposals, words),
        references=[] if names == ["none"] else names,
        captions=captions,
        keep=keep,
        max_under_refusal=max_under_refusal,
        refusal=refusal,
        held_out=held_out,
        limit=limit,
        without_images=without_images,
        batch=batching,
        calibration=load_calibration(calibration) if calibration else None,
    )
    tuning = prepare_tuning(dataset, options)
    warn_where_judged([judging], asked.base_url, judged.judge_base_url)
    if dry_run:
        _show_estimate(tuning.estimate(), as_json=json)
        return
    progress = RunProgress()
    with progress.shown():
        run = tuning.run(out, progress)
    exit_if_stopped(run)
    result = read_tuning(run.path)
    write_atomically(run.path / "tuning.md", tuning_markdown(run, result).encode())
    if json:
        print_json(result)
        return
    for table in tuning_tables(result):
        if table.name in SHOWN:
            print_table(table.title, table.columns, table.rows, table.note)
    for note in tuning_notes(result):
        say(note)
    print_requests(run)
    say(f"search: {run.path} (tuning.md has every candidate, candidates.yaml the instructions)")


def _proposer(
    name: str, asked: ModelArguments, base_url: str | None, count: int, words: str
) -> Proposer:
    from vlsu.runs import ModelOptions
    from vlsu.runs.tuning.proposals import Proposer

    (named,) = choose_models([name], asked.models, "--propose")
    given = ModelOptions.given(
        base_url=base_url, insecure_http=asked.insecure_http, concurrency=asked.concurrency
    )
    chosen = open_chosen(named, given, ModelOptions(max_tokens=PROPOSAL_TOKENS), asked=words)
    return Proposer(chosen.model, count, chosen.limits)


def _show_estimate(estimate: TuningEstimate, *, as_json: bool) -> None:
    """Print the estimate of a search, beside that of trying everything on all pairs."""
    from vlsu.cli.output import print_json, print_table

    if as_json:
        print_json(estimate.to_dict())
        return
    rows = [
        (
            name,
            *each.requests.values(),
            each.input_tokens,
            each.output_tokens,
            "no price" if each.cost is None else f"{each.cost:.2f}",
        )
        for name, each in (
            ("this race and its confirmation, at most", estimate.race),
            ("all instructions on all pairs", estimate.everything),
        )
    ]
    columns = ("what", *estimate.race.requests, "input tokens", "output tokens", "cost")
    note = "Requests are counted, tokens and cost estimated. Nothing was sent."
    if estimate.race.cost_source:
        note += f" Prices: {estimate.race.cost_source}."
    print_table("Dry run", columns, rows, note)
    print_table(
        "Rungs",
        ("rung", "instructions", "pairs of each severity, at most"),
        [(n, rung.candidates, rung.samples) for n, rung in enumerate(estimate.rungs, 1)],
    )
