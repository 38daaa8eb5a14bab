"""A model on a dataset: plan, execute, store, judge."""

from __future__ import annotations

import asyncio
import io
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.data import Dataset, load
from vlsu.data.parquet import scan_parquet
from vlsu.models.base import Model, levels_of
from vlsu.policy import Policy, load_policy
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.plan import Selection, Subset
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile
from vlsu.runs.preflight import (
    log_coverage_warnings,
    require_askable,
)
from vlsu.runs.record import distinct_requests, new_record, not_asked
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.runs.session import open_session
from vlsu.runs.store.sharing import require_shareable
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.asking import Asking, finished_before
from vlsu.runs.understanding.first_pass import FirstPass, first_pass
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
        from vlsu.runs.understanding.estimating import estimate_evaluation

        return estimate_evaluation(self, None if out is None else RunFolder(out))

    @property
    def first_pass(self) -> FirstPass | None:
        """What is asked before the task, if its prompt needs that."""
        system = self.options.settings.system
        return first_pass(self.dataset, self.model, self.policy, self.task, system)

    def swaps(self) -> Swaps | None:
        """The exchanges of the swap probe, if there is to be one.

        Raises:
            DataError: Nothing can be exchanged.
        """
        if self.options.probe is None:
            return None
        return Swaps.of(self.dataset, self.subset, self.subset.seed)

    @property
    def covered(self) -> Subset:
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
            folder.check_same(self.record())
            ResponseStore(folder.responses_file).close()

    def require_store(self, out: str | Path) -> None:
        """Refuse a shared store with which no run in this folder could work.

        Raises:
            RunError: It is none, or cannot be made.
        """
        require_shareable(RunFolder(out).responses_file, self.options.store)

    def _require_askable(self) -> None:
        asked = self.task.modalities
        require_askable(self.dataset, self.covered, asked, self.options, self.policy)

    def run(
        self,
        out: str | Path,
        progress: Progress = NO_PROGRESS,
        budget: Budget | None = None,
        source: Path | None = None,
    ) -> Run:
        """Run it into a folder, or continue the run in it.

        Args:
            out: The folder.
            progress: Where progress is reported.
            budget: What is left to spend where several runs share the limits; `None`: all of them.
            source: The responses of another run; what they answer is taken over from there, and
                only the rest is asked.

        Raises:
            VlsuError: The folder holds another run or is in use, or the run cannot go on.
        """
        return in_event_loop(lambda: self._run(RunFolder(out), progress, budget, source))

    def record(self) -> RunRecord:
        """The record of a run that begins now."""
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

    async def _run(
        self, folder: RunFolder, progress: Progress, budget: Budget | None, source: Path | None
    ) -> Run:
        record = self.record()
        replay = None if self.options.replay is None else Replay(self.options.replay, self.model)
        swaps = None
        if fresh := not folder.record_file.exists():  # refuse before the folder is made
            self._require_askable()
            swaps = self.swaps()
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
            source if replay is None else replay.responses_file,
            self.options.trace,
        ) as session:
            if replay is not None and replay.price is not None:
                session.costs.prices.setdefault(self.model.spec, replay.price)
            if finished := finished_before(folder, record, session, self.options.limits.price):
                return finished
            if not fresh:
                self._require_askable()
                swaps = self.swaps()
            log_coverage_warnings(self.dataset, self.covered, self.task.modalities)
            session.begin()
            asked = self.dataset, self.model, self.policy, self.task, self.options.limits
            made = self.options, self.policy, self.model, self.task, session.store.path
            parts = partial(PartsJudge.of, *made)
            system = self.options.settings.system
            made_of = *asked, session, self.options.draws, system, replay, parts
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
