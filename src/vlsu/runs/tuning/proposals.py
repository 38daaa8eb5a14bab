"""A model that is asked for instructions to race: once, its answer stored like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.data import Sample
from vlsu.errors import RunError
from vlsu.models.base import Model, Outcome, Response
from vlsu.policy import Policy
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.plan import Chunk, Planned
from vlsu.runs.session import Session
from vlsu.tasks import Framing, TaskRequest
from vlsu.tasks.proposals import Proposals, proposal_request, read_proposals

__all__ = ["PROPOSAL_BYTES", "Proposer"]

#: Bytes of an instruction that is not known yet: about a hundred words.
PROPOSAL_BYTES = 600


@dataclass(frozen=True, slots=True)
class Proposer:
    """A model that is asked for further candidates.

    Attributes:
        count: How many.
        limits: How it may be asked, and its price; its bounds in all do not count.
    """

    model: Model
    count: int = 8
    limits: Limits = field(default_factory=Limits)

    async def propose(
        self, session: Session, policy: Policy, existing: Sequence[Framing]
    ) -> Proposals | None:
        """Request proposals, or re-read a stored answer; `None` if the run was stopped.

        An answer that holds no instructions is an outcome, and the race goes on without them.

        Raises:
            RunError: There is nothing to race.
            ModelError: The server is down or refuses the request.
        """
        request = proposal_request(policy, self.count, existing)
        key = RequestKeys(self.model.identity()).key(request)

        def read(response: Response) -> Proposals:
            return read_proposals(response, self.count, existing)

        only = Chunk([], [Planned(key, TaskRequest("text", request), Sample("proposals"))])
        if not await session.ask(
            iter([only]),
            self.model,
            MemoryImages({}),
            lambda response: read(response).outcome,
            self.limits,
        ):
            return None
        stored = session.store.responses([key]).get(key)
        found = read(Response(Outcome.ERROR) if stored is None else self.model.read(stored.raw))
        if len(existing) + len(found.framings) < 2:
            raise RunError(
                f"{self.model.spec} proposed nothing to race ({found.outcome}); give candidates, "
                "another number of proposals, or another model to propose"
            )
        return found

    def about(self, found: Proposals) -> Mapping[str, object]:
        """What came of asking, for ``tuning.json``."""
        return {
            "model": self.model.spec,
            "asked": self.count,
            "outcome": found.outcome.value,
            "new": len(found.framings),
            "duplicates": found.duplicates,
            "surplus": found.surplus,
        }
