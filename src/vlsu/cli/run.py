"""``vlsu run``: evaluate a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlsu.runs import Run

app = typer.Typer(help="Evaluate a model on a dataset.", no_args_is_help=True)

#: Tables printed after a run; the report has them all.
SHOWN = ("headline", "families", "outcomes")


@app.callback()
def _group() -> None:
    pass


@app.command("understanding")
def understanding(
    dataset: Annotated[str, typer.Argument(help="A dataset folder, or vlsu-mini.")],
    model: Annotated[str, typer.Option(help="provider/name, such as openai/gpt-4o.")],
    out: Annotated[Path, typer.Option(help="The run folder; the same command goes on from it.")],
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
    concurrency: Annotated[int, typer.Option(help="Requests in flight at most.")] = 16,
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
    json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Ask for the severity of image, text and pair, and grade the answers."""
    from vlsu.cli.output import RunProgress
    from vlsu.models import Settings
    from vlsu.runs import evaluate

    progress = RunProgress()
    with progress.shown():
        run = evaluate(
            dataset,
            model=model,
            out=out,
            modalities=[m.strip() for m in modalities.split(",") if m.strip()],
            prompt=prompt,
            policy=policy,
            concurrency=concurrency,
            limit=limit,
            seed=seed,
            settings=Settings(
                base_url=base_url,
                max_tokens=max_tokens,
                timeout_s=timeout,
                params=read_params(param or []),
            ),
            progress=progress,
        )
    show_run(run, as_json=json)


def show_run(run: Run, *, as_json: bool) -> None:
    """Print what a run found, or how to go on with it."""
    from vlsu.cli.output import print_json, print_table, say

    if not run.finished:
        say(f"stopped: what was answered is stored in {run.path}; the same command goes on")
        raise typer.Exit(130)
    if as_json:
        print_json(run.metrics)
        return
    from vlsu.report.tables import run_tables

    for table in run_tables(run):
        if table.name in SHOWN:
            print_table(table.title, table.columns, table.rows, table.note)
    for modality, reasons in run.record.get("not_asked", {}).items():
        for why, count in reasons.items():
            say(f"not asked: {modality} of {count} samples ({why})")
    requests = run.record.get("requests", {})
    say(f"requests: {requests.get('asked', 0)} asked, {requests.get('reused', 0)} stored before")
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
