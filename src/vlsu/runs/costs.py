"""What a run has cost, over all its starts: from the tokens of the stored responses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlsu.models.base import Model, Response
from vlsu.runs.limits import Price
from vlsu.runs.plan import Chunk
from vlsu.runs.store import ResponseStore

__all__ = ["Costs", "recorded_prices"]


@dataclass(slots=True)
class Costs:
    """The prices of the models a run asks, and what they come to.

    Attributes:
        prices: By SPEC: those of this start, else those of an earlier one.
        before: Input and output tokens of what was stored before this start, by SPEC.
    """

    prices: dict[str, Price] = field(default_factory=dict)
    before: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any], store: ResponseStore) -> Costs:
        """Those of a start that begins, after the record and the store of earlier ones."""
        return cls(recorded_prices(record), store.usage())

    def record(self, store: ResponseStore) -> dict[str, Any]:
        """The run's part of ``run.yaml``: empty where no price is known.

        ``cost`` is over all starts, ``cost_of`` the same by SPEC, ``cost_of_start`` of this one.
        """
        if not self.prices:
            return {}
        usage = store.usage()
        total, before = (
            {spec: price.cost(*tokens.get(spec, (0, 0))) for spec, price in self.prices.items()}
            for tokens in (usage, self.before)
        )
        return {
            "cost": round(sum(total.values()), 6),
            "cost_source": "; ".join(dict.fromkeys(each.source for each in self.prices.values())),
            "cost_of": {spec: round(cost, 6) for spec, cost in total.items()},
            "cost_of_start": round(sum(total.values()) - sum(before.values()), 6),
            "prices": {
                spec: {"input": price.input, "output": price.output, "source": price.source}
                for spec, price in self.prices.items()
            },
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
        read, written = self.before.get(spec, (0, 0))
        tokens = (response.input_tokens or 0, response.output_tokens or 0)
        self.before[spec] = read + tokens[0], written + tokens[1]


def recorded_prices(record: Mapping[str, Any]) -> dict[str, Price]:
    """The prices an earlier start was given, by SPEC; without those that are damaged."""
    given = record.get("prices")
    found = given.items() if isinstance(given, Mapping) else ()
    return {str(spec): price for spec, each in found if (price := _price(each)) is not None}


def _price(tree: object) -> Price | None:
    """A price out of a record, unless the record has been tampered with."""
    try:
        assert isinstance(tree, Mapping)
        price = Price(float(tree["input"]), float(tree["output"]), str(tree["source"]))
    except (AssertionError, KeyError, TypeError, ValueError, OverflowError):
        return None
    sound = 0 <= price.input < math.inf and 0 <= price.output < math.inf
    return price if sound else None
