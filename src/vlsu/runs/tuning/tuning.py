"""Framing search: race many instructions, and confirm the front on pairs it was not chosen by.

Answers and verdicts are requests like any other, in one store, so a later rung of the race reuses
the answers of the earlier ones and a start that was stopped goes on where it was. The race itself
is computed from what is stored, each time anew: the same answers give the same race.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from vlsu.analysis import alignment_metrics
from vlsu.analysis.alignment.racing import Rung, schedule
from vlsu.data import Dataset
from vlsu.errors import DataError, UsageError
from vlsu.runs.alignment.alignment import prepare_alignment
from vlsu.runs.alignment.alignment_run import AlignmentRun
from vlsu.runs.alignment.answering import ask_and_judge
from vlsu.runs.alignment.stored_answers import StoredAnswers
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.judges import Judge
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import Chunk, planned
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.columns import ALIGNMENT_JUDGMENTS, VERDICT_COLUMNS
from vlsu.runs.estimate import estimate_answers
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile, batches
from vlsu.runs.preflight import require_askable
from vlsu.runs.record import new_record
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.runs.session import Session, open_session
from vlsu.runs.tuning.estimate import TuningEstimate, race_answers
from vlsu.runs.tuning.options import TuningOptions
from vlsu.runs.tuning.proposals import PROPOSAL_BYTES
from vlsu.runs.tuning.race import Race
from vlsu.runs.tuning.result import RESULT_FILE, tuning_result
from vlsu.runs.tuning.samples import TuningSamples
from vlsu.tasks import (
    FRAMINGS,
    Alignment,
    Framing,
    load_candidates,
    load_framings,
)
from vlsu.tasks.framing import candidates_text

__all__ = ["Tuning", "prepare_tuning"]

#: The candidates of a tuning, those proposed included, as a file of candidates.
CANDIDATES_FILE = "candidates.yaml"
#: Columns of a tuning's ``judgments.parquet``; ``rung`` is null on the held-out split.
TUNING_JUDGMENTS = pl.Schema({**ALIGNMENT_JUDGMENTS, "rung": pl.Int64()})
#: Columns of them that are held in memory.
_KEPT = (*VERDICT_COLUMNS, "request_key", "judge_key")


def prepare_tuning(dataset: Dataset | str | Path, options: TuningOptions) -> Tuning:
    """Check everything that can be checked before the first request.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        options: Everything else.

    Raises:
        VlsuError: Wrong options, or something that cannot be opened.
    """
    candidates = options.candidates
    if isinstance(candidates, str | Path):
        candidates = load_candidates(candidates)
    if options.proposer is None and not candidates:
        raise UsageError("no candidates; give a file of them, or a model to propose some")
    references = load_framings(options.references) if options.references else ()
    if options.proposer is None and len(references) + len(candidates) < 2:
        raise UsageError("one instruction alone: there is nothing to choose among")
    setup = prepare_alignment(dataset, options.alignment())
    (judge,) = setup.asked.judges
    if "refusal" not in judge.task.gives:
        raise UsageError(
            f"{judge.model.spec} does not detect refusals, which is what instructions are chosen "
            "by; choose another judge"
        )
    try:
        samples = TuningSamples.of(
            setup.dataset, setup.subset, options.held_out, captions=options.captions
        )
    except DataError:
        _require_askable(setup, options)  # there may be enough once their images are fetched
        raise
    return Tuning(
        setup=setup,
        samples=samples,
        references=references,
        candidates=tuple(candidates),
        options=options,
    )


def _require_askable(setup: AlignmentRun, options: TuningOptions) -> None:
    needed = ("text",) if options.captions else ("joint",)
    require_askable(setup.dataset, setup.subset, needed, options)


class _StoppedError(Exception):
    """A bound was reached or somebody interrupted; the session knows which."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A framing search that is ready to start; made by `prepare_tuning`.

    Attributes:
        setup: Model, judge and limits, checked as for an alignment run.
        samples: The two parts of the dataset.
        references: Framings of this package that take part.
        candidates: The instructions that were given.
        options: What was asked for.
    """

    setup: AlignmentRun
    samples: TuningSamples
    references: tuple[Framing, ...]
    candidates: tuple[Framing, ...]
    options: TuningOptions

    @property
    def baseline(self) -> str | None:
        """The framing that winners are compared with, if it takes part."""
        return next((f.name for f in self.references if f.name == FRAMINGS[0]), None)

    def estimate(self) -> TuningEstimate:
        """What it will take; nothing is sent."""
        proposed = 0 if self.options.proposer is None else self.options.proposer.count
        count = len(self._known) + proposed
        words = [framing.instruction for framing in self._known]
        given = sum(len(each.encode()) for each in words) + proposed * PROPOSAL_BYTES
        each = given / count + len((self.options.settings.system or "").encode())
        setup, judge = self.setup, self._judge
        its = (judge.model.spec, judge.task, judge.limits.price)
        race, everything = (
            estimate_answers(
                setup.dataset,
                setup.subset,
                answers,
                answers * each,
                setup.asked.limits.price,
                [its],
                captions=setup.task.captions,
            )
            for answers in (self._answers_at_most(count), count * self.samples.pairs)
        )
        return TuningEstimate(race, everything, self._rungs(count))

    def run(self, out: str | Path, progress: Progress = NO_PROGRESS) -> Run:
        """Run it into a folder, or continue the tuning in it.

        When it is finished, `read_tuning` gives what it found.
        """
        return in_event_loop(lambda: self._run(RunFolder(out), progress))

    async def _run(self, folder: RunFolder, progress: Progress) -> Run:
        record = self._record()
        _require_askable(self.setup, self.options)
        models = self.setup.asked.models
        if self.options.proposer is not None:
            models.append(self.options.proposer.model)
        async with open_session(
            folder,
            record,
            self.setup.asked.limits,
            models,
            progress,
            batching=self.options.batch,
        ) as session:
            before = folder.record() if folder.record_file.exists() else {}
            record["held_out_shown"] = list(before.get("held_out_shown", ()))
            session.begin()
            with contextlib.suppress(_StoppedError):
                await self._search(session)
            session.account()
        return Run(folder.path, record)

    def _record(self) -> RunRecord:
        setup, policy = self.setup, self.setup.dataset.policy
        task = self._task(self._known)
        record = new_record(task, setup.asked.model, setup.dataset, ("joint",), self.options)
        del record["fingerprint"]  # what will be raced is not known before it is proposed
        return RunRecord(
            record
            | {
                "task": "tuning",
                "policy": policy.identity,
                "judges": [self._judge.record(1)],
                "calibrated": setup.options.calibration is not None,
                "split": {
                    "seed": setup.subset.seed,
                    "limit": setup.subset.limit,
                    "held_out": self.options.held_out,
                },
            }
        )

    async def _search(self, session: Session) -> None:
        """Propose, race, confirm, write."""
        framings, about = self._known, None
        if self.options.proposer is not None:
            found = await self.options.proposer.propose(
                session, self.setup.dataset.policy, framings
            )
            if found is None:
                raise _StoppedError
            framings, about = (*framings, *found.framings), self.options.proposer.about(found)
        record, folder = session.record, session.folder
        record["framings"] = {each.name: each.hash for each in framings}
        folder.write_record(record)
        held_out = self.samples.held_out()
        with JudgmentsFile(folder.judgments_file, TUNING_JUDGMENTS) as file:
            total = 2 * self._answers_at_most(len(framings))
            session.progress.begin(total, at_most=True)
            session.progress.stored(min(session.stored_before, total))
            race = await self._race(session, file, framings)
            confirmed = race.confirmed(self.baseline)
            answers = await self._answered(session, file, held_out, confirmed, None)
        metrics = alignment_metrics(
            answers,
            self.samples.gold(held_out),
            calibration=self.setup.options.calibration,
            gives=self._judge.task.gives,
            refusal=self.options.refusal,
            severities=self.samples.errors.severities,
        )
        result = tuning_result(
            race,
            answers,
            self.samples,
            sources=self._sources(framings),
            baseline=self.baseline,
            bound=self.options.max_under_refusal,
            setting=self.options.refusal,
            calibration=self.setup.options.calibration,
            everything=len(framings) * self.samples.pairs,
        )
        result["proposals"] = about
        result["held_out_shown_before"] = _note_shown(record, confirmed)
        text = candidates_text(each for each in framings if each not in self.references)
        write_atomically(folder.path / CANDIDATES_FILE, text.encode())
        for path, tree in ((folder.metrics_file, metrics), (folder.path / RESULT_FILE, result)):
            write_atomically(path, orjson.dumps(tree, option=orjson.OPT_INDENT_2))
        record["outcomes"] = metrics["outcomes"]

    async def _race(
        self, session: Session, file: JudgmentsFile, framings: tuple[Framing, ...]
    ) -> Race:
        """Rung by rung, until the winners are known."""
        race = Race(self._rungs(len(framings)), framings, self.samples.errors)
        before = 0
        for number, rung in enumerate(race.rungs, 1):
            part = self.samples.rung(before, rung.samples)
            answers = await self._answered(session, file, part, race.alive, number)
            gold = self.samples.gold(self.samples.rung(0, rung.samples))
            race.decide(
                answers,
                gold,
                setting=self.options.refusal,
                keep=self.options.keep,
                bound=self.options.max_under_refusal,
            )
            before = rung.samples
        return race

    async def _answered(
        self,
        session: Session,
        file: JudgmentsFile,
        part: pl.DataFrame,
        framings: Sequence[Framing],
        rung: int | None,
    ) -> pl.DataFrame:
        """Ask and judge what is not stored; return the columns `_KEPT`, write them all."""
        task = self._task(framings)
        keys = RequestKeys(self.setup.asked.model.identity())

        def answers() -> Iterator[Chunk]:
            return planned(self.samples.samples(part), task, keys)

        asked = self.setup.asked
        if not await ask_and_judge(session, answers, self.setup.dataset, asked):
            raise _StoppedError
        stored = StoredAnswers(session.store, asked)
        kept = [TUNING_JUDGMENTS.to_frame().select(_KEPT)]
        for batch in batches(answers()):
            rows = [row for chunk in batch for row in stored.rows(chunk)[0]]
            table = pl.DataFrame(rows, schema=ALIGNMENT_JUDGMENTS, orient="row")
            file.add(table.with_columns(rung=pl.lit(rung, dtype=pl.Int64)))
            kept.append(table.select(_KEPT))
        return pl.concat(kept)

    @property
    def _known(self) -> tuple[Framing, ...]:
        """Those that are known before anything is asked."""
        return (*self.references, *self.candidates)

    def _task(self, framings: Sequence[Framing]) -> Alignment:
        return Alignment(
            framings, system=self.options.settings.system, captions=self.setup.task.captions
        )

    @property
    def _judge(self) -> Judge:
        return self.setup.asked.judges[0]

    def _rungs(self, framings: int) -> tuple[Rung, ...]:
        return schedule(framings, self.samples.most, self.options.keep)

    def _answers_at_most(self, framings: int) -> int:
        """Answers to a race of so many, and to its confirmation if every place is taken."""
        places = min(framings, self.options.keep + (self.baseline is not None))
        return race_answers(self.samples, self._rungs(framings), places)

    def _sources(self, framings: Sequence[Framing]) -> dict[str, str]:
        groups = {"built-in": self.references, "given": self.candidates}
        known = {framing.name: where for where, each in groups.items() for framing in each}
        return {framing.name: known.get(framing.name, "proposed") for framing in framings}


def _note_shown(record: RunRecord, confirmed: Sequence[Framing]) -> int:
    """Record that the held-out pairs were looked at; return how often for other instructions."""
    these = hashlib.sha256("".join(sorted(f.hash for f in confirmed)).encode()).hexdigest()
    others = [each for each in record["held_out_shown"] if each != these]
    record["held_out_shown"] = [*others, these]
    return len(others)
