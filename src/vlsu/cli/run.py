"""``vlsu run``: evaluate a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from vlsu.models.base import Structured
    from vlsu.models.catalogue import NamedModel
    from vlsu.runs import Estimate, Limits, Run

app = typer.Typer(help="Evaluate a model on a dataset.", no_args_is_help=True)

#: Tables printed after a run; the report has them all.
SHOWN = ("headline", "corrected", "families", "outcomes", "judge_outcomes")
#: Read without being named, where there is one.
MODELS_FILE = Path("models.yaml")


@app.callback()
def _group() -> None:
    pass


@app.command("understanding")
def understanding(
    dataset: Annotated[str, typer.Argument(help="A dataset folder, or vlsu-mini.")],
    model: Annotated[
        list[str],
        typer.Option(
            help="provider/name, such as openai/gpt-4o, or a name from --models. Repeatable: then "
            "each has its own folder in --out."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run folder; the same command goes on from it.")],
    models: Annotated[
        Path | None, typer.Option(help="File of named models; models.yaml if there is one.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Root of an OpenAI-compatible server, with its /v1.")
    ] = None,
    modalities: Annotated[
        str, typer.Option(help="Which of image, text and joint to ask for.")
    ] = "image,text,joint",
    prompt: Annotated[
        str | None, typer.Option(help="zero-shot, structured-cot, or a template file.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="A policy file instead of the dataset's own.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="A system prompt, put before the prompt's own.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Ask for this many samples only, drawn by --seed.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draws the samples; sent to the provider if given.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Bound on an answer, in tokens.")] = 1024,
    timeout: Annotated[float, typer.Option(help="Seconds for one attempt.")] = 120.0,
    structured: Annotated[
        str, typer.Option(help="auto, on or off: have the server enforce the answer's schema.")
    ] = "auto",
    logprobs: Annotated[
        bool, typer.Option("--logprobs", help="Ask for log probabilities, for p_unsafe.")
    ] = False,
    param: Annotated[
        list[str] | None,
        typer.Option(help="name=value passed on to the provider; JSON values. Repeatable."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests in flight; found by trying, if not given.")
    ] = None,
    rpm: Annotated[float | None, typer.Option(help="Requests a minute at most.")] = None,
    tpm: Annotated[float | None, typer.Option(help="Tokens a minute at most.")] = None,
    max_requests: Annotated[
        int | None, typer.Option(help="Stop cleanly after this many; can be continued.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop cleanly at this cost; can be continued.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            help="INPUT,OUTPUT for a million tokens, or a YAML file of prices; list prices of a "
            "known date if not given."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and send nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask for the severity of image, text and pair, and grade the answers."""
    from vlsu.cli.output import RunProgress, print_json, say
    from vlsu.models import Settings
    from vlsu.models.catalogue import with_settings
    from vlsu.runs import prepare

    settings = Settings(
        base_url=base_url,
        system=system,
        max_tokens=max_tokens,
        seed=seed,
        timeout_s=timeout,
        structured=cast("Structured", structured),  # Settings refuses any other word
        logprobs=logprobs,
        params=read_params(param or []),
    )
    chosen = choose_models(model, models)
    evaluations = {
        named.name: prepare(
            dataset,
            model=named.spec,
            modalities=[m.strip() for m in modalities.split(",") if m.strip()],
            prompt=prompt,
            policy=policy,
            limit=limit,
            settings=with_settings(settings, named.settings),
            limits=read_limits(
                named, base_url, concurrency, rpm, tpm, max_requests, max_cost, price
            ),
        )
        for named in chosen
    }
    if dry_run:
        show_estimates({name: each.estimate() for name, each in evaluations.items()}, as_json=json)
        return
    several = len(evaluations) > 1
    runs = []
    for name, evaluation in evaluations.items():
        if several:
            say(f"model: {name}")
        progress = RunProgress()
        with progress.shown():
            run = evaluation.run(out / folder_name(name) if several else out, progress)
        runs.append(run)
        if not (json and several):
            show_run(run, as_json=json)
    if json and several:
        print_json({name: run.metrics for name, run in zip(evaluations, runs, strict=True)})


