"""The stage that finds real images for concepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import Demand, demand
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Try
from vlsu.build.folder.stage_report import StageReport
from vlsu.build.folder.store import Store
from vlsu.build.folder.work import timed
from vlsu.build.images.against import looks_of
from vlsu.build.images.finding import Finder, UnansweredError
from vlsu.build.images.index import Index
from vlsu.build.images.inspecting import ON_LIST, Inspector
from vlsu.build.images.known import Known
from vlsu.build.images.nsfw import Nsfw
from vlsu.build.images.options import Options
from vlsu.build.images.pre_filter import PROMPT
from vlsu.build.images.searches import SEARCHES, Searches
from vlsu.build.plan.cells import Place
from vlsu.build.sources.base import Source
from vlsu.errors import DataError
from vlsu.models.base import Outcome
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.stop import INTERRUPTED, Stop, StopReason

__all__ = ["ImagesReport", "find_images"]

IMAGES = STAGES[1]
#: Folder below that of the indexes: looks of other benchmarks.
_LOOKS = "looks"
#: Tries whose images a model is asked about at a time; as many files are in memory.
_AT_ONCE = 16
_UNANSWERED = Stop(StopReason.FAILED, "the model that is asked about images gave no answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesReport(StageReport):
    """What one start of the stage did.

    Attributes:
        refused: Reason -> offers of the sources that were refused for it, over all tries.
        listed: Images that a hash list matched.
    """

    refused: Mapping[str, int] = field(default_factory=dict)
    listed: int = 0

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {**StageReport.as_dict(self), "refused": dict(self.refused), "listed": self.listed}


@dataclass(slots=True)
class _Tally:
    tries: int = 0
    kept: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    listed: int = 0
    stopped: Stop | None = None


@timed(IMAGES)
def find_images(
    build: Build,
    sources: Sequence[Source],
    index: Index | None,
    options: Options | None = None,
    *,
    progress: Progress = NO_PROGRESS,
) -> ImagesReport:
    """Find an image for each that is wanted, as far as concepts and sources go.

    The bytes of an image are stored once it has passed every filter, and not before. Killed at any
    moment, it goes on with the try it was at.

    Args:
        build: Its folder is locked by the caller.
        sources: Those of the build, opened; the caller closes them.
        index: Over those without a search of their own.
        options: What may be taken.
        progress: Told of each try.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed, and nothing is stored unseen.
        UsageError: The model of the options judges no images.
        ModelError: Its server is down or refuses every request; what was found is stored.
    """
    chosen = options or Options()
    tally = _Tally()
    model = None if chosen.model is None else chosen.model.for_policy(build.policy)
    with build.store() as store:
        if model is not None and model.prompted:
            store.add_prompt(PROMPT.name, PROMPT.text)
        finder = Finder(
            Inspector(
                build, {each.spec: each for each in sources}, chosen, Nsfw(), chosen.hash_lists
            ),
            Known(store, looks_of(chosen.against, build.index_folder / _LOOKS)),
            sources,
            index,
            Searches(build.index_folder / SEARCHES),
            store,
            model,
        )
        try:
            while tries := _tries(build, store, chosen.reuse):
                progress.begin(tally.tries + len(tries))
                for start in range(0, len(tries), _AT_ONCE):
                    _work(finder, tries[start : start + _AT_ONCE], tally, progress)
                    if model is not None and model.stopped is not None:
                        raise UnansweredError
        except UnansweredError:
            assert model is not None
            tally.stopped = model.stopped or _UNANSWERED
        except DataError as error:
            tally.stopped = Stop(StopReason.FAILED, str(error))
        except KeyboardInterrupt:
            tally.stopped = INTERRUPTED
        progress.finished()
        lacking = _lacking(demand(build, store, reuse=chosen.reuse))
    return ImagesReport(
        stage=IMAGES,
        tries=tally.tries,
        made=tally.tries,
        kept=tally.kept,
        lost=dict(tally.lost),
        lacking=lacking,
        stopped=tally.stopped,
        refused=dict(tally.refused),
        listed=tally.listed,
    )


def _tries(build: Build, store: Store, reuse: int) -> list[Try]:
    """The open tries; if there are none, those of the next round."""
    if not (tries := store.tries(IMAGES, open_only=True)):
        store.plan(_planned(demand(build, store, reuse=reuse), store))
        tries = store.tries(IMAGES, open_only=True)
    return tries


def _planned(wanted: Demand, store: Reader) -> list[Try]:
    """One try of a concept a round, first of those tried least."""
    tried = Counter(each.subject for each in store.tries(IMAGES))
    return [
        Try(IMAGES, concept.cell, concept.key, tried[concept.key])
        for place, number in wanted.images_wanted.items()
        for concept in sorted(
            wanted.concepts.get(place, ()), key=lambda concept: tried[concept.key]
        )[:number]
    ]


def _work(finder: Finder, tries: Sequence[Try], tally: _Tally, progress: Progress) -> None:
    store = finder.store
    concepts = [store.record(each.subject) for each in tries if each.subject is not None]
    work = list(zip(tries, concepts, strict=True))
    finder.prepare(work)
    for planned, concept in work:
        found = finder.find(planned, concept)
        finder.conclude(planned, found)
        tally.tries += 1
        tally.refused.update(found.about["refused"])
        if found.decision.kept:
            tally.kept += 1
        else:
            tally.lost[found.decision.reason] += 1
        tally.listed += sum(each["reason"] == ON_LIST for each in found.about["candidates"])
        progress.answered(Outcome.OK)


def _lacking(wanted: Demand) -> tuple[str, ...]:
    """Places that need more images than there are concepts left for."""
    return tuple(
        f"{_named(place)}: {number} more wanted, and no concept is left that may yield one"
        for place, number in wanted.images_wanted.items()
        if not wanted.concepts.get(place)
    )


def _named(place: Place) -> str:
    category = "no category" if place.category is None else place.category
    return f"{category}, {place.severity} image"
