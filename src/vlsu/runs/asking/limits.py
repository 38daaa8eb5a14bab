"""What a run may ask at once, a minute, and in all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from vlsu._arguments import require_kinds
from vlsu._files import is_regular
from vlsu._yaml import load_yaml, read_yaml
from vlsu.errors import UsageError
from vlsu.models.base import TOKEN_COUNTS, Response
from vlsu.registry import did_you_mean
from vlsu.runs.asking.in_flight import InFlight
from vlsu.runs.asking.memory import SHARE, InFlightBytes, machine_memory, read_bytes
from vlsu.runs.asking.pace import RateLimit
from vlsu.runs.stop import Stop, StopReason

__all__ = [
    "BatchPrice",
    "Budget",
    "Limits",
    "Price",
    "TokenCounts",
    "known_price",
    "price_file",
    "read_price",
]

#: The parts of a price, in the order in which people write them; the last two may be left out.
_PARTS = ("input", "output", "cached", "cache_write")
_CACHE_PARTS = _PARTS[2:]
#: What else stands beside them in a price that is written down.
_BESIDE = ("batch", "source", "currency")

#: In flight at most when the user gives no number: what a server can take is found by trying.
MOST_IN_FLIGHT = 1024
FIRST_IN_FLIGHT = 16
#: How providers date a snapshot: ``gpt-4o-2024-08-06``, ``claude-haiku-4-5-20251001``.
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class TokenCounts(NamedTuple):
    """Tokens of one response, or of several together.

    Attributes:
        input: Of the prompts, those read from and written to caches included.
        output: Generated, reasoning included.
        cached: Of the input, read from the provider's cache.
        cache_write: Of the input, written to it and billed as such.
        reasoning: Of the output.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @classmethod
    def of(cls, response: Response) -> TokenCounts:
        """Those of a response; what is not known counts as none."""
        return cls(*(getattr(response, name) or 0 for name in TOKEN_COUNTS))


@dataclass(frozen=True, slots=True)
class BatchPrice:
    """What a million tokens cost in a provider's batch interface.

    Attributes:
        input: Of tokens of the prompt that no cache has a part in.
        output: Of tokens generated.
        cached: Of tokens read from the provider's cache; as `input` if `None`.
        cache_write: Of tokens written to it; as `input` if `None`.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        require_kinds(self)


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens, in whatever currency the user counts.

    Attributes:
        input: Of tokens of the prompt that no cache has a part in.
        output: Of tokens generated, reasoning included.
        source: Where it comes from and how old it is, in words; no part of what it is worth.
        cached: Of tokens read from the provider's cache; as `input` if `None`.
        cache_write: Of tokens written to it; as `input` if `None`.
        currency: Its code, such as ``USD``; `None` where the user has not said.
        batch: In the provider's batch interface; `None` where that is not known, and tokens cost
            there what they cost elsewhere.
    """

    input: float
    output: float
    source: str = field(default="given", compare=False)
    cached: float | None = None
    cache_write: float | None = None
    currency: str | None = field(default=None, compare=False)
    batch: BatchPrice | None = None

    def __post_init__(self) -> None:
        require_kinds(self)

    def cost(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        cached_tokens: int | None = None,
        cache_write_tokens: int | None = None,
    ) -> float:
        """What a response costs; a provider that claims more from its cache than it read is cut."""
        counts = (input_tokens, output_tokens, cached_tokens, cache_write_tokens)
        return _cost(self, TokenCounts(*(n or 0 for n in counts)))

    def cost_of(self, counts: TokenCounts, *, batched: bool = False) -> float:
        """What so many tokens cost.

        Args:
            counts: The tokens.
            batched: Whether they came by the provider's batch interface.
        """
        return _cost(self.batch if batched and self.batch is not None else self, counts)

    def list_cost_of(self, counts: TokenCounts, *, batched: bool = False) -> float:
        """What they would cost if no cache had a part in them."""
        return self.cost_of(TokenCounts(counts.input, counts.output), batched=batched)


def _cost(rates: Price | BatchPrice, counts: TokenCounts) -> float:
    cached = min(counts.cached, counts.input)
    written = min(counts.cache_write, counts.input - cached)
    money = (
        (counts.input - cached - written) * rates.input
        + cached * (rates.input if rates.cached is None else rates.cached)
        + written * (rates.input if rates.cache_write is None else rates.cache_write)
        + counts.output * rates.output
    )
    return money / 1_000_000


