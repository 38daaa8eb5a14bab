"""Several draws: the same requests again, and how far the figures move by it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score

from tests.support.commands import vlsu
from tests.support.wavering import WARM, Wavering, run_of
from vlsu.analysis.understanding.reruns import Answers, rerun_metrics_of
from vlsu.data import load
from vlsu.errors import RunError, UsageError
from vlsu.models.base import Outcome, Settings
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import evaluate, load_run, prepare
from vlsu.runs.asking.limits import Limits, Price
from vlsu.runs.asking.progress import SilentProgress
from vlsu.runs.finished.comparison import compare
from vlsu.runs.finished.gating import gate
from vlsu.runs.finished.understanding import FinishedUnderstanding
from vlsu.runs.understanding.options import UnderstandingOptions


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_of(tmp_path_factory.mktemp("draws") / "R", 3)[0]


def predictions(run: Any, modality: str) -> tuple[list[str], list[list[str | None]]]:
    """Gold grades, and the predictions of every draw, by plain loops."""
    first = pl.read_parquet(run.path / "judgments.parquet").filter(modality=modality)
    again = pl.read_parquet(run.path / "reruns.parquet").filter(modality=modality)
    gold = dict(first.select("sample_id", "expected").iter_rows())
    draws = [dict(first.select("sample_id", "predicted").iter_rows())]
    for draw in (1, 2):
        rows = again.filter(draw=draw).select("sample_id", "predicted")
        draws.append(dict(rows.iter_rows()))
    assert [len(each) for each in draws] == [len(gold)] * 3
    return list(gold.values()), [[each[id_] for id_ in gold] for each in draws]


def test_values_by_draw_and_flips_are_those_counted_by_hand(run: Any) -> None:
    gold, draws = predictions(run, "joint")
    shares = [np.mean([g == p for g, p in zip(gold, draw, strict=True)]) for draw in draws]
    accuracy = run.metrics.reruns.joint.accuracy
    assert accuracy.values_ == pytest.approx(shares)
    assert accuracy["value"] == pytest.approx(np.mean(shares))
    assert shares[0] == shares[2] == 1.0 > shares[1]
    flipped = sum(len(set(each)) > 1 for each in zip(*draws, strict=True))
    flips = run.metrics.reruns.flips["joint"]
    assert (flips["n"], flips["count"]) == (len(gold), flipped)
    assert flips["share"]["value"] == pytest.approx(flipped / len(gold))
    by_severity = Counter(g for g, *each in zip(gold, *draws, strict=True) if len(set(each)) > 1)
    assert {name: part["count"] for name, part in flips["severities"].items()} == {
        name: by_severity[name] for name in ("safe", "borderline", "unsafe")
    }
    assert sum(part["count"] for part in flips["families"].values()) == flipped
    assert run.metrics.reruns.flips["image"]["count"] == 0
    wrong = np.mean([all(p != g for p in each) for g, *each in zip(gold, *draws, strict=True)])
    assert run.metrics.reruns.joint.unanimous_wrong.value == wrong == 0
    assert run.metrics.reruns.joint.unanimous_right.value == pytest.approx(1 - flipped / len(gold))


def test_a_rerun_moves_accuracy_by_the_variance_within_samples(run: Any) -> None:
    gold, draws = predictions(run, "joint")
    right = np.array([[g == p for g, p in zip(gold, draw, strict=True)] for draw in draws])
    # By hand: right, wrong, right has the variance 1/3; one flip in three draws is added.
    variance = (right.var(axis=0, ddof=1).sum() + 1 / 3) / len(gold) ** 2
    reach = 1.959964 * np.sqrt(variance * (1 + 1 / 3))
    accuracy = run.metrics.reruns.joint.accuracy
    low = accuracy["over_reruns"]["low"]
    assert accuracy["value"] - low == pytest.approx(reach, rel=1e-5)
    assert run.metrics.reruns.image.accuracy["values"] == [1.0] * 3


def test_both_sources_together_move_a_figure_furthest(run: Any) -> None:
    for modality in ("image", "text", "joint"):
        part = run.metrics.reruns[modality]
        for name in ("accuracy", "f1_macro"):
            figure = part[name]
            over = [figure["over_samples"], figure["over_reruns"]]
            assert figure["both"]["low"] <= min(each["low"] for each in over)
            assert figure["both"]["high"] >= max(each["high"] for each in over)
            assert min(each["low"] for each in over) <= figure["value"]
    assert "f1_binary" in run.metrics.reruns.joint
    assert "f1_binary" not in run.metrics.reruns.text


def test_the_first_draw_is_a_run_with_one_draw(run: Any, tmp_path: Path) -> None:
    single, _ = run_of(tmp_path / "R", 1)
    assert {key: part for key, part in run.metrics.items() if key != "reruns"} == single.metrics
    columns = [name for name in single.judgments.columns if name != "latency_s"]
    assert single.judgments.select(columns).equals(run.judgments.select(columns))
    assert "draws" not in single.record
    assert not (tmp_path / "R" / "reruns.parquet").exists()


def test_more_draws_ask_for_those_alone_and_fewer_for_none(tmp_path: Path) -> None:
    out = tmp_path / "R"
    single, first = run_of(out, 1, limit=30)
    each = len(first.asked)
    two, model = run_of(out, 2, limit=30)
    assert [request.draw for request in model.asked] == [1] * each
    assert two.record["requests"]["needed"] == 2 * each
    three, model = run_of(out, 3, limit=30)
    assert [request.draw for request in model.asked] == [2] * each
    assert sum(three.record["rerun_outcomes"].values()) == 2 * three.judgments.height
    again, model = run_of(out, 3, limit=30)
    assert not model.asked
    assert again.metrics == three.metrics
    fewer, model = run_of(out, 2, limit=30)
    assert not model.asked
    assert fewer.metrics == two.metrics
    alone, model = run_of(out, 1, limit=30)
    assert not model.asked
    assert alone.metrics == single.metrics
    assert not (out / "reruns.parquet").exists()


def test_the_dry_run_counts_every_draw_that_is_not_stored(tmp_path: Path) -> None:
    dataset = load("vlsu-mini")
    served = Settings(base_url="http://localhost:9/v1", params=WARM)
    price = Limits(price=Price(1.0, 1.0))
    one, three = (
        prepare(
            dataset,
            UnderstandingOptions(
                model="openai/any", settings=served, limits=price, limit=20, draws=draws
            ),
        ).estimate()
        for draws in (1, 3)
    )
    assert three.requests == {name: 3 * n for name, n in one.requests.items()}
    assert one.cost is not None
    assert three.cost == pytest.approx(3 * one.cost, rel=0.01)
    assert three.images_distinct == one.images_distinct
    run_of(tmp_path / "R", 1, limit=20)
    model = InProcessModel("scripted/wavering", Wavering(dataset))
    options = UnderstandingOptions(model=model, settings=Settings(params=WARM), limit=20, draws=2)
    left = prepare(dataset, options).estimate(tmp_path / "R")
    assert left.requests == one.requests
    assert left.stored == sum(one.requests.values())


def test_lost_reruns_are_made_again_and_told_of_where_they_are_needed(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path / "R", 2, limit=30)
    file = tmp_path / "R" / "reruns.parquet"
    whole = file.read_bytes()
    file.unlink()
    with pytest.raises(RunError, match=r"reruns\.parquet: missing or damaged"):
        gate(load_run(run.path), ["reruns.flips.joint.share <= 0.9"], confidence=0.9)
    _, model = run_of(tmp_path / "R", 2, limit=30)
    assert not model.asked
    assert file.read_bytes() == whole


def test_another_confidence_is_computed_from_the_draws(run: Any) -> None:
    (check,) = gate(run, ["reruns.joint.accuracy.over_reruns.low >= 0.5"]).checks
    assert check.met
    narrow = FinishedUnderstanding().metrics_at(run, run.dataset, 0.5)
    for name in ("over_samples", "over_reruns", "both"):
        wide, half = (each.reruns.joint.f1_macro[name] for each in (run.metrics, narrow))
        assert wide["low"] < half["low"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"draws": 0}, "draws 0: ask for at least 1 answer"),
        ({"draws": 2}, "draws 2: answers differ by chance only; add --param temperature=1"),
        ({"draws": "2"}, "draws '2': give a whole number"),
        ({"draws": 2, "model": "baseline/majority"}, "the same answer every time"),
    ],
)
def test_draws_that_cannot_be_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        UnderstandingOptions(**{"model": "openai/gpt-4o", **more})


def test_a_draw_by_pattern_has_one_answer_to_each_request() -> None:
    warm = Settings(params=WARM)
    with pytest.raises(UsageError, match="--draws: not with --budget or --until"):
        UnderstandingOptions(model="openai/gpt-4o", settings=warm, draws=2, budget=100)


def test_the_command_says_what_draws_need(tmp_path: Path) -> None:
    command = ["run", "understanding", "vlsu-mini", "--model", "openai/any", "--draws", "3",
               "--base-url", "http://localhost:9/v1", "--out", tmp_path / "R"]  # fmt: skip
    done = vlsu(*command, expect=2)
    assert done.stderr.splitlines()[-1] == (
        "error: draws 3: answers differ by chance only; add --param temperature=1"
    )
    assert not (tmp_path / "R").exists()


def test_a_seed_for_the_provider_may_make_all_draws_equal(caplog: Any) -> None:
    settings = Settings(params=WARM, seed=4)
    UnderstandingOptions(model="openai/any", settings=settings, draws=2)
    assert "--seed 4: goes to a provider that takes one with every draw" in caplog.text
    caplog.clear()
    UnderstandingOptions(model="local/any.gguf", settings=settings, draws=2)
    assert not caplog.text


class Counted(SilentProgress):
    """What the bar is told."""

    def __init__(self) -> None:
        self.total = self.before = self.done = 0

    def begin(self, total: int, *, at_most: bool = False) -> None:
        self.total = total

    def stored(self, count: int) -> None:
        self.before += count

    def answered(self, outcome: Outcome) -> None:
        self.done += 1


def test_a_limit_of_requests_and_the_bar_count_every_draw(tmp_path: Path) -> None:
    dataset, out = load("vlsu-mini"), tmp_path / "R"
    few = Limits(max_requests=60, concurrency=1)
    model = InProcessModel("scripted/wavering", Wavering(dataset))
    stopped = evaluate(dataset, model=model, out=out, draws=2, params=WARM, limit=20, limits=few)
    assert not stopped.finished
    assert "60" in stopped.record["stopped"]
    bar = Counted()
    run, rest = run_of(out, 2, limit=20, progress=bar)
    assert run.finished
    assert bar.total == run.record["requests"]["needed"] == bar.before + bar.done
    assert (bar.before, bar.done) == (60, len(rest.asked))


def test_the_swap_probe_is_asked_once_beside_several_draws(run: Any, tmp_path: Path) -> None:
    both, model = run_of(tmp_path / "R", 3, probe="swap")
    assert both.metrics["reruns"] == run.metrics["reruns"]
    exchanged = pl.read_parquet(tmp_path / "R" / "swaps.parquet")["request_key"]
    assert exchanged.n_unique() > 0
    own = sum(request.draw == 0 for request in model.asked)
    alone = sum(request.draw == 1 for request in model.asked)
    assert own - alone == len(set(exchanged) - set(both.judgments["request_key"]))


def test_runs_are_compared_by_their_first_draws(run: Any, tmp_path: Path) -> None:
    single, _ = run_of(tmp_path / "R", 1)
    found = compare([run, single])
    assert found.differences_in_setup == []
    assert found["pairs"][0]["metrics"]["joint.accuracy"]["difference"]["value"] == 0


def test_a_policy_without_borderline_has_no_such_class() -> None:
    gold, draws = np.array([0, 2, 2, 0] * 10), np.array([[0, 2, 0, 0] * 10, [0, 2, 2, 2] * 10])
    grades, said = np.zeros((40, 3), dtype=np.int64), np.zeros((2, 40, 3), dtype=np.int64)
    grades[:, 2], said[:, :, 2] = gold, draws
    request = np.repeat(np.arange(40)[:, None], 3, axis=1)
    two = (Severity.SAFE, Severity.UNSAFE)
    found: Any = rerun_metrics_of(Answers(grades, said, request, np.full((40, 3), -1), two))
    macro = [f1_score(gold, each, average="macro") for each in draws]
    assert found["joint"]["f1_macro"]["values"] == pytest.approx(macro)
    assert list(found["flips"]["joint"]["severities"]) == ["safe", "unsafe"]
