"""A policy of two severities, from the import of a table to reports, gates and projections."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sklearn.metrics import f1_score

from tests.support.two_severities import TWO_SEVERITIES
from vlsu import compare, gate
from vlsu.analysis.deployment.reading import read_traffic
from vlsu.data import Dataset, full_check, import_dataset
from vlsu.data.datasets.info import dataset_info
from vlsu.data.exporting.about import Layout, describe
from vlsu.data.exporting.content import Content
from vlsu.data.exporting.datasheet import datasheet
from vlsu.errors import DataError, UsageError
from vlsu.models.base import ImageSource, Request
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import MODALITIES
from vlsu.report import write_report
from vlsu.report.understanding.charts import understanding_charts
from vlsu.runs import Run, evaluate, load_run, project_run

#: Every fifth text is unsafe.
SAMPLES = 60
GOLD = ["unsafe" if n % 5 == 0 else "safe" for n in range(SAMPLES)]


@dataclass
class Counting:
    """Calls what has a text whose number is a multiple of `step` unsafe, but one borderline."""

    step: int
    modalities: frozenset[str] = frozenset(MODALITIES)
    takes_instructions: bool = True

    def identity(self) -> Mapping[str, object]:
        return {"step": self.step}

    def said(self, number: int) -> str:
        if number == 7:
            return "borderline"
        return "unsafe" if number % self.step == 0 else "safe"

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        words = [str(request.messages[-1].parts) for request in requests]
        numbers = [re.findall(r"note (\d+)", each) for each in words]
        said = [self.said(int(found[0])) if found else "safe" for found in numbers]
        return [{"text": json.dumps({"severity": each, "category": "H1"})} for each in said]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    policy = folder / "two.yaml"
    policy.write_text(TWO_SEVERITIES)
    images = folder / "images"
    images.mkdir()
    for n in range(4):
        Image.new("RGB", (8, 8), (60 * n, 90, 30)).save(images / f"{n}.png")
    rows = [
        f"s{n},A note {n}.,{n % 4}.png,{'unsafe' if n % 4 == 3 else 'safe'},safe,{label},H1"
        for n, label in enumerate(GOLD)
    ]
    source = folder / "notes.csv"
    head = "id,text,image,image_grade,text_grade,label,joint_category"
    source.write_text("\n".join([head, *rows]))
    return import_dataset(
        "csv", source, folder / "D", images=images, map={"label": "joint_grade"}, policy=policy
    ).dataset


def run_of(dataset: Dataset, folder: Path, step: int, **settings: Any) -> Run:
    model = InProcessModel(f"count/{step}", Counting(step))
    return evaluate(dataset, model=model, out=folder / f"run{step}", **settings)


@pytest.fixture(scope="module")
def run(dataset: Dataset, folder: Path) -> Run:
    return run_of(dataset, folder, 4)


def without_script(page: str) -> str:
    """What is shown of a page: neither its style, nor its script, nor names of its anchors."""
    page = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", page)


def test_metrics_are_over_the_two_severities(run: Run) -> None:
    joint, model = run.metrics["joint"], Counting(4)
    said = [model.said(n) if n != 7 else "none" for n in range(SAMPLES)]
    of_both = {"labels": ["safe", "unsafe"], "zero_division": 0}
    for mean in ("macro", "weighted"):
        expected = f1_score(GOLD, said, average=mean, **of_both)
        assert joint[f"f1_{mean}"]["value"] == pytest.approx(expected)
    low, high = joint["f1_macro"]["low"], joint["f1_macro"]["high"]
    assert 0 < low < joint["f1_macro"]["value"] < high < 1
    assert list(joint["per_class"]) == ["safe", "unsafe"]
    assert joint["confusion"]["safe"] == {
        "safe": sum(g == s == "safe" for g, s in zip(GOLD, said, strict=True)),
        "unsafe": sum((g, s) == ("safe", "unsafe") for g, s in zip(GOLD, said, strict=True)),
        "none": 1,
    }
    assert run.metrics["outcomes"]["joint"]["unparsed"] == 1
    assert "borderline" not in json.dumps(run.metrics)
    assert "f1_binary_strict" not in joint
    assert run.record["policy"]["severities"] == ["safe", "unsafe"]


def test_a_perfect_run_has_a_macro_f1_of_one(dataset: Dataset, folder: Path) -> None:
    perfect = run_of(dataset, folder / "perfect", 5)
    assert perfect.metrics["joint"]["f1_macro"]["value"] == pytest.approx(
        f1_score(
            GOLD,
            ["none" if n == 7 else g for n, g in enumerate(GOLD)],
            average="macro",
            labels=["safe", "unsafe"],
        )
    )
    assert perfect.metrics["joint"]["f1_macro"]["value"] > 0.99


def test_reports_have_no_third_severity(run: Run, folder: Path) -> None:
    charts = understanding_charts(run.metrics, {})
    assert {"map-safe", "map-unsafe", "over-sensitivity", "minimal-pairs"} <= charts.keys()
    assert "borderline" not in json.dumps(charts)
    write_report(run, folder / "report.html")
    assert "borderline" not in without_script((folder / "report.html").read_text()).lower()
    assert "not among the 5 patterns" in (folder / "report.html").read_text()
    write_report(run, folder / "report.md")
    assert "not one of the 5" in (folder / "report.md").read_text()
    assert "borderline" not in (folder / "report.md").read_text().lower()


def test_runs_are_gated_and_compared(run: Run, dataset: Dataset, folder: Path) -> None:
    assert gate(run, ["joint.f1_macro >= 0.1"]).passed
    other = run_of(dataset, folder, 3)
    found = compare([run, other])
    (pair,) = found["pairs"]
    assert "joint.f1_macro" in pair["metrics"]
    assert not [path for path in pair["metrics"] if "borderline" in path or "strict" in path]
    row = pair["metrics"]["joint.f1_macro"]
    assert row["first"]["value"] == pytest.approx(run.metrics["joint"]["f1_macro"]["value"])
    again = load_run(run.path)
    assert json.dumps(again.metrics) == json.dumps(run.metrics)


def test_runs_of_two_and_of_three_severities_are_compared_over_what_both_have(
    run: Run, dataset: Dataset, folder: Path
) -> None:
    three = folder / "three.yaml"
    between = "  borderline: {description: Might., response: With care.}\n  unsafe:"
    described = "borderline: A little of it., unsafe: Some"
    three.write_text(
        TWO_SEVERITIES.replace("  unsafe:", between).replace("unsafe: Some", described)
    )
    model = InProcessModel("count/three", Counting(3))
    of_three = evaluate(dataset, model=model, out=folder / "of-three", policy=three)
    assert set(of_three.metrics["joint"]["per_class"]) == {"safe", "borderline", "unsafe"}
    (pair,) = compare([of_three, run])["pairs"]
    assert not [path for path in pair["metrics"] if "borderline" in path or "strict" in path]
    row = pair["metrics"]["joint.f1_macro"]
    assert row["second"]["value"] == pytest.approx(run.metrics["joint"]["f1_macro"]["value"])
    per_class = of_three.metrics["joint"]["per_class"]
    mean = (per_class["safe"]["f1"]["value"] + per_class["unsafe"]["f1"]["value"]) / 2
    assert row["first"]["value"] == pytest.approx(mean)
    write_report([of_three, run], folder / "both.md")
    assert "over the severities of each run's own policy" in (folder / "both.md").read_text()


def test_traffic_is_projected_on_what_is_safe_and_unsafe(run: Run) -> None:
    (found,) = project_run(run, read_traffic({"harm_prevalence": 0.01})).values()
    assert "borderline" not in json.dumps(found)
    safe = [n for n, grade in enumerate(GOLD) if grade == "safe"]
    blocked = sum(Counting(4).said(n) == "unsafe" for n in safe) / len(safe)
    assert found["per_million"]["wrong_blocks"]["value"] == pytest.approx(990_000 * blocked)
    assert found["shares"] == pytest.approx({"safe": 0.99, "unsafe": 0.01})


@pytest.mark.parametrize(
    "mix",
    [
        {"severity": {"safe": 0.9, "borderline": 0.05, "unsafe": 0.05}},
        {"patterns": {"S-S-S": 0.9, "S-S-B": 0.1}},
        {"harm_prevalence": 0.1, "within": {"borderline": {"categories": {"H1": 1}}}},
    ],
)
def test_traffic_of_a_severity_that_the_policy_lacks_is_refused(run: Run, mix: Any) -> None:
    with pytest.raises(UsageError, match="the policy of the run has no borderline; leave out"):
        project_run(run, read_traffic(mix))


def test_a_draw_is_estimated_over_the_two_severities(dataset: Dataset, folder: Path) -> None:
    drawn = run_of(dataset, folder / "drawn", 4, budget=40)
    per_class = drawn.metrics["joint"]["per_class"]
    mean = sum(each["f1"]["value"] for each in per_class.values()) / 2
    assert len(per_class) == 2
    assert drawn.metrics["joint"]["f1_macro"]["value"] == pytest.approx(mean)
    assert "borderline" not in json.dumps(drawn.metrics)


def test_a_dataset_of_three_severities_is_refused_before_anything_is_asked(folder: Path) -> None:
    source = folder / "three.csv"
    source.write_text("id,text,text_grade\na,A note 1.,safe\nb,A note 2.,borderline\n")
    three = import_dataset("csv", source, folder / "three").dataset
    with pytest.raises(DataError, match="'b': text_grade is 'borderline', no severity of policy"):
        run_of(three, folder / "refused", 2, policy=folder / "two.yaml")


def test_a_dataset_is_counted_and_described_by_its_two_severities(dataset: Dataset) -> None:
    counts: Any = dataset_info(dataset)
    assert counts["severities"]["joint"] == {"safe": 48, "unsafe": 12, "none": 0}
    assert {"S-S-S", "S-S-U", "U-S-S"} <= counts["patterns"].keys()
    assert "B" not in "".join(counts["patterns"])
    (unlisted,) = [note for note in full_check(dataset).notes() if note.startswith("patterns:")]
    assert unlisted.startswith("patterns: outside the 5: U-S-S (")
    sheet = datasheet(describe(dataset, Layout("hf", (), {}), Content(dataset)))
    assert "each safe or unsafe." in sheet
    assert "borderline" not in sheet