def read_price(given: object, spec: str, *, may_lack: bool = False) -> Price | None:
    """A price as people write it.

    Args:
        given: ``"2.5,10"`` (input, output), ``"2.5,10,0.25"`` (and input read from a cache),
            ``"2.5,10,0.25,3.1"`` (and written to it), a mapping such as
            ``{input: 2.5, output: 10, cached: 0.25}``, the path of a price file, or `None`.
        spec: The model's SPEC, which a price file is looked up by. Such a file is a mapping
            ``prices`` from SPEC to ``{input, output, cached, cache_write, batch}``, of which the
            last three may be left out; ``batch`` has such parts of its own, or is the factor of
            them all. ``date`` is its age, ``currency`` the currency.
        may_lack: Whether a price file without this model gives `None`.

    Raises:
        UsageError: It is none of these, or the file has no price for this model.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        return _price(given, "price")
    text = str(given)
    numbers = text.split(",")
    if len(numbers) in (2, 3, 4):
        return _price(dict(zip(_PARTS, numbers, strict=False)), f"price {text!r}")
    prices = price_file(text)
    if spec not in prices and not may_lack:
        raise UsageError(f"{text}: no price for {spec!r}; {did_you_mean(spec, list(prices))}")
    return prices.get(spec)


def price_file(text: str) -> dict[str, Price]:
    """The prices in a file of prices, by SPEC; see `read_price`.

    Raises:
        UsageError: There is no such file, or it is none of prices.
    """
    if not is_regular(text):
        raise UsageError(
            f"price {text!r}: neither INPUT,OUTPUT[,CACHED[,WRITE]] for a million tokens nor a "
            "YAML file"
        )
    tree = load_yaml(text, UsageError)
    prices = tree.get("prices") if isinstance(tree, dict) else None
    if not isinstance(prices, dict):
        raise UsageError(f"{text}: expected a mapping 'prices' from provider/name to a price")
    source = Path(text).name + (f" of {tree['date']}" if "date" in tree else "")
    currency = str(tree["currency"]) if "currency" in tree else None
    return {
        str(spec): _price(price, f"{text}: {spec}", source, currency)
        for spec, price in prices.items()
    }


def known_price(spec: str) -> Price | None:
    """The list price, in US dollars, that this package has of a model on its provider's server.

    Args:
        spec: Matched as it stands, else without the date that ends a snapshot's name.
    """
    text = files("vlsu.runs").joinpath("prices.yaml").read_text(encoding="utf-8")
    tree = read_yaml(text)
    for name in (spec, _SNAPSHOT.sub("", spec)):
        if name in tree["prices"]:
            source = f"list prices of {tree['date']} in USD"
            return _price(tree["prices"][name], f"prices.yaml: {name}", source, tree["currency"])
    return None


def _price(given: object, where: str, source: str = "given", currency: str | None = None) -> Price:
    for tree, names in ((given, _PARTS + _BESIDE), (_batch_of(given), _PARTS)):
        for name in tree if isinstance(tree, Mapping) else ():
            if name not in names:  # a misspelt part would be charged as other input is
                near = did_you_mean(str(name), list(names))
                raise UsageError(f"{where}: {name!r} is no part of a price; {near}")
    try:
        if not isinstance(given, Mapping):
            raise ValueError
        direct = _rates(given)
        batch = given.get("batch")
        if batch is not None:
            batch = _rates(batch) if isinstance(batch, Mapping) else _times(direct, batch)
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{where}: expected input and output, money for a million tokens"
        ) from None
    return Price(
        direct.input,
        direct.output,
        str(given.get("source", source)),
        cached=direct.cached,
        cache_write=direct.cache_write,
        currency=currency if (own := given.get("currency")) is None else str(own),
        batch=batch,
    )


def _batch_of(given: object) -> object:
    return given.get("batch") if isinstance(given, Mapping) else None


def _rates(given: Mapping[str, Any]) -> BatchPrice:
    """The parts of a price.

    Raises:
        KeyError: Input or output is missing.
        ValueError: A part is no amount of money.
    """
    cached, cache_write = (
        None if given.get(name) is None else _money(given[name]) for name in _CACHE_PARTS
    )
    return BatchPrice(_money(given["input"]), _money(given["output"]), cached, cache_write)


def _times(rates: BatchPrice, factor: object) -> BatchPrice:
    """A price of which every part is so many times another's."""
    times = _money(factor)
    cached, cache_write = (
        None if part is None else part * times for part in (rates.cached, rates.cache_write)
    )
    return BatchPrice(rates.input * times, rates.output * times, cached, cache_write)


