"""How a run uses a provider's batch interface."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vlsu._arguments import require_kinds
from vlsu._files import is_regular
from vlsu.errors import UsageError
from vlsu.models.base import Model
from vlsu.models.batching.base import BatchService

__all__ = ["Batching", "open_service", "require_batches"]


def open_service(model: Model) -> BatchService:
    """The batch interface of a model's provider.

    Raises:
        UsageError: It has none.
    """
    from vlsu.models.batching import open_batches

    return open_batches(model)


def require_batches(model: Model, batching: Batching | None) -> None:
    """Check that a model's provider has a batch interface, if it is to be used, or its files.

    Raises:
        UsageError: It has none, or the files cannot be written or read.
        DataError: The first line of the results is none.
    """
    if batching is None:
        return
    if batching.by_files:
        from vlsu.models.batching.vllm_file import BatchFiles, check_files

        files = BatchFiles(model)
        check_files(batching.file, batching.results)
        if batching.results is not None and is_regular(batching.results):
            next(files.answers(batching.results), None)  # another file is seen by its first line
    else:
        batching.services(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Requests go to the provider's batch interface, at half the price, within a day.

    Attributes:
        wait_s: Seconds that a start waits for what it has submitted; `None` until all is answered,
            0 not at all. A later start goes on.
        pause_s: Seconds between the first two looks at a batch; the pause grows to a minute.
        patience_s: Seconds for which a provider that does not answer is asked again.
        file: For a cluster without a network: the requests are written to this file, for ``vllm
            run-batch``, and nothing is sent.
        results: The file of the results that it wrote.
        cancel: Nothing is handed in; what is out is cancelled, and what was answered is collected.
        services: Opens the batch interface of a model's provider.

    Raises:
        UsageError: A value is of the wrong kind or out of range.
    """

    wait_s: float | None = None
    pause_s: float = 1.0
    patience_s: float = 600.0
    file: Path | None = None
    results: Path | None = None
    cancel: bool = False
    services: Callable[[Model], BatchService] = open_service

    def __post_init__(self) -> None:
        require_kinds(self)
        for name, value in (("wait_s", self.wait_s or 0.0), ("patience_s", self.patience_s)):
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} {value:g}: give seconds, not less than 0")
        if self.file is not None and self.file == self.results:
            raise UsageError(f"{self.file}: requests and results are two files; give another")
        if self.cancel and self.by_files:
            raise UsageError("files of batches are with no provider that could cancel them")
        if not 0 < self.pause_s < math.inf:
            raise UsageError(f"pause_s {self.pause_s:g}: give seconds, more than 0")

    @property
    def by_files(self) -> bool:
        """Whether requests are written to a file, or results read from one."""
        return self.file is not None or self.results is not None
