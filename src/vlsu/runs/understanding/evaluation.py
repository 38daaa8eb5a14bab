"""A model on a dataset: plan, execute, store, judge."""

from __future__ import annotations

import asyncio
import io
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import polars as pl

from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.data import Dataset, load
from vlsu.data.parquet import scan_parquet
from vlsu.models.base import Model, levels_of
from vlsu.policy import Policy, load_policy
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.plan import ChosenSamples, Selection, Subset, plan
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.batching.journal import keys_out
from vlsu.runs.costs import recorded_prices
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile
from vlsu.runs.preflight import (
    coverage_warnings,
    log_coverage_warnings,
    require_askable,
    require_valid_samples,
)
from vlsu.runs.record import distinct_requests, new_record, not_asked
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.runs.session import open_session
from vlsu.runs.store.sharing import require_shareable
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.asking import Asking, finished_before
from vlsu.runs.understanding.first_pass import first_pass
from vlsu.runs.understanding.model_and_task import model_and_task
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.runs.understanding.part_judging import PartsJudge
from vlsu.runs.understanding.replay import Replay
from vlsu.runs.understanding.swaps import SWAPS, Swaps
from vlsu.runs.understanding.weights import load_weights
from vlsu.tasks import Understanding

if TYPE_CHECKING:
    from vlsu.runs.estimate import Estimate
    from vlsu.runs.understanding.sampling import DrawnSample, Sampling

__all__ = ["Evaluation", "prepare"]

_log = logging.getLogger(__name__)


def prepare(dataset: Dataset | str | Path, options: UnderstandingOptions) -> Evaluation:
    """Check everything that can be checked before the first request.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        options: Everything else.

    Raises:
        VlsuError: Wrong options, or a dataset, policy, prompt or model that cannot be opened.
    """
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    policy = dataset.policy if options.policy is None else options.policy
    if not isinstance(policy, Policy):
        policy = load_policy(policy)
    model, task = model_and_task(options, policy)
    weights = options.weights
    if weights is not None and not isinstance(weights, HarmWeights):
        weights = load_weights(weights, policy)
    return Evaluation(
        dataset=dataset,
        model=model,
        policy=policy,
        task=task,
        sampling=_prepare_sampling(dataset, model, policy, task, weights, options),
        weights=weights,
        options=options,
    )


