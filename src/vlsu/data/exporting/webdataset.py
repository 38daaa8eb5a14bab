"""WebDataset: tar files in which the members of one sample share a name and stand together."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import orjson

from vlsu.data.exporting.content import Content, Picture
from vlsu.data.rows import COLUMNS, Row

__all__ = ["write_shards"]

#: Bytes of members after which a shard is closed, and samples at most.
SHARD_BYTES, SHARD_SAMPLES = 256 * 2**20, 10_000


def write_shards(content: Content, folder: Path, split: str = "test") -> list[Path]:
    """Write all rows into ``<split>-000000.tar`` and so on, in flat memory.

    A sample's members are ``<number>.json``, an object of the dataset's columns, each a text or
    null, and ``<number>.<extension>`` with the bytes of its image, unchanged. The number is that of
    the row: an identifier may contain a dot or a slash, which mean something in a member's name.
    Owners and times are zero, so that the same dataset gives the same bytes.

    Returns:
        The shards, in order; at least one.

    Raises:
        DataError: An image cannot be read.
        OSError: A shard cannot be written.
    """
    shards: list[Path] = []
    tar: tarfile.TarFile | None = None
    samples = size = 0
    try:
        for number, (row, picture) in enumerate(content.rows()):
            if tar is None:
                tar, path = _opened(folder, split, len(shards))
                shards.append(path)
                samples = size = 0
            size += _add(tar, number, row, picture)
            samples += 1
            if samples >= SHARD_SAMPLES or size >= SHARD_BYTES:
                tar.close()
                tar = None
        if not shards:
            tar, path = _opened(folder, split, 0)
            shards.append(path)
    finally:
        if tar is not None:
            tar.close()
    return shards


def _opened(folder: Path, split: str, number: int) -> tuple[tarfile.TarFile, Path]:
    path = folder / f"{split}-{number:06}.tar"
    return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT), path


def _add(tar: tarfile.TarFile, number: int, row: Row, picture: Picture | None) -> int:
    """Add the members of a sample; returns their bytes."""
    members = [(f"{number:09}.json", orjson.dumps(dict(zip(COLUMNS, row, strict=True))))]
    if picture is not None:
        members.append((f"{number:09}.{picture.extension}", picture.data))
    for name, data in members:
        about = tarfile.TarInfo(name)
        about.size = len(data)
        about.mode = 0o644
        tar.addfile(about, io.BytesIO(data))
    return sum(len(data) for _, data in members)
