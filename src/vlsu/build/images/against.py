"""Other benchmarks, none of whose images may come into a build."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson

from vlsu._cores import cores
from vlsu.build.images.looks import Look, Looks, look
from vlsu.data.datasets.dataset import Dataset, load
from vlsu.data.images.pixels import decode_picture
from vlsu.errors import BuildError, DataError

__all__ = ["looks_of"]


def looks_of(datasets: Sequence[str], cache: Path) -> Looks:
    """What the images of other benchmarks look like, each under its benchmark's name.

    Args:
        datasets: Folders, or names of bundled ones.
        cache: A folder; what was looked at once is read from there.

    Raises:
        DataError: There is no such dataset.
        BuildError: The folder cannot be written.
    """
    found = Looks()
    for each in datasets:
        dataset = load(each)
        file = cache / f"{dataset.info.content_hash}.json"
        for found_look in _read(file) or _looked(dataset, file):
            found.add(dataset.info.name, found_look)
    return found


def _looked(dataset: Dataset, file: Path) -> list[Look]:
    column = dataset.frame().select("image_sha256").drop_nulls().unique(maintain_order=True)
    hashes = [name for (name,) in column.collect().iter_rows()]

    def of(sha256: str) -> Look | None:
        try:
            return look(decode_picture(dataset.read_image(sha256)).image)
        except (DataError, MemoryError):
            return None  # what cannot be read cannot be recognised

    with ThreadPoolExecutor(cores()) as threads:
        looks = [each for each in threads.map(of, hashes) if each is not None]
    rows = [[each.pdq, each.quality, each.pixels] for each in looks]
    half = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(orjson.dumps(rows))
        half.replace(file)
    except OSError as error:
        raise BuildError(f"{file}: cannot be written ({error.strerror})") from None
    return looks


def _read(file: Path) -> list[Look] | None:
    try:
        return [Look(*row) for row in orjson.loads(file.read_bytes())]
    except (OSError, ValueError, TypeError):
        return None  # it is made again