def _prepare_sampling(
    dataset: Dataset,
    model: Model,
    policy: Policy,
    task: Understanding,
    weights: HarmWeights | None,
    options: UnderstandingOptions,
) -> Sampling | None:
    if all(each is None for each in (options.budget, options.until, options.pilot)):
        return None
    from vlsu.runs.understanding.sampling import prepare_sampling

    return prepare_sampling(
        dataset,
        task.modalities,
        policy,
        options.subset.seed,
        budget=options.budget,
        until=options.until,
        pilots=options.pilot or (),
        weights=weights,
        levels=levels_of(model),
    )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An understanding run that is ready to start; made by `prepare`.

    Attributes:
        dataset: What is asked about.
        model: Whom to ask.
        policy: The policy it grades by.
        task: The prompt and the modalities.
        sampling: How samples are drawn by pattern; `None` where none are.
        weights: What errors on pairs cost, if that was given.
        options: What was asked for.
    """

    dataset: Dataset
    model: Model
    policy: Policy
    task: Understanding
    sampling: Sampling | None
    weights: HarmWeights | None
    options: UnderstandingOptions

    @property
    def subset(self) -> Subset:
        """The samples asked about, if none are drawn by pattern."""
        return self.options.subset

    def estimate(self, out: str | Path | None = None) -> Estimate:
        """What it will take; nothing is sent. Of a draw about, with `until` alone at most.

        Args:
            out: The run folder: what is stored there is not asked again, and does not count.

        Raises:
            RunError: The folder holds another run.
        """
        from vlsu.runs.estimate import estimate, timed
        from vlsu.runs.remaining import open_existing_run, remaining_judgments

        selection = self.subset if self.sampling is None else self.sampling.expected()
        expected = selection
        left, price, swaps = None, self.options.limits.price, self._swaps()
        before = RunRecord()
        keys = RequestKeys(self.model.identity())
        with ExitStack() as opened:
            store = None
            if out is not None:
                existing = open_existing_run(RunFolder(out), self._record())
                before, store = opened.enter_context(existing)
                selection = self._drawn_before(RunFolder(out), before) or selection
                price = price or recorded_prices(before).get(self.model.spec)
            first = first_pass(self.dataset, self.model, self.policy, self.task, self._system)
            if store is not None or swaps is not None or self.options.draws > 1 or first:
                task = self.task.again(range(self.options.draws))
                chunks = plan(self.dataset, selection, task, keys)
                if first is not None:
                    chunks = chain(first.chunks(selection), first.narrowed(selection, store))
                if swaps is not None:
                    pairs = swaps.chunks(self.dataset, self.task.only("joint"), keys)
                    chunks = chain(chunks, pairs)
                out_now = frozenset() if out is None else keys_out(Path(out))
                left = remaining_judgments(chunks, store, self.task.modalities, out_now)
        found = estimate(self.dataset, selection, self.task, price, left, self.model)
        found = timed(found, before, self.options.limits)
        if self.sampling is not None and selection is expected:
            found = replace(found, at_most=self.sampling.until is not None)
        require_valid_samples(self.dataset, self._covered, self.policy)
        lines = coverage_warnings(self.dataset, self._covered, self.task.modalities, self.options)
        return replace(found, lacking=tuple(lines))

    def _drawn_before(self, folder: RunFolder, before: RunRecord) -> Selection | None:
        """The samples of this very draw, if it is finished; `None` if it is not, or none is drawn.

        Args:
            folder: Where its run is.
            before: The record there; empty if there is none.
        """
        if self.sampling is None or before.get("status") != "finished":
            return None
        same = before.get("fingerprint") == self._record()["fingerprint"]
        if not same or not folder.has_results_of(before):
            return None
        ids = scan_parquet(folder.judgments_file).select(pl.col("sample_id").unique()).collect()
        return ChosenSamples(tuple(ids.get_column("sample_id").sort()))

    @property
    def _system(self) -> str | None:
        return self.options.settings.system

    def _swaps(self) -> Swaps | None:
        """The exchanges of the swap probe, if there is to be one.

        Raises:
            DataError: Nothing can be exchanged.
        """
        if self.options.probe is None:
            return None
        return Swaps.of(self.dataset, self.subset, self.subset.seed)

    @property
    def _covered(self) -> Subset:
        """The samples asked about; of a draw, all that it draws from."""
        return self.subset if self.sampling is None else Subset()

    def check(self, out: str | Path) -> None:
        """See that the run could go into a folder, before anything is asked.

        Raises:
            RunError: As `run`: the folder is in use, holds another run, or cannot be written.
            DataError: Images have not been fetched, or samples are not valid.
        """
        self._require_askable()
        self.require_store(out)
        folder = RunFolder(out)
        with folder.locked():
            folder.check_same(self._record())
            ResponseStore(folder.responses_file).close()

    def require_store(self, out: str | Path) -> None:
        """Refuse a shared store with which no run in this folder could work.

        Raises:
            RunError: It is none, or cannot be made.
        """
        require_shareable(RunFolder(out).responses_file, self.options.store)

    def _require_askable(self) -> None:
        asked = self.task.modalities
        require_askable(self.dataset, self._covered, asked, self.options, self.policy)

    def run(
        self, out: str | Path, progress: Progress = NO_PROGRESS, budget: Budget | None = None
    ) -> Run:
        """Run it into a folder, or continue the run in it; `budget` is shared by several runs."""
        return in_event_loop(lambda: self._run(RunFolder(out), progress, budget))

    def _record(self) -> RunRecord:
        sampling = None if self.sampling is None else self.sampling.record()
        return new_record(
            self.task,
            self.model,
            self.dataset,
            self.task.modalities,
            self.options,
            sampling,
            None if self.weights is None else self.weights.record(self.policy.severities),
            self.options.probe,
            self.options.draws,
        )

    async def _run(self, folder: RunFolder, progress: Progress, budget: Budget | None) -> Run:
        record = self._record()
        replay = None if self.options.replay is None else Replay(self.options.replay, self.model)
        swaps = None
        if fresh := not folder.record_file.exists():  # refuse before the folder is made
            self._require_askable()
            swaps = self._swaps()
        elif replay is not None:
            replay.require_alone(folder)
        async with open_session(
            folder,
            record,
            self.options.limits,
            [self.model],
            progress,
            budget,
            self.options.batch,
            None if replay is None else replay.responses_file,
            self.options.trace,
        ) as session:
            if finished := finished_before(folder, record, session, self.options.limits.price):
                return finished
            if not fresh:
                self._require_askable()
                swaps = self._swaps()
            log_coverage_warnings(self.dataset, self._covered, self.task.modalities)
            session.begin()
            asked = self.dataset, self.model, self.policy, self.task, self.options.limits
            made = self.options, self.policy, self.model, self.task, session.store.path
            parts = partial(PartsJudge.of, *made)
            made_of = *asked, session, self.options.draws, self._system, replay, parts
            with closing(Asking(*made_of)) as asking:
                if self.sampling is None:
                    if await asking.ask(self.subset, self.subset, swaps):
                        await self._conclude(folder, asking, self.subset, swaps=swaps)
                elif drawn := await self.sampling.draw(asking.ask, asking.tabulate):
                    await self._conclude(folder, asking, drawn.selection, drawn)
            session.account(asking.needed)
            if replay is not None:
                replay.account(record)
        return Run(folder.path, record)

    async def _conclude(
        self,
        folder: RunFolder,
        asking: Asking,
        selection: Selection,
        drawn: DrawnSample | None = None,
        swaps: Swaps | None = None,
    ) -> None:
        """Write judgments and metrics, and complete the record."""
        # Imported once all is asked: requests do not wait for it.
        from vlsu.analysis import Tabulation, cell_metrics, diagnosis
        from vlsu.analysis.understanding.levels import without_levels
        from vlsu.analysis.understanding.reruns import rerun_metrics
        from vlsu.analysis.understanding.swap import outcome_counts, swap_metrics
        from vlsu.runs.understanding.reruns import RERUNS
        from vlsu.runs.understanding.sampling import gold_rows

        record, dataset = asking.session.record, self.dataset
        severities = tuple(self.policy.severities)
        tabulation = Tabulation(severities=severities)
        estimated = None if drawn is None else drawn.metrics
        # Metrics of the cells are computed while the judgments are put together and read again.
        with ThreadPoolExecutor(1, thread_name_prefix="metrics") as beside:
            with (
                closing(asking.judged(selection)) as batches,
                JudgmentsFile(folder.judgments_file) as file,
            ):
                for judgments, gold in batches:
                    tabulation.add(judgments, gold)
                    file.add(judgments)
                    await asyncio.sleep(0)  # an interrupt in a notebook comes through here
                if estimated is None:
                    of_cells = beside.submit(
                        lambda: cell_metrics(tabulation.cells(), weights=self.weights)
                    )
            if estimated is None:
                stored, linked = scan_parquet(folder.judgments_file), asking.linked_frame()
                diagnosed = diagnosis(stored, linked, severities=severities)
                metrics = {**of_cells.result(), **diagnosed}
            else:
                metrics = estimated
        folder.swaps_file.unlink(missing_ok=True)
        if swaps is not None:
            with JudgmentsFile(folder.swaps_file, SWAPS) as file:
                for exchanged in asking.judged_swaps(swaps):
                    file.add(exchanged)
                    await asyncio.sleep(0)
            exchanges = scan_parquet(folder.swaps_file)
            metrics["swap"] = swap_metrics(exchanges, stored, linked)
            record["probe_outcomes"] = outcome_counts(exchanges)
        if (draws := self.options.draws) > 1:
            with JudgmentsFile(folder.reruns_file, RERUNS) as file:
                for redrawn in asking.judged_again(selection):
                    file.add(redrawn)
                    await asyncio.sleep(0)
            reruns = scan_parquet(folder.reruns_file)
            metrics["reruns"] = rerun_metrics(
                stored, reruns, gold_rows(dataset), draws, severities=severities
            )
            record["rerun_outcomes"] = outcome_counts(reruns)
        else:
            folder.reruns_file.unlink(missing_ok=True)
        if drawn is not None:
            whole = distinct_requests(dataset, Subset(), self.task.modalities)
            record["sampling"] |= {
                "seed": self.subset.seed,
                "steps": list(drawn.steps),
                "reached": drawn.reached,
                "requests": {"sample": asking.needed, "dataset": sum(whole.values())},
            }
        if drawn is not None and drawn.metrics is not None:
            metrics["sampling"] = {
                **record["sampling"],
                **drawn.metrics["sampling"],
                "left_out": ["minimal_pairs", "calibration"],
            }
        if drawn is not None and drawn.table is not None:
            content = io.BytesIO()
            drawn.table.write_parquet(content)
            write_atomically(folder.sampling_file, content.getvalue())
        else:
            folder.sampling_file.unlink(missing_ok=True)
        metrics = without_levels(metrics, levels_of(self.model), severities)
        write_atomically(folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        record["outcomes"] = metrics["outcomes"]
        record["not_asked"] = not_asked(dataset, selection, self.task.modalities)
