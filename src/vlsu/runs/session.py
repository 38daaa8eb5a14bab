"""One start of a run: the folder locked, the store open, and a record of how it went.

A session is what every task shares. A start writes its record before the first request and again
when it ends, however it ends: with a result, at a bound, at an interrupt, or with an error.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from vlsu._machine import exhausted_resource
from vlsu.data import Dataset
from vlsu.errors import MachineError, RunError, VlsuError
from vlsu.models.base import Model, Outcome, Raw, Response
from vlsu.runs.asking.asking import ask
from vlsu.runs.asking.event_loop import interrupted_at_once
from vlsu.runs.asking.images import DatasetImages, Images
from vlsu.runs.asking.limits import Budget, Limits, Price, TokenCounts
from vlsu.runs.asking.open_files import open_files, release_connections
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress, require_progress
from vlsu.runs.asking.rough_counts import REPLY_TOKENS
from vlsu.runs.asking.tally import Tally
from vlsu.runs.asking.trace import Trace
from vlsu.runs.batching.batches import Batches, open_batches_of
from vlsu.runs.batching.options import Batching
from vlsu.runs.costs import Costs
from vlsu.runs.folder import RunFolder
from vlsu.runs.record import now
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.shared import judge_of_search, shared_tokens
from vlsu.runs.stop import INTERRUPTED, Stop, StopReason
from vlsu.runs.store.sharing import open_store, require_shareable
from vlsu.runs.store.store import ResponseStore

__all__ = ["Session", "open_session"]

_WHERE = "what was answered is stored in {}; run the same command again to continue"


@dataclass(slots=True)
class Session:
    """A run folder that is being worked in; made by `open_session`.

    Attributes:
        folder: The run folder.
        record: The content of ``run.yaml`` to be; a task adds its own parts.
        store: Its responses.
        budget: What this start may spend and has spent, over all models asked.
        stored_before: Responses that were there when it began.
        tallies: What was asked so far, one entry a call of `ask`.
        costs: What the run has cost.
        begun: Whether there was anything to do.
        batches: By which requests are asked, if they are.
        trace: Where what is waited for is written down, if it is.
        price: Of the model under test, if this start was given one.
    """

    folder: RunFolder
    record: RunRecord
    store: ResponseStore
    budget: Budget
    progress: Progress
    stored_before: int
    tallies: list[Tally] = field(default_factory=list)
    costs: Costs = field(default_factory=Costs)
    begun: bool = False
    batches: Batches | None = None
    trace: Trace | None = None
    price: Price | None = None

    @property
    def stopped(self) -> Stop | None:
        """Why it ended before all was asked, if it did."""
        return next((tally.stopped for tally in self.tallies if tally.stopped), None)

    @property
    def asked(self) -> int:
        """Requests completed in this start: answered, or given up."""
        return sum(sum(tally.asked.values()) for tally in self.tallies)

    def begin(self) -> None:
        """Record that it runs, before the first request, and what earlier starts have cost."""
        self.begun = True
        spec = self.record.model.spec
        if (price := self.costs.price_of(spec, self.price)) is not None:
            self.costs.prices[spec] = price
        self.record |= self.costs.record(self.store, usage=self.costs.before)
        self.folder.write_record(self.record)

    def fail(self, stop: Stop) -> None:
        """Record that it has ended by an error or an interrupt, and what it has cost until then."""
        if self.begun:
            with suppress(RunError):  # it may be the store that failed
                self.store.flush()
            with suppress(RunError):
                self.record |= self.costs.record(self.store)
        self.end(stop)

    def end(self, stop: Stop | None) -> None:
        """Record that it has ended, and why if not all was done."""
        if not self.begun:
            return
        if stop is None and self.batches is not None:
            self.batches.finished()
        self.record |= {
            "status": "finished" if stop is None else "stopped",
            "stopped": None if stop is None else stop.message,
            "stop_reason": None if stop is None else stop.reason.value,
            "stop_bound": None if stop is None else stop.bound,
            **({"results": self.folder.results()} if stop is None else {}),
            "ended": now(),  # last: a record without it has lost its end
        }
        self.folder.write_record(self.record)

    async def ask(
        self,
        chunks: Iterator[Chunk] | Callable[[], Iterator[Chunk]],
        model: Model,
        images: Images,
        outcome_of: Callable[[Response], Outcome],
        limits: Limits,
        on_response: Callable[[str, Raw, Response], None] | None = None,
        *,
        answer_tokens: int = REPLY_TOKENS,
    ) -> bool:
        """Ask a model whatever of a plan is not stored; whether it came to the plan's end.

        Args:
            chunks: The plan, or what makes it; only of the latter are batches made, which may
                need it several times.
            model: Whom to ask.
            images: Where it finds the images.
            outcome_of: What a response counts as, for the progress shown.
            limits: How fast, and at which price; what may be spent in all is the session's.
            on_response: Called with the key of each response that is stored, and the response.
            answer_tokens: Tokens that an answer is likely to have.

        Raises:
            ModelError: The server is down or refuses every request.
            RunError: Responses cannot be stored.
        """
        self.budget.price = price = self.costs.price_of(model.spec, limits.price)
        if price is not None:
            self.costs.prices[model.spec] = price

        def plan() -> Iterator[Chunk]:
            planned = chunks() if callable(chunks) else chunks
            if model.spec in self.costs.prices:
                return self.costs.accounting(planned, self.store, model)
            return planned

        tally: Tally | None = None
        self._phase("asking", model.spec)
        if self.batches is not None and callable(chunks):
            tally = await self.batches.ask(
                plan,
                model,
                images,
                self.store,
                budget=self.budget,
                progress=self.progress,
                outcome_of=outcome_of,
                answer_tokens=answer_tokens,
                on_response=on_response,
            )
        if tally is None:
            tally = await ask(
                plan(),
                model,
                images,
                self.store,
                limits=limits,
                budget=self.budget,
                progress=self.progress,
                outcome_of=outcome_of,
                on_response=on_response,
                trace=self.trace,
            )
        self.tallies.append(tally)
        await release_connections(model)
        self._phase("judging")
        return tally.stopped is None

    def _phase(self, name: str, model: str = "") -> None:
        if self.trace is not None:
            self.trace.phase(name, model)

    def images(self, dataset: Dataset, model: Model) -> DatasetImages:
        """A dataset's images as a model takes them; which had to be changed is remembered."""
        return DatasetImages(
            dataset, model.image_limits, changed=partial(self.store.put_image, model.spec)
        )

    def priced(self, spec: str, price: Price | None) -> dict[str, object]:
        """The costs for the record at a price given anew; empty if nothing changes."""
        price = self.costs.price_of(spec, price)
        if price is None or self.costs.prices.get(spec) == price or self.store.without_usage():
            return {}
        self.costs.prices[spec] = price
        return self.costs.record(self.store, self._shared(spec))

    def _shared(self, spec: str) -> dict[str, TokenCounts]:
        """Tokens that shared requests have spared, where a price is known."""
        if not self.costs.prices:
            return {}
        return shared_tokens(self.folder, self.store, spec, judge_of_search(self.record))

    def account(self, needed: int | None = None) -> None:
        """Record what was asked.

        Args:
            needed: Different requests of the plan, where they are known without asking.
        """
        asked = self.asked
        retries: Counter[str] = sum((tally.retries for tally in self.tallies), Counter())
        reused = self.stored_before + self.store.taken_over
        if needed is not None:
            # A step of a draw asks again what failed in an earlier one, so more than is needed.
            given_up = sum(tally.given_up for tally in self.tallies)
            reused = min(reused, needed) if self.stopped else max(0, needed - asked - given_up)
        planned = sum(tally.planned for tally in self.tallies)
        # Batches of an earlier start may hold more than is needed now.
        of_plan = asked if needed is None else min(asked + given_up, needed)
        shared = {} if self.stopped else {"shared": max(0, planned - of_plan - reused)}
        self.record["requests"] = {
            **({} if needed is None else {"needed": needed}),
            "asked": asked,
            "reused": reused,
            **shared,
            "stored": self.store.count(),
            "retries": dict(sorted(retries.items())),
            "errors": self.store.error_counts(),
            "unanswered": self.store.unanswered(),
        }
        self.record["images"] = self.store.image_changes(self.record.model.spec)
        # Judgments are written once all is asked; which requests were shared is known from them.
        spared = {} if self.stopped else self._shared(self.record.model.spec)
        self.record |= self.costs.record(self.store, spared)


