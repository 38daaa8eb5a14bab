"""Evaluate a model, or an ensemble, on a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlsu._arguments import require_path
from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.data import Dataset
from vlsu.models.base import Model, Settings
from vlsu.models.ensemble import is_ensemble
from vlsu.policy import Policy
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.batching.options import Batching
from vlsu.runs.options import ModelOptions, merged
from vlsu.runs.run import Run
from vlsu.runs.understanding import evaluation
from vlsu.runs.understanding.evaluation import Evaluation
from vlsu.runs.understanding.options import UnderstandingOptions

if TYPE_CHECKING:
    from vlsu.runs.ensembles.ensemble import Ensemble
    from vlsu.runs.ensembles.members import MemberModels

__all__ = ["evaluate", "prepare"]


def evaluate(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    out: str | Path,
    modalities: Sequence[str] | None = None,
    prompt: str | None = None,
    policy: Policy | str | Path | None = None,
    base_url: str | None = None,
    concurrency: int | None = None,
    limit: int | None = None,
    budget: int | None = None,
    until: str | None = None,
    pilot: str | Path | Sequence[str | Path] | None = None,
    weights: HarmWeights | str | Path | None = None,
    probe: str | None = None,
    draws: int = 1,
    policy_detail: str = "full",
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    settings: Settings | None = None,
    limits: Limits | None = None,
    without_images: bool = False,
    batch: Batching | None = None,
    store: str | Path | None = None,
    replay: str | Path | None = None,
    trace: str | Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Run the understanding task; the same call again asks only what is missing.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set (``vlsu-mini``).
        model: ``provider/name``, or a model of one's own; or ``ensemble/RULE:A+B`` of SPECs and
            folders of finished runs (``docs/ensembles.md``).
        out: The run folder, made if need be.
        modalities: Which of image, text and joint to ask for; `None` for all it can judge.
        prompt: A prompt's name or file, ``zero-shot`` by default; a model that takes no
            instructions is not sent it, which a warning says.
        policy: A policy, its file, or ``default`` or ``binary``; the dataset's own by default.
        base_url: Root of an OpenAI-compatible server.
        concurrency: Requests in flight; found by growing while it pays, if not given.
        limit: Number of samples, drawn by `seed`; what is measured is that part of the dataset.
        budget: Number of samples of a stratified draw, from which the metrics of the whole dataset
            are estimated; see ``docs/fewer-calls.md``.
        until: Draw until an interval is narrow enough, such as ``"joint.f1_macro +- 0.02"``.
        pilot: Finished runs over this dataset, one or several, that decide how the draw is spread
            and take part of its luck away.
        weights: What errors on pairs cost, or a YAML file of it, for ``weighted_harm``.
        probe: ``"swap"``: ask too about pairs of which one half was exchanged, for ``swap``.
        policy_detail: How much of the policy the prompt states, ``full``, ``brief`` or
            ``category``; see `UnderstandingOptions`.
        draws: Answers to each request, for ``reruns``: how far figures move when the model is asked
            again. More than one needs ``params={"temperature": 1}`` or another.
        seed: Draws the subset, and goes to the provider where it takes one.
        params: Passed on to the provider as they are.
        settings: Everything else about how the model is asked.
        limits: What may be sent a minute and spent in all; its concurrency gives way to the
            argument of that name.
        without_images: Whether to go on where images have not been fetched from their addresses.
        batch: `Batching()` hands requests to the provider's batch interface (``docs/batch.md``).
        store: A file of responses that several runs share (``docs/store.md``).
        replay: A finished run whose stored answers are judged instead of asking.
        trace: A file of the run's timeline, what it waited for (``docs/engine.md``).
        progress: Where progress is reported.

    Returns:
        The run. It is finished unless it was stopped; then the same call goes on.

    Raises:
        VlsuError: Wrong arguments, a model that cannot be reached, a folder in use.
    """
    out = require_path("out", out)
    shortcuts = ModelOptions.given(
        base_url=base_url or None, concurrency=concurrency, seed=seed, params=params
    )
    asked = merged(shortcuts, ModelOptions.of(settings, limits))
    options = UnderstandingOptions(
        model=model,
        limit=limit,
        settings=asked.settings(),
        limits=asked.limits(str(model)),
        modalities=modalities,
        prompt=prompt,
        policy=policy,
        budget=budget,
        until=until,
        pilot=pilot,
        weights=weights,
        probe=probe,
        draws=draws,
        policy_detail=policy_detail,
        without_images=without_images,
        batch=batch,
        store=store,
        replay=replay,
        trace=trace,
    )
    return prepare(dataset, options).run(out, progress)


def prepare(
    dataset: Dataset | str | Path,
    options: UnderstandingOptions,
    members: MemberModels | None = None,
) -> Evaluation | Ensemble:
    """Check everything that can be checked before the first request.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        options: Everything else.
        members: Where an ensemble finds the models that its members name; by default they are
            SPECs, all asked as the options say.

    Raises:
        VlsuError: Wrong options, or a dataset, policy, prompt or model that cannot be opened.
    """
    if is_ensemble(options.model):
        from vlsu.runs.ensembles.ensemble import prepare_ensemble

        return prepare_ensemble(dataset, options, members)
    return evaluation.prepare(dataset, options)
