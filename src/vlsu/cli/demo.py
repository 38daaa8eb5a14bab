"""``vlsu demo``: the whole path on the bundled set and the embedded baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODEL = "baseline/late-fusion"
DATASET = "vlsu-mini"


def demo(
    out: Annotated[Path, typer.Option(help="Where run and report go.")] = Path("vlsu-demo"),
    json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Evaluate the embedded baseline on the bundled set and write a report; no key, no network."""
    from vlsu.cli.output import RunProgress, say
    from vlsu.cli.run import show_run
    from vlsu.report import write_report
    from vlsu.runs import evaluate

    say(f"{MODEL} on {DATASET}: a heuristic baseline on a demonstration set, not a ranking")
    progress = RunProgress()
    with progress.shown():
        run = evaluate(DATASET, model=MODEL, out=out / "run", progress=progress)
    show_run(run, as_json=json)
    page = write_report([run], out / "report.html")
    say(f"report: {page.absolute()}")
