"""Ensembles from their members' answers to their metrics, over live models and finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vlsu
from tests.conftest import make_dataset
from tests.support.ensembles import Made, members, scripted
from vlsu.data import Dataset
from vlsu.errors import DataError, RunError, UsageError
from vlsu.models.base import Settings
from vlsu.policy import Severity
from vlsu.policy.policy import default_policy_text
from vlsu.runs import Limits, MemberModels, Run, UnderstandingOptions, load_run, prepare
from vlsu.runs.columns import JUDGMENTS

SAFE, BORDERLINE, UNSAFE = Severity
SAMPLES = 12


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "dataset", SAMPLES, apart=True)


def run(dataset: Dataset, spec: str, out: Path, *, options: Any = None, **models: Made) -> Run:
    asked = UnderstandingOptions(model=spec, **(options or {}))
    return prepare(dataset, asked, members(**models)).run(out)


def said(run: Run, modality: str = "joint") -> list[str]:
    """What a run says of each sample in order: a severity, or the outcome."""
    rows = run.judgments.filter(pl.col("modality") == modality)
    assert rows["sample_id"].to_list() == [f"s{n}" for n in range(SAMPLES)]
    return rows.select(pl.coalesce("predicted", "outcome")).to_series().to_list()


def of_number(number: int, modality: str) -> Severity:
    """The image is worse the higher the number, the text the other way round."""
    return Severity(
        {"image": number // 4, "text": (11 - number) // 4, "joint": number % 3}[modality]
    )


def test_the_worse_of_a_text_guard_and_an_image_guard(dataset: Dataset, tmp_path: Path) -> None:
    text = scripted("t", dataset, of_number, ["text"])
    image = scripted("i", dataset, of_number, ["image"])
    found = run(dataset, "ensemble/max:text+image", tmp_path / "R", text=text, image=image)
    worse = [Severity(max(n // 4, (11 - n) // 4)).label for n in range(12)]
    assert said(found) == worse
    assert said(found, "image") == [Severity(n // 4).label for n in range(12)]
    assert said(found, "text") == [Severity((11 - n) // 4).label for n in range(12)]
    assert found.judgments.schema == JUDGMENTS
    rows = found.judgments.filter(pl.col("sample_id") == "s0")
    assert rows["modality"].to_list() == ["image", "joint", "text"]
    assert rows["answer"].to_list() == ["image: safe", "text: unsafe, image: safe", "text: unsafe"]
    assert found.metrics["late_fusion"]["agreement"]["value"] == 1
    folders = sorted(path.name for path in (found.path / "members").iterdir())
    assert folders == ["image", "text"]


def test_its_metrics_are_those_of_a_model_that_says_the_same(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Late fusion of one model, and a model that answers the worse of its own two grades."""

    def fused(number: int, modality: str) -> Severity:
        if modality != "joint":
            return of_number(number, modality)
        return max(of_number(number, "image"), of_number(number, "text"))

    model = scripted("m", dataset, of_number)
    ensemble = run(dataset, "ensemble/max:m@image+m@text", tmp_path / "R", m=model)
    whole = vlsu.evaluate(dataset, model=scripted("f", dataset, fused)(), out=tmp_path / "F")
    assert ensemble.metrics == whole.metrics
    columns = ("sample_id", "modality", "expected", "predicted", "outcome", "category")
    assert ensemble.judgments.select(columns).equals(whole.judgments.select(columns))
    asked = load_run(ensemble.path / "members" / "m")
    assert asked.record.modalities == ["image", "text"]  # the pair is not asked about
    assert ensemble.record.requests.asked == 24


def test_missing_verdicts_are_decided_where_they_cannot_matter(
    dataset: Dataset, tmp_path: Path
) -> None:
    """The second member answers every other pair only; by hand."""

    def half(number: int, modality: str) -> Severity | str:
        return SAFE if number % 2 else "no idea"

    models = {"a": scripted("a", dataset, of_number), "b": scripted("b", dataset, half)}
    found = run(dataset, "ensemble/max:a+b", tmp_path / "R", **models)
    # a says S B U S B U …; b is missing where the number is even.
    expected = ["unparsed", "borderline", "unsafe", "safe", "unparsed", "unsafe"] * 2
    assert said(found) == expected
    assert found.record.outcomes["joint"]["unparsed"] == 4
    assert found.metrics["joint"]["answered"]["value"] == pytest.approx(8 / 12)
    assert found.record.ensemble.decided_without_all["joint"] == 2
    vote = run(dataset, "ensemble/vote:a+b", tmp_path / "V", **models)
    expected = ["unparsed", "borderline", "unsafe", "safe", "unparsed", "unsafe"] * 2
    assert said(vote) == expected  # a tie of two is the worse of them


