"""What a run has cost and what for, recomputed from its stored responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlsu.errors import RunError
from vlsu.models.base import TOKEN_COUNTS
from vlsu.policy import MODALITIES
from vlsu.runs.asking.limits import Price, TokenCounts, known_price
from vlsu.runs.costs import Costs, Tokens, recorded_prices, stored_tokens, written_price
from vlsu.runs.finished.ledger_parts import (
    answered_tokens,
    asked_of_judges,
    difference,
    images_tokens,
    sum_of,
)
from vlsu.runs.folder import RunFolder
from vlsu.runs.run import Run
from vlsu.runs.shared import judge_of_search, shared_tokens
from vlsu.runs.store.store import ResponseStore

__all__ = [
    "SAVINGS",
    "Ledger",
    "Line",
    "cost_figures",
    "ledger",
    "per_1000",
    "prices_of",
    "recorded_ledger",
]

#: Reasons for which less than the list price was paid -> in words.
SAVINGS = {
    "cache": "the provider's cache",
    "batch": "the batch interface",
    "shared": "requests that served several samples",
    "store": "answers that other runs paid for",
    "sampling": "samples that a draw left out",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What one part of a run has cost.

    Attributes:
        part: What it is one of: ``model``, ``judge``, ``modality`` or ``framing``; lines of one
            kind add up, as far as each response belongs to one of them.
        name: Which.
        requests: Different requests with a response that is paid for, without those that other runs
            have paid for; `None` where it is not known.
        tokens: Of these responses.
        cost: In the currency of the prices; `None` without a price.
    """

    part: str
    name: str
    requests: int | None
    tokens: Tokens
    cost: float | None

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        every = (d + b for d, b in zip(self.tokens.direct, self.tokens.batched, strict=True))
        return {
            "requests": self.requests,
            **dict(zip(TOKEN_COUNTS, every, strict=True)),
            "batched_input_tokens": self.tokens.batched.input,
            "batched_output_tokens": self.tokens.batched.output,
            "cost": None if self.cost is None else round(self.cost, 6),
        }


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a run has cost.

    Attributes:
        run: Its folder.
        task: Its task.
        model: The SPEC of the model under test.
        finished: Whether all was asked; parts are known only then.
        responses: Stored responses.
        samples: Samples that were asked about; `None` before the run is finished.
        currency: Its code; `None` where it is not known, or of prices in several.
        prices: By SPEC.
        unpriced: SPECs whose price is not known; they are in no sum.
        without_tokens: Stored responses whose tokens are not known; they count as none.
        total: What was paid; `None` without any price.
        saved: What was paid less than the list price, by reason (`SAVINGS`). ``sampling`` is
            estimated, and only there of a draw.
        lines: The parts.
        image_tokens: Of the input, tokens of images by modality, where the server says.
        replay: The run whose answers were judged again, if nothing was asked for that reason.
    """

    run: Path
    task: str
    model: str
    finished: bool
    responses: int
    samples: int | None
    currency: str | None
    prices: Mapping[str, Price]
    unpriced: tuple[str, ...]
    without_tokens: int
    total: float | None
    saved: Mapping[str, float]
    lines: tuple[Line, ...]
    image_tokens: Mapping[str, int] = field(default_factory=dict)
    replay: str | None = None

    @property
    def listed(self) -> float | None:
        """The list price: without cache and batch, each sample asked about by itself."""
        return None if self.total is None else self.total + sum(self.saved.values())

    @property
    def per_1000(self) -> float | None:
        """What 1,000 samples cost."""
        return per_1000(self.total, self.samples)

    def of(self, part: str) -> dict[str, Line]:
        """The lines of one kind, by name."""
        return {line.name: line for line in self.lines if line.part == part}

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        by = {
            part: {name: line.to_dict() for name, line in self.of(part).items()}
            for part in ("model", "judge", "modality", "framing")
            if self.of(part)
        }
        return {
            "run": str(self.run),
            "task": self.task,
            "model": self.model,
            "finished": self.finished,
            "responses": self.responses,
            "samples": self.samples,
            "total": _rounded(self.total),
            "currency": self.currency,
            "per_1000": _rounded(self.per_1000),
            "list_price": _rounded(self.listed),
            "saved": {why: _rounded(money) for why, money in self.saved.items()},
            "prices": {spec: written_price(price) for spec, price in self.prices.items()},
            "unpriced": list(self.unpriced),
            "without_tokens": self.without_tokens,
            "image_tokens": dict(self.image_tokens),
            **({} if self.replay is None else {"replay": self.replay}),
            "by": by,
        }


def ledger(
    run: Run, prices: Mapping[str, Price] | None = None, *, count_images: bool = False
) -> Ledger:
    """What a run has cost, from its stored responses.

    Args:
        run: A run, finished or not; of an ensemble, its live members together.
        prices: By SPEC, in place of those that the run was given.
        count_images: Whether the tokens of images are counted too, for which all responses are
            read where the server says them.

    Raises:
        RunError: The responses or the results are missing or damaged.
    """
    if "ensemble" in run.record:
        return _of_members(run, prices or {})
    folder = RunFolder(run.path)
    if not folder.responses_file.exists():
        raise RunError(f"{folder.responses_file}: missing; a run's cost is computed from it")
    store = ResponseStore(folder.responses_file, read_only=True)
    try:
        found = _ledger(run, folder, store, {**prices_of(run), **(prices or {})})
        if count_images and run.finished:
            found = replace(found, image_tokens=images_tokens(folder, store))
        return found
    finally:
        store.close()


def recorded_ledger(run: Run) -> Ledger:
    """What the record of a finished run says that it has cost, where its responses are not at hand.

    Raises:
        RunError: The run is not finished, or its metrics are damaged.
    """
    cost = run.record.get("cost", {})
    prices = recorded_prices(run.record)
    return Ledger(
        run=run.path,
        task=run.record.task,
        model=run.record.model.spec,
        finished=run.finished,
        responses=run.record.get("requests", {}).get("stored", 0),
        samples=_samples(run),
        currency=cost.get("currency"),
        prices=prices,
        unpriced=(),
        without_tokens=0,
        total=cost.get("total"),
        saved=dict(cost.get("saved", {})),
        lines=(),
    )


def prices_of(run: Run) -> dict[str, Price]:
    """The prices a run was given by SPEC, else list prices, of the providers' own servers."""
    found = recorded_prices(run.record)
    specs = [run.record.model.spec] if run.record.model.get("base_url") is None else []
    for spec in (*specs, *_judges(run)):
        if spec not in found and (price := known_price(spec)) is not None:
            found[spec] = price
    return found


