"""What a run has cost, over all its starts: from the tokens of the stored responses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vlsu.models.base import Model, Response
from vlsu.runs.asking.limits import Price, TokenCounts
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.store.store import ResponseStore

__all__ = ["Costs", "recorded_prices"]


_NONE = TokenCounts()


@dataclass(slots=True)
class Costs:
    """The prices of the models a run asks, and what they come to.

    Attributes:
        prices: By SPEC: those of this start, else those of an earlier one.
        before: Tokens of what was stored before this start, by SPEC.
    """

    prices: dict[str, Price] = field(default_factory=dict)
    before: dict[str, TokenCounts] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RunRecord, store: ResponseStore) -> Costs:
        """Those of a start that begins, after the record and the store of earlier ones."""
        return cls(recorded_prices(record), _usage(store))

    def record(self, store: ResponseStore) -> dict[str, object]:
        """The run's part of ``run.yaml``: empty where no price is known.

        ``total`` is over all starts, ``of`` the same by SPEC, ``of_start`` that of this one;
        ``saved`` is what was paid less than the list price of the same tokens, and why.
        """
        if not self.prices:
            return {}
        usage = _usage(store)
        total, before = (
            {spec: price.cost_of(of.get(spec, _NONE)) for spec, price in self.prices.items()}
            for of in (usage, self.before)
        )
        listed = {s: p.list_cost_of(usage.get(s, _NONE)) for s, p in self.prices.items()}
        prices = self.prices.values()
        currencies = {price.currency for price in prices}
        return {
            "cost": {
                "total": round(sum(total.values()), 6),
                "currency": currencies.pop() if len(currencies) == 1 else None,
                "of_start": round(sum(total.values()) - sum(before.values()), 6),
                "of": {spec: round(cost, 6) for spec, cost in total.items()},
                "source": "; ".join(dict.fromkeys(price.source for price in prices)),
                "prices": {spec: _written(price) for spec, price in self.prices.items()},
                "saved": {"cache": round(sum(listed.values()) - sum(total.values()), 6)},
            }
        }

    def accounting(
        self, chunks: Iterator[Chunk], store: ResponseStore, model: Model
    ) -> Iterator[Chunk]:
        """The same plan; on the way, tokens of responses that were stored without are kept."""
        if not store.without_usage():
            yield from chunks
            return
        seen: set[str] = set()
        for chunk in chunks:
            keys = [each.key for each in chunk.planned if each.key not in seen]
            seen.update(keys)
            for key, stored in store.responses_without_usage(keys).items():
                response = model.read(stored.raw)
                store.put_usage(key, model.spec, response)
                self._were_there(model.spec, response)
            yield chunk

    def _were_there(self, spec: str, response: Response) -> None:
        there, more = self.before.get(spec, _NONE), TokenCounts.of(response)
        self.before[spec] = TokenCounts(*(n + m for n, m in zip(there, more, strict=True)))


def recorded_prices(record: RunRecord) -> dict[str, Price]:
    """The prices an earlier start was given, by SPEC; without those that are damaged."""
    cost = record.get("cost")
    given = cost.get("prices") if isinstance(cost, Mapping) else None
    found = given.items() if isinstance(given, Mapping) else ()
    return {str(spec): price for spec, each in found if (price := _price(each)) is not None}


def _usage(store: ResponseStore) -> dict[str, TokenCounts]:
    return {spec: TokenCounts(*counts) for spec, counts in store.usage().items()}


def _written(price: Price) -> dict[str, object]:
    """A price for the record."""
    tree = {name: getattr(price, name) for name in ("input", "output", "cached", "cache_write")}
    known = {name: value for name, value in tree.items() if value is not None}
    currency = {} if price.currency is None else {"currency": price.currency}
    return {**known, "source": price.source, **currency}


def _price(tree: object) -> Price | None:
    """A price out of a record, unless the record has been tampered with."""
    try:
        assert isinstance(tree, Mapping)
        parts = {name: float(tree[name]) for name in ("cached", "cache_write") if name in tree}
        currency = tree.get("currency")
        price = Price(
            float(tree["input"]),
            float(tree["output"]),
            str(tree["source"]),
            **parts,
            currency=None if currency is None else str(currency),
        )
    except (AssertionError, KeyError, TypeError, ValueError, OverflowError):
        return None
    numbers = (price.input, price.output, *parts.values())
    return price if all(0 <= number < math.inf for number in numbers) else None
