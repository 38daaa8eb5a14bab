"""``vlsu guards``: which guard, at which threshold?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def guards(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Finished understanding runs on one dataset: guards, or any models."),
    ],
    max_false_flags: Annotated[
        str,
        typer.Option(help="Share of what is harmless that may be flagged, such as 0.05 or 5%."),
    ] = "0.05",
    prevalence: Annotated[
        str | None,
        typer.Option(help="Share of your traffic that is harmful, such as 0.01, 1% or 1/1000."),
    ] = None,
    cost_missed: Annotated[
        float | None,
        typer.Option(help="Cost of a harmful request that passes; with the next and --prevalence."),
    ] = None,
    cost_blocked: Annotated[
        float | None, typer.Option(help="Cost of a harmless request that is flagged.")
    ] = None,
    modality: Annotated[str, typer.Option(help="What is graded: joint, text or image.")] = "joint",
    event: Annotated[
        str,
        typer.Option(help="What should be flagged: unsafe, or not-safe (borderline and unsafe)."),
    ] = "unsafe",
    out: Annotated[
        Path | None, typer.Option(help="Also write a page: FILE.html, .md or .json.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="The dataset's folder, if it was moved since.")
    ] = None,
    min_answered: Annotated[
        str,
        typer.Option(
            help="Share of the samples with an answer, such as 95% or 0.95, below which nothing is "
            "chosen."
        ),
    ] = "95%",
    seed: Annotated[int, typer.Option(min=0, help="Of the two halves, and of intervals.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Choose a guard and its threshold: recall against false flags, paired, by family and cost.

    A threshold is chosen on one half of the samples, as the one with the largest recall that flags
    at most --max-false-flags of what is harmless, and reported on the other, both ways. Guards are
    compared where they flag the same share of the harmless. A guard without p_unsafe is compared at
    its verdicts. A missing answer counts against its guard, and where less than --min-answered of
    the samples have an answer nothing is chosen.
    Images, texts and answers are not printed. See docs/guards-choosing.md.
    """
    from vlsu.analysis.deployment.reading import parse_prevalence
    from vlsu.analysis.table.answered import parse_share
    from vlsu.cli.output import print_json, print_table, print_text, say
    from vlsu.cli.run_errors import naming_runs
    from vlsu.report.guards.page import require_suffix, write_guards
    from vlsu.report.guards.tables import TERMINAL, guards_tables
    from vlsu.report.guards.words import notes, sentences
    from vlsu.runs import load_run
    from vlsu.runs.finished.guards import choose

    bound = parse_share(max_false_flags, "--max-false-flags")
    harmful = None if prevalence is None else parse_prevalence(prevalence, "--prevalence")
    enough = parse_share(min_answered, "--min-answered")
    if out is not None:
        require_suffix(out)
    with naming_runs(runs):
        result = choose(
            [load_run(path) for path in runs],
            max_false_flags=bound,
            prevalence=harmful,
            cost_missed=cost_missed,
            cost_blocked=cost_blocked,
            modality=modality,
            event=event,
            dataset=dataset,
            seed=seed,
            min_answered=enough,
        )
    if out is not None:
        write_guards(result, out)
    if json:
        print_json(result)
        return
    tables = guards_tables(result, brief=True)
    for name in TERMINAL:
        if name in tables:
            table = tables[name]
            print_table(table.title, table.columns, table.rows, table.note)
    for said in sentences(result):
        print_text(said)
    for note in notes(result):
        say(note)
    if out is not None:
        say(f"page: {out}")
