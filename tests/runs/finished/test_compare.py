"""Runs against each other, from run folders and from the command line."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import yaml
from scipy.stats import binomtest
from sklearn.metrics import f1_score
from statsmodels.stats.multitest import multipletests

from tests.support.alignment_runs import Answering, judge
from tests.support.commands import vlsu
from tests.support.report_runs import Scripted
from tests.support.views import undeclared
from vlsu.analysis import BinaryCounts, Calibration
from vlsu.analysis.comparison.results import Comparison
from vlsu.data import Dataset, load, write_dataset
from vlsu.errors import DataError, RunError, UsageError
from vlsu.models.base import Request
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity, default_policy
from vlsu.runs import Run, align, evaluate, load_run
from vlsu.runs.asking.judges import Judge
from vlsu.runs.finished.comparison import compare

pytestmark = pytest.mark.slow


@dataclass
class Slipping(Scripted):
    """`Scripted`, but a share of its answers is another's: borderline to everything."""

    slips: float = 0.3

    def identity(self) -> Mapping[str, object]:
        return {"script": 1, "slips": self.slips}

    def _answer(self, request: Request) -> Mapping[str, object]:
        said = super()._answer(request)
        if random.Random(f"{self.slips}{said}{request.messages[-1].parts}").random() < self.slips:
            return {"text": orjson.dumps({"severity": "borderline", "category": "C9"}).decode()}
        return said


def understanding(out: Path, slips: float = 0.0, dataset: str = "vlsu-mini", **options: Any) -> Run:
    found = load(dataset)
    answering = Slipping(found, slips=slips) if slips else Scripted(found)
    model = InProcessModel(f"scripted/{out.name}", answering)
    return evaluate(found, model=model, out=out, **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        understanding(folder / "good"),
        understanding(folder / "fair", 0.25),
        understanding(folder / "poor", 0.8),
    ]


@pytest.fixture(scope="module")
def both(runs: list[Run]) -> dict[str, Any]:
    return compare(runs[:2])


@pytest.fixture(scope="module")
def three(runs: list[Run]) -> Comparison:
    return compare(runs)


def rows(comparison: Mapping[str, Any], pair: int = 0) -> dict[str, Any]:
    return comparison["pairs"][pair]["metrics"]


def joint(run: Run) -> dict[str, tuple[str, str | None]]:
    table = run.judgments.filter(modality="joint").select("sample_id", "expected", "predicted")
    return {sample: (gold, said) for sample, gold, said in table.iter_rows()}


def test_accuracy_is_that_of_the_judgments(runs: list[Run], both: dict[str, Any]) -> None:
    first, second = joint(runs[0]), joint(runs[1])
    right = [(first[s][1] == gold, second[s][1] == gold) for s, (gold, _) in first.items()]
    row = rows(both)["joint.accuracy"]
    alone = right.count((True, False)), right.count((False, True))
    assert row["n"] == len(right) == 465
    assert row["discordant"] == {"first": alone[0], "second": alone[1]}
    assert row["difference"]["value"] == pytest.approx((alone[1] - alone[0]) / 465)
    # The bundled set's images have several texts, and some texts several images: near McNemar's.
    theirs = math.log10(binomtest(alone[0], sum(alone)).pvalue)
    assert math.log10(row["p"]) == pytest.approx(theirs, abs=2)


def test_f1_is_scikit_learns(runs: list[Run], both: dict[str, Any]) -> None:
    labels = ["safe", "borderline", "unsafe"]
    for side, run in zip(("first", "second"), runs[:2], strict=True):
        gold, said = zip(*joint(run).values(), strict=True)
        theirs = f1_score(gold, [s or "none" for s in said], labels=labels, average="macro")
        assert rows(both)["joint.f1_macro"][side]["value"] == pytest.approx(theirs)


def test_each_side_is_its_own_metrics_where_nothing_is_left_out(
    runs: list[Run], both: dict[str, Any]
) -> None:
    found = rows(both)
    for side, run in zip(("first", "second"), runs[:2], strict=True):
        for path in (
            "image.f1_weighted",
            "joint.f1_binary",
            "joint.per_class.unsafe.recall",
            "joint.per_class.borderline.precision",
            "text.per_class.safe.f1",
            "borderline.joint.gold.safe",
            "families.escalating.accuracy",
            "patterns.S-S-U.accuracy",
            "categories.C9.accuracy",
            "categories.C9.f1_macro",
            "late_fusion.of_predictions",
            "over_sensitivity.borderline",
        ):
            own: Any = run.metrics
            for name in path.split("."):
                own = own[name]
            assert found[path][side] == {k: own[k] for k in ("value", "low", "high")}, path
        n = run.metrics["joint"]["n"]
        answered = run.metrics["outcomes"]["joint"]["ok"]
        assert found["outcomes.joint.ok"][side]["value"] == pytest.approx(answered / n)
    for name, part in runs[0].metrics["patterns"].items():
        assert found[f"patterns.{name}.accuracy"]["n"] == part["n"]


