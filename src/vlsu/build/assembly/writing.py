"""Writing what was assembled: the parts of a release, each a dataset that is checked."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import realpath
from pathlib import Path

from vlsu._folders import is_dataset
from vlsu._text import one_line
from vlsu.build.assembly.account import Account, answers
from vlsu.build.assembly.audited import Audited, audited
from vlsu.build.assembly.documents import TERMS, write_documents
from vlsu.build.assembly.grades import Grades
from vlsu.build.assembly.items import Item
from vlsu.build.assembly.tiers import CRITICAL
from vlsu.build.folder.build import Build
from vlsu.data.checks.full import FullCheck, full_check
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.images.store import ImageStore
from vlsu.data.sample import Sample
from vlsu.errors import BuildError, UsageError

__all__ = [
    "RELEASES",
    "Context",
    "Options",
    "Part",
    "dataset_name",
    "divided",
    "require_free",
    "write_part",
]

#: How a benchmark is given out: all of it gated, or the critical tier in a gated part of its own.
RELEASES = ("gated", "open")
#: Added to the name of the folder of the gated part.
GATED = "-gated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is assembled.

    Attributes:
        grades: What ``vlsu annotate export`` wrote, or a table; `None` before people have graded.
        proof: The same of the samples of the escalation proof.
        shares: Part -> share of a split; none if empty.
        balance: No more of a cell than is wanted.
        faces: One of `vlsu.build.assembly.shown.FACES`.
        consents: Images whose people consented, by SHA-256, page or identifier.
        release: One of `RELEASES`.
        name: Of the dataset; that of its folder if empty.
        version: Of the dataset.
        licence: Of texts and grades; each image has its own.
        citation: How to cite it.
        overwrite: Replace a dataset that is there.
    """

    grades: Path | None = None
    proof: Path | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    balance: bool = False
    faces: str = "blur"
    consents: frozenset[str] = frozenset()
    release: str = "gated"
    name: str = ""
    version: str = "1.0.0"
    licence: str = ""
    citation: str = ""
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A dataset that was written.

    Attributes:
        dataset: It.
        gated: Whether it is for those only who agreed to its terms.
        check: What ``vlsu data check`` finds.
        audits: What the audits find.
        findings: Of both what is worth naming, a sentence each.
    """

    dataset: Dataset
    gated: bool
    check: FullCheck
    audits: Audited
    findings: Sequence[str]

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "out": str(self.dataset.path),
            "samples": len(self.dataset),
            "images": self.dataset.info.counts["images"],
            "gated": self.gated,
            "content_hash": self.dataset.info.content_hash,
            "check": {"ok": self.check.ok, "findings": list(self.findings)},
            "audits": self.audits.as_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all parts are written with.

    Attributes:
        build: What is assembled.
        account: How it was made.
        options: As they were given.
        canary: The line that carries it.
        images: Where pictures are copied from.
        left_out: Reason -> samples that are not assembled.
        faces: What was done about faces, in sentences.
        grades: Of people.
        selected: What these say of the pre-grader's selection, in sentences.
    """

    build: Build
    account: Account
    options: Options
    canary: str
    images: tuple[ImageStore, ...]
    left_out: Mapping[str, int]
    faces: Sequence[str]
    grades: Grades | None
    selected: Sequence[str] = ()


def write_part(context: Context, folder: Path, items: Sequence[Item], *, gated: bool) -> Part:
    """Write a part, check it, and write it again with what the check found in its datasheet.

    Raises:
        VlsuError: It cannot be written.
    """
    dataset = _dataset(context, folder, items, (), gated=gated, replacing=False)
    _remove_unused(dataset, items)
    check = full_check(dataset)
    audits = audited(dataset, context.build.settings.seed)
    findings = [
        *(f"vlsu data check: {each}" for each in (*_file_findings(check), *check.notes())),
        *audits.findings(),
    ]
    if findings:
        dataset = _dataset(context, folder, items, findings, gated=gated, replacing=True)
    try:
        write_documents(
            context.build,
            dataset,
            items,
            context.account,
            canary=context.canary,
            gated=gated,
            graded=context.grades is not None,
            findings=findings,
        )
    except OSError as error:
        raise BuildError(f"{folder}: cannot be written ({error.strerror})") from None
    return Part(dataset, gated, check, audits, findings)


