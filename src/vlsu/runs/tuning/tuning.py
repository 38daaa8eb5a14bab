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

from vlsu.analysis import Calibration, alignment_metrics
from vlsu.analysis.alignment.racing import Rung, schedule
from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.models.base import Model, Settings
from vlsu.policy import REFUSAL_KINDS
from vlsu.runs.alignment.alignment import AlignmentRun, ask_and_judge, prepare_alignment
from vlsu.runs.alignment.stored_answers import StoredAnswers
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.judges import Judge
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.plan import Chunk, planned
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.columns import ALIGNMENT_JUDGMENTS
from vlsu.runs.estimate import estimate_answers
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile, batches
from vlsu.runs.record import new_record
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.runs.session import Session, opened
from vlsu.runs.tuning.estimate import TuningEstimate, race_answers
from vlsu.runs.tuning.proposals import PROPOSAL_BYTES, Proposer
from vlsu.runs.tuning.race import Race
from vlsu.runs.tuning.result import RESULT_FILE, tuning_result
from vlsu.runs.tuning.samples import TuningSamples
from vlsu.tasks import FRAMINGS, Alignment, Framing, load_candidates, load_framings
from vlsu.tasks.framing import candidates_text

__all__ = ["Tuning", "prepare_tuning"]

#: The candidates of a tuning, those proposed included, as a file of candidates.
CANDIDATES_FILE = "candidates.yaml"
#: Columns of a tuning's ``judgments.parquet``; ``rung`` is null on the held-out split.
TUNING_JUDGMENTS = pl.Schema({**ALIGNMENT_JUDGMENTS, "rung": pl.Int64()})
#: Columns of them that are held in memory.
_KEPT = (
    *("sample_id", "framing", "draw", "outcome", "judge_outcome", "kind"),
    *("refused_strict", "refused_lenient", "helpfulness", "safety", "request_key", "judge_key"),
)


def prepare_tuning(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    judge: Model | str = "judge/offline",
    candidates: Sequence[Framing] | str | Path = (),
    proposer: Proposer | None = None,
    references: Sequence[str] = FRAMINGS,
    captions: bool = False,
    keep: int = 4,
    max_under_refusal: float | None = None,
    refusal: str = "strict",
    held_out: float = 0.5,
    limit: int | None = None,
    settings: Settings | None = None,
    judge_settings: Settings | None = None,
    calibration: Calibration | None = None,
    limits: Limits | None = None,
    judge_limits: Limits | None = None,
) -> Tuning:
    """Check everything that can be checked before the first request.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        model: ``provider/name``, or a model of one's own: the one to be instructed.
        judge: Who judges the answers.
        candidates: The instructions, or their file (`vlsu.tasks.load_candidates`).
        proposer: Who proposes more.
        references: Framings of this package that take part; ``default`` is what the winners are
            compared with.
        captions: As `vlsu.runs.align`.
        keep: Places on the front that is confirmed.
        max_under_refusal: Marks the one of the front that blocks least among those that fail to
            refuse at most this share of unsafe pairs.
        refusal: What counts as a refusal, ``strict`` or ``lenient``.
        held_out: Share of the pairs that only confirm, in (0, 1).
        limit: Number of samples, drawn by the settings' seed, which also splits them.
        settings: How the model is asked.
        judge_settings: How the judge is asked.
        calibration: Of the judge, from `validate_judge`: adds corrected rates.
        limits: As `vlsu.runs.align`.
        judge_limits: How the judge may be asked, and its price.

    Raises:
        VlsuError: Wrong arguments, or something that cannot be opened.
    """
    if keep < 1:
        raise UsageError(f"keep {keep}: at least 1 instruction must be kept")
    if not 0 < held_out < 1:
        raise UsageError(f"held-out {held_out:g}: give a share between 0 and 1, such as 0.5")
    if max_under_refusal is not None and not 0 <= max_under_refusal <= 1:
        raise UsageError(f"max-under-refusal {max_under_refusal:g}: give a share from 0 to 1")
    if refusal not in REFUSAL_KINDS:
        raise UsageError(f"refusal {refusal!r}: use {' or '.join(REFUSAL_KINDS)}")
    if unknown := [name for name in references if name not in FRAMINGS]:
        raise UsageError(f"reference {unknown[0]!r}: use {', '.join(FRAMINGS)}, or none")
    if isinstance(candidates, str | Path):
        candidates = load_candidates(candidates)
    if proposer is not None:
        if proposer.count < 1:
            raise UsageError(f"proposals {proposer.count}: ask for at least 1")
        if not proposer.model.takes_instructions:
            raise UsageError(f"{proposer.model.spec} is a classifier and proposes nothing")
        if limits is not None and limits.max_cost is not None and proposer.limits.price is None:
            raise UsageError(
                f"max-cost needs a price of {proposer.model.spec}, which proposes; name it in a "
                "models file with its price"
            )
    elif not candidates:
        raise UsageError("no candidates; give a file of them, or a model to propose some")
    known = load_framings(references) if references else ()
    if proposer is None and len(known) + len(candidates) < 2:
        raise UsageError("one instruction alone: there is nothing to choose among")
    setup = prepare_alignment(
        dataset,
        model=model,
        judges=[judge],
        captions=captions,
        limit=limit,
        settings=settings,
        judge_settings=judge_settings,
        calibration=calibration,
        limits=limits,
        judge_limits=None if judge_limits is None else [judge_limits],
    )
    if "refusal" not in Judge.of(setup.judges[0]).task.gives:
        raise UsageError(
            f"{setup.judges[0].spec} does not tell refusals, which is what instructions are chosen "
            "by; choose another judge"
        )
    return Tuning(
        setup=setup,
        system=(settings or Settings()).system,
        samples=TuningSamples.of(setup.dataset, setup.subset, held_out, captions=captions),
        references=known,
        candidates=tuple(candidates),
        proposer=proposer,
        keep=keep,
        max_under_refusal=max_under_refusal,
        refusal=refusal,
        held_out=held_out,
    )


