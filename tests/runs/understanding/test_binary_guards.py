"""Runs of a guard that tells safe from unsafe only: figures, gates, comparisons, draws, reports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import f1_score, recall_score

from tests.support.binary_guards import BinaryGuard, BinaryModel, guard_run
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from vlsu import compare, gate
from vlsu.analysis.deployment.reading import read_traffic
from vlsu.data import load
from vlsu.errors import UsageError
from vlsu.report import write_report
from vlsu.report.tasks import metric_tables, notes
from vlsu.runs import Run, evaluate, load_run, project_run
from vlsu.runs.finished.comparison import seen_runs
from vlsu.runs.finished.confidence import metrics_at

WHY = "safe from unsafe only"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guards")


@pytest.fixture(scope="module")
def guard(folder: Path) -> Run:
    return guard_run("vlsu-mini", folder / "guard")


@pytest.fixture(scope="module")
def eager(folder: Path) -> Run:
    return guard_run("vlsu-mini", folder / "eager", shift=0.1, name="eager")


@pytest.fixture(scope="module")
def half(folder: Path) -> Run:
    return guard_run("vlsu-mini", folder / "half", with_p=0.6, silent=0.3, name="half")


@pytest.fixture(scope="module")
def three(folder: Path) -> Run:
    return scripted_run("vlsu-mini", folder / "three")


def joint(run: Run) -> pl.DataFrame:
    return run.judgments.filter(modality="joint")


def test_metrics_are_of_unsafe_alone_and_say_so(guard: Run) -> None:
    metrics = guard.metrics
    assert guard.record["model"]["levels"] == metrics["levels"] == ["safe", "unsafe"]
    for path in ("f1_macro", "accuracy"):
        assert metrics["joint"][path]["value"] is None
        assert WHY in metrics["joint"][path]["reason"]
    assert WHY in metrics["joint"]["reason"]
    assert metrics.attribution.joint_errors is None
    gold = (joint(guard)["expected"] == "unsafe").to_list()
    said = (joint(guard)["predicted"].fill_null("none") == "unsafe").to_list()
    assert metrics.joint.f1_binary.value == pytest.approx(f1_score(gold, said))
    recall = metrics.joint.per_class["unsafe"].recall.value
    assert recall == pytest.approx(recall_score(gold, said))
    assert metrics.joint.flagged["unsafe"].value == pytest.approx(recall)
    calibration = metrics.calibration
    assert calibration is not None
    assert calibration["joint"].auroc.value > 0.8


def test_what_is_flagged_jointly_is_seen_by_pattern(guard: Run) -> None:
    grades = guard.dataset.frame().select(
        "image_grade", "text_grade", sample_id="id", gold="joint_grade"
    )
    rows = joint(guard).join(grades.collect(), on="sample_id")
    safe_parts = (pl.col("image_grade") == "safe") & (pl.col("text_grade") == "safe")
    there = rows.filter(safe_parts & (pl.col("gold") == "unsafe"))
    share = (there["predicted"].fill_null("none") == "unsafe").mean()
    assert guard.metrics.patterns["S-S-U"].flagged.value == pytest.approx(share)
    assert guard.metrics.patterns["S-S-U"].n == there.height


def test_another_confidence_and_a_stored_run_have_the_same_nulls(guard: Run) -> None:
    assert json.dumps(load_run(guard.path).metrics) == json.dumps(guard.metrics)
    other: Any = metrics_at(guard, 0.9)
    assert other["joint"]["f1_macro"] == guard.metrics["joint"]["f1_macro"]
    assert other["joint"]["f1_binary"]["value"] == guard.metrics["joint"]["f1_binary"]["value"]


@pytest.mark.parametrize(
    "requirement",
    [
        "joint.f1_macro >= 0.1",
        "joint.accuracy <= 1",
        "attribution.joint_errors <= 500",
        "lowest_pattern.accuracy >= 0",
        "families.escalating.accuracy >= 0",
        "borderline.joint.gold.unsafe <= 1",
    ],
)
def test_a_gate_on_three_severities_cannot_be_told(guard: Run, requirement: str) -> None:
    (check,) = gate(guard, [requirement]).checks
    assert not check.met
    assert check.why.startswith(f"cannot be told: the model tells {WHY}")
    done = vlsu("gate", guard.path, "--require", requirement, "--json", expect=1)
    assert WHY in json.loads(done.stdout)["requirements"][0]["why"]


def test_a_gate_on_every_pattern_gives_its_reason_once(guard: Run) -> None:
    (check,) = gate(guard, ["patterns.*.accuracy >= 0"]).checks
    assert check.why.startswith("cannot be told of 17 of 17: S-S-S, ")
    assert check.why.count(WHY) == 1


def test_a_gate_on_unsafe_is_as_ever(guard: Run) -> None:
    wanted = ["joint.f1_binary >= 0.5", "families.escalating.unsafe_recall >= 0.5"]
    assert gate(guard, [*wanted, "joint.flagged.safe <= 0.2"]).passed


def test_thresholds_of_the_answered_half_are_not_claimed_of_the_model(
    guard: Run, half: Run
) -> None:
    part = half.metrics["calibration"]["joint"]
    n, whole = part["n"], part["n"] + part["without_p"]
    assert n < 0.95 * whole
    assert part["note"].startswith(f"rests on the {n} of {whole} graded judgments")
    assert "note" not in guard.metrics["calibration"]["joint"]
    for requirement in ("calibration.joint.auroc >= 0.5", "calibration.joint.ece <= 1"):
        (check,) = gate(half, [requirement]).checks
        assert not check.met
        assert check.why.startswith(f"cannot be told: it rests on the p_unsafe of {n} of {whole}")
        assert gate(half, [requirement], enough=0).passed
        assert gate(guard, [requirement]).passed
    (said,) = [note for note in notes(half) if "p_unsafe" in note]
    assert f"joint {n} of {whole}" in said
    assert "cannot be told" in said
    assert not [note for note in notes(guard) if "p_unsafe" in note]
    # What asks how much there is, is known.
    assert gate(half, ["calibration.joint.with_p >= 0.1", f"calibration.joint.n >= {n}"]).passed


def test_accuracy_of_the_answered_alone_is_no_passage(folder: Path) -> None:
    from tests.support.answered_runs import half_run

    run = half_run(folder / "refusing", 0.5, "refused")
    (check,) = gate(run, ["joint.accuracy_answered >= 0.01"]).checks
    assert check.why.startswith("cannot be told: ")
    assert gate(run, ["joint.accuracy_answered >= 0.01"], enough=0).passed


def test_two_guards_and_a_model_of_three_severities_are_compared_on_unsafe(
    guard: Run, eager: Run, three: Run
) -> None:
    found = compare([guard, eager, three])
    assert found.declared.primary == ["joint.f1_binary"]
    assert found.declared.secondary == [
        "joint.per_class.unsafe.recall",
        "joint.per_class.unsafe.precision",
    ]
    assert found.unsafe_alone.runs == ["made-up/guard", "made-up/eager"]
    assert WHY in found.unsafe_alone.reason
    pairs = {(pair.first, pair.second): pair.metrics for pair in found.pairs}
    for metrics in pairs.values():
        assert not [path for path in metrics if path.endswith(("accuracy", "f1_macro"))]
        for row in metrics.values():
            assert None not in (row.first.value, row.second.value) or row.n == 0
    # Found alike: each run's own figure, and the difference of those.
    row = pairs["made-up/guard", "scripted/oracle"]["families.escalating.unsafe_recall"]
    assert row.first.value == guard.metrics.families.escalating.unsafe_recall.value
    assert row.second.value == three.metrics.families.escalating.unsafe_recall.value
    guards = pairs["made-up/guard", "made-up/eager"]
    assert guards["patterns.S-S-S.flagged"].better_is == "lower"
    assert guards["patterns.S-S-U.flagged"].better_is == "higher"
    assert guards["patterns.S-S-B.flagged"].better_is is None
    assert set(found.leaderboard) == {"joint.f1_binary", "joint.f1_binary_strict"}


def test_models_agree_that_both_flag_or_both_do_not(guard: Run, three: Run) -> None:
    (pair,) = compare([guard, three])["agreement"]["joint"]["pairs"]
    ours, theirs = joint(guard), joint(three)
    both = ours.join(theirs, on="sample_id", suffix="_theirs").drop_nulls(
        ["predicted", "predicted_theirs"]
    )
    same = (both["predicted"] == "unsafe") == (both["predicted_theirs"] == "unsafe")
    assert pair["n"] == both.height
    assert pair["agreement"]["value"] == pytest.approx(same.mean())


def test_a_comparison_by_three_severities_is_refused(guard: Run, three: Run) -> None:
    with pytest.raises(UsageError, match=r"--primary joint\.f1_macro: cannot be told: made-up/"):
        compare([guard, three], primary=["joint.f1_macro"])
    with pytest.raises(UsageError, match="plan by two runs of models that give every severity"):
        seen_runs(guard, three)


def test_it_may_not_be_worse_in_unsafe(guard: Run, eager: Run) -> None:
    (check,) = gate(eager, against=guard, margin=0.3).against
    assert check.requirement.key == "joint.f1_binary"
    assert check.met


def test_traffic_is_projected_by_what_is_flagged(guard: Run) -> None:
    (found,) = project_run(guard, read_traffic({"harm_prevalence": 0.01})).values()
    missed = 1 - guard.metrics["joint"]["per_class"]["unsafe"]["recall"]["value"]
    assert found["per_million"]["missed_harm"]["value"] == pytest.approx(10_000 * missed)
    assert "cannot be set apart" in found["words"]


def test_a_draw_is_sized_and_stopped_by_unsafe(folder: Path) -> None:
    drawn = guard_run("vlsu-mini", folder / "drawn", silent=0.1, until="joint.f1_binary +- 0.06")
    assert drawn.record["sampling"]["reached"]
    assert 0 < drawn.metrics["sampling"]["sampled"] < len(load("vlsu-mini"))
    assert drawn.metrics.joint.f1_macro.value is None
    assert drawn.metrics.joint.f1_binary.value is not None
    # A request that failed is asked again by a later step, and nothing was reused for that.
    assert load_run(drawn.path).record["requests"]["reused"] >= 0
    with pytest.raises(UsageError, match=f"joint.accuracy.*cannot be told: the model tells {WHY}"):
        guard_run("vlsu-mini", folder / "refused", until="joint.accuracy +- 0.1")


def test_strata_are_sized_by_whether_unsafe_is_told_from_the_rest() -> None:
    from tests.support.analysis_frames import Judged, frames
    from vlsu.analysis import Tabulation
    from vlsu.analysis.sampling.allocation import stratum_of
    from vlsu.analysis.sampling.stratified import observed_deviations

    # Half of the borderline pairs are flagged, which is an error no more often than it is not.
    samples = [Judged("SBB", f"SB{said}") for said in "US" * 20]
    samples += [Judged("SSU", "SSU")] * 40
    tabulation = Tabulation()
    tabulation.add(*frames(samples))
    cells = tabulation.cells()
    place = dict(zip(map(tuple, cells.gold.tolist()), stratum_of(cells.gold), strict=False))
    three = observed_deviations([cells, cells], 2)[0]
    alone = observed_deviations([cells, cells], 2, unsafe_alone=True)[0]
    assert three[place[0, 1, 1]] == pytest.approx(three[place[0, 0, 2]])
    assert alone[place[0, 1, 1]] == pytest.approx(0.5, abs=0.02)
    assert alone[place[0, 0, 2]] <= three[place[0, 0, 2]]


def test_the_swap_probe_and_draws_have_what_needs_no_levels(folder: Path) -> None:
    run = guard_run(
        "vlsu-mini", folder / "probed", probe="swap", draws=2, params={"temperature": 1}
    )
    image = run.metrics.swap.image
    assert image.followed.value is not None
    assert image.shift.value is None
    assert image.levels is not None
    assert run.metrics.reruns.joint.f1_binary.value is not None
    assert run.metrics["reruns"]["joint"]["accuracy"]["values"] == [None, None]
    assert run.metrics.reruns.flips["joint"].share.value == 0
    write_report(run, folder / "probed.md")
    page = (folder / "probed.md").read_text()
    assert "One half is exchanged" in page
    assert "shift in levels" not in page


def test_the_headline_has_the_shares_without_an_answer(guard: Run, three: Run) -> None:
    for run in (guard, three):
        table = next(table for table in metric_tables(run) if table.name == "headline")
        rows = {row[0]: row[1] for row in table.rows}
        for outcome in ("refused", "blocked", "error", "unparsed"):
            share = run.metrics["joint"]["unanswered"][outcome]["value"]
            assert rows[outcome].startswith(f"{share:.2f} [")
    assert {"recall of unsafe", "safe flagged", "borderline flagged"} <= {
        row[0] for row in next(t for t in metric_tables(guard) if t.name == "headline").rows
    }


@pytest.mark.parametrize("ending", ["html", "md", "tex", "json"])
def test_reports_show_what_is_flagged_and_nothing_undefined(
    guard: Run, folder: Path, ending: str
) -> None:
    write_report(guard, folder / f"guard.{ending}")
    page = (folder / f"guard.{ending}").read_text()
    page = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert WHY in page
    assert not re.search(r"\bnan\b|\bNone\b|undefined", page)


def test_the_page_has_no_chart_of_three_severities(guard: Run) -> None:
    from vlsu.report.understanding.charts import understanding_charts

    charts = understanding_charts(guard.metrics, {})
    assert {"map-safe", "map-unsafe", "patterns", "modalities", "severities"} <= charts.keys()
    assert not {"flow", "attribution", "late-fusion", "borderline-gold"} & charts.keys()
    values = [
        row["value"]
        for name in ("patterns", "modalities", "minimal-pairs")
        for row in _values(charts[name])
    ]
    assert values
    assert None not in values


def _values(spec: Any) -> list[dict[str, Any]]:
    """The rows of a chart's data that have a value."""
    if isinstance(spec, dict):
        here = spec.get("values", [])
        inside = [row for node in spec.values() for row in _values(node)]
        return [row for row in here if isinstance(row, dict) and "value" in row] + inside
    if isinstance(spec, list):
        return [row for node in spec for row in _values(node)]
    return []


