"""What a datasheet says of how a project's grades came to be; no person is named in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from vlsu._version import __version__
from vlsu.annotate.exchange.summary import ModalityCounts, Summary
from vlsu.annotate.plan.settings import REGRADED_BY, Plan
from vlsu.annotate.store.tables import policy_notes, policy_versions, tallies
from vlsu.annotate.work.selecting import pregradings
from vlsu.data.exporting.questions import lines
from vlsu.policy import MODALITIES, Policy

__all__ = ["Background", "answers", "background"]

#: Counts of skips and opt-outs below this are shown as fewer, as they could point to a person.
_SMALL = 5


@dataclass(frozen=True, slots=True)
class Background:
    """What the database tells beside the grades.

    Attributes:
        notes: Label of the version, category and text of each policy note.
        versions: Labels of the policy's versions.
        tallies: ``skip`` or ``opt_out`` -> category -> how often.
        pregradings: What was done with runs; see `vlsu.annotate.work.selecting`.
    """

    notes: Sequence[tuple[str, str | None, str]]
    versions: Sequence[str]
    tallies: Mapping[str, Mapping[str, int]]
    pregradings: Sequence[Mapping[str, Any]]


def background(connection: Connection) -> Background:
    """Read what the database tells beside the grades."""
    notes = connection.execute(
        select(policy_versions.c.label, policy_notes.c.category, policy_notes.c.text)
        .join(policy_versions, policy_versions.c.id == policy_notes.c.version_id)
        .order_by(policy_versions.c.id)
    )
    counted: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(tallies).order_by(tallies.c.stratum)):
        counted.setdefault(row.kind, {})[row.stratum] = row.number
    labels = select(policy_versions.c.label).order_by(policy_versions.c.id)
    return Background(
        notes=[(row.label, row.category, row.text) for row in notes],
        versions=list(connection.scalars(labels)),
        tallies=counted,
        pregradings=pregradings(connection),
    )


def answers(
    former: Mapping[str, object],
    summary: Summary,
    told: Background,
    *,
    plan: Plan,
    policy: Policy,
) -> dict[str, object]:
    """The answers to a datasheet's questions on grading, with the former ones to all others.

    Args:
        former: Answers of the dataset that was graded. Those on its own grades, which the export
            has in ``metadata.source_grades``, are kept behind the new ones and marked.
        summary: Of the grades.
        told: By the database.
        plan: Of the project.
        policy: Of the grades.
    """
    new: dict[str, list[str]] = {
        "annotation_protocol": list(_protocol(summary, told, plan, policy)),
        "annotation_platform": [f"vlsu annotate (vlsu {__version__})"],
        "annotation_analysis": list(_analysis(summary)),
        "annotations_per_item": ["; ".join(_per_item(summary))],
        "machine_annotation": list(_machines(told)),
    }
    added = {
        "missing_data": list(_missing(summary, told)),
        "selection": [line for each in told.pregradings for line in _selection(each)],
    }
    found = dict(former)
    people: dict[str, object] = {
        modality: f"{len(counts.graders)} people"
        for modality, counts in summary.modalities.items()
        if counts.graders
    }
    if (before := lines(former, "annotators")) and people:
        people[next(iter(people))] = f"{next(iter(people.values()))} ({_former(before)})"
    found["annotators"] = people or former.get("annotators")
    for key, texts in new.items():
        before = lines(former, key)
        found[key] = [*texts, *([_former(before)] if before else [])]
    for key, texts in added.items():
        found[key] = [*lines(former, key), *texts]
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in found.items()
        if value
    }


def _former(texts: Sequence[str]) -> str:
    return f"of the source's own grades, kept in metadata.source_grades: {'; '.join(texts)}"


def _protocol(summary: Summary, told: Background, plan: Plan, policy: Policy) -> Iterator[str]:
    yield (
        f"Instructions: the policy {policy.name} {policy.version} ({policy.hash})"
        + (f", with {len(told.notes)} notes, as of version {told.versions[-1]}." if told.notes
           else ".")
    )  # fmt: skip
    for label, category, text in told.notes:
        about = f" on {category}" if category else ""
        yield f"Policy note {label}{about}: {text}"
    asked = ", ".join(f"{plan.graders[m]} of the {_NAMES[m]}" for m in MODALITIES
                      if plan.graders.get(m))  # fmt: skip
    severities = ", ".join(severity.label for severity in policy.severities)
    yield (
        f"Grades asked for of each sample: {asked}; {severities} or not sure, with a category "
        "unless safe."
    )
    yield (
        "Graders saw the image without its text and the text without its image; they saw no "
        "other's grade, no known answer, no identifier that tells the category, and no model's "
        "answer."
    )
    yield (
        "Whoever graded a pair never saw its parts apart."
        if plan.disjoint
        else "Whoever graded a pair had graded the parts that were theirs before it."
    )
    yield (
        f"Order: drawn for each grader (seed {plan.seed}), in blocks of {plan.order.block} of one "
        f"modality; samples of one group, image or text, and the modalities of a sample, at least "
        f"{plan.order.apart} items apart where there were others."
    )
    if imported := [
        f"{c.imported} of {c.grades} of {_NAMES[m]}s"
        for m, c in summary.modalities.items()
        if c.imported
    ]:
        yield (
            "Imported from elsewhere, so that what is said of instructions, blinding and order "
            f"does not hold for them: {', '.join(imported)}."
        )
    adjudicated = sum(c.adjudicator for c in summary.modalities.values())
    yield (
        "One grade: the severity with more votes than any other, and of those who gave it the most "
        "frequent category. An adjudicator, who saw grades and notes without names, decides ties, "
        f"undecided categories, {plan.consensus.not_sure:.0%} or more not sure"
        + (
            f", and grades {plan.consensus.spread} severities apart"
            if plan.consensus.spread
            else ""
        )
        + f": {adjudicated} grades of the export. metadata.grading has who decided, the votes, "
        "soft labels (admissible grades included) and whether a sample is contested."
    )


_NAMES = {"image": "image", "text": "text", "joint": "pair"}


def _analysis(summary: Summary) -> Iterator[str]:
    told = summary.agreement
    for modality, found in told["modalities"].items():
        yield f"{modality}: {_agreement(found)}"
    if told["categories"]:
        yield (
            "By category (the one most named of a sample, so that a sample that everybody finds "
            "safe is in none, and agreement is below that over all):"
        )
    for category, found in told["categories"].items():
        yield f"{category}: {_agreement(found)}"
    for modality, counts in summary.modalities.items():
        yield (
            f"{modality}: {counts.adjudicator} samples decided by an adjudicator, "
            f"{counts.contested} contested, {counts.dispute} disputes open."
        )
        alone, asked = counts.by_number[1], sum(counts.by_number.values())
        if alone and asked:
            yield (
                f"{modality}: {alone} of {asked} samples ({alone / asked:.0%}) have one grade, of "
                f"which no agreement can be told; the figures above are of the "
                f"{sum(n for k, n in counts.by_number.items() if k > 1)} that have more"
                + (f", drawn by lot to be graded by {REGRADED_BY}." if _drawn(counts) else ".")
            )


def _drawn(counts: ModalityCounts) -> bool:
    return counts.by_number[REGRADED_BY] > 0


def _agreement(found: Mapping[str, Any]) -> str:
    if not found["paired"]:
        return "no sample has two grades"
    figures = "; ".join(
        f"{name} {_rate(found[key])}"
        for name, key in (
            ("agreement", "percent_agreement"),
            ("alpha (Krippendorff, ordinal)", "krippendorff_alpha_ordinal"),
            ("AC2 (Gwet)", "gwet_ac2"),
        )
    )
    return f"{figures}; {found['paired']} samples with two grades or more (95% intervals)"


def _rate(rate: Mapping[str, float | None]) -> str:
    value, low, high = rate["value"], rate["low"], rate["high"]
    if value is None or low is None or high is None:
        return "undefined"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _per_item(summary: Summary) -> Iterator[str]:
    for modality, counts in summary.modalities.items():
        spread = ", ".join(
            f"{n}: {samples} samples" for n, samples in sorted(counts.by_number.items())
        )
        graders = f"{counts.grades} grades by {len(counts.graders)} graders"
        yield f"{modality}: {graders} ({spread or '-'})"


def _machines(told: Background) -> Iterator[str]:
    for each in told.pregradings:
        yield (
            f"{each['model']} (task {each['task']}): {each['done']} No grade is its, and no grader "
            "saw its answers."
        )


def _selection(each: Mapping[str, Any]) -> Iterator[str]:
    if effect := each.get("effect"):
        yield str(effect)


def _missing(summary: Summary, told: Background) -> Iterator[str]:
    for modality, counts in summary.modalities.items():
        lacking = [
            f"{number} {words}"
            for number, words in (
                (counts.dispute, "as an adjudicator has not decided yet"),
                (counts.unfinished, "as not all graders have graded them"),
                (counts.not_selected, "as a pre-grader left them out"),
            )
            if number
        ]
        if lacking:
            yield f"{modality}: without a grade are {', '.join(lacking)}."
        if counts.set_aside:
            yield f"{modality}: {counts.set_aside} grades were set aside and do not count."
    if summary.stopped:
        yield (
            "Samples that were stopped, as they may be illegal or hold a threat, and "
            f"are not part of the export: {summary.stopped}."
        )
    for kind, words in (("skip", "Skipped"), ("opt_out", "Opted out of")):
        if counted := told.tallies.get(kind):
            of_each = ", ".join(f"{name} {_small(n)}" for name, n in counted.items())
            yield f"{words} by graders, by category: {of_each}."


def _small(number: int) -> str:
    return f"<{_SMALL}" if number < _SMALL else str(number)
