"""Asking a model by its provider's batch interface: plan, hand in, wait, collect, and again.

The plan is gone through in rounds. A round writes whatever is neither stored nor with the provider
into batches within the provider's limits and hands each in as soon as it is full; then the batches
are looked at until all have ended, and what they answered is stored. What came back without an
answer is part of the next round, a few times.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from vlsu.errors import ModelError
from vlsu.models.base import Fault, Model, Outcome, Raw, Request, Response
from vlsu.models.batching.base import (
    Batch,
    BatchGoneError,
    BatchService,
    BatchState,
    BatchUnavailableError,
)
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.tally import Tally
from vlsu.runs.batching.cancelling import cancel
from vlsu.runs.batching.collecting import MOST_TRIES, Collector, Failed
from vlsu.runs.batching.drafting import Drafting
from vlsu.runs.batching.journal import Draft, Journal, SubmittedBatch, explained, in_words
from vlsu.runs.batching.options import Batching
from vlsu.runs.batching.out import BatchesOut
from vlsu.runs.batching.provider import (
    LONGEST_PAUSE_S,
    DownError,
    InterruptedByUserError,
    NotTakenError,
    Provider,
    UnknownStateError,
    server_of,
)
from vlsu.runs.stop import Stop, StopReason
from vlsu.runs.store.store import ResponseStore

__all__ = ["BatchAsker"]

#: So many batches in a row that the provider does not accept, and no more are handed in; of those
#: that only hold more than it takes at once, as many as halving needs.
_REFUSED, _TOO_MUCH = 3, 20
#: How often results are fetched of which something cannot be read: what only the transfer has
#: broken is not asked, and paid for, again.
_FETCHES = 2
_GONE = (
    "; if it was handed in with another key, give that one; if the provider has it no more, run "
    "the command once with --batch-cancel, and its requests are asked anew by the next start"
)


class _WaitedEnoughError(Exception):
    """The start waits no longer."""


class BatchAsker:
    """Asks a model by batches whatever of a plan is not stored yet.

    Args:
        model: Whom to ask.
        service: Its provider's batch interface.
        images: Where it finds the images.
        store: Where responses are kept.
        journal: Which batches the run has.
        options: How long is waited.
        deadline: When this start waits no longer, by the clock; `None` for never.
        budget: How much may be spent.
        progress: Where progress is reported.
        outcome_of: What a response counts as, for the progress shown.
        answer_tokens: Tokens that an answer is likely to have.
        on_response: Called with the key of each response that is stored, and the response.
        clock: The time, in seconds.
    """

    def __init__(
        self,
        model: Model,
        service: BatchService,
        images: Images,
        store: ResponseStore,
        journal: Journal,
        *,
        options: Batching,
        deadline: float | None,
        budget: Budget,
        progress: Progress,
        outcome_of: Callable[[Response], Outcome],
        answer_tokens: int,
        on_response: Callable[[str, Raw, Response], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._store, self._journal = store, journal
        self._options, self._deadline, self._clock = options, deadline, clock
        self._budget, self._progress = budget, progress
        self._tally = Tally()
        self._collector = Collector(
            model,
            store,
            budget,
            progress,
            self._tally,
            outcome_of,
            on_response,
            cancelling=options.cancel,
        )
        self._server = server_of(model)
        self._out = BatchesOut(journal, model.spec, self._server)
        self._provider = Provider(model.spec, service, options, progress, clock)
        self._drafting = Drafting(service, images, budget, answer_tokens)
        self._refused = 0
        #: Why a round left something out.
        self._bound: Stop | None = None
        self._left, self._cut = 0, False

    def stop(self) -> None:
        """End as soon as nothing is under way; a second call ends at once."""
        self._provider.stop()

    async def run(self, plan: Callable[[], Iterator[Chunk]]) -> Tally:
        """Work through the plan, until it is done, a bound is reached or the time is over.

        Raises:
            ModelError: The provider does not answer, refuses batches, or every request.
            RunError: Something cannot be stored, or batches are with another server.
        """
        self._out.take_up()
        first = True
        try:
            if self._options.cancel:
                await self._cancel(plan())
            elif self._journal.tell_unknown(self._out):
                await self._wait()  # for what may not be handed in again
            while not self._options.cancel:
                self._left, self._bound, self._cut = 0, None, False
                await self._round(plan(), first=first)
                await self._wait()
                if self._bound is not None and not self._left:
                    self._tally.stopped = self._bound
                if self._tally.stopped or not self._left:
                    break
                first = False
        except InterruptedByUserError:
            what = "may not be cancelled yet" if self._options.cancel else "go on"
            goes_on = f"; {self._out} {what}" if self._out else ""
            self._tally.stopped = Stop(StopReason.INTERRUPTED, f"interrupted{goes_on}")
        except _WaitedEnoughError:
            self._tally.stopped = Stop(StopReason.WAITING, f"waiting for {self._out}")
        if self._tally.stopped is None:
            self._collector.check_anything_answered()
        return self._tally

    async def _cancel(self, chunks: Iterator[Chunk]) -> None:
        """Have what is out cancelled, and collect what was answered by then."""
        before, there = self._store.count(), list[SubmittedBatch]()
        for batch in self._out:
            if await cancel(self._provider, self._journal, batch):
                there.append(batch)
            else:
                await self._nothing_came(batch)
        await self._wait()
        seen: set[str] = set()
        if any(self._to_ask(chunk, seen, first=True) for chunk in chunks):
            came = f"{in_words(there)} cancelled, {self._store.count() - before} answers collected"
            self._tally.stopped = Stop(StopReason.CANCELLED, came)

    # Handing in

    async def _round(self, chunks: Iterator[Chunk], *, first: bool) -> None:
        """Hand in what of a plan is neither stored nor with the provider."""
        for batch in self._out:
            if batch.state == "intended":  # a start ended before it was known to be taken
                await self._submit(batch, perhaps_there=True)
        draft: Draft | None = None
        seen: set[str] = set()
        try:
            for number, chunk in enumerate(chunks):
                for key, request in self._to_ask(chunk, seen, first=first):
                    line = self._drafting.line(key, request)
                    if isinstance(line, Fault):
                        self._give_up(key, line)
                        continue
                    if draft is not None and not self._drafting.fits(draft, line):
                        full, draft = draft, None
                        await self._hand_in(full)
                    if self._out.postponed or self._cut:
                        break
                    cost = self._drafting.likely_cost(request)
                    if not self._affordable(cost, 0.0 if draft is None else draft.likely_cost):
                        break
                    with explained(self._journal.folder):
                        draft = draft or Draft(self._journal, self._model.spec, self._server)
                        draft.add(key, line, cost)
                    self._budget.sent()
                if self._out.postponed or self._cut or self._bound is not None:
                    break
                if number % 4 == 3:
                    await asyncio.sleep(0)
                self._provider.check_stopped()
        except BaseException:
            if draft is not None:
                draft.drop()
            raise
        if draft is not None:
            await self._hand_in(draft)

    def _to_ask(self, chunk: Chunk, seen: set[str], *, first: bool) -> list[tuple[str, Request]]:
        """What of a chunk is to be handed in, each once."""
        fresh = {p.key: p.task_request.request for p in chunk.planned if p.key not in seen}
        # What is out is paid for, whatever another run has put into a shared store meanwhile.
        out = [key for key in fresh if key in self._out.keys]
        stored = self._store.stored([key for key in fresh if key not in self._out.keys])
        if out:
            stored |= self._store.own(out)
        if stored:
            self._collector.answered_before()
        seen.update(fresh)
        needed = [key for key in fresh if key not in stored]
        if first:
            self._tally.planned += len(chunk.planned)
            self._progress.spared(len(chunk.planned) - len(needed))
            self._tally.given_up += self._journal.given_up_before(needed)
        tries = self._journal.tries
        return [
            (key, fresh[key])
            for key in needed
            if key not in self._out.keys and tries.get(key, 0) < MOST_TRIES
        ]

    def _give_up(self, key: str, fault: Fault) -> None:
        """A request that can be part of no batch."""
        self._store.put_error(key, Raw(0, b""), fault, 1)
        self._collector.give_up(key, Failed(Raw(0, b""), fault, Outcome.ERROR), self._journal.tries)

    def _affordable(self, cost: float, drafted: float) -> bool:
        """Whether a request may be handed in.

        Args:
            cost: What it is likely to cost.
            drafted: The same of the batch that it is to be part of, so far.
        """
        # What is with the provider will be paid for, whichever start handed it in.
        reserved = drafted + self._out.likely_cost
        self._bound = self._drafting.bound(cost, reserved)
        if self._bound is not None and self._bound.bound == "max_cost":
            self._left += bool(reserved)  # what it did cost may leave room for more
        return self._bound is None

    async def _hand_in(self, draft: Draft) -> None:
        with explained(self._journal.folder):
            batch = draft.intend()
        self._out.add(batch, draft.keys)
        await self._submit(batch, perhaps_there=False)

    async def _submit(self, batch: SubmittedBatch, *, perhaps_there: bool) -> None:
        """Have the provider take a batch; later, if it takes no more while others are there."""
        try:
            made = await self._provider.handed_in(
                batch,
                self._journal,
                perhaps_there=perhaps_there,
                waiting=self._out.taken,
            )
        except BatchUnavailableError as error:
            await self._not_accepted(batch, str(error), retry=True)
            return
        except NotTakenError as error:
            # For a wrong key, say: nothing is out that could be cancelled.
            await self._nothing_came(batch, str(error))
            raise
        if made is not None:
            self._journal.submitted(batch, made.id)

    # Waiting

    async def _wait(self) -> None:
        """Look at the batches until all have ended, and collect what has."""
        pause = self._options.pause_s
        to_be = " to be cancelled" if self._options.cancel else ""
        while self._out:
            about = [await self._look(batch) for batch in self._out]
            if not self._out:
                return
            self._provider.check_stopped()
            if self._deadline is not None and self._clock() >= self._deadline:
                raise _WaitedEnoughError
            answered = sum(each.answered + each.failed for each in about if each is not None)
            if self._deadline is not None:
                pause = min(pause, max(0.0, self._deadline - self._clock()))
            self._progress.waiting(pause, f"for {self._out}{to_be}, {answered} of them done")
            await self._provider.rest(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_S)

    async def _look(self, batch: SubmittedBatch) -> Batch | None:
        """Where a batch is, which is collected if it has ended; then `None`."""
        if batch.state == "intended":
            await self._submit(batch, perhaps_there=True)
            self._left += 1  # nothing more was planned while it waited
            return None
        try:
            about = await self._provider.status(batch)
            if about.state is BatchState.RUNNING:
                return about
            if about.state is BatchState.FAILED:
                await self._not_accepted(batch, about.message, retry=about.retry)
            else:
                await self._collect(batch)
        except DownError:
            raise
        except ModelError as error:
            if batch not in self._out:
                raise
            if self._options.cancel and isinstance(error, BatchGoneError | UnknownStateError):
                await self._leave(batch)
                return None
            gone = _GONE if isinstance(error, BatchGoneError) else ""
            raise ModelError(f"{error} (batch {batch.id}{gone})") from None
        return None

    async def _collect(self, batch: SubmittedBatch) -> None:
        """Store what a batch that has ended came to."""
        keys, tries = self._journal.keys(batch), self._journal.tries
        identifier = str(batch.id)
        for _ in range(_FETCHES):
            passed = await self._provider.asked(
                lambda: self._collector.take(
                    self._provider.service.answers(identifier), keys, tries
                )
            )
            if not passed.unreadable:
                break
        passed.tell_nameless(identifier)
        batch.answered = passed.answered
        self._refused = 0
        try:
            self._left += self._collector.give_back(passed.failed, tries)
        finally:
            self._out.close(batch, "collected")
        if not passed.unreadable:  # which somebody may want to look into
            await self._provider.tidied(batch)

    async def _leave(self, batch: SubmittedBatch) -> None:
        """Give up a batch that is not known to end, with what is answered of it."""
        try:
            await self._collect(batch)
        except DownError:
            raise
        except ModelError:
            if batch in self._out:
                self._out.close(batch, "failed")

    async def _not_accepted(self, batch: SubmittedBatch, message: str, *, retry: bool) -> None:
        """A batch that the provider does not process: perhaps it takes smaller ones, or later.

        Raises:
            ModelError: They will not be either.
        """
        await self._nothing_came(batch, message)
        self._left += 1
        if self._cut:  # by another batch of this round
            return
        self._cut = True
        self._refused += 1
        if self._refused >= (_TOO_MUCH if retry else _REFUSED):
            raise ModelError(
                f"{self._model.spec}: the provider accepts no batch ({message}); what was "
                "answered is stored: run the same command later to continue, or without --batch"
            )
        if retry:
            self._drafting.halve(batch.requests)
        pause_s = self._options.pause_s * 2.0 ** (self._refused - 1)
        await self._provider.rest(min(pause_s, LONGEST_PAUSE_S))

    async def _nothing_came(self, batch: SubmittedBatch, why: str = "") -> None:
        """Close a batch that the provider has not, or does not process."""
        batch.message = why
        self._out.close(batch, "failed")
        await self._provider.tidied(batch)
