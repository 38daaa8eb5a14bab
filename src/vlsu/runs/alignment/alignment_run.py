"""An alignment run: answers under several framings, and the judges' verdicts on them.

Answers and verdicts are requests like any other: stored under their keys, asked once, asked again
only if they failed. Judges come after answers, so a better judge is one more run over the same
folder and nothing is asked of the model again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import polars as pl

from vlsu.analysis import alignment_metrics, judge_agreement
from vlsu.data import Dataset
from vlsu.data.links import with_links
from vlsu.data.marks import mark_columns
from vlsu.data.parquet import scan_parquet
from vlsu.policy import MODALITIES
from vlsu.runs.alignment.answering import ask_and_judge
from vlsu.runs.alignment.labels import RunLabels
from vlsu.runs.alignment.options import AlignmentOptions
from vlsu.runs.alignment.remaining import remaining_answers
from vlsu.runs.alignment.stored_answers import StoredAnswers
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.judges import Respondents
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import Chunk, Subset, plan
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.batching.journal import keys_out
from vlsu.runs.columns import ALIGNMENT_JUDGMENTS, VERDICT_COLUMNS, VERDICTS
from vlsu.runs.costs import Costs, recorded_prices
from vlsu.runs.estimate import Estimate, estimate_alignment, timed
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import SAMPLES, Columns, JudgmentsFile
from vlsu.runs.preflight import (
    coverage_warnings,
    log_coverage_warnings,
    require_askable,
    require_valid_samples,
)
from vlsu.runs.record import new_record, not_asked
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.remaining import open_existing_run
from vlsu.runs.run import Run
from vlsu.runs.session import Session, open_session
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks import Alignment

__all__ = ["AlignmentRun"]


@dataclass(frozen=True, slots=True)
class AlignmentRun:
    """An alignment run that is ready to start; made by `prepare_alignment`.

    Attributes:
        dataset: What is asked about.
        asked: The model and the judges.
        task: Framings and draws.
        labels: Human labels of answers, if there are any.
        options: What was asked for.
    """

    dataset: Dataset
    asked: Respondents
    task: Alignment
    labels: RunLabels | None
    options: AlignmentOptions

    @property
    def subset(self) -> Subset:
        """The samples asked about."""
        return self.options.subset

    def estimate(self, out: str | Path | None = None) -> Estimate:
        """What it will take; nothing is sent.

        Args:
            out: The run folder: what is stored there is not asked again, and does not count.

        Raises:
            RunError: The folder holds another run.
        """
        asked = self.asked
        left, costs, before = None, Costs(), RunRecord()
        if out is not None:
            with open_existing_run(RunFolder(out), self._record()) as (before, store):
                costs.prices = recorded_prices(before)
                if store is not None:
                    stored = StoredAnswers(store, self.asked)
                    left = remaining_answers(self._answers(), stored, keys_out(Path(out)))
        found = estimate_alignment(
            self.dataset,
            self.subset,
            self.task,
            costs.price_of(asked.model.spec, asked.limits.price),
            [
                (spec := judge.model.spec, judge.task, costs.price_of(spec, judge.limits.price))
                for judge in asked.judges
            ],
            asked.repeats,
            left,
        )
        found = timed(found, before, asked.limits)
        require_valid_samples(self.dataset, self.subset)
        lines = coverage_warnings(
            self.dataset, self.subset, ("joint",), self.options, captions=self.task.captions
        )
        return replace(found, lacking=tuple(lines))

    def run(self, out: str | Path, progress: Progress = NO_PROGRESS) -> Run:
        """Run it into a folder, or continue the run in it."""
        return in_event_loop(lambda: self._run(RunFolder(out), progress))

    def _record(self) -> RunRecord:
        asked = self.asked
        record = new_record(self.task, asked.model, self.dataset, ("joint",), self.options)
        record["policy"] = self.dataset.policy.identity
        record["judges"] = [judge.record(asked.repeats) for judge in asked.judges]
        record["calibrated"] = self.options.calibration is not None
        record["labels"] = None if self.labels is None else dict(self.labels.record())
        return record

    async def _run(self, folder: RunFolder, progress: Progress) -> Run:
        record = self._record()
        asked = self.asked
        if fresh := not folder.record_file.exists():
            require_askable(self.dataset, self.subset, ("joint",), self.options)
        async with open_session(
            folder,
            record,
            asked.limits,
            asked.models,
            progress,
            batching=self.options.batch,
            trace=self.options.trace,
        ) as session:
            if not fresh:  # the folder's run is compared with this one first
                require_askable(self.dataset, self.subset, ("joint",), self.options)
            log_coverage_warnings(
                self.dataset, self.subset, ("joint",), captions=self.task.captions
            )
            session.begin()
            if await self._ask(session):
                record |= self._judge(folder, session.store)
                record["not_asked"] = self._not_asked()
            session.account()
        return Run(folder.path, record)

    async def _ask(self, session: Session) -> bool:
        """Ask for answers and verdicts; whether the plan was completed."""
        samples = self._graded_pairs()
        each = len(self.task.framings) * self.task.draws
        total = samples * each * (1 + len(self.asked.judges) * self.asked.repeats)
        session.progress.begin(total, at_most=True)
        session.progress.stored(min(session.stored_before, total))
        return await ask_and_judge(
            session, lambda: self._answers(by_image=True), self.dataset, self.asked
        )

    def _answers(self, *, by_image: bool = False) -> Iterator[Chunk]:
        keys = RequestKeys(self.asked.model.identity())
        return plan(self.dataset, self.subset, self.task, keys, by_image=by_image)

    def _judge(self, folder: RunFolder, store: ResponseStore) -> dict[str, object]:
        """Write judgments, verdicts and metrics; return their part of the record."""
        stored = StoredAnswers(store, self.asked)
        judges, repeats = self.asked.judges, self.asked.repeats
        with (
            JudgmentsFile(folder.judgments_file, ALIGNMENT_JUDGMENTS) as judgments,
            JudgmentsFile(folder.verdicts_file, VERDICTS) as verdicts,
        ):
            for table, opinions in self._tables(stored):
                judgments.add(table)
                verdicts.add(opinions)
                if self.labels is not None:
                    self.labels.check_answers(table)
        every_answer = scan_parquet(folder.judgments_file).select(VERDICT_COLUMNS)
        gold = self._gold()
        metrics = alignment_metrics(
            every_answer,
            gold,
            calibration=self.options.calibration,
            labels=None if self.labels is None else self.labels.frame,
            gives=judges[0].task.gives,
            severities=tuple(self.dataset.policy.severities),
        )
        if len(judges) * repeats > 1:
            unused = ("helpfulness", "given", "served", "judge_key")
            opinions = scan_parquet(folder.verdicts_file).drop(unused).collect()
            metrics["judge_agreement"] = judge_agreement(_by_repeat(opinions))
        write_atomically(folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        judged = every_answer.filter(pl.col("judge_outcome").is_not_null()).select("sample_id")
        known = gold.select("sample_id", "language")
        languages = judged.collect().join(known, on="sample_id", how="left")["language"]
        about = [
            {**judge.record(repeats), "unknown_languages": judge.unknown(languages)}
            for judge in judges
        ]
        return {"outcomes": metrics["outcomes"], "judges": about}

    def _tables(self, stored: StoredAnswers) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Judgments and verdicts, of some samples at a time."""
        judgments, verdicts = Columns(ALIGNMENT_JUDGMENTS), Columns(VERDICTS)
        samples = 0
        for chunk in self._answers():
            rows, verdict_rows = stored.rows(chunk)
            judgments.extend(rows)
            verdicts.extend(verdict_rows)
            samples += len(chunk.samples)
            if samples >= SAMPLES:
                yield judgments.taken(), verdicts.taken()
                samples = 0
        if samples:
            yield judgments.taken(), verdicts.taken()

    def _gold(self) -> pl.DataFrame:
        columns = (*(f"{m}_grade" for m in MODALITIES), "joint_category", "language")
        frame = self.subset.frame(self.dataset).select(
            pl.col("id").alias("sample_id"), *columns, *mark_columns()
        )
        return with_links(frame.collect(), self.dataset.links())

    def _graded_pairs(self) -> int:
        unasked = self._not_asked().get("joint", {})
        return self.subset.size(self.dataset) - sum(unasked.values())

    def _not_asked(self) -> Mapping[str, Mapping[str, int]]:
        return not_asked(self.dataset, self.subset, ("joint",), captions=self.task.captions)


def _by_repeat(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Each repeat of a judge as a judge of its own, as `judge_agreement` wants them."""
    again = pl.col("repeat") > 0
    number = pl.format("{} #{}", "judge", pl.col("repeat") + 1)
    return verdicts.with_columns(judge=pl.when(again).then(number).otherwise("judge"))
