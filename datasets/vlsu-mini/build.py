"""Build the bundled dataset from `samples.csv` and `images/`.

    python datasets/vlsu-mini/build.py [FOLDER]

The sources are checked first: one mistake and nothing is written. The same sources give the same
files, byte for byte, with the same version of polars.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.policy import Pattern, Severity

HERE = Path(__file__).parent
BUNDLED = HERE.parents[1] / "src" / "vlsu" / "bundled" / "vlsu-mini"
NAME = "vlsu-mini"
VERSION = "2.0.0"
LICENCE = "Texts, grades and rendered images: Apache-2.0. Other images: NOTICE.md"
CITATION = "The vlsu authors. vlsu-mini, the demonstration set of the vlsu toolkit"
SOURCE = "datasets/vlsu-mini in the vlsu repository"
DESCRIPTION = (
    "A small set of image-text pairs over all 17 patterns and 15 categories, for demonstration and "
    "tests. The grades are the authors' own, not a consensus of graders, and most images are "
    "drawings or rendered text: do not rank models by it."
)
MAX_TEXT = 300


class SourceError(ValueError):
    """A mistake in the sources; the message names the row."""


@dataclass(frozen=True, slots=True)
class Source:
    """One row of `samples.csv`; an absent category or mark is the empty string."""

    id: str
    text: str
    language: str
    image: str
    image_grade: str
    text_grade: str
    joint_grade: str
    image_category: str
    text_category: str
    joint_category: str
    group: str
    reason: str
    at_risk: str
    asks: str
    critical: str
    admissible: str

    @property
    def pattern(self) -> Pattern:
        """The pattern of the three grades."""
        return Pattern(
            Severity.parse(self.image_grade),
            Severity.parse(self.text_grade),
            Severity.parse(self.joint_grade),
        )

    def metadata(self, caption: str) -> dict[str, object]:
        """Reason and caption, and the marks that are set."""
        marks: dict[str, object] = {"reason": self.reason, "caption": caption}
        if self.at_risk:  # the writer may be in danger from themselves
            marks["at_risk"] = True
        if self.asks:  # nothing is asked for: a threat, a boast, despair
            marks["asks"] = False
        if self.critical:  # one of the policy's critical harms
            marks["critical"] = True
        if self.admissible:  # severities that a careful grader could give instead
            marks["admissible"] = self.admissible.split()
        return marks


def read_sources(file: Path = HERE / "samples.csv") -> list[Source]:
    """Read `samples.csv` as it is."""
    with file.open(encoding="utf-8", newline="") as rows:
        return [Source(**row) for row in csv.DictReader(rows)]


def check(sources: list[Source], images: Path = HERE / "images") -> None:
    """Check what must hold for every row and between rows.

    Raises:
        SourceError: At the first row that breaks a rule.
    """
    graded: dict[tuple[str, str], tuple[str, str]] = {}
    ids: set[str] = set()
    for row in sources:
        if row.id in ids:
            raise SourceError(f"{row.id}: the id occurs twice")
        ids.add(row.id)
        if not (images / row.image).is_file():
            raise SourceError(f"{row.id}: images/{row.image} is missing")
        if not row.pattern.listed:
            raise SourceError(f"{row.id}: {row.pattern} is not one of the 17 patterns")
        if not row.text or len(row.text) > MAX_TEXT or "\n" in row.text:
            raise SourceError(f"{row.id}: the text must be one line of 1 to {MAX_TEXT} characters")
        if not row.reason or "\n" in row.reason or not row.group or not row.language:
            raise SourceError(f"{row.id}: give a one-line reason, a group and a language")
        alone = {
            ("image", row.image): (row.image_grade, row.image_category),
            ("text", row.text): (row.text_grade, row.text_category),
        }
        for (modality, what), grade in alone.items():
            # Each modality is graded as if the other did not exist, so the grade follows it around.
            if graded.setdefault((modality, what), grade) != grade:
                raise SourceError(f"{row.id}: {modality} {what!r} has another grade elsewhere")
        for severity, category in (*alone.values(), (row.joint_grade, row.joint_category)):
            if (severity == "safe") != (category == ""):
                raise SourceError(f"{row.id}: a category goes with borderline and unsafe only")
        _check_marks(row)
    unused = {path.name for path in images.iterdir()} - {row.image for row in sources}
    if unused:
        raise SourceError(f"no sample uses {', '.join(sorted(unused))}; remove it")


def _check_marks(row: Source) -> None:
    for mark, value in (("at_risk", "true"), ("asks", "false"), ("critical", "true")):
        if getattr(row, mark) not in ("", value):
            raise SourceError(f"{row.id}: {mark} is {value} or empty")
    if row.at_risk and row.joint_category != "C4":
        raise SourceError(f"{row.id}: at_risk goes with C4")
    if row.critical and row.joint_grade != "unsafe":
        raise SourceError(f"{row.id}: critical goes with unsafe")
    others = row.admissible.split()
    if row.joint_grade in others or {*others} - {severity.label for severity in Severity}:
        raise SourceError(f"{row.id}: admissible names other severities than the grade")


def read_captions(file: Path = HERE / "images.csv") -> dict[str, str]:
    """Image -> what it shows and the words in it, for models that cannot see."""
    with file.open(encoding="utf-8", newline="") as rows:
        return {
            row["file"]: row["title"] + (f'. Words in it: "{row["words"]}"' if row["words"] else "")
            for row in csv.DictReader(rows)
        }


def samples(sources: list[Source], store: ImageStore) -> Iterator[Sample]:
    """Put each image into `store` and yield the samples that refer to it."""
    captions = read_captions()
    for row in sources:
        yield Sample(
            id=row.id,
            text=row.text,
            language=row.language,
            image_sha256=store.add(HERE / "images" / row.image),
            image_grade=Severity.parse(row.image_grade),
            text_grade=Severity.parse(row.text_grade),
            joint_grade=Severity.parse(row.joint_grade),
            image_category=row.image_category or None,
            text_category=row.text_category or None,
            joint_category=row.joint_category or None,
            group=row.group,
            metadata=row.metadata(captions[row.image]),
        )


def build(out: Path) -> Dataset:
    """Check the sources and write the dataset folder afresh."""
    sources = read_sources()
    check(sources)
    if (out / "dataset.yaml").exists():
        shutil.rmtree(out)  # else images that no sample uses any more would stay
    dataset = write_dataset(
        out,
        samples(sources, ImageStore(out)),
        name=NAME,
        version=VERSION,
        licence=LICENCE,
        citation=CITATION,
        source=SOURCE,
        description=DESCRIPTION,
    )
    shutil.copyfile(HERE / "NOTICE-images.md", out / "NOTICE.md")  # attribution travels with them
    return dataset


def main() -> None:
    """Build into the folder named on the command line, or into the package."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, nargs="?", default=BUNDLED, help="dataset folder")
    dataset = build(parser.parse_args().out)
    print(f"{dataset.path}: {dict(dataset.info.counts)}, {dataset.info.content_hash}")


if __name__ == "__main__":
    main()
