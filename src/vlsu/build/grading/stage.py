"""Stage four: pre-grades of image, text and pair, and which queries become samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import orjson

from vlsu.build.folder.build import Build
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.stage_report import StageReport, reasons_of
from vlsu.build.folder.store import Store
from vlsu.build.folder.work import timed
from vlsu.build.grading.deciding import Grades, Verdict, decide_candidates, drawn
from vlsu.build.grading.rounds import RUN, add_calls, grades_of, open_round, reuse_answers
from vlsu.build.plan.cells import Cell
from vlsu.errors import BuildError, UsageError, VlsuError
from vlsu.models import as_grader, as_model
from vlsu.models.base import Model, Settings, levels_of
from vlsu.models.ensemble import is_ensemble
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.asking.limits import Budget, Limits
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.ensembles.ensemble import Ensemble
from vlsu.runs.ensembles.members import MemberModels
from vlsu.runs.run import Run
from vlsu.runs.stop import Stop, StopReason
from vlsu.runs.understanding.evaluation import Evaluation
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.tasks import prompt_source

__all__ = ["UNFILTERED", "Grader", "grade_queries"]

#: Chance that of an image's candidates one is kept whatever its grades.
UNFILTERED = 0.05
QUERIES, GRADES = STAGES[-2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grader:
    """Who pre-grades, and how it is asked.

    Attributes:
        model: A model, a SPEC, or the SPEC of an ensemble.
        settings: How it is asked.
        limits: How fast, and at which price.
        members: Where an ensemble finds its models.
        prompt: A prompt's name or file, as runs of understanding take it.
        unfiltered: Chance that of an image's candidates one is kept whatever its grades.

    Raises:
        UsageError: That chance is none.
    """

    model: Model | str
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    members: MemberModels | None = None
    prompt: str | None = None
    unfiltered: float = UNFILTERED

    def __post_init__(self) -> None:
        if not 0 <= self.unfiltered <= 1:
            raise UsageError(
                f"--unfiltered {self.unfiltered:g}: give a share from 0 to 1, such as 0.05"
            )

    def options(self, model: Model | str) -> UnderstandingOptions:
        """A run of understanding with all of it."""
        return UnderstandingOptions(
            model=model, settings=self.settings, limits=self.limits, prompt=self.prompt
        )


class _Group(NamedTuple):
    """Candidates for one sample: the queries of one image and cell.

    Attributes:
        planned: The try; its subject is the first of the queries.
        image: Record of the image.
    """

    planned: Try
    image: Record
    queries: list[Record]


@timed(GRADES)
def grade_queries(
    build: Build,
    grader: Grader,
    *,
    budget: Budget | None = None,
    progress: Progress = NO_PROGRESS,
) -> StageReport:
    """Pre-grade every query that has no grades yet, and decide which become samples.

    Runs of understanding in ``grades/``, one for each round of queries. What an earlier round was
    answered is not asked again: an image is graded once by a grader. Candidates whose requests got
    no answer stay open, and are asked for by the next start.

    Args:
        build: Its folder is locked by the caller.
        grader: Whom to ask.
        budget: What may be spent; by default what the grader's limits allow.
        progress: Where progress is reported.

    Raises:
        UsageError: The grader cannot judge image, text and pair.
        ModelError: The server is down or refuses every request; what was answered is stored.
        VlsuError: The grader cannot be opened, or something cannot be stored.
    """
    model = _opened(build, grader)
    with build.store() as store:
        groups = _groups(store)
        if not groups:
            return StageReport(stage=GRADES)
        options = grader.options(model)
        levels = None if isinstance(model, str) else levels_of(model)
        groups, lacking = _gradable(groups, levels)
        if not groups:
            return StageReport(stage=GRADES, lacking=lacking)
        folder, prepared = open_round(build, _queries(groups), options, grader.members)
        if isinstance(prepared, Ensemble):
            _require_all_modalities(str(prepared.spec), prepared.modalities)
            some, lacking = _gradable(groups, prepared.levels)
            if len(some) < len(groups):
                groups = some
                if not groups:
                    return StageReport(stage=GRADES, lacking=lacking)
                folder, prepared = open_round(build, _queries(groups), options, grader.members)
        store.plan(group.planned for group in groups)
        reuse_answers(build, prepared, folder / RUN)
        try:
            run = prepared.run(folder / RUN, progress, budget)
        finally:
            with suppress(VlsuError):  # what stopped the run matters more; counted next time
                add_calls(store, prepared, folder / RUN)
        if not run.finished:
            return StageReport(stage=GRADES, lacking=lacking, stopped=_stop_of(run))
        made = _Conclusion(build, store, grader, prepared, f"{folder.name}/{RUN}")
        report = made.conclude(groups, grades_of(run))
    unanswered = run.record.get("requests", {}).get("unanswered", {})
    lines = (f"no answer to {count} requests: {message}" for message, count in unanswered.items())
    return replace(report, lacking=(*lacking, *lines))


def _opened(build: Build, grader: Grader) -> Model | str:
    """The grader: a model, or an ensemble's SPEC.

    Raises:
        UsageError: It does not judge image, text and pair.
    """
    if is_ensemble(grader.model):
        return str(grader.model)
    model = as_model(grader.model, grader.settings)
    able = as_grader(model, build.policy)
    _require_all_modalities(able.spec, able.modalities)
    return model


def _require_all_modalities(spec: str, able: Collection[str]) -> None:
    if lacking := [name for name in MODALITIES if name not in able]:
        raise UsageError(
            f"--model {spec}: does not judge {' and '.join(lacking)}, and a pre-grader has to "
            "judge image, text and pair; combine it with another, as in ensemble/max:A+B"
        )


def _groups(store: Store) -> list[_Group]:
    """All queries without grades, by image and cell, in order."""
    graded = {each.parent for each in store.states(GRADES)}
    of: dict[tuple[str, Cell, str | None], list[Record]] = {}
    for query in store.records(QUERIES, kept=True):
        if query.key not in graded and query.parent is not None:
            group = query.parent, query.cell, query.content.get("pair_of")
            of.setdefault(group, []).append(query)
    planned = {each.subject: each for each in store.tries(GRADES, open_only=True)}
    found = []
    for (image, cell, _), queries in of.items():
        known = (planned.get(query.key) for query in queries)
        first = next(filter(None, known), Try(GRADES, cell, queries[0].key, 0))
        found.append(_Group(first, store.record(image), queries))
    return found


def _queries(groups: Sequence[_Group]) -> list[tuple[Record, Record]]:
    return [(query, group.image) for group in groups for query in group.queries]


def _gradable(
    groups: Sequence[_Group], levels: Sequence[Severity] | None
) -> tuple[list[_Group], tuple[str, ...]]:
    """The groups whose pattern a grader can give at all, and a line on the others."""
    if levels is None:
        return [*groups], ()
    some = []
    for group in groups:
        pattern = group.planned.cell.pattern
        if {pattern.image, pattern.text, pattern.joint} <= {*levels}:
            some.append(group)
    if len(some) == len(groups):
        return some, ()
    words = " or ".join(each.label for each in levels)
    line = f"candidates of {len(groups) - len(some)} images are for a severity that is never given"
    return some, (f"{line}: the grader gives {words}",)


def _stop_of(run: Run) -> Stop:
    reason = run.record.get("stop_reason") or StopReason.FAILED
    return Stop(StopReason(reason), str(run.record.get("stopped")), run.record.get("stop_bound"))


class _Conclusion:
    """What a finished run comes to, group by group, each in one transaction."""

    def __init__(
        self,
        build: Build,
        store: Store,
        grader: Grader,
        prepared: Evaluation | Ensemble,
        run: str,
    ) -> None:
        self._build, self._store, self._grader = build, store, grader
        seed = grader.settings.seed
        self._provenance = {
            "model": str(prepared.spec) if isinstance(prepared, Ensemble) else prepared.model.spec,
            "prompt": store.add_prompt(*_prompt(prepared, grader.prompt)),
            "seed": build.settings.seed if seed is None else seed,
            "run": run,
            "policy": build.policy.hash,
        }
        if grader.settings.system:
            self._provenance["system"] = store.add_prompt("system", grader.settings.system)

    def conclude(self, groups: Sequence[_Group], grades: Mapping[str, Grades]) -> StageReport:
        """Add the grades of every group that has them all."""
        decisions: list[Decision] = []
        tries = made = 0
        for group in groups:
            # an image that was closed or taken down meanwhile has taken its queries with it
            queries = [each for each in group.queries if self._store.kept(each.key)]
            if any(query.key not in grades for query in queries):
                continue
            records, decided = self._decided(group, queries, grades)
            if any(each.key == group.image.key for each in decided):
                self._delete(group.image)  # first: a kill in between decides the same again
            about = {"candidates": len(queries), "unfiltered": self._grader.unfiltered}
            self._store.conclude(group.planned, records, decided, about)
            tries, made = tries + 1, made + len(records)
            keys = {each.key for each in records}
            decisions += [each for each in decided if each.key in keys]
        return StageReport(
            stage=GRADES,
            tries=tries,
            made=made,
            kept=sum(each.kept for each in decisions),
            lost=reasons_of(decisions),
        )

    def _decided(
        self, group: _Group, queries: Sequence[Record], grades: Mapping[str, Grades]
    ) -> tuple[list[Record], list[Decision]]:
        cell, key = group.planned.cell, group.planned.key
        records = [
            Record(
                stage=GRADES,
                cell=cell,
                content=grades[query.key].content(),
                provenance=self._provenance,
                parent=query.key,
            )
            for query in queries
        ]
        seed = self._build.settings.seed
        verdicts = decide_candidates(
            [grades[query.key] for query in queries],
            cell.pattern,
            unfiltered=self._grader.unfiltered,
            draw=drawn(seed, key, "unfiltered"),
            pick=drawn(seed, key, "candidate"),
            closed_by=self._closed_by,
        )
        pairs = zip(records, verdicts, strict=True)
        decisions = [Decision(r.key, v.kept, v.reason, v.about) for r, v in pairs]
        return records, [*decisions, *_closed_image(group.image, verdicts)]

    def _delete(self, image: Record) -> None:
        """Delete the file of an image that is given up, unless another record has it too."""
        sha256 = image.provenance["sha256"]
        others = self._store.records(STAGES[1], kept=True)
        if sum(each.provenance["sha256"] == sha256 for each in others) > 1:
            return
        path = self._build.images.path(sha256)
        try:
            if path is not None:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise BuildError(f"{path}: cannot be deleted ({error.strerror})") from None

    def _closed_by(self, category: str, severity: Severity) -> str | None:
        if category not in self._build.policy.category_ids:
            return None
        refused = self._build.rails.closed(category, severity)
        return None if refused is None else f"rails: {refused.rule}"


def _closed_image(image: Record, verdicts: Sequence[Verdict]) -> Iterator[Decision]:
    """Giving up an image that is itself of what is never built, and all that was made of it."""
    for verdict in verdicts:
        if verdict.image_closed:
            yield Decision(image.key, False, verdict.reason)
            return


def _prompt(prepared: Evaluation | Ensemble, given: str | None) -> tuple[str, str]:
    """Name and text of the prompt; of an ensemble, its description."""
    if isinstance(prepared, Ensemble):
        described = [each.identity() for each in prepared.runs]
        return str(prepared.spec), orjson.dumps(described, option=orjson.OPT_SORT_KEYS).decode()
    identity = prepared.task.identity()["prompt"]
    name = identity["name"] if isinstance(identity, dict) else ""
    own = given is not None and prepared.model.takes_instructions
    return name, prompt_source(given if own and given is not None else name)
