"""What all batch interfaces have in common."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from vlsu.errors import ModelError
from vlsu.models.base import ImageSource, Raw, Request

__all__ = [
    "Batch",
    "BatchAnswer",
    "BatchGoneError",
    "BatchLimits",
    "BatchRefusedError",
    "BatchService",
    "BatchState",
    "BatchUnavailableError",
    "forget",
]


class BatchState(enum.StrEnum):
    """Where a batch is; only in the first of these may more answers come."""

    RUNNING = "running"
    ENDED = "ended"
    EXPIRED = "expired"  # the provider's time was over; what was answered by then can be had
    CANCELLED = "cancelled"  # likewise
    FAILED = "failed"  # it was not accepted: nothing was answered, and nothing is paid for


class Batch(NamedTuple):
    """A batch as the provider describes it.

    Attributes:
        id: The provider's identifier.
        requests: How many it holds; 0 where the provider does not say yet.
        answered: Of these, how many were answered so far.
        failed: Of these, how many came to an error so far.
        created: Seconds since the epoch, if known.
        expires: Likewise, when the provider gives up on what is not answered.
        message: Why it failed, in one line without any content of a request.
        retry: Of one that failed, whether the same may be accepted later: the account has as many
            tokens enqueued as it may.
        unknown: The provider's name of a state that is not known here; the batch counts as running.
    """

    id: str
    state: BatchState
    requests: int = 0
    answered: int = 0
    failed: int = 0
    created: float | None = None
    expires: float | None = None
    message: str = ""
    retry: bool = False
    unknown: str = ""


class BatchAnswer(NamedTuple):
    """What one request of a batch came to.

    Attributes:
        key: Its request key; empty where the results do not say whose answer it is.
        raw: Status and body as the server would have answered the request by itself, so that
            `Model.read` reads it; status 0 with ``batch: ...`` for one that was never processed
            (expired, cancelled), which costs nothing and is to be asked again. A line of the
            results that cannot be read is a body that cannot be.
    """

    key: str
    raw: Raw


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold, by the provider's documentation.

    Attributes:
        most_requests: Requests.
        most_bytes: Bytes of all requests together, as they are sent.
        most_bytes_of_one: Bytes of one request; `None` for no documented bound.
    """

    most_requests: int
    most_bytes: int
    most_bytes_of_one: int | None = None


class BatchUnavailableError(ModelError):
    """The service cannot be reached, or takes no more for now; the same call may succeed later.

    Args:
        message: One line.
        retry_after_s: Seconds after which the server asks to be tried again, if it says so.
        full: Whether a limit of the account is reached (429). Where a batch was to be submitted, a
            smaller one may be accepted at once: no provider says which limit it was.
    """

    def __init__(
        self, message: str, retry_after_s: float | None = None, *, full: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.full = full


class BatchRefusedError(ModelError):
    """The provider has answered that it does not do what it was asked for, now or later."""


class BatchGoneError(BatchRefusedError):
    """The provider knows nothing of what it was asked for (404), under the key that was given."""


def forget(name: str) -> None:
    """Keep no name of an uploaded file."""


class BatchService(Protocol):
    """A provider's batch interface, for one model.

    Every call raises `BatchUnavailableError` where a later one may succeed, and `ModelError`
    where none will (a wrong key, no such model).
    """

    @property
    def limits(self) -> BatchLimits:
        """What one batch may hold."""
        ...

    def encode(self, key: str, request: Request, images: ImageSource) -> bytes:
        """One request of a batch as one line without its end, under its key.

        The body is the one that `HttpModel` sends, so that the answer is the same.

        Raises:
            DataError: An image is missing or cannot be read.
        """
        ...

    async def submit(
        self,
        label: str,
        lines: Path,
        requests: int,
        *,
        uploaded: str = "",
        on_upload: Callable[[str], None] = forget,
    ) -> Batch:
        """Hand a batch in.

        Args:
            label: A name by which `find` finds it again, of at most 60 characters in [a-z0-9-].
            lines: File of what `encode` returned, a line each, within `limits`.
            requests: How many lines it has.
            uploaded: What an earlier try has given to `on_upload`; then that file is used, if the
                provider has it still.
            on_upload: Called with the provider's name of the uploaded file, where there is one,
                before anything is made of it.
        """
        ...

    async def find(
        self,
        label: str,
        keys: frozenset[str],
        since: float,
        others: frozenset[str] = frozenset(),
    ) -> Batch | None:
        """The batch that an earlier `submit` handed in, whose answer was lost; `None` if none.

        Where the provider keeps no label, one that runs is taken for it if it alone was made since
        then with as many requests; if it turns out not to be, its answers have other keys.

        Args:
            label: As it was submitted.
            keys: Those of its requests, for a provider that keeps no label.
            since: When it was submitted at the earliest, in seconds since the epoch.
            others: Identifiers of batches that are known to be others.
        """
        ...

    async def status(self, id: str) -> Batch:
        """Where a batch is."""
        ...

    def answers(self, id: str) -> AsyncIterator[BatchAnswer]:
        """What the requests of a batch that no longer runs came to, in any order, streamed.

        A request of which nothing is known may be left out.
        """
        ...

    async def cancel(self, id: str) -> None:
        """Have what is not answered yet left alone; one that has ended may be refused."""
        ...

    async def tidy(self, id: str | None, uploaded: str = "") -> None:
        """Delete what a batch that has ended leaves at the provider, as far as it lets that.

        Args:
            id: The batch, whose answers are kept elsewhere; `None` where none was made of the file.
            uploaded: The file that it was made of, if the caller knows it.
        """
        ...

    async def close(self) -> None:
        """Free connections."""
        ...
