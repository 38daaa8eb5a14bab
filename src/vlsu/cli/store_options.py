"""The options by which a run takes over what others have stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlsu.runs import Run

__all__ = ["SharedStoreArguments", "StoreArguments"]


@dataclass(frozen=True, kw_only=True)
class SharedStoreArguments:
    """The store that several runs share."""

    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file of responses that several runs share: what it holds is not asked again, "
            "and what is asked is put into it too. Made if need be.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class StoreArguments(SharedStoreArguments):
    """The store that several runs share, or the run whose answers are judged again."""

    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Ask nothing: judge the stored answers of this run, under another policy or "
            "another version. Ends with 1 where some have none.",
        ),
    ] = None

    def check(self, *, dry_run: bool, controls: bool, models: int) -> None:
        """Refuse what asks, or asks for a price, beside a replay.

        Raises:
            UsageError: Such an option is given.
        """
        from vlsu.errors import UsageError

        if self.replay is None:
            return
        for name, given in (("--dry-run", dry_run), ("--controls", controls)):
            if given:
                raise UsageError(f"--replay: asks nothing; leave out {name}")
        if models > 1:
            raise UsageError("--replay: a run is of one model; give one --model")

    @staticmethod
    def exit_if_missing(runs: Sequence[Run]) -> None:
        """End with 1 where a replayed run had no answer to some of the requests.

        Raises:
            typer.Exit: There were such.
        """
        if any((run.record.get("replay") or {}).get("missing") for run in runs):
            raise typer.Exit(1)
