"""An understanding run whose judgments are combined from those of other runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import orjson

from vlsu._machine import exhausted_resource
from vlsu.analysis import Tabulation, cell_metrics, diagnosis
from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.analysis.understanding.levels import without_levels
from vlsu.data import Dataset, load
from vlsu.data.parquet import scan_parquet
from vlsu.errors import MachineError, RunError, UsageError, VlsuError
from vlsu.models.base import Model
from vlsu.models.ensemble import EnsembleSpec
from vlsu.policy import MODALITIES, Policy, Severity, load_policy
from vlsu.runs.asking.event_loop import interrupted_at_once
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.plan import Subset
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.costs import require_one_currency
from vlsu.runs.ensembles.description import (
    Combining,
    Described,
    combined_prompt,
    description,
    digest,
    identity,
)
from vlsu.runs.ensembles.judgments import Combination
from vlsu.runs.ensembles.members import Member, MemberModels, MemberRun, open_members
from vlsu.runs.ensembles.sums import SummedProgress, summed_costs, summed_estimate, summed_requests
from vlsu.runs.estimate import Estimate
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile
from vlsu.runs.preflight import require_askable
from vlsu.runs.record import distinct_requests, new_record, not_asked
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.runs.session import Session
from vlsu.runs.stop import INTERRUPTED, Stop, StopReason
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.runs.understanding.sampling import gold_rows
from vlsu.runs.understanding.weights import load_weights

__all__ = ["Ensemble", "prepare_ensemble"]

_WHERE = "what was answered is stored in {}; run the same command again to continue"


def prepare_ensemble(
    dataset: Dataset | str | Path,
    options: UnderstandingOptions,
    source: MemberModels | None = None,
) -> Ensemble:
    """Check everything that can be checked before the first request.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        options: Everything else; its model is the SPEC of an ensemble.
        source: Where the models are found that members name; by default they are SPECs, all asked
            as the options say.

    Raises:
        VlsuError: Wrong options or members, or what cannot be opened.
    """
    spec = EnsembleSpec.parse(str(options.model))
    for name, given in (
        ("budget", options.budget),
        ("until", options.until),
        ("pilot", options.pilot),
        ("probe", options.probe),
        ("draws", None if options.draws == 1 else options.draws),
        ("batch", options.batch),
        ("replay", options.replay),
        ("trace", options.trace),
        ("policy-detail", None if options.policy_detail == "full" else options.policy_detail),
    ):
        if given is not None:
            raise UsageError(f"--{name}: not with an ensemble; run it with a member alone")
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    policy = dataset.policy if options.policy is None else options.policy
    if not isinstance(policy, Policy):
        policy = load_policy(policy)
    weights = options.weights
    if weights is not None and not isinstance(weights, HarmWeights):
        weights = load_weights(weights, policy)
    source = source or MemberModels.alike(options)
    members, runs = open_members(spec, dataset, policy, options, source)
    _require_counted(options.limits.max_cost, runs)
    written = tuple(replace(member.spec, name=_unescaped(member, runs)) for member in members)
    given = options.modalities
    able = {modality for member in members for modality in member.reads}
    modalities = tuple(m for m in MODALITIES if m in (able if given is None else given))
    return Ensemble(
        dataset,
        policy,
        EnsembleSpec(spec.rule, written),
        members,
        runs,
        modalities,
        weights,
        options,
    )


def _require_counted(max_cost: float | None, runs: Sequence[MemberRun]) -> None:
    """Refuse a bound on money that would not hold: it is counted at the price of each member."""
    live = [run.evaluation for run in runs if run.evaluation is not None]
    for member in live if max_cost is not None else ():
        is_served = getattr(member.model, "destination", None) is not None
        if is_served and member.options.limits.price is None:
            raise UsageError(
                f"max-cost needs a price of {member.model.spec} too, which is a member; give it in "
                "that member's limits"
            )
    require_one_currency(max_cost, [member.options.limits.price for member in live])


def _unescaped(member: Member, runs: Sequence[MemberRun]) -> str:
    """The name of a member as its label has it."""
    run = runs[member.run]
    alike = [each for each in runs if each.label == run.label]
    return run.label if len(alike) == 1 else run.name


@dataclass(frozen=True, slots=True)
class Ensemble:
    """An ensemble that is ready to start; made by `prepare_ensemble`.

    Attributes:
        dataset: What is asked about.
        policy: The policy it is graded by.
        spec: The rule, and the members by their labels.
        members: The voters.
        runs: Their runs, some to be asked and some finished.
        modalities: Those that are judged.
        weights: What errors on pairs cost, if that was given.
        options: What was asked for.
    """

    dataset: Dataset
    policy: Policy
    spec: EnsembleSpec
    members: Sequence[Member]
    runs: Sequence[MemberRun]
    modalities: tuple[str, ...]
    weights: HarmWeights | None
    options: UnderstandingOptions

    @property
    def subset(self) -> Subset:
        """The samples asked about."""
        return self.options.subset

    @property
    def levels(self) -> tuple[Severity, ...] | None:
        """The severities that its verdicts can have; `None` for all of the policy.

        Those of all members together; a stack can give every severity of the gold grades.
        """
        whole = tuple(self.policy.severities)
        together = {level for run in self.runs for level in run.levels or whole}
        every = self.spec.rule == "stack" or together >= {*whole}
        return None if every else tuple(sorted(together))

    def estimate(self, out: str | Path | None = None) -> Estimate:
        """What its live members will take together; nothing is sent.

        Args:
            out: The run folder: what is stored there is not asked again, and does not count.

        Raises:
            RunError: The folder holds another run.
        """
        if out is not None:
            RunFolder(out).check_same(self._record())
        parts = [
            evaluation.estimate(None if out is None else Path(out) / run.folder)
            for run in self.runs
            if (evaluation := run.evaluation) is not None
        ]
        return summed_estimate(parts, self.subset.size(self.dataset))

    def check(self, out: str | Path) -> None:
        """See that the run could go into a folder, before anything is asked.

        Raises:
            RunError: The folder is in use, holds another run, or cannot be written.
            DataError: Images have not been fetched, samples are not valid, or there are too few
                gold grades for a stack.
        """
        self._require_askable()
        folder = RunFolder(out)
        self._require_stores(folder)
        with folder.locked():
            folder.check_same(self._record())
            ResponseStore(folder.responses_file).close()
            self._check_members(folder)

    def _require_stores(self, folder: RunFolder) -> None:
        for run in self.runs:
            if run.evaluation is not None:
                run.evaluation.require_store(folder.path / run.folder)

    def _check_members(self, folder: RunFolder) -> None:
        for run in self.runs:
            if run.evaluation is not None:
                run.evaluation.check(folder.path / run.folder)

    def _require_askable(self) -> None:
        require_askable(self.dataset, self.subset, self.modalities, self.options, self.policy)
        if any(run.evaluation is not None for run in self.runs):  # before anything is paid for
            self._combination([]).require_enough()

    def run(
        self, out: str | Path, progress: Progress = NO_PROGRESS, budget: Budget | None = None
    ) -> Run:
        """Ask what is missing of the live members, one after the other, and combine all.

        Args:
            out: The run folder; live members are in ``members`` below it.
            progress: Where progress is reported, of all live members together.
            budget: What may be spent, for all of them; by default what the options allow.

        Returns:
            The run. It is finished unless a member was stopped; then the same call goes on.

        Raises:
            VlsuError: As `Evaluation.run`, of any member.
        """
        folder, record = RunFolder(out), self._record()
        if not folder.record_file.exists():
            self._require_askable()  # before the folder is made
        self._require_stores(folder)
        budget = self.options.limits.budget() if budget is None else budget
        with folder.locked(), interrupted_at_once():
            folder.check_same(record)
            self._check_members(folder)
            store = ResponseStore(folder.responses_file)  # it stays empty: the members have theirs
            try:
                session = Session(folder, record, store, budget, progress, 0)
                session.begin()
                with _ended(session):
                    self._work(session, SummedProgress(progress, self._needed()))
            finally:
                store.close()
        return Run(folder.path, record)

    def _needed(self) -> list[int]:
        """Different requests of each live member."""
        return [
            sum(distinct_requests(self.dataset, self.subset, run.asked).values())
            for run in self.runs
            if run.evaluation is not None
        ]

    def _work(self, session: Session, progress: SummedProgress) -> None:
        """Run the members and combine them; the record is completed."""
        record, folder, done = session.record, session.folder, []
        live: list[Run] = []
        for run in self.runs:
            if isinstance(run.source, Run):
                done.append(run.source)
                continue
            asked = run.source.run(folder.path / run.folder, progress, session.budget)
            live.append(asked)
            done.append(asked)
            progress.next_member()
            record["requests"] = summed_requests([each.record for each in live])
            record |= summed_costs([each.record for each in live])
            if not asked.finished:
                why = asked.record
                reason = StopReason(why["stop_reason"])
                session.end(Stop(reason, why["stopped"], why.get("stop_bound")))
                return
        record["requests"] = summed_requests([each.record for each in live])
        self._conclude(session, done)
        session.progress.finished()
        session.end(None)

    def _conclude(self, session: Session, runs: Sequence[Run]) -> None:
        """Write judgments and metrics, and complete the record."""
        record, folder, dataset = session.record, session.folder, self.dataset
        severities = tuple(self.policy.severities)
        combination = self._combination(runs)
        gold, tabulation = gold_rows(dataset), Tabulation(severities=severities)
        with JudgmentsFile(folder.judgments_file) as file:
            for rows, judgments in combination.judgments():
                of_rows = gold.join(rows.lazy(), on="sample_id", how="semi")
                tabulation.add(judgments, of_rows.collect(engine="streaming"))
                file.add(judgments)
        metrics = cell_metrics(tabulation.cells(), weights=self.weights)
        stored, linked = scan_parquet(folder.judgments_file), dataset.linked_frame()
        metrics |= diagnosis(stored, linked, severities=severities)
        metrics = without_levels(metrics, self.levels, severities)
        write_atomically(folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        record["outcomes"] = metrics["outcomes"]
        record["not_asked"] = not_asked(dataset, self.subset, self.modalities)
        record["ensemble"] = self._description(runs, combination.incomplete)
        made_of = [[each.record.fingerprint, each.record.get("results")] for each in runs]
        record["fingerprint"] = digest([record["fingerprint"], *made_of])

    def _combination(self, runs: Sequence[Run]) -> Combination:
        whole = tuple(self.policy.severities)
        return Combination(
            self.spec.rule,
            self.members,
            runs,
            [run.levels or whole for run in self.runs],
            self.dataset,
            self.subset,
            self.policy,
            self.modalities,
            self.subset.seed,
        )

    def _record(self) -> RunRecord:
        content = identity(self.spec, self.members, self.runs)
        record = new_record(
            Combining(combined_prompt(self.runs), self.policy),
            cast("Model", Described(str(self.spec), content, self.levels)),
            self.dataset,
            self.modalities,
            self.options,
            weights=None if self.weights is None else self.weights.record(self.policy.severities),
        )
        record["ensemble"] = self._description([])
        return RunRecord({**record, **asdict(self.options.limits)})

    def _description(
        self, done: Sequence[Run], incomplete: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        seed = self.subset.seed
        return description(self.spec, self.members, self.runs, seed, done, incomplete)


@contextmanager
def _ended(session: Session) -> Iterator[None]:
    """Record how a start ended that did not come to its end."""
    try:
        yield
    except VlsuError as error:
        session.end(Stop(StopReason.FAILED, str(error)))
        raise
    except Exception as error:
        if (lack := exhausted_resource(error)) is None:
            raise
        with suppress(RunError, OSError):  # perhaps no room for that either
            session.end(Stop(StopReason.FAILED, lack))
        raise MachineError(f"{lack}; {_WHERE.format(session.folder.path)}") from None
    except KeyboardInterrupt:
        session.end(INTERRUPTED)
        raise KeyboardInterrupt(_WHERE.format(session.folder.path)) from None