@app.command("alignment")
def alignment(
    dataset: Annotated[str, typer.Argument(help="A dataset folder, or vlsu-mini.")],
    model: Annotated[str, typer.Option(help="provider/name, or a name from --models.")],
    out: Annotated[Path, typer.Option(help="The run folder; the same command goes on from it.")],
    judge: Annotated[
        list[str] | None,
        typer.Option(help="judge/offline (default), or a model's SPEC. Repeatable."),
    ] = None,
    framings: Annotated[
        str, typer.Option(help="Which of default, harmless and helpful to ask under.")
    ] = "default,harmless,helpful",
    framing: Annotated[
        list[Path] | None, typer.Option(help="File with an instruction of one's own. Repeatable.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="File of named models; models.yaml if there is one.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Root of the model's OpenAI-compatible server.")
    ] = None,
    judge_base_url: Annotated[
        str | None, typer.Option(help="Root of the judge's OpenAI-compatible server.")
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Answers to each question; needs --param temperature=...")
    ] = 1,
    judge_repeats: Annotated[int, typer.Option(help="Verdicts of each judge on an answer.")] = 1,
    calibration: Annotated[
        Path | None, typer.Option(help="From vlsu judge validate: corrects the judged rates.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="A system prompt, put before the framing's instruction.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Ask for this many samples only, drawn by --seed.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draws the samples; sent to the provider if given.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Bound on an answer, in tokens.")] = 1024,
    timeout: Annotated[float, typer.Option(help="Seconds for one attempt.")] = 120.0,
    param: Annotated[
        list[str] | None,
        typer.Option(help="name=value passed on to the provider; JSON values. Repeatable."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests in flight; found by trying, if not given.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Ask each pair under several instructions and judge whether the answers refuse and help."""
    from vlsu.cli.output import RunProgress
    from vlsu.models import Settings
    from vlsu.models.catalogue import with_settings
    from vlsu.runs import prepare_alignment
    from vlsu.runs.validation import load_calibration

    (named,) = choose_models([model], models)
    settings = Settings(
        base_url=base_url,
        system=system,
        max_tokens=max_tokens,
        seed=seed,
        timeout_s=timeout,
        params=read_params(param or []),
    )
    names = [name.strip() for name in framings.split(",") if name.strip()]
    run = prepare_alignment(
        dataset,
        model=named.spec,
        judges=judge or ["judge/offline"],
        framings=[*names, *map(str, framing or [])],
        draws=samples,
        judge_repeats=judge_repeats,
        calibration=load_calibration(calibration) if calibration else None,
        limit=limit,
        settings=with_settings(settings, named.settings),
        judge_settings=Settings(base_url=judge_base_url),
        limits=read_limits(named, settings.base_url, concurrency, None, None, None, None, None),
    )
    progress = RunProgress()
    with progress.shown():
        done = run.run(out, progress)
    show_run(done, as_json=json)


def choose_models(names: list[str], file: Path | None) -> list[NamedModel]:
    """The models meant by names of a file, or by SPECs.

    Raises:
        UsageError: A model is named twice, or the file cannot be read.
    """
    from vlsu.errors import UsageError
    from vlsu.models.catalogue import NamedModel, load_models

    if file is None and MODELS_FILE.exists():
        file = MODELS_FILE
    known = load_models(file) if file else {}
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"--model {twice.pop()} is given twice; remove one")
    return [known.get(name) or NamedModel(name, name) for name in names]


def folder_name(model: str) -> str:
    """A model's name as a folder's: ``openai/gpt-4o`` is ``openai-gpt-4o``."""
    return re.sub(r"[^\w.-]+", "-", model)


def read_limits(
    named: NamedModel,
    base_url: str | None,
    concurrency: int | None,
    rpm: float | None,
    tpm: float | None,
    max_requests: int | None,
    max_cost: float | None,
    price: str | None,
) -> Limits:
    """The command line's limits over those of the model's entry.

    A price that neither gives is the provider's list price, if the provider's own server is asked:
    what another server of the same wire format charges is its own affair.

    Raises:
        UsageError: A number or a price is wrong.
    """
    from vlsu.runs import Limits
    from vlsu.runs.limits import known_price, read_price

    own = named.limits
    given = read_price(own.get("price") if price is None else price, named.spec)
    own_server = not (base_url or named.settings.get("base_url"))
    return Limits(
        concurrency=own.get("concurrency") if concurrency is None else concurrency,
        requests_per_minute=own.get("requests_per_minute") if rpm is None else rpm,
        tokens_per_minute=own.get("tokens_per_minute") if tpm is None else tpm,
        max_requests=max_requests,
        max_cost=max_cost,
        price=known_price(named.spec) if given is None and own_server else given,
    )


def show_estimates(estimates: dict[str, Estimate], *, as_json: bool) -> None:
    """Print what runs would take."""
    from vlsu.cli.output import print_json, print_table

    if as_json:
        print_json({name: each.to_dict() for name, each in estimates.items()})
        return
    rows = [
        (
            name,
            each.samples,
            sum(each.requests.values()),
            f"{each.images_sent} ({each.images_distinct} different)",
            each.input_tokens,
            each.output_tokens,
            "no price" if each.cost is None else f"{each.cost:.2f}",
        )
        for name, each in estimates.items()
    ]
    columns = ("model", "samples", "requests", "images", "input tokens", "output tokens", "cost")
    note = "Requests and images are counted, tokens and cost estimated. Nothing was sent."
    if sources := sorted({each.cost_source for each in estimates.values() if each.cost_source}):
        note += f" Prices: {', '.join(sources)}."
    print_table("Dry run", columns, rows, note)


def show_run(run: Run, *, as_json: bool) -> None:
    """Print what a run found, or how to go on with it.

    Raises:
        typer.Exit: The run was stopped: with 130 by an interrupt, with 0 by a budget.
    """
    from vlsu.cli.output import print_json, print_table, say

    if not run.finished:
        why = run.record.get("stopped") or "interrupted"
        say(f"stopped ({why}): what was answered is stored in {run.path}; the same command goes on")
        raise typer.Exit(130 if why == "interrupted" else 0)
    if as_json:
        print_json(run.metrics)
        return
    from vlsu.report.tables import run_tables
    from vlsu.report.words import notes

    for table in run_tables(run):
        if table.name in SHOWN:
            print_table(table.title, table.columns, table.rows, table.note)
    for note in notes(run):
        say(note)
    for modality, reasons in run.record.get("not_asked", {}).items():
        for why, count in reasons.items():
            say(f"not asked: {modality} of {count} samples ({why})")
    for change, count in run.record.get("images", {}).items():
        say(f"images {change} to what the model takes: {count}")
    requests = run.record.get("requests", {})
    for message, count in requests.get("unanswered", {}).items():
        say(f"no answer to {count} requests: {message}")
    say(f"requests: {requests.get('asked', 0)} asked, {requests.get('reused', 0)} stored before")
    if "cost" in run.record:
        say(f"cost of this start: {run.record['cost']:.4f} (prices: {run.record['cost_source']})")
    say(f"run: {run.path}")


def read_params(pairs: list[str]) -> dict[str, object]:
    """``name=value`` pairs; a value is JSON where it reads as such, else text.

    Raises:
        UsageError: A pair without ``=`` or without a name.
    """
    import json

    from vlsu.errors import UsageError

    params: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {pair!r}: write name=value")
        try:
            params[name] = json.loads(value)
        except json.JSONDecodeError:
            params[name] = value
    return params
