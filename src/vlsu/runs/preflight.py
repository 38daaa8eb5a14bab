"""Checks of the samples before anything is paid for: what cannot be asked, and what is broken."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from vlsu._text import one_line
from vlsu.data import Dataset
from vlsu.data.marks import unread_marks
from vlsu.errors import DataError
from vlsu.policy import MODALITIES, Policy, Severity
from vlsu.runs.asking.plan import Selection
from vlsu.runs.options import RunOptions
from vlsu.runs.record import not_asked

__all__ = [
    "coverage_warnings",
    "log_coverage_warnings",
    "require_askable",
    "require_valid_samples",
]

_log = logging.getLogger(__name__)

#: Samples whose images are looked for one by one. Of more, the files are counted first: where none
#: is lacking, which is the rule, a million need not be looked for.
LOOKED_FOR = 20_000


def coverage_warnings(
    dataset: Dataset,
    selection: Selection,
    modalities: Sequence[str],
    options: RunOptions | None = None,
    *,
    captions: bool = False,
) -> list[str]:
    """Warnings about what a run over these samples cannot ask, a line for each reason.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        modalities: Those asked for.
        options: The run's; if it would stop at images that have not been fetched, the first line
            says so.
        captions: Whether the pair is asked about with a caption in place of the image.
    """
    samples = selection.size(dataset)
    reasons = _reasons(not_asked(dataset, selection, modalities, captions=captions))
    lines = [
        f"{count} of {samples} samples have {why}: {_listed(unasked)} not asked of them"
        for why, count, unasked in reasons
    ]
    without_image = any(why == "no image" or "image" in unasked for why, _, unasked in reasons)
    shown = [name for name in modalities if name != "text"]
    if shown and not captions and (lost := _lost(dataset, selection)):
        without_image = True
        lines.append(
            f"the image of {lost} of {samples} samples is missing in {dataset.images.folder}: "
            f"{_listed(shown)} answered with an error for them; see vlsu data check {dataset.path}"
        )
    lines += _unread(dataset, selection)
    if "text" in modalities and without_image:
        lines.append("the text is asked all the same; leave it out with --modalities")
    wanted = options is not None and not options.without_images
    if wanted and (stop := _unfetched(dataset, selection, modalities)):
        lines.insert(0, stop)
    return lines


def log_coverage_warnings(
    dataset: Dataset, selection: Selection, modalities: Sequence[str], *, captions: bool = False
) -> None:
    """Log `coverage_warnings`."""
    for line in coverage_warnings(dataset, selection, modalities, captions=captions):
        _log.warning("%s", line)


def _unread(dataset: Dataset, selection: Selection) -> Iterator[str]:
    """Marks that cannot be read, a line for each of the samples' metadata keys."""
    unread: dict[str, str] = {}
    counts: Counter[str] = Counter()
    with dataset.reading():
        for name, value, wanted, count, sample in unread_marks(selection.frame(dataset)):
            counts[name] += count
            unread.setdefault(name, f"such as {value} of sample {one_line(sample)}: write {wanted}")
    for name, example in unread.items():
        yield f"{name} of {counts[name]} samples cannot be read and counts as not given, {example}"


def _unfetched(dataset: Dataset, selection: Selection, modalities: Sequence[str]) -> str | None:
    """That images which are asked about are still at their addresses; `None` if none is."""
    if not {"image", "joint"} & set(modalities):
        return None
    address_only = pl.col("image_sha256").is_null() & pl.col("image_url").is_not_null()
    with dataset.reading():
        frame = selection.frame(dataset).select(address_only.sum())
        count = int(frame.collect(engine="streaming").item() or 0)
    if not count:
        return None
    return (
        f"{dataset.path}: of {count} of {selection.size(dataset)} samples there is the address of "
        f"the image and no image; run vlsu data fetch {dataset.path}, or add --without-images "
        "(without_images=True) to ask only what needs none of these"
    )


def require_askable(
    dataset: Dataset,
    selection: Selection,
    modalities: Sequence[str],
    options: RunOptions,
    policy: Policy | None = None,
) -> None:
    """Refuse a run before anything is asked: images were not fetched, or samples are not valid.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        modalities: Those asked for; the text alone needs no image.
        options: The run's, with ``without_images`` where the user wants it so.
        policy: Whose severities the grades are; the dataset's own by default.

    Raises:
        DataError: Images have not been fetched, or as `require_valid_samples`.
    """
    if not options.without_images and (why := _unfetched(dataset, selection, modalities)):
        raise DataError(why)
    require_valid_samples(dataset, selection, policy)


def require_valid_samples(
    dataset: Dataset, selection: Selection, policy: Policy | None = None
) -> None:
    """Refuse samples that a run would stop at, once what comes before them was paid for.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        policy: Whose severities the grades are; the dataset's own by default.

    Raises:
        DataError: A sample has no id or that of another, or a grade is none of the policy.
    """
    policy = policy or dataset.policy
    none = "no severity"
    if len(policy.severities) < len(Severity):
        none += " of policy {policy}"
    grades = [f"{modality}_grade" for modality in MODALITIES]
    known = [severity.label for severity in policy.severities]
    id_ = pl.col("id")
    faults = {
        "a sample has no id": id_.is_null() | (id_ == ""),
        "two samples have the id {id}": id_.is_duplicated(),
        **{
            f"sample {{id}}: {grade} is {{{grade}}}, {none}": ~pl.col(grade).is_in(known)
            for grade in grades
        },
    }
    with dataset.reading():
        found = (
            selection.frame(dataset)
            .select(
                "id", *grades, *(fault.alias(f"{n}") for n, fault in enumerate(faults.values()))
            )
            .filter(pl.any_horizontal(pl.col(f"{n}").fill_null(False) for n in range(len(faults))))
            .head(1)
            .collect()
        )
    for row in found.iter_rows(named=True):
        what = next(what for n, what in enumerate(faults) if row[f"{n}"])
        shown = {name: one_line(repr(row[name])) for name in ("id", *grades)}
        shown["policy"] = one_line(policy.name)
        raise DataError(
            f"{dataset.path}: {what.format(**shown)}; see vlsu data check {dataset.path}"
        )


def _reasons(
    of: Mapping[str, Mapping[str, int]],
) -> list[tuple[str, int, list[str]]]:
    """Each reason with its number of samples and the modalities that are not asked for it."""
    found: dict[tuple[str, int], list[str]] = {}
    for modality, reasons in of.items():
        for why, count in reasons.items():
            found.setdefault((why, count), []).append(modality)
    return [(why, count, names) for (why, count), names in found.items()]


def _listed(modalities: Sequence[str]) -> str:
    names = {"image": "the image", "text": "the text", "joint": "the pair"}
    verb = "are" if len(modalities) > 1 else "is"
    return f"{' and '.join(names[name] for name in modalities)} {verb}"


def _lost(dataset: Dataset, selection: Selection) -> int:
    """Samples that name an image of which there is no file."""
    images, named = dataset.images, dataset.info.counts.get("images", 0)
    if selection.size(dataset) > LOOKED_FOR and images.count() >= named:
        return 0
    with dataset.reading():
        used = (
            selection.frame(dataset)
            .filter(pl.col("image_sha256").is_not_null())
            .group_by("image_sha256")
            .len()
            .collect(engine="streaming")
        )
    return sum(count for sha256, count in used.iter_rows() if sha256 not in images)
