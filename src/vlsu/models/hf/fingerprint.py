"""What a folder with weights is known by, without reading tens of gigabytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

__all__ = ["folder_fingerprint"]

#: Files that decide what a model answers: weights, configurations, tokenizers, templates.
SUFFIXES = (".safetensors", ".bin", ".pt", ".json", ".jinja", ".model", ".txt", ".tiktoken")
#: Files up to this size are hashed as a whole.
WHOLE = 16 * 2**20
#: Of larger ones: this many bytes at the start (the names, shapes and types of a safetensors file)
#: and at the end, and `BLOCKS` blocks spread evenly between.
EDGE = 2**20
BLOCK = 64 * 2**10
BLOCKS = 64


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 of the names, sizes and contents of a model's files, in hex.

    Files above 16 MiB are sampled: their first and last mebibyte and 64 blocks of 64 KiB between.
    Training changes nearly every weight, so another checkpoint has another fingerprint; a file
    edited by hand in a few bytes of a large tensor may not.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        if not path.is_file() or path.name.startswith("."):
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as stream:
            if size <= WHOLE:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
            else:
                _sample(stream, size, digest)
    return digest.hexdigest()


def _sample(stream: BinaryIO, size: int, digest: hashlib._Hash) -> None:
    digest.update(stream.read(EDGE))
    step = (size - 2 * EDGE) // BLOCKS
    for index in range(BLOCKS):
        stream.seek(EDGE + index * step)
        digest.update(stream.read(BLOCK))
    stream.seek(size - EDGE)
    digest.update(stream.read(EDGE))
