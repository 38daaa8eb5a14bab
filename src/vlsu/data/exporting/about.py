"""What the documents beside an export say of it: figures, answers of the author, licence, files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from vlsu._version import __version__
from vlsu.data.datasets.dataset import Dataset, DatasetInfo
from vlsu.data.datasets.info import dataset_info
from vlsu.data.exporting.content import Content
from vlsu.data.exporting.sample_licences import sample_licences
from vlsu.data.licences import Licence, read_licence
from vlsu.policy import MODALITIES, Policy

__all__ = ["About", "File", "Layout", "describe", "file_facts"]


@dataclass(frozen=True, slots=True)
class File:
    """A file of an export.

    Attributes:
        name: Path below the folder of the documents, with ``/``.
        media_type: As Croissant names it.
    """

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the records of an export lie in its files.

    Attributes:
        format: Name of the format.
        files: The data files.
        fields: Name of a field -> column of the dataset that it holds.
        images: Where images are: in a column of the files, in members of them, in a folder beside
            them, or nowhere.
        extensions: Of the images' formats.
        pictures: Pattern of the files in a folder of images.
    """

    format: str
    files: tuple[File, ...]
    fields: Mapping[str, str]
    images: str = ""
    extensions: tuple[str, ...] = ()
    pictures: str = "images/*"


@dataclass(frozen=True, slots=True)
class About:
    """All that the documents say.

    Attributes:
        figures: As `vlsu.data.dataset_info` counts them.
        text_length: Characters of a text: least, median, greatest; `None` without texts.
        sample_licences: Licences that samples state in their metadata -> samples.
        right_stated: Whether the exporter stated the right to pass on restricted content.
        without_image: Rows of the export without an image.
        placed: Rows whose image says where it was taken.
        stripped: Rows from whose image metadata was removed.
        content_hash: Of what is exported.
    """

    info: DatasetInfo
    policy: Policy
    licence: Licence
    answers: Mapping[str, object]
    figures: Mapping[str, object]
    layout: Layout
    text_length: tuple[int, float, int] | None
    sample_licences: Mapping[str, int]
    right_stated: bool
    without_image: int
    placed: int
    stripped: int
    content_hash: str
    version: str = field(default=__version__)

    @property
    def samples(self) -> int:
        """Rows."""
        return self.info.counts["samples"]

    def counts(self, part: str) -> Mapping[str, int]:
        """Counts of a part of `figures`, such as ``"patterns"``."""
        found = self.figures[part]
        return found if isinstance(found, Mapping) else {}

    def by_modality(self, part: str) -> dict[str, Mapping[str, int]]:
        """Counts of a part of `figures` for each modality, such as ``"severities"``."""
        found = self.figures[part]
        if not isinstance(found, Mapping):
            return {}
        return {modality: found[modality] for modality in MODALITIES if modality in found}

    @property
    def languages(self) -> list[str]:
        """The languages that samples state, the most frequent first."""
        return [name for name in self.counts("languages") if name != "none"]

    @property
    def stripped_sentence(self) -> str:
        """What is said where metadata was removed from images; else empty."""
        if not self.stripped:
            return ""
        return (
            f"Metadata was removed from the images of {self.stripped:,} samples "
            f"(--strip-metadata); in the dataset it was made of, with the content hash "
            f"`{self.info.content_hash}`, they have it."
        )

    @property
    def right_sentence(self) -> str:
        """What is said where a restricted licence was overruled; else empty."""
        if not self.right_stated:
            return ""
        names = [self.licence, *map(read_licence, self.sample_licences)]
        restricted = [
            f"{each.name}: {', '.join(each.restrictions)}" for each in names if each.restrictions
        ]
        return (
            f"Licences restrict this content ({'; '.join(dict.fromkeys(restricted))}). Whoever "
            "made this export stated that they have the right to pass it on (--i-have-the-right)."
        )


def describe(
    dataset: Dataset, layout: Layout, content: Content, *, right_stated: bool = False
) -> About:
    """Compute what the documents say of an export whose content has been read, or has no images.

    Raises:
        DataError: A file of samples is damaged.
    """
    length = pl.col("text").str.len_chars()
    with dataset.reading():
        least, median, greatest = (
            dataset.frame()
            .select(low=length.min(), middle=length.median(), high=length.max())
            .collect(engine="streaming")
            .row(0)
        )
    return About(
        info=dataset.info,
        policy=dataset.policy,
        licence=read_licence(dataset.info.licence),
        answers=dataset.info.datasheet,
        figures=dataset_info(dataset),
        layout=layout,
        text_length=None if least is None else (least, median, greatest),
        sample_licences=sample_licences(dataset),
        right_stated=right_stated,
        # All, where the format carries none.
        without_image=content.without_image if content.samples else len(dataset),
        placed=content.placed,
        stripped=content.stripped,
        content_hash=content.content_hash if content.stripped else dataset.info.content_hash,
    )


def file_facts(paths: Sequence[Path], folder: Path, media_type: str) -> tuple[File, ...]:
    """Size and checksum of each file.

    Raises:
        OSError: One cannot be read.
    """
    facts = []
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(folder).as_posix()
        facts.append(File(name, media_type, path.stat().st_size, digest))
    return tuple(facts)