def test_a_vote_of_three_and_of_a_binary_guard(dataset: Dataset, tmp_path: Path) -> None:
    models = {
        "a": scripted("a", dataset, lambda n, _: Severity(n % 3)),
        "b": scripted("b", dataset, lambda n, _: UNSAFE if n % 2 else SAFE, binary=True),
        "c": scripted("c", dataset, lambda n, _: BORDERLINE),
    }
    found = run(dataset, "ensemble/vote:a+b+c", tmp_path / "R", **models)
    #          S S B   B U B   U S B   S U B   B S B   U U B
    expected = ["safe", "borderline", "unsafe", "unsafe", "borderline", "unsafe"] * 2
    assert said(found) == expected
    assert "levels" not in found.record.model
    assert found.record.ensemble.members[1]["levels"] == ["safe", "unsafe"]


def test_two_binary_guards_are_a_binary_ensemble(dataset: Dataset, tmp_path: Path) -> None:
    models = {
        name: scripted(
            name, dataset, lambda n, _: (UNSAFE, 0.9) if n % 2 else (SAFE, 0.2), binary=True
        )
        for name in ("a", "b")
    }
    found = run(dataset, "ensemble/max:a+b", tmp_path / "R", **models)
    assert found.record.model.levels == ["safe", "unsafe"]
    assert set(found.judgments["p_unsafe"]) == {0.9, 0.2}
    assert found.metrics["joint"]["accuracy"]["value"] is None
    assert found.metrics["joint"]["f1_binary"]["value"] is not None


def test_finished_runs_are_used_in_place(dataset: Dataset, tmp_path: Path) -> None:
    a = vlsu.evaluate(dataset, model=scripted("a", dataset, of_number)(), out=tmp_path / "A")
    files = {path: path.read_bytes() for path in a.path.iterdir() if path.is_file()}
    b = scripted("b", dataset, lambda n, _: (BORDERLINE, 0.4))
    found = run(dataset, f"ensemble/max:{a.path}+b", tmp_path / "R", b=b)
    assert said(found) == [max(Severity(n % 3), BORDERLINE).label for n in range(12)]
    assert {path: path.read_bytes() for path in files} == files
    assert [path.name for path in (found.path / "members").iterdir()] == ["b"]
    first, second = found.record.ensemble.members
    assert (first["name"], first["live"], first["fingerprint"]) == (
        "A",
        False,
        a.record.fingerprint,
    )
    assert (second["name"], second["live"], second["spec"]) == ("b", True, "b")
    assert found.record.model.spec == "ensemble/max:A+b"
    assert set(found.judgments["p_unsafe"]) == {None}  # a has none


def test_an_ensemble_of_finished_runs_asks_nothing(dataset: Dataset, tmp_path: Path) -> None:
    a = vlsu.evaluate(dataset, model=scripted("a", dataset, of_number)(), out=tmp_path / "A")
    b = vlsu.evaluate(dataset, model="baseline/majority", out=tmp_path / "B")
    found = vlsu.evaluate(dataset, model=f"ensemble/vote:{a.path}+{b.path}", out=tmp_path / "R")
    assert found.finished
    assert found.record.requests.asked == 0
    assert not (found.path / "members").exists()
    again = vlsu.evaluate(dataset, model=f"ensemble/vote:{a.path}+{b.path}", out=tmp_path / "R")
    assert again.judgments.equals(found.judgments)
    assert again.record.fingerprint == found.record.fingerprint


