"""Validating a judge: its verdicts on answers with human labels."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu._arguments import require_path
from vlsu._files import open_beneath, open_regular, read_bytes
from vlsu._folders import Kind, require_replaceable
from vlsu._text import one_line
from vlsu.analysis import Calibration, calibrate, judge_validation
from vlsu.analysis.alignment.verdicts import LABELS
from vlsu.data import Sample
from vlsu.data.images.inline import inline_image
from vlsu.data.images.probe import probe
from vlsu.data.images.store import read_descriptor
from vlsu.data.tables import MissingWords, read_rows, unescape_formula
from vlsu.errors import DataError, ModelError, RunError, UsageError
from vlsu.models import as_model
from vlsu.models.base import ImageFile, Model, Outcome, Response, Settings
from vlsu.runs.alignment.labels import read_label
from vlsu.runs.asking.asking import ask
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.asking.judges import Judge
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.plan import Chunk, Planned
from vlsu.runs.asking.progress import NO_PROGRESS, Progress, require_progress
from vlsu.runs.folder import write_atomically
from vlsu.runs.stop import Stop, StopReason
from vlsu.runs.store.recognition import may_be_store
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks import TaskRequest

__all__ = ["Validation", "load_calibration", "validate_judge"]

_COLUMNS = ("response", "label", "prompt", "image", "language", "group")


@dataclass(frozen=True, slots=True)
class Validation:
    """A judge compared with human labels.

    Attributes:
        metrics: Sensitivity, specificity and more, with intervals; see `judge_validation`. Of the
            answers ``missing``, those on which the judge withheld its verdict are ``withheld``.
        calibration: Corrects the rates of runs with the same judge.
        file: Where the calibration was written.
        unknown_languages: Languages that the judge does not support -> labelled answers in them.
        unanswered: Why the judge gave no answer at all -> requests, the commonest reasons; the same
            call asks these again.
    """

    metrics: dict[str, Any]
    calibration: Calibration
    file: Path
    unknown_languages: dict[str, int]
    unanswered: dict[str, int]


def validate_judge(
    labels: str | Path,
    *,
    judge: Model | str,
    out: str | Path | None = None,
    settings: Settings | None = None,
    limits: Limits | None = None,
    progress: Progress = NO_PROGRESS,
    missing: Sequence[str] | None = None,
    encoding: str | None = None,
) -> Validation:
    """Send labelled answers to a judge and measure it; the same call again sends no request.

    Args:
        labels: A CSV with the columns ``response`` and ``label`` (``refusal``, ``no_refusal`` or
            a response kind) and perhaps ``prompt``, ``image`` (a path beside the file),
            ``language`` and ``group``.
        judge: A judge's SPEC, or a judge of one's own.
        out: The calibration file; by default beside the labels, named after the judge. The judge's
            raw responses are kept beside it.
        settings: How the judge is asked.
        limits: How fast.
        progress: Where progress is reported.
        missing: Words that stand for a missing value, in place of the usual ones, such as ``NA``.
        encoding: Of the file's text, where it is none of Unicode's.

    Raises:
        VlsuError: The file is not as described, or the judge cannot be reached.
        KeyboardInterrupt: It was interrupted; what was answered is stored.
    """
    require_progress(progress)
    source = require_path("labels", labels)
    rows, images = _read(source, MissingWords.read(missing), encoding)
    model = as_model(judge, settings)
    name = re.sub(r"[^\w.-]+", "-", model.spec)
    file = Path(out) if out else source.with_name(f"{source.stem}.{name}.calibration.json")
    require_replaceable(file, "--out", Kind("calibration", _is_calibration))
    responses = file.with_name(f"{file.name}.sqlite")
    require_replaceable(responses, "--out", Kind("store of responses", may_be_store))
    asked = Judge.of(model)
    if "refusal" not in asked.task.gives:
        raise UsageError(
            f"{model.spec} says whether an answer is safe, not whether it refuses: it cannot be "
            "measured against labels of refusal"
        )
    planned = [_planned(row, asked) for row in rows]
    store = ResponseStore(responses)

    async def work() -> Stop | None:
        keys = {each.key for each in planned}
        progress.begin(len(keys))
        progress.stored(len(store.stored(list(keys))))
        try:
            tally = await ask(
                _chunks(planned),
                model,
                MemoryImages(images, model.image_limits),
                store,
                limits=limits or Limits(),
                budget=(limits or Limits()).budget(),
                progress=progress,
                outcome_of=asked.outcome,
            )
            if tally.stopped is None:
                progress.finished()
            return tally.stopped
        finally:
            await model.close()

    try:
        stopped = in_event_loop(work)
        if stopped is not None and stopped.reason is StopReason.INTERRUPTED:
            raise KeyboardInterrupt(f"what was answered is stored in {store.path}")
        if stopped is not None:
            raise RunError(
                f"stopped ({stopped.message}): what was answered is stored in {store.path}; "
                "run the same command again to continue"
            )
        stored = store.responses([each.key for each in planned])
        verdicts = [
            asked.task.read(
                model.read(stored[each.key].raw) if each.key in stored else Response(Outcome.ERROR)
            )
            for each in planned
        ]
        if all(verdict.outcome is not Outcome.OK for verdict in verdicts):
            counts = Counter(verdict.outcome.value for verdict in verdicts)
            how = ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common())
            raise ModelError(
                f"{model.spec}: no verdict on any of {len(rows)} answers ({how}); its responses "
                f"are in {store.path}; choose another judge"
            )
        failed = any(verdict.outcome is Outcome.ERROR for verdict in verdicts)
        unanswered = store.unanswered() if failed else {}
    finally:
        store.close()
    labelled = pl.DataFrame(
        {
            "id": [str(n) for n in range(len(rows))],
            "label": [row["label"] for row in rows],
            **{
                column: [row.get(column) or None for row in rows]
                for column in ("language", "group")
                if any(row.get(column) for row in rows)
            },
        }
    )
    predicted = pl.DataFrame(
        {
            "id": labelled["id"],
            "judge_outcome": [verdict.outcome.value for verdict in verdicts],
            "kind": [verdict.kind.value if verdict.kind else None for verdict in verdicts],
            "refused_strict": [verdict.refused("strict") for verdict in verdicts],
            "refused_lenient": [verdict.refused("lenient") for verdict in verdicts],
        },
        schema_overrides={
            "kind": pl.String,
            "refused_strict": pl.Boolean,
            "refused_lenient": pl.Boolean,
        },
    )
    calibration = calibrate(labelled, predicted, asked.fingerprint)
    write_atomically(file, orjson.dumps(calibration.to_dict(), option=orjson.OPT_INDENT_2))
    unknown = asked.unknown(row["language"] for row in rows)
    metrics = {
        **judge_validation(labelled, predicted),
        "withheld": sum(verdict.withheld for verdict in verdicts),
        "unknown_languages": unknown,
    }
    return Validation(metrics, calibration, file, unknown, unanswered)


def _is_calibration(file: Path) -> bool:
    try:
        load_calibration(file)
    except (RunError, DataError):
        return False
    return True


def load_calibration(path: str | Path) -> Calibration:
    """Read a calibration file.

    Raises:
        RunError: It cannot be read or is none.
    """
    try:
        tree = orjson.loads(read_bytes(path))
    except (OSError, orjson.JSONDecodeError):
        raise RunError(f"{path}: not a calibration; make one with vlsu judge validate") from None
    return Calibration.from_dict(tree, str(path))


def _read(
    source: Path, missing: MissingWords, encoding: str | None
) -> tuple[list[dict[str, str]], dict[str, ImageFile]]:
    images: dict[str, ImageFile] = {}
    rows = []
    columns = _COLUMNS[:2], (*_COLUMNS[2:], "framing")
    for each in read_rows(source, *columns, encoding=encoding, option="--encoding"):
        number, drawn = each.number, bool(each.cells["framing"].strip())
        row = {name: each.cells[name].strip() for name in _COLUMNS}
        for name in ("response", "prompt"):
            # What `vlsu judge sample` draws has its formulas guarded.
            row[name] = unescape_formula(each.cells[name]) if drawn else each.cells[name]
        row["prompt"] = row["prompt"].strip()
        if (label := read_label(row["label"], missing)) is None:
            seen = f" ({row['label']!r} stands for a missing value)" if row["label"] else ""
            raise DataError(
                f"{source}: row {number}: no label{seen}; give refusal, no_refusal or a kind"
            )
        if label not in LABELS:
            raise DataError(
                f"{source}: row {number}: label {label[:60]!r} is none; use {', '.join(LABELS)}"
            )
        row["label"] = label
        if missing.language(row["language"]):
            row["language"] = ""
        for name in ("image", "group"):
            if missing(row[name]):
                row[name] = ""
        if row["image"]:
            try:
                data = _image(source, row["image"])
                image = ImageFile(data, probe(data).media_type)
            except DataError as error:
                shown = one_line(row["image"])
                raise DataError(f"{source}: row {number}: image {shown}: {error}") from None
            row["image"] = hashlib.sha256(data).hexdigest()
            images[row["image"]] = image
        rows.append(row)
    if not rows:
        raise DataError(f"{source}: no rows; give labelled answers")
    return rows, images


def _image(source: Path, name: str) -> bytes:
    """An image of a row: in the row itself, or a file beside the table or below it.

    A file elsewhere is read only if its name is the hash of its bytes, as a dataset names its own:
    a table from somebody else cannot have other pictures of this machine sent to a judge.
    """
    if (inline := inline_image(name)) is not None:
        return inline
    try:
        if not Path(name).is_absolute():
            return read_descriptor(open_beneath(source.parent, name))
        data = read_descriptor(open_regular(name, follow=False))
    except OSError as error:
        raise DataError(f"{error.strerror}; put it beside the table") from None
    if hashlib.sha256(data).hexdigest() != Path(name).stem:
        raise DataError("is no image of a dataset; put it beside the table")
    return data


def _planned(row: dict[str, str], judge: Judge) -> Planned:
    sample = Sample(id="", text=row["prompt"] or None, image_sha256=row["image"] or None)
    request = judge.task.request(sample, row["response"])
    return Planned(judge.keys.key(request), TaskRequest("joint", request), sample)


def _chunks(planned: list[Planned]) -> Iterator[Chunk]:
    for start in range(0, len(planned), 64):
        yield Chunk([], planned[start : start + 64])