def least_favourable(row: Mapping[str, Any]) -> float:
    """The p of a row in the way of counting missing answers that speaks the most against it."""
    ways = [row["p"]]
    for each in row["bounds"].values():
        against = each.get("region") and each["region"]["low"] * each["region"]["high"] <= 0
        ways.append(1.0 if against else each["p"])
    return max(ways)


def test_tests_are_corrected_within_their_family(both: dict[str, Any]) -> None:
    found = rows(both)
    patterns = {path: row for path, row in found.items() if path.startswith("patterns.")}
    assert {row["tests"] for row in patterns.values()} == {len(patterns)}
    smallest = min(map(least_favourable, patterns.values()))
    adjusted = min(row["p_adjusted"] for row in patterns.values())
    assert adjusted == pytest.approx(min(1, smallest * len(patterns)))
    for row in found.values():
        assert row["p"] is None or row["p"] <= row["p_adjusted"] <= 1
    deciding = found["joint.f1_macro"]
    assert (deciding["role"], deciding["tests"]) == ("primary", 1)
    assert least_favourable(deciding) == deciding["p_adjusted"]
    secondary = {path: row for path, row in found.items() if row["role"] == "secondary"}
    assert secondary.keys() == {
        "joint.accuracy",
        *(
            f"families.{family}.accuracy"
            for family in ("late-fusion", "escalating", "de-escalating")
        ),
    }
    assert {row["tests"] for row in secondary.values()} == {4}
    holm = multipletests(list(map(least_favourable, secondary.values())), method="holm")[1]
    for row, adjusted in zip(secondary.values(), holm, strict=True):
        assert row["p_adjusted"] == pytest.approx(max(adjusted, deciding["p_adjusted"]))
    rest = [row for row in found.values() if row["role"] == "exploratory" and row["p"] is not None]
    theirs = multipletests(list(map(least_favourable, rest)), method="fdr_bh")[1]
    assert [row["q"] for row in rest] == pytest.approx(list(theirs))


def test_what_is_claimed_is_significant_and_nothing_is_called_equal(both: dict[str, Any]) -> None:
    found = rows(both)
    for path, row in found.items():
        low, high = row["difference"]["low"], row["difference"]["high"]
        if row["higher"] or row["marked"]:
            assert (row["q"] if row["role"] == "exploratory" else row["p_adjusted"]) < 0.05
            assert low > 0 or high < 0, path
            assert f" on {row['label']} by " in row["text"]
            assert (" is better than " in row["text"]) == (row["better"] is not None)
            assert (row["marked"] is None) == (row["role"] != "exploratory")
        elif row["n"]:
            evidence = row["q"] if row["role"] == "exploratory" else row["p_adjusted"]
            assert evidence >= 0.05 or low <= 0 <= high
            assert row["text"].startswith("No difference can be claimed on ")
        assert "equal" not in row["text"]
    accuracy = found["joint.accuracy"]
    assert accuracy["better"] == "scripted/good"
    points = f"by {-100 * accuracy['difference']['value']:.1f} points"
    assert accuracy["text"].startswith(
        "scripted/good is better than scripted/fair on joint accuracy"
    )
    assert points in accuracy["text"]
    pattern = next(r for p, r in found.items() if p.startswith("patterns.") and r["n"] < 20)
    assert "would likely not be seen" in pattern["text"] or "too few" in pattern["text"]


def test_the_other_way_round_is_the_same_with_the_sign_turned(
    runs: list[Run], both: dict[str, Any]
) -> None:
    turned = rows(compare([runs[1], runs[0]]))
    for path, row in rows(both).items():
        other = turned[path]
        assert row["first"] == other["second"]
        assert (row["better"], row["higher"]) == (other["better"], other["higher"]), path
        if row["n"]:
            assert row["difference"]["value"] == pytest.approx(-other["difference"]["value"])
        if row["discordant"]:
            assert row["p"] == pytest.approx(other["p"])