def test_a_run_of_an_ensemble_is_a_member_of_another(dataset: Dataset, tmp_path: Path) -> None:
    a = vlsu.evaluate(dataset, model=scripted("a", dataset, of_number)(), out=tmp_path / "A")
    inner = vlsu.evaluate(
        dataset, model=f"ensemble/max:{a.path}@image+{a.path}@text", out=tmp_path / "fused"
    )
    outer = vlsu.evaluate(dataset, model=f"ensemble/max:{inner.path}+{a.path}", out=tmp_path / "R")
    both = [max(Severity(n // 4), Severity((11 - n) // 4), Severity(n % 3)) for n in range(12)]
    assert said(outer) == [severity.label for severity in both]


def test_a_stack_says_that_it_saw_gold_grades(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "many", 60, apart=True)
    gold = [sample.joint_grade or SAFE for sample in dataset.samples()]
    knows = scripted("k", dataset, lambda n, _: gold[n] if n % 5 else SAFE, ["joint"])
    blind = scripted("b", dataset, lambda n, _: Severity(n % 2), ["joint"])
    spec, options = "ensemble/stack:k+b", {"modalities": ("joint",)}
    found = run(dataset, spec, tmp_path / "R", options=options, k=knows, b=blind)
    assert found.metrics["joint"]["accuracy"]["value"] > 0.7
    assert found.judgments["p_unsafe"].is_between(0, 1).all()
    assert "gold grades of the other folds" in found.record.ensemble.gold_seen
    assert found.record.ensemble.fitted["folds"] == 5
    compared = vlsu.compare([found, vlsu.evaluate(dataset, model=knows(), out=tmp_path / "K",
                                                  modalities=["joint"])])  # fmt: skip
    assert "gold grades seen" in {each["what"] for each in compared["differences_in_setup"]}


def test_a_stack_needs_data_and_asks_nothing_without(dataset: Dataset, tmp_path: Path) -> None:
    models = {name: scripted(name, dataset, of_number) for name in ("a", "b")}
    too_few = r"^stack: 12 images with a gold grade, of 12 clusters"
    with pytest.raises(DataError, match=too_few):
        run(dataset, "ensemble/stack:a+b", tmp_path / "R", **models)
    assert not (tmp_path / "R").exists()
    for name, model in models.items():
        prepare(dataset, UnderstandingOptions(model=model())).run(tmp_path / name)
    with pytest.raises(DataError, match=too_few):
        run(dataset, f"ensemble/stack:{tmp_path / 'a'}+{tmp_path / 'b'}", tmp_path / "S")
    assert load_run(tmp_path / "S").record.stop_reason == "failed"


def test_tokens_are_summed_and_the_slowest_member_counts(dataset: Dataset, tmp_path: Path) -> None:
    models = {name: scripted(name, dataset, of_number) for name in ("a", "b")}
    found = run(dataset, "ensemble/max:a+b", tmp_path / "R", **models)
    parts = [load_run(found.path / "members" / name).judgments for name in ("a", "b")]
    slowest = np.maximum(*(part["latency_s"].to_numpy() for part in parts))
    assert found.judgments["latency_s"].to_numpy() == pytest.approx(slowest)
    assert found.judgments["request_key"].n_unique() == 36
    assert found.judgments["input_tokens"].is_null().all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ensemble/max:a", "two members or more"),
        ("ensemble/max:a+a", "a is given twice"),
        ("ensemble/max:a+a@text+a@text", "a@text is given twice"),
        ("ensemble/mean:a+b", "no rule 'mean'"),
        ("ensemble/max:a++b", "is missing"),
        ("ensemble/max:a+guard1", "did you mean 'guard'?"),
        ("ensemble/max:a+opnai/gpt-4o", "did you mean 'openai/...'"),
        ("ensemble/max:a+ensemble/max:b", "ensemble itself"),
        ("ensemble/max:a+t@image", "t has no judgment of image; it has text"),
    ],
)
def test_what_is_wrong_with_a_member_is_one_line(
    dataset: Dataset, tmp_path: Path, spec: str, message: str
) -> None:
    models = {
        "a": scripted("a", dataset, of_number),
        "guard": scripted("b", dataset, of_number),
        "t": scripted("t", dataset, of_number, ["text"]),
    }
    with pytest.raises(UsageError) as raised:
        run(dataset, spec, tmp_path / "R", **models)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "R").exists()


@pytest.mark.parametrize(
    "option", [{"budget": 5}, {"until": "joint.accuracy +- 0.1"}, {"pilot": "X"}, {"probe": "swap"}]
)
def test_options_of_one_model_are_refused(
    dataset: Dataset, tmp_path: Path, option: dict[str, Any]
) -> None:
    models = {name: scripted(name, dataset, of_number) for name in ("a", "b")}
    with pytest.raises(UsageError, match="not with an ensemble"):
        run(dataset, "ensemble/max:a+b", tmp_path / "R", options=option, **models)


