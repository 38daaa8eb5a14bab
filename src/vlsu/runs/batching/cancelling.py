"""Having batches cancelled at a provider."""

from __future__ import annotations

from functools import partial

from vlsu.errors import ModelError
from vlsu.models.batching.base import BatchGoneError, BatchState
from vlsu.runs.batching.journal import Journal, SubmittedBatch
from vlsu.runs.batching.provider import DownError, Provider

__all__ = ["cancel"]


async def cancel(provider: Provider, journal: Journal, batch: SubmittedBatch) -> bool:
    """Have what is not answered of a batch left alone; the provider needs some time for that.

    Args:
        provider: Who has it.
        journal: Of the run.
        batch: A batch whose answers are still to come.

    Returns:
        Whether the provider may have it; else nothing comes of it.

    Raises:
        ModelError: The provider does not answer, or does not cancel it.
    """
    if batch.state == "intended":  # a start ended before it was known to be taken
        keys = journal.keys(batch) or frozenset()
        if (found := await provider.found(batch, keys, journal.identifiers)) is None:
            return False
        journal.submitted(batch, found.id)
    identifier = str(batch.id)
    try:
        await provider.asked(partial(provider.service.cancel, identifier))
    except DownError:
        raise
    except ModelError as refused:  # as a rule because it has ended
        try:
            about = await provider.asked(partial(provider.service.status, identifier))
        except BatchGoneError:
            return False
        if about.state is BatchState.RUNNING:
            raise ModelError(f"{refused} (batch {identifier} is not cancelled)") from None
    return True