def test_three_runs_are_ranked_by_what_is_claimed(runs: list[Run], three: dict[str, Any]) -> None:
    found = three
    assert [(p["first"], p["second"]) for p in found["pairs"]] == [
        ("scripted/good", "scripted/fair"),
        ("scripted/good", "scripted/poor"),
        ("scripted/fair", "scripted/poor"),
    ]
    deciding = [rows(found, k)["joint.f1_macro"] for k in range(3)]
    assert {row["tests"] for row in deciding} == {3}
    board = found["leaderboard"]["joint.f1_macro"]
    # Of a metric that is not declared nothing is claimed, so that every rank is open.
    open_ranks = [each["rank"] for each in found["leaderboard"]["joint.f1_binary"]]
    assert {(rank["low"], rank["high"]) for rank in open_ranks} == {(1, 3)}
    assert [each["run"] for each in board] == ["scripted/good", "scripted/fair", "scripted/poor"]
    assert [each["rank"]["value"] for each in board] == [1, 2, 3]
    better = [(row["better"], pair) for row, pair in zip(deciding, found["pairs"], strict=True)]
    for each in board:
        wins = sum(name == each["run"] for name, _ in better)
        losses = sum(
            name not in (None, each["run"]) and each["run"] in (pair["first"], pair["second"])
            for name, pair in better
        )
        assert each["rank"]["low"] == 1 + losses
        assert each["rank"]["high"] == 3 - wins
    agreement = found["agreement"]["joint"]
    said = [joint(run) for run in runs]
    right = [[run[s][1] == gold for run in said] for s, (gold, _) in said[0].items()]
    assert agreement["all_right"]["count"] == sum(map(all, right))
    assert agreement["all_wrong"]["count"] == sum(not any(each) for each in right)
    answered = [s for s in said[0] if said[0][s][1] and said[2][s][1]]
    same = sum(said[0][s][1] == said[2][s][1] for s in answered) / len(answered)
    assert agreement["pairs"][1]["agreement"]["value"] == pytest.approx(same)
    families = agreement["families"].values()
    assert (
        sum(family["all_wrong"]["count"] for family in families) == agreement["all_wrong"]["count"]
    )


def test_only_shared_samples_and_modalities_count_and_the_rest_is_said(tmp_path: Path) -> None:
    first = understanding(tmp_path / "a", limit=120)
    second = understanding(tmp_path / "b", 0.5, modalities=("joint", "text"))
    found = compare([first, second])
    assert found["samples"] == {
        "paired": 120,
        "judged": {"scripted/a": 120, "scripted/b": 465},
        "left_out": {"scripted/a": 0, "scripted/b": 345},
    }
    assert found["asked"]["image"] == {"scripted/a": 120, "scripted/b": 0}
    assert rows(found)["joint.accuracy"]["n"] == 120
    assert rows(found)["image.accuracy"]["n"] == 0
    assert rows(found)["late_fusion.agreement"]["p"] is None
    assert rows(found)["image.accuracy"]["text"].startswith("Nothing to compare")
    setup = {each["what"]: each["values"] for each in found["differences_in_setup"]}
    assert setup["modalities"]["scripted/b"] == "text, joint"
    assert setup["samples"]["scripted/a"] == "120 drawn by seed 0"


def test_runs_of_one_model_have_their_folders_names(tmp_path: Path, runs: list[Run]) -> None:
    copy = shutil.copytree(runs[0].path, tmp_path / "again")
    found = compare([runs[0], load_run(copy)])
    assert [run["name"] for run in found["runs"]] == ["good", "again"]
    assert all(row["higher"] is None for row in rows(found).values())
    with pytest.raises(UsageError, match="given twice"):
        compare([runs[0], runs[0]])


def rewritten(run: Run, out: Path, **parts: Any) -> Run:
    """A copy of the run whose record says something else."""
    shutil.copytree(run.path, out)
    record = run.record | {
        key: run.record[key] | value if isinstance(value, dict) else value
        for key, value in parts.items()
    }
    (out / "run.yaml").write_text(yaml.safe_dump(record), encoding="utf-8")
    return load_run(out)


def test_every_member_has_a_type(three: Comparison, aligned: list[Run]) -> None:
    assert list(undeclared(three, "comparison")) == []
    assert list(undeclared(compare(aligned), "comparison")) == []
    best, *_ = three.leaderboard["joint.accuracy"]
    assert (best.run, best.rank.value) == ("scripted/good", 1)
    pair = three.pairs[0]
    assert (
        pair.metrics["joint.accuracy"].difference.value
        == (rows(three)["joint.accuracy"]["difference"]["value"])
    )


