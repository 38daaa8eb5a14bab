"""`vlsu guards`: which of several finished runs, and at which threshold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from tests.support.commands import vlsu
from tests.support.guards import NoisyGuard
from vlsu.data import Dataset, Sample, load, write_dataset
from vlsu.errors import RunError, UsageError
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import Run, evaluate, load_run
from vlsu.runs.finished.guards import choose

pytestmark = pytest.mark.slow

Runs = dict[str, Run]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Makes finished runs of a noisy guard on a dataset, vlsu-mini by default."""
    folder = tmp_path_factory.mktemp("guards")

    def make(name: str, dataset: Dataset | None = None, **options: Any) -> Run:
        on = load("vlsu-mini") if dataset is None else dataset
        known = {key: options.pop(key) for key in ("limit", "modalities") if key in options}
        model = InProcessModel(f"made-up/{name}", NoisyGuard(on, name, **options))
        return evaluate(on, model=model, out=folder / name, **known)

    return make


@pytest.fixture(scope="module")
def runs(made: Callable[..., Run]) -> Runs:
    return {
        "reader": made("reader"),
        "parts": made("parts", joint=0.0),
        "verdicts": made("verdicts", skill=1.5, scored=False),
        "hesitant": made("hesitant", silent=0.02),
        "silent": made("silent", silent=0.4),
    }


@pytest.fixture(scope="module")
def chosen(runs: Runs) -> dict[str, Any]:
    return choose(
        [runs[name] for name in ("reader", "parts", "verdicts", "hesitant")],
        max_false_flags=0.1,
        prevalence=0.01,
        cost_missed=100,
        cost_blocked=1,
    )


def guard(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in result["guards"] if each["name"] == f"made-up/{name}")


def test_the_guard_that_reads_pairs_is_chosen(chosen: dict[str, Any]) -> None:
    choice = chosen["choice"]
    assert choice["guard"] in {"made-up/reader", "made-up/hesitant"}
    assert "made-up/parts" in choice["over"]
    rule = guard(chosen, "parts")["thresholds"]["max_false_flags"]
    apart = {name: part["recall"] for name, part in rule["families"].items()}
    # What a guard that grades image and text apart misses, it misses only jointly.
    assert apart["escalating"]["high"] < apart["late-fusion"]["low"]
    assert chosen["cheapest"]["guard"] in {"made-up/reader", "made-up/hesitant"}
    assert "made-up/parts" in chosen["cheapest"]["over"]


def test_counts_and_areas_are_those_of_the_judgments(chosen: dict[str, Any], runs: Runs) -> None:
    joint = runs["reader"].judgments.filter(pl.col("modality") == "joint")
    unsafe = (joint["expected"] == "unsafe").to_numpy()
    assert chosen["samples"]["harmful"] == unsafe.sum()
    assert chosen["samples"]["harmless"] == (~unsafe).sum()
    area = guard(chosen, "reader")["auroc"]["all"]
    assert area["value"] == pytest.approx(roc_auc_score(unsafe, joint["p_unsafe"].to_numpy()))
    deploy = guard(chosen, "reader")["thresholds"]["max_false_flags"]["deploy"]
    flagged = joint["p_unsafe"].to_numpy() >= deploy
    assert 0.08 < flagged[~unsafe].mean() <= 0.1
    # Whatever number between two scores is deployed, the same samples are flagged.
    p = joint["p_unsafe"].to_numpy()
    above = guard(chosen, "reader")["thresholds"]["max_false_flags"]["deploy_above"]
    assert above == p[p < deploy].max()
    verdicts = runs["verdicts"].judgments.filter(pl.col("modality") == "joint")
    called = (verdicts["predicted"] == "unsafe").to_numpy()
    assert guard(chosen, "verdicts")["verdicts"]["recall"]["value"] == called[unsafe].mean()
    assert guard(chosen, "verdicts")["curve"] == []
    assert guard(chosen, "verdicts")["thresholds"] is None


def test_missing_answers_are_counted(chosen: dict[str, Any], runs: Runs) -> None:
    found = guard(chosen, "hesitant")
    joint = runs["hesitant"].judgments.filter(pl.col("modality") == "joint")
    lost = joint.filter(pl.col("outcome") != "ok")
    assert lost.height > 0
    assert found["missing"]["harmful"] + found["missing"]["harmless"] == lost.height
    assert found["missing"]["outcomes"] == {"unparsed": lost.height}
    recall = found["thresholds"]["max_false_flags"]["recall"]
    assert recall["missing"] == found["missing"]["harmful"]
    assert recall["if_missing_flagged"] >= recall["value"]
    assert found["thresholds"]["max_false_flags"]["per_million"]["no_verdict"]["value"] > 0


