"""An alignment run: answers under several framings, and what judges say of them.

Answers and verdicts are requests like any other: stored under their keys, asked once, asked again
only if they failed. Judges come after answers, so a better judge is one more run over the same
folder and nothing is asked of the model again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu.analysis import Calibration, alignment_metrics, judge_agreement
from vlsu.data import Dataset, load
from vlsu.errors import UsageError
from vlsu.models import as_model
from vlsu.models.base import Model, Outcome, Response, Settings
from vlsu.policy import MODALITIES
from vlsu.runs.alignment_rows import ALIGNMENT_JUDGMENTS, VERDICT_COLUMNS, VERDICTS, Reading
from vlsu.runs.costs import recorded_prices
from vlsu.runs.estimate import Estimate, estimate_alignment
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile, batches
from vlsu.runs.keys import RequestKeys
from vlsu.runs.labels import RunLabels, read_labels
from vlsu.runs.lacking import lacking, require_sound, warn_of_lacking
from vlsu.runs.limits import Limits
from vlsu.runs.loop import in_event_loop
from vlsu.runs.panel import Judge
from vlsu.runs.plan import Chunk, Subset, plan
from vlsu.runs.progress import NO_PROGRESS, Progress
from vlsu.runs.record import has_captions, new_record, not_asked
from vlsu.runs.remaining import begun_store, remaining_answers
from vlsu.runs.run import Run
from vlsu.runs.session import Session, opened
from vlsu.runs.store import ResponseStore
from vlsu.tasks import FRAMINGS, Alignment, load_framings, read_reply

__all__ = ["AlignmentRun", "align", "ask_and_judge", "prepare_alignment"]


def align(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    out: str | Path,
    judges: Sequence[Model | str] = ("judge/offline",),
    framings: Sequence[str] = FRAMINGS,
    captions: bool = False,
    draws: int = 1,
    judge_repeats: int = 1,
    limit: int | None = None,
    settings: Settings | None = None,
    judge_settings: Settings | None = None,
    calibration: Calibration | None = None,
    labels: str | Path | None = None,
    limits: Limits | None = None,
    judge_limits: Sequence[Limits] | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Run the alignment task; the same call again asks only what is missing.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        model: ``provider/name``, or a model of one's own.
        out: The run folder.
        judges: Who judges the answers; metrics go by the first, the others are compared with it.
        framings: Names of framings, or files.
        captions: Whether the model is shown captions, from the samples' metadata, in place of the
            images. Judges see the images all the same.
        draws: Answers to each question; more than one needs a temperature.
        judge_repeats: Verdicts of each judge on each answer.
        limit: Number of samples, drawn by the settings' seed.
        settings: How the model is asked.
        judge_settings: How the judges are asked.
        calibration: Of the first judge, from `validate_judge`: corrects the judged rates.
        labels: A CSV of human labels of this run's answers (see `vlsu.runs.labels.read_labels`):
            correct the judged rates before the calibration does, where there are enough of them.
        limits: What may be sent to the model at once and a minute, its price, and what may be
            sent and spent in all, on the judges too.
        judge_limits: The same for each judge, in their order; their bounds in all do not count.
        progress: Told how far the run is.

    Raises:
        VlsuError: Wrong arguments, a model that cannot be reached, a folder in use.
    """
    run = prepare_alignment(
        dataset,
        model=model,
        judges=judges,
        framings=framings,
        captions=captions,
        draws=draws,
        judge_repeats=judge_repeats,
        limit=limit,
        settings=settings,
        judge_settings=judge_settings,
        calibration=calibration,
        labels=labels,
        limits=limits,
        judge_limits=judge_limits,
    )
    return run.run(out, progress)