def per_1000(total: float | None, samples: int | None) -> float | None:
    """What 1,000 samples cost."""
    return None if total is None or not samples else round(1000 * total / samples, 6)


def cost_figures(run: Run) -> dict[str, Any]:
    """The figures of a finished run's cost that `vlsu gate` and comparisons name.

    Returns:
        ``total`` and ``saved``, as the record has them, and ``per_1000``; empty without a price.
        Answers that another run paid for count in ``per_1000``, at their list price: a run that
        took all of its answers from another one is no cheaper a way to the same result.

    Raises:
        RunError: The run is not finished, or its metrics are damaged.
    """
    cost = run.record.get("cost")
    if cost is None:
        return {}
    saved = dict(cost.get("saved", {}))
    each = per_1000(cost["total"] + saved.get("store", 0.0), _samples(run))
    return {"total": cost["total"], "per_1000": each, **({"saved": saved} if saved else {})}


def _ledger(run: Run, folder: RunFolder, store: ResponseStore, prices: dict[str, Price]) -> Ledger:
    usage = stored_tokens(store)
    spec, record = run.record.model.spec, run.record
    # What was all taken over from another store has no tokens here, and costs nothing.
    used = {name: price for name, price in prices.items() if name in usage or name == spec}
    lines = tuple(_lines(run, folder, store, usage, used))
    judge = judge_of_search(record)
    spared = shared_tokens(folder, store, spec, judge) if run.finished else {}
    cost: Any = Costs(used).record(store, spared).get("cost", {})
    saved = dict(cost.get("saved", {}))
    if cost and (left_out := _left_out(run, usage, used)):
        saved["sampling"] = round(left_out, 6)
    return Ledger(
        run=run.path,
        task=record.task,
        model=spec,
        finished=run.finished,
        responses=store.count(),
        samples=_samples(run) if run.finished else None,
        currency=cost.get("currency"),
        prices=used,
        unpriced=tuple(name for name in usage if name not in used and _has_tokens(usage[name])),
        without_tokens=store.without_usage(),
        total=cost.get("total"),
        saved=saved,
        lines=lines,
        replay=(record.get("replay") or {}).get("run"),
    )


def _has_tokens(tokens: Tokens) -> bool:
    return any((*tokens.direct, *tokens.batched))