def _money(given: Any) -> float:
    if isinstance(given, bool):
        raise ValueError
    amount = float(given)
    if not 0 <= amount < math.inf:
        raise ValueError
    return amount


@dataclass(slots=True)
class Budget:
    """Bounds on one start of a run; reached, it stops cleanly and can be continued.

    Attributes:
        max_requests: Attempts that may be sent, or `None`.
        max_cost: Money that may be spent, or `None`; needs a price. Requests in flight when it is
            reached are still paid for; `vlsu.runs.asking.purse` keeps them few.
        price: Of the model that is asked now.
        requests: Attempts that were sent.
        cost: Money that was spent.
        answers: Responses that it was spent on.
    """

    max_requests: int | None = None
    max_cost: float | None = None
    price: Price | None = None
    requests: int = 0
    cost: float = 0.0
    answers: int = 0

    def exhausted(self) -> Stop | None:
        """Why nothing more may be sent, if so."""
        if self.max_requests is not None and self.requests >= self.max_requests:
            message = f"--max-requests {self.max_requests} reached"
            return Stop(StopReason.BUDGET, message, "max_requests")
        if self.max_cost is not None and self.cost >= self.max_cost:
            return Stop(StopReason.BUDGET, f"--max-cost {self.max_cost:g} reached", "max_cost")
        return None

    def sent(self) -> None:
        """One more attempt goes out."""
        self.requests += 1

    def not_sent(self) -> None:
        """It could not be sent after all."""
        self.requests -= 1

    def spent(self, response: Response, *, batched: bool = False) -> None:
        """A response came and is paid for, by the price of a batch if it came by one."""
        self.answers += 1
        if self.price is not None:
            self.cost += self.price.cost_of(TokenCounts.of(response), batched=batched)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on how a model is asked, none of which can change an answer.

    Attributes:
        concurrency: Requests in flight; `None` finds out how many pay, up to `MOST_IN_FLIGHT`.
        requests_per_minute: `None` for no bound but the server's.
        tokens_per_minute: Of input and output together.
        max_requests: Attempts one start may send.
        max_cost: Money one start may spend; needs a price.
        price: Of a million tokens.
        max_memory: Bytes that the images of requests in flight may hold, or as people write it
            (``2GB``, ``25%``); `None` for a quarter of the machine's.

    Raises:
        UsageError: A value is of the wrong kind or out of range, or a cost is bounded without a
            price.
    """

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_requests: int | None = None
    max_cost: float | None = None
    price: Price | None = None
    max_memory: int | str | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError(
                f"concurrency {self.concurrency}: at least 1 request must be in flight"
            )
        for name in ("requests_per_minute", "tokens_per_minute", "max_requests", "max_cost"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name.replace('_', '-')} {value:g}: give more than 0")
        if self.max_memory is not None:
            read_bytes(str(self.max_memory))
        if self.max_cost is not None and self.price is None:
            raise UsageError("max-cost needs a price; give --price INPUT,OUTPUT a million tokens")

    @property
    def most_in_flight(self) -> int:
        """How many requests may be in flight at most."""
        return self.concurrency or MOST_IN_FLIGHT

    def in_flight(self, most: int | None = None) -> InFlight:
        """How many requests a run begins with and may reach.

        Args:
            most: Of these, so many are possible.
        """
        most = self.most_in_flight if most is None else min(most, self.most_in_flight)
        return InFlight(most, self.concurrency or FIRST_IN_FLIGHT)

    def in_flight_bytes(self) -> InFlightBytes:
        """How much the images of requests in flight may hold."""
        if self.max_memory is None:
            return InFlightBytes(int(SHARE * machine_memory()))
        return InFlightBytes(read_bytes(str(self.max_memory)))

    def rate(self) -> RateLimit:
        """The bounds a minute."""
        return RateLimit(self.requests_per_minute, self.tokens_per_minute)

    def budget(self) -> Budget:
        """The bounds in all, of one start."""
        return Budget(self.max_requests, self.max_cost, self.price)
