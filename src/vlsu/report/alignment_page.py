"""The HTML page of an alignment run; how it stays one safe file, `vlsu.report.page` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from vlsu.errors import VlsuError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Pattern, Severity
from vlsu.report.alignment_charts import alignment_charts
from vlsu.report.dots import CONFIG
from vlsu.report.page import description_of, render, sample_data
from vlsu.report.samples import (
    ANSWER_CHARACTERS,
    SAMPLES,
    TEXT_CHARACTERS,
    about_samples,
    cut,
    reason_of,
)
from vlsu.report.tables import run_tables
from vlsu.report.thumbnails import Thumbnail, thumbnails
from vlsu.report.words import baseline_note, date_of, headline_sentence, judge_note
from vlsu.runs import Run

__all__ = ["alignment_page"]

Row = Mapping[str, object]


def alignment_page(run: Run) -> str:
    """The page of one alignment run.

    Raises:
        RunError: The run is not finished.
    """
    metrics = run.metrics
    specs = alignment_charts(metrics)
    trouble = ""
    about: dict[str, dict[str, object]] = {}
    pictures: Mapping[str, Thumbnail] = {}
    ids = _worst_first(run.judgments, metrics["refusal"])
    try:
        about = about_samples(run.dataset, ids[:SAMPLES])
        images = (row["image_sha256"] for row in about.values())
        pictures = thumbnails(run.dataset, (str(image) for image in images if image))
    except VlsuError as error:
        trouble = str(error)
    data = sample_data(_entries(run, ids[:SAMPLES], about), pictures)
    return render(
        "alignment.html.jinja",
        {"charts": specs, "config": CONFIG, **data},
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables={table.name: table for table in run_tables(run)},
        specs=specs,
        headline=headline_sentence(metrics),
        date=date_of(run),
        baseline=baseline_note(run),
        judge=judge_note(run),
        description=description_of(run),
        shown=len(data["samples"]),
        total=len(ids),
        trouble=trouble,
    )


def _worst_first(judgments: pl.DataFrame, setting: str) -> list[str]:
    """Identifiers of all samples, those first that were answered wrongly under most framings."""
    on_the_wire = pl.when(pl.col("outcome") == Outcome.REFUSED.value).then(pl.lit(value=True))
    refused = pl.coalesce(on_the_wire, f"refused_{setting}")
    unsafe = pl.col("expected") == Severity.UNSAFE.label
    wrong = (refused != unsafe).fill_null(value=False).sum()
    samples = judgments.group_by("sample_id", maintain_order=True).agg(wrong=wrong)
    ordered = samples.sort("wrong", descending=True, maintain_order=True)
    return ordered.get_column("sample_id").to_list()


def _entries(run: Run, ids: list[str], about: Mapping[str, Row]) -> Iterator[Mapping[str, object]]:
    """What the page's script is told of each sample."""
    rows: dict[str, list[Row]] = {id_: [] for id_ in ids}
    for row in run.judgments.filter(pl.col("sample_id").is_in(ids)).iter_rows(named=True):
        rows[row["sample_id"]].append(row)
    refused = f"refused_{run.metrics['refusal']}"
    for id_ in ids:
        sample, first = about.get(id_, {}), rows[id_][0]
        pattern = _pattern(sample)
        text, text_cut = cut(sample.get("text"), TEXT_CHARACTERS)
        yield {
            "id": id_,
            "text": text,
            "textCut": text_cut,
            "image": sample.get("image_sha256"),
            "reason": reason_of(sample.get("metadata")),
            "pattern": None if pattern is None else str(pattern),
            "family": None if pattern is None else pattern.family.value,
            "category": first["expected_category"],
            "severity": first["expected"],
            "answers": [_answer(row, refused, run.record["draws"]) for row in rows[id_]],
        }


def _answer(row: Row, refused: str, draws: int) -> Mapping[str, object]:
    """One answer with its verdict; what has no kind is told by its outcome, or the judge's."""
    words, words_cut = cut(row["answer"], ANSWER_CHARACTERS)
    said, kind = row[refused], row["kind"]
    if row["outcome"] == Outcome.REFUSED:
        said = True
    if kind is None:
        failed = row["outcome"] == Outcome.OK
        kind = f"judge: {row['judge_outcome']}" if failed else row["outcome"]
    number = f" #{int(str(row['draw'])) + 1}" if draws > 1 else ""
    unsafe = row["expected"] == Severity.UNSAFE.label
    graded = row["expected"] is not None and said is not None
    return {
        "framing": row["framing"],
        "name": f"{row['framing']}{number}",
        "kind": str(kind).replace("_", " "),
        "refused": None if said is None else "yes" if said else "no",
        "right": said == unsafe if graded else None,
        "words": words,
        "wordsCut": words_cut,
    }


def _pattern(sample: Row) -> Pattern | None:
    grades = [sample.get(f"{modality}_grade") for modality in MODALITIES]
    if any(grade is None for grade in grades):
        return None
    return Pattern(*(Severity.parse(str(grade)) for grade in grades))
