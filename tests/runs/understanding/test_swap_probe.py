"""The swap probe: pairs of which one half is exchanged, and how far the answer moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.support.commands import vlsu
from tests.support.gold_model import GoldModel
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.understanding.swap import swap_metrics
from vlsu.data import load
from vlsu.errors import DataError, RunError, UsageError
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import Limits, evaluate, load_run, prepare
from vlsu.runs.asking.plan import Subset
from vlsu.runs.finished.gating import gate
from vlsu.runs.finished.understanding import FinishedUnderstanding
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.runs.understanding.swaps import Swaps

RULES: dict[str, Any] = {
    "text": lambda image, text: text,
    "image": lambda image, text: image,
    "worse": max,
    "constant": lambda image, text: Severity.BORDERLINE,
}


@dataclass
class Ruled(GoldModel):
    """Grades a pair by a rule of the gold grades of its image and its text."""

    rule: str = "worse"
    refuses: frozenset[str] = frozenset()

    def identity(self) -> Mapping[str, object]:
        return {"rule": self.rule}

    def grade(self, image: str | None, text: str | None, draw: int) -> Severity | str | None:
        if text in self.refuses:
            return "I cannot help with that."
        grades = self.images.get(image), self.texts.get(text)
        if image is not None and text is not None:
            return RULES[self.rule](*grades)
        return grades[0 if image else 1]


def run_of(out: Path, rule: str, probe: str | None = "swap", **more: Any) -> tuple[Any, Ruled]:
    dataset = load("vlsu-mini")
    model = Ruled(dataset, rule, more.pop("refuses", frozenset()))
    named = InProcessModel(f"scripted/{rule}", model)
    return evaluate(dataset, model=named, out=out, probe=probe, **more), model


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("swaps")
    return {rule: run_of(folder / rule, rule)[0] for rule in RULES}


def test_a_model_that_reads_the_text_alone_is_moved_by_no_image(runs: Any) -> None:
    swap = runs["text"].metrics.swap
    assert swap.image.moved.value == 0.0
    assert swap.image.unmoved.value == 1.0
    assert swap.image.shift.value == 0.0
    assert 0 < swap.image.moved.high < 0.05  # none of some hundreds is not proof of none
    assert swap.image.shift.low < 0 < swap.image.shift.high
    # Its answer is the text's grade, and moves by all that this changed.
    assert swap.text.followed.value == swap.text.moved.value == 1.0
    assert swap.text.shift.value == pytest.approx(swap.text.levels)
    assert swap.image_minus_text.shift.high < 0


def test_a_model_that_sees_the_image_alone_is_moved_by_no_text(runs: Any) -> None:
    swap = runs["image"].metrics.swap
    assert (swap.text.moved.value, swap.image.followed.value) == (0.0, 1.0)
    assert swap.image_minus_text.shift.low > 0


def test_a_constant_answer_is_moved_by_nothing(runs: Any) -> None:
    swap = runs["constant"].metrics.swap
    assert swap.image.unmoved.value == swap.text.unmoved.value == 1.0
    assert swap.image_minus_text.shift.value == 0.0


def test_the_worse_of_two_grades_moves_as_counted_by_hand(runs: Any) -> None:
    run = runs["worse"]
    samples = {s.id: s for s in run.dataset.samples()}
    rows = pl.read_parquet(run.path / "swaps.parquet")
    for half, other in (("image", "text"), ("text", "image")):
        moves: dict[str, list[int]] = {"worse": [], "milder": []}
        for id_, donor in rows.filter(swapped=half).select("sample_id", "donor_id").iter_rows():
            kept = samples[id_].grade(other) or Severity.SAFE
            old, new = samples[id_].grade(half), samples[donor].grade(half)
            change = int(max(new, kept)) - int(max(old, kept))
            moves["worse" if new > old else "milder"].append(change if new > old else -change)
        found = run.metrics.swap[half]
        for direction, shifts in moves.items():
            part = found[direction]
            assert part["n"] == len(shifts)
            assert part["shift"]["value"] == pytest.approx(np.mean(shifts))
            assert part["followed"]["value"] == pytest.approx(np.mean([s > 0 for s in shifts]))
            assert part["against"]["value"] == 0.0
        both = moves["worse"] + moves["milder"]
        assert found["shift"]["value"] == pytest.approx(np.mean(both))
        assert found["moved"]["value"] == pytest.approx(np.mean([s != 0 for s in both]))


def test_every_half_is_exchanged_for_another_of_another_grade(runs: Any) -> None:
    samples = {s.id: s for s in runs["text"].dataset.samples()}
    rows = pl.read_parquet(runs["text"].path / "swaps.parquet")
    assert rows.height == 2 * len(samples)
    same_category = 0
    for row in rows.iter_rows(named=True):
        own, donor, half = samples[row["sample_id"]], samples[row["donor_id"]], row["swapped"]
        assert own.grade(half) != donor.grade(half)
        assert (str(own.grade(half)), str(donor.grade(half))) == (row["grade"], row["donor_grade"])
        assert (own.image_sha256 if half == "image" else own.text) != (
            donor.image_sha256 if half == "image" else donor.text
        )
        mine, theirs = (s.category(half) or s.joint_category for s in (own, donor))
        same_category += mine is not None and mine == theirs
    assert same_category > 0.8 * rows.filter(pl.col("grade") != "safe").height


def test_the_exchanges_of_a_part_are_those_of_the_whole() -> None:
    dataset = load("vlsu-mini")
    whole, part = (Swaps.of(dataset, Subset(limit, 3), 3).frame for limit in (None, 50))
    columns = ["sample_id", "swapped", "donor_id"]
    assert part.height == 100
    assert part.select(columns).join(whole, on=columns, how="anti").is_empty()
    other = Swaps.of(dataset, Subset(None, 4), 4).frame
    assert other.select(columns).join(whole, on=columns, how="anti").height > 300


def test_the_probe_can_be_added_to_a_run_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    run, model = run_of(tmp_path / "R", "worse", probe=None, limit=40)
    assert "swap" not in run.metrics
    assert not (tmp_path / "R" / "swaps.parquet").exists()
    before = len(model.asked)
    run, model = run_of(tmp_path / "R", "worse", limit=40)
    new = Swaps.of(run.dataset, run.subset, 0).different(run.dataset, run.subset)
    assert len(model.asked) == new == run.record["requests"]["asked"]
    assert run.record["requests"]["needed"] == before + new
    assert sum(run.record["probe_outcomes"].values()) == 80
    again, model = run_of(tmp_path / "R", "worse", limit=40)
    assert not model.asked
    assert again.metrics == run.metrics
    plain, model = run_of(tmp_path / "R", "worse", probe=None, limit=40)
    assert not model.asked
    assert "swap" not in plain.metrics


def test_a_probe_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, all_of_it = run_of(tmp_path / "W", "worse", limit=30)
    few = Limits(concurrency=1, max_requests=len(all_of_it.asked) - 20)
    stopped, first = run_of(tmp_path / "R", "worse", limit=30, limits=few)
    assert not stopped.finished
    assert not (tmp_path / "R" / "swaps.parquet").exists()
    done, rest = run_of(tmp_path / "R", "worse", limit=30)
    assert len(first.asked) + len(rest.asked) == len(all_of_it.asked)
    assert done.metrics == whole.metrics


def test_a_run_with_the_probe_has_the_metrics_of_one_without(runs: Any, tmp_path: Path) -> None:
    plain, _ = run_of(tmp_path / "R", "worse", probe=None)
    with_probe = {key: part for key, part in runs["worse"].metrics.items() if key != "swap"}
    assert with_probe == plain.metrics


def test_what_was_not_answered_is_left_out_and_counted(tmp_path: Path) -> None:
    texts = [s.text for s in load("vlsu-mini").samples() if s.text]
    refused = frozenset(texts[:100])
    run, _ = run_of(tmp_path / "R", "text", refuses=refused)
    for half in (run.metrics.swap.image, run.metrics.swap.text):
        assert half.n == pytest.approx(half.answered.value * half.pairs)
        assert half.n < half.pairs
    assert run.metrics.swap.text.followed.value == 1.0
    assert run.record["probe_outcomes"]["refused"] > 0
    (check,) = gate(run, ["swap.image.moved <= 0.1"]).checks
    assert not check.met
    assert "cannot be told" in check.why


def test_another_confidence_is_computed_from_the_exchanges(runs: Any) -> None:
    rate = runs["worse"].metrics.swap.image.moved
    (check,) = gate(runs["worse"], ["swap.image.moved >= 0.1"], confidence=0.8).checks
    assert check.value == pytest.approx(rate.value)
    assert rate.low < check.compared < rate.value


def test_the_same_confidence_computed_again_is_what_the_run_wrote(runs: Any) -> None:
    """Also where an earlier import named components as groups, as the bundled set has them."""
    run = runs["worse"]
    again = FinishedUnderstanding().metrics_at(run, run.dataset, LEVEL)
    assert again["swap"] == run.metrics["swap"]


def test_independent_exchanges_have_wilsons_interval() -> None:
    n, moved = 400, 120
    ids = [f"s{i}" for i in range(n)] + [f"d{i}" for i in range(n)]
    samples = pl.DataFrame(
        {"id": ids, "image_sha256": [f"i{i}" for i in ids], "text": [f"t{i}" for i in ids]}
    )
    said = ["unsafe"] * moved + ["safe"] * (n - moved)
    found: Any = swap_metrics(exchanges(n, said), before(n, "safe"), samples)
    low, high = proportion_confint(moved, n, method="wilson")
    rate = found["image"]["moved"]
    assert (rate["low"], rate["high"]) == pytest.approx((low, high), abs=0.002)
    assert found["image"]["shift"]["value"] == 2 * moved / n
    assert found["text"]["moved"] == {"value": None, "low": None, "high": None}


def test_exchanges_that_share_a_donor_are_worth_less() -> None:
    n = 400
    own = [f"s{i}" for i in range(n)]
    samples = pl.DataFrame(
        {
            "id": [*own, *(f"d{i}" for i in range(n))],
            # Twenty images are put into twenty pairs each.
            "image_sha256": [f"i{i}" for i in own] + [f"new{i // 20}" for i in range(n)],
            "text": [f"t{i}" for i in range(2 * n)],
        }
    )
    said = ["unsafe" if i // 20 % 2 else "safe" for i in range(n)]
    found: Any = swap_metrics(exchanges(n, said), before(n, "safe"), samples)
    low, high = proportion_confint(10, 20, method="wilson")
    assert found["image"]["moved"]["high"] - found["image"]["moved"]["low"] > high - low


def exchanges(n: int, said: list[str]) -> pl.DataFrame:
    """Of the images of n samples, safe before and unsafe after."""
    return pl.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "donor_id": [f"d{i}" for i in range(n)],
            "swapped": ["image"] * n,
            "grade": ["safe"] * n,
            "donor_grade": ["unsafe"] * n,
            "predicted": said,
            "outcome": ["ok"] * n,
        }
    )


def before(n: int, said: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "modality": ["joint"] * n,
            "predicted": [said] * n,
            "outcome": ["ok"] * n,
        }
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"probe": "swop"}, "--probe swop: give swap"),
        ({"probe": "swap", "budget": 50}, "--probe: not with --budget"),
        ({"probe": "swap", "modalities": ["image"]}, "add joint to --modalities"),
    ],
)
def test_what_the_probe_cannot_be_asked_with_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        UnderstandingOptions(model="baseline/majority", **more)


def test_grades_of_one_kind_cannot_be_exchanged(tmp_path: Path) -> None:
    vlsu("data", "filter", "vlsu-mini", "--where", "pattern=S-S-S", "--out", tmp_path / "D")
    options = UnderstandingOptions(model="baseline/majority", probe="swap")
    with pytest.raises(DataError, match="there are none of two grades"):
        prepare(tmp_path / "D", options).run(tmp_path / "R")


def test_texts_without_images_are_no_pairs(tmp_path: Path) -> None:
    """They are of two grades, so that the reason is another."""
    (tmp_path / "texts.csv").write_text(
        "id,text,text_grade,joint_grade\n1,hello,safe,safe\n2,bye,unsafe,unsafe\n"
    )
    vlsu("data", "import", "csv", tmp_path / "texts.csv", "--out", tmp_path / "D")
    options = UnderstandingOptions(model="baseline/majority", probe="swap")
    with pytest.raises(DataError, match="no sample has both an image and a text"):
        prepare(tmp_path / "D", options).run(tmp_path / "R")


def test_lost_exchanges_are_told_of_where_they_are_needed(runs: Any, tmp_path: Path) -> None:
    run, _ = run_of(tmp_path / "R", "text", limit=30)
    (tmp_path / "R" / "swaps.parquet").unlink()
    with pytest.raises(RunError, match=r"swaps\.parquet: missing or damaged"):
        gate(load_run(run.path), ["swap.image.moved >= 0"], confidence=0.9)
    _, model = run_of(tmp_path / "R", "text", limit=30)
    assert not model.asked
    assert (tmp_path / "R" / "swaps.parquet").exists()


def test_the_dry_run_counts_the_exchanges(tmp_path: Path) -> None:
    command = ["run", "understanding", "vlsu-mini", "--model", "baseline/majority", "--limit", "20",
               "--out", tmp_path / "R", "--dry-run", "--json"]  # fmt: skip
    plain, probed = (
        json.loads(vlsu(*command, *more).stdout)["baseline/majority"]
        for more in ((), ("--probe", "swap"))
    )
    dataset = load("vlsu-mini")
    new = Swaps.of(dataset, Subset(20), 0).different(dataset, Subset(20))
    assert probed["requests"]["joint"] == plain["requests"]["joint"] + new
    assert probed["requests"]["text"] == plain["requests"]["text"]
    assert probed["images_sent"] == plain["images_sent"] + new
