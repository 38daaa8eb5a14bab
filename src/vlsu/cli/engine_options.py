"""Options of how requests are sent: memory, and the record of what was waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["MaxMemory", "TraceFile", "check_trace"]

MaxMemory = Annotated[
    str | None,
    typer.Option(
        help="Memory that the images of requests in flight may take, such as 2GB or 10%; a quarter "
        "of the machine's, if not given."
    ),
]
TraceFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write what the run waited for (slots, rate limits, network, disk, images, a cache) "
        "to a JSON file that ui.perfetto.dev opens.",
    ),
]


def check_trace(trace: Path | None, *, models: int) -> None:
    """Refuse one file for the timelines of several runs.

    Raises:
        UsageError: There are several.
    """
    from vlsu.errors import UsageError

    if trace is not None and models > 1:
        raise UsageError("--trace: the timeline of one run; give one --model")
