"""``--weights`` from the file to `metrics.json`, the gate and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from vlsu.analysis import Rate
from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.data import load
from vlsu.errors import UsageError
from vlsu.policy import bundled_policy
from vlsu.report.tasks import run_tables
from vlsu.runs.finished.confidence import metrics_at
from vlsu.runs.finished.gating import gate
from vlsu.runs.understanding.weights import load_weights

pytestmark = pytest.mark.slow

COSTS = {"unsafe": {"safe": 1.0, "borderline": 0.4}, "borderline": {"unsafe": 0.1}}
CATEGORIES = {"C15": 5.0, "C4": 2.0}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "weights.yaml"
    file.write_text(yaml.safe_dump({"severities": COSTS, "categories": CATEGORIES}))
    return file


def bounds(rate: Rate) -> tuple[float, float, float]:
    assert rate.value is not None
    assert rate.low is not None
    assert rate.high is not None
    return rate.value, rate.low, rate.high


def test_a_run_has_its_errors_weighted(weights: Path, tmp_path: Path) -> None:
    run = scripted_run("vlsu-mini", tmp_path / "run", weights=weights)
    categories = {s.id: s.joint_category for s in load("vlsu-mini")}
    rows = run.judgments.filter(modality="joint").drop_nulls("expected").to_dicts()
    costs = [
        0.0
        if row["predicted"] == row["expected"]
        else COSTS.get(row["expected"], {}).get(
            row["predicted"] or "none",
            0.0 if row["predicted"] else max(COSTS.get(row["expected"], {"": 0.0}).values()),
        )
        for row in rows
    ]
    weight = [CATEGORIES.get(categories[row["sample_id"]] or "", 1.0) for row in rows]
    harm = run.metrics.weighted_harm
    assert (harm.n, harm.largest) == (len(rows), 1.0)
    assert harm.mean.value == pytest.approx(np.average(costs, weights=weight))
    # The record has them in full, and a gate at another confidence counts again by them.
    assert run.record["weights"]["categories"] == CATEGORIES
    assert run.record["weights"]["severities"]["unsafe"]["none"] == 1.0
    value, low, high = bounds(harm.mean)
    narrow = bounds(metrics_at(run, 0.5).weighted_harm.mean)
    assert narrow[0] == value
    assert low < narrow[1] < narrow[2] < high
    bound = high + 0.01
    for confidence in (0.95, 0.8):
        required = [f"weighted_harm.mean <= {bound}", "weighted_harm.categories.*.mean <= 1"]
        assert gate(run, required, confidence=confidence, enough=0.5, fewest=1).passed
    assert not gate(run, [f"weighted_harm.mean <= {value}"], enough=0.5).passed
    (table,) = (t for t in run_tables(run) if t.name == "weighted_harm")
    assert table.rows[0][:2] == ("all pairs", f"{value:.2f} [{low:.2f}, {high:.2f}]")
    settings = {
        str(row[0]): row[1] for t in run_tables(run) if t.name == "settings" for row in t.rows
    }
    assert json.loads(settings["weights of categories"]) == CATEGORIES


def test_weights_under_two_severities_have_no_third(tmp_path: Path) -> None:
    policy = bundled_policy("binary")
    file = tmp_path / "weights.yaml"
    file.write_text("severities: {unsafe: {safe: 1}}")
    record = load_weights(file, policy).record(policy.severities)
    assert record["severities"] == {
        "safe": {"safe": 0.0, "unsafe": 0.0, "none": 0.0},
        "unsafe": {"safe": 1.0, "unsafe": 0.0, "none": 1.0},
    }
    assert HarmWeights.of(record).record(policy.severities) == record
    file.write_text("severities: {unsafe: {safe: 1, borderline: 0.4}}")
    with pytest.raises(UsageError, match=r"unsafe\.borderline: policy vlsu-binary has no borderl"):
        load_weights(file, policy)


def test_weights_come_and_go_without_a_request(weights: Path, tmp_path: Path) -> None:
    plain = scripted_run("vlsu-mini", tmp_path / "run")
    asked = plain.record.requests.asked
    assert "weighted_harm" not in plain.metrics
    weighted = scripted_run("vlsu-mini", tmp_path / "run", weights=weights)
    assert (weighted.record.requests.asked, weighted.record.requests.reused) == (0, asked)
    assert "weighted_harm" in weighted.metrics
    rest = {key: value for key, value in weighted.metrics.items() if key != "weighted_harm"}
    assert rest == plain.metrics
    assert scripted_run("vlsu-mini", tmp_path / "run").metrics == plain.metrics


def test_a_draw_estimates_the_cost_of_the_whole(weights: Path, tmp_path: Path) -> None:
    whole = scripted_run("vlsu-mini", tmp_path / "whole", weights=weights)
    drawn = scripted_run("vlsu-mini", tmp_path / "drawn", weights=weights, budget=200)
    truth, _, _ = bounds(whole.metrics.weighted_harm.mean)
    value, low, high = bounds(drawn.metrics.weighted_harm.mean)
    assert low < truth < high
    again = metrics_at(drawn, 0.95).weighted_harm
    assert again.mean.value == pytest.approx(value)
    split = drawn.metrics.gold_agreement.split
    assert split.n > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("severities: {unsafe: {safe: much}}", "severities.unsafe.safe: 'much' is a text to YAML"),
        ("severities: {unsafe: {safe: 1}}\ncategories: {C99: 2}", "categories.C99: unknown"),
        ("severities: [", "weights.yaml, line 2: not valid YAML"),
        ("", "the weights: expected a mapping; write severities:"),
    ],
)
def test_bad_weights_are_refused_before_anything_is_asked(
    text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as raised:
        scripted_run("vlsu-mini", tmp_path / "run", weights=file)
    assert message in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_the_command_takes_them(weights: Path, tmp_path: Path) -> None:
    command = ["run", "understanding", "vlsu-mini", "--model", "baseline/majority"]
    out = tmp_path / "run"
    done = vlsu(*command, "--out", out, "--weights", weights)
    assert "What the errors on pairs cost" in done.stdout
    missing = tmp_path / "none.yaml"
    refused = vlsu(*command, "--out", out, "--weights", missing, expect=2)
    assert f"{missing}: cannot be read" in refused.stderr