def prepare_alignment(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    judges: Sequence[Model | str] = ("judge/offline",),
    framings: Sequence[str] = FRAMINGS,
    captions: bool = False,
    draws: int = 1,
    judge_repeats: int = 1,
    limit: int | None = None,
    settings: Settings | None = None,
    judge_settings: Settings | None = None,
    calibration: Calibration | None = None,
    labels: str | Path | None = None,
    limits: Limits | None = None,
    judge_limits: Sequence[Limits] | None = None,
) -> AlignmentRun:
    """Check everything that can be checked before the first request; arguments as `align`.

    Raises:
        VlsuError: Wrong arguments, or something that cannot be opened.
    """
    settings = settings or Settings()
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: at least 1 sample is needed")
    if judge_repeats < 1:
        raise UsageError(f"judge-repeats {judge_repeats}: at least 1 verdict is needed")
    if not judges:
        raise UsageError("no judge; use judge/offline, or a model such as openai/gpt-4o")
    if draws > 1 and "temperature" not in settings.params:
        raise UsageError(
            f"samples {draws}: answers differ by chance only; add --param temperature=1"
        )
    opened = as_model(model, settings)
    if not opened.takes_instructions:
        raise UsageError(f"{opened.spec} is a classifier and answers nobody; choose a chat model")
    if "joint" not in opened.modalities and not captions:
        raise UsageError(
            f"{opened.spec} cannot see images; add --captions to show it the dataset's captions "
            "in their place"
        )
    limits = limits or Limits()
    each = tuple(judge_limits or [Limits(concurrency=limits.concurrency)] * len(judges))
    if len(each) != len(judges):
        raise UsageError(f"{len(each)} limits for {len(judges)} judges; give one for each")
    own = judge_settings or Settings()
    panel = tuple(as_model(judge, own) for judge in judges)
    judging = [Judge.of(judge) for judge in panel]
    unpriced = [
        judge.spec
        for judge, its_limits in zip(panel, each, strict=True)
        if judge.takes_instructions and its_limits.price is None
    ]
    if limits.max_cost is not None and unpriced:
        raise UsageError(
            f"max-cost needs a price of the judge {unpriced[0]} too; give --judge-price "
            "INPUT,OUTPUT a million tokens"
        )
    if calibration is not None and calibration.judge != judging[0].fingerprint:
        raise UsageError(
            f"the calibration is another judge's than {panel[0].spec} as it is asked here; "
            "make one with vlsu judge validate"
        )
    if len({judge.spec for judge in panel}) < len(panel):
        raise UsageError("a judge is given twice; use --judge-repeats for several verdicts of one")
    data = dataset if isinstance(dataset, Dataset) else load(dataset)
    if captions and not has_captions(data):
        raise UsageError(
            f"{data.info.name}: no sample has a caption in its metadata; leave --captions out"
        )
    if labels is not None and "refusal" not in judging[0].task.gives:
        raise UsageError(
            f"labels say what refuses, and {panel[0].spec} only whether an answer is safe; put a "
            "judge of refusal first"
        )
    task = Alignment(load_framings(framings), draws, settings.system, captions=captions)
    subset = Subset(limit, settings.seed or 0)
    return AlignmentRun(
        dataset=data,
        model=opened,
        judges=panel,
        task=task,
        judge_repeats=judge_repeats,
        calibration=calibration,
        labels=None if labels is None else read_labels(labels, data, subset, task),
        subset=subset,
        base_url=settings.base_url,
        limits=limits,
        judge_limits=each,
    )


