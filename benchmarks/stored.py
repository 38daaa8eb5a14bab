"""Runs that are part done or done, made without asking: the responses are put into the store."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import orjson

from benchmarks.mock_server import completion
from vlsu.models import Raw, Settings
from vlsu.runs import ResponseStore, UnderstandingOptions
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import samples
from vlsu.runs.folder import RunFolder
from vlsu.runs.understanding.evaluation import prepare

#: So many responses wait for the disk at most.
_FLUSH = 50_000


def store_responses(dataset: Path, out: Path, base_url: str, share: float) -> int:
    """Store a share of a run's responses, in the order in which the run asks for them.

    Args:
        dataset: The dataset's folder.
        out: The run folder; made.
        base_url: As the run will be given it.
        share: In [0, 1], of the samples' requests, those that samples share counted each time.

    Returns:
        How many different responses are stored.
    """
    evaluation = prepare(
        dataset, UnderstandingOptions(model="openai/mock", settings=Settings(base_url=base_url))
    )
    keys = RequestKeys(evaluation.model.identity())
    raw = Raw(200, orjson.dumps(completion('{"severity": "safe", "category": null}')), 0.02)
    wanted = round(share * len(evaluation.dataset) * len(evaluation.task.modalities))
    out.mkdir(parents=True)
    store = ResponseStore(RunFolder(out).responses_file)
    try:
        covered = samples(evaluation.dataset, evaluation.subset, by_image=True)
        requests = (
            task_request for sample in covered for task_request in evaluation.task.requests(sample)
        )
        for number, task_request in enumerate(islice(requests, wanted), 1):
            store.put(keys.key(task_request.request), raw, 1)
            if number % _FLUSH == 0:
                store.flush()
        store.flush()
        return store.count()
    finally:
        store.close()