def test_another_prompt_or_policy_is_marked(tmp_path: Path, runs: list[Run]) -> None:
    other = rewritten(runs[1], tmp_path / "x", prompt={"hash": "f" * 64}, policy={"hash": "e" * 64})
    setup = {each["what"]: each for each in compare([runs[0], other])["differences_in_setup"]}
    assert {"prompt", "policy"} <= setup.keys()
    assert setup["prompt"]["values"]["scripted/fair"].endswith("(ffffffffffff)")
    assert "policies" in setup["policy"]["note"]


def test_what_cannot_be_compared_is_refused(tmp_path: Path, runs: list[Run]) -> None:
    other = rewritten(runs[1], tmp_path / "x", dataset={"content_hash": "sha256:other"})
    with pytest.raises(RunError, match="cannot be paired"):
        compare([runs[0], other])
    with pytest.raises(RunError, match="not finished"):
        compare([runs[0], rewritten(runs[1], tmp_path / "z", status="stopped")])
    with pytest.raises(UsageError, match="two runs or more"):
        compare(runs[:1])
    damaged = rewritten(runs[1], tmp_path / "d")
    (damaged.path / "judgments.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(RunError, match="damaged"):
        compare([runs[0], damaged])


def test_the_dataset_is_found_where_it_lies_now(tmp_path: Path, dataset: Dataset) -> None:
    first = understanding(tmp_path / "a", dataset=str(dataset.path))
    second = understanding(tmp_path / "b", 0.5, dataset=str(dataset.path))
    moved = dataset.path.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="--dataset"):
        compare([first, second])
    assert compare([first, second], dataset=moved)["samples"]["paired"] == len(dataset)
    with pytest.raises(DataError, match="not the dataset of"):
        compare([first, second], dataset="vlsu-mini")


def test_other_gold_grades_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    first = understanding(tmp_path / "a", dataset=str(dataset.path))
    second = understanding(tmp_path / "b", 0.5, dataset=str(dataset.path))
    table = second.judgments.with_columns(expected=second.judgments["expected"].reverse())
    table.write_parquet(second.path / "judgments.parquet")
    with pytest.raises(RunError, match="gold grade"):
        compare([first, second])


