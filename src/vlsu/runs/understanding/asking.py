"""The asking of one start of an understanding run, and a start of one that is finished."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from vlsu.data import Dataset
from vlsu.data.links import SearchableLinks
from vlsu.models.base import Model, Outcome, Response
from vlsu.policy import Policy
from vlsu.runs.asking.dataset_files import File, files_of
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Limits, Price
from vlsu.runs.asking.plan import Chunk, Selection, keyed, plan, rows, samples, unanswered
from vlsu.runs.asking.rough_counts import ANSWER_TOKENS, answer_tokens
from vlsu.runs.folder import RunFolder
from vlsu.runs.judging import ParsedResponses, judged
from vlsu.runs.record import distinct_requests
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.runs.session import Session
from vlsu.runs.store.sharing import SharingStore
from vlsu.runs.understanding.early_judging import EarlyJudging
from vlsu.runs.understanding.first_pass import first_pass
from vlsu.runs.understanding.judged_columns import Frames
from vlsu.runs.understanding.part_judging import PART, WORTH, PartsJudge, judged_rows, together
from vlsu.runs.understanding.part_planning import unanswered_in_parts
from vlsu.runs.understanding.replay import Replay
from vlsu.runs.understanding.swaps import Swaps
from vlsu.tasks import Understanding, answers

if TYPE_CHECKING:
    from vlsu.analysis import Tabulation

__all__ = ["Asking", "finished_before"]


class _Early(NamedTuple):
    """What judges samples while others are asked about.

    Attributes:
        selection: Which samples.
        files: The dataset's, as they were before any of them was read for this.
        judging: Judges them.
    """

    selection: Selection
    files: tuple[File, ...]
    judging: EarlyJudging


class Asking:
    """The asking of one start, a selection of samples at a time.

    Args:
        dataset: What is asked about.
        model: Whom to ask.
        policy: The policy it grades by.
        task: The prompt and the modalities.
        limits: How fast.
        session: Of this start.
        draws: Answers to each request; the further ones are asked for after the first of all.
        system: The user's system prompt, if there is one.
        replay: Where the answers come from, if nothing is asked.
        parts: Makes what judges many samples in several processes, if they can be so.

    Attributes:
        needed: Different requests that the samples asked about so far need.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: Model,
        policy: Policy,
        task: Understanding,
        limits: Limits,
        session: Session,
        draws: int = 1,
        system: str | None = None,
        replay: Replay | None = None,
        parts: Callable[[], PartsJudge | None] = lambda: None,
    ) -> None:
        self.session = session
        self.images = session.images(dataset, model)
        self.needed = 0
        self._dataset, self._model, self._policy = dataset, model, policy
        self._task, self._limits, self._draws = task, limits, draws
        self._keys = RequestKeys(model.identity())
        self._parsed = ParsedResponses()
        self._links: SearchableLinks | None = None
        self._stored = 0
        self._system = system
        self._first = first_pass(dataset, model, policy, task, system)
        self._replay = replay
        self._parts = parts
        self._judge: PartsJudge | None = None
        self._early: _Early | None = None

    def close(self) -> None:
        """End what runs in the background."""
        if self._early is not None:
            self._early.judging.close()
        if self._judge is not None:
            self._judge.close()

    async def ask(self, fresh: Selection, whole: Selection, swaps: Swaps | None = None) -> bool:
        """Ask about `fresh` samples, a part of the `whole` so far; whether all were asked.

        Args:
            fresh: The samples.
            whole: All of this start until now, with them.
            swaps: Exchanges of the halves of all samples, which are asked about last.
        """
        session, dataset, task = self.session, self._dataset, self._task
        self.needed = sum(distinct_requests(dataset, whole, task.modalities).values()) * self._draws
        self.needed *= 1 if self._first is None else 2
        if swaps is not None:
            self.needed += swaps.different(dataset, whole)
        session.progress.begin(self.needed)
        self._say_stored(min(session.stored_before, self.needed))
        if self._replay is not None:
            asked_of = dataset, fresh, task.modalities, self._policy, self._system
            first_of_all = self._replay.first_pass(*asked_of)
            planned_now = plan(dataset, fresh, task, self._keys)
            await self._replay.take_over(planned_now, first_of_all, session)
            return True
        lacking: set[str] = set()
        plans: list[Callable[[], Iterator[Chunk]]]
        if self._first is None:
            plans = [self._plan(fresh, whole)]
        else:
            first = partial(self._first.chunks, fresh, by_image=True)
            outcome, limits = self._first.likely.outcome, self._limits
            if not await session.ask(
                *(first, self._model, self.images, outcome, limits),
                answer_tokens=ANSWER_TOKENS,
            ):
                return False
            narrowed = self._first.narrowed
            plans = [partial(narrowed, fresh, session.store, by_image=True, lacking=lacking)]
        if self._draws > 1:
            again = task.again(range(1, self._draws))
            plans.append(partial(plan, dataset, fresh, again, self._keys, by_image=True))
        if swaps is not None:
            plans.append(partial(swaps.chunks, dataset, task.only("joint"), self._keys))
        if session.batches is not None:  # all together, for each may take a day
            parts = tuple(plans)
            plans = [partial(_one_after_the_other, parts)]
        for planned in plans:
            if not await session.ask(
                *(planned, self._model, self.images, self._outcome, self._limits),
                self._parsed.add,
                answer_tokens=answer_tokens(task, self._model),
            ):
                return False
        self.needed -= len(lacking)
        self._say_stored(self.needed - session.asked)
        return True

    def _plan(self, fresh: Selection, whole: Selection) -> Callable[[], Iterator[Chunk]]:
        """The plan; where much may be stored and nothing is to be looked up in it, without that.

        If most is stored, it is judged while the others are asked about.
        """
        store, planned = self.session.store, (self._dataset, fresh, self._task, self._keys)
        priced = self._limits.price is not None or bool(self.session.costs.prices)
        accounted = priced and store.without_usage()  # which looks up every response
        light = self.session.batches is None and store.count() and not accounted
        if self._judges_early(whole):
            # What is behind a shared store is looked up here.
            if light and fresh == whole and not isinstance(store, SharingStore):
                return partial(self._plan_in_parts, fresh)
            self._judge_early(whole, self._parts, files_of(self._dataset))
        if light:
            return partial(unanswered, *planned, store.stored)
        return partial(plan, *planned, by_image=True)

    def _plan_in_parts(self, selection: Selection) -> Iterator[Chunk]:
        """The plan of samples most of whose requests are stored, by processes if there can be."""
        planned = self._dataset, selection, self._task, self._keys, self.session.store.stored
        files = files_of(self._dataset)
        self._judge = self._parts()
        if self._judge is None:
            return unanswered(*planned)
        judge = partial(self._judge_early, selection, lambda: self._judge, files)
        return unanswered_in_parts(*planned, self._judge, judge)

    def _judges_early(self, selection: Selection) -> bool:
        """Whether to judge what is stored while the others are asked about: if that is most."""
        stored = self.session.stored_before
        most = self._early is None and self.session.batches is None and 2 * stored >= self.needed
        return most and stored >= WORTH and self._in_parts(selection)

    def _judge_early(
        self,
        selection: Selection,
        judge: Callable[[], PartsJudge | None],
        files: tuple[File, ...],
        digests: Sequence[bytes] = (),
    ) -> None:
        """Begin to judge what is stored."""
        parts = partial(rows, self._dataset, selection, PART)
        judging = EarlyJudging(judge, parts, self.session.folder.path, digests)
        self._early = _Early(selection, files, judging)

    def _in_parts(self, selection: Selection) -> bool:
        """Whether these samples are worth being judged in processes, and can be."""
        size = selection.size(self._dataset) * len(self._task.modalities)
        return self._first is None and self._replay is None and size >= WORTH

    def _say_stored(self, count: int) -> None:
        """Report how many of the requests needed were stored before, if they are more."""
        self.session.progress.stored(max(0, count - self._stored))
        self._stored = max(self._stored, count)

    def judged(self, selection: Selection) -> Generator[Frames]:
        """Judgments and gold grades of these samples, in batches.

        Whoever stops before the end closes it, and with it the processes that judge.
        """
        links = self._searchable_links()
        for judgments, gold in self._frames(selection):
            yield judgments, links.added_to(gold)

    def linked_frame(self) -> pl.LazyFrame:
        """The dataset's rows with what they share, as `vlsu.data.Dataset.linked_frame`."""
        return self._dataset.linked_frame(self._searchable_links().frame)

    def _searchable_links(self) -> SearchableLinks:
        if self._links is None:
            self._links = SearchableLinks(self._dataset.links())
        return self._links

    def _frames(self, selection: Selection) -> Iterator[Frames]:
        store, model, task = self.session.store, self._model, self._task
        begun = self._begun(selection)
        if self._in_parts(selection) and (judge := begun.stop() if begun else self._parts()):
            here = partial(judged_rows, store=store, model=model, task=task)
            return together(judge.judged(rows(self._dataset, selection, PART), here, begun))
        if self._first is None:
            chunks = keyed(samples(self._dataset, selection), task, self._keys)
        else:
            chunks = self._first.narrowed(selection, store)
        if self._replay is not None:
            chunks = self._replay.chunks(chunks)
        return judged(chunks, store, model, task, self._parsed)

    def _begun(self, selection: Selection) -> EarlyJudging | None:
        """What has begun to judge these samples; `None` if others stand in the dataset now."""
        if self._early is None or self._early.selection != selection:
            return None
        if self._early.files != files_of(self._dataset):
            self._early.judging.close()
            return None
        return self._early.judging

    def judged_again(self, selection: Selection) -> Iterator[pl.DataFrame]:
        """Judgments of the further draws, in batches, as ``reruns.parquet``."""
        from vlsu.runs.understanding.reruns import numbered

        for draw in range(1, self._draws):
            task = self._task.again([draw])
            chunks = plan(self._dataset, selection, task, self._keys)
            batches = judged(chunks, self.session.store, self._model, task, self._parsed)
            yield from numbered((judgments for judgments, _ in batches), draw)

    def judged_swaps(self, swaps: Swaps) -> Iterator[pl.DataFrame]:
        """Exchanges and the judgments of their pairs, in batches, as ``swaps.parquet``."""
        task = self._task.only("joint")
        chunks = swaps.chunks(self._dataset, task, self._keys)
        batches = judged(chunks, self.session.store, self._model, task, self._parsed)
        return swaps.judged(judgments for judgments, _ in batches)

    def tabulate(self, selection: Selection, tabulation: Tabulation) -> None:
        """Count the answers about these samples."""
        with closing(self.judged(selection)) as batches:
            for judgments, gold in batches:
                tabulation.add(judgments, gold)

    def _outcome(self, response: Response) -> Outcome:
        return answers.read_answer(response, self._policy).outcome


