"""The options by which a run uses a provider's batch interface."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlsu.runs.batching.options import Batching
    from vlsu.runs.ensembles.ensemble import Ensemble
    from vlsu.runs.understanding.evaluation import Evaluation

__all__ = ["BatchArguments", "read_duration", "waiting"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


@dataclass(frozen=True, kw_only=True)
class BatchArguments:
    """Whether requests go to the provider's batch interface, and how long is waited for them."""

    batches: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Hand the requests to the provider's batch interface, at half the price, within a "
            "day; the command may be ended and run again to collect the answers.",
        ),
    ] = False
    batch_wait: Annotated[
        str | None,
        typer.Option(
            metavar="none|DURATION",
            help="With --batch: end after this long, such as 30m or 2h, or at once, with what has "
            "come by then; until all is answered, if not given.",
        ),
    ] = None

    batch_cancel: Annotated[
        bool,
        typer.Option(
            "--batch-cancel",
            help="Have the batches of this run cancelled, collect what was answered by then, and "
            "ask for nothing; the same command with --batch asks for the rest.",
        ),
    ] = False
    batch_file: Annotated[
        Path | None,
        typer.Option(
            help="For a cluster without a network: write the requests to this file, for vllm "
            "run-batch, and send nothing; the model is openai/NAME with any --base-url."
        ),
    ] = None
    batch_results: Annotated[
        Path | None,
        typer.Option(help="Read the results that vllm run-batch wrote for --batch-file."),
    ] = None

    def given(self, *, dry_run: bool, models: int = 1) -> Batching | None:
        """How the batch interface is used; `None`: it is not.

        Args:
            dry_run: Whether it is only estimated what would be asked.
            models: How many are asked.

        Raises:
            UsageError: The wait is no duration, or of no use; one file is for the requests of
                several models; or it is to be estimated what cancelling asks.
        """
        from vlsu.errors import UsageError
        from vlsu.runs.batching.options import Batching

        by_files = self.batch_file is not None or self.batch_results is not None
        if self.batch_cancel and dry_run:
            raise UsageError(
                "--batch-cancel: asks for nothing that could be estimated; leave out --dry-run "
                "(vlsu cost RUN says what is with the provider)"
            )
        if self.batch_cancel and by_files:
            raise UsageError(
                "--batch-cancel: of batches that a provider has, and those of --batch-file and "
                "--batch-results no one has; give one"
            )
        if self.batches and by_files:
            raise UsageError(
                "--batch: hands requests to a provider, and --batch-file and --batch-results to "
                "no one; give one"
            )
        if self.batch_file is not None and models > 1:
            raise UsageError("--batch-file: the requests to one model; give one --model")
        if by_files and self.batch_wait is None:
            return Batching(file=self.batch_file, results=self.batch_results)
        if not (self.batches or self.batch_cancel):
            if self.batch_wait is not None:
                raise UsageError("--batch-wait: for --batch alone; add it, or leave this out")
            return None
        wait_s = None if self.batch_wait is None else read_duration(self.batch_wait)
        return Batching(wait_s=wait_s, cancel=self.batch_cancel)


def waiting(evaluation: Evaluation | Ensemble, since: float | None) -> Evaluation | Ensemble:
    """The same evaluation as it is run when a part of the wait is over.

    Args:
        evaluation: As it was prepared.
        since: Seconds that were waited already; `None` for all of them.
    """
    batch = evaluation.options.batch
    if batch is None:
        return evaluation
    wait_s = 0.0 if since is None else batch.wait_s and max(0.0, batch.wait_s - since)
    options = replace(evaluation.options, batch=replace(batch, wait_s=wait_s))
    return replace(evaluation, options=options)


def read_duration(text: str) -> float:
    """Seconds of ``none``, ``90s``, ``30m``, ``2h`` or ``1d``.

    Raises:
        UsageError: It is none of these.
    """
    from vlsu.errors import UsageError

    if text == "none":
        return 0.0
    found = _DURATION.fullmatch(text)
    if found is None or len(found[1]) > 9:
        raise UsageError(
            f"--batch-wait {text}: give none, or a duration such as 90s, 30m, 2h or 1d"
        )
    return float(found[1]) * _SECONDS[found[2]]
