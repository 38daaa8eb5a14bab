"""Minimal pairs as queries: nearest texts from a model, or other images that were found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vlsu.build.asking.answers import NOTHING_WRITTEN
from vlsu.build.asking.asking import Writer, ask
from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import MOST_TRIES
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.stage_report import StageReport, reasons_of, unanswered
from vlsu.build.folder.store import Store
from vlsu.build.folder.work import timed
from vlsu.build.pairs.flips import edits, flip_by_text, most_edits
from vlsu.build.pairs.free_images import FreeImages
from vlsu.build.pairs.prompt import PROMPT, pair_request
from vlsu.build.pairs.samples import PAIR_OF, read_samples
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.checks import DESCRIBES, GRADE, Finding, Seen, never_kept, seen_of
from vlsu.build.queries.reading import Candidate, Written, read_queries
from vlsu.build.queries.stage import MOST_CANDIDATES, require_writers
from vlsu.build.queries.wording import describes, names_grade
from vlsu.errors import UsageError
from vlsu.models.base import Outcome, Request
from vlsu.policy import Pattern
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.stop import Stop

__all__ = ["PairOptions", "write_pairs"]

CONCEPTS, IMAGES, QUERIES, _ = STAGES
#: Tries that are asked together, and then concluded.
_BATCH = 500
SAME = "the same as what it is a pair of"
FAR = "changes too many words"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions:
    """Which minimal pairs are made.

    Attributes:
        by: ``"text"``: the image stays, and a model changes the text. ``"image"``: the text stays,
            and another image is taken of those that were found and are free; no model is asked.
        number: New pairs to try at most; all if `None`.
        candidates: Texts of one answer.
        patterns: Of samples that get one; all if empty.
        only: Keys of queries that get one; all if `None`.
        captions: Whether the writer is given the image's caption in place of the image.
    """

    by: Literal["text", "image"] = "text"
    number: int | None = None
    candidates: int = 3
    patterns: frozenset[Pattern] = frozenset()
    only: Collection[str] | None = None
    captions: bool = False

    def __post_init__(self) -> None:
        if self.by not in ("text", "image"):
            raise UsageError(f"by {self.by!r}: use text or image")
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise UsageError(f"candidates {self.candidates}: give 1 to {MOST_CANDIDATES}")
        if self.number is not None and self.number < 1:
            raise UsageError(f"number {self.number}: give at least 1")


@dataclass(frozen=True, slots=True)
class _Task:
    of: Try
    original: Record
    image: Record
    seen: Seen
    request: Request


@timed(QUERIES)
def write_pairs(
    build: Build,
    writer: Writer | None,
    options: PairOptions | None = None,
    *,
    budget: Budget,
    progress: Progress = NO_PROGRESS,
) -> StageReport:
    """Write minimal pairs of kept samples, as queries that the pre-grader then decides on.

    A sample is tried `MOST_TRIES` times, and no more once a pair of it is kept or waits for its
    grades. Those that are safe throughout belong to no category and get none of their own: they
    come as pairs of harmful ones. The text of what the rails refuse is not stored.

    Args:
        build: Locked by the caller.
        writer: Of texts; not needed for other images.
        options: Which.
        budget: What this start may spend.
        progress: Where progress is reported.

    Raises:
        UsageError: There is no writer and texts are wanted, or it cannot write to images.
        ModelError: The server is down or refuses every request.
        BuildError: Records cannot be stored.
    """
    options = options or PairOptions()
    with build.store() as store:
        stage = _Stage(build, store, options)
        if options.by == "image":
            return stage.by_image()
        writers = [] if writer is None else [writer]
        require_writers(writers, captions=options.captions)
        return stage.by_text(writers[0], budget, progress)


class _Stage:
    def __init__(self, build: Build, store: Store, options: PairOptions) -> None:
        self.build, self.store, self.options = build, store, options
        self.samples = read_samples(store)
        self.made: list[Decision] = []
        self.concluded, self.unanswered = 0, 0
        self.lacking: Counter[str] = Counter()

    # Another text to the same image

    def by_text(self, writer: Writer, budget: Budget, progress: Progress) -> StageReport:
        """Ask for all open tries, or plan new ones, and conclude them."""
        prompt = self.store.add_prompt(PROMPT.name, PROMPT.text)
        self._drop_orphans()
        tries = self._open()
        if not tries:
            self.store.plan(self._planned())
            tries = self._open()
        progress.begin(len(tries), at_most=True)
        stopped: Stop | None = None
        for start in range(0, len(tries), _BATCH):
            tasks = [self._task(each) for each in tries[start : start + _BATCH]]
            requests = [each.request for each in tasks]
            asked = ask(
                *(self.build, self.store, QUERIES, writer, requests),
                budget=budget,
                progress=progress,
            )
            for task, answer in zip(tasks, asked.answers, strict=True):
                response = answer.response
                if response is not None and response.outcome is not Outcome.ERROR:
                    kinds = self.build.rails.kinds
                    written = read_queries(response, self.options.candidates, kinds)
                    where = {"model": writer.model.spec, "prompt": prompt, "request": answer.key}
                    self._conclude(task, written, where)
                else:
                    self.unanswered += 1
            if (stopped := asked.stopped) is not None:
                break
        else:
            progress.finished()
        return self._report(stopped)

    def _open(self) -> list[Try]:
        """Open tries on queries; those on images are the queries' own."""
        tries = self.store.tries(QUERIES, open_only=True)
        return [each for each in tries if each.subject in self.samples.originals]

    def _flipped_by_text(self, original: Record) -> Cell | None:
        cell = original.cell
        closed = self.build.rails.closed
        pattern = flip_by_text(
            cell.pattern,
            tuple(self.build.policy.severities),
            lambda severity: closed(cell.category, severity) is not None,
        )
        return None if pattern is None else Cell(pattern, cell.category, cell.language)

    def _task(self, of: Try) -> _Task:
        original = self.samples.originals[str(of.subject)]
        image = self.store.record(str(original.parent))
        concept = self.store.record(str(image.parent))
        request = pair_request(
            self.build.policy,
            self.build.rails,
            str(original.content["text"]),
            original.cell.pattern,
            of.cell,
            str(image.provenance["sha256"]),
            count=self.options.candidates,
            draw=of.number,
            caption=str(image.content.get("caption", "")) if self.options.captions else None,
        )
        return _Task(of, original, image, seen_of(image, concept, self.build.rails), request)

    def _conclude(self, task: _Task, written: Written, where: Mapping[str, str]) -> None:
        text = str(task.original.content["text"])
        records, decisions = [], []
        if written.outcome is not Outcome.OK:
            records.append(self._record(task, where, None, {}))
            decisions.append(Decision(records[0].key, False, NOTHING_WRITTEN[written.outcome]))
        # The nearest first: of several on target the grader keeps the first.
        by_edits = sorted(written.candidates, key=lambda each: edits(text, each.text))
        for number, candidate in enumerate(by_edits):
            finding = self._why_given_up(task, text, candidate)
            content: dict[str, object] = {"kinds": candidate.kinds}
            if finding is None or not finding.withheld:
                content |= {"text": candidate.text, "edits": edits(text, candidate.text)}
            records.append(self._record(task, where, number, content))
            reason = "" if finding is None else finding.reason
            decisions.append(Decision(records[-1].key, finding is None, reason))
        refused = [where["model"]] if written.outcome in (Outcome.REFUSED, Outcome.BLOCKED) else []
        about = {
            "outcome": written.outcome.value,
            "writer": where["model"],
            "refused_by": refused,
            "by": "text",
        }
        self._done(task.of, records, decisions, about)

    def _why_given_up(self, task: _Task, text: str, candidate: Candidate) -> Finding | None:
        found = never_kept(candidate, task.of.cell, task.seen, self.build.rails)
        if found is not None:
            return found
        changed = edits(text, candidate.text)
        if changed == 0:
            return Finding(SAME)
        if changed > most_edits(text):
            return Finding(FAR)
        if names_grade(candidate.text, self.build.policy):
            return Finding(GRADE)
        if describes(candidate.text, task.seen.descriptions):
            return Finding(DESCRIBES)
        return None

    def _record(
        self,
        task: _Task,
        where: Mapping[str, str],
        candidate: int | None,
        content: Mapping[str, object],
    ) -> Record:
        return Record(
            stage=QUERIES,
            cell=task.of.cell,
            content={**_manner(task.original), PAIR_OF: task.original.key, **content},
            provenance={
                **where,
                "seed": self.build.settings.seed,
                "candidate": candidate,
                "refused_by": [],
                **({"shown": "caption"} if self.options.captions else {}),
            },
            parent=task.image.key,
        )

    # Another image with the same text

    def by_image(self) -> StageReport:
        """Give each sample the nearest free image of a place that may flip its joint grade."""
        self._drop_orphans()
        free = FreeImages(self.build, self.store)
        numbers = self._numbers()
        for original in self._wanting():
            found = free.take_nearest(original)
            if found is None:
                self.lacking["no free image may flip it"] += 1
                continue
            image, cell = found
            of = Try(QUERIES, cell, original.key, numbers.get(original.key, 0))
            self.store.plan([of])
            record = Record(
                stage=QUERIES,
                cell=cell,
                content={
                    **_manner(original),
                    "text": original.content["text"],
                    "kinds": original.content.get("kinds"),
                    PAIR_OF: original.key,
                },
                provenance={**original.provenance, "pair_by": "image"},
                parent=image.key,
            )
            self._done(of, [record], [Decision(record.key, True)], {"by": "image"})
        return self._report(None)

    # Both

    def _drop_orphans(self) -> None:
        """End the tries on samples that are none any more."""
        queries = {each.key for each in self.store.states(QUERIES) if each.kept}
        for each in self.store.tries(QUERIES, open_only=True):
            if each.subject in queries and each.subject not in self.samples.originals:
                self._done(each, (), (), {"sample": "gone"})

    def _planned(self) -> list[Try]:
        numbers = self._numbers()
        found = []
        for original in self._wanting():
            cell = self._flipped_by_text(original)
            if cell is None:
                self.lacking["no text may flip it"] += 1
            else:
                found.append(Try(QUERIES, cell, original.key, numbers.get(original.key, 0)))
        return found

    def _numbers(self) -> dict[str, int]:
        """Sample -> tries so far."""
        return Counter(
            each.subject for each in self.store.tries(QUERIES) if each.subject is not None
        )

    def _wanting(self) -> list[Record]:
        """Samples without a pair, with tries left, in order."""
        options, numbers = self.options, self._numbers()
        found = [
            each
            for key, each in self.samples.originals.items()
            if key not in self.samples.flipped
            and key not in self.samples.under_way
            and numbers.get(key, 0) < MOST_TRIES
            and each.cell.category is not None
            and (not options.patterns or each.cell.pattern in options.patterns)
            and (options.only is None or key in options.only)
        ]
        return found[: options.number]

    def _done(
        self,
        of: Try,
        records: Sequence[Record],
        decisions: Sequence[Decision],
        about: Mapping[str, object],
    ) -> None:
        if self.store.conclude(of, records, decisions, about):
            self.concluded += 1
            self.made += decisions

    def _report(self, stopped: Stop | None) -> StageReport:
        return StageReport(
            stage=QUERIES,
            tries=self.concluded,
            made=len(self.made),
            kept=sum(each.kept for each in self.made),
            lost=reasons_of(self.made),
            lacking=(
                *(
                    f"{number} {'sample' if number == 1 else 'samples'}: {reason}"
                    for reason, number in self.lacking.items()
                ),
                *(unanswered(self.unanswered) if stopped is None else ()),
            ),
            stopped=stopped,
        )


def _manner(original: Record) -> dict[str, object]:
    """What a pair has in common with what it is a pair of."""
    return {name: original.content.get(name) for name in ("language", "style", "length")}
