"""Taking in the answers of a batch: stored, counted, and what came to nothing."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from vlsu.errors import ModelError
from vlsu.models.base import Fault, Model, Outcome, Raw, Response
from vlsu.models.batching.base import BatchAnswer
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.tally import Tally
from vlsu.runs.batching.journal import MOST_TRIES
from vlsu.runs.store.store import ERROR_BODY, ResponseStore

__all__ = ["MOST_TRIES", "Collector", "Failed", "Pass"]

_log = logging.getLogger(__name__)

#: Answers that are looked up in the store together.
_TOGETHER = 256
_KEY = re.compile("[0-9a-f]{32}")
#: The kind of fault of an answer that cannot be read, however it came.
_UNREADABLE = "malformed"
#: That of a request that was never processed.
_NOT_PROCESSED = "batch"
_NOTHING = Raw(0, b"batch: the batch has no result for this request")


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that came back without an answer."""

    raw: Raw
    fault: Fault
    outcome: Outcome

    @property
    def came(self) -> bool:
        """Whether there was anything in its place."""
        return self.raw is not _NOTHING


@dataclass(slots=True)
class Pass:
    """What the answers of one batch came to.

    Attributes:
        keys: Of the requests; `None` where they are not known.
        read: Keys of what could be read.
        failed: What came back without an answer, by key.
        answered: How many had an answer.
        nameless: How many could not be read, and do not say whose they are.
    """

    keys: frozenset[str] | None
    read: set[str] = field(default_factory=set)
    failed: dict[str, Failed] = field(default_factory=dict)
    answered: int = 0
    nameless: int = 0

    def wants(self, key: str) -> bool:
        """Whether an answer is one to these requests, and the first that can be read."""
        asked = _KEY.fullmatch(key) if self.keys is None else key in self.keys
        return bool(asked) and key not in self.read

    def tell_nameless(self, batch: str) -> None:
        """Say how many answers of a batch are left out since they do not say whose they are."""
        if self.nameless:
            _log.warning(
                "batch %s: lines of its results that do not say which request they answer: %d; "
                "they are left out",
                *(batch, self.nameless),
            )

    @property
    def unreadable(self) -> bool:
        """Whether answers were there that could not be read."""
        return bool(self.nameless) or any(
            each.fault.kind == _UNREADABLE for each in self.failed.values()
        )


