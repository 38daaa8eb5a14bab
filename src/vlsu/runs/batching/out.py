"""What a start has with the provider: batches whose answers are still to come."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vlsu.errors import RunError
from vlsu.runs.batching.journal import Journal, State, SubmittedBatch, in_words

__all__ = ["BatchesOut"]


class BatchesOut:
    """The batches of one model that are recorded and not over, and the keys of their requests.

    Args:
        journal: Where they are recorded.
        spec: The model's.
        server: The host that it is asked at.
    """

    def __init__(self, journal: Journal, spec: str, server: str) -> None:
        self._journal, self._spec, self._server = journal, spec, server
        self._batches: dict[str, SubmittedBatch] = {}
        self.keys: set[str] = set()

    def __iter__(self) -> Iterator[SubmittedBatch]:
        """As they are now: some may be over before the next is looked at."""
        return iter(list(self._batches.values()))

    def __len__(self) -> int:
        return len(self._batches)

    def __contains__(self, batch: SubmittedBatch) -> bool:
        return batch.label in self._batches

    def __str__(self) -> str:
        return in_words(self._batches.values())

    def take_up(self) -> None:
        """Those of earlier starts.

        Raises:
            RunError: They are with another server.
        """
        self._journal.remove_unfinished()
        self._journal.restore_keys()
        for batch in self._journal.open(self._spec):
            if batch.server != self._server:
                raise RunError(
                    f"{self._journal.file}: {batch.requests} requests of {batch.spec} are with "
                    f"{batch.server}; run the command with the same --base-url to collect them"
                )
            self.add(batch, self._journal.keys(batch) or frozenset())

    def add(self, batch: SubmittedBatch, keys: Collection[str]) -> None:
        """One more, which is recorded; its requests have these keys."""
        self._batches[batch.label] = batch
        self.keys.update(keys)

    def close(self, batch: SubmittedBatch, state: State) -> None:
        """Record that nothing more comes of one."""
        del self._batches[batch.label]
        self.keys -= self._journal.keys(batch) or frozenset()
        self._journal.over(batch, state)

    @property
    def postponed(self) -> bool:
        """Whether one waits for others to end before the provider takes it."""
        return any(each.state == "intended" for each in self)

    @property
    def taken(self) -> bool:
        """Whether the provider is known to have one."""
        return any(each.state == "submitted" for each in self)

    @property
    def likely_cost(self) -> float:
        """What they are likely to cost."""
        return sum(each.likely_cost for each in self)
