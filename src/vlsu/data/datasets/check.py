"""Checking a dataset for problems with its images and labels, robust against hostile files."""

from __future__ import annotations

import enum
import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from vlsu._arguments import require_function
from vlsu._cores import cores
from vlsu._text import one_line, quoted
from vlsu.data.datasets.dataset import Dataset, load
from vlsu.data.images.pixels import Picture, decode_picture
from vlsu.data.images.probe import MAX_BYTES, MAX_PIXELS, ImageError, ImageFacts, decode, probe
from vlsu.data.images.store import ImageStore
from vlsu.data.marks import unread_marks
from vlsu.data.progress import Progress
from vlsu.data.rows import canonical_frame
from vlsu.data.sample import IMAGE_FAULT, is_sha256
from vlsu.errors import DataError
from vlsu.policy import MODALITIES

__all__ = ["CheckReport", "Finding", "FindingKind", "Look", "check_dataset"]

#: Maximum findings listed per kind; all are counted.
MAX_LISTED = 1000


class FindingKind(enum.StrEnum):
    """Kinds of problems."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    ZERO_BYTE = "zero-byte"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    BOMB = "decompression-bomb"
    ANIMATED = "animated"
    WRONG_EXTENSION = "wrong-extension"
    HASH_MISMATCH = "hash-mismatch"
    ORPHAN = "orphan"
    DUPLICATE_ID = "duplicate-id"
    UNKNOWN_GRADE = "unknown-grade"
    UNKNOWN_CATEGORY = "unknown-category"
    UNKNOWN_MARK = "unknown-mark"
    CONTENT_CHANGED = "content-changed"
    POLICY_CHANGED = "policy-changed"
    EMPTY_SAMPLE = "empty-sample"


_FIXES = {
    FindingKind.MISSING: "fetch it with vlsu data fetch, if it has an address; else import again "
    "with the image in the folder of --images",
    FindingKind.UNREADABLE: "replace the image and import again",
    FindingKind.ZERO_BYTE: "replace the image and import again",
    FindingKind.TRUNCATED: "replace the image and import again",
    FindingKind.OVERSIZED: f"above {MAX_BYTES // 2**20} MiB or {MAX_PIXELS // 10**6} megapixels "
    "most providers refuse it: scale it down before importing",
    FindingKind.BOMB: "remove the image; never open it",
    FindingKind.ANIMATED: "models see the first frame at most: keep the frame that was graded",
    FindingKind.WRONG_EXTENSION: "rename the file to its real format",
    FindingKind.HASH_MISMATCH: "the bytes are not those that were imported: import again",
    FindingKind.ORPHAN: "no sample uses the file: it may be deleted",
    FindingKind.DUPLICATE_ID: "make the ids unique and import again",
    FindingKind.UNKNOWN_GRADE: "use the grades of the policy: safe, borderline or unsafe",
    FindingKind.UNKNOWN_CATEGORY: "use a category of the policy, or a policy that has it",
    FindingKind.UNKNOWN_MARK: "it counts as not given: use true or false, of admissible the "
    "severities; if the column is about something else, rename it",
    FindingKind.CONTENT_CHANGED: "the samples are not those that were written: import again",
    FindingKind.POLICY_CHANGED: "put the policy the samples were graded by beside them",
    FindingKind.EMPTY_SAMPLE: "a sample needs a text or an image",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    Attributes:
        samples: Number of affected samples.
        sample: The first of them; `None` if none.
        file: Path below the dataset folder, with ``/``; empty if it is not about a file.
        detail: What was found.
        fix: How to fix it.
    """

    kind: FindingKind
    samples: int
    sample: str | None
    file: str
    detail: str
    fix: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of `check_dataset`.

    Attributes:
        images: Image files checked.
        counts: Kind -> findings, without kinds that have none.
        touched: Kind -> affected samples.
        findings: The first `MAX_LISTED` of each kind.
    """

    samples: int
    images: int
    counts: Mapping[FindingKind, int]
    touched: Mapping[FindingKind, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self.counts

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, ready for JSON."""
        return {
            "ok": self.ok,
            "samples": self.samples,
            "images": self.images,
            "counts": {kind.value: n for kind, n in self.counts.items()},
            "samples_touched": {kind.value: n for kind, n in self.touched.items()},
            "findings": [
                {"mend" if name == "fix" else name: value for name, value in asdict(each).items()}
                for each in self.findings
            ],
        }


#: Given each image that is decoded: its SHA-256, its bytes and its picture. In several threads.
Look = Callable[[str, bytes, Picture], None]


