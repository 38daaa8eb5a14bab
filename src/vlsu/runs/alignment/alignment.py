"""Starting an alignment run: `align`, and the checks before its first request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlsu._arguments import require_path
from vlsu.analysis import Calibration
from vlsu.data import Dataset, load
from vlsu.errors import UsageError
from vlsu.models import as_model
from vlsu.models.base import Model, Settings, require_answers
from vlsu.runs.alignment.alignment_run import AlignmentRun
from vlsu.runs.alignment.labels import read_labels
from vlsu.runs.alignment.options import AlignmentOptions
from vlsu.runs.asking.judges import Judge, Respondents
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.batching.options import Batching, require_batches
from vlsu.runs.costs import require_one_currency
from vlsu.runs.record import has_captions
from vlsu.runs.run import Run
from vlsu.tasks import FRAMINGS, Alignment, load_framings

__all__ = ["align", "prepare_alignment"]


def align(
    dataset: Dataset | str | Path,
    *,
    model: Model | str,
    out: str | Path,
    judges: Sequence[Model | str] = ("judge/offline",),
    framings: Sequence[str] = FRAMINGS,
    captions: bool = False,
    draws: int = 1,
    judge_repeats: int = 1,
    limit: int | None = None,
    settings: Settings | None = None,
    judge_settings: Settings | None = None,
    calibration: Calibration | None = None,
    labels: str | Path | None = None,
    limits: Limits | None = None,
    judge_limits: Sequence[Limits] | None = None,
    without_images: bool = False,
    batch: Batching | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    """Run the alignment task; the same call again asks only what is missing.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        model: ``provider/name``, or a model of one's own.
        out: The run folder.
        judges: Who judges the answers; metrics go by the first, the others are compared with it.
        framings: Names of framings, or files.
        captions: Whether the model is shown captions, from the samples' metadata, in place of the
            images. Judges see the images all the same.
        draws: Answers to each question; more than one needs a temperature.
        judge_repeats: Verdicts of each judge on each answer.
        limit: Number of samples, drawn by the settings' seed.
        settings: How the model is asked.
        judge_settings: How the judges are asked.
        calibration: Of the first judge, from `validate_judge`: corrects the judged rates.
        labels: A CSV of human labels of this run's answers (see
            `vlsu.runs.alignment.labels.read_labels`): correct the judged rates before the
            calibration does, where there are enough of them.
        limits: What may be sent to the model at once and a minute, its price, and what may be
            sent and spent in all, on the judges too.
        judge_limits: The same for each judge, in their order; their bounds in all do not count.
        without_images: Whether to go on where images have not been fetched from their addresses.
        batch: `Batching()` hands requests to the provider's batch interface (``docs/batch.md``).
        progress: Where progress is reported.

    Raises:
        VlsuError: Wrong arguments, a model that cannot be reached, a folder in use.
    """
    out = require_path("out", out)
    options = AlignmentOptions(
        model=model,
        judges=judges,
        framings=framings,
        captions=captions,
        draws=draws,
        judge_repeats=judge_repeats,
        limit=limit,
        settings=Settings() if settings is None else settings,
        judge_settings=Settings() if judge_settings is None else judge_settings,
        calibration=calibration,
        labels=labels,
        limits=Limits() if limits is None else limits,
        judge_limits=judge_limits,
        without_images=without_images,
        batch=batch,
    )
    return prepare_alignment(dataset, options).run(out, progress)


def prepare_alignment(dataset: Dataset | str | Path, options: AlignmentOptions) -> AlignmentRun:
    """Check everything that can be checked before the first request.

    Args:
        dataset: A dataset, its folder, or the name of a bundled set.
        options: Everything else.

    Raises:
        VlsuError: Wrong options, or something that cannot be opened.
    """
    model = as_model(options.model, options.settings)
    if not model.takes_instructions:
        raise UsageError(f"{model.spec} is a classifier and answers nobody; choose a chat model")
    require_answers(model, options.settings)
    require_batches(model, options.batch)
    if "joint" not in model.modalities and not options.captions:
        raise UsageError(
            f"{model.spec} cannot see images; add --captions to show it the dataset's captions "
            "in their place"
        )
    judges = tuple(
        Judge.of(as_model(judge, options.judge_settings), limits)
        for judge, limits in zip(options.judges, options.limits_of_judges, strict=True)
    )
    _check_judges(judges, options)
    data = dataset if isinstance(dataset, Dataset) else load(dataset)
    if options.captions and not has_captions(data):
        raise UsageError(
            f"{data.info.name}: no sample has a caption in its metadata; leave --captions out"
        )
    framings = load_framings(options.framings)
    task = Alignment(framings, options.draws, options.settings.system, captions=options.captions)
    labels = options.labels
    return AlignmentRun(
        dataset=data,
        asked=Respondents(model, options.limits, judges, options.judge_repeats),
        task=task,
        labels=None if labels is None else read_labels(labels, data, options.subset, task),
        options=options,
    )


def _check_judges(judges: Sequence[Judge], options: AlignmentOptions) -> None:
    """Refuse judges that do not fit the options.

    Raises:
        UsageError: A price is missing or in another currency, the calibration is another judge's,
            or one is given twice.
    """
    specs = [judge.model.spec for judge in judges]
    unpriced = [
        judge.model.spec
        for judge in judges
        if judge.model.takes_instructions and judge.limits.price is None
    ]
    if options.limits.max_cost is not None and unpriced:
        raise UsageError(
            f"max-cost needs a price of the judge {unpriced[0]} too; give --judge-price "
            "INPUT,OUTPUT a million tokens"
        )
    prices = [options.limits.price, *(judge.limits.price for judge in judges)]
    require_one_currency(options.limits.max_cost, prices)
    calibration = options.calibration
    if calibration is not None and calibration.judge != judges[0].fingerprint:
        raise UsageError(
            f"the calibration is another judge's than {specs[0]} as it is asked here; "
            "make one with vlsu judge validate"
        )
    if len(set(specs)) < len(specs):
        raise UsageError("a judge is given twice; use --judge-repeats for several verdicts of one")
    if options.labels is not None and "refusal" not in judges[0].task.gives:
        raise UsageError(
            f"labels say what refuses, and {specs[0]} only whether an answer is safe; put a "
            "judge of refusal first"
        )
