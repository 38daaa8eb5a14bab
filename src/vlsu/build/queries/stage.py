"""Queries: planned, asked of a model that looks at the image, checked, and kept or given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlsu.build.asking.answers import NOTHING_WRITTEN
from vlsu.build.asking.asking import Answer, Writer, ask
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.stage_report import StageReport, reasons_of, unanswered
from vlsu.build.folder.store import Store
from vlsu.build.folder.work import timed
from vlsu.build.queries.checks import seen_of, why_given_up
from vlsu.build.queries.duplicates import Texts
from vlsu.build.queries.few_shot import FewShot
from vlsu.build.queries.manners import Manner, Manners
from vlsu.build.queries.planning import new_tries, tries_on_images
from vlsu.build.queries.prompt import PROMPT, query_request
from vlsu.build.queries.reading import Written, read_queries
from vlsu.build.rails.critical import critical_categories
from vlsu.errors import UsageError
from vlsu.models.base import Outcome, Request
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.stop import Stop

__all__ = ["QueryOptions", "require_writers", "write_queries"]

CONCEPTS, IMAGES, QUERIES, _ = STAGES
#: Tries that are asked together, and then concluded.
_BATCH = 500
#: Queries of one answer, at most.
MOST_CANDIDATES = 20
_REFUSALS = (Outcome.REFUSED, Outcome.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """How queries are asked for.

    Attributes:
        candidates: Queries of one answer.
        manners: Styles and lengths among which is drawn, by the build's seed.
        few_shot: Examples of the user.
        approved: Categories in which a person approved that what one writer refuses is handed to
            the next; `None` for what belongs to none.
        captions: Whether the writer is given the image's caption in place of the image.
        reuse: Samples that one image may be part of.
    """

    candidates: int = 3
    manners: Manners = field(default_factory=Manners)
    few_shot: FewShot = field(default_factory=FewShot)
    approved: frozenset[str | None] = frozenset()
    captions: bool = False
    reuse: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise UsageError(f"candidates {self.candidates}: give 1 to {MOST_CANDIDATES}")
        if self.reuse < 1:
            raise UsageError(f"reuse {self.reuse}: an image is part of at least 1 sample")


def require_writers(writers: Sequence[Writer], *, captions: bool = False) -> None:
    """Check that models can write to images.

    Raises:
        UsageError: There is none, one is there twice, takes no instructions, or cannot see and is
            given images.
    """
    if not writers:
        raise UsageError("queries are written by at least one model")
    identities = [dict(each.model.identity()) for each in writers]
    for each, identity in zip(writers, identities, strict=True):
        if identities.count(identity) > 1:
            raise UsageError(f"{each.model.spec} is named twice: it would refuse again")
        if not each.model.takes_instructions:
            raise UsageError(f"{each.model.spec} takes no instructions and writes nothing")
        if "joint" not in each.model.modalities and not captions:
            raise UsageError(
                f"{each.model.spec} cannot see images; add --captions to give it their captions"
            )


@dataclass(frozen=True, slots=True)
class _Task:
    """A try with all that is needed to ask for it and to check what comes back."""

    of: Try
    image: Record
    concept: Record
    manner: Manner
    request: Request


@dataclass(slots=True)
class _Came:
    """What came of a try so far."""

    written: Written | None = None
    writer: str = ""
    request: str = ""
    refused_by: list[str] = field(default_factory=list)


@timed(QUERIES)
def write_queries(
    build: Build,
    writers: Sequence[Writer],
    options: QueryOptions | None = None,
    *,
    budget: Budget,
    progress: Progress = NO_PROGRESS,
) -> StageReport:
    """Write queries for kept images, for the cells that are short.

    What was planned and has no outcome is asked for first; where there is nothing of it, new tries
    are planned. Every candidate becomes a record: kept, or given up with a reason. The text of what
    the rails refuse is not stored, and neither is that of what tells.

    Args:
        build: Locked by the caller.
        writers: The first is asked; each further one, in turn, for what the one before it refused,
            in approved categories that are not of the critical tier.
        options: How.
        budget: What this start may spend.
        progress: Where progress is reported.

    Raises:
        UsageError: A writer cannot write to images.
        ModelError: A server is down or refuses every request.
        BuildError: Records cannot be stored.
    """
    options = options or QueryOptions()
    require_writers(writers, captions=options.captions)
    with build.store() as store:
        return _Stage(build, store, writers, options, budget, progress).run()


class _Stage:
    def __init__(
        self,
        build: Build,
        store: Store,
        writers: Sequence[Writer],
        options: QueryOptions,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self.build, self.store = build, store
        self.writers, self.options = writers, options
        self.budget, self.progress = budget, progress
        self.prompt = store.add_prompt(PROMPT.name, PROMPT.text)
        self.few_shot = (
            store.add_prompt(f"{PROMPT.name}: examples", options.few_shot.text)
            if options.few_shot.examples
            else None
        )
        self.critical = critical_categories(build.policy, build.rails)
        self.earlier = _earlier(store)
        self.decisions: list[Decision] = []
        self.tries, self.unanswered = 0, 0

    def run(self) -> StageReport:
        """Ask for all open tries and conclude them."""
        images = {each.key: each for each in self._images()}
        tries = tries_on_images(self.store, images, open_only=True)
        lacking: list[str] = []
        if not tries:
            planned, lacking = new_tries(self.build, self.store, reuse=self.options.reuse)
            self.store.plan(planned)
            tries = tries_on_images(self.store, images, open_only=True)
        drawn = replace(self.options.manners, seed=self.build.settings.seed)
        manners = drawn.by_try(tries_on_images(self.store, images))
        self.progress.begin(len(tries), at_most=True)
        stopped: Stop | None = None
        for start in range(0, len(tries), _BATCH):
            tasks = []
            for each in tries[start : start + _BATCH]:
                image = images[str(each.subject)]
                if self._has_gone(image):
                    self.store.conclude(each, about={"image": "gone"})
                    self.tries += 1
                else:
                    tasks.append(self._task(each, image, manners[each.key]))
            stopped = self._write(tasks)
            if stopped is not None:
                break
        else:
            self.progress.finished()
        return StageReport(
            stage=QUERIES,
            tries=self.tries,
            made=len(self.decisions),
            kept=sum(each.kept for each in self.decisions),
            lost=reasons_of(self.decisions),
            lacking=(*lacking, *(unanswered(self.unanswered) if stopped is None else ())),
            stopped=stopped,
        )

    def _images(self) -> list[Record]:
        return [
            each for kept in (None, True, False) for each in self.store.records(IMAGES, kept=kept)
        ]

    def _has_gone(self, image: Record) -> bool:
        """Whether an image was taken down since its try was planned, or its file is missing."""
        there = self.build.images.path(str(image.provenance["sha256"]))
        return there is None or self.store.kept(image.key) is not True

    def _task(self, of: Try, image: Record, manner: Manner) -> _Task:
        salt = f"{self.build.settings.seed}\0{of.key}"
        concept = self.store.record(str(image.parent))
        near = self.build.policy.find_category(str(concept.content.get("category", "")))
        request = query_request(
            self.build.policy,
            self.build.rails,
            of.cell,
            str(image.provenance["sha256"]),
            manner,
            count=self.options.candidates,
            draw=of.number,
            examples=self.options.few_shot.of(of.cell, salt),
            caption=str(image.content.get("caption", "")) if self.options.captions else None,
            near=near if of.cell.category is None else None,
        )
        return _Task(of, image, concept, manner, request)

    def _write(self, tasks: Sequence[_Task]) -> Stop | None:
        """Ask for some tries, of each writer in turn, and conclude those that have an answer."""
        came: dict[str, _Came] = {each.of.key: _Came() for each in tasks}
        asking: Sequence[_Task] = tasks
        stopped = None
        for number, writer in enumerate(self.writers):
            asked = ask(
                self.build,
                self.store,
                QUERIES,
                writer,
                [each.request for each in asking],
                budget=self.budget,
                progress=self.progress,
            )
            following = []
            for task, answer in zip(asking, asked.answers, strict=True):
                if self._take(came[task.of.key], task, answer, writer, number + 1):
                    following.append(task)
            asking, stopped = following, asked.stopped
            if stopped is not None or not asking:
                break
        for task in tasks:
            if (found := came[task.of.key]).written is not None:
                self._conclude(task, found, found.written)
            else:
                self.unanswered += 1
        return stopped

    def _take(self, came: _Came, task: _Task, answer: Answer, writer: Writer, next_: int) -> bool:
        """Note what a writer answered; whether the next one is to be asked."""
        came.written = None
        response = answer.response
        if response is None or response.outcome is Outcome.ERROR:
            return False
        written = read_queries(response, self.options.candidates, self.build.rails.kinds)
        came.writer, came.request = writer.model.spec, answer.key
        if written.outcome in _REFUSALS:
            came.refused_by.append(writer.model.spec)
            category = task.of.cell.category
            approved = category in self.options.approved and category not in self.critical
            if approved and next_ < len(self.writers):
                return True
        came.written = written
        return False

    def _conclude(self, task: _Task, came: _Came, written: Written) -> None:
        records, decisions = self._judged(task, came, written)
        about = {
            "outcome": written.outcome.value,
            "writer": came.writer,
            "refused_by": came.refused_by,
            **task.manner._asdict(),
        }
        if self.store.conclude(task.of, records, decisions, about):
            self.tries += 1
            self.decisions += decisions
            for record, decision in zip(records, decisions, strict=True):
                if decision.kept:
                    self._texts(record.cell.language).add(str(record.content["text"]))

    def _judged(
        self, task: _Task, came: _Came, written: Written
    ) -> tuple[list[Record], list[Decision]]:
        """A record for each candidate, or one where there is none, and what is decided on it."""
        if written.outcome is not Outcome.OK:
            record = self._record(task, came, None, {})
            return [record], [Decision(record.key, False, NOTHING_WRITTEN[written.outcome])]
        seen = seen_of(task.image, task.concept, self.build.rails)
        cell, own = task.of.cell, Texts()
        earlier = (self._texts(cell.language), own)
        records, decisions = [], []
        for number, candidate in enumerate(written.candidates):
            finding = why_given_up(
                candidate,
                cell,
                task.manner,
                seen,
                earlier,
                policy=self.build.policy,
                rails=self.build.rails,
            )
            withheld = finding is not None and finding.withheld
            content = {"kinds": candidate.kinds, **({} if withheld else {"text": candidate.text})}
            record = self._record(task, came, number, content)
            records.append(record)
            reason = "" if finding is None else finding.reason
            decisions.append(Decision(record.key, finding is None, reason))
            if finding is None:
                own.add(candidate.text)
        return records, decisions

    def _record(
        self, task: _Task, came: _Came, candidate: int | None, content: Mapping[str, object]
    ) -> Record:
        more = {} if self.few_shot is None else {"few_shot": self.few_shot}
        if self.options.captions:
            more["shown"] = "caption"
        return Record(
            stage=QUERIES,
            cell=task.of.cell,
            content={"language": task.of.cell.language, **task.manner._asdict(), **content},
            provenance={
                "model": came.writer,
                "prompt": self.prompt,
                "seed": self.build.settings.seed,
                "request": came.request,
                "candidate": candidate,
                "refused_by": came.refused_by,
                **more,
            },
            parent=task.image.key,
        )

    def _texts(self, language: str) -> Texts:
        return self.earlier.setdefault(language, Texts())


def _earlier(store: Store) -> dict[str, Texts]:
    """Language -> the queries that are kept or not decided yet."""
    texts: dict[str, list[str]] = {}
    for kept in (None, True):
        for record in store.records(QUERIES, kept=kept):
            said = str(record.content.get("text", ""))
            texts.setdefault(record.cell.language, []).append(said)
    return {language: Texts(of) for language, of in texts.items()}