def test_a_leaderboard_has_a_dash_and_a_note_for_what_cannot_be_told(
    guard: Run, three: Run, folder: Path
) -> None:
    write_report([guard, three], folder / "both.md")
    page = (folder / "both.md").read_text()
    board = page[page.index("| model |") :].splitlines()
    head = [cell.strip() for cell in board[0].split("|")]
    row = next(line for line in board if line.startswith("| made-up/guard"))
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[head.index("accuracy")] == cells[head.index("macro-F1")] == "–"
    assert cells[head.index("binary F1")].startswith(f"{guard.metrics.joint.f1_binary.value:.2f}")
    assert "figures of three severities (–) cannot be told" in page


def test_samples_that_are_borderline_are_neither_right_nor_wrong(guard: Run) -> None:
    from vlsu.report.understanding.listing import sample_facets

    facets = sample_facets(guard).samples
    told = joint(guard).filter(expected="borderline", outcome="ok")["sample_id"]
    rows = facets.filter(pl.col("id").is_in(told.to_list()))
    assert set(rows["joint"]) == {"not told"}
    unsafe = joint(guard).filter(expected="unsafe", predicted="unsafe")["sample_id"]
    assert set(facets.filter(pl.col("id").is_in(unsafe.to_list()))["joint"]) == {"right"}


def test_under_a_policy_of_two_severities_it_is_a_model_like_any_other(folder: Path) -> None:
    from tests.support.two_severities import TWO_SEVERITIES
    from vlsu.data import import_dataset

    policy = folder / "two.yaml"
    policy.write_text(TWO_SEVERITIES)
    source = folder / "notes.csv"
    rows = [f"s{n},A note {n}.,{'unsafe' if n % 3 else 'safe'}" for n in range(30)]
    source.write_text("\n".join(["id,text,text_grade", *rows]))
    dataset = import_dataset("csv", source, folder / "two", policy=policy).dataset
    model = BinaryModel("made-up/two", BinaryGuard(dataset))
    run = evaluate(dataset, model=model, out=folder / "of-two", modalities=["text"])
    assert "levels" not in run.metrics
    assert "reason" not in json.dumps(run.metrics)
    assert run.metrics.text.f1_macro.value is not None
