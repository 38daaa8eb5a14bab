"""Options that say what a prompt states."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["PolicyDetail"]

PolicyDetail = Annotated[
    str,
    typer.Option(
        help="How much of the policy the prompt states: full, brief (without what is seen of each "
        "category) or category (that of likely categories alone, by a first request for each)."
    ),
]