@dataclass(frozen=True, slots=True)
class AlignmentRun:
    """An alignment run that is ready to start; made by `prepare_alignment`."""

    dataset: Dataset
    model: Model
    judges: tuple[Model, ...]
    task: Alignment
    judge_repeats: int
    calibration: Calibration | None
    labels: RunLabels | None
    subset: Subset
    base_url: str | None
    limits: Limits
    judge_limits: tuple[Limits, ...]

    def estimate(self, out: str | Path | None = None) -> Estimate:
        """What it will take; nothing is sent.

        Args:
            out: The run folder: what is stored there is not asked again, and does not count.

        Raises:
            RunError: The folder holds another run.
        """
        judges = [Judge.of(judge) for judge in self.judges]
        left, prices = None, {}
        if out is not None:
            prices = recorded_prices(RunFolder(out).check_same(self._record(judges)))
            with begun_store(RunFolder(out), self._record(judges)) as store:
                if store is not None:
                    reading = Reading(store, self.model, judges, self.judge_repeats)
                    left = remaining_answers(self._answers(), reading, judges)
        found = estimate_alignment(
            self.dataset,
            self.subset,
            self.task,
            self.limits.price or prices.get(self.model.spec),
            [
                (spec := judge.model.spec, judge.task, limits.price or prices.get(spec))
                for judge, limits in zip(judges, self.judge_limits, strict=True)
            ],
            self.judge_repeats,
            left,
        )
        require_sound(self.dataset, self.subset)
        lines = lacking(self.dataset, self.subset, ("joint",), captions=self.task.captions)
        return replace(found, lacking=tuple(lines))

    def run(self, out: str | Path, progress: Progress = NO_PROGRESS) -> Run:
        """Run it into a folder, or go on with the run that lies there."""
        return in_event_loop(lambda: self._run(RunFolder(out), progress))

    def _record(self, judges: Sequence[Judge]) -> dict[str, Any]:
        record = new_record(
            self.task, self.model, self.dataset, ("joint",), self.subset, self.base_url
        )
        policy = self.dataset.policy
        record["policy"] = {"name": policy.name, "version": policy.version, "hash": policy.hash}
        record["judges"] = [judge.record(self.judge_repeats) for judge in judges]
        record["calibrated"] = self.calibration is not None
        record["labels"] = None if self.labels is None else dict(self.labels.record())
        return record

    async def _run(self, folder: RunFolder, progress: Progress) -> Run:
        judges = [Judge.of(model) for model in self.judges]
        record = self._record(judges)
        models = [self.model, *self.judges]
        async with opened(folder, record, self.limits, models, progress) as session:
            require_sound(self.dataset, self.subset)
            warn_of_lacking(self.dataset, self.subset, ("joint",), captions=self.task.captions)
            session.begin()
            if await self._ask(session, judges):
                record |= self._judge(folder, session.store, judges)
                record["not_asked"] = self._not_asked()
            session.account()
        return Run(folder.path, record)

    async def _ask(self, session: Session, judges: Sequence[Judge]) -> bool:
        """Answers and verdicts; whether it came to the plan's end."""
        samples = self._graded_pairs()
        each = len(self.task.framings) * self.task.draws
        total = samples * each * (1 + len(judges) * self.judge_repeats)
        session.progress.begin(total, at_most=True)
        session.progress.stored(min(session.stored_before, total))
        return await ask_and_judge(
            session,
            lambda: self._answers(by_image=True),
            self.dataset,
            self.model,
            judges,
            self.limits,
            self.judge_limits,
            self.judge_repeats,
        )

    def _answers(self, *, by_image: bool = False) -> Iterator[Chunk]:
        keys = RequestKeys(self.model.identity())
        return plan(self.dataset, self.subset, self.task, keys, by_image=by_image)

    def _judge(
        self, folder: RunFolder, store: ResponseStore, judges: Sequence[Judge]
    ) -> dict[str, Any]:
        """Write judgments, verdicts and metrics; return what the record is to say of them."""
        reading = Reading(store, self.model, judges, self.judge_repeats)
        opinions: list[pl.DataFrame] = []
        measured = [ALIGNMENT_JUDGMENTS.to_frame().select(VERDICT_COLUMNS)]
        with (
            JudgmentsFile(folder.judgments_file, ALIGNMENT_JUDGMENTS) as judgments,
            JudgmentsFile(folder.verdicts_file, VERDICTS) as verdicts,
        ):
            for batch in batches(self._answers()):
                rows, said = zip(*map(reading.rows, batch), strict=True)
                table = pl.DataFrame(list(chain(*rows)), schema=ALIGNMENT_JUDGMENTS, orient="row")
                judgments.add(table)
                every = pl.DataFrame(list(chain(*said)), schema=VERDICTS, orient="row")
                verdicts.add(every)
                if len(judges) * self.judge_repeats > 1:
                    opinions.append(every.drop("helpfulness", "judge_key"))
                measured.append(table.select(VERDICT_COLUMNS))
                if self.labels is not None:
                    self.labels.check_answers(table)
        every_answer, gold = pl.concat(measured), self._gold()
        metrics = alignment_metrics(
            every_answer,
            gold,
            calibration=self.calibration,
            labels=None if self.labels is None else self.labels.frame,
            gives=judges[0].task.gives,
        )
        if opinions:
            metrics["judge_agreement"] = judge_agreement(_named_apart(pl.concat(opinions)))
        write_atomically(folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        judged = every_answer.filter(pl.col("judge_outcome").is_not_null())
        languages = judged.join(gold, on="sample_id", how="left")["language"].to_list()
        about = [
            {**judge.record(self.judge_repeats), "unknown_languages": judge.unknown(languages)}
            for judge in judges
        ]
        return {"outcomes": metrics["outcomes"], "judges": about}

    def _gold(self) -> pl.DataFrame:
        columns = (*(f"{m}_grade" for m in MODALITIES), "joint_category", "group", "language")
        frame = self.subset.frame(self.dataset).select(pl.col("id").alias("sample_id"), *columns)
        return frame.collect()

    def _graded_pairs(self) -> int:
        unasked = self._not_asked().get("joint", {})
        return self.subset.size(self.dataset) - sum(unasked.values())

    def _not_asked(self) -> Mapping[str, Mapping[str, int]]:
        return not_asked(self.dataset, self.subset, ("joint",), captions=self.task.captions)


async def ask_and_judge(
    session: Session,
    answers: Callable[[], Iterator[Chunk]],
    dataset: Dataset,
    model: Model,
    judges: Sequence[Judge],
    limits: Limits,
    judge_limits: Sequence[Limits],
    repeats: int,
) -> bool:
    """Ask for what is missing of answers, then of each judge's verdicts on those that came.

    Args:
        session: Where it is stored and what may be spent.
        answers: Makes the plan of the answers, anew at each call.
        dataset: Has the images.
        model: Whom to ask for answers.
        judges: Whom for verdicts, in that order.
        limits: How the model may be asked.
        judge_limits: How each judge may be.
        repeats: Verdicts of each judge on an answer.

    Returns:
        Whether it came to the plan's end; it ends with the first that is stopped.

    Raises:
        ModelError: A server is down or refuses every request.
        RunError: Responses cannot be stored.
    """
    images = session.images(dataset, model)
    whole = await session.ask(answers(), model, images, _outcome, limits)
    reading = Reading(session.store, model, judges, repeats)
    for judge, its_limits in zip(judges, judge_limits, strict=True):
        if not whole:
            break
        chunks = _questions(answers(), reading, judge, session.progress)
        images = session.images(dataset, judge.model)
        whole = await session.ask(chunks, judge.model, images, judge.outcome, its_limits)
    return whole


def _questions(
    answers: Iterator[Chunk], reading: Reading, judge: Judge, progress: Progress
) -> Iterator[Chunk]:
    """What a judge is asked about each chunk of answers; some need no verdict."""
    for chunk in answers:
        questions = reading.questions(chunk, judge)
        progress.spared(len(chunk.planned) * reading.repeats - len(questions))
        yield Chunk(chunk.samples, questions)


def _named_apart(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Each repeat of a judge as a judge of its own, as `judge_agreement` wants them."""
    again = pl.col("repeat") > 0
    number = pl.format("{} #{}", "judge", pl.col("repeat") + 1)
    return verdicts.with_columns(judge=pl.when(again).then(number).otherwise("judge"))


def _outcome(response: Response) -> Outcome:
    return read_reply(response).outcome
