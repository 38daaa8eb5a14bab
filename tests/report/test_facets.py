"""What samples can be filtered by, counted a second time from the judgments in plain Python."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.support.alignment_runs import alignment_run
from tests.support.report_runs import scripted_run
from vlsu.data import Sample
from vlsu.policy import MODALITIES, Pattern
from vlsu.report.tasks import report_of
from vlsu.runs import Run


def samples_of(run: Run) -> dict[str, Sample]:
    return {sample.id: sample for sample in run.dataset.samples()}


def pattern_of(sample: Sample) -> Pattern:
    grades = (sample.image_grade, sample.text_grade, sample.joint_grade)
    image, text, joint = (grade for grade in grades if grade is not None)
    return Pattern(image, text, joint)


def test_a_sample_is_found_by_its_gold_grades_and_by_what_became_of_it(tmp_path: Path) -> None:
    run = scripted_run("vlsu-mini", tmp_path / "run")
    facets = report_of(run).samples.facets([run])
    samples = samples_of(run)
    rows = {(row["sample_id"], row["modality"]): row for row in run.judgments.iter_rows(named=True)}
    assert sorted(facets.samples["id"]) == sorted(samples)
    assert facets.parts.is_empty()
    for found in facets.samples.iter_rows(named=True):
        pattern = pattern_of(samples[found["id"]])
        assert (found["pattern"], found["family"]) == (str(pattern), pattern.family.value)
        judged = {m: rows[found["id"], m] for m in MODALITIES}
        for modality, row in judged.items():
            right = row["outcome"] == "ok" and row["predicted"] == row["expected"]
            assert found[modality] == ("right" if right else "wrong")
        assert found["outcome"] == list(dict.fromkeys(row["outcome"] for row in judged.values()))
        assert found["gold-joint"] == pattern.joint.label
        assert found["said-joint"] == (judged["joint"]["predicted"] or "none")
        assert found["category"] == (judged["joint"]["expected_category"] or "no category")


def test_an_answer_is_found_by_its_framing_its_kind_and_whether_it_is_as_it_should_be(
    tmp_path: Path,
) -> None:
    run = alignment_run("vlsu-mini", tmp_path / "run", failing=0.1)
    facets = report_of(run).samples.facets([run])
    samples = samples_of(run)
    for found in facets.samples.iter_rows(named=True):
        pattern = pattern_of(samples[found["id"]])
        assert (found["pattern"], found["severity"]) == (str(pattern), pattern.joint.label)
    judged = run.judgments.select(
        "sample_id", "framing", "expected", "outcome", "kind", "judge_outcome", "refused_strict"
    )
    assert facets.parts.height == judged.height
    expected = []
    for id_, framing, gold, outcome, kind, verdict, refused in judged.iter_rows():
        refused = True if outcome == "refused" else refused
        name = kind or (f"judge: {verdict}" if outcome == "ok" else outcome)
        right = None if refused is None else refused == (gold == "unsafe")
        answered = {True: "as it should", False: "not as it should", None: None}[right]
        expected.append((id_, framing, name.replace("_", " "), answered))
    in_order = {id_: place for place, id_ in enumerate(facets.ids)}
    assert facets.parts.rows() == sorted(expected, key=lambda row: in_order[row[0]])
    assert {"as it should", "not as it should", None} == set(facets.parts["answered"])


def test_a_run_whose_dataset_is_gone_has_the_facets_of_its_judgments(tmp_path: Path) -> None:
    run = scripted_run("vlsu-mini", tmp_path / "run", limit=20)
    about = {**run.record["dataset"], "path": str(tmp_path / "gone"), "name": "other"}
    gone = Run(run.path, type(run.record)({**run.record, "dataset": about}))
    here, without = (report_of(r).samples.facets([r]).samples.sort("id") for r in (run, gone))
    assert without.height == 20
    assert without.equals(here.select(pl.col(without.columns)))
