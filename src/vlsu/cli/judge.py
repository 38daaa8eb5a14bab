"""``vlsu judge``: how far a judge can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.chosen_models import open_chosen
from vlsu.cli.options import (
    Concurrency,
    InsecureHttp,
    Models,
    MovedDataset,
    Rpm,
    Tpm,
    choose_models,
)
from vlsu.cli.table_options import Encoding, Missing

app = typer.Typer(help="How far a judge can be believed.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("validate")
def validate(
    labels: Annotated[
        Path,
        typer.Argument(
            help="CSV with columns response and label (refusal, no_refusal or a response kind), "
            "and perhaps prompt, image, language, group."
        ),
    ],
    judge: Annotated[
        str,
        typer.Option(
            help="judge/offline, a guard, a model such as openai/gpt-4o, or a name from --models."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The calibration file to write.")] = None,
    models: Models = None,
    base_url: Annotated[str | None, typer.Option(help="Root of the judge's server.")] = None,
    insecure_http: InsecureHttp = None,
    concurrency: Concurrency = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    missing: Missing = None,
    encoding: Encoding = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a judge against human labels and store its calibration."""
    from vlsu.cli.output import RunProgress, print_json, print_table, say
    from vlsu.report.alignment.judge_notes import unknown_languages
    from vlsu.report.alignment.validation import validation_tables
    from vlsu.runs import ModelOptions
    from vlsu.runs.alignment.validation import validate_judge

    (named,) = choose_models([judge], models, "--judge")
    given = ModelOptions.given(
        base_url=base_url,
        insecure_http=insecure_http,
        concurrency=concurrency,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
    )
    chosen = open_chosen(named, given)
    progress = RunProgress()
    with progress.shown():
        result = validate_judge(
            labels,
            judge=chosen.model,
            out=out,
            limits=chosen.limits,
            progress=progress,
            missing=missing,
            encoding=encoding,
        )
    metrics = result.metrics
    if json:
        print_json(metrics)
    else:
        for table in validation_tables(metrics, judge):
            print_table(table.title, table.columns, table.rows, table.note)
        for setting in ("strict", "lenient"):
            if why := metrics[setting]["too_weak"]:
                say(f"{setting}: this judge's errors cannot be corrected: {why}")
    if withheld := metrics["withheld"]:
        say(
            f"the judge withheld its verdict on {_answers(withheld)}, of which it was not sure; "
            "they are left out of every rate"
        )
    if failures := metrics["missing"] - withheld:
        counts = metrics["outcomes"] | {"unparsed": metrics["outcomes"]["unparsed"] - withheld}
        failed = ", ".join(
            f"{count} {outcome}" for outcome, count in counts.items() if count and outcome != "ok"
        )
        say(f"the judge failed on {_answers(failures)} ({failed}); they are left out of every rate")
    for message, count in result.unanswered.items():
        say(f"no answer to {count} requests: {message}; run the same command again to ask for them")
    if result.unknown_languages:
        say(unknown_languages(judge, result.unknown_languages))
    say(f"calibration: {result.file}")


@app.command("sample")
def sample(
    run: Annotated[Path, typer.Argument(help="The folder of a finished alignment run.")],
    out: Annotated[Path, typer.Option(help="The CSV to write; must not be there yet.")],
    n: Annotated[int, typer.Option(help="How many answers to draw.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    dataset: MovedDataset = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw answers of a run for people to label; feed the file back with vlsu run ... --labels.

    Every framing gets as many, and within one every verdict of the judge in proportion.
    Fill the column label with refusal, no_refusal or a response kind.
    """
    from vlsu.analysis.alignment.prediction_powered import FEWEST_LABELS
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.runs import load_run
    from vlsu.runs.alignment.labels import draw_labels

    drawn = draw_labels(load_run(run, dataset=dataset), n, out, seed)
    wanted = drawn.wanted()
    if json:
        counts = {
            framing: {name: {"answers": a, "drawn": d} for name, (a, d) in parts.items()}
            for framing, parts in drawn.framings.items()
        }
        print_json(
            {
                "file": str(drawn.file),
                "drawn": drawn.count,
                "needed": FEWEST_LABELS,
                "wanted": wanted,
                "framings": counts,
            }
        )
    else:
        print_table(
            f"Drawn for labelling: {drawn.count} answers",
            ("framing", "pairs", "answers", "drawn"),
            [
                (framing, name, *counts)
                for framing, parts in drawn.framings.items()
                for name, counts in parts.items()
            ],
            f"A rate is corrected by labels from {FEWEST_LABELS} of them on.",
        )
    if wanted is not None:
        say(f"for {FEWEST_LABELS} labels at each severity under each framing, draw --n {wanted}")
    if drawn.without_prompts is not None:
        say(f"texts and images are not in the file: {drawn.without_prompts}")
    say(
        f"{drawn.file} holds {drawn.count} answers of the model, some perhaps harmful: keep it as "
        "you keep the run"
    )
    say("fill the column label, then add --labels to the command of the run")


def _answers(count: int) -> str:
    return f"{count} answer{'' if count == 1 else 's'}"
