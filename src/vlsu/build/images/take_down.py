"""Taking images down: the image, all that was made of it, its bytes, and the way back to it.

Whoever is shown in an image, or has a right in it, can have it taken out of a build at any time.
The records stay, given up, so that the build still says what it has had, and so that the same
image, or one that looks like it, is not taken again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vlsu._text import quoted
from vlsu.build.folder.build import Build
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Decision, Record
from vlsu.build.images.offers import candidate_hash
from vlsu.build.images.searches import SEARCHES, Searches
from vlsu.errors import BuildError, UsageError

__all__ = ["TAKEN_DOWN", "TakenDown", "take_down"]

IMAGES = STAGES[1]
#: Reason of what was taken down.
TAKEN_DOWN = "taken down"


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What was taken down.

    Attributes:
        images: SHA-256 of the images.
        given_up: Stage -> records that were kept, or not decided, before and are given up now.
        files: Files that were deleted, copies in runs of the pre-grader among them.
    """

    images: tuple[str, ...]
    given_up: dict[str, int]
    files: int

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {"images": list(self.images), "given_up": self.given_up, "files": self.files}


def take_down(
    build: Build,
    *,
    sha256: Collection[str] = (),
    ids: Collection[str] = (),
    pages: Collection[str] = (),
) -> TakenDown:
    """Take images out of a build, for good. Stopped half-way, the same call ends it.

    Args:
        build: Its folder is locked by the caller.
        sha256: Of images, as stored or as their source has them.
        ids: Of images in their sources.
        pages: Addresses of pages, or of the images themselves.

    Raises:
        UsageError: Nothing is named, or one names no image of the build.
        BuildError: A file cannot be deleted.
    """
    wanted = {
        "--sha256": {each.strip().lower() for each in sha256},
        "--id": set(ids),
        "--page": set(pages),
    }
    if not any(wanted.values()):
        raise UsageError("name an image by --sha256, --id or --page")
    with build.store() as store:
        found = _found(store, wanted, build.folder)
        hashes = {record.provenance["sha256"] for record in found}
        # The same image may have been taken for several concepts.
        every = [each for each in _images(store) if each.provenance["sha256"] in hashes]
        before = _alive(store)
        store.decide(
            Decision(record.key, kept=False, reason=TAKEN_DOWN)
            for record in every
            if store.kept(record.key) is not False
        )
        after = _alive(store)
    Searches(build.index_folder / SEARCHES).forget(
        [
            candidate_hash(each.provenance["source"], each.provenance["id"])
            for each in every
            if "id" in each.provenance
        ]
    )
    files = sum(_delete(build, each) for each in hashes)
    lost = {stage: before[stage] - after[stage] for stage in STAGES}
    return TakenDown(
        tuple(sorted(hashes)), {stage: number for stage, number in lost.items() if number}, files
    )


def _images(store: Reader) -> list[Record]:
    """Every image that there is or was, without tries that found none."""
    return [
        record
        for kept in (True, None, False)
        for record in store.records(IMAGES, kept=kept)
        if record.provenance["sha256"]
    ]


def _found(store: Reader, wanted: dict[str, set[str]], folder: Path) -> list[Record]:
    found: dict[str, Record] = {}
    named: set[tuple[str, str]] = set()
    for record in _images(store):
        provenance = record.provenance
        says = {
            "--sha256": (provenance["sha256"], provenance.get("original")),
            "--id": (provenance.get("id"),),
            "--page": (provenance.get("page"), provenance.get("url")),
        }
        hits = {
            (option, value)
            for option, values in says.items()
            for value in values
            if value is not None and value in wanted[option]
        }
        if hits:
            found[record.key] = record
            named |= hits
    for option, values in wanted.items():
        for value in sorted(values):
            if (option, value) not in named:
                raise UsageError(f"{option} {quoted(value, 80)}: {folder} has no such image")
    return list(found.values())


def _alive(store: Reader) -> Counter[str]:
    return Counter(
        {stage: sum(each.kept is not False for each in store.states(stage)) for stage in STAGES}
    )


def _delete(build: Build, sha256: str) -> int:
    """Delete the files of an image, and unfinished ones of it; how many there were."""
    pattern = f"images/{sha256[:2]}/*{sha256}.*"
    files = {
        *build.folder.glob(pattern),
        *build.grades_folder.glob(f"**/{pattern}"),
    }
    for file in files:
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BuildError(f"{file}: cannot be deleted ({error.strerror})") from None
        with suppress(OSError):  # the folder has other images
            file.parent.rmdir()
    return len(files)
