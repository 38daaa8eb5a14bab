"""``vlsu project``: a run's errors in the requests a deployment gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vlsu.cli.options import MovedDataset

#: Rows of the table, under their keys.
ROWS = {
    "missed_harm": "harmful, missed",
    "wrong_blocks": "that break no rule, {verb}",
    "wrong_blocks_safe": "  safe ones",
    "wrong_blocks_borderline": "  borderline ones",
    "flagged": "{verb} in all",
    "no_verdict": "without a verdict",
    "no_verdict_harmful": "  harmful ones (in missed)",
}


def project(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    traffic: Annotated[
        Path,
        typer.Option(
            help="YAML file of your traffic: severity: {safe: 0.95, borderline: 0.049, unsafe: "
            "0.001}, or harm_prevalence: 1/1000, or patterns: {S-S-S: 0.999, S-S-U: 0.001}, or "
            "categories: {none: 0.99, C9: 0.01}; "
            "docs/deployment.md has the rest."
        ),
    ],
    dataset: MovedDataset = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Missed harm and wrong blocks per million requests of your own traffic.

    The run's rates by severity (or by pattern or category within it) are weighted by the shares in
    the file. Understanding: a request is blocked if the pair is called unsafe. Alignment: if it is
    refused, or blocked by the provider, for each framing.
    """
    from vlsu.cli.output import print_json, print_table, print_text, say
    from vlsu.cli.run_errors import naming_runs
    from vlsu.report.tasks import notice
    from vlsu.runs import load_run
    from vlsu.runs.finished.projection import load_traffic, project_run, rounded
    from vlsu.runs.finished.tasks import task_of

    shares = load_traffic(traffic)
    with naming_runs([run]):
        opened = load_run(run, dataset=dataset)
        found = project_run(opened, shares)
    if json:
        print_json(found)
        return
    if warning := notice(opened):
        say(warning.what)
    verb = task_of(opened).flagged
    for framing, projection in found.items():
        rates: dict[str, Any] = projection["per_million"]
        rows = [
            (name.format(verb=verb), rounded(rates[key]))
            for key, name in ROWS.items()
            if key in rates
        ]
        rows += [(f"  outcome {name}", rounded(rate)) for name, rate in rates["outcomes"].items()]
        print_table(
            f"{run.name}{framing and f', framing {framing}'} in {traffic.name}",
            ("of a million requests", "value [95% interval]"),
            rows,
        )
        print_table(
            "What it rests on",
            ("stratum", "share of requests", "samples", f"{verb} [95% interval]"),
            [
                (s["name"], f"{s['share']:.4g}", s["n"], rounded(s["flagged"], percent=True))
                for s in projection["strata"]
            ],
        )
        print_text(projection["words"] + "\n")
