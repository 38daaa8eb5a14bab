"""What a build's records answer of a datasheet: how it was made, with what, what was lost."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vlsu._version import __version__
from vlsu.build.assembly.items import public_source
from vlsu.build.folder.build import Build
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES

__all__ = ["Account", "account_of", "answers", "reasons_text"]

#: How the lines begin that this module writes: when a graded dataset comes back, they are written
#: anew, and everybody else's stay.
MARK = "vlsu build: "
#: How a line of the grading app ends that quotes what was answered before, without the quotation.
_QUOTING = "metadata.source_grades"
#: Reasons and models that are named; the others are counted.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Account:
    """What the records say of how a build was made.

    Attributes:
        kept: Stage -> records kept.
        lost: Stage -> reason -> records given up.
        models: Stage -> models, the most used first.
        prompts: Stage -> hashes of prompts.
        sources: Source of images -> images kept.
        licences: Licence -> images kept.
        unfiltered: Pre-graded samples kept whatever their grades, and of these those on target.
        days: First and last date of a record, ISO 8601.
    """

    kept: Mapping[str, int]
    lost: Mapping[str, Mapping[str, int]]
    models: Mapping[str, Sequence[str]]
    prompts: Mapping[str, Sequence[str]]
    sources: Mapping[str, int]
    licences: Mapping[str, int]
    unfiltered: tuple[int, int] = (0, 0)
    days: Sequence[str] = field(default_factory=tuple)


def account_of(store: Reader) -> Account:
    """Read how a build was made."""
    kept: dict[str, int] = {}
    lost: dict[str, dict[str, int]] = {}
    models: dict[str, Sequence[str]] = {}
    prompts: dict[str, Sequence[str]] = {}
    sources: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    for stage in STAGES:
        records = store.records(stage, kept=True)
        kept[stage] = len(records)
        reasons = Counter(each.reason for each in store.decisions(stage).values() if not each.kept)
        if reasons:
            lost[stage] = dict(reasons.most_common())
        models[stage] = _most(record.provenance.get("model") for record in records)
        prompts[stage] = _most(record.provenance.get("prompt") for record in records)
        if stage == "images":
            sources.update(public_source(str(record.provenance["source"])) for record in records)
            licences.update(str(record.provenance["licence"]) for record in records)
    drawn = [
        each.about
        for each in store.decisions(STAGES[-1]).values()
        if each.kept and each.about.get("unfiltered")
    ]
    span = store.span()
    return Account(
        kept=kept,
        lost=lost,
        models=models,
        prompts=prompts,
        sources=dict(sources.most_common()),
        licences=dict(licences.most_common()),
        unfiltered=(len(drawn), sum(each.get("on_target", True) is True for each in drawn)),
        days=[] if span is None else [_day(moment) for moment in span],
    )


def answers(
    build: Build,
    account: Account,
    *,
    left_out: Mapping[str, int],
    faces: Sequence[str],
    findings: Sequence[str],
    selected: Sequence[str],
    terms: str,
    former: Mapping[str, object],
) -> dict[str, object]:
    """Answers to the questions of a datasheet, by key; what only the author knows stays open.

    Args:
        build: What was wanted.
        account: How it was made.
        left_out: Reason -> samples of the build that were not assembled.
        faces: What was done about faces, in sentences.
        findings: Of the check of the dataset, and of the audits.
        selected: What people's grades say of the pre-grader's selection, in sentences.
        terms: On what the dataset may be used for.
        former: Answers of the author, and of the grading app: they stay.
    """
    wanted = sum(build.wanted.values())
    cells = sum(1 for number in build.wanted.values() if number)
    graders = _listed(account.models["grades"])
    writers = _listed(dict.fromkeys((*account.models["concepts"], *account.models["queries"])))
    sources = ", ".join(f"{name} ({n})" for name, n in account.sources.items())
    mine: dict[str, list[str]] = {
        "selection": [
            f"Built to fill {cells} cells (pattern, category, language) with {wanted} samples; "
            f"{account.kept['grades']} were handed on.",
            f"A pre-grader ({graders}) kept samples that it graded as their cell wants; shares of "
            "patterns are by design, not those of any source.",
            *_unfiltered(account),
            *selected,
            *(
                f"Given up at {stage}: {reasons_text(reasons)}."
                for stage, reasons in account.lost.items()
            ),
        ],
        "collection": [
            f"Concepts were written by {_listed(account.models['concepts'])}, images found for "
            f"them in {sources or 'no source'}, texts written by "
            f"{_listed(account.models['queries'])} while given the image. metadata.provenance "
            "names the model, the prompt's hash, the seed, and source and licence of the image."
        ],
        "collection_type": ["retrieval of images", "texts written by models"],
        "raw_data": [
            "The build's folder: every record of every stage, kept and given up, the prompts under "
            "their hashes, and the answers of the models."
        ],
        "machine_annotation": [
            f"{graders} graded image, text and pair before people did (metadata.provenance."
            "pre_grades). No grade of the dataset is its."
        ],
        "preprocessing": [
            "Licence, size and looks of images, what texts tell and describe, and near-duplicates "
            "were checked before anything was kept; metadata.provenance.image has what was found."
        ],
        "manipulation": [*faces],
        "consent": [
            "Nobody shown was asked by the builder; images are under the licences that their "
            "sources state (NOTICE.md). An image is taken out of the build, with all samples of "
            "it, by vlsu build take-down."
        ],
        "limitations": [
            f"Texts are by models ({writers}), not by users, and images were chosen for them.",
        ],
        "noise": [*findings],
        "missing_data": [f"Not assembled: {reasons_text(left_out)}."] if left_out else [],
        "restrictions": [terms],
    }
    found = dict(former)
    for key, texts in mine.items():
        others = list(_others(_texts(former.get(key)), texts))
        lines = [*(f"{MARK}{text}" for text in texts), *others]
        if lines:
            found[key] = lines[0] if len(lines) == 1 else lines
        else:
            found.pop(key, None)
    if account.days and not former.get("timeframe"):
        found["timeframe"] = list(account.days)
    found["collection_type"] = [*mine["collection_type"]]
    return found


def _unfiltered(account: Account) -> Iterable[str]:
    number, on_target = account.unfiltered
    if not number:
        yield (
            "No share was kept unfiltered, so that what the pre-grader threw away by mistake "
            "cannot be estimated."
        )
        return
    yield (
        f"Drawn by the seed, {number} samples were kept whatever the pre-grader said, "
        f"{on_target} of them on target: metadata.build.selection marks them, for weights by the "
        "inverse of their probability."
    )


def reasons_text(reasons: Mapping[str, int]) -> str:
    """Reasons and their counts, the most frequent first, in one line.

    Example:
        >>> reasons_text({"text is unsafe": 2, "pair is borderline": 5})
        'pair is borderline (5), text is unsafe (2)'
    """
    ranked = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    shown = ", ".join(f"{reason} ({number})" for reason, number in ranked[:_NAMED])
    rest = sum(number for _, number in ranked[_NAMED:])
    return f"{shown}, other reasons ({rest})" if rest else shown


def _most(values: Iterable[object]) -> list[str]:
    return [str(name) for name, _ in Counter(each for each in values if each).most_common()]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody"


def _texts(answer: object) -> list[str]:
    listed = answer if isinstance(answer, list) else [answer]
    return [str(each).strip() for each in listed if each is not None and str(each).strip()]


def _others(lines: Iterable[str], mine: Sequence[str]) -> Iterable[str]:
    """What others wrote; of lines that quote ours, as the grading app does, the rest."""
    for line in lines:
        if line.startswith(MARK):
            continue
        rest = line
        for text in mine:
            rest = rest.replace(f"{MARK}{text}", "")
        rest = rest.strip(" ;:")
        if rest and not (rest != line and rest.endswith(_QUOTING)):
            yield rest


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()


def made_with() -> str:
    """The program, for documents."""
    return f"vlsu {__version__}"
