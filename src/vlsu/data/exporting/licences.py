"""What a licence permits, as far as its name says, and how other formats spell it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson
import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.licences import restrictions

__all__ = ["Licence", "read_licence", "sample_licences"]

#: A member of a sample's metadata that states a licence, such as ``unsafe_image_license``.
_STATED = r'"[A-Za-z0-9_ -]*[Ll]icen[cs]e(?:_name)?":"(?:[^"\\]|\\.)*"'

#: How the parts of Creative Commons licences are written in names.
_CREATIVE_COMMONS = re.compile(
    r"(?:cc[-\s_])(?P<parts>by(?:[-\s_](?:nc|nd|sa))*)(?:[-\s_]v?(?P<version>[1-4]\.\d))?\Z",
    re.IGNORECASE,
)
_CC0 = re.compile(r"cc[-\s_]?0(?:[-\s_](?P<version>1\.0))?\Z", re.IGNORECASE)

#: Lower-case name -> SPDX identifier, of licences that datasets are published under.
_SPDX = {
    name.lower(): name
    for name in (
        *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0", "LGPL-3.0"),
        *("ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0"),
        *("Unlicense", "OpenRAIL"),
    )
}
#: Identifiers of the Hugging Face hub that are not the SPDX identifier in lower case.
_HUB = {"ODC-By-1.0": "odc-by", "ODbL-1.0": "odbl", "PDDL-1.0": "pddl"}


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence.

    Attributes:
        name: As the dataset states it.
        spdx: Its identifier on https://spdx.org/licenses, or `None` where the name is not one.
        non_commercial: Whether the name says that only non-commercial use is permitted.
        no_derivatives: Whether the name says that changed copies must not be passed on.
        no_redistribution: Whether the name says that nothing must be passed on.
    """

    name: str
    spdx: str | None
    non_commercial: bool
    no_derivatives: bool
    no_redistribution: bool

    @property
    def restrictions(self) -> tuple[str, ...]:
        """What it forbids, in words; empty if it forbids none of these."""
        found = (
            ("non-commercial", self.non_commercial),
            ("no derivatives", self.no_derivatives),
            ("no redistribution", self.no_redistribution),
        )
        return tuple(name for name, holds in found if holds)

    @property
    def url(self) -> str | None:
        """Where its text is, or `None` if the licence is not known."""
        if self.spdx is None:
            return None
        if self.spdx.startswith("CC-"):
            parts, version = self.spdx[3:].lower().rsplit("-", 1)
            return f"https://creativecommons.org/licenses/{parts}/{version}/"
        if self.spdx == "CC0-1.0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        return f"https://spdx.org/licenses/{self.spdx}"

    @property
    def hub(self) -> str:
        """Its identifier in the card of a dataset on the Hugging Face hub; else ``other``."""
        return "other" if self.spdx is None else _HUB.get(self.spdx, self.spdx.lower())


def read_licence(name: str) -> Licence:
    """The licence that a dataset's ``licence`` names.

    A text with several names, such as ``CC-BY-4.0 AND CC-BY-NC-4.0``, has the restrictions of all.
    A Creative Commons licence without a version has no SPDX identifier.
    """
    forbidden = restrictions(name)
    return Licence(
        name,
        _identifier(name.strip()),
        non_commercial="non-commercial" in forbidden,
        no_derivatives="no-derivatives" in forbidden,
        no_redistribution="no-redistribution" in forbidden,
    )


def _identifier(name: str) -> str | None:
    if _CC0.match(name):
        return "CC0-1.0"
    if found := _CREATIVE_COMMONS.match(name):
        version = found["version"]
        parts = re.sub(r"[\s_]", "-", found["parts"]).upper()
        return f"CC-{parts}-{version}" if version else None
    return _SPDX.get(name.lower())


def sample_licences(dataset: Dataset) -> dict[str, int]:
    """Licences that samples state in their metadata -> samples, the most frequent first.

    Raises:
        DataError: A file of samples is damaged.
    """
    members = pl.col("metadata").str.extract_all(_STATED).list.unique()
    with dataset.reading():
        found = (
            dataset.frame()
            .select(member=members)
            .explode("member")
            .drop_nulls()
            .group_by("member")
            .len("samples")
            .collect(engine="streaming")
        )
    counts: dict[str, int] = {}
    for member, samples in found.iter_rows():
        for name in orjson.loads(f"{{{member}}}").values():
            counts[name.strip()] = counts.get(name.strip(), 0) + samples
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
