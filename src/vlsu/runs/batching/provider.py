"""A provider's batch interface, asked again where it does not answer, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from vlsu.errors import ModelError, RunError
from vlsu.models.base import Model
from vlsu.models.batching.base import (
    Batch,
    BatchRefusedError,
    BatchService,
    BatchState,
    BatchUnavailableError,
)
from vlsu.runs.asking.progress import Progress
from vlsu.runs.batching.journal import Journal, SubmittedBatch
from vlsu.runs.batching.options import Batching

__all__ = [
    "LONGEST_PAUSE_S",
    "DownError",
    "InterruptedByUserError",
    "NotTakenError",
    "Provider",
    "UnknownStateError",
    "server_of",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")
#: Seconds between two looks at a batch at most.
LONGEST_PAUSE_S = 60.0
#: Seconds after which nothing more is expected of a batch in an unknown state; the providers end
#: one after 24 or 48 hours.
LONGEST_UNKNOWN_S = 3 * 86400
#: Seconds for deleting what a batch leaves at the provider.
TIDYING_S = 10.0
#: A batch that was just handed in and is not listed is looked for once more, after so many pauses.
_SETTLING = 2
#: Seconds after which a batch that was handed in is listed for certain.
_LISTED_S = 600.0


def server_of(model: Model) -> str:
    """The host that a model's requests go to, as it is shown; empty if it has none."""
    return str(getattr(model, "destination", "")).partition(",")[0]


class DownError(ModelError):
    """The provider has not answered for too long."""


class NotTakenError(ModelError):
    """The provider has refused a batch, and no earlier try can have succeeded."""


class UnknownStateError(ModelError):
    """A batch has been in a state that is not known for longer than any batch may take."""


class InterruptedByUserError(Exception):
    """The start is to end."""


