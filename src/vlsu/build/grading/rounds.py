"""One round of the pre-grader: a dataset of queries, a run over it, and answers that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from vlsu.build.asking.asking import known_cost
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import STAGES, Record
from vlsu.build.folder.store import Store
from vlsu.build.grading.deciding import Grade, Grades
from vlsu.data import Dataset, ImageStore, Sample, load, write_dataset
from vlsu.errors import DataError, RunError
from vlsu.models.base import Model, Outcome, Response
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Price
from vlsu.runs.asking.plan import plan
from vlsu.runs.ensembles.ensemble import Ensemble
from vlsu.runs.ensembles.members import MemberModels
from vlsu.runs.evaluating import prepare
from vlsu.runs.run import Run
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.evaluation import Evaluation
from vlsu.runs.understanding.options import UnderstandingOptions

__all__ = ["RUN", "RoundDataset", "add_calls", "grades_of", "open_round", "reuse_answers"]

#: Of a round's folder: what is graded, and the run.
DATASET, RUN = "dataset", "run"
_RESPONSES = "responses.sqlite"
_LOOKUP = 500


@dataclass(frozen=True, slots=True, repr=False)
class RoundDataset(Dataset):
    """A round's samples, whose images are those of the build: no file of an image is copied.

    An image that is taken down is then gone from the rounds too.
    """

    build: Path

    @property
    def images(self) -> ImageStore:
        """The images of the build."""
        return ImageStore(self.build)


def _written(build: Build, folder: Path, queries: Sequence[tuple[Record, Record]]) -> Dataset:
    """The dataset of a round: a sample for each query, without gold grades.

    Args:
        build: Whose images and policy.
        folder: Of the round.
        queries: Each with its image, in order; a sample's id is the query's key.
    """
    made = write_dataset(
        folder / DATASET,
        (
            Sample(
                id=query.key,
                text=query.content["text"],
                language=query.cell.language,
                image_sha256=image.provenance["sha256"],
                group=image.key,
            )
            for query, image in queries
        ),
        name=f"round-{folder.name}",
        version="1",
        licence="not for release",
        citation="",
        source="vlsu build",
        policy=build.policy,
        description="Queries of one round, as the pre-grader sees them; images are the build's.",
        overwrite=True,
    )
    return RoundDataset(made.path, made.info, made.policy, build.folder)


def open_round(
    build: Build,
    queries: Sequence[tuple[Record, Record]],
    options: UnderstandingOptions,
    members: MemberModels | None,
) -> tuple[Path, Evaluation | Ensemble]:
    """A round over these queries: the last one, if it has them all and is by the same grader.

    Args:
        build: Whose.
        queries: Each with its image, in order.
        options: The grader, and how it is asked.
        members: Where an ensemble finds its models.

    Returns:
        The round's folder, and the run that is ready to start in `RUN` below it.

    Raises:
        VlsuError: The grader cannot be opened, or the folder cannot be written.
    """
    rounds = sorted(each for each in build.grades_folder.glob("[0-9]*") if each.name.isdigit())
    number = int(rounds[-1].name) if rounds else 0
    if rounds and not (rounds[-1] / RUN / "run.yaml").exists():
        number -= 1  # nothing was asked in it; it is made anew
    elif rounds and (dataset := _dataset_of(build, rounds[-1], [q.key for q, _ in queries])):
        prepared = prepare(dataset, options, members)
        with suppress(RunError):  # of another grader
            prepared.check(rounds[-1] / RUN)
            return rounds[-1], prepared
    folder = build.grades_folder / f"{number + 1:04}"
    return folder, prepare(_written(build, folder, queries), options, members)


def _dataset_of(build: Build, folder: Path, ids: Sequence[str]) -> Dataset | None:
    """The dataset of a round, if these are among its samples."""
    with suppress(DataError):
        made = load(folder / DATASET)
        with made.reading():
            if {*ids} <= {*made.frame().select("id").collect().get_column("id")}:
                return RoundDataset(made.path, made.info, made.policy, build.folder)
    return None


def reuse_answers(build: Build, prepared: Evaluation | Ensemble, run: Path) -> int:
    """Copy what earlier rounds were answered and this one needs, so that it is not asked again.

    Args:
        build: Whose rounds.
        prepared: The run that is to start.
        run: Its folder.

    Returns:
        How many answers were copied.
    """
    copied = 0
    for evaluation, folder in _asked(prepared, run):
        path = folder / _RESPONSES
        others = [p for p in sorted(build.grades_folder.rglob(_RESPONSES)) if p != path]
        if not others:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        store = ResponseStore(path)
        try:
            needed = [key for keys in _needed(evaluation) for key in keys]
            missing = {*needed} - store.stored(needed)
            for other in reversed(others):
                with suppress(RunError):  # a damaged one; what it held is asked again
                    found = _copy(other, store, sorted(missing))
                    copied += len(found)
                    missing -= found
        finally:
            store.close()
    return copied


def _copy(source: Path, store: ResponseStore, keys: Sequence[str]) -> set[str]:
    there, copied = ResponseStore(source, read_only=True), set()
    try:
        for start in range(0, len(keys), _LOOKUP):
            for key, each in there.responses(keys[start : start + _LOOKUP]).items():
                store.put(key, each.raw, each.attempts)
                copied.add(key)
    finally:
        there.close()
    return copied


def add_calls(store: Store, prepared: Evaluation | Ensemble, run: Path) -> None:
    """Count the answers of a run as calls of the stage, each once over all rounds."""
    for evaluation, folder in _asked(prepared, run):
        path = folder / _RESPONSES
        if not path.exists():
            continue
        model, price = evaluation.model, evaluation.options.limits.price
        responses = ResponseStore(path, read_only=True)
        try:
            for keys in _needed(evaluation):
                store.add_calls(
                    (key, STAGES[-1], model.spec, _cost(model, price, model.read(each.raw)))
                    for key, each in responses.responses(keys).items()
                )
        finally:
            responses.close()


def _cost(model: Model, price: Price | None, answer: Response) -> float | None:
    if price is not None:
        return known_cost(price, answer)
    # what runs on this machine costs nothing; what another server asks is not known
    return None if getattr(model, "destination", None) else 0.0


def _asked(prepared: Evaluation | Ensemble, run: Path) -> list[tuple[Evaluation, Path]]:
    """The evaluations of a run that ask a model, each with its folder."""
    if isinstance(prepared, Evaluation):
        return [(prepared, run)]
    live = ((each.evaluation, run / each.folder) for each in prepared.runs)
    return [(evaluation, folder) for evaluation, folder in live if evaluation is not None]


def _needed(evaluation: Evaluation) -> Iterator[list[str]]:
    """The request keys of an evaluation, each once, some at a time."""
    keys = RequestKeys(evaluation.model.identity())
    seen: set[str] = set()
    batch: list[str] = []
    for chunk in plan(evaluation.dataset, evaluation.subset, evaluation.task, keys):
        for each in chunk.planned:
            if each.key not in seen:
                seen.add(each.key)
                batch.append(each.key)
        if len(batch) >= _LOOKUP:
            yield batch
            batch = []
    if batch:
        yield batch


def grades_of(run: Run) -> dict[str, Grades]:
    """Sample -> its pre-grades, of those samples all of whose requests were answered."""
    found: dict[str, dict[str, Grade]] = {}
    columns = [pl.col(each) for each in ("sample_id", "modality", "predicted", "category")]
    for sample, modality, predicted, category, outcome in run.judged(
        *columns, pl.col("outcome"), where=pl.col("outcome") != Outcome.ERROR.value
    ).iter_rows():
        severity = Severity.parse(predicted) if outcome == Outcome.OK.value else None
        found.setdefault(sample, {})[modality] = Grade(severity, category, outcome)
    return {
        sample: Grades(**grades)
        for sample, grades in found.items()
        if len(grades) == len(MODALITIES)
    }