def check_dataset(
    dataset: Dataset | str | Path,
    *,
    progress: Progress | None = None,
    look: Look | None = None,
) -> CheckReport:
    """Check every sample and decode every image of a dataset.

    An image is decoded only if it has at most `MAX_PIXELS` pixels, so a decompression bomb
    allocates no memory; whatever a decoder raises becomes a finding.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        progress: Called with the number of checked images and their total.
        look: Called with each image that could be decoded.

    Raises:
        DataError: There is no dataset, or a file of samples is damaged.
    """
    require_function("progress", progress)
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    with dataset.reading():
        return _checked(dataset, progress, look)


def _checked(dataset: Dataset, progress: Progress | None, look: Look | None) -> CheckReport:
    users = _image_users(dataset)
    on_disk = {path.stem: path for path in dataset.images.files() if _is_placed(dataset, path)}
    counts: Counter[FindingKind] = Counter()
    touched: Counter[FindingKind] = Counter()
    findings: list[Finding] = []
    looked_at = [(sha256, path) for sha256, path in sorted(on_disk.items()) if sha256 in users]
    sources = (
        _label_findings(dataset),
        _absence_findings(dataset, users, on_disk),
        _image_findings(dataset, users, looked_at, progress, look),
        _orphan_findings(dataset, users, on_disk),
    )
    for source in sources:
        for finding in source:
            if counts[finding.kind] < MAX_LISTED:
                findings.append(finding)
            counts[finding.kind] += 1
            touched[finding.kind] += finding.samples
    return CheckReport(
        samples=len(dataset),
        images=len(looked_at),
        counts={kind: counts[kind] for kind in FindingKind if counts[kind]},
        touched={kind: touched[kind] for kind in FindingKind if counts[kind]},
        findings=tuple(findings),
    )


def _finding(
    kind: FindingKind, detail: str, *, samples: int = 0, sample: str | None = None, file: str = ""
) -> Finding:
    shown = None if sample is None else one_line(sample, 200)
    return Finding(kind, samples, shown, one_line(file, 200), one_line(detail, 120), _FIXES[kind])


def _image_users(dataset: Dataset) -> dict[str, tuple[int, str]]:
    """Hash of an image -> number of samples that use it, and the first of them."""
    used = (
        dataset.frame()
        .filter(pl.col("image_sha256").is_not_null())
        .group_by("image_sha256", maintain_order=True)
        .agg(pl.len(), pl.col("id").first())
        .collect()
    )
    return {sha256: (count, sample) for sha256, count, sample in used.iter_rows()}


def _is_placed(dataset: Dataset, path: Path) -> bool:
    """Whether a file is at the place where the store expects it."""
    return is_sha256(path.stem) and dataset.image_path(path.stem) == path


def _label_findings(dataset: Dataset) -> Iterator[Finding]:
    frame = dataset.frame()
    repeated = frame.group_by("id").len("n").filter(pl.col("n") > 1).sort("id").collect()
    for id_, count in repeated.iter_rows():
        detail = f"{count} samples have the id"
        yield _finding(FindingKind.DUPLICATE_ID, detail, samples=count, sample=id_)
    grades = [severity.label for severity in dataset.policy.severities]
    categories = list(dataset.policy.category_ids)
    for modality in MODALITIES:
        for column, known, kind in (
            (f"{modality}_grade", grades, FindingKind.UNKNOWN_GRADE),
            (f"{modality}_category", categories, FindingKind.UNKNOWN_CATEGORY),
        ):
            odd = frame.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(known))
            named = odd.group_by(column).agg(pl.len(), pl.col("id").first()).sort(column).collect()
            for value, count, sample in named.iter_rows():
                detail = f"{column} {quoted(value)}"
                yield _finding(kind, detail, samples=count, sample=sample)
    for name, value, _, count, sample in unread_marks(frame):
        detail = f"{name} {value}"
        yield _finding(FindingKind.UNKNOWN_MARK, detail, samples=count, sample=sample)
    empty = frame.filter(
        pl.col("text").is_null() & pl.col("image_sha256").is_null() & pl.col("image_url").is_null()
    )
    for (sample,) in empty.select("id").collect().iter_rows():
        detail = "neither text nor image"
        yield _finding(FindingKind.EMPTY_SAMPLE, detail, samples=1, sample=sample)
    content = hashlib.sha256()
    for part in dataset.frames():
        content.update(canonical_frame(part))
    if f"sha256:{content.hexdigest()}" != dataset.info.content_hash:
        detail = "the content hash is not what dataset.yaml says"
        yield _finding(FindingKind.CONTENT_CHANGED, detail, samples=len(dataset))
    if dataset.policy.hash != dataset.info.policy.hash:
        graded = f"{dataset.info.policy.name} {dataset.info.policy.version}"
        detail = f"graded by {graded}, read with {dataset.policy.name} {dataset.policy.version}"
        yield _finding(FindingKind.POLICY_CHANGED, detail, samples=len(dataset))