def _dataset(
    context: Context,
    folder: Path,
    items: Sequence[Item],
    findings: Sequence[str],
    *,
    gated: bool,
    replacing: bool,
) -> Dataset:
    build, options, grades = context.build, context.options, context.grades
    name = dataset_name(folder, options)
    if options.name and gated and options.release == "open":
        name = f"{name}{GATED}"
    what = "graded by people" if grades is not None else "to be graded by people"
    source = f"vlsu build {one_line(build.folder.name)}"
    if grades is not None:
        source += f", grades of {one_line(grades.source.name)}"
    return write_dataset(
        folder,
        (_sample(item, name, context.canary) for item in items),
        name=name,
        version=options.version if grades is not None else f"{options.version}-ungraded",
        licence=_licence(options.licence, context.account),
        citation=options.citation,
        source=source,
        policy=(grades.policy if grades is not None else None) or build.policy,
        images=context.images,
        description=f"{len(items)} samples built with vlsu build, {what}. {context.canary}",
        overwrite=replacing or options.overwrite,
        datasheet=answers(
            build,
            context.account,
            left_out=context.left_out,
            faces=context.faces,
            findings=findings,
            selected=context.selected,
            terms=f"{TERMS} {context.canary}",
            former={} if grades is None else grades.answers,
        ),
    )


def _sample(item: Item, name: str, canary: str) -> Sample:
    build: dict[str, object] = {
        "name": name,
        "target": {"pattern": str(item.cell.pattern), "category": item.cell.category},
        "canary": canary,
        "selection": dict(item.selection),
        **({} if item.pair_of is None else {"pair_of": item.pair_of}),
        **item.notes,
    }
    return Sample(
        id=item.id,
        text=item.text,
        language=item.cell.language,
        image_sha256=item.shown,
        # whoever fetched it again would get the faces
        image_url=item.url if item.shown == item.image else None,
        image_grade=item.grades.get("image"),
        text_grade=item.grades.get("text"),
        joint_grade=item.grades.get("joint"),
        image_category=item.categories.get("image"),
        text_category=item.categories.get("text"),
        joint_category=item.categories.get("joint"),
        group=item.group,
        metadata={**item.metadata, "provenance": item.provenance, "build": build},
    )


def divided(
    out: Path, items: Sequence[Item], options: Options
) -> list[tuple[Path, Sequence[Item], bool]]:
    """Folder, items and whether it is gated, of each part; a group is in one part.

    Raises:
        UsageError: The open part would be empty.
    """
    if options.release == "gated":
        return [(out, items, True)]
    critical = [item for item in items if item.notes["tier"] == CRITICAL]
    groups = {item.group for item in critical if item.group is not None}
    images = {item.image for item in critical}
    gated = [
        item
        for item in items
        if item.notes["tier"] == CRITICAL or item.group in groups or item.image in images
    ]
    kept_back = {item.id for item in gated}
    rest = [item for item in items if item.id not in kept_back]
    if not rest:
        raise UsageError(
            "--release open: all samples are of the critical tier, or in a group with one; give "
            "--release gated"
        )
    parts: list[tuple[Path, Sequence[Item], bool]] = [(out, rest, False)]
    if gated:
        parts.append((_gated_folder(out), gated, True))
    return parts


def _remove_unused(dataset: Dataset, items: Sequence[Item]) -> None:
    """Delete pictures of a former dataset in the folder that no sample uses any more."""
    used = {item.shown for item in items}
    for path in list(dataset.images.files()):
        if path.stem not in used:
            with contextlib.suppress(OSError):
                path.unlink()


def _file_findings(check: FullCheck) -> list[str]:
    return [f"{kind.value}: {number}" for kind, number in check.files.counts.items()]


def require_free(out: Path, options: Options) -> None:
    """Refuse before the work what would be refused after it.

    Raises:
        UsageError: A dataset is there, and is not to be replaced; or it holds the grades.
    """
    for folder in (out, _gated_folder(out))[: 1 + (options.release == "open")]:
        for given in (options.grades, options.proof):
            if given is not None and realpath(given) == realpath(folder):
                raise UsageError(f"{folder}: holds the grades that are given; choose another --out")
        if folder.exists() and not options.overwrite and is_dataset(folder):
            raise UsageError(
                f"{folder}: holds a dataset already; give another folder, or --overwrite"
            )


def _gated_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}{GATED}")


def dataset_name(folder: Path, options: Options) -> str:
    """The name of a dataset: as it was given, else that of its folder."""
    return options.name or one_line(folder.absolute().name)


def _licence(given: str, account: Account) -> str:
    licences = ", ".join(sorted(account.licences))
    return f"Texts and grades: {given or 'not stated'}. Images, each its own: {licences}"
