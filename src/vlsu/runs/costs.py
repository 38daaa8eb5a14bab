"""What a run has cost, over all its starts: from the tokens of the stored responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from vlsu.errors import UsageError
from vlsu.models.base import Model, Response
from vlsu.runs.asking.limits import BatchPrice, Price, TokenCounts, known_price, read_price
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.store.store import ResponseStore

__all__ = [
    "Costs",
    "Tokens",
    "recorded_prices",
    "require_one_currency",
    "stored_tokens",
    "written_price",
]


class Tokens(NamedTuple):
    """Tokens by how they are paid.

    Attributes:
        direct: Of responses that were asked for one by one.
        batched: Of those that came by a batch interface.
        taken_over: Of those out of a store that other runs have paid for; they cost nothing.
    """

    direct: TokenCounts = TokenCounts()
    batched: TokenCounts = TokenCounts()
    taken_over: TokenCounts = TokenCounts()

    def cost(self, price: Price) -> float:
        """What was paid for them."""
        return price.cost_of(self.direct) + price.cost_of(self.batched, batched=True)

    def without_cache(self, price: Price) -> float:
        """What would have been paid if no cache had a part in them."""
        return price.list_cost_of(self.direct) + price.list_cost_of(self.batched, batched=True)

    def list_cost(self, price: Price) -> float:
        """What would have been paid without caches and batches."""
        return price.list_cost_of(self.direct) + price.list_cost_of(self.batched)

    def taken_over_cost(self, price: Price) -> float:
        """The same of what other runs have paid for."""
        return price.list_cost_of(self.taken_over)


_NONE = Tokens()


@dataclass(slots=True)
class Costs:
    """The prices of the models a run asks, and what they come to.

    Attributes:
        prices: By SPEC: those of this start, else those of an earlier one.
        before: Tokens of what was stored before this start, by SPEC.
    """

    prices: dict[str, Price] = field(default_factory=dict)
    before: dict[str, Tokens] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RunRecord, store: ResponseStore) -> Costs:
        """Those of a start that begins, after the record and the store of earlier ones."""
        return cls(recorded_prices(record), stored_tokens(store))

    def price_of(self, spec: str, price: Price | None) -> Price | None:
        """The price that holds for a model: one that is given, that of an earlier start, or listed.

        Args:
            spec: The model's.
            price: Of this start: given, the list price of this package, or none.
        """
        before = self.prices.get(spec)
        if before is None or price is None or price == before:
            return price or before
        listed = known_price(spec)
        is_listed = price == listed and price.source == listed.source
        return before if is_listed else price

    def record(
        self,
        store: ResponseStore,
        shared: Mapping[str, TokenCounts] | None = None,
        usage: Mapping[str, Tokens] | None = None,
    ) -> dict[str, object]:
        """The run's part of ``run.yaml``: empty where no price is known.

        ``total`` is over all starts, ``of`` the same by SPEC, ``of_start`` that of this one;
        ``saved`` is what was paid less than the list price, and why: ``shared`` of requests that
        served several samples, ``batch`` by a batch's price, and ``cache`` by the provider's cache
        (at the price of a batch where it came by one); ``store``, if there are such, of what other
        runs have paid for. With ``total`` they add up to that list price.

        Args:
            store: The responses.
            shared: By SPEC, the tokens that would have been paid again if no request served
                several samples.
            usage: The tokens of the responses, by SPEC, where they were summed already.
        """
        if not self.prices:
            return {}
        usage, shared = stored_tokens(store) if usage is None else usage, shared or {}
        total: dict[str, float] = {}
        before, uncached, listed = dict(total), dict(total), dict(total)
        for spec, price in self.prices.items():
            tokens = usage.get(spec, _NONE)
            total[spec] = tokens.cost(price)
            before[spec] = self.before.get(spec, _NONE).cost(price)
            uncached[spec] = tokens.without_cache(price)
            listed[spec] = tokens.list_cost(price)
        again = [p.list_cost_of(shared[spec]) for spec, p in self.prices.items() if spec in shared]
        stored = sum(usage.get(s, _NONE).taken_over_cost(p) for s, p in self.prices.items())
        prices = self.prices.values()
        currencies = {price.currency for price in prices}
        saved = {
            "cache": sum(uncached.values()) - sum(total.values()),
            "batch": sum(listed.values()) - sum(uncached.values()),
            "shared": sum(again),
            **({"store": stored} if stored else {}),
        }
        return {
            "cost": {
                "total": round(sum(total.values()), 6),
                "currency": currencies.pop() if len(currencies) == 1 else None,
                "of_start": round(sum(total.values()) - sum(before.values()), 6),
                "of": {spec: round(cost, 6) for spec, cost in total.items()},
                "source": "; ".join(dict.fromkeys(price.source for price in prices)),
                "prices": {spec: written_price(price) for spec, price in self.prices.items()},
                "saved": {why: round(money, 6) for why, money in saved.items()},
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
        there = self.before.get(spec, _NONE)
        more = zip(there.direct, TokenCounts.of(response), strict=True)
        self.before[spec] = there._replace(direct=TokenCounts(*(n + m for n, m in more)))


def require_one_currency(max_cost: float | None, prices: Iterable[Price | None]) -> None:
    """Refuse a bound on money that is spent in several currencies: a sum of them is none.

    Args:
        max_cost: The bound; `None` if there is none.
        prices: Of all models that it is for.

    Raises:
        UsageError: The prices are known to be in different currencies.
    """
    currencies = sorted({each.currency for each in prices if each is not None and each.currency})
    if max_cost is not None and len(currencies) > 1:
        raise UsageError(
            f"max-cost {max_cost:g}: the prices are in {' and '.join(currencies)}, which do not "
            "add up; give prices in one currency"
        )


def recorded_prices(record: RunRecord) -> dict[str, Price]:
    """The prices an earlier start was given, by SPEC; without those that are damaged."""
    cost = record.get("cost")
    given = cost.get("prices") if isinstance(cost, Mapping) else None
    found = given.items() if isinstance(given, Mapping) else ()
    return {str(spec): price for spec, each in found if (price := _price(each)) is not None}


def stored_tokens(store: ResponseStore) -> dict[str, Tokens]:
    """The tokens of all responses of a store, by the SPEC of the model asked."""
    batched = {spec: TokenCounts(*counts) for spec, counts in store.usage(batched=True).items()}
    taken_over = {s: TokenCounts(*counts) for s, counts in store.usage_taken_over().items()}
    asked = store.usage()
    found = {}
    for spec in dict.fromkeys((*asked, *taken_over)):
        of_batches, counts = batched.get(spec, TokenCounts()), asked.get(spec, TokenCounts())
        direct = TokenCounts(*(n - m for n, m in zip(counts, of_batches, strict=True)))
        found[spec] = Tokens(direct, of_batches, taken_over.get(spec, TokenCounts()))
    return found


def written_price(price: Price) -> dict[str, object]:
    """A price for the record."""
    currency = {} if price.currency is None else {"currency": price.currency}
    batch = {} if price.batch is None else {"batch": _parts(price.batch)}
    return {**_parts(price), "source": price.source, **currency, **batch}


def _parts(price: Price | BatchPrice) -> dict[str, float]:
    """Its parts that are known."""
    parts = {each.name: getattr(price, each.name) for each in fields(BatchPrice)}
    return {name: value for name, value in parts.items() if value is not None}


def _price(tree: object) -> Price | None:
    """A price out of a record, unless the record has been tampered with."""
    if not isinstance(tree, Mapping) or "source" not in tree:
        return None
    try:
        return read_price(tree, "")
    except UsageError:
        return None
