"""Evaluate a model on a dataset: plan, execute, store, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu.analysis import Tabulation, cell_metrics, diagnosis
from vlsu.data import Dataset, load
from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.base import Model, Outcome, Response, Settings
from vlsu.policy import MODALITIES, Policy, load_policy
from vlsu.runs.estimate import Estimate, estimate
from vlsu.runs.executor import Progress
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.images import DatasetImages
from vlsu.runs.judging import JudgmentsFile, judge
from vlsu.runs.keys import RequestKeys
from vlsu.runs.limits import Limits
from vlsu.runs.loop import in_event_loop
from vlsu.runs.plan import Subset, plan
from vlsu.runs.record import distinct_requests, new_record, not_asked
from vlsu.runs.run import Run
from vlsu.runs.session import NO_PROGRESS, opened
from vlsu.runs.store import ResponseStore
from vlsu.tasks import BARE, PROMPTS, Understanding, load_prompt, read_answer

__all__ = ["Evaluation", "evaluate", "prepare"]


def evaluate(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    out: str | Path,
    modalities: Sequence[str] = MODALITIES,
    prompt: str | None = None,
    policy: Policy | str | Path | None = None,
    base_url: str | None = None,
    concurrency: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    settings: Settings | None = None,
    limits: Limits | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Run the understanding task; the same call again asks only what is missing.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set (``vlsu-mini``).
        model: ``provider/name``, or a model of one's own.
        out: The run folder, made if need be.
        modalities: Which of image, text and joint to ask for.
        prompt: A prompt's name or file; ``zero-shot`` unless the model takes no instructions.
        policy: A policy or its file; the dataset's own by default.
        base_url: Root of an OpenAI-compatible server.
        concurrency: Requests in flight; found by growing while it pays, if not given.
        limit: Number of samples, drawn by `seed`.
        seed: Draws the subset, and goes to the provider where it takes one.
        params: Passed on to the provider as they are.
        settings: Everything else about how the model is asked.
        limits: What may be sent a minute and spent in all; its concurrency gives way to the
            argument of that name.
        progress: Told how far the run is.

    Returns:
        The run. It is finished unless it was interrupted; then the same call goes on.

    Raises:
        VlsuError: Wrong arguments, a model that cannot be reached, a folder in use.
    """
    settings = settings or Settings()
    limits = limits or Limits()
    evaluation = prepare(
        dataset,
        model=model,
        modalities=modalities,
        prompt=prompt,
        policy=policy,
        limit=limit,
        settings=replace(
            settings,
            base_url=base_url or settings.base_url,
            seed=settings.seed if seed is None else seed,
            params={**settings.params, **(params or {})},
        ),
        limits=limits if concurrency is None else replace(limits, concurrency=concurrency),
    )
    return evaluation.run(out, progress)


def prepare(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    modalities: Sequence[str] = MODALITIES,
    prompt: str | None = None,
    policy: Policy | str | Path | None = None,
    limit: int | None = None,
    settings: Settings | None = None,
    limits: Limits | None = None,
) -> Evaluation:
    """Check everything that can be checked before the first request; arguments as `evaluate`.

    Raises:
        VlsuError: Wrong arguments, or a dataset, policy, prompt or model that cannot be opened.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: at least 1 sample is needed")
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    if policy is None:
        chosen = dataset.policy
    else:
        chosen = policy if isinstance(policy, Policy) else load_policy(policy)
    settings = settings or Settings()
    opened = open_model(model, settings) if isinstance(model, str) else model
    if unable := [m for m in modalities if m in MODALITIES and m not in opened.modalities]:
        raise UsageError(f"{opened.spec} cannot judge {unable[0]}; leave it out of --modalities")
    name = BARE if not opened.takes_instructions else prompt or PROMPTS[0]
    if settings.structured == "on" and name not in (*PROMPTS, BARE):
        raise UsageError(
            f"--structured on: {name} may reason before it answers, which a schema would cut off; "
            "leave it at auto with a prompt of your own"
        )
    return Evaluation(
        dataset=dataset,
        model=opened,
        policy=chosen,
        task=Understanding(chosen, load_prompt(name, chosen), modalities, settings.system),
        subset=Subset(limit, settings.seed or 0),
        base_url=settings.base_url,
        limits=limits or Limits(),
    )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An understanding run that is ready to start; made by `prepare`."""

    dataset: Dataset
    model: Model
    policy: Policy
    task: Understanding
    subset: Subset
    base_url: str | None
    limits: Limits

    def estimate(self) -> Estimate:
        """What it will take; nothing is sent."""
        return estimate(self.dataset, self.subset, self.task, self.limits.price)

    def run(self, out: str | Path, progress: Progress = NO_PROGRESS) -> Run:
        """Run it into a folder, or go on with the run that lies there."""
        return in_event_loop(lambda: self._run(RunFolder(out), progress))

    async def _run(self, folder: RunFolder, progress: Progress) -> Run:
        modalities = self.task.modalities
        record = new_record(
            self.task, self.model, self.dataset, modalities, self.subset, self.base_url
        )
        async with opened(folder, record, self.limits, [self.model], progress) as session:
            if finished := _finished(folder, record["fingerprint"], session.store):
                return finished
            session.begin()
            keys = RequestKeys(self.model.identity())
            needed = sum(distinct_requests(self.dataset, self.subset, modalities).values())
            progress.begin(needed)
            progress.stored(min(session.stored_before, needed))
            images = DatasetImages(self.dataset, self.model.image_limits)
            planned = plan(self.dataset, self.subset, self.task, keys, by_image=True)
            if await session.ask(planned, self.model, images, self._outcome, self.limits):
                record["outcomes"] = self._judge(folder, session.store, keys)
                record["not_asked"] = not_asked(self.dataset, self.subset, modalities)
            session.account(needed)
            record["images"] = images.changes()
        return Run(folder.path, record)

    def _outcome(self, response: Response) -> Outcome:
        return read_answer(response, self.policy).outcome

    def _judge(
        self, folder: RunFolder, store: ResponseStore, keys: RequestKeys
    ) -> Mapping[str, Any]:
        """Write judgments and metrics; return the counts by modality and outcome."""
        tabulation = Tabulation()
        with JudgmentsFile(folder.judgments_file) as file:
            chunks = plan(self.dataset, self.subset, self.task, keys)
            judge(chunks, store, self.model, self.task, file, tabulation)
        metrics = cell_metrics(tabulation.cells())
        metrics |= diagnosis(pl.scan_parquet(folder.judgments_file), self.dataset.frame())
        write_atomically(folder.metrics_file, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        outcomes = metrics["outcomes"]
        if not isinstance(outcomes, Mapping):
            raise TypeError("metrics.json: outcomes is a mapping")
        return outcomes


def _finished(folder: RunFolder, fingerprint: str, store: ResponseStore) -> Run | None:
    """The run that lies there, if nothing is left to ask or to judge; found without a plan."""
    if not (folder.record_file.exists() and folder.judgments_file.exists()):
        return None
    record = folder.record()
    done = record.get("status") == "finished" and record.get("fingerprint") == fingerprint
    if not done or not folder.metrics_file.exists():
        return None
    requests = record["requests"]
    failed = sum(counts["error"] for counts in record["outcomes"].values())
    if failed or store.count() != requests["stored"]:
        return None
    again = {**requests, "asked": 0, "reused": requests["asked"] + requests["reused"]}
    return Run(folder.path, {**record, "requests": again})
