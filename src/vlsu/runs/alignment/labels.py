"""Human labels of a run's answers: sampling answers to label, and reading the labels back."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from vlsu._files import read_bytes
from vlsu._folders import require_new
from vlsu.analysis.alignment.labelling import draw_answers
from vlsu.analysis.alignment.prediction_powered import FEWEST_LABELS
from vlsu.analysis.alignment.verdicts import LABELS
from vlsu.data import Dataset
from vlsu.data.tables import MissingWords, escape_formula, plain_word, read_rows
from vlsu.data.tables.keys import Keys, plain_text
from vlsu.errors import DataError, UsageError, VlsuError
from vlsu.policy import Severity
from vlsu.registry import did_you_mean
from vlsu.runs.asking.plan import Subset
from vlsu.runs.folder import write_atomically
from vlsu.runs.run import Run
from vlsu.tasks import Alignment

__all__ = ["AnswersToLabel", "RunLabels", "draw_labels", "read_label", "read_labels"]

_log = logging.getLogger(__name__)

_REQUIRED = ("sample_id", "framing", "label")
#: Columns of a file to label, in order: what names an answer, the label, and what to label it by.
_FILE = (*_REQUIRED[:2], "draw", "label", "prompt", "image", "language", "response")
#: Corrected names that are listed one by one.
_LISTED = 3
#: Characters of a labelled answer that are compared with the run's.
_COMPARED = 500


@dataclass(frozen=True, slots=True)
class RunLabels:
    """Human labels of a part of a run's answers.

    Attributes:
        file: The file they were read from.
        sha256: Of the file.
        frame: Columns `row`, `sample_id`, `framing`, `draw`, `label` and `response` (what was
            labelled; null where the file does not have it).
        unlabelled: Rows without a label.
    """

    file: Path
    sha256: str
    frame: pl.DataFrame
    unlabelled: int

    def record(self) -> Mapping[str, object]:
        """Their part of ``run.yaml``."""
        return {
            "file": self.file.name,
            "sha256": self.sha256,
            "labelled": self.frame.height,
            "unlabelled": self.unlabelled,
            "labels": dict(sorted(Counter(self.frame["label"].to_list()).items())),
        }

    def check_answers(self, answers: pl.DataFrame) -> None:
        """Compare the labelled answers, where the file has them, with those of the run.

        Args:
            answers: `sample_id`, `framing`, `draw`, `answer`.

        Raises:
            DataError: Another answer was labelled: the labels are another run's.
        """
        key = ("sample_id", "framing", "draw")
        both = self.frame.drop_nulls("response").join(answers, on=key, how="inner").sort("row")
        for row, id_, response, answer in both.select(
            "row", "sample_id", "response", "answer"
        ).iter_rows():
            if _comparable(response) != _comparable(answer or ""):
                raise DataError(
                    f"{self.file}: row {row}: the response labelled is not this run's answer to "
                    f"sample {id_!r}; take the labels drawn from this run (vlsu judge sample)"
                )


def read_labels(path: str | Path, dataset: Dataset, subset: Subset, task: Alignment) -> RunLabels:
    """Read labels of a run: a CSV with the columns ``sample_id``, ``framing`` and ``label``.

    A label is ``refusal``, ``no_refusal`` or a response kind; ``draw`` counts from 0, which it is
    where it is not given. Rows without a label are counted and left out; other columns are too, but
    for ``response``, which is compared with the run's answer.

    Args:
        path: The file.
        dataset: What the run is on.
        subset: How much of it.
        task: Its framings and draws.

    Raises:
        DataError: The file cannot be read, or a row is wrong; the message names the row.
    """
    file = Path(path)
    rows = list(read_rows(file, _REQUIRED, ("draw", "response")))
    samples = set(subset.frame(dataset).select("id").collect().get_column("id"))
    framings = [framing.name for framing in task.framings]
    # Of all the dataset: a row of a sample outside of the run must not pass for one inside.
    ids = Keys(dataset.frame().select("id").collect().get_column("id"))
    names, changed = Keys(framings), _Changed(file)
    seen: dict[tuple[str, str, int], int] = {}
    labelled: list[tuple[int, str, str, int, str, str | None]] = []
    for each in rows:
        number, row = each.number, each.cells
        where = f"{file}: row {number}:"
        if (label := read_label(row["label"])) is None:
            continue
        id_ = changed.resolve(number, "sample", row["sample_id"], ids)
        if id_ not in samples:
            raise DataError(
                f"{where} sample {id_[:80]!r} is not in this run; remove the row, or take the "
                "labels drawn from this run"
            )
        framing = changed.resolve(number, "framing", row["framing"], names)
        if framing not in framings:
            raise DataError(
                f"{where} framing {framing[:80]!r} is not in this run; "
                f"{did_you_mean(framing, framings)}"
            )
        draw = _draw(where, row["draw"], task.draws)
        if label not in LABELS:
            near = did_you_mean(label, list(LABELS))
            raise DataError(f"{where} label {label[:60]!r} is none; {near}")
        if (before := seen.setdefault((id_, framing, draw), number)) != number:
            raise DataError(f"{where} row {before} labels the same answer; keep one of them")
        labelled.append((number, id_, framing, draw, label, row["response"] or None))
    if not labelled:
        raise DataError(f"{file}: no row has a label; fill the column label of some")
    changed.say()
    columns = {
        "row": pl.Int64,
        "sample_id": pl.String,
        "framing": pl.String,
        "draw": pl.Int64,
        "label": pl.String,
        "response": pl.String,
    }
    frame = pl.DataFrame(labelled, schema=columns, orient="row")
    digest = hashlib.sha256(read_bytes(file)).hexdigest()
    return RunLabels(file, digest, frame, len(rows) - len(labelled))


def read_label(cell: str, missing: MissingWords | None = None) -> str | None:
    """The label in a cell, in the spelling of `LABELS` where it is one; `None` where there is none.

    Letter case, outer space, quotation marks and the kind of word separator do not count.
    """
    label = re.sub(r"[\s_\-]+", "_", plain_word(cell)).lower()
    missing = missing or MissingWords()
    return None if not label or missing(cell, frozenset(LABELS)) else label


class _Changed:
    """Names in a file that a spreadsheet has changed, and the names they are read as."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._said: list[str] = []

    def resolve(self, row: int, kind: str, cell: str, keys: Keys) -> str:
        """The name that a cell stands for; the cell itself where there is none.

        Raises:
            DataError: It may stand for several names, or is what a spreadsheet made of one that
                cannot be found.
        """
        found = keys.find(cell)
        if len(found.names) == 1:
            if found.how:
                self._said.append(
                    f"row {row}: {kind} {cell.strip()[:40]!r} is taken for "
                    f"{found.names[0][:40]!r}: {found.how}"
                )
            return found.names[0]
        if not found.how:
            return cell.strip()
        advice = "write it as in the file drawn (format the column as text)"
        where = f"{self._file}: row {row}: {kind} {cell.strip()[:40]!r}"
        if found.names:
            fits = " and ".join(repr(name[:40]) for name in found.names[:3])
            raise DataError(f"{where} fits {fits} ({found.how}); {advice}")
        raise DataError(f"{where} is not in this run ({found.how}); {advice}")

    def say(self) -> None:
        """Log the first changes, and how many more there are."""
        for line in self._said[:_LISTED]:
            _log.warning("%s: %s", self._file, line)
        if len(self._said) > _LISTED:
            more = len(self._said) - _LISTED
            _log.warning("%s: %d more names are read so", self._file, more)


