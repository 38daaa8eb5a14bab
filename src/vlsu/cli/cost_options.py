"""The option of a run that asks for a report of its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlsu.runs import Run

__all__ = ["CostArguments"]


@dataclass(frozen=True, kw_only=True)
class CostArguments:
    """What is said of a run's cost at its end."""

    cost_report: Annotated[
        bool,
        typer.Option(
            "--cost-report",
            help="At the end, print what it cost, by modality or framing and judge, and what "
            "caching, batches and shared requests saved; vlsu cost RUN prints it at any time.",
        ),
    ] = False

    def check(self, *, json: bool) -> None:
        """Refuse it where the result is one JSON document.

        Raises:
            UsageError: Both are asked for.
        """
        from vlsu.errors import UsageError

        if self.cost_report and json:
            raise UsageError("--cost-report: not with --json; vlsu cost RUN --json prints it")

    def show(self, runs: Sequence[Run]) -> None:
        """Print what finished runs have cost, if that was asked for."""
        from vlsu.cli.cost import show_ledgers

        if self.cost_report:
            show_ledgers([run for run in runs if run.finished])