class Collector:
    """Takes in answers, as if each had come by itself.

    Args:
        model: Whose answers they are.
        store: Where they are kept.
        budget: What is spent.
        progress: Where they are reported.
        tally: Where they are counted.
        outcome_of: What a response counts as, for the progress shown.
        on_response: Called with the key of each response that is stored, and the response.
        batched: Whether they have the price of a batch.
        cancelling: Whether what was not answered is left to a later start, as batches are
            cancelled.
    """

    def __init__(
        self,
        model: Model,
        store: ResponseStore,
        budget: Budget,
        progress: Progress,
        tally: Tally,
        outcome_of: Callable[[Response], Outcome],
        on_response: Callable[[str, Raw, Response], None] | None,
        *,
        batched: bool = True,
        cancelling: bool = False,
    ) -> None:
        self._batched, self._cancelling = batched, cancelling
        self._model, self._store, self._budget = model, store, budget
        self._progress, self._tally = progress, tally
        self._outcome_of, self._on_response = outcome_of, on_response
        #: The commonest faults, and whether anything was ever answered.
        self._faults: Counter[str] = Counter()
        self._ever = False

    async def take(
        self,
        answers: AsyncIterator[BatchAnswer],
        keys: frozenset[str] | None,
        tries: dict[str, int],
    ) -> Pass:
        """Store the answers to these requests; what was stored before is left as it is.

        The same answers may be taken again: after a kill, or where they broke off.

        Args:
            answers: In any order; those to other requests, and second ones, are left out.
            keys: Of the requests; `None` where they are not known, and all answers are to some.
            tries: How often each was part of a batch before, if it was.

        Raises:
            BatchUnavailableError: They broke off.
            RunError: They cannot be stored.
        """
        self._store.flush()  # what an earlier try took in is seen as stored
        passed = Pass(keys)
        group: dict[str, Raw] = {}
        async for key, raw in answers:
            passed.nameless += not key
            if key in group:  # a second one, which matters if the first cannot be read
                self._put(group, passed, tries)
                group.clear()
            if not passed.wants(key):
                continue
            group[key] = raw
            if len(group) >= _TOGETHER:
                self._put(group, passed, tries)
                group.clear()
        self._put(group, passed, tries)
        for key in (keys or frozenset()) - passed.read - passed.failed.keys():
            passed.failed[key] = self._failed(_NOTHING)
        self._store.flush()
        return passed

    def _put(self, group: dict[str, Raw], passed: Pass, tries: dict[str, int]) -> None:
        # In the run's own store alone: what another run has asked too, both have paid for.
        there = self._store.own([*group])
        marked: set[str] = set()
        if there and self._batched:
            kept = self._store.tokens([*there])
            marked = {key for key, each in kept.items() if each.batched}
        for key, raw in group.items():
            response = self._model.read(raw)
            if response.fault is None or response.fault.kind != _UNREADABLE:
                passed.read.add(key)
                passed.failed.pop(key, None)
            if key in there:  # by a start that was killed while it collected
                passed.read.add(key)
                passed.answered += 1
                if self._batched and key not in marked and response.fault is None:
                    self._store.put_usage(key, self._model.spec, response, batched=True)
                continue
            if response.fault is not None:
                passed.failed[key] = Failed(
                    raw._replace(body=raw.body[:ERROR_BODY]), response.fault, response.outcome
                )
                continue
            passed.answered += 1
            self._ever = True
            self._store.put(key, raw, tries.get(key, 0) + 1)
            self._store.put_usage(key, self._model.spec, response, batched=self._batched)
            if self._on_response is not None:
                self._on_response(key, raw, response)
            self._budget.spent(response, batched=self._batched)
            self._completed(self._outcome_of(response))

    def _failed(self, raw: Raw) -> Failed:
        response = self._model.read(raw)
        assert response.fault is not None
        return Failed(raw, response.fault, response.outcome)

    def give_back(self, failed: dict[str, Failed], tries: dict[str, int]) -> int:
        """Keep what came to nothing for the audit; how much of it is to be asked again.

        Args:
            failed: By key.
            tries: How often each was part of a batch before; counted up.

        Raises:
            ModelError: A fault that every further request would meet.
        """
        fatal, again = None, 0
        stored = self._store.stored(list(failed))
        for key, each in failed.items():
            if key in stored:
                continue
            fault = each.fault
            made = tries.get(key, 0) + 1
            self._store.put_error(key, each.raw, fault, made)
            fatal = fatal or (fault if fault.fatal else None)
            if self._cancelling and fault.kind == _NOT_PROCESSED:
                continue  # as was wanted: it was no try of this request
            if (fault.retry or fault.fatal) and made < MOST_TRIES:
                tries[key] = made
                again += 1
                if not self._cancelling:
                    self._tally.retries[fault.kind] += 1
                    self._progress.retried(fault.kind)
            else:
                self.give_up(key, each, tries)
        self._store.flush()
        if fatal is not None:
            raise ModelError(f"{self._model.spec}: {fatal.message}")
        return again

    def give_up(self, key: str, failed: Failed, tries: dict[str, int]) -> None:
        """A request that is not asked again before the run has come to its end."""
        tries[key] = MOST_TRIES
        self._faults[failed.fault.message] += 1
        self._completed(failed.outcome)

    def _completed(self, outcome: Outcome) -> None:
        self._tally.asked[outcome.value] += 1
        self._progress.answered(outcome)

    def answered_before(self) -> None:
        """A request of the plan was answered at an earlier start."""
        self._ever = True

    def check_anything_answered(self) -> None:
        """A run that was never answered is no result.

        Raises:
            ModelError: All requests came to nothing, at this start and before.
        """
        if self._faults and not self._ever:
            ((message, _),) = self._faults.most_common(1)
            raise ModelError(
                f"{self._model.spec}: no request was answered ({message}); fix the settings or "
                "the server and run the command again"
            )
