"""Everything that ``vlsu data check`` looks at, in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from vlsu._text import one_line
from vlsu.data.checks.alike import conflicts, duplicates, leaks_between_splits, leaks_into
from vlsu.data.checks.cells import declared_languages, patterns
from vlsu.data.checks.looks import Looks
from vlsu.data.checks.rows import MAX_IDS, TextFacts, joined_rows
from vlsu.data.datasets.check import CheckReport, check_dataset
from vlsu.data.datasets.dataset import Dataset, load
from vlsu.data.progress import Progress

__all__ = ["FullCheck", "full_check"]


#: Characters of an identifier or a label that are shown.
_MAX_STRING = 200


@dataclass(frozen=True, slots=True)
class FullCheck:
    """The result of `full_check`: what is wrong, and what is worth knowing.

    Attributes:
        files: Files and labels that are wrong; see `vlsu.data.check_dataset`.
        texts: Samples with a text.
        duplicates: See `vlsu.data.checks.alike.duplicates`.
        conflicts: See `vlsu.data.checks.alike.conflicts`.
        conflict_count: How many there are.
        patterns: See `vlsu.data.checks.cells.patterns`.
        leakage: What splits have in common, and what is in the other datasets as well.
        languages: ``declared`` (language -> samples), ``scripts`` (script -> samples),
            ``mismatched`` (``samples`` whose text is in another script than its language is
            written in, and the first ``ids``).
        personal: Kind -> ``samples`` and the first ``ids``. ``image_location``: samples whose image
            states where it was taken.
        text_only: How well the joint grade is told from one modality; `None` where nobody looked.
            Found by classifiers, which this floor has none of: whoever has sets it.
        shortcuts: What else tells the joint grade; likewise.
    """

    files: CheckReport
    texts: int
    duplicates: Mapping[str, Any]
    conflicts: Sequence[Mapping[str, Any]]
    conflict_count: int
    patterns: Mapping[str, Any]
    leakage: Sequence[Mapping[str, Any]]
    languages: Mapping[str, Any]
    personal: Mapping[str, Any]
    text_only: Mapping[str, Any] | None = None
    shortcuts: Mapping[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether no file or label is wrong, no labels conflict and nothing leaks."""
        return self.files.ok and not self.conflict_count and not self.leakage

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, ready for JSON."""
        found: dict[str, object] = {
            "texts": self.texts,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "conflict_count": self.conflict_count,
            "patterns": self.patterns,
            "leakage": self.leakage,
            "text_only": self.text_only,
            "shortcuts": self.shortcuts,
            "languages": self.languages,
            "personal": self.personal,
        }
        # Identifiers and labels are a file's: of thousands of characters the first are enough.
        shown = {key: _cut(value) for key, value in found.items()}
        return {**self.files.to_dict(), "ok": self.ok, **shown}

    def notes(self) -> list[str]:
        """What is worth knowing, a sentence each; no text of a sample and nothing personal."""
        notes = [*_duplicate_notes(self.duplicates["counts"])]
        if self.conflicts:
            notes.append(_conflict_note(self.conflicts[0], self.conflict_count))
        notes += [_leak_note(leak) for leak in self.leakage]
        if unlisted := self.patterns["unlisted"]:
            named = ", ".join(f"{one_line(name, 20)} ({n})" for name, n in unlisted.items())
            notes.append(f"patterns: outside the {len(self.patterns['counts'])}: {named}")
        if small := self.patterns["small"]:
            named = ", ".join(f"{one_line(name, 40)} ({n})" for name, n in list(small.items())[:5])
            more = ", …" * (len(small) > 5)
            notes.append(
                f"cells: {len(small)} of fewer than {self.patterns['enough']} samples, too few to "
                f"conclude from: {named}{more}"
            )
        if mismatches := self.languages["mismatched"]["samples"]:
            first = one_line(self.languages["mismatched"]["ids"][0], 80)
            notes.append(
                f"languages: {_samples(mismatches)} not in the script of the stated language, "
                f"first {first}"
            )
        held = {k: v for k, v in self.personal.items() if v["samples"]}
        if held:
            named = ", ".join(
                f"{kind.replace('_', ' ')} ({of['samples']}, first {one_line(of['ids'][0], 80)})"
                for kind, of in held.items()
            )
            notes.append(f"personal data: {named}")
        return notes


def _cut(value: object) -> object:
    """The same with every string on one line of at most `_MAX_STRING` characters."""
    if isinstance(value, str):
        return one_line(value, _MAX_STRING)
    if isinstance(value, Mapping):
        return {_cut(key): _cut(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(each) for each in value]
    return value


def _samples(n: int) -> str:
    return f"{n:,} sample{'' if n == 1 else 's'}"


def _duplicate_notes(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    notes = []
    for name, of in counts.items():
        parts = [
            f"{of[kind]:,} {what}"
            for kind, what in (
                ("near", "nearly the same"),
                ("equal", "the same but for file or spelling"),
                ("identical", "used by several samples"),
            )
            if of.get(kind)
        ]
        if parts:
            notes.append(f"{name} in groups: {', '.join(parts)}")
    return notes


def _conflict_note(first: Mapping[str, Any], count: int) -> str:
    grades = ", ".join(f"{one_line(grade, 20)} {n}" for grade, n in first["grades"].items())
    ids = ", ".join(one_line(id_, 60) for id_ in first["ids"][:2])
    return (
        f"conflicts: {count:,} with different grades of the same content, first "
        f"{first['modality']} ({grades}) of {ids}"
    )


def _leak_note(leak: Mapping[str, Any]) -> str:
    where = (
        f"in {one_line(leak['into'], 80)} too"
        if "into" in leak
        else " and ".join(f"split {one_line(name, 40)}" for name in leak["between"])
    )
    kind = "nearly the same" if leak["kind"] == "near" else "the same"
    return f"leakage: {_samples(leak['samples'])} of {kind} {leak['by']}: {where}"


def full_check(
    dataset: Dataset | str | Path,
    *,
    against: Sequence[Dataset] = (),
    progress: Progress | None = None,
) -> FullCheck:
    """Check files, labels and content of a dataset.

    A perceptual hash, a text signature and some keys are kept of each sample, a few hundred bytes
    in all; images and texts are not.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        against: Others that should hold nothing of it; their images are decoded too.
        progress: Called with the number of checked images and their total, of each dataset.

    Raises:
        DataError: There is no dataset, or a file of samples is damaged.
    """
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    looks = Looks()
    files = check_dataset(dataset, progress=progress, look=looks.add)
    placed = frozenset(looks.placed)
    for other in against:
        with other.reading():
            looks.add_all(other, progress)
    with dataset.reading():
        rows, facts = joined_rows([dataset, *against], looks)
        own = rows.filter(pl.col("source") == 0)
        names = [one_line(f"{other.info.name} {other.info.version}", 200) for other in against]
        conflicting, conflict_count = conflicts(own)
        return FullCheck(
            files=files,
            texts=facts.texts,
            duplicates=duplicates(own),
            conflicts=conflicting,
            conflict_count=conflict_count,
            patterns=patterns(dataset),
            leakage=[*leaks_between_splits(own), *leaks_into(rows, names)],
            languages={
                "declared": declared_languages(dataset),
                "scripts": dict(sorted(facts.scripts.items(), key=lambda item: -item[1])),
                "mismatched": {"samples": facts.mismatches, "ids": facts.mismatched},
            },
            personal=_personal(facts, own, placed),
        )


def _personal(facts: TextFacts, rows: pl.DataFrame, placed: frozenset[str]) -> dict[str, Any]:
    of_images = rows.filter(pl.col("image").is_in(list(placed)))
    return {
        **{
            kind: {"samples": n, "ids": facts.personal_ids[kind]}
            for kind, n in facts.personal.items()
        },
        "image_location": {
            "samples": of_images.height,
            "ids": of_images["id"].head(MAX_IDS).to_list(),
        },
    }
