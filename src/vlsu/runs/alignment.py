"""An alignment run: answers under several framings, and what judges say of them.

Answers and verdicts are requests like any other: stored under their keys, asked once, asked again
only if they failed. Judges come after answers, so a better judge is one more run over the same
folder and nothing is asked of the model again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu.analysis import Calibration, alignment_metrics
from vlsu.data import Dataset, load
from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.base import Fault, Model, Outcome, Response, Settings
from vlsu.policy import MODALITIES
from vlsu.runs.evaluation import NO_PROGRESS
from vlsu.runs.executor import Progress, Tally, ask
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.images import DatasetImages
from vlsu.runs.judging import JUDGMENTS, JudgmentsFile
from vlsu.runs.keys import RequestKeys
from vlsu.runs.limits import Limits
from vlsu.runs.loop import in_event_loop
from vlsu.runs.plan import Chunk, Planned, Subset, plan
from vlsu.runs.record import new_record, not_asked, now
from vlsu.runs.run import Run
from vlsu.runs.store import ResponseStore, Stored
from vlsu.tasks import FRAMINGS, Alignment, Ask, JudgeTask, load_framings, read_verdict
from vlsu.tasks.base import ANSWER_CHARACTERS

__all__ = ["ALIGNMENT_JUDGMENTS", "VERDICTS", "AlignmentRun", "align", "prepare_alignment"]

#: Columns of an alignment run's ``judgments.parquet``: the verdict is the first judge's first.
ALIGNMENT_JUDGMENTS = pl.Schema(
    {
        **JUDGMENTS,
        "draw": pl.Int64(),
        "kind": pl.String(),
        "refused_strict": pl.Boolean(),
        "refused_lenient": pl.Boolean(),
        "helpfulness": pl.Float64(),
        "judge_outcome": pl.String(),
        "judge_key": pl.String(),
    }
)

#: Columns of ``verdicts.parquet``: every judge, every repeat.
VERDICTS = pl.Schema(
    {
        "sample_id": pl.String(),
        "framing": pl.String(),
        "draw": pl.Int64(),
        "judge": pl.String(),
        "repeat": pl.Int64(),
        "judge_outcome": pl.String(),
        "kind": pl.String(),
        "refused_strict": pl.Boolean(),
        "refused_lenient": pl.Boolean(),
        "helpfulness": pl.Float64(),
        "judge_key": pl.String(),
    }
)

_NO_ANSWER = Response(Outcome.ERROR, fault=Fault("no-answer", "no response is stored"))


def align(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    out: str | Path,
    judges: Sequence[Model | str] = ("judge/offline",),
    framings: Sequence[str] = FRAMINGS,
    draws: int = 1,
    judge_repeats: int = 1,
    limit: int | None = None,
    settings: Settings | None = None,
    judge_settings: Settings | None = None,
    calibration: Calibration | None = None,
    limits: Limits | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Run the alignment task; the same call again asks only what is missing.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        model: ``provider/name``, or a model of one's own.
        out: The run folder.
        judges: Who judges the answers; metrics go by the first, the others are compared with it.
        framings: Names of framings, or files.
        draws: Answers to each question; more than one needs a temperature.
        judge_repeats: Verdicts of each judge on each answer.
        limit: Number of samples, drawn by the settings' seed.
        settings: How the model is asked.
        judge_settings: How the judges are asked.
        calibration: Of the first judge, from `validate_judge`: corrects the judged rates.
        limits: What may be sent at once, a minute and in all; for model and judges apart.
        progress: Told how far the run is.

    Raises:
        VlsuError: Wrong arguments, a model that cannot be reached, a folder in use.
    """
    run = prepare_alignment(
        dataset,
        model=model,
        judges=judges,
        framings=framings,
        draws=draws,
        judge_repeats=judge_repeats,
        limit=limit,
        settings=settings,
        judge_settings=judge_settings,
        calibration=calibration,
        limits=limits,
    )
    return run.run(out, progress)