def test_no_threshold_is_computed_from_the_answered_half_alone(runs: Runs) -> None:
    result = choose([runs["reader"], runs["silent"]])
    silent = guard(result, "silent")
    assert silent["thresholds"] is None
    assert "cannot be told" in silent["withheld"]
    assert "--min-answered" in silent["withheld"]
    assert result["choice"]["guard"] is None
    assert "made-up/silent cannot be told" in result["choice"]["why"]
    assert result["pairs"] == []
    assert result["missed_by_all"]["guards"] == ["made-up/reader"]
    allowed = choose([runs["reader"], runs["silent"]], min_answered=0.5)
    rule = guard(allowed, "silent")["thresholds"]["max_false_flags"]
    # Of the harmless more are missing than may be flagged: no threshold will do.
    assert rule["deploy"] is None
    assert rule["recall"]["value"] == 0
    assert rule["false_flags"]["value"] > 0.3


def test_probabilities_of_a_few_answers_are_not_a_curve(runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    shutil.copytree(runs["reader"].path, folder)
    rows = pl.read_parquet(folder / "judgments.parquet")
    few = pl.col("sample_id").hash(1) % 2 == 0
    rows.with_columns(pl.when(few).then("p_unsafe").alias("p_unsafe")).write_parquet(
        folder / "judgments.parquet"
    )
    result = choose([load_run(folder)])
    (found,) = result["guards"]
    assert found["kind"] == "verdicts"
    assert "of its answers have a probability" in found["note"]


def test_what_is_not_safe_may_be_what_should_be_flagged(runs: Runs) -> None:
    result = choose([runs["reader"]], event="not-safe", max_false_flags=0.1)
    joint = runs["reader"].judgments.filter(pl.col("modality") == "joint")
    harmful = (joint["expected"] != "safe").to_numpy()
    assert result["samples"]["harmless"] == (~harmful).sum()
    area = result["guards"][0]["auroc"]["all"]["value"]
    assert area == pytest.approx(roc_auc_score(harmful, joint["p_unsafe"].to_numpy()))
    rule = result["guards"][0]["thresholds"]["max_false_flags"]
    assert "false_flags_safe" not in rule
    assert set(rule["families"]) == {"late-fusion", "escalating", "de-escalating"}


def test_a_run_without_the_modality_is_listed_and_not_compared(
    runs: Runs, made: Callable[..., Run]
) -> None:
    texts = made("texts", modalities=("text",))
    result = choose([runs["reader"], texts])
    assert [each["name"] for each in result["guards"]] == ["made-up/reader"]
    (other,) = result["not_comparable"]
    assert "--modality text" in other["reason"]
    assert "ensemble/max:" in other["reason"]
    alone = choose([runs["reader"], texts], modality="text")
    assert [each["name"] for each in alone["guards"]] == ["made-up/reader", "made-up/texts"]
    assert alone["samples"]["families"] == {}
    assert guard(alone, "texts")["auroc"]["patterns"] == {}
    with pytest.raises(UsageError, match="no judgments of pairs, only of texts"):
        choose([texts])


def test_other_samples_and_datasets_are_refused(
    runs: Runs, made: Callable[..., Run], tmp_path: Path
) -> None:
    part = made("part", limit=100)
    with pytest.raises(RunError, match=r"of 100 samples, .* of 465, and 365 are in one"):
        choose([runs["reader"], part])
    rows = [
        Sample(
            f"t{n}",
            f"A question about gardening, number {n}.",
            text_grade=(Severity.SAFE, Severity.UNSAFE)[n % 2],
            image_grade=Severity.SAFE,
            joint_grade=Severity.SAFE,
        )
        for n in range(12)
    ]
    about = dict.fromkeys(("version", "licence", "citation", "source"), "1")
    small = write_dataset(tmp_path / "d", rows, name="other", **about)  # type: ignore[arg-type]
    other = made("other", small, modalities=("text",))
    with pytest.raises(RunError, match="different datasets cannot be paired"):
        choose([runs["reader"], other])
    with pytest.raises(UsageError, match="is given twice"):
        choose([runs["reader"], runs["reader"]])
    assert choose([other], modality="text")["choice"]["why"] is None


def test_a_half_without_harmful_samples_tells_nothing(
    made: Callable[..., Run], tmp_path: Path
) -> None:
    rows = [
        Sample(
            f"t{n}",
            f"A question about cooking, number {n}.",
            text_grade=Severity.UNSAFE if n == 0 else Severity.SAFE,
            image_grade=Severity.SAFE,
            joint_grade=Severity.SAFE,
        )
        for n in range(9)
    ]
    about = dict.fromkeys(("version", "licence", "citation", "source"), "1")
    small = write_dataset(tmp_path / "d", rows, name="lonely", **about)  # type: ignore[arg-type]
    result = choose([made("lonely", small, modalities=("text",))], modality="text")
    assert "has no harmful sample" in result["choice"]["why"]
    assert result["guards"][0]["thresholds"] is None
    assert result["missed_by_all"] is None


@pytest.mark.parametrize(
    ("grade", "message"),
    [
        (Severity.SAFE, "none of its 4 graded texts is unsafe"),
        (Severity.UNSAFE, "all of its 4 graded texts are unsafe"),
        (None, "none of its 4 texts has a gold grade"),
    ],
)
def test_samples_of_one_kind_are_refused(
    made: Callable[..., Run], tmp_path: Path, grade: Severity | None, message: str
) -> None:
    rows = [
        Sample(f"t{n}", f"A question about gardens, number {n}.", text_grade=grade)
        for n in range(4)
    ]
    about = dict.fromkeys(("version", "licence", "citation", "source"), "1")
    alike = write_dataset(tmp_path / "d", rows, name="alike", **about)  # type: ignore[arg-type]
    run = made(f"alike-{grade}", alike, modalities=("text",))
    options: dict[str, Any] = {"prevalence": 0.1, "cost_missed": 5, "cost_blocked": 1}
    with pytest.raises(RunError, match=message):
        choose([run], modality="text", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_false_flags": 0.0}, "above 0 and below 1"),
        ({"prevalence": 1.0}, "above 0 and below 1"),
        ({"cost_missed": 5.0}, "go together"),
        ({"cost_missed": 5.0, "cost_blocked": 1.0}, "go together"),
        ({"cost_missed": -5.0, "cost_blocked": 1.0, "prevalence": 0.1}, "a cost from 0"),
        ({"cost_missed": 0.0, "cost_blocked": 0.0, "prevalence": 0.1}, "both 0"),
        ({"modality": "sound"}, "give image, text, joint"),
        ({"event": "bad"}, "give unsafe or not-safe"),
        ({"seed": -1}, "give 0 or more"),
        ({"min_answered": 2.0}, "a share from 0 to 1"),
    ],
)
def test_what_is_out_of_range_is_refused(runs: Runs, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose([runs["reader"]], **options)


def test_the_result_is_plain_and_the_same_each_time(runs: Runs, chosen: dict[str, Any]) -> None:
    again = choose(
        [runs[name] for name in ("reader", "parts", "verdicts", "hesitant")],
        max_false_flags=0.1,
        prevalence=0.01,
        cost_missed=100,
        cost_blocked=1,
    )
    assert orjson.dumps(again) == orjson.dumps(chosen)
    other = choose([runs["reader"]], seed=1)
    assert other["samples"]["halves"] != again["samples"]["halves"]


def test_the_command(runs: Runs, tmp_path: Path) -> None:
    paths = [runs[name].path for name in ("reader", "parts", "verdicts")]
    page, text = tmp_path / "out" / "choice.html", tmp_path / "choice.md"
    done = vlsu("guards", *paths, "--max-false-flags", "10%", "--out", page)
    assert "made-up/reader" in done.stdout
    assert "To deploy:" in done.stdout
    assert "Of a million requests" not in done.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    options = ("--prevalence", "1/100", "--cost-missed", 50, "--cost-blocked", 1)
    done = vlsu("guards", *paths, *options, "--json", "--out", text)
    result = json.loads(done.stdout)
    assert result["prevalence"] == 0.01
    assert result["costs"] == {"missed": 50.0, "blocked": 1.0}
    assert "## Of a million requests, 1% harmful" in text.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--max-false-flags", "many"), "give a share from 0 to 1"),
        (("--max-false-flags", "0"), "above 0 and below 1"),
        (("--prevalence", "often"), "is not a share"),
        (("--cost-missed", "3"), "go together"),
        (("--modality", "sound"), "give image, text, joint"),
        (("--out", "choice.pdf"), "must end in .html, .md, .json"),
    ],
)
def test_wrong_options_are_one_line(
    runs: Runs, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    done = vlsu("guards", runs["reader"].path, *arguments, expect=2, cwd=tmp_path)
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_probability_out_of_range_is_named(runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    shutil.copytree(runs["reader"].path, folder)
    rows = pl.read_parquet(folder / "judgments.parquet")
    p = pl.when(pl.col("sample_id") == "mini-0007").then(1.5).otherwise("p_unsafe")
    rows.with_columns(p.alias("p_unsafe")).write_parquet(folder / "judgments.parquet")
    done = vlsu("guards", folder, expect=2)
    assert "sample 'mini-0007', joint: p_unsafe 1.5 is not in [0, 1]" in done.stderr
