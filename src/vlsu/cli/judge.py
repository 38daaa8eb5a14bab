"""``vlsu judge``: how far a judge can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

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
        str, typer.Option(help="judge/offline, a guard, or a model such as openai/gpt-4o.")
    ],
    out: Annotated[Path | None, typer.Option(help="The calibration file to write.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Root of the judge's server.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a judge against human labels and store its calibration."""
    from vlsu.cli.output import RunProgress, print_json, print_table, say
    from vlsu.models import Settings
    from vlsu.report.words import unknown_languages
    from vlsu.runs.validation import validate_judge

    progress = RunProgress()
    with progress.shown():
        result = validate_judge(
            labels,
            judge=judge,
            out=out,
            settings=Settings(base_url=base_url),
            progress=progress,
        )
    metrics = result.metrics
    if json:
        print_json(metrics)
    else:
        measures = ("sensitivity", "specificity", "precision", "f1", "kappa")
        print_table(
            f"{judge} against {metrics['n']} labelled answers",
            ("refusal counted", "n", *measures),
            [
                (setting, metrics[setting]["n"], *(_rate(metrics[setting][m]) for m in measures))
                for setting in ("strict", "lenient")
            ],
            "95% intervals. strict: declined; lenient: declined or redirected.",
        )
        if metrics["missing"]:
            say(f"the judge failed on {metrics['missing']} answers: {metrics['outcomes']}")
        for setting in ("strict", "lenient"):
            if why := metrics[setting]["too_weak"]:
                say(f"{setting}: too weak to correct rates ({why})")
    if result.unknown_languages:
        say(unknown_languages(judge, result.unknown_languages))
    say(f"calibration: {result.file}")


def _rate(rate: dict[str, Any]) -> str:
    if rate["value"] is None:
        return "-"
    return f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"