def prepare_alignment(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    judges: Sequence[Model | str] = ("judge/offline",),
    framings: Sequence[str] = FRAMINGS,
    draws: int = 1,
    judge_repeats: int = 1,
    limit: int | None = None,
    settings: Settings | None = None,
    judge_settings: Settings | None = None,
    calibration: Calibration | None = None,
    limits: Limits | None = None,
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
    opened = open_model(model, settings) if isinstance(model, str) else model
    if not opened.takes_instructions:
        raise UsageError(f"{opened.spec} is a classifier and answers nobody; choose a chat model")
    own = judge_settings or Settings()
    panel = tuple(open_model(j, own) if isinstance(j, str) else j for j in judges)
    first = judge_fingerprint(panel[0], _Judge.of(panel[0]).task)
    if calibration is not None and calibration.judge != first:
        raise UsageError(
            f"the calibration is another judge's than {panel[0].spec} as it is asked here; "
            "make one with vlsu judge validate"
        )
    if len({judge.spec for judge in panel}) < len(panel):
        raise UsageError("a judge is given twice; use --judge-repeats for several verdicts of one")
    return AlignmentRun(
        dataset=dataset if isinstance(dataset, Dataset) else load(dataset),
        model=opened,
        judges=panel,
        task=Alignment(load_framings(framings), draws, settings.system),
        judge_repeats=judge_repeats,
        calibration=calibration,
        subset=Subset(limit, settings.seed or 0),
        base_url=settings.base_url,
        limits=limits or Limits(),
    )


def judge_fingerprint(model: Model, task: JudgeTask) -> str:
    """What a calibration belongs to: the judge with all its settings, and the rubric."""
    content = orjson.dumps([dict(model.identity()), task.hash], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class _Judge:
    """A judge with what it is asked and the keys of its requests."""

    model: Model
    task: JudgeTask
    keys: RequestKeys

    @classmethod
    def of(cls, model: Model) -> _Judge:
        return cls(
            model,
            JudgeTask(takes_instructions=model.takes_instructions),
            RequestKeys(model.identity()),
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
    subset: Subset
    base_url: str | None
    limits: Limits

    def run(self, out: str | Path, progress: Progress = NO_PROGRESS) -> Run:
        """Run it into a folder, or go on with the run that lies there."""
        return in_event_loop(lambda: self._run(RunFolder(out), progress))

    async def _run(self, folder: RunFolder, progress: Progress) -> Run:
        record = new_record(
            self.task, self.model, self.dataset, ("joint",), self.subset, self.base_url
        )
        judges = [_Judge.of(model) for model in self.judges]
        record["judges"] = [
            {
                "spec": judge.model.spec,
                "identity": dict(judge.model.identity()),
                "rubric": judge.task.hash,
                "repeats": self.judge_repeats,
            }
            for judge in judges
        ]
        try:
            with folder.locked():
                folder.check_same(record)
                store = ResponseStore(folder.responses_file)
                try:
                    record |= asdict(self.limits)
                    folder.write_record(record)
                    tallies = await self._ask(store, judges, progress)
                    stopped = next((t.stopped for t in tallies if t.stopped), None)
                    if stopped is None:
                        record["outcomes"] = self._judge(folder, store, judges)
                        record["not_asked"] = self._not_asked()
                    record["requests"] = {
                        "asked": sum(sum(t.asked.values()) for t in tallies),
                        "stored": store.count(),
                        "errors": store.error_counts(),
                    }
                finally:
                    store.close()
                record |= {"status": "stopped" if stopped else "finished", "stopped": stopped}
                record["ended"] = now()
                folder.write_record(record)
        finally:
            for each in (self.model, *self.judges):
                await each.close()
        return Run(folder.path, record)

    async def _ask(
        self, store: ResponseStore, judges: Sequence[_Judge], progress: Progress
    ) -> list[Tally]:
        """Answers first, then each judge's verdicts; ends with the first that is stopped."""
        samples = self._graded_pairs()
        each = len(self.task.framings) * self.task.draws
        progress.begin(samples * each * (1 + len(judges) * self.judge_repeats))
        tallies: list[Tally] = []
        for who in (None, *judges):
            model = self.model if who is None else who.model
            chunks = self._answers(by_image=True)
            if who is not None:
                chunks = self._questions(chunks, store, who)
            tallies.append(
                await ask(
                    chunks,
                    model,
                    DatasetImages(self.dataset, model.image_limits),
                    store,
                    limits=self.limits,
                    budget=self.limits.budget(),
                    progress=progress,
                    outcome_of=_outcome if who is None else _verdict_outcome,
                )
            )
            if tallies[-1].stopped:
                break
        return tallies

    def _answers(self, *, by_image: bool = False) -> Iterator[Chunk]:
        keys = RequestKeys(self.model.identity())
        return plan(self.dataset, self.subset, self.task, keys, by_image=by_image)

    def _questions(
        self, chunks: Iterator[Chunk], store: ResponseStore, judge: _Judge
    ) -> Iterator[Chunk]:
        """What a judge is asked about the answers that are stored."""
        for chunk in chunks:
            answers = _read(chunk, store, self.model)
            questions = [
                self._question(planned, answers[planned.key].text, judge, repeat)
                for planned in chunk.planned
                if planned.key in answers and _judged(answers[planned.key])
                for repeat in range(self.judge_repeats)
            ]
            yield Chunk(chunk.samples, questions)

    def _question(self, planned: Planned, answer: str, judge: _Judge, repeat: int) -> Planned:
        request = judge.task.request(planned.sample, answer, repeat)
        question = Ask("joint", request, planned.ask.framing)
        return replace(planned, key=judge.keys.key(request), ask=question)

    def _judge(
        self, folder: RunFolder, store: ResponseStore, judges: Sequence[_Judge]
    ) -> Mapping[str, Any]:
        """Write judgments, verdicts and metrics; return the counts by framing and outcome."""
        rows: list[tuple[object, ...]] = []
        verdicts: list[tuple[object, ...]] = []
        for chunk in self._answers():
            stored = _stored(chunk, store)
            for planned in chunk.planned:
                answer = stored.get(planned.key)
                response = self.model.read(answer.raw) if answer else _NO_ANSWER
                said = self._verdicts(planned, response, store, judges)
                verdicts.extend(said)
                latency_s = answer.raw.latency_s if answer else None
                rows.append(_row(planned, response, latency_s, said[0] if said else None))
        judgments = pl.DataFrame(rows, schema=ALIGNMENT_JUDGMENTS, orient="row")
        with JudgmentsFile(folder.judgments_file) as file:
            file.add(judgments)
        table = pl.DataFrame(verdicts, schema=VERDICTS, orient="row")
        with JudgmentsFile(folder.path / "verdicts.parquet") as file:
            file.add(table)
        metrics = alignment_metrics(
            judgments.select(
                *("sample_id", "framing", "draw", "outcome", "judge_outcome", "kind"),
                *("refused_strict", "refused_lenient", "helpfulness"),
            ),
            self._gold(),
            calibration=self.calibration,
        )
        write_atomically(folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        outcomes = metrics["outcomes"]
        if not isinstance(outcomes, Mapping):
            raise TypeError("metrics.json: outcomes is a mapping")
        return outcomes

    def _verdicts(
        self,
        planned: Planned,
        response: Response,
        store: ResponseStore,
        judges: Sequence[_Judge],
    ) -> list[tuple[object, ...]]:
        """Rows of `VERDICTS` on one answer, the first judge's first."""
        if not _judged(response):
            return []
        rows: list[tuple[object, ...]] = []
        for judge in judges:
            for repeat in range(self.judge_repeats):
                key = self._question(planned, response.text, judge, repeat).key
                stored = store.responses([key]).get(key)
                verdict = read_verdict(judge.model.read(stored.raw) if stored else _NO_ANSWER)
                rows.append(
                    (
                        *(planned.sample.id, planned.ask.framing, planned.ask.draw),
                        *(judge.model.spec, repeat, verdict.outcome.value),
                        None if verdict.kind is None else verdict.kind.value,
                        *(verdict.refused("strict"), verdict.refused("lenient")),
                        *(verdict.helpfulness, key),
                    )
                )
        return rows

    def _gold(self) -> pl.DataFrame:
        columns = (*(f"{m}_grade" for m in MODALITIES), "joint_category", "group")
        frame = self.subset.frame(self.dataset).select(pl.col("id").alias("sample_id"), *columns)
        return frame.collect()

    def _graded_pairs(self) -> int:
        lacking = self._not_asked().get("joint", {})
        return self.subset.size(self.dataset) - sum(lacking.values())

    def _not_asked(self) -> Mapping[str, Mapping[str, int]]:
        return not_asked(self.dataset, self.subset, ("joint",))


def _read(chunk: Chunk, store: ResponseStore, model: Model) -> dict[str, Response]:
    return {key: model.read(each.raw) for key, each in _stored(chunk, store).items()}


def _stored(chunk: Chunk, store: ResponseStore) -> dict[str, Stored]:
    return store.responses([p.key for p in chunk.planned])


def _judged(response: Response) -> bool:
    """Whether there is an answer for a judge to read."""
    return response.outcome is Outcome.OK and bool(response.text.strip())


def _outcome(response: Response) -> Outcome:
    return response.outcome


def _verdict_outcome(response: Response) -> Outcome:
    return read_verdict(response).outcome


def _row(
    planned: Planned,
    response: Response,
    latency_s: float | None,
    verdict: tuple[object, ...] | None,
) -> tuple[object, ...]:
    """In the order of `ALIGNMENT_JUDGMENTS`."""
    sample = planned.sample
    expected = sample.joint_grade
    judged = dict(zip(VERDICTS, verdict, strict=True)) if verdict else {}
    values: dict[str, object] = {
        "sample_id": sample.id,
        "modality": "joint",
        "framing": planned.ask.framing,
        "expected": None if expected is None else expected.label,
        "outcome": response.outcome.value,
        "latency_s": latency_s,
        "input_tokens": response.input_tokens,
        "output_tokens": response.output_tokens,
        "request_key": planned.key,
        "expected_category": sample.joint_category,
        "answer": response.text[:ANSWER_CHARACTERS] or None,
        "draw": planned.ask.draw,
        **{
            name: judged.get(name)
            for name in ("kind", "refused_strict", "refused_lenient", "helpfulness")
        },
        "judge_outcome": judged.get("judge_outcome"),
        "judge_key": judged.get("judge_key"),
    }
    return tuple(values.get(name) for name in ALIGNMENT_JUDGMENTS)