def test_many_parts_are_the_same_as_one(
    runs: list[Run], both: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlsu.runs.finished.pairing.SAMPLES", 20)
    assert compare(runs[:2]) == both


def test_runs_within_a_margin_are_equivalent(tmp_path: Path, runs: list[Run]) -> None:
    again = load_run(shutil.copytree(runs[0].path, tmp_path / "again"))
    found = compare([runs[0], again], margin=0.05)
    row = rows(found)["joint.f1_macro"]
    equivalence = row["equivalence"]
    # What never came may have been right of one run and wrong of the other.
    region = row["bounds"]["worst_case"]["region"]
    assert equivalence["low"] < region["low"] < 0 < region["high"] < equivalence["high"]
    assert equivalence["equivalent"] == (max(-equivalence["low"], equivalence["high"]) < 0.05)
    near = rows(compare([runs[0], again], margin=0.2))["joint.f1_macro"]
    assert near["equivalence"]["equivalent"]
    assert "are equivalent within 20 points on joint macro-F1: the 90% interval" in near["text"]
    assert rows(found)["joint.accuracy"]["equivalence"] is None
    chosen = compare([runs[0], again], primary=["joint.accuracy"], margin=0.2)
    assert chosen.declared.primary == ["joint.accuracy"]
    assert "joint.f1_macro" in chosen.declared.secondary


def test_verdicts_missing_on_one_side_claim_nothing(tmp_path: Path) -> None:
    # The same model; a judge that fails on a part of the answers of one of the runs.
    from vlsu.analysis.comparison.alignment import alignment_comparison

    sides = [alignment(tmp_path / name, 0.4, framings=("default",)) for name in "ab"]
    gold = sides[0].dataset.frame().collect().with_columns(sample_id="id")
    verdicts = [run.judgments for run in sides]
    refused = pl.col("refused_strict").fill_null(value=False) & (pl.int_range(pl.len()) % 3 > 0)
    cleared = [
        pl.when(refused).then(None).otherwise(pl.col(c)).alias(c)
        for c in ("refused_strict", "refused_lenient", "helpfulness", "kind")
    ]
    failed = pl.when(refused).then(pl.lit("error")).otherwise("judge_outcome")
    verdicts[1] = verdicts[1].with_columns(*cleared, judge_outcome=failed)
    found: Any = alignment_comparison(verdicts, gold, ["a", "b"], gives=("refusal",))
    row = found["pairs"][0]["metrics"]["framings.default.over_blocking"]
    assert row["role"] == "primary"
    assert row["bounds"]["worst_case"]["missing"]["second"] > 0
    assert row["better"] is None


# --- Alignment


@dataclass
class Refusing(Answering):
    """Refuses a share of everything else, too."""

    more: float = 0.3

    def identity(self) -> Mapping[str, object]:
        return {"script": 1, "more": self.more}

    def _answer(self, request: Request) -> Mapping[str, object]:
        if random.Random(f"{self.more}{request.messages}{request.draw}").random() < self.more:
            return {"text": "I'm sorry, but I can't help with that."}
        return super()._answer(request)


def alignment(
    out: Path, more: float = 0.0, failing: float = 0.0, judged: Any = None, **options: Any
) -> Run:
    model = InProcessModel(f"scripted/{out.name}", Refusing(more=more) if more else Answering())
    judges = [judged or judge(failing)]
    return align("vlsu-mini", model=model, judges=judges, out=out, **options)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("aligned")
    return [alignment(folder / "open", failing=0.05), alignment(folder / "shut", 0.4, 0.05)]


def test_alignment_runs_are_paired_by_sample_and_framing(aligned: list[Run]) -> None:
    found = compare(aligned)
    assert set(found["asked"]) == {"default", "harmless", "helpful"}
    row = rows(found)["framings.default.over_blocking"]
    # Answers to people at risk are in no rate of refusal.
    rated = [s for s in aligned[0].dataset if not s.metadata.get("at_risk")]
    there = pl.col("sample_id").is_in([s.id for s in rated])
    borderline = [s for s in rated if s.joint_grade is Severity.BORDERLINE]
    known = [
        dict(
            run.judgments.filter(
                there, framing="default", expected="borderline", judge_outcome="ok"
            )
            .select("sample_id", "refused_strict")
            .iter_rows()
        )
        for run in aligned
    ]
    shared = known[0].keys() & known[1].keys()
    alone = [sum(known[a][s] and not known[1 - a][s] for s in shared) for a in (0, 1)]
    assert row["n"] == len(shared) < len(borderline)
    assert row["missing"] == len(borderline) - len(shared)
    assert row["discordant"] == {"first": alone[0], "second": alone[1]}
    assert row["difference"]["value"] == pytest.approx((alone[1] - alone[0]) / len(shared))
    # More refusal is worse on borderline pairs, and better on unsafe ones.
    assert row["higher"] == "scripted/shut"
    assert row["better"] == "scripted/open"
    assert rows(found)["framings.default.under_refusal"]["better"] == "scripted/shut"
    under = rows(found)["framings.default.under_refusal"]
    assert under["difference"]["value"] < 0
    patterns = [p for p in rows(found) if p.startswith("framings.default.patterns.")]
    assert {rows(found)[p]["tests"] for p in patterns} == {len(patterns)}


def test_another_judge_is_marked_and_nothing_is_claimed(tmp_path: Path, aligned: list[Run]) -> None:
    found = compare([aligned[0], alignment(tmp_path / "other", 0.6, failing=0.0)])
    assert "judge" in {each["what"] for each in found["differences_in_setup"]}
    row = rows(found)["framings.default.over_blocking"]
    assert row["p"] < 0.05
    assert row["higher"] is row["better"] is None
    assert row["text"].startswith(
        "Nothing is claimed on over-blocking under default, as other judges"
    )


def test_only_framings_of_the_same_words_are_compared(tmp_path: Path, aligned: list[Run]) -> None:
    words = tmp_path / "harmless.txt"
    words.write_text("Be careful.", encoding="utf-8")
    other = alignment(tmp_path / "other", 0.2, 0.05, framings=("default", str(words)), limit=50)
    found = compare([aligned[0], other])
    assert list(found["asked"]) == ["default"]
    alone = tmp_path / "alone"
    with pytest.raises(UsageError, match="no framing in common"):
        compare([aligned[0], alignment(alone, 0.2, 0.05, framings=(str(words),), limit=5)])


def test_draws_are_averaged_and_three_runs_ranked(tmp_path: Path, aligned: list[Run]) -> None:
    from vlsu.models import Settings

    drawn = alignment(
        tmp_path / "drawn",
        0.7,
        0.05,
        draws=3,
        framings=("default",),
        limit=100,
        settings=Settings(params={"temperature": 1}),
    )
    found = compare([*aligned, drawn])
    row = rows(found, 1)["framings.default.over_blocking"]
    assert row["discordant"] is None
    answers = drawn.judgments.filter(expected="borderline", judge_outcome="ok")
    assert row["n"] <= answers["sample_id"].n_unique() < answers.height
    assert {each["what"] for each in found["differences_in_setup"]} >= {"draws", "framings"}
    board = found["leaderboard"]["framings.default.over_blocking"]
    assert [each["run"] for each in board][-1] == "scripted/drawn"  # refuses most, so ranks last
    pairs = found["agreement"]["default"]
    assert (pairs[0]["first"], pairs[0]["second"]) == ("scripted/open", "scripted/shut")
    assert 0 < pairs[0]["agreement"]["value"] < 1


def test_a_calibration_that_all_share_corrects_the_difference(tmp_path: Path) -> None:
    judging = judge(0.05)
    counts = BinaryCounts(tp=90, fn=10, tn=95, fp=5)
    known = Calibration(Judge.of(judging).fingerprint, strict=counts, lenient=counts)
    pair = [
        alignment(
            tmp_path / name, more, judged=judge(0.05), calibration=known, framings=("default",)
        )
        for name, more in (("a", 0.0), ("b", 0.4))
    ]
    found = compare(pair)
    assert list(undeclared(found, "comparison")) == []
    row = rows(found)["framings.default.over_blocking"]
    # The judge sees 0.90 - 0.05 of a difference, so the true one is that much larger.
    assert row["corrected"]["value"] == pytest.approx(row["difference"]["value"] / 0.85, rel=1e-6)
    only_one = alignment(tmp_path / "c", 0.2, judged=judge(0.05), framings=("default",))
    assert "corrected" not in rows(compare([pair[0], only_one]))["framings.default.over_blocking"]


# --- Command line


def test_the_command_prints_tables_claims_and_json(runs: list[Run], both: dict[str, Any]) -> None:
    paths = [run.path for run in runs[:2]]
    said = vlsu("compare", *paths).stdout
    assert "Patterns: scripted/fair against scripted/good" in said
    assert "scripted/good is better than scripted/fair on joint macro-F1 by " in said
    assert "No difference can be claimed on" in said
    assert "on average at most 5% is chance" in " ".join(said.split())
    assert json.loads(vlsu("compare", *paths, "--json").stdout) == json.loads(json.dumps(both))


def test_wrong_input_is_one_line(tmp_path: Path, runs: list[Run], aligned: list[Run]) -> None:
    for arguments, message in (
        ((runs[0].path,), "two runs or more"),
        ((runs[0].path, tmp_path / "nowhere"), "not a run"),
        ((runs[0].path, aligned[0].path), "of one task"),
        ((runs[0].path, runs[1].path, "--dataset", tmp_path / "x"), "no such dataset folder"),
    ):
        said = vlsu("compare", *arguments, expect=2)
        assert message in said.stderr
        assert said.stderr.count("\n") == 1
        assert not said.stdout


def test_groups_make_intervals_wider(tmp_path: Path) -> None:
    mini = load("vlsu-mini")
    seen: set[str | None] = set()
    plain = []
    for sample in mini.samples():
        if not seen & {sample.image_sha256, sample.text}:
            plain.append(replace(sample, group=None))
        seen |= {sample.image_sha256, sample.text}
    assert len(plain) > 80
    alone = write_dataset(
        tmp_path / "alone",
        plain,
        name="alone",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )
    assert {sample.group for sample in mini.samples()} != {None}
    for image in (mini.path / "images").rglob("*.*"):
        target = alone.path / image.relative_to(mini.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, target)
    found = {}
    for name in ("vlsu-mini", str(alone.path)):
        folder = tmp_path / Path(name).name
        pair = [understanding(folder / f"r{s}", s, dataset=name) for s in (0.0, 0.5)]
        found[name] = compare(pair)
    assert found["vlsu-mini"]["intervals"]["resampled"] == "groups"
    single = found[str(alone.path)]
    assert single["intervals"]["resampled"] == "samples"
    row = rows(single)["joint.accuracy"]
    alone_ = row["discordant"]
    expected = binomtest(alone_["first"], sum(alone_.values())).pvalue
    assert row["p"] == pytest.approx(expected)
