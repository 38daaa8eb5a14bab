"""Lists of hashes of images that must never be stored, and the hook for other such lists.

Organisations share hashes of known images of abuse, never the images. A list is asked about every
image that is read, before anything else is made of it; a match is refused for good, whatever the
build is for, and no bytes, words or address of it are kept. The lists themselves are for those who
may have them, and none comes with this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vlsu._files import open_text
from vlsu._text import quoted
from vlsu.build.images.looks import Look, Looks, from_hex, to_hex
from vlsu.data.checks.pdq import MIN_QUALITY, pdq
from vlsu.errors import UsageError
from vlsu.registry import Registry, did_you_mean

if TYPE_CHECKING:
    from PIL import Image as Images

__all__ = [
    "HASH_LISTS",
    "HashList",
    "PdqList",
    "hashes_of",
    "open_hash_list",
    "open_pdq_list",
    "read_hashes",
]


class HashList(Protocol):
    """A list of images that must never be stored.

    Attributes:
        name: By which it is known in records; no path.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def match(self, image: bytes, hashes: Sequence[str]) -> str | None:
        """The label of what an image matches; ``""`` if that has none, `None` without a match.

        Args:
            image: The file as its source has it, known to decode.
            hashes: PDQ hashes of the picture as it is, turned and mirrored, each 64 hexadecimal
                digits; none of a picture with too little in it.
        """
        ...


#: Kinds of lists; others add theirs by the entry-point group ``vlsu.hash_lists``, each a function
#: of what follows ``name:``.
HASH_LISTS: Registry[Callable[[str], HashList]] = Registry(
    "hash_list",
    {
        "pdq": "vlsu.build.images.hash_lists:open_pdq_list",
        "threatexchange": "vlsu.build.images.threatexchange:open_threatexchange",
    },
)


def open_hash_list(spec: str) -> HashList:
    """The list that ``name:where`` names; a file alone is one of PDQ hashes.

    Raises:
        UsageError: There is no such kind of list, or it cannot be read.
    """
    name, colon, where = spec.partition(":")
    if not colon or (name not in HASH_LISTS.names() and Path(spec).exists()):
        name, where = "pdq", spec
    if not where.strip():
        raise UsageError(f"--hash-list {quoted(spec, 80)}: names no file; write pdq:FILE")
    if name not in HASH_LISTS.names():
        hint = did_you_mean(name, HASH_LISTS.names())
        raise UsageError(f"--hash-list: unknown kind of list {quoted(name, 80)}; {hint}")
    return HASH_LISTS.get(name)(where)


class PdqList:
    """A list of PDQ hashes, matched at `MATCH` bits or less.

    Args:
        name: In records.
        entries: Hash and label.
    """

    def __init__(self, name: str, entries: Sequence[tuple[str, str]]) -> None:
        self.name = name
        self._looks = Looks((label, Look(hash_, 100, hash_)) for hash_, label in entries)

    def match(self, image: bytes, hashes: Sequence[str]) -> str | None:
        """The label of the nearest match."""
        found = [near for each in hashes if (near := self._looks.nearest(Look(each, 100, each)))]
        return min(found, key=lambda near: near[1])[0] if found else None


def open_pdq_list(where: str) -> PdqList:
    """``pdq:FILE``: a line for each hash, ``hash,label``, the label optional, and a header if any.

    Raises:
        UsageError: It cannot be read, a line is something else, or there is none.
    """
    path = Path(where)
    return PdqList(path.name, list(read_hashes(path)))


def read_hashes(path: Path) -> Iterator[tuple[str, str]]:
    """Hash and label of each line of a list.

    Raises:
        UsageError: As `open_pdq_list`.
    """
    option, found = f"--hash-list {path}", False
    try:
        with open_text(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                hash_, _, label = (part.strip() for part in line.partition(","))
                if not hash_ or hash_.startswith("#"):
                    continue
                try:
                    from_hex(hash_)
                except ValueError:
                    if number == 1 and hash_.casefold() in ("hash", "pdq"):
                        continue
                    raise UsageError(
                        f"{option}, line {number}: no PDQ hash of 64 hexadecimal digits before the "
                        "comma"
                    ) from None
                found = True
                yield hash_.lower(), label
    except UnicodeDecodeError:
        raise UsageError(f"{option}: is no text; give lines of hash,label") from None
    except OSError as error:
        raise UsageError(f"{option}: cannot be read ({error.strerror})") from None
    if not found:
        raise UsageError(f"{option}: holds no hash; write hash,label on each line")


def hashes_of(picture: Images.Image) -> list[str]:
    """PDQ hashes of a picture as it is, turned and mirrored; none if there is too little in it."""
    from PIL import Image

    small = picture.resize((512, 512), Image.Resampling.BICUBIC, reducing_gap=2.0)
    words, quality = pdq(small)
    if quality < MIN_QUALITY:
        return []
    turned = [to_hex(pdq(small.transpose(turn))[0]) for turn in Image.Transpose]
    return list(dict.fromkeys((to_hex(words), *turned)))
