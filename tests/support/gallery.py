"""A small gallery of real images with their captions, made of what ships: for tests of building."""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

import vlsu
from vlsu.data import Sample

__all__ = ["PICTURES", "gallery"]

#: How many different images the bundled dataset has.
PICTURES = 217


def gallery(folder: Path, count: int = PICTURES) -> Path:
    """A folder of images with a table of captions, as ``folder:PATH`` reads it.

    The images of vlsu-mini: ``images/0000-<words of the caption>.<ext>``, and ``metadata.csv`` with
    ``file_name, caption, licence, author``. Words in rendered images are part of their captions.
    Licences are those of ``NOTICE.md``, as far as a caption tells them apart: rendered images are
    Apache-2.0, and all others are given as CC0-1.0 here, which not all of them are.

    Args:
        folder: New.
        count: How many of the images.

    Returns:
        The folder.
    """
    dataset = vlsu.load("vlsu-mini")
    (folder / "images").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file_name", "caption", "licence", "author"))
        for n, sample in enumerate(_distinct()[:count]):
            caption = str(sample.metadata["caption"])
            sha256 = str(sample.image_sha256)
            suffix = dataset.media_type(sha256).partition("/")[2].replace("jpeg", "jpg")
            name = f"images/{n:04}-{_slug(caption)}.{suffix}"
            (folder / name).write_bytes(dataset.read_image(sha256))
            rendered = "Words in it" in caption
            licence = "Apache-2.0" if rendered else "CC0-1.0"
            rows.writerow((name, caption, licence, "the vlsu authors" if rendered else ""))
    return folder


@cache
def _distinct() -> list[Sample]:
    """One sample for each image, in the order of their captions."""
    found = {each.image_sha256: each for each in vlsu.load("vlsu-mini")}
    return sorted(found.values(), key=lambda each: (str(each.metadata["caption"]), each.id))


def _slug(caption: str) -> str:
    words = re.findall(r"[a-z]+", caption.partition(".")[0].lower())
    return "-".join(words[:6]) or "picture"