def _one_after_the_other(plans: Sequence[Callable[[], Iterator[Chunk]]]) -> Iterator[Chunk]:
    for each in plans:
        yield from each()


def finished_before(
    folder: RunFolder, record: RunRecord, session: Session, price: Price | None
) -> Run | None:
    """The run in the folder, if nothing is left to ask or to judge; found without a plan.

    The dataset's location and the price, which may have changed, are recorded.
    """
    if not folder.record_file.exists():
        return None
    before = folder.record()
    if before["status"] != "finished" or before.get("fingerprint") != record["fingerprint"]:
        return None
    requests = before["requests"]
    besides = (before.get(name, {}) for name in ("probe_outcomes", "rerun_outcomes"))
    outcomes = [*before["outcomes"].values(), *besides]
    failed = sum(counts.get("error", 0) for counts in outcomes)
    if failed or session.store.count() != requests["stored"]:
        return None
    if not folder.has_results_of(before):
        return None
    priced = session.priced(record.model.spec, price)
    after = {**before, "dataset": record["dataset"], **priced}
    if after != before:
        folder.write_record(after)
    again = {**requests, "asked": 0, "reused": requests["asked"] + requests["reused"]}
    free = {"cost": {**after["cost"], "of_start": 0.0}} if "cost" in after else {}
    return Run(folder.path, RunRecord({**after, "requests": again, **free}))