@asynccontextmanager
async def open_session(
    folder: RunFolder,
    record: RunRecord,
    limits: Limits,
    models: Sequence[Model],
    progress: Progress,
    budget: Budget | None = None,
    batching: Batching | None = None,
    source: Path | None = None,
    trace: str | Path | None = None,
) -> AsyncIterator[Session]:
    """Work in a run folder: locked, checked against the run in it, recorded at the end.

    Args:
        folder: Made if need be.
        record: As from `new_record`, with the task's own parts; it is added to.
        limits: What this start may spend; recorded.
        models: Closed at the end.
        progress: Where progress is reported.
        budget: What is left to spend where several runs share the limits; `None`: all of them.
        batching: How the provider's batch interface is used; `None`: it is not.
        source: The responses of another run, which are taken over instead of asked for.
        trace: The file of the timeline that is written at the end, however it ends.

    Raises:
        MachineError: This machine lacks what anything would need.
        UsageError: Progress cannot be reported to what was given, or no trace be written there.
        RunError: The folder is in use, holds another run or batches that this start would ask
            again, or cannot be written.
    """
    if batching is not None and batching.cancel and not folder.record_file.exists():
        raise RunError(
            f"{folder.path}: no run is there whose batches could be cancelled; give the --out of "
            "the run"
        )
    if source is None:
        require_shareable(folder.responses_file, record.get("store"))
    record |= asdict(limits)
    traced = None if trace is None else Trace(trace)
    with open_files(0):  # its limit stays until the connections are closed
        try:
            require_progress(progress)
            with folder.locked(), interrupted_at_once():
                before = folder.check_same(record)
                batches = open_batches_of(folder.path, record.model.spec, batching)
                store = open_store(
                    folder.responses_file, source or record.get("store"), only_read=bool(source)
                )
                try:
                    session = Session(
                        folder,
                        record,
                        store,
                        limits.budget() if budget is None else budget,
                        progress,
                        stored_before=store.count(),
                        costs=Costs.of(before, store),
                        batches=batches,
                        trace=traced,
                        price=limits.price,
                    )
                    if traced is not None:
                        store.observer = traced.disk
                    try:
                        yield session
                    except VlsuError as error:
                        session.fail(Stop(StopReason.FAILED, str(error)))
                        raise
                    except Exception as error:
                        if (lack := exhausted_resource(error)) is None:
                            raise
                        with suppress(RunError, OSError):  # perhaps no room for that either
                            session.fail(Stop(StopReason.FAILED, lack))
                        raise MachineError(f"{lack}; {_WHERE.format(folder.path)}") from None
                    except (KeyboardInterrupt, asyncio.CancelledError):
                        session.fail(INTERRUPTED)
                        raise KeyboardInterrupt(_WHERE.format(folder.path)) from None
                finally:
                    store.close()
                if session.begun and session.stopped is None:
                    progress.finished()
                session.end(session.stopped)
        finally:
            try:
                for model in models:
                    await model.close()
            finally:
                if traced is not None:
                    traced.write()
