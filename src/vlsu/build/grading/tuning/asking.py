"""Asking about graded samples under several prompts, and reading what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import polars as pl

from vlsu.build.grading.tuning.candidates import Candidate, proposal_request
from vlsu.build.grading.tuning.options import Proposer, TuneOptions
from vlsu.build.grading.tuning.scores import Scored, scored
from vlsu.data import Dataset, Sample
from vlsu.data.rows import COLUMNS, to_sample
from vlsu.models.base import Model, Outcome, Response
from vlsu.policy import MODALITIES
from vlsu.runs.asking.asking import ask
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.images import DatasetImages, Images, MemoryImages
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Limits, TokenCounts
from vlsu.runs.asking.plan import Chunk, Planned, planned
from vlsu.runs.asking.progress import Progress
from vlsu.runs.judging import judged
from vlsu.runs.stop import Stop
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks import Framing, TaskRequest, Understanding, read_answer
from vlsu.tasks.proposals import read_proposals

__all__ = ["Asking", "StoppedError"]


class StoppedError(Exception):
    """A bound was reached, or somebody interrupted."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop


class Asking:
    """The asking of one start.

    Args:
        dataset: Whose samples.
        model: Whom to ask, as a grader of content.
        options: How, and within which bounds.
        store: Of the responses.
        progress: Where progress is reported.
        scored: Whether severities are scored in place of answers.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: Model,
        options: TuneOptions,
        store: ResponseStore,
        progress: Progress,
        *,
        scored: bool,
    ) -> None:
        self._dataset, self._model, self._options = dataset, model, options
        self._store, self._progress, self._scored = store, progress, scored
        self._budget = options.limits.budget()
        self._images = DatasetImages(dataset, model.image_limits)

    def graded(self, candidates: Sequence[Candidate], part: pl.DataFrame) -> dict[str, Scored]:
        """Ask what is not stored of these samples under each prompt, and score the answers.

        Args:
            candidates: The prompts.
            part: ``sample_id, pattern, lot`` of the samples.

        Raises:
            StoppedError: Not all could be asked.
            ModelError: The server is down or refuses every request.
        """
        samples = self._samples(part)
        keys = RequestKeys(self._model.identity())

        def chunks(candidate: Candidate) -> Iterator[Chunk]:
            return planned(samples, self._task(candidate), keys)

        every = chain.from_iterable(map(chunks, candidates))
        self._ask(every, self._model, self._images, self._options.limits)
        found = {}
        for each in candidates:
            frames = judged(chunks(each), self._store, self._model, self._task(each))
            found[each.name] = scored(pl.concat([frame for frame, _ in frames]), part)
        return found

    def proposed(
        self, proposer: Proposer, existing: Sequence[Framing]
    ) -> tuple[tuple[Framing, ...], dict[str, Any]]:
        """Instructions that a model proposes, and what came of asking it.

        Raises:
            StoppedError: It could not be asked.
            ModelError: Its server is down or refuses the request.
        """
        request = proposal_request(self._dataset.policy, proposer.count, existing)
        key = RequestKeys(proposer.model.identity()).key(request)
        only = Chunk([], [Planned(key, TaskRequest("text", request), Sample("proposals"))])
        self._ask(iter([only]), proposer.model, MemoryImages({}), proposer.limits)
        stored = self._store.responses([key]).get(key)
        response = Response(Outcome.ERROR) if stored is None else proposer.model.read(stored.raw)
        found = read_proposals(response, proposer.count, existing)
        return found.framings, {
            "model": proposer.model.spec,
            "outcome": found.outcome.value,
            "asked": proposer.count,
            "new": len(found.framings),
        }

    def calls(self) -> dict[str, Any]:
        """Answers that are stored, requests without one, and what the grader's have cost."""
        price = self._options.limits.price
        tokens = TokenCounts(*self._store.usage().get(self._model.spec, ()))
        return {
            "answers": self._store.count(),
            "unanswered": self._store.unanswered(),
            "cost": None if price is None else price.cost_of(tokens),
        }

    def _samples(self, part: pl.DataFrame) -> list[Sample]:
        """Those of a part, those that share an image next to each other."""
        with self._dataset.reading():
            rows = (
                self._dataset.frame()
                .select(COLUMNS)
                .filter(pl.col("id").is_in(part["sample_id"].to_list()))
                .collect()
                .sort("image_sha256", maintain_order=True)
            )
        return [to_sample(row) for row in rows.iter_rows()]

    def _task(self, candidate: Candidate) -> Understanding:
        policy, system = self._dataset.policy, self._options.settings.system
        return Understanding(policy, candidate.prompt, MODALITIES, system, scored=self._scored)

    def _ask(self, chunks: Iterator[Chunk], model: Model, images: Images, limits: Limits) -> None:
        self._budget.price = limits.price
        policy = self._dataset.policy

        async def work() -> Stop | None:
            try:
                tally = await ask(
                    chunks,
                    model,
                    images,
                    self._store,
                    limits=limits,
                    budget=self._budget,
                    progress=self._progress,
                    outcome_of=lambda response: read_answer(response, policy).outcome,
                )
                return tally.stopped
            finally:
                if getattr(model, "destination", None) is not None:
                    await model.close()  # its connections belong to this event loop

        stopped = in_event_loop(work)
        self._store.flush()
        if stopped is not None:
            raise StoppedError(stopped)
