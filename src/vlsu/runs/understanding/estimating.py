"""What an understanding run will take, before the first request is sent."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from vlsu.data.parquet import scan_parquet
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import ChosenSamples, Chunk, Selection, plan
from vlsu.runs.batching.journal import keys_out
from vlsu.runs.costs import Costs, recorded_prices
from vlsu.runs.estimate import Estimate, estimate, timed
from vlsu.runs.folder import RunFolder
from vlsu.runs.preflight import coverage_warnings, require_valid_samples
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.remaining import open_existing_run, remaining_judgments
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.swaps import Swaps

if TYPE_CHECKING:
    from vlsu.runs.understanding.evaluation import Evaluation

__all__ = ["estimate_evaluation"]


def estimate_evaluation(
    evaluation: Evaluation,
    folder: RunFolder | None,
    beside: Evaluation | None = None,
    source: Path | None = None,
) -> Estimate:
    """What a run will take; nothing is sent. Of a draw about, with `until` alone at most.

    Args:
        evaluation: The run.
        folder: Where it goes: what is stored there is not asked again, and does not count.
        beside: Another run of the same samples that is asked first; what both ask for is asked
            there, and does not count.
        source: The responses of that run, of which some may be there.

    Raises:
        RunError: The folder holds another run.
    """
    selection: Selection = evaluation.subset
    if evaluation.sampling is not None:
        selection = evaluation.sampling.expected()
    expected = selection
    left, price, swaps = None, evaluation.options.limits.price, evaluation.swaps()
    before, modalities = RunRecord(), evaluation.task.modalities
    with ExitStack() as opened:
        store = None
        if folder is not None:
            existing = open_existing_run(folder, evaluation.record(), source)
            before, store = opened.enter_context(existing)
            selection = _drawn_before(evaluation, folder, before) or selection
            price = Costs(recorded_prices(before)).price_of(evaluation.model.spec, price)
        several = swaps is not None or evaluation.options.draws > 1
        if store is not None or several or beside is not None or evaluation.task.narrows:
            chunks = _chunks(evaluation, selection, store, swaps)
            out_now = frozenset() if folder is None else keys_out(folder.path)
            there = set() if beside is None else _keys(_chunks(beside, selection, store))
            left = remaining_judgments(chunks, store, modalities, out_now, there)
    found = estimate(evaluation.dataset, selection, evaluation.task, price, left, evaluation.model)
    found = timed(found, before, evaluation.options.limits)
    if evaluation.sampling is not None and selection is expected:
        found = replace(found, at_most=evaluation.sampling.until is not None)
    asked_of = evaluation.dataset, evaluation.covered
    require_valid_samples(*asked_of, evaluation.policy)
    lines = coverage_warnings(*asked_of, modalities, evaluation.options)
    return replace(found, lacking=tuple(lines))


def _chunks(
    evaluation: Evaluation,
    selection: Selection,
    store: ResponseStore | None,
    swaps: Swaps | None = None,
) -> Iterator[Chunk]:
    """All requests of a run."""
    keys = RequestKeys(evaluation.model.identity())
    task = evaluation.task.again(range(evaluation.options.draws))
    chunks = plan(evaluation.dataset, selection, task, keys)
    if (first := evaluation.first_pass) is not None:
        chunks = chain(first.chunks(selection), first.narrowed(selection, store))
    if swaps is not None:
        pairs = swaps.chunks(evaluation.dataset, evaluation.task.only("joint"), keys)
        chunks = chain(chunks, pairs)
    return chunks


def _keys(chunks: Iterator[Chunk]) -> Set[str]:
    return {each.key for chunk in chunks for each in chunk.planned}


def _drawn_before(evaluation: Evaluation, folder: RunFolder, before: RunRecord) -> Selection | None:
    """The samples of this very draw, if it is finished; `None` if it is not, or none is drawn.

    Args:
        evaluation: The run.
        folder: Where it is.
        before: The record there; empty if there is none.
    """
    if evaluation.sampling is None or before.get("status") != "finished":
        return None
    same = before.get("fingerprint") == evaluation.record()["fingerprint"]
    if not same or not folder.has_results_of(before):
        return None
    ids = scan_parquet(folder.judgments_file).select(pl.col("sample_id").unique()).collect()
    return ChosenSamples(tuple(ids.get_column("sample_id").sort()))
