"""The two passes of ``--policy-detail category``: likely categories first, then the grades.

Both are requests like all others: stored, counted and paid for. What is asked in the second depends
on the stored answers of the first, so it can be planned again at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlsu.data import Dataset
from vlsu.models.base import Model
from vlsu.policy import Policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import Chunk, Planned, Selection, plan
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks import Understanding

if TYPE_CHECKING:
    from vlsu.tasks import LikelyCategories

__all__ = ["FirstPass", "first_pass"]


@dataclass(frozen=True, slots=True)
class FirstPass:
    """What is asked before a task, and what follows from it.

    Attributes:
        dataset: What is asked about.
        model: Whom to ask.
        task: The task, whose prompt has the detail ``category``.
        likely: The first pass.
        keys: Of the model's requests.
    """

    dataset: Dataset
    model: Model
    task: Understanding
    likely: LikelyCategories
    keys: RequestKeys

    def chunks(self, selection: Selection, *, by_image: bool = False) -> Iterator[Chunk]:
        """The first pass over these samples."""
        return plan(self.dataset, selection, self.likely, self.keys, by_image=by_image)

    def narrowed(
        self,
        selection: Selection,
        store: ResponseStore | None,
        *,
        by_image: bool = False,
        lacking: set[str] | None = None,
    ) -> Iterator[Chunk]:
        """The second pass, with the lines of the categories that the first found likely.

        Args:
            selection: The samples.
            store: Where the answers of the first pass are. Where one cannot be read, or there is
                none, no category is left out.
            by_image: As `plan`.
            lacking: If given, what has no answer in the first pass is left out, as it is asked on
                the next start, and the keys of those first requests are added here.
        """
        for chunk in self.chunks(selection, by_image=by_image):
            keys = {each.key for each in chunk.planned}
            stored = {} if store is None else store.responses(list(keys))
            known = {
                key: self.likely.read(self.model.read(each.raw)) for key, each in stored.items()
            }
            likely: dict[str, dict[str, tuple[str, ...]]] = {each.id: {} for each in chunk.samples}
            unanswered: set[tuple[str, str]] = set()
            for key, request, sample in chunk.planned:
                if (found := known.get(key)) is not None:
                    likely[sample.id][request.modality] = found
                if lacking is not None and key not in known:
                    lacking.add(key)
                    unanswered.add((sample.id, request.modality))
            planned = [
                Planned(self.keys.key(request.request), request, sample)
                for sample in chunk.samples
                for request in self.task.requests(sample, likely[sample.id])
                if (sample.id, request.modality) not in unanswered
            ]
            yield Chunk(chunk.samples, planned)


def first_pass(
    dataset: Dataset, model: Model, policy: Policy, task: Understanding, system: str | None
) -> FirstPass | None:
    """The first pass of a task; `None` where its prompt needs none."""
    if not task.narrows:
        return None
    from vlsu.tasks import LikelyCategories

    likely = LikelyCategories(policy, task.modalities, system)
    return FirstPass(dataset, model, task, likely, RequestKeys(model.identity()))
