"""Marks in samples' metadata, from the dataset's file to the figures of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.report_runs import scripted_run
from vlsu.analysis.stats.exact import clopper_pearson
from vlsu.data import Dataset, Sample, load, write_dataset
from vlsu.policy import Severity
from vlsu.runs.finished.confidence import metrics_at
from vlsu.runs.finished.gating import gate

pytestmark = pytest.mark.slow


def marked(out: Path, **marks: object) -> Dataset:
    """vlsu-mini with marks on every third sample, whatever its grade."""
    mini = load("vlsu-mini")
    samples: list[Sample] = [
        replace(sample, metadata={**sample.metadata, **(marks if n % 3 == 0 else {})})
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
    plain = scripted_run("vlsu-mini", tmp_path / "plain").metrics
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
