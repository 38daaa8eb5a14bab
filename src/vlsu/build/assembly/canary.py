"""The canary: a GUID by which a benchmark is recognised in what a model was trained on.

It stands in every sample's metadata, in the description and in the documents, so that whoever
filters a corpus finds the benchmark in any of its parts.
"""

from __future__ import annotations

import uuid

from vlsu.build.folder.build import Build
from vlsu.data.datasets.writer import write_text_file
from vlsu.errors import BuildError

__all__ = ["CANARY_FILE", "canary_line", "canary_of"]

CANARY_FILE = "canary.txt"


def canary_of(build: Build) -> str:
    """The GUID of a build, drawn once: all that is assembled of it has the same.

    Raises:
        BuildError: The file cannot be written, or holds something else.
    """
    file = build.folder / CANARY_FILE
    try:
        if not file.exists():
            write_text_file(file, f"{uuid.uuid4()}\n")
        text = file.read_text(encoding="utf-8").strip()
        return str(uuid.UUID(text))
    except OSError as error:
        raise BuildError(f"{file}: cannot be used ({error.strerror})") from None
    except ValueError:
        raise BuildError(
            f"{file}: is no GUID; put it back, or delete it to have another drawn"
        ) from None


def canary_line(guid: str) -> str:
    """The sentence that carries it."""
    return f"Benchmark data, never to be trained on. canary GUID {guid}"
