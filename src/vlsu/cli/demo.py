"""``vlsu demo``: both tasks on the bundled set, with models that need no key and no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlsu.runs import Run

DATASET = "vlsu-mini"
GRADER = "baseline/late-fusion"
ASSISTANT = "local/smollm2"
#: Pairs the assistant answers under each framing, and the bound on an answer in tokens: what two
#: cores do in half a minute.
PAIRS = 15
ANSWER_TOKENS = 40


def demo(
    out: Annotated[Path, typer.Option(help="Where runs and reports go.")] = Path("vlsu-demo"),
    json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json of each task under its name.")
    ] = False,
) -> None:
    """Try both tasks on the bundled set and write their reports; no key, no network.

    Understanding is tried on an embedded baseline, alignment on a toy assistant. Without the extra
    that brings the assistant, alignment is left out.
    """
    from vlsu.cli.output import print_json, say
    from vlsu.cli.run_output import show_run
    from vlsu.errors import MissingExtraError
    from vlsu.report import write_report

    runs: dict[str, Run] = {}
    pages: dict[str, Path] = {}

    def done(task: str, run: Run, page: Path) -> None:
        if not (json and run.finished):
            show_run(run, as_json=False)
        runs[task] = run
        pages[task] = write_report([run], page)

    done("understanding", try_understanding(out / "run"), out / "report.html")
    try:
        aligned = try_alignment(out / "pairs", out / "alignment")
    except MissingExtraError as error:
        say(f"alignment is left out: {error}")
    else:
        done("alignment", aligned, out / "alignment.html")
    if json:
        print_json({task: run.metrics for task, run in runs.items()})
    say("Reports to open in a web browser:")
    for task, page in pages.items():
        say(f"  {task}: {page.absolute().as_uri()}")


def try_understanding(folder: Path) -> Run:
    """Evaluate the embedded baseline on the bundled set into a run folder."""
    from vlsu.cli.output import RunProgress, say
    from vlsu.runs import evaluate

    say(f"{GRADER} on {DATASET}: a heuristic baseline on a demonstration set, not a ranking")
    progress = RunProgress()
    with progress.shown():
        return evaluate(DATASET, model=GRADER, out=folder, progress=progress)


def try_alignment(
    drawn: Path, folder: Path, *, pairs: int = PAIRS, answer_tokens: int = ANSWER_TOKENS
) -> Run:
    """Have the toy assistant answer some pairs of the bundled set.

    Args:
        drawn: Where the pairs go, a dataset of its own.
        folder: The run folder.
        pairs: How many, a third of each joint severity.
        answer_tokens: Bound on an answer.

    Raises:
        MissingExtraError: The assistant is not installed.
        UsageError: Another dataset is where the pairs would go.
    """
    from vlsu._folders import is_dataset
    from vlsu.cli.output import RunProgress, say
    from vlsu.data import load, sample_dataset
    from vlsu.errors import UsageError
    from vlsu.models import Settings, open_model
    from vlsu.runs import align

    if is_dataset(drawn) and load(drawn).info.name != f"{DATASET}-sample":
        raise UsageError(f"{drawn}: holds another dataset; choose another --out")
    model = open_model(ASSISTANT, Settings(max_tokens=answer_tokens))
    say(
        f"{ASSISTANT} on {pairs} pairs of {DATASET}, answers cut at {answer_tokens} tokens: a toy "
        "under test, not a recommendation; it cannot see and reads a caption in place of the image"
    )
    dataset = sample_dataset(load(DATASET), drawn, n=pairs, balanced=True, overwrite=True)
    progress = RunProgress()
    with progress.shown():
        return align(dataset, model=model, out=folder, captions=True, progress=progress)
