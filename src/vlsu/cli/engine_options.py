"""Options of how requests are sent: memory, and the record of what was waited for."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["MaxMemory"]

MaxMemory = Annotated[
    str | None,
    typer.Option(
        help="Memory that the images of requests in flight may take, such as 2GB or 10%; a quarter "
        "of the machine's, if not given."
    ),
]
