"""``dataset:PATH`` where that is a dataset of this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from vlsu.build.sources.base import Candidate, SourceError
from vlsu.build.sources.fields import OF_DATASET, READING, Fields
from vlsu.build.sources.left_out import LeftOut
from vlsu.build.sources.settings import Where
from vlsu.data.datasets.dataset import load
from vlsu.data.sample import Sample
from vlsu.errors import DataError, UsageError

__all__ = ["VlsuSource"]

_ELSEWHERE = ("image", "images", "format")


class VlsuSource:
    """The images of a dataset, each once; what describes one is in the metadata of its samples.

    A candidate's `id` is the image's SHA-256. Of an image with several samples, the first that has
    a caption speaks. Where a dataset was built by this package, licence, author and attribution are
    taken from the provenance of its samples; else the dataset's licence holds.

    Args:
        spec: What the user wrote.
        where: The dataset, and names of entries of the metadata.

    Raises:
        UsageError: An option does not fit.
        DataError: The dataset cannot be opened.
    """

    def __init__(self, spec: str, where: Where) -> None:
        for option in _ELSEWHERE:
            if option in where.options:
                raise UsageError(
                    f"--source {spec}: {option} is for other datasets; this one is of vlsu"
                )
        self._spec = spec
        self._dataset = load(where.path)
        self._options = where.options
        self._fields = Fields(
            where.options, text_is_caption=False, licence=self._dataset.info.licence
        )
        self.left_out = LeftOut(spec)

    @property
    def spec(self) -> str:
        """What the user wrote."""
        return self._spec

    def identity(self) -> Mapping[str, object]:
        """The hash of the dataset's content, and the options."""
        return {
            "kind": "vlsu",
            "reading": READING,
            "content_hash": self._dataset.info.content_hash,
            "options": dict(sorted(self._options.items())),
        }

    def candidates(self) -> Iterator[Candidate]:
        """All images, in the order of their first samples with a caption, then those without.

        Raises:
            DataError: A file of samples is damaged.
        """
        self.left_out.clear()
        listed: set[bytes] = set()
        silent: dict[str, Candidate] = {}
        for sample in self._dataset.samples():
            sha256 = sample.image_sha256
            if sha256 is None:
                self.left_out.add("a sample without an image", sample.id)
                continue
            digest = bytes.fromhex(sha256)
            if digest in listed:
                continue
            candidate = self._candidate(sha256, sample)
            if candidate.caption:
                listed.add(digest)
                silent.pop(sha256, None)
                yield candidate
            else:
                silent.setdefault(sha256, candidate)
        yield from silent.values()
        self.left_out.warn()

    def read(self, candidate: Candidate) -> bytes:
        """The bytes of an image.

        Raises:
            SourceError: It is missing or cannot be read.
        """
        try:
            return self._dataset.read_image(candidate.id)
        except DataError as error:
            raise SourceError(f"{self._spec}: {error}", "cannot-be-read") from None

    def close(self) -> None:
        """Nothing is held open."""

    def _candidate(self, sha256: str, sample: Sample) -> Candidate:
        values: dict[str, object] = dict(sample.metadata)
        provenance = values.pop("provenance", None)
        image = provenance.get("image") if isinstance(provenance, dict) else None
        if isinstance(image, dict):
            names = ("caption", "licence", "author", "attribution", "page")
            values = {**values, **{name: image[name] for name in names if image.get(name)}}
        found = self._fields.read(values)
        # what else is said is of samples, and not of the image
        about: dict[str, object] = {OF_DATASET: True} if OF_DATASET in found.about else {}
        page = found.page or sample.image_url
        return replace(found, about=about).candidate(sha256, self._spec, page=page)