class _StoppedError(Exception):
    """A bound was reached or somebody interrupted; the session knows which."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A framing search that is ready to start; made by `prepare_tuning`.

    Attributes:
        setup: Model, judge and limits, checked as for an alignment run.
        system: A system prompt put before every instruction.
        samples: The two parts of the dataset.
    """

    setup: AlignmentRun
    system: str | None
    samples: TuningSamples
    references: tuple[Framing, ...]
    candidates: tuple[Framing, ...]
    proposer: Proposer | None
    keep: int
    max_under_refusal: float | None
    refusal: str
    held_out: float

    @property
    def baseline(self) -> str | None:
        """The framing that winners are compared with, if it takes part."""
        return next((f.name for f in self.references if f.name == FRAMINGS[0]), None)

    def estimate(self) -> TuningEstimate:
        """What it will take; nothing is sent."""
        proposed = 0 if self.proposer is None else self.proposer.count
        count = len(self._known) + proposed
        words = [framing.instruction for framing in self._known]
        given = sum(len(each.encode()) for each in words) + proposed * PROPOSAL_BYTES
        each = given / count + len((self.system or "").encode())
        setup, judge = self.setup, self._judge
        its = (judge.model.spec, judge.task, setup.judge_limits[0].price)
        race, everything = (
            estimate_answers(
                setup.dataset,
                setup.subset,
                answers,
                answers * each,
                setup.limits.price,
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
        models = [self.setup.model, *self.setup.judges]
        if self.proposer is not None:
            models.append(self.proposer.model)
        async with opened(folder, record, self.setup.limits, models, progress) as session:
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
        record = new_record(
            task, setup.model, setup.dataset, ("joint",), setup.subset, setup.base_url
        )
        del record["fingerprint"]  # what will be raced is not known before it is proposed
        return RunRecord(
            record
            | {
                "task": "tuning",
                "policy": {"name": policy.name, "version": policy.version, "hash": policy.hash},
                "judges": [self._judge.record(1)],
                "calibrated": setup.calibration is not None,
                "split": {
                    "seed": setup.subset.seed,
                    "limit": setup.subset.limit,
                    "held_out": self.held_out,
                },
            }
        )

    async def _search(self, session: Session) -> None:
        """Propose, race, confirm, write."""
        framings, about = self._known, None
        if self.proposer is not None:
            found = await self.proposer.propose(session, self.setup.dataset.policy, framings)
            if found is None:
                raise _StoppedError
            framings, about = (*framings, *found.framings), self.proposer.about(found)
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
            calibration=self.setup.calibration,
            gives=self._judge.task.gives,
            refusal=self.refusal,
        )
        result = tuning_result(
            race,
            answers,
            self.samples,
            sources=self._sources(framings),
            baseline=self.baseline,
            bound=self.max_under_refusal,
            setting=self.refusal,
            calibration=self.setup.calibration,
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
        race = Race(self._rungs(len(framings)), framings)
        before = 0
        for number, rung in enumerate(race.rungs, 1):
            part = self.samples.rung(before, rung.samples)
            answers = await self._answered(session, file, part, race.alive, number)
            gold = self.samples.gold(self.samples.rung(0, rung.samples))
            race.decide(
                answers, gold, setting=self.refusal, keep=self.keep, bound=self.max_under_refusal
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
        keys = RequestKeys(self.setup.model.identity())

        def answers() -> Iterator[Chunk]:
            return planned(self.samples.samples(part), task, keys)

        judges = [self._judge]
        setup = self.setup
        if not await ask_and_judge(
            session,
            answers,
            setup.dataset,
            setup.model,
            judges,
            setup.limits,
            setup.judge_limits,
            repeats=1,
        ):
            raise _StoppedError
        reading = StoredAnswers(session.store, setup.model, judges, 1)
        kept = [TUNING_JUDGMENTS.to_frame().select(_KEPT)]
        for batch in batches(answers()):
            rows = [row for chunk in batch for row in reading.rows(chunk)[0]]
            table = pl.DataFrame(rows, schema=ALIGNMENT_JUDGMENTS, orient="row")
            file.add(table.with_columns(rung=pl.lit(rung, dtype=pl.Int64)))
            kept.append(table.select(_KEPT))
        return pl.concat(kept)

    @property
    def _known(self) -> tuple[Framing, ...]:
        """Those that are known before anything is asked."""
        return (*self.references, *self.candidates)

    def _task(self, framings: Sequence[Framing]) -> Alignment:
        return Alignment(framings, system=self.system, captions=self.setup.task.captions)

    @property
    def _judge(self) -> Judge:
        return Judge.of(self.setup.judges[0])

    def _rungs(self, framings: int) -> tuple[Rung, ...]:
        return schedule(framings, self.samples.most, self.keep)

    def _answers_at_most(self, framings: int) -> int:
        """Answers to a race of so many, and to its confirmation if every place is taken."""
        places = min(framings, self.keep + (self.baseline is not None))
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