def _absence_findings(
    dataset: Dataset, users: Mapping[str, tuple[int, str]], on_disk: Mapping[str, Path]
) -> Iterator[Finding]:
    for sha256, (count, sample) in users.items():
        if sha256 not in on_disk:
            detail = f"no file for image {sha256[:12]}"
            yield _finding(FindingKind.MISSING, detail, samples=count, sample=sample)
    imageless = dataset.frame().filter(pl.col("image_sha256").is_null())
    fault = pl.col("metadata").str.json_path_match(f"$.{IMAGE_FAULT}")
    rows = imageless.select("id", "image_url", fault.alias("fault")).filter(
        pl.col("image_url").is_not_null() | pl.col("fault").is_not_null()
    )
    for id_, _, fault_text in rows.collect().iter_rows():
        if fault_text is None:
            detail = "not fetched; it has a URL"
            yield _finding(FindingKind.MISSING, detail, samples=1, sample=id_)
            continue
        name, _, file = fault_text[:1000].partition(": ")
        kind = FindingKind(name) if name in set(FindingKind) else FindingKind.UNREADABLE
        yield _finding(kind, f"not taken when imported: {file}", samples=1, sample=id_)


def _image_findings(
    dataset: Dataset,
    users: Mapping[str, tuple[int, str]],
    images: list[tuple[str, Path]],
    progress: Progress | None,
    look: Look | None,
) -> Iterator[Finding]:
    workers = min(8, cores())
    # Once for all threads: warning filters belong to the process.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")
        pending = iter(images)
        # A sliding window of futures, so that a million images are not queued at once.
        window = [
            pool.submit(_check_image, dataset.images, *item, look)
            for item in islice(pending, workers * 8)
        ]
        done = 0
        while window:
            sha256, path = images[done]
            faults = _result(window.pop(0))
            window.extend(
                pool.submit(_check_image, dataset.images, *item, look)
                for item in islice(pending, 1)
            )
            done += 1
            if progress is not None:
                progress(done, len(images))
            count, sample = users[sha256]
            file = path.relative_to(dataset.path).as_posix()
            for kind, detail in faults:
                yield _finding(kind, detail, samples=count, sample=sample, file=file)


def _result(future: Future[list[tuple[FindingKind, str]]]) -> list[tuple[FindingKind, str]]:
    try:
        return future.result()
    except MemoryError:
        return [(FindingKind.BOMB, "no memory to decode it")]


def _check_image(
    store: ImageStore, sha256: str, path: Path, look: Look | None
) -> list[tuple[FindingKind, str]]:
    """The problems of one image file."""
    try:
        data = store.read(sha256)
    except ImageError as error:
        return [(FindingKind(error.fault), error.detail)]
    except DataError as error:
        detail = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.parent}: ")
        return [(FindingKind.UNREADABLE, detail)]
    found: list[tuple[FindingKind, str]] = []
    if len(data) > MAX_BYTES:
        found.append((FindingKind.OVERSIZED, f"{len(data) / 2**20:.1f} MiB"))
    if hashlib.sha256(data).hexdigest() != sha256:
        found.append((FindingKind.HASH_MISMATCH, "the content is not what the name says"))
    try:
        facts: ImageFacts | None = _decoded(sha256, data, look)
    except ImageError as error:
        facts = None
        found.append((FindingKind(error.fault), error.detail))
    if facts is not None and facts.animated:
        found.append((FindingKind.ANIMATED, "several frames or pages"))
    if facts is not None and path.suffix != f".{facts.extension}":
        found.append((FindingKind.WRONG_EXTENSION, f"the format is {facts.extension}"))
    return found


def _decoded(sha256: str, data: bytes, look: Look | None) -> ImageFacts:
    if look is None or (facts := probe(data)).pixels > MAX_PIXELS:
        return decode(data)
    picture = decode_picture(data)
    look(sha256, data, picture)
    return facts


def _orphan_findings(
    dataset: Dataset, users: Mapping[str, tuple[int, str]], on_disk: Mapping[str, Path]
) -> Iterator[Finding]:
    for path in dataset.images.files():
        if path.stem not in users or on_disk.get(path.stem) != path:
            file = path.relative_to(dataset.path).as_posix()
            yield _finding(FindingKind.ORPHAN, "used by no sample", file=file)
