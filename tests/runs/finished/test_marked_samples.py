"""Marks in samples' metadata, from the dataset's file to the figures of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.alignment_runs import alignment_run
from tests.support.report_runs import scripted_run
from vlsu.analysis.stats.exact import clopper_pearson
from vlsu.data import Dataset, Sample, load, write_dataset
from vlsu.data.marks import MARKS
from vlsu.policy import Severity
from vlsu.runs import load_traffic, project_run
from vlsu.runs.asking.plan import Subset
from vlsu.runs.finished.confidence import metrics_at
from vlsu.runs.finished.gating import gate
from vlsu.runs.tuning.samples import TuningSamples

pytestmark = pytest.mark.slow


def marked(out: Path, **marks: object) -> Dataset:
    """vlsu-mini with these marks alone, on every third sample, whatever its grade."""
    mini = load("vlsu-mini")
    samples: list[Sample] = [
        replace(
            sample,
            metadata={
                **{k: v for k, v in sample.metadata.items() if k not in MARKS},
                **(marks if n % 3 == 0 else {}),
            },
        )
        for n, sample in enumerate(mini.samples())
    ]
    return write_dataset(
        out,
        samples,
        images=mini.images,
        name="marked",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
    )


def test_misses_of_critical_pairs_are_counted(tmp_path: Path) -> None:
    dataset = marked(tmp_path / "data", critical=True)
    run = scripted_run(dataset, tmp_path / "run")
    # Again, from the judgments: those marked, unsafe, and not called so.
    ids = {s.id for s in dataset if s.metadata.get("critical") and s.joint_grade is Severity.UNSAFE}
    joint = [row for row in run.judgments.to_dicts() if row["modality"] == "joint"]
    said = [row["predicted"] for row in joint if row["sample_id"] in ids]
    misses = sum(each != "unsafe" for each in said)
    found = run.metrics.critical
    assert (found.n, found.misses) == (len(said), misses)
    assert misses > 0
    for level in (0.95, 0.8):
        recall = metrics_at(run, level).critical.recall
        low, high = clopper_pearson(found.n - misses, found.n, level)
        assert (recall.low, recall.high) == pytest.approx((low, high))
    why = gate(run, ["critical.misses == 0"]).checks[0].why
    assert why.startswith(f"{misses} is not == 0; {misses} of {found.n} still allows")
    # The rest of the figures is what it is without marks.
    plain = scripted_run(marked(tmp_path / "bare"), tmp_path / "plain").metrics
    assert "critical" not in plain
    assert {key: run.metrics[key] for key in plain} == plain


def test_a_draw_counts_the_critical_pairs_it_drew(tmp_path: Path) -> None:
    dataset = marked(tmp_path / "data", critical="true")
    run = scripted_run(dataset, tmp_path / "run", budget=120)
    ids = {s.id for s in dataset if s.metadata.get("critical") and s.joint_grade is Severity.UNSAFE}
    joint = [row for row in run.judgments.to_dicts() if row["modality"] == "joint"]
    said = [row["predicted"] for row in joint if row["sample_id"] in ids]
    found = run.metrics.critical
    assert (found.n, found.misses) == (len(said), sum(each != "unsafe" for each in said))
    assert metrics_at(run, 0.9).critical.misses == found.misses


def test_a_run_of_alignment_sets_marked_pairs_apart(tmp_path: Path) -> None:
    dataset = marked(tmp_path / "data", at_risk=True)
    run = alignment_run(dataset, tmp_path / "run")
    plain = alignment_run(marked(tmp_path / "bare"), tmp_path / "plain")
    at_risk = {s.id for s in dataset if s.metadata.get("at_risk")}
    rows = [r for r in run.judgments.to_dicts() if r["framing"] == "default"]
    found = run.metrics.framings["default"]
    # The scripted judge knows refusals and full compliance without a score: these are not known.
    known = [r for r in rows if r["sample_id"] in at_risk and r["kind"] == "bare_refusal"]
    assert (found.crisis_support.n, found.crisis_support.value) == (len(known), 0)
    others = [r for r in rows if r["sample_id"] not in at_risk and r["expected"] == "unsafe"]
    refused = sum(r["kind"] == "bare_refusal" for r in others)
    assert found.under_refusal.n == len(others)
    assert found.under_refusal.value == pytest.approx(1 - refused / len(others))
    # Nothing of it without the marks, and another confidence has them too.
    assert "crisis_support" not in plain.metrics.framings["default"]
    assert plain.metrics.framings["default"].under_refusal.n > found.under_refusal.n
    again = metrics_at(run, 0.9).framings["default"]
    assert again.under_refusal.value == found.under_refusal.value
    assert again.crisis_support.n == found.crisis_support.n


def test_traffic_is_of_pairs_in_the_rates(tmp_path: Path) -> None:
    dataset = marked(tmp_path / "data", asks=False)
    run = alignment_run(dataset, tmp_path / "run")
    file = tmp_path / "mix.yaml"
    file.write_text("severity: {safe: 0.5, borderline: 0.4, unsafe: 0.1}", encoding="utf-8")
    found = project_run(run, load_traffic(file))["default"]
    rate = run.metrics.framings["default"].refusal_or_blocked.unsafe
    assert {s["name"]: s["n"] for s in found["strata"]}["unsafe"] == rate.n
    missed = found["per_million"]["missed_harm"]["value"]
    assert missed == pytest.approx(100_000 * (1 - (rate.value or 0)))


def test_instructions_are_not_chosen_by_pairs_that_are_apart() -> None:
    mini = load("vlsu-mini")
    apart = {
        s.id
        for s in mini
        if s.metadata.get("at_risk")
        or (s.metadata.get("asks") is False and s.joint_grade is Severity.UNSAFE)
    }
    split = TuningSamples.of(mini, Subset(), 0.3).split
    assert apart
    assert set(split["sample_id"]) == {s.id for s in mini} - apart
