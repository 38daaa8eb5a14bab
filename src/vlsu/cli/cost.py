"""``vlsu cost``: what runs have cost, what for, and what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlsu.runs import Run
    from vlsu.runs.asking.limits import Price
    from vlsu.runs.finished.ledger import Ledger

__all__ = ["cost", "show_ledgers", "tell_controls"]


def cost(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, finished or not.")],
    price: Annotated[
        str | None,
        typer.Option(
            help="What it would cost at other prices: INPUT,OUTPUT[,CACHED[,WRITE]] of a million "
            "tokens of the models under test, or a file of prices."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what runs have cost, by model, modality, framing and judge, and what was saved.

    Everything is computed from the stored responses and the prices that the runs were given, so
    that it holds over all starts of a run. The list price is what it would have cost without the
    provider's cache, without its batch interface, and with a request for each sample. Nothing is
    asked.
    """
    from vlsu.cli.output import print_json
    from vlsu.cli.run_errors import naming_runs
    from vlsu.runs import load_run
    from vlsu.runs.finished.ledger import ledger
    from vlsu.runs.run_names import require_each_once

    with naming_runs(runs):
        opened = [load_run(path) for path in runs]
        require_each_once(opened)  # else the sum would have it twice
        prices = [_prices(price, run.record.model.spec) for run in opened]
        found = [
            ledger(run, its, count_images=True) for run, its in zip(opened, prices, strict=True)
        ]
        controls = [_of_controls(run, its) for run, its in zip(opened, prices, strict=True)]
    currencies = {each.currency for each in found if each.total is not None}
    alike = len(currencies) == 1
    total = sum(each.total or 0.0 for each in found)
    if json:
        print_json(
            {
                "runs": [
                    each.to_dict() | ({"controls": its.totals} if its.ledgers else {})
                    for each, its in zip(found, controls, strict=True)
                ],
                "total": round(total, 6) if alike else None,
                "currency": currencies.pop() if alike else None,
            }
        )
        return
    _show(opened, found, controls)


def show_ledgers(runs: Sequence[Run]) -> None:
    """Print what runs have cost."""
    from vlsu.runs.finished.ledger import ledger

    _show(runs, [ledger(run) for run in runs], [_of_controls(run, {}) for run in runs])


def tell_controls(run: Run) -> None:
    """Print what the controls of a run have cost, which is no part of the run's cost."""
    _of_controls(run, {}).tell(run.path)


class _Controls(NamedTuple):
    """What the controls of a run have cost."""

    ledgers: Sequence[Ledger]

    @property
    def totals(self) -> dict[str, object]:
        """By control; `None` without a price."""
        return {each.run.name: each.to_dict()["total"] for each in self.ledgers}

    def tell(self, run: Path) -> None:
        """Print it, and how to see more."""
        from vlsu.cli.output import say
        from vlsu.report.cost import money

        if not self.ledgers:
            return
        known = [each.total for each in self.ledgers if each.total is not None]
        more = f", which cost {money(sum(known), self.ledgers[0].currency)} more" if known else ""
        folders = " ".join(str(each.run) for each in self.ledgers)
        say(f"{run}: without its controls{more}: vlsu cost {folders}")


def _of_controls(run: Run, prices: dict[str, Price]) -> _Controls:
    from vlsu.runs.finished.controls import control_runs
    from vlsu.runs.finished.ledger import ledger, prices_of

    asked_at = {**prices_of(run), **prices}
    return _Controls([ledger(each, asked_at) for each in control_runs(run)])


def _show(runs: Sequence[Run], found: Sequence[Ledger], controls: Sequence[_Controls]) -> None:
    from vlsu.cli.output import print_table
    from vlsu.report.cost import ledgers_table

    for each, its in zip(found, controls, strict=True):
        _show_ledger(each)
        its.tell(each.run)
    if len(found) > 1:
        table = ledgers_table([str(run.path) for run in runs], found)
        print_table(table.title, table.columns, table.rows, table.note)


def _show_ledger(found: Ledger) -> None:
    """Print what a run has cost and what was saved."""
    from vlsu.cli.output import print_table, print_text, say
    from vlsu.report.cost import cost_sentence, cost_tables

    for table in cost_tables(found):
        title = f"{table.title}: {found.run}" if table.name == "cost" else table.title
        print_table(title, table.columns, table.rows, table.note)
    if sentence := cost_sentence(found):
        print_text(sentence)
    if found.unpriced:
        names = ", ".join(found.unpriced)
        say(f"{found.run}: the price of {names} is not known; give --price")
    if not found.finished:
        say(f"{found.run}: not finished; {_to_come(found.run)}parts are known once it is")


def _to_come(run: Path) -> str:
    """What of a run is with a provider, in words; empty if nothing is."""
    from vlsu.errors import RunError
    from vlsu.runs.batching.journal import Journal, in_words

    try:
        out = Journal(run).open()
    except RunError:
        return "which batches are with the provider cannot be read; "
    return f"{in_words(out)} to come; " if out else ""


def _prices(given: str | None, spec: str) -> dict[str, Price]:
    """The prices that an option means for a run of a model.

    A file may have those of its judges too, and need not have all.
    """
    from vlsu.runs.asking.limits import price_file, read_price

    if given is None:
        return {}
    if "," not in given:
        return price_file(given)
    price = read_price(given, spec)
    return {} if price is None else {spec: price}
