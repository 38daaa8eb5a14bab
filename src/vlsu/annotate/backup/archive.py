"""The file of a backup: a gzipped tar with a manifest first, then every part that it names.

``manifest.json`` has the format, the revision of the tables, and of each part its size and SHA-256.
Parts are ``project.yaml``, ``policy.yaml``, ``secrets.yaml`` and, for each table, a file of JSON
lines ``tables/NAME.jsonl``, one list of values a row. Both databases are written alike, so a backup
of one is restored into the other. Nothing of the dataset's content is in it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from vlsu.annotate.projects.folder import POLICY_FILE, PROJECT_FILE, SECRETS_FILE
from vlsu.errors import AnnotationError

__all__ = ["FILES", "FORMAT", "Manifest", "Part", "digest", "part_of_table", "read_parts"]

FORMAT = "vlsu-annotate-backup/1"
MANIFEST = "manifest.json"
#: Parts that are files of the folder.
FILES = (PROJECT_FILE, POLICY_FILE, SECRETS_FILE)
#: Bytes of the manifest and of each file of the folder, at most.
_MOST = 16 * 2**20
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a backup.

    Attributes:
        size: Bytes.
        sha256: Hexadecimal.
        rows: Of a table; 0 for other files.
        columns: Of a table.
    """

    size: int
    sha256: str
    rows: int = 0
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup has in it.

    Attributes:
        project: Identifier of the project.
        database: ``"sqlite"`` or ``"postgresql"``: what it was made of.
        revision: Of the tables.
        made_at: ISO 8601.
        made_with: Version of this package.
        parts: By name.
    """

    project: str
    database: str
    revision: str
    made_at: str
    made_with: str
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(part.rows for part in self.parts.values())

    def text(self) -> str:
        """As JSON."""
        about = {
            name: getattr(self, name)
            for name in ("project", "database", "revision", "made_at", "made_with")
        }
        parts = {
            name: {
                "size": part.size,
                "sha256": part.sha256,
                **({"rows": part.rows, "columns": part.columns} if part.columns else {}),
            }
            for name, part in self.parts.items()
        }
        return json.dumps({"format": FORMAT, **about, "parts": parts}, indent=1) + "\n"


def part_of_table(name: str) -> str:
    """The name of a table's part."""
    return f"tables/{name}.jsonl"


def digest(file: Path) -> tuple[int, str]:
    """The size and the SHA-256 of a file."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return file.stat().st_size, found


def read_parts(file: Path, into: Path) -> Manifest:
    """Read a backup, check it whole, and lay its parts into an empty folder.

    Members are never unpacked by their own names: each must be one that the manifest lists, and the
    manifest may list nothing but files of a project and tables.

    Args:
        file: The backup.
        into: The parts' names below it are those of the manifest.

    Raises:
        AnnotationError: It is no backup, of a newer version, or damaged.
    """
    (into / "tables").mkdir()
    with _reading(file), gzip.open(file) as unzipped:
        with tarfile.open(fileobj=unzipped, mode="r|") as tar:
            members = iter(tar)
            first = next(members, None)
            if first is None or first.name != MANIFEST or not first.isreg() or first.size > _MOST:
                raise AnnotationError(f"{file}: is no backup of an annotation project")
            manifest = _manifest(file, _stream(tar, first).read())
            left = dict(manifest.parts)
            for member in members:
                part = left.pop(member.name, None)
                if part is None or not member.isreg() or member.size != part.size:
                    raise AnnotationError(f"{file}: {member.name[:60]!r} does not belong there")
                _lay(file, _stream(tar, member), into / member.name, part)
            if left:
                raise AnnotationError(f"{file}: {sorted(left)[0]} is missing; it is damaged")
        while unzipped.read(_CHUNK):  # to the end, where gzip has its own checksum
            pass
    return manifest


def _lay(file: Path, stream: IO[bytes], target: Path, part: Part) -> None:
    found = hashlib.sha256()
    with target.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
            out.write(chunk)
    if found.hexdigest() != part.sha256:
        raise AnnotationError(f"{file}: {target.name} is damaged")


def _stream(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    assert stream is not None  # it is a regular file
    return stream


def _manifest(file: Path, data: bytes) -> Manifest:
    try:
        tree: dict[str, Any] = json.loads(data)
        name, _, version = str(tree["format"]).partition("/")
        if name != FORMAT.partition("/")[0]:
            raise AnnotationError(f"{file}: is no backup of an annotation project")
        if version != FORMAT.partition("/")[2]:
            raise AnnotationError(f"{file}: was made by a newer version; update vlsu")
        parts = {
            part: Part(
                size=int(about["size"]),
                sha256=str(about["sha256"]),
                rows=int(about.get("rows", 0)),
                columns=tuple(map(str, about.get("columns", ()))),
            )
            for part, about in tree["parts"].items()
        }
        manifest = Manifest(
            **{
                key: str(tree[key])
                for key in ("project", "database", "revision", "made_at", "made_with")
            },
            parts=parts,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AnnotationError(f"{file}: its manifest is damaged") from None
    for part, about in parts.items():
        table = part.removeprefix("tables/").removesuffix(".jsonl")
        of_table = part_of_table(table) == part and table.isidentifier() and table.isascii()
        if not (of_table or (part in FILES and about.size <= _MOST)):
            raise AnnotationError(f"{file}: {part[:60]!r} does not belong there")
    if missing := [name for name in FILES if name not in parts]:
        raise AnnotationError(f"{file}: {missing[0]} is missing; it is damaged")
    return manifest


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile):
        raise AnnotationError(f"{file}: is damaged, or no backup; take another") from None
    except OSError as error:
        raise AnnotationError(f"{file}: cannot be read ({error.strerror or error})") from None