def _samples(run: Run) -> int:
    if run.record.task == "tuning":  # whose metrics are of the held-out pairs alone
        return run.judgments["sample_id"].n_unique()
    drawn = run.metrics.get("sampling") or {}
    return int(drawn.get("sampled", run.metrics.get("n", 0)))


def _left_out(run: Run, usage: Mapping[str, Tokens], prices: Mapping[str, Price]) -> float:
    """What the samples that a draw left out would have cost, at the mean of those it asked."""
    requests = (run.record.get("sampling") or {}).get("requests") or {}
    asked, whole = requests.get("sample", 0), requests.get("dataset", 0)
    spec = run.record.model.spec
    if not asked or whole <= asked or spec not in prices:
        return 0.0
    return float(whole / asked - 1) * usage.get(spec, Tokens()).list_cost(prices[spec])


def _lines(
    run: Run,
    folder: RunFolder,
    store: ResponseStore,
    usage: Mapping[str, Tokens],
    prices: Mapping[str, Price],
) -> Iterator[Line]:
    spec, judges = run.record.model.spec, _judges(run)

    def line(part: str, name: str, requests: int | None, tokens: Tokens, of: str) -> Line:
        cost = tokens.cost(prices[of]) if of in prices else None
        return Line(part, name, requests, tokens, cost)

    if not run.finished:
        for name, tokens in usage.items():
            yield line("model", name, None, tokens, name)
        return
    column = "framing" if run.record.get("framings") else "modality"
    wanted = list(run.record["framings"]) if column == "framing" else list(MODALITIES)
    parts = answered_tokens(folder, store, column, usage.get(spec, Tokens()))
    answers = sum_of([tokens for _, tokens in parts.values()])
    # What was answered and is in no result now, such as of a larger --limit before.
    own = answers if spec in judges else usage.get(spec, Tokens())
    requests = used = sum(n for n, _ in parts.values())
    if spec not in judges and not store.without_usage():
        requests = max(used, store.asked().get(spec, 0) + store.removed().get(spec, 0))
    yield line("model", spec, requests, own, spec)
    taken_over = any(any(tokens.taken_over) for tokens in usage.values())
    beside = judge_of_search(run.record)
    asked = asked_of_judges(folder, store, beside, taken_over=taken_over) if judges else {}
    for judge in judges:
        rest = usage.get(judge, Tokens())
        tokens = difference(rest, answers) if judge == spec else rest
        yield line("judge", judge, asked.get(judge, 0), tokens, judge)
    for name in usage.keys() - {spec, *judges}:  # such as the one that proposed instructions
        count = store.asked().get(name, 0) + store.removed().get(name, 0)
        yield line("model", name, count or None, usage[name], name)
    for name in (*(name for name in wanted if name in parts), *(parts.keys() - {*wanted})):
        yield line(column, name, *parts[name], spec)
    left = difference(own, answers)
    if _has_tokens(left._replace(taken_over=TokenCounts())):  # what others paid for is in no line
        name = "first pass" if folder.has_first_pass else "in no result"
        yield line(column, name, requests - used or None, left, spec)


def _judges(run: Run) -> list[str]:
    return [judge["spec"] for judge in run.record.get("judges", [])]


def _of_members(run: Run, prices: Mapping[str, Price]) -> Ledger:
    """What the live members of an ensemble have cost together; its own folder has no responses."""
    members = run.record.ensemble.members
    folders = {each["folder"] for each in members if each.get("live") and each.get("folder")}
    found = [
        ledger(Run(path, RunFolder(path).record()), prices)
        for path in (run.path / folder for folder in sorted(folders))
        if (path / "run.yaml").exists()
    ]
    saved: dict[str, float] = {}
    for each in found:
        for why, money in each.saved.items():
            saved[why] = saved.get(why, 0.0) + money
    priced = [each.total for each in found if each.total is not None]
    currencies = {each.currency for each in found if each.total is not None}
    return Ledger(
        run=run.path,
        task=run.record.task,
        model=run.record.model.spec,
        finished=run.finished,
        responses=sum(each.responses for each in found),
        samples=_samples(run) if run.finished else None,
        currency=currencies.pop() if len(currencies) == 1 else None,
        prices={spec: price for each in found for spec, price in each.prices.items()},
        unpriced=tuple(spec for each in found for spec in each.unpriced),
        without_tokens=sum(each.without_tokens for each in found),
        total=sum(priced) if priced else None,
        saved=saved,
        lines=tuple(line for each in found for line in each.lines if line.part == "model"),
    )


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 6)
