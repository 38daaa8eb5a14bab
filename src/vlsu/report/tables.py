"""The tables of a run: one set of rows for the page, Markdown, LaTeX, JSON and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vlsu.analysis.stats.intervals import Rate
from vlsu.errors import UsageError
from vlsu.policy import Family
from vlsu.report.alignment.tables import alignment_comparison, alignment_tables
from vlsu.report.answered import answered_share
from vlsu.report.comparison.charts import CEILING, ceiling_of
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.contents import category_titles, contents
from vlsu.report.run_labels import run_names
from vlsu.report.table import ABSENT, RateCell, Table, format_rate
from vlsu.report.understanding.breakdown import Breakdown
from vlsu.report.understanding.tables import understanding_tables
from vlsu.runs import Run

__all__ = ["comparison_table", "metric_tables", "one_task", "run_tables"]

_COLUMNS = {"accuracy": "accuracy", "f1_macro": "macro-F1", "f1_binary": "binary F1"}


def one_task(runs: Sequence[Run]) -> str:
    """The task of the runs, which a report of several must share.

    Raises:
        UsageError: They are of different tasks.
    """
    first, *others = runs
    task: str = first.record["task"]
    for run in others:
        if run.record["task"] != task:
            raise UsageError(
                f"{first.path} is a run of {task}, {run.path} of {run.record['task']}; "
                "write a report of each task"
            )
    return task


def run_tables(run: Run, *, redact: bool = False) -> tuple[Table, ...]:
    """Every table of a run, in the order of the report; see `vlsu.report.contents`.

    Raises:
        RunError: The run is not finished.
    """
    return tuple(contents(run, redact=redact).tables.values())


def metric_tables(run: Run) -> tuple[Table, ...]:
    """The tables of a run that its `metrics.json` holds: no judgment is read, whatever its size.

    Raises:
        RunError: The run is not finished.
    """
    titles = category_titles(run)
    if run.record["task"] == "alignment":
        return tuple(alignment_tables(run, titles))
    return understanding_tables(run.metrics, run.record, Breakdown(), titles)


def comparison_table(
    runs: Sequence[Run],
    names: Sequence[str] | None = None,
    *,
    ranks: Mapping[str, str] | None = None,
    oracle: Oracle | None = None,
) -> Table:
    """The headline of several runs, a row each, best first where ranks are known.

    Below them two rows of reference: the late-fusion ceiling, and the human grader where given.

    Args:
        runs: Of one task.
        names: Of the runs, if not their models'.
        ranks: Name -> its rank on accuracy of the pair, such as ``1 (1–2)``.
        oracle: A human grader's scores.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    if one_task(runs) == "alignment":
        return alignment_comparison(runs)
    names = names or run_names(runs)
    named = list(zip(names, runs, strict=True))
    if ranks:
        named.sort(key=lambda pair: -(pair[1].metrics["joint"]["accuracy"]["value"] or 0.0))
    varied = _varied(runs)
    blank = ["–"] * len(varied)
    rows = [
        (
            f"{name}{' (estimate)' if run.metrics.get('sampling') else ''}",
            *([ranks.get(name, "–")] if ranks else []),
            *(of(run) for of in varied.values()),
            f"{run.metrics['joint']['n']:,}",
            *(format_rate(run.metrics["joint"][key]) for key in _COLUMNS),
            _answered(run),
            *(format_rate(run.metrics["families"][f.value]["accuracy"]) for f in Family),
        )
        for name, run in named
    ]
    head = (*(["–"] if ranks else []), *blank)
    ceiling = ceiling_of({name: run.metrics for name, run in named})
    if ceiling is not None:
        exact = [Rate(best, best, best) for best in (1.0, 0.0, 0.0)]
        by_definition = (RateCell(f"{found.value:.2f}", found) for found in exact)
        rows.append((CEILING, *head, "–", format_rate(ceiling), "–", "–", ABSENT, *by_definition))
    if oracle is not None:
        scores = (
            format_rate(oracle.joint[key]) if key in oracle.joint else "–" for key in _COLUMNS
        )
        families = (
            format_rate(oracle.families[f.value][0]) if f.value in oracle.families else "–"
            for f in Family
        )
        n = "–" if oracle.n is None else f"{oracle.n:,}"
        rows.append((oracle.name, *head, n, *scores, ABSENT, *families))
    return Table(
        "comparison",
        "Leaderboard" if ranks else "Runs side by side",
        (
            "model",
            *(["rank"] if ranks else []),
            *varied,
            "n",
            *_COLUMNS.values(),
            "answered",
            *Family,
        ),
        tuple(rows),
        _note(named, ranked=bool(ranks), ceiling=ceiling is not None, human=oracle is not None),
    )


def _answered(run: Run) -> str:
    part = answered_share(run.metrics)
    return ABSENT if part is None else format_rate(part.share)


def _varied(runs: Sequence[Run]) -> dict[str, Callable[[Run], str]]:
    """Prompt and dataset, as far as the runs do not share them."""
    columns: dict[str, Callable[[Run], str]] = {
        "prompt": lambda run: str(run.record["prompt"]["name"]),
        "dataset": lambda run: (
            f"{run.record['dataset']['name']} {run.record['dataset']['version']}"
        ),
    }
    return {name: of for name, of in columns.items() if len({of(run) for run in runs}) > 1}


def _note(named: Sequence[tuple[str, Run]], *, ranked: bool, ceiling: bool, human: bool) -> str:
    said = [
        "Of the pair, each with its [95% interval]; the last three columns are accuracy by family. "
        "A missing answer counts as wrong."
    ]
    if ranked:
        said.append(
            "rank: by accuracy; in brackets all ranks that the claims of all pairs, corrected "
            "together, leave open."
        )
    else:
        said.append("Intervals that overlap do not show that two runs are alike, nor the reverse.")
    if ceiling:
        said.append(
            f"{CEILING}: what grading image and text apart without an error, and taking the worse, "
            "reaches; by family it is so by definition."
        )
    if human:
        said.append("human grader: one against the consensus of the others.")
    if any(run.metrics.get("sampling") for _, run in named):
        said.append("estimate: of the whole dataset from a sample of it drawn by pattern.")
    return " ".join(said)
