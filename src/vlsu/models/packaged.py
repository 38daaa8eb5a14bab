"""Model weights from installed packages.

Packages are located, never imported: only their model files are used, so that none of their code or
dependencies run here.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.util import find_spec
from pathlib import Path

__all__ = ["file_sha256", "packaged_file"]


def packaged_file(package: str, inside: str) -> Path | None:
    """Path of a file inside an installed package; `None` if it is not there."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / inside
    return path if path.is_file() else None


@functools.cache
def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