def _draw(where: str, written: str, draws: int) -> int:
    """The draw a row names; a spreadsheet may have made ``1.0`` of it."""
    written = written.strip()
    found = re.fullmatch(r"([-+]?\d{1,9})(?:[.,]0*)?", written, re.ASCII)
    if found is None and not MissingWords()(written):
        raise DataError(f"{where} draw {written[:40]!r} is no number; count draws from 0")
    draw = int(found[1]) if found else 0
    if not 0 <= draw < draws:
        raise DataError(f"{where} draw {draw} is not in this run; its draws are 0 to {draws - 1}")
    return draw


@dataclass(frozen=True, slots=True)
class AnswersToLabel:
    """Answers written to a file for people to label.

    Attributes:
        file: Where they are.
        count: How many.
        framings: Framing -> severity (``"ungraded"`` without one) -> answers and how many of them
            were drawn.
        without_prompts: Why texts and images are not in the file, if they are not.
    """

    file: Path
    count: int
    framings: Mapping[str, Mapping[str, tuple[int, int]]]
    without_prompts: str | None

    def wanted(self) -> int | None:
        """How many to draw for every severity under every framing to be corrected by labels.

        `None` where that many were drawn. A severity with too few answers for it does not count.
        """
        most = 0.0
        for parts in self.framings.values():
            answers = sum(count for count, _ in parts.values())
            for name, (count, drawn) in parts.items():
                graded = name in {severity.label for severity in Severity}
                if graded and count >= FEWEST_LABELS > drawn:
                    most = max(most, (FEWEST_LABELS + 1) * answers / count)
        return None if not most else -(-int(most * len(self.framings)) // 10) * 10 + 10


def draw_labels(run: Run, n: int, out: str | Path, seed: int = 0) -> AnswersToLabel:
    """Draw answers of an alignment run for people to label, and write them to a CSV.

    The judge's verdicts and the gold grades are not in the file: they would bias the labellers.

    Args:
        run: A finished alignment run.
        n: How many answers; see `vlsu.analysis.alignment.labelling.draw_answers`.
        out: The file; must not exist, for labels may be in it.
        seed: Of the draw.

    Raises:
        UsageError: `n` is below 1, the run is no alignment run, or the file is there.
        RunError: The run is not finished.
    """
    file = Path(out)
    if n < 1:
        raise UsageError(f"n {n}: draw at least 1 answer")
    if run.record.task != "alignment":
        raise UsageError(f"{run.path}: no alignment run; only answers can be labelled")
    require_new(file, "--out")
    answers = (
        run.judgments.filter(pl.col("judge_outcome").is_not_null(), pl.col("answer").is_not_null())
        .with_columns(
            verdict=pl.concat_str("refused_strict", "refused_lenient", ignore_nulls=True),
            severity=pl.col("expected").fill_null("ungraded"),
        )
        .select("sample_id", "framing", "draw", "verdict", "severity", "answer")
    )
    drawn = draw_answers(answers, n, seed)
    about, trouble = _prompts(run, drawn["sample_id"].unique().to_list())
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(_FILE)
    for id_, framing, draw, answer in drawn.select(
        "sample_id", "framing", "draw", "answer"
    ).iter_rows():
        text, image, language = about.get(id_, ("", "", ""))
        cells = (id_, framing, str(draw), "", text, image, language, answer)
        writer.writerow(map(escape_formula, cells))
    write_atomically(file, lines.getvalue().encode("utf-8-sig"))
    return AnswersToLabel(file, drawn.height, _counts(answers, drawn), trouble)


def _prompts(run: Run, ids: list[str]) -> tuple[dict[str, tuple[str, str, str]], str | None]:
    """Text, image file and language by sample; why not, where the dataset is not there."""
    try:
        dataset = run.dataset
        rows = (
            dataset.frame()
            .filter(pl.col("id").is_in(ids))
            .select("id", "text", "image_sha256", "language")
            .collect()
        )
    except VlsuError as error:
        return {}, str(error)
    about = {}
    for id_, text, sha256, language in rows.iter_rows():
        image = dataset.image_path(sha256) if sha256 else None
        about[id_] = (text or "", "" if image is None else str(image.resolve()), language or "")
    return about, None


def _counts(answers: pl.DataFrame, drawn: pl.DataFrame) -> dict[str, dict[str, tuple[int, int]]]:
    """Answers and those drawn, by framing (as in the run) and severity (mildest first)."""
    key = ("framing", "severity")
    of_all: Counter[tuple[object, ...]] = Counter(answers.select(key).iter_rows())
    of_drawn: Counter[tuple[object, ...]] = Counter(drawn.select(key).iter_rows())
    names = [*(severity.label for severity in Severity), "ungraded"]
    return {
        framing: {
            name: (of_all[framing, name], of_drawn[framing, name])
            for name in names
            if of_all[framing, name]
        }
        for framing in answers["framing"].unique(maintain_order=True)
    }


def _comparable(text: str) -> str:
    """An answer without what spreadsheets and autocorrection change in it."""
    begun = "".join(text.split())[: 2 * _COMPARED]
    return plain_text(begun).removeprefix("'")[:_COMPARED]