class Provider:
    """The batch interface of a model's provider.

    Args:
        spec: The model's.
        service: The interface.
        options: How long a provider that does not answer is asked again.
        progress: Where waits are reported.
        clock: The time, in seconds.
    """

    def __init__(
        self,
        spec: str,
        service: BatchService,
        options: Batching,
        progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self.service = service
        self._spec, self._options = spec, options
        self._progress, self._clock = progress, clock
        self._stop = asyncio.Event()
        self._task = asyncio.current_task()
        #: Since when calls have come to nothing, and how many in a row.
        self._down_since: float | None = None
        self._failures = 0
        #: Labels and unknown states that were said.
        self._said: set[tuple[str, str]] = set()

    def stop(self) -> None:
        """End as soon as nothing is under way; a second call ends at once."""
        if self._stop.is_set() and self._task is not None:
            self._task.cancel()
        self._stop.set()

    def check_stopped(self) -> None:
        """End here, if that is wanted.

        Raises:
            InterruptedByUserError: It is.
        """
        if self._stop.is_set():
            raise InterruptedByUserError

    async def rest(self, seconds: float) -> None:
        """Sleep, unless the start is to end.

        Raises:
            InterruptedByUserError: It is.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        self.check_stopped()

    async def asked(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of a call, however often it has to be made.

        Raises:
            DownError: It came to nothing for too long.
        """
        while True:
            try:
                result = await call()
            except BatchUnavailableError as error:
                await self._unavailable(error)
            else:
                self._reached()
                return result

    async def status(self, batch: SubmittedBatch) -> Batch:
        """Where a batch is; a state that is not known is said, and waited for within a bound.

        Raises:
            DownError: The provider has not answered for too long.
            UnknownStateError: It is in such a state for too long.
        """
        about = await self.asked(lambda: self.service.status(str(batch.id)))
        if about.state is not BatchState.RUNNING or not about.unknown:
            return about
        if time.time() - batch.since > LONGEST_UNKNOWN_S:
            raise UnknownStateError(
                f"{self._spec}: the provider says {about.unknown!r} of a batch that was handed in "
                f"more than {LONGEST_UNKNOWN_S / 86400:g} days ago, which is no state that is "
                "known here; see there what became of it; --batch-cancel gives it up, with what "
                "is answered of it"
            )
        if (batch.label, about.unknown) not in self._said:
            self._said.add((batch.label, about.unknown))
            _log.warning(
                "%s: the provider says %r of batch %s, which is no state that is known here; it "
                "is waited for as one that runs, for %g days at most",
                *(self._spec, about.unknown, batch.id, LONGEST_UNKNOWN_S / 86400),
            )
        return about

    async def handed_in(
        self, batch: SubmittedBatch, journal: Journal, *, perhaps_there: bool, waiting: bool
    ) -> Batch | None:
        """Hand a batch in, once.

        Args:
            batch: The batch, recorded.
            journal: Where it is recorded.
            perhaps_there: Whether an earlier try may have succeeded, of which nothing is known.
            waiting: Whether some of these are not over, so that their end may be waited for.

        Returns:
            The batch as the provider has it; `None` if it takes no more while others are there.

        Raises:
            BatchUnavailableError: It is more than it takes, and nothing is there to wait for.
            DownError: It takes none for too long.
            NotTakenError: It refuses it, and no earlier try can have succeeded.
            BatchRefusedError: It refuses it, or to say whether an earlier try has succeeded.
            ModelError: It does not say whether it has it.
            RunError: The file of its requests is gone.
        """
        since, failures = self._down_since, 0
        keys, lines = journal.keys(batch) or frozenset(), journal.lines_file(batch)
        others = journal.identifiers
        while True:
            if perhaps_there and (found := await self.found(batch, keys, others)) is not None:
                return found
            if not lines.exists():
                raise RunError(
                    f"{lines}: missing, and the provider has no batch {batch.label}; run the "
                    "command once with --batch-cancel, and its requests are written again by the "
                    "next start"
                )
            try:
                made = await self.service.submit(
                    batch.label,
                    lines,
                    batch.requests,
                    uploaded=batch.file or "",
                    on_upload=partial(journal.uploaded, batch),
                )
                if not made.id:  # it may have been taken, and is looked for
                    raise BatchUnavailableError("the server's answer names no batch")
            except BatchRefusedError as error:
                if perhaps_there:  # an earlier try may be there all the same
                    raise
                raise NotTakenError(str(error)) from None
            except BatchUnavailableError as error:
                if waiting:
                    return None
                if error.full:
                    raise
                # That it answers other calls does not make up for those that it does not.
                self._down_since, self._failures = since, failures
                await self._unavailable(error)
                since, failures = self._down_since, self._failures
                perhaps_there = True
            else:
                self._reached()
                return made

    async def found(
        self, batch: SubmittedBatch, keys: frozenset[str], others: frozenset[str]
    ) -> Batch | None:
        """A batch that may have been handed in, if it was.

        Args:
            batch: The batch, recorded.
            keys: Of its requests.
            others: Identifiers of the run's other batches.
        """

        def find() -> Awaitable[Batch | None]:
            return self.service.find(batch.label, keys, batch.since, others)

        found = await self.asked(find)
        # One that was, just now, may not be listed yet.
        if found is None and time.time() - batch.since < _LISTED_S:
            await self.rest(_SETTLING * self._options.pause_s)
            found = await self.asked(find)
        return found

    async def tidied(self, batch: SubmittedBatch) -> None:
        """Delete what a batch leaves at the provider: its answers are stored, or there are none.

        That is tried once, and nothing depends on it: the provider has a date for it too.
        """
        if batch.id is None and batch.file is None:
            return
        try:
            async with asyncio.timeout(TIDYING_S):
                await self.service.tidy(batch.id, batch.file or "")
        except (ModelError, TimeoutError) as error:
            left = f"batch {batch.id}" if batch.id else f"file {batch.file}"
            _log.debug("%s: %s is left at the provider: %s", self._spec, left, error)

    def _reached(self) -> None:
        self._down_since, self._failures = None, 0

    async def _unavailable(self, error: BatchUnavailableError) -> None:
        """Rest after a call that may succeed later.

        Raises:
            DownError: None has succeeded for too long.
        """
        now = self._clock()
        if self._down_since is None:
            self._down_since = now
        if now - self._down_since >= self._options.patience_s:
            raise DownError(
                f"{self._spec}: {error}; what is with the provider is recorded: run the same "
                "command again to continue"
            ) from None
        self._failures += 1
        pause_s = min(self._options.pause_s * 2 ** min(self._failures - 1, 16), LONGEST_PAUSE_S)
        pause_s = min(error.retry_after_s or pause_s, self._options.patience_s)
        self._progress.waiting(pause_s, f"to try again after {error}")
        await self.rest(pause_s)
