"""Asking a model as much of a plan as is not stored, within the user's limits and the machine's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from vlsu.models.base import Model, Outcome, Raw, Response
from vlsu.runs.asking.event_loop import stopped_by_signals
from vlsu.runs.asking.executor import Executor
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.limits import Budget, Limits
from vlsu.runs.asking.open_files import open_files
from vlsu.runs.asking.pace import Breaker
from vlsu.runs.asking.patience import Retries
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.tally import Tally
from vlsu.runs.asking.trace import Trace
from vlsu.runs.asking.tracing import traced
from vlsu.runs.store.store import ResponseStore

__all__ = ["ask"]

_log = logging.getLogger(__name__)


async def ask(
    chunks: Iterator[Chunk],
    model: Model,
    images: Images,
    store: ResponseStore,
    *,
    limits: Limits,
    budget: Budget,
    progress: Progress,
    outcome_of: Callable[[Response], Outcome],
    on_response: Callable[[str, Raw, Response], None] | None = None,
    breaker: Breaker | None = None,
    retries: Retries | None = None,
    trace: Trace | None = None,
) -> Tally:
    """Ask whatever of a plan is not stored, until it is or a signal stops it; all is on disk then.

    Arguments as `Executor`; what is waited for is written down in the trace.

    Raises:
        MachineError: See `Executor.run`.
        ModelError: See `Executor.run`.
        RunError: Responses cannot be stored.
    """
    with open_files(limits.most_in_flight) as possible:
        if limits.concurrency is not None and possible < limits.concurrency:
            _log.warning(
                "--concurrency %d: %d at most, as no more files may be open (ulimit -n)",
                limits.concurrency,
                possible,
            )
        executor = (Executor if trace is None else traced(trace))(
            model,
            images,
            store,
            in_flight=limits.in_flight(possible),
            rate=limits.rate(),
            breaker=breaker or Breaker(),
            budget=budget,
            progress=progress,
            outcome_of=outcome_of,
            on_response=on_response,
            retries=retries,
            in_flight_bytes=limits.in_flight_bytes(),
        )
        with stopped_by_signals(executor.stop):
            tally = await executor.run(chunks)
    store.flush()
    return tally
