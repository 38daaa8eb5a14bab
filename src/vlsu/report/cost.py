"""What a run has cost, as tables and a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.errors import VlsuError
from vlsu.report.table import ABSENT, Table
from vlsu.runs import Run
from vlsu.runs.costs import Tokens
from vlsu.runs.finished.ledger import SAVINGS, Ledger, Line, ledger, recorded_ledger

__all__ = ["cost_sentence", "cost_tables", "ledgers_table", "money", "run_ledger"]

_COLUMNS = ("part", "requests", "input", "cached", "written", "output", "reasoning", "cost")
#: Parts in the order in which they are shown.
_PARTS = ("model", "judge", "modality", "framing")
#: Digits of an amount that count, and places of it at most.
_DIGITS, _PLACES = 3, 6


def money(amount: float | None, currency: str | None = None) -> str:
    """An amount with three digits that count: ``12.30 USD``, ``0.00456 USD``; absent if `None`."""
    if amount is None:
        return ABSENT
    places = 2
    while places < _PLACES and 0 < abs(amount) < 10 ** (_DIGITS - 1 - places):
        places += 1
    shown = f"{amount:,.{places}f}" if not 0 < amount < 10**-_PLACES else f"<{10**-_PLACES:f}"
    return shown + (f" {currency}" if currency else "")


def cost_tables(found: Ledger) -> list[Table]:
    """What each part of a run has cost, and how it comes down from the list price."""
    tables = [_parts(found)] if found.lines else []
    if found.total is not None:
        tables.append(_savings(found))
    return tables


def run_ledger(run: Run) -> Ledger | None:
    """What a finished run has cost; `None` if it was given no price.

    Where its responses or the prices are not at hand, what its record says.
    """
    if "cost" not in run.record:
        return None
    try:
        found = ledger(run)
    except VlsuError:
        return recorded_ledger(run)
    return recorded_ledger(run) if found.total is None else found


def cost_sentence(found: Ledger) -> str:
    """What a run has cost, and which share of its list price that is; empty without a price.

    Of a replay whose answers they are, whatever is known of prices.
    """
    if found.replay is not None:
        worth = found.saved.get("store")
        at = "" if worth is None else f"; their list price is {money(worth, found.currency)}"
        return (
            f"Nothing was asked: the answers are those of {found.replay}{at}. What they cost is "
            "said by vlsu cost of that run."
        )
    if found.total is None or found.listed is None:
        return ""
    text = f"It cost {money(found.total, found.currency)}"
    if found.per_1000 is not None:
        text += f", {money(found.per_1000, found.currency)} for 1,000 samples"
    if found.listed > found.total > 0:
        text += f": {100 * found.total / found.listed:.0f}% of the list price"
    return f"{text}."


def _parts(found: Ledger) -> Table:
    rows = [
        _row(line, found.currency)
        for part in _PARTS
        for line in found.of(part).values()
        if part != "modality" or len(found.of(part)) > 1
    ]
    note = (
        "From the stored responses, over all starts. Input tokens include those read from and "
        "written to the provider's cache, output tokens include reasoning."
    )
    if found.image_tokens:
        parts = (f"{count:,} of {name}" for name, count in found.image_tokens.items())
        note += f" Of the input, tokens of images: {', '.join(parts)}."
    if sources := dict.fromkeys(price.source for price in found.prices.values()):
        note += f" Prices: {'; '.join(sources)}."
    if found.without_tokens:
        note += (
            f" Of {found.without_tokens} responses the tokens are not known; start the run again, "
            "and they are counted."
        )
    return Table("cost", "What this cost", _COLUMNS, tuple(rows), note)


def _row(line: Line, currency: str | None) -> tuple[str, ...]:
    tokens = _every(line.tokens)
    return (
        f"{line.part}: {line.name}",
        ABSENT if line.requests is None else str(line.requests),
        *(str(tokens[n]) for n in ("input", "cached", "cache_write", "output", "reasoning")),
        money(line.cost, currency),
    )


def _every(tokens: Tokens) -> dict[str, int]:
    return {
        name: getattr(tokens.direct, name) + getattr(tokens.batched, name)
        for name in tokens.direct._fields
    }


def _savings(found: Ledger) -> Table:
    listed = found.listed or 0.0

    def share(amount: float) -> str:
        return f"{100 * amount / listed:.1f}%" if listed else ABSENT

    rows = [("list price", money(listed, found.currency), share(listed))]
    rows += [
        (f"saved by {SAVINGS.get(why, why)}", money(amount, found.currency), share(amount))
        for why, amount in found.saved.items()
        if amount
    ]
    paid = found.total or 0.0
    rows.append(("paid", money(paid, found.currency), share(paid)))
    if found.per_1000 is not None:
        rows.append(("paid for 1,000 samples", money(found.per_1000, found.currency), ABSENT))
    note = (
        "The list price is that of the same answers without the provider's cache and its batch "
        "interface, with a request for each sample"
    )
    if "sampling" in found.saved:
        note += "; what a draw left out is estimated at the mean of what it asked"
    return Table(
        "savings",
        "From the list price to what was paid",
        ("", "amount", "share"),
        tuple(rows),
        f"{note}.",
    )


def ledgers_table(names: Sequence[str], ledgers: Sequence[Ledger]) -> Table:
    """Several runs, a row each.

    Args:
        names: Of the runs, each another one.
        ledgers: Of the same.
    """
    rows = []
    for name, found in zip(names, ledgers, strict=True):
        whole = found.listed
        share = ABSENT if not whole or found.total is None else f"{100 * found.total / whole:.0f}%"
        amounts = (found.total, found.per_1000, whole)
        rows.append((name, found.model, *(money(a, found.currency) for a in amounts), share))
    return Table(
        "costs",
        "What the runs cost",
        ("run", "model", "paid", "for 1,000 samples", "list price", "share of it"),
        tuple(rows),
        _together(ledgers),
    )


def _together(ledgers: Sequence[Ledger]) -> str:
    """What several runs cost in all; empty where that is no sum."""
    priced = [each for each in ledgers if each.total is not None]
    if len({each.currency for each in priced}) != 1:
        return ""
    left_out = any(each.unpriced for each in ledgers)
    total = money(sum(each.total or 0.0 for each in priced), priced[0].currency)
    return f"Together {total}{', without what has no price' if left_out else ''}."
