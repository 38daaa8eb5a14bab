"""What a run prints at its end: its tables, what it asked, its cost, or how to continue it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlsu.runs import Estimate, Run

__all__ = ["exit_if_stopped", "print_requests", "show_estimates", "show_run", "still_waiting"]

#: Tables printed after a run; the report has them all.
SHOWN = (
    *("headline", "weighted_harm", "answered", "response_safety", "corrected"),
    *("families", "reruns", "outcomes", "judge_outcomes"),
)
#: Of these, those shown only where the judge of an alignment run detects refusals.
REFUSAL_TABLES = ("headline", "families")


def show_estimates(estimates: dict[str, Estimate], *, as_json: bool) -> None:
    """Print the estimates of a dry run."""
    from vlsu.cli.output import print_json, print_table, say

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
    if stored := sum(each.stored for each in estimates.values()):
        note += f" {stored} more are stored and not asked again."
    if out := sum(each.out for each in estimates.values()):
        note += f" {out} more are in batches with the provider: --batch collects them."
    for name, each in estimates.items():
        if each.calls is not None:
            note += f" {name} asks several questions of a request, {each.calls} in all."
    for name, each in estimates.items():
        if each.at_most:
            note += f" {name}: at most; --until stops as soon as the interval is narrow enough."
        note += "".join(f" {sentence}" for sentence in _cost_sentences(name, each))
    costs = [each.cost for each in estimates.values() if each.cost is not None]
    currencies = {each.currency for each in estimates.values() if each.cost is not None}
    if len(costs) > 1 and len(currencies) == 1:
        currency = currencies.pop()
        note += f" Together: {sum(costs):.2f}{f' {currency}' if currency else ''}."
    if sources := sorted({each.cost_source for each in estimates.values() if each.cost_source}):
        note += f" Prices: {', '.join(sources)}."
    print_table("Dry run", columns, rows, note)
    for line in dict.fromkeys(line for each in estimates.values() for line in each.lacking):
        say(line)


def _cost_sentences(name: str, found: Estimate) -> list[str]:
    """What would be cheaper, and how long it may take."""
    currency = f" {found.currency}" if found.currency else ""
    sentences = []
    if found.cost and found.cost_cached is not None and found.cost_cached < found.cost:
        sentences.append(
            f"{name}: {found.cost_cached:.2f}{currency} if the provider reads "
            f"{100 * found.cached_share:.0f}% of the input from its cache."
        )
    if found.cost and found.cost_batch is not None:
        sentences.append(f"{name}: {found.cost_batch:.2f}{currency} with --batch.")
    if found.seconds:
        sentences.append(
            f"{name}: {_duration(found.seconds)} at {found.requests_per_s:,.3g} requests a second."
            if found.requests_per_s
            else f"{name}: {_duration(found.seconds)}."
        )
    return sentences


def _duration(seconds: float) -> str:
    """``40 s``, ``12 min`` or ``3.2 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def show_run(run: Run, *, as_json: bool) -> None:
    """Print a run's results, or how to continue it.

    Raises:
        typer.Exit: As `exit_if_stopped`.
    """
    from vlsu.cli.output import print_json, print_table, say

    exit_if_stopped(run)
    if as_json:
        print_json(run.metrics)
        return
    from vlsu.report.tasks import metric_tables, notes, notice

    detects_refusal = "refusal" in run.metrics.get("gives", ("refusal",))
    for table in metric_tables(run):
        if table.name in SHOWN and (detects_refusal or table.name not in REFUSAL_TABLES):
            print_table(table.title, table.columns, table.rows, table.note)
    if warning := notice(run):
        say(warning.text)
    for note in notes(run):
        say(note)
    for modality, reasons in run.record.get("not_asked", {}).items():
        for why, count in reasons.items():
            say(f"not asked: {modality} of {count} samples ({why})")
    for change, count in run.record.get("images", {}).items():
        say(f"images {change} to what the model takes: {count}")
    print_requests(run)
    say(f"run: {run.path}")


def exit_if_stopped(run: Run) -> None:
    """Say how to continue a run that was stopped.

    Raises:
        typer.Exit: It was; the code is that of `vlsu.cli.stopping.exit_stopped`.
    """
    from vlsu.cli.stopping import exit_stopped
    from vlsu.runs.stop import StopReason

    if not run.finished:
        exit_stopped(run.record["stopped"], StopReason(run.record["stop_reason"]), run.path)


def still_waiting(run: Run) -> bool:
    """Whether batches of a run are not waited for, or were cancelled; it says so then."""
    from vlsu.cli.output import say
    from vlsu.cli.stopping import later_line
    from vlsu.runs.stop import StopReason

    if run.finished:
        return False
    line = later_line(run.record["stopped"], StopReason(run.record["stop_reason"]), run.path)
    if line is not None:
        say(line)
    return line is not None


def print_requests(run: Run) -> None:
    """Print what was asked, what has no answer, and the cost."""
    from vlsu.cli.output import say
    from vlsu.runs.folder import RunFolder
    from vlsu.runs.task_records import TASK_RECORDS

    requests = run.record.get("requests", {})
    if unanswered := requests.get("unanswered", {}):
        for message, count in unanswered.items():
            say(f"no answer to {count} requests: {message}")
        say("run the same command again to ask for the missing answers")
    asked, reused = requests.get("asked", 0), requests.get("reused", 0)
    say(f"requests: {asked} asked, {reused} stored before")
    if shared := requests.get("shared", 0):
        what = TASK_RECORDS[run.record.task].results
        if RunFolder(run.path).has_first_pass:
            what = f"questions, first for the likely categories and then for the {what},"
        say(
            f"{asked + reused + shared} {what} from {asked + reused} requests: {shared} needed the "
            "same request as another and were not asked again"
        )
    if "cost" in run.record:
        cost = run.record["cost"]
        currency = f" {cost['currency']}" if cost.get("currency") else ""
        saved = {why: amount for why, amount in cost.get("saved", {}).items() if amount}
        say(
            f"cost: {cost['total']:.4f}{currency}, {cost.get('of_start', 0):.4f} of it in this "
            f"start (prices: {cost.get('source')})"
        )
        if saved:
            from vlsu.runs.finished.ledger import SAVINGS

            why = ", ".join(
                f"{amount:.4f} by {SAVINGS.get(each, each)}" for each, amount in saved.items()
            )
            say(f"  saved: {why}")
        for spec, part in cost.get("of", {}).items():
            if part != cost["total"]:
                say(f"  {spec}: {part:.4f}")
