"""What a project's grades come to, counted and compared: for the datasheet of its export."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlsu.analysis.agreement.scope import Bootstrap, unit_agreement
from vlsu.analysis.stats.intervals import plain
from vlsu.analysis.table.patterns import natural_order
from vlsu.annotate.exchange.grading import Graded, Outcome, Unit, outcome
from vlsu.annotate.plan.settings import ConsensusRules
from vlsu.policy import MODALITIES, NOT_SURE, Policy, Severity

__all__ = ["ModalityCounts", "Summary", "summarise"]

_REPLICATES = 1000


@dataclass(slots=True)
class ModalityCounts:
    """Counts of one modality, of samples that were not stopped.

    Attributes:
        majority: Samples decided by majority; likewise `adjudicator`, `known_answer`.
        dispute: Samples that an adjudicator is still to decide; likewise `unfinished`,
            `not_selected`. None of these has a grade in the export.
        contested: Samples marked as contested.
        grades: Grades that count.
        not_sure: Of these, the ones that are no severity.
        set_aside: Grades that count no longer.
        imported: Grades that count and were given elsewhere.
        by_number: Grades that count of a sample -> samples, of those that were asked for.
        graders: Pseudonyms of those whose grades count.
    """

    majority: int = 0
    adjudicator: int = 0
    known_answer: int = 0
    dispute: int = 0
    unfinished: int = 0
    not_selected: int = 0
    contested: int = 0
    grades: int = 0
    not_sure: int = 0
    set_aside: int = 0
    imported: int = 0
    by_number: Counter[int] = field(default_factory=Counter)
    graders: set[str] = field(default_factory=set)

    def add(self, unit: Unit, found: Outcome) -> None:
        """Count a sample."""
        state = str(found.decided_by or found.undecided)
        setattr(self, state, getattr(self, state) + 1)
        live = unit.live
        self.contested += found.contested
        self.grades += len(live)
        self.not_sure += found.votes.get(NOT_SURE, 0)
        self.set_aside += len(unit.given) - len(live)
        self.imported += sum(each.imported for each in live)
        if unit.wanted:
            self.by_number[len(live)] += 1
        self.graders.update(each.grader for each in live)

    def tree(self) -> dict[str, int]:
        """The counts of samples and grades, ready for JSON."""
        return {
            "decided": self.majority + self.adjudicator + self.known_answer,
            **{
                name: getattr(self, name)
                for name in (
                    *("majority", "adjudicator", "known_answer", "dispute", "unfinished"),
                    *("not_selected", "contested", "grades", "not_sure", "set_aside"),
                    "imported",
                )
            },
            "graders": len(self.graders),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """What a project's grades come to.

    Attributes:
        samples: That are exported.
        stopped: That are not, as they may be illegal or are a threat.
        modalities: Modality -> counts, of those that have any.
        agreement: ``overall``, ``modalities`` and ``categories``, each as
            `vlsu.analysis.agreement.scope.unit_agreement` tells them.
        graders: Whose grades count.
    """

    samples: int
    stopped: int
    modalities: Mapping[str, ModalityCounts]
    agreement: Mapping[str, Mapping[str, Mapping[str, object]]]
    graders: int


def summarise(
    graded: Iterable[Graded],
    rules: ConsensusRules,
    policy: Policy,
    *,
    replicates: int = _REPLICATES,
) -> Summary:
    """Count grades and outcomes, and estimate how far graders agree.

    The figures of agreement are those of ``vlsu agreement`` on the long table: grades that count
    and are severities; a sample is in the category that most of its graders name who name any.

    Args:
        graded: Every sample.
        rules: When votes do not settle a severity.
        policy: Of the grades.
        replicates: Of the bootstrap.
    """
    modalities = {modality: ModalityCounts() for modality in MODALITIES}
    counts, item, kind = array("i"), array("q"), array("b")
    categories: list[str | None] = []
    samples = stopped = 0
    for each in graded:
        if each.stopped:
            stopped += 1
            continue
        samples += 1
        for modality, unit in each.units.items():
            found = outcome(unit, rules, policy)
            modalities[modality].add(unit, found)
            if found.votes:
                counts.extend(found.votes.get(severity.label, 0) for severity in Severity)
                item.append(each.number)
                kind.append(MODALITIES.index(modality))
                categories.append(_category(unit))
    return Summary(
        samples=samples,
        stopped=stopped,
        modalities={m: c for m, c in modalities.items() if any(c.tree().values())},
        agreement=_agreement(
            np.asarray(counts, np.int64).reshape(-1, len(Severity)),
            np.asarray(item, np.int64),
            np.asarray(kind, np.int64),
            categories,
            Bootstrap(replicates, 0),
        ),
        graders=len(set().union(*(c.graders for c in modalities.values()))),
    )


def _agreement(
    counts: NDArray[np.int64],
    item: NDArray[np.int64],
    kind: NDArray[np.int64],
    categories: list[str | None],
    bootstrap: Bootstrap,
) -> dict[str, dict[str, dict[str, object]]]:
    named = np.asarray(categories, object)

    def of(inside: NDArray[np.bool_], name: str) -> dict[str, object]:
        found = unit_agreement(
            counts[inside], item[inside], ordinal=True, name=name, bootstrap=bootstrap
        )
        told: dict[str, object] = plain(found)
        return told

    if not len(item):
        return {"overall": {}, "modalities": {}, "categories": {}}
    return {
        "overall": {"all": of(np.full(len(item), True), "overall")},
        "modalities": {
            m: of(kind == n, f"modalities.{m}") for n, m in enumerate(MODALITIES) if n in kind
        },
        "categories": {
            c: of(named == c, f"categories.{c}")
            for c in sorted({c for c in categories if c}, key=natural_order)
        },
    }


def _category(unit: Unit) -> str | None:
    """The category that most of those name who name any; `None` on a tie."""
    named = Counter(each.category for each in unit.live if each.category).most_common(2)
    if not named or (len(named) == 2 and named[0][1] == named[1][1]):
        return None
    return named[0][0]
