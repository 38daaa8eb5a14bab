"""The stage of concepts: planned by what is missing, written by a model, then kept or given up."""

from __future__ import annotations

import re
from itertools import zip_longest

from vlsu.build.asking.answers import NOTHING_WRITTEN
from vlsu.build.asking.asking import Answer, Writer, ask
from vlsu.build.concepts.alike import Concepts
from vlsu.build.concepts.parameters import Drawn, draw
from vlsu.build.concepts.prompt import (
    PROMPT,
    Concept,
    concept_request,
    read_concept,
)
from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import demand
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.stage_report import StageReport, reasons_of, unanswered
from vlsu.build.folder.store import Store
from vlsu.build.folder.work import timed
from vlsu.build.plan.cells import Cell, Place
from vlsu.build.rails.rules import Proposal
from vlsu.build.rails.telling import telling
from vlsu.errors import UsageError
from vlsu.models.base import Outcome
from vlsu.policy import Severity
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.progress import NO_PROGRESS, Progress

__all__ = ["make_concepts", "place_number"]

CONCEPTS = STAGES[0]
#: A word of two letters or more; a concept of fewer than so many describes nothing.
_WORD = re.compile(r"[^\W\d_]{2,}")
_FEWEST_WORDS = 3
#: What a concept names, it does not only show.
_NAMING = frozenset({"name", "address"})


@timed(CONCEPTS)
def make_concepts(
    build: Build,
    writer: Writer,
    *,
    budget: Budget,
    number: int | None = None,
    progress: Progress = NO_PROGRESS,
) -> StageReport:
    """Have concepts written for the images that are still wanted.

    Killed at any moment and started again, it asks nothing twice and comes to the same concepts.

    Args:
        build: Whose folder is locked by the caller.
        writer: Whom to ask.
        budget: What this start may spend.
        number: Concepts that are asked for at most, of all categories and severities in turn.
        progress: Where progress is reported.

    Raises:
        ModelError: The server is down or refuses every request; what was answered is stored.
        BuildError: The folder's database cannot be used.
        UsageError: The writer is a classifier, which writes nothing.
    """
    if not writer.model.takes_instructions:
        raise UsageError(f"{writer.model.spec} grades and does not write; name a model that writes")
    with build.store() as store:
        prompt = store.add_prompt(PROMPT.name, PROMPT.text)
        tries = _tries(build, store)[:number]
        drawn = [draw(build.policy, build.settings.seed, *place_number(each)) for each in tries]
        requests = [
            concept_request(build.policy, build.rails, Place.of(each.cell), what)
            for each, what in zip(tries, drawn, strict=True)
        ]
        if not tries:
            return StageReport(stage=CONCEPTS)
        asked = ask(build, store, CONCEPTS, writer, requests, budget=budget, progress=progress)
        written = [
            (each, what, answer, read_concept(answer.response, build.rails.kinds))
            for each, what, answer in zip(tries, drawn, asked.answers, strict=True)
            if answer.response is not None
        ]
        known = Concepts(
            [record.content["concept"] for record in store.records(CONCEPTS, kept=True)],
            [concept.concept for *_, concept in written],
        )
        decisions: list[Decision] = []
        for position, (each, what, answer, concept) in enumerate(written):
            reason = _objection(build, each.cell, what, concept)
            about: dict[str, object] = {}
            if reason is None:
                nearest = known.nearest(position)
                about = {"nearest": nearest.about()}
                reason = "near-duplicate" if nearest.alike else None
            # What the rails refuse leaves nothing of it behind.
            shown = concept if reason in (None, "near-duplicate") else None
            record = _record(build, writer, prompt, each.cell, what, shown, answer)
            decision = Decision(record.key, reason is None, reason or "", about)
            if store.conclude(each, [record], [decision], {"outcome": concept.outcome.value}):
                decisions.append(decision)
            if reason is None:
                known.keep(position)
        return StageReport(
            stage=CONCEPTS,
            tries=len(decisions),
            made=len(decisions),
            kept=sum(each.kept for each in decisions),
            lost=reasons_of(decisions),
            lacking=unanswered(len(tries) - len(written)) if asked.stopped is None else (),
            stopped=asked.stopped,
        )


def place_number(each: Try) -> tuple[Place, int]:
    """The place of a try, and its number there."""
    return Place.of(each.cell), each.number


def _tries(build: Build, store: Store) -> list[Try]:
    """The tries that are open, or, if there are none, those newly planned."""
    if open_tries := store.tries(CONCEPTS, open_only=True):
        return open_tries
    wanted = demand(build, store)
    planned = _counted(store)
    by_place = []
    for place, number in wanted.concepts_wanted.items():
        cells = [cell for cell in wanted.cells if Place.of(cell) == place]
        first = planned.get(place, 0)
        by_place.append(
            [Try(CONCEPTS, cells[(first + n) % len(cells)], None, first + n) for n in range(number)]
        )
    # Of each place the first, then the second: a start that is cut short is short everywhere.
    rounds = zip_longest(*by_place)
    store.plan(each for turn in rounds for each in turn if each is not None)
    return store.tries(CONCEPTS, open_only=True)


def _counted(store: Reader) -> dict[Place, int]:
    """How many tries each place has had."""
    found: dict[Place, int] = {}
    for each in store.tries(CONCEPTS):
        place, number = place_number(each)
        found[place] = max(found.get(place, 0), number + 1)
    return found


def _objection(build: Build, cell: Cell, drawn: Drawn, concept: Concept) -> str | None:
    """Why a concept is given up whatever else there is; `None` if nothing is against it."""
    if concept.outcome is not Outcome.OK:
        return NOTHING_WRITTEN[concept.outcome]
    declared = frozenset(kind for kind, shown in (concept.kinds or {}).items() if shown)
    # What only looks near a category is held to that category's rules on its safe images too.
    for category, severity in (
        (cell.category, cell.pattern.image),
        (drawn.near, Severity.SAFE if cell.category is None else cell.pattern.image),
    ):
        for text in (concept.concept, concept.search):
            proposal = Proposal(text=text, category=category, severity=severity, kinds=declared)
            if (refused := build.rails.refusal(proposal)) is not None:
                return f"rails: {refused.rule}"
    if len(_WORD.findall(concept.concept)) < _FEWEST_WORDS or not _WORD.search(concept.search):
        return "describes nothing"
    if _NAMING & {*telling(concept.concept), *telling(concept.search)}:
        return "names a person or an address"
    return None


def _record(
    build: Build,
    writer: Writer,
    prompt: str,
    cell: Cell,
    drawn: Drawn,
    concept: Concept | None,
    answer: Answer,
) -> Record:
    content: dict[str, object] = {"category": drawn.near, **drawn.values}
    if concept is not None:
        content |= {
            "concept": concept.concept,
            "search": concept.search,
            "kinds": dict(concept.kinds or {}),
        }
    return Record(
        stage=CONCEPTS,
        cell=cell,
        content=content,
        provenance={
            "model": writer.model.spec,
            "prompt": prompt,
            "seed": build.settings.seed,
            "request": answer.key,
        },
    )
