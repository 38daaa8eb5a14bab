"""The samples a page shows: which of them, in which order, and what is told of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import polars as pl

from vlsu.data import Dataset
from vlsu.errors import VlsuError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Pattern, Severity
from vlsu.report.thumbnails import Thumbnail, thumbnails
from vlsu.runs import Run

__all__ = [
    "ANSWER_CHARACTERS",
    "SAMPLES",
    "TEXT_CHARACTERS",
    "ShownJudgment",
    "ShownSample",
    "ShownSamples",
    "about_samples",
    "cut",
    "reason_of",
    "shown_samples",
]

#: Samples in a page at most.
SAMPLES = 500
#: Characters of a text and of an answer in a page at most; what is cut is counted.
TEXT_CHARACTERS = 2000
ANSWER_CHARACTERS = 1200


@dataclass(frozen=True, slots=True)
class ShownJudgment:
    """Gold and answer in one modality; `outcome` is `None` where it was not asked."""

    gold: str | None
    gold_category: str | None
    predicted: str | None
    category: str | None
    outcome: str | None

    @property
    def right(self) -> bool | None:
        """Whether the answer is the gold grade; `None` without a gold grade or a question."""
        if self.gold is None or self.outcome is None:
            return None
        return self.outcome == Outcome.OK and self.predicted == self.gold


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample as the page tells it.

    Attributes:
        reason: Why the pair has its gold grade, where the dataset says so.
        answer: The model's words on the pair.
        text_cut: Characters of the text beyond those shown; so `answer_cut`.
        judgments: By modality.
    """

    id: str
    text: str | None
    text_cut: int
    image: str | None
    reason: str | None
    answer: str | None
    answer_cut: int
    judgments: Mapping[str, ShownJudgment]

    @property
    def pattern(self) -> Pattern | None:
        """The pattern of the gold grades, if there are three."""
        grades = [self.judgments[m].gold for m in MODALITIES]
        if any(grade is None for grade in grades):
            return None
        return Pattern(*(Severity.parse(grade) for grade in grades if grade is not None))


@dataclass(frozen=True, slots=True)
class ShownSamples:
    """The samples of a page.

    Attributes:
        total: Samples in the run.
        thumbnails: By the hash of the image.
        trouble: Why texts and images are missing, if they are.
    """

    samples: tuple[ShownSample, ...]
    total: int
    thumbnails: Mapping[str, Thumbnail] = field(default_factory=dict)
    trouble: str = ""


def shown_samples(run: Run, limit: int = SAMPLES) -> ShownSamples:
    """The samples worth a look first, at most `limit`.

    In order: wrong on the pair where image and text must be understood together, wrong on the pair
    elsewhere, the rest; within each the order of the judgments. If the dataset is no longer there,
    or was changed, the judgments are told without texts and images, and `trouble` says why.
    """
    dataset: Dataset | None = None
    trouble = ""
    try:
        dataset = run.dataset
    except VlsuError as error:
        trouble = str(error)
    ids = _order(run.judgments)
    chosen = ids[:limit]
    rows = _judgments(run.judgments, chosen)
    about = {} if dataset is None else about_samples(dataset, chosen)
    samples = tuple(_sample(id_, rows[id_], about.get(id_, {})) for id_ in chosen)
    pictures: dict[str, Thumbnail] = {}
    if dataset is not None:
        pictures = thumbnails(dataset, (s.image for s in samples if s.image))
    return ShownSamples(samples, len(ids), pictures, trouble)


def _order(judgments: pl.DataFrame) -> list[str]:
    """Identifiers of all samples, worst first."""
    rank = {str(s): int(s) for s in Severity}
    gold = pl.col("expected").replace_strict(rank, default=None, return_dtype=pl.Int8)

    def grade(modality: str) -> pl.Expr:
        return gold.filter(pl.col("modality") == modality).first()

    wrong = (pl.col("outcome") != Outcome.OK.value) | (pl.col("predicted") != pl.col("expected"))
    samples = judgments.group_by("sample_id", maintain_order=True).agg(
        *(grade(m).alias(m) for m in MODALITIES),
        wrong=(wrong & pl.col("expected").is_not_null())
        .filter(pl.col("modality") == "joint")
        .first(),
    )
    wrong_pair = pl.col("wrong").fill_null(False)
    together = pl.col("joint") != pl.max_horizontal("image", "text")
    complete = pl.all_horizontal(pl.col(*MODALITIES).is_not_null())
    order = pl.when(wrong_pair & together & complete).then(0).when(wrong_pair).then(1).otherwise(2)
    return samples.sort(order, maintain_order=True).get_column("sample_id").to_list()


def _judgments(judgments: pl.DataFrame, ids: list[str]) -> dict[str, dict[str, dict[str, object]]]:
    """Sample -> modality -> the judgment's row."""
    found: dict[str, dict[str, dict[str, object]]] = {id_: {} for id_ in ids}
    for row in judgments.filter(pl.col("sample_id").is_in(ids)).iter_rows(named=True):
        found[row["sample_id"]][row["modality"]] = row
    return found


def about_samples(dataset: Dataset, ids: list[str]) -> dict[str, dict[str, object]]:
    """Sample -> its row in the dataset."""
    rows = dataset.frame().filter(pl.col("id").is_in(ids)).collect()
    return {row["id"]: row for row in rows.iter_rows(named=True)}


def _sample(
    id_: str, rows: Mapping[str, Mapping[str, object]], about: Mapping[str, object]
) -> ShownSample:
    text, text_cut = cut(about.get("text"), TEXT_CHARACTERS)
    answer, answer_cut = cut(rows.get("joint", {}).get("answer"), ANSWER_CHARACTERS)
    return ShownSample(
        id=id_,
        text=text,
        text_cut=text_cut,
        image=_text(about.get("image_sha256")),
        reason=reason_of(about.get("metadata")),
        answer=answer,
        answer_cut=answer_cut,
        judgments={m: _shown_judgment(m, rows.get(m, {}), about) for m in MODALITIES},
    )


def _shown_judgment(
    modality: str, row: Mapping[str, object], about: Mapping[str, object]
) -> ShownJudgment:
    return ShownJudgment(
        gold=_text(row.get("expected") or about.get(f"{modality}_grade")),
        gold_category=_text(row.get("expected_category") or about.get(f"{modality}_category")),
        predicted=_text(row.get("predicted")),
        category=_text(row.get("category")),
        outcome=_text(row.get("outcome")),
    )


def reason_of(metadata: object) -> str | None:
    """``reason`` of a dataset's own metadata, if it is a text."""
    try:
        tree = orjson.loads(metadata) if isinstance(metadata, str) else None
    except orjson.JSONDecodeError:
        return None
    found = tree.get("reason") if isinstance(tree, dict) else None
    return found[:TEXT_CHARACTERS] if isinstance(found, str) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def cut(value: object, characters: int) -> tuple[str | None, int]:
    """The text as far as it is shown, and how many characters are not."""
    if value is None:
        return None, 0
    text = str(value)
    return text[:characters], max(0, len(text) - characters)
