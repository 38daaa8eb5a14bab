"""Asking by files, for clusters without a network: requests are written, results are read."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from glob import escape
from pathlib import Path

from vlsu.errors import DataError, RunError
from vlsu.models.base import Fault, Outcome, Raw, Request
from vlsu.models.batching.base import BatchAnswer
from vlsu.models.batching.vllm_file import BatchFiles
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.tally import Tally
from vlsu.runs.batching.collecting import Collector, Failed
from vlsu.runs.batching.options import Batching
from vlsu.runs.stop import Stop, StopReason
from vlsu.runs.store.store import ResponseStore

__all__ = ["FileAsker"]


class FileAsker:
    """Reads what a file of results has, and writes what is missing then to a file of requests.

    Args:
        files: The format.
        images: Where it finds the images.
        store: Where responses are kept.
        options: Which files.
        progress: Where progress is reported.
        tally: Where answers are counted.
        collector: Takes in answers.
    """

    def __init__(
        self,
        files: BatchFiles,
        images: Images,
        store: ResponseStore,
        options: Batching,
        progress: Progress,
        tally: Tally,
        collector: Collector,
    ) -> None:
        self._files, self._images, self._store = files, images, store
        self._options, self._progress = options, progress
        self._tally, self._collector = tally, collector
        self._given_up: set[str] = set()
        #: What results say that are no answers, and that may be other ones the next time.
        self._no_answers: Counter[str] = Counter()
        self._stopped = False

    def stop(self) -> None:
        """End with the next samples."""
        self._stopped = True

    async def run(self, plan: Callable[[], Iterator[Chunk]]) -> Tally:
        """Work through the plan; it is stopped unless all of it is answered.

        Raises:
            DataError: The file of results cannot be read.
            RunError: The file of requests cannot be written.
        """
        if self._options.results is not None:
            await self._read(plan, self._options.results)
        missing = 0
        with self._requests_file() as write:
            async for key, request in self._missing(plan(), first=self._options.results is None):
                try:
                    write(self._files.encode(key, request, self._images))
                except DataError as error:
                    self._give_up(key, Raw(0, b""), Fault("image", str(error)), Outcome.ERROR)
                else:
                    missing += 1
        self._store.flush()
        if self._stopped:
            self._tally.stopped = Stop(StopReason.INTERRUPTED, "interrupted")
        elif missing:
            self._tally.stopped = Stop(StopReason.WAITING, self._waiting_for(missing))
        else:
            self._collector.check_anything_answered()
        return self._tally

    def _waiting_for(self, missing: int) -> str:
        requests = f"{missing} request{'' if missing == 1 else 's'}"
        failed, why = self._no_answers.total(), self._no_answers.most_common(1)
        of_these = f", {failed} of them with one that is no answer ({why[0][0]})" if why else ""
        if self._options.file is None:
            return (
                f"{requests} without a result in {self._options.results}{of_these} "
                "(--batch-file writes them)"
            )
        lacking = f" without a result{of_these}" if why else ""
        return (
            f"{requests} in {self._options.file}{lacking} (have vllm run-batch answer them, and "
            "give its output as --batch-results)"
        )

    async def _missing(
        self, chunks: Iterator[Chunk], *, first: bool
    ) -> AsyncIterator[tuple[str, Request]]:
        """What of a plan has no answer, each once."""
        seen: set[str] = set()
        for chunk in chunks:
            fresh = {p.key: p.task_request.request for p in chunk.planned if p.key not in seen}
            stored = self._store.stored(list(fresh))
            if stored:
                self._collector.answered_before()
            seen.update(fresh)
            needed = {key: request for key, request in fresh.items() if key not in stored}
            if first:
                self._tally.planned += len(chunk.planned)
                self._progress.spared(len(chunk.planned) - len(needed))
            for key, request in needed.items():
                if key not in self._given_up:
                    yield key, request
            await asyncio.sleep(0)
            if self._stopped:
                return

    async def _read(self, plan: Callable[[], Iterator[Chunk]], file: Path) -> None:
        """Store the results in a file that the plan needs."""
        wanted = frozenset([key async for key, _ in self._missing(plan(), first=True)])

        async def answers() -> AsyncIterator[BatchAnswer]:
            for each in self._files.answers(file):
                yield each

        passed = await self._collector.take(answers(), wanted, {})
        for key, each in passed.failed.items():
            if not each.fault.retry:
                self._give_up(key, each.raw, each.fault, each.outcome)
            elif each.came:
                self._no_answers[each.fault.message] += 1
                self._tally.retries[each.fault.kind] += 1
                self._progress.retried(each.fault.kind)

    def _give_up(self, key: str, raw: Raw, fault: Fault, outcome: Outcome) -> None:
        """A request that gets no answer."""
        self._given_up.add(key)
        self._store.put_error(key, raw, fault, 1)
        self._collector.give_up(key, Failed(raw, fault, outcome), {})

    @contextlib.contextmanager
    def _requests_file(self) -> Iterator[Callable[[bytes], None]]:
        """Writes lines to the file of requests, whole or not at all; nowhere if there is none."""
        file = self._options.file
        if file is None:
            yield lambda line: None
            return
        temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        try:
            # By a start that was killed.
            for left in file.parent.glob(f".{escape(file.name)}.*.tmp"):
                left.unlink(missing_ok=True)
            with temporary.open("xb") as lines:
                yield lambda line: lines.writelines((line, b"\n"))
                lines.flush()
                os.fsync(lines.fileno())
            if not self._stopped:
                temporary.replace(file)
        except OSError as error:
            raise RunError(f"{file}: cannot be written ({error.strerror})") from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
