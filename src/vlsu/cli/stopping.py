"""Ending a command that was stopped before all was asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from vlsu.runs.stop import StopReason

__all__ = ["exit_stopped", "later_line"]


def later_line(message: str, reason: StopReason, folder: Path) -> str | None:
    """How a run goes on of which nothing is under way here; `None` if it ended otherwise."""
    from vlsu.runs.stop import StopReason

    if reason is StopReason.WAITING:
        return f"{message}: run the same command again to collect the answers into {folder}"
    if reason is StopReason.CANCELLED:
        return (
            f"{message}: what was answered is stored in {folder}; the same command without "
            "--batch-cancel asks for the rest"
        )
    return None


def exit_stopped(message: str, reason: StopReason, folder: Path) -> NoReturn:
    """Say why it was stopped and how to continue.

    Args:
        message: Why.
        reason: The same, for the exit code.
        folder: Where answers are stored.

    Raises:
        typer.Exit: With 130 by an interrupt, with 0 by a bound or while batches are processed or
            cancelled, else with 1.
    """
    import typer

    from vlsu.cli.output import say
    from vlsu.runs.stop import StopReason

    if line := later_line(message, reason, folder):
        say(line)
        raise typer.Exit(0)
    say(
        f"stopped ({message}): what was answered is stored in {folder}; run the same command again "
        "to continue"
    )
    raise typer.Exit({StopReason.INTERRUPTED: 130, StopReason.BUDGET: 0}.get(reason, 1))
