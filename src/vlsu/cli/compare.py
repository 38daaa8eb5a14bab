"""``vlsu compare``: is one run better than another, and can that be claimed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.options import MinAnswered, Primary

#: Runs up to which every table of every pair is shown.
_IN_FULL = 2
#: Leaderboards shown; the JSON has them all.
_BOARDS = 2
#: Sentences printed, those on the headline first.
_SENTENCES = 30


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Two run folders or more: one task, one dataset.")
    ],
    dataset: Annotated[
        Path | None, typer.Option(help="The dataset's folder, if it was moved since.")
    ] = None,
    min_answered: MinAnswered = "95%",
    primary: Primary = None,
    secondary: Annotated[
        list[str] | None,
        typer.Option(help="A metric that is tested once all primary tests hold. Repeatable."),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            help="Also say where runs are equivalent: differ by less than this, such as 0.02 or 2%."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of bootstrap and randomization.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare runs on the samples they share: differences, intervals, tests and conclusions.

    A run is called better on the primary metric (--primary; joint.f1_macro, or over_blocking and
    under_refusal) and, once that holds, on secondary ones: the chance of any false claim is at most
    5%, over all pairs of runs. All other differences are marked by their false discovery rate: of
    what is marked, on average at most 5% is chance. Runs of other prompts, policies, judges or
    settings are compared and noted; another dataset or task is refused.
    Nothing is claimed that does not hold whatever the answers are that never came or could not be
    read, or judged; and where a run answered less than --min-answered, with missing answers as
    wrong and with them left out.
    Images, texts and answers are not printed. See docs/comparing.md.
    """
    from vlsu.analysis.table.answered import parse_share
    from vlsu.cli.output import print_json, print_table, print_text
    from vlsu.cli.run_errors import naming_runs
    from vlsu.report.comparison.spending import spending_tables
    from vlsu.report.comparison.tables import claims, comparison_tables
    from vlsu.runs import load_run
    from vlsu.runs.finished.comparison import compare as compare_runs

    enough = parse_share(min_answered, "--min-answered")
    with naming_runs(runs):
        comparison = compare_runs(
            [load_run(path) for path in runs],
            dataset=dataset,
            seed=seed,
            enough=enough,
            primary=primary or [],
            secondary=secondary or [],
            margin=None if margin is None else parse_share(margin, "--margin"),
        )
    if json:
        print_json(comparison)
        return
    parts = ("patterns", "categories") if len(runs) > _IN_FULL else ()
    boards = [f"leaderboard-{path}" for path in comparison["leaderboard"]]
    for table in (*comparison_tables(comparison), *spending_tables(comparison)):
        if table.name not in (*parts, *boards[_BOARDS:]):
            print_table(table.title, table.columns, table.rows, table.note)
    sentences = list(claims(comparison))
    for sentence in sentences[:_SENTENCES]:
        print_text(sentence)
    if len(sentences) > _SENTENCES:
        print_text(f"And {len(sentences) - _SENTENCES} more sentences: --json, or vlsu report.")
    if parts:
        print_text("Patterns and categories of each pair: compare the two alone, or --json.")
