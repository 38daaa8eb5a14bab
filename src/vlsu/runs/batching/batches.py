"""The batches of one start of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from vlsu.errors import RunError, UsageError
from vlsu.models.base import Model, Outcome, Raw, Response
from vlsu.runs.asking.event_loop import stopped_by_signals
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.tally import Tally
from vlsu.runs.batching.journal import Journal
from vlsu.runs.batching.options import Batching
from vlsu.runs.store.store import ResponseStore

__all__ = ["Batches", "open_batches_of"]


class Batches:
    """What a start asks by batches; made by `open_batches_of`.

    Args:
        journal: Which batches the run has.
        spec: Of the model under test; only that is asked by files.
        options: How long is waited.
        clock: The time, in seconds.
    """

    def __init__(
        self,
        journal: Journal,
        spec: str,
        options: Batching,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._spec = journal, spec
        self._options, self._clock = options, clock
        self._deadline: float | None = None

    async def ask(
        self,
        plan: Callable[[], Iterator[Chunk]],
        model: Model,
        images: Images,
        store: ResponseStore,
        *,
        budget: Budget,
        progress: Progress,
        outcome_of: Callable[[Response], Outcome],
        answer_tokens: int,
        on_response: Callable[[str, Raw, Response], None] | None = None,
    ) -> Tally | None:
        """Ask whatever of a plan is not stored; `None` where the model has no batch interface.

        Arguments as `BatchAsker`.

        Raises:
            ModelError: See `BatchAsker.run`.
            RunError: See `BatchAsker.run`.
        """
        # Of these modules a run without batches has no use.
        from vlsu.models.batching.vllm_file import BatchFiles
        from vlsu.runs.batching.asker import BatchAsker
        from vlsu.runs.batching.collecting import Collector
        from vlsu.runs.batching.files import FileAsker

        if self._options.by_files:
            if model.spec != self._spec:
                return None
            tally = Tally()
            collector = Collector(
                model, store, budget, progress, tally, outcome_of, on_response, batched=False
            )
            files = FileAsker(
                BatchFiles(model), images, store, self._options, progress, tally, collector
            )
            with stopped_by_signals(files.stop):
                return await files.run(plan)
        try:
            service = self._options.services(model)
        except UsageError:  # an embedded judge, say
            return None
        if self._deadline is None and self._options.wait_s is not None:
            self._deadline = self._clock() + self._options.wait_s
        try:
            asker = BatchAsker(
                model,
                service,
                images,
                store,
                self._journal,
                options=self._options,
                deadline=self._deadline,
                budget=budget,
                progress=progress,
                outcome_of=outcome_of,
                answer_tokens=answer_tokens,
                on_response=on_response,
                clock=self._clock,
            )
            with stopped_by_signals(asker.stop):
                tally = await asker.run(plan)
        finally:
            await service.close()
        store.flush()
        return tally

    def finished(self) -> None:
        """The run is finished: what was given up has new tries at the next start."""
        if self._journal.tries:
            self._journal.tries.clear()
            self._journal.write()


def open_batches_of(run: Path, spec: str, options: Batching | None) -> Batches | None:
    """The batches of a run folder that is locked; `None` where none are to be used.

    Raises:
        RunError: Some are with the provider, and this start would ask the same again.
    """
    journal = Journal(run)
    out = journal.open()
    if options is not None and not (options.by_files and out):
        return Batches(journal, spec, options)
    if not out:
        return None
    requests, specs = sum(each.requests for each in out), sorted({each.spec for each in out})
    raise RunError(
        f"{run}: {requests} requests are in batches with the provider ({', '.join(specs)}); run "
        "the command with --batch to collect them, for without they would be paid for twice, or "
        "with --batch-cancel to have them cancelled"
    )