def test_what_no_member_can_judge_is_absent(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = {
        name: scripted(name, dataset, of_number, [part])
        for name, part in (("t", "text"), ("j", "joint"))
    }
    found = run(dataset, "ensemble/max:t+j", tmp_path / "R", **models)
    assert found.record.modalities == ["text", "joint"]
    assert set(found.judgments["modality"]) == {"text", "joint"}
    assert "cannot judge image: not asked" in caplog.text
    options = {"modalities": ("image", "text")}
    with pytest.raises(UsageError, match="cannot judge image; give --modalities text"):
        run(dataset, "ensemble/max:t+t@text", tmp_path / "S", options=options, **models)


def test_a_member_that_contributes_nothing_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    models = {name: scripted(name, dataset, of_number) for name in ("a", "b")}
    options = {"modalities": ("image", "text")}
    with pytest.raises(UsageError, match="b@joint contributes to none of image, text"):
        run(dataset, "ensemble/max:a+b@joint", tmp_path / "R", options=options, **models)


def test_a_finished_run_must_be_of_the_same_samples(dataset: Dataset, tmp_path: Path) -> None:
    model = scripted("a", dataset, of_number)
    part = vlsu.evaluate(dataset, model=model(), out=tmp_path / "part", limit=6, seed=1)
    other = make_dataset(tmp_path / "other", 9, apart=True)
    elsewhere = vlsu.evaluate(other, model="baseline/majority", out=tmp_path / "elsewhere")
    text = default_policy_text()
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(text.replace("version: ", "version: 9", 1))
    ruled = vlsu.evaluate(
        dataset, model="baseline/majority", out=tmp_path / "ruled", policy=stricter
    )

    def refused(member: Run, **options: Any) -> str:
        with pytest.raises(RunError) as raised:
            run(
                dataset, f"ensemble/max:a+{member.path}", tmp_path / "R", options=options,
                a=scripted("a", dataset, of_number),
            )  # fmt: skip
        return str(raised.value)

    assert "asked about 6 of 12 samples drawn by seed 1, the ensemble about all 12" in refused(part)
    assert "drawn by seed 0; give both the same" in refused(part, limit=6)
    assert "members are runs over one dataset" in refused(elsewhere)
    assert "give that with --policy" in refused(ruled)
    run(
        dataset, f"ensemble/max:{ruled.path}+a", tmp_path / "R", options={"policy": stricter},
        a=scripted("a", dataset, of_number),
    )  # fmt: skip


def test_a_larger_limit_asks_only_what_is_missing(dataset: Dataset, tmp_path: Path) -> None:
    models = {name: scripted(name, dataset, of_number) for name in ("a", "b")}
    run(dataset, "ensemble/max:a+b", tmp_path / "R", options={"limit": 5}, **models)
    whole = run(dataset, "ensemble/max:a+b", tmp_path / "R", **models)
    assert whole.record.requests.asked == 7 * 3 * 2
    assert whole.judgments.height == 36


def test_a_seed_of_a_member_must_not_draw_other_samples(dataset: Dataset, tmp_path: Path) -> None:
    a, b = (scripted(name, dataset, of_number) for name in "ab")
    opened = {"a": (a(), Settings(seed=4), Limits()), "b": (b(), Settings(), Limits())}
    options = UnderstandingOptions(model="ensemble/max:a+b", limit=5)
    with pytest.raises(UsageError, match="a: draws its samples by seed 4, the ensemble by seed 0"):
        prepare(dataset, options, MemberModels(opened.__getitem__, opened))


def test_a_member_that_is_not_finished_or_damaged(dataset: Dataset, tmp_path: Path) -> None:
    member = vlsu.evaluate(dataset, model=scripted("a", dataset, of_number)(), out=tmp_path / "A")
    b = scripted("b", dataset, of_number)
    record = member.path / "run.yaml"
    text = record.read_text()
    record.write_text(text.replace("status: finished", "status: stopped"))
    with pytest.raises(RunError, match="not finished"):
        run(dataset, f"ensemble/max:{member.path}+b", tmp_path / "R", b=b)
    record.write_text(text)
    judgments = member.path / "judgments.parquet"
    rows = pl.read_parquet(judgments)
    rows.filter(pl.col("sample_id") != "s3").write_parquet(judgments)
    with pytest.raises(RunError, match="has no image judgment of 1 samples"):
        run(dataset, f"ensemble/max:{member.path}+b", tmp_path / "R", b=b)
    judgments.write_bytes(b"no Parquet")
    with pytest.raises(RunError, match="damaged"):
        run(dataset, f"ensemble/max:{member.path}+b", tmp_path / "R", b=b)


def test_another_rule_needs_another_folder(dataset: Dataset, tmp_path: Path) -> None:
    models = {name: scripted(name, dataset, of_number) for name in ("a", "b")}
    run(dataset, "ensemble/max:a+b", tmp_path / "R", **models)
    with pytest.raises(RunError, match="another model or parameters"):
        run(dataset, "ensemble/vote:a+b", tmp_path / "R", **models)


def test_a_dry_run_sums_the_members(dataset: Dataset, tmp_path: Path) -> None:
    models = {
        "a": scripted("a", dataset, of_number),
        "t": scripted("t", dataset, of_number, ["text"]),
    }
    options = UnderstandingOptions(model="ensemble/max:a+t")
    estimate = prepare(dataset, options, members(**models)).estimate(tmp_path / "R")
    assert estimate.requests == {"image": 12, "text": 24, "joint": 12}
    run(dataset, "ensemble/max:a+t", tmp_path / "R", **models)
    left = prepare(dataset, options, members(**models)).estimate(tmp_path / "R")
    assert (sum(left.requests.values()), left.stored) == (0, 48)
