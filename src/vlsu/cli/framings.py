"""``vlsu framings``: which instruction balances refusing harm with engaging the borderline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsu.cli.options import (
    BaseUrl,
    Captions,
    Concurrency,
    DatasetPath,
    DryRun,
    InsecureHttp,
    JudgeBaseUrl,
    JudgePrice,
    Limit,
    MaxCost,
    MaxRequests,
    MaxTokens,
    Models,
    Out,
    Param,
    PriceOption,
    Rpm,
    Seed,
    System,
    Timeout,
    Tpm,
    choose_models,
    open_chosen,
    read_limits,
    read_params,
    read_system,
    say_where_judged,
)

if TYPE_CHECKING:
    from vlsu.runs.tuning.estimate import TuningEstimate
    from vlsu.runs.tuning.proposals import Proposer

app = typer.Typer(help="Search for an instruction that balances two harms.", no_args_is_help=True)

#: Tables printed after a search; tuning.md has them all.
SHOWN = ("front", "changes", "rungs")
#: Room for the proposals, in tokens.
PROPOSAL_TOKENS = 4096


@app.callback()
def _group() -> None:
    pass


@app.command("tune")
def tune(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="The model to instruct: provider/name, or a name.")],
    out: Out,
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
    models: Models = None,
    base_url: BaseUrl = None,
    judge_base_url: JudgeBaseUrl = None,
    propose_base_url: Annotated[
        str | None, typer.Option(help="Root of the proposing model's server.")
    ] = None,
    system: System = None,
    limit: Limit = None,
    seed: Seed = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = None,
    insecure_http: InsecureHttp = None,
    param: Param = None,
    concurrency: Concurrency = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    max_requests: MaxRequests = None,
    max_cost: MaxCost = None,
    price: PriceOption = None,
    judge_price: JudgePrice = None,
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print tuning.json.")] = False,
) -> None:
    """Race instructions; show over-blocking against under-refusal of the best, held out.

    All instructions answer a few pairs, the better half twice as many, and so on; the Pareto front
    of the rest is then asked about pairs that share no image, text or group with those it was
    chosen by. Writes tuning.json, tuning.md and candidates.yaml into --out.
    """
    from vlsu.cli.output import RunProgress, print_json, print_table, say
    from vlsu.cli.run import exit_if_stopped, say_requests
    from vlsu.models.catalogue import with_settings
    from vlsu.report.tuning import tuning_markdown, tuning_notes, tuning_tables
    from vlsu.runs.alignment.validation import load_calibration
    from vlsu.runs.folder import write_atomically
    from vlsu.runs.tuning.result import read_tuning
    from vlsu.runs.tuning.tuning import prepare_tuning

    (named,) = choose_models([model], models)
    (judging,) = choose_models([judge], models, "--judge")
    given = {
        "base_url": base_url,
        "system": read_system(system),
        "max_tokens": max_tokens,
        "seed": seed,
        "timeout_s": timeout,
        "insecure_http": insecure_http,
        "params": read_params(param or []),
    }
    own = with_settings(given, named.settings)
    given_judge = {"base_url": judge_base_url, "insecure_http": insecure_http}
    names = [name.strip() for name in references.split(",") if name.strip()]
    tuning = prepare_tuning(
        dataset,
        model=open_chosen(named, own),
        judge=open_chosen(judging, with_settings(given_judge, judging.settings)),
        candidates=candidates or (),
        proposer=None
        if propose is None
        else _proposer(
            propose,
            models,
            {"base_url": propose_base_url, "insecure_http": insecure_http},
            proposals,
            concurrency,
        ),
        references=[] if names == ["none"] else names,
        captions=captions,
        keep=keep,
        max_under_refusal=max_under_refusal,
        refusal=refusal,
        held_out=held_out,
        limit=limit,
        settings=own,
        calibration=load_calibration(calibration) if calibration else None,
        limits=read_limits(
            named,
            base_url,
            concurrency=concurrency,
            rpm=rpm,
            tpm=tpm,
            max_requests=max_requests,
            max_cost=max_cost,
            price=price,
        ),
        judge_limits=read_limits(
            judging, judge_base_url, concurrency=concurrency, price=judge_price
        ),
    )
    say_where_judged([judging], base_url, judge_base_url)
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
    say_requests(run)
    say(f"search: {run.path} (tuning.md has every candidate, candidates.yaml the instructions)")


def _proposer(
    name: str,
    models: Path | None,
    given: Mapping[str, Any],
    count: int,
    concurrency: int | None,
) -> Proposer:
    from vlsu.models.catalogue import with_settings
    from vlsu.runs.tuning.proposals import Proposer

    (named,) = choose_models([name], models, "--propose")
    own = {"max_tokens": PROPOSAL_TOKENS, **named.settings}
    return Proposer(
        open_chosen(named, with_settings(given, own)),
        count,
        read_limits(named, given["base_url"], concurrency=concurrency),
    )


def _show_estimate(estimate: TuningEstimate, *, as_json: bool) -> None:
    """Print what a search would take, beside what trying all on everything would."""
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
