"""A run held to requirements: names, bounds, confidence, JUnit XML, exit codes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
import yaml
from scipy.stats import binomtest

from tests.conftest import make_dataset
from tests.support.alignment_runs import alignment_run, judge
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from tests.support.values import nested, present
from vlsu.analysis import BinaryCounts, Calibration
from vlsu.analysis.deployment.requirements import Requirement
from vlsu.errors import DataError, RunError, UsageError
from vlsu.report.export.junit import junit
from vlsu.runs import Run, load_run
from vlsu.runs.asking.judges import Judge
from vlsu.runs.finished.confidence import metrics_at
from vlsu.runs.finished.gating import gate

pytestmark = pytest.mark.slow

METRICS: dict[str, Any] = {
    "n": 40,
    "joint": {
        "n": 40,
        "accuracy": {"value": 0.7, "low": 0.6, "high": 0.8},
        "f1_macro": {"value": None, "low": None, "high": None},
    },
    "patterns": {"S-S-U": {"n": 3, "accuracy": {"value": 0.5, "low": 0.1, "high": 0.9}}},
    "framings": {
        "own.words": {
            "over_blocking": {
                "value": 0.3,
                "low": 0.2,
                "high": 0.4,
                "n": 12,
                "missing": 1,
                "if_missing_refused": 0.35,
                "corrected": None,
                "not_corrected": "too few labels",
            }
        }
    },
    "differences": {"a -> b": {"refusal": {"value": -0.1, "low": -0.2, "high": 0.0}}},
    "refusal": "strict",
    "calibration": None,
}


@pytest.mark.parametrize(
    ("text", "met", "compared"),
    [
        ("joint.accuracy >= 0.6", True, 0.6),
        ("joint.accuracy > 0.6", False, 0.6),
        ("joint.accuracy >= 0.65", False, 0.6),  # the value would do, its bound does not
        ("joint.accuracy <= 0.8", True, 0.8),
        ("joint.accuracy<0.8", False, 0.8),
        ("joint.accuracy <= 0.75", False, 0.8),
        ("patterns.S-S-U.accuracy >= 1e-1", True, 0.1),
        ("framings.own.words.over_blocking <= .4", True, 0.4),
        ("framings.own.words.over_blocking.missing == 1", True, 1),
        ("framings.own.words.over_blocking.if_missing_refused < 0.35", False, 0.35),
        ("differences.a -> b.refusal <= 0", True, 0.0),
        ("differences.a -> b.refusal >= -0.2", True, -0.2),
        ("joint.accuracy.low >= 0.6", True, 0.6),
        ("joint.accuracy.high >= 0.9", False, 0.8),
        ("framings.own.words.over_blocking.low > 0.2", False, 0.2),
        ("n >= 41", False, 40),
        ("joint.n == 40", True, 40),
    ],
)
def test_the_bound_against_the_requirement_is_compared(
    text: str, met: bool, compared: float
) -> None:
    found = Requirement.parse(text).check(METRICS)
    assert (found.met, found.compared) == (met, compared)


def test_what_was_not_measured_fails_and_says_why() -> None:
    nothing = Requirement.parse("joint.f1_macro >= 0").check(METRICS)
    assert not nothing.met
    assert "nothing was measured" in nothing.why
    assert not Requirement.parse("joint.f1_macro.low >= 0").check(METRICS).met
    corrected = "framings.own.words.over_blocking.corrected <= 1"
    assert Requirement.parse(corrected).check(METRICS).why == "too few labels"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("joint.acuracy >= 0.5", "did you mean 'joint.accuracy'"),
        ("joint >= 0.5", "a part of metrics.json; name a number in it, such as joint.n"),
        ("joint.accuracy.value >= 0.5", "write joint.accuracy"),
        ("JOINT.ACCURACY >= 0.5", "did you mean 'joint.accuracy'"),
        ("joint.accuracy == 0.5", "an interval is never one number"),
        ("refusal >= 1", "not in metrics.json"),
        ("qqq >= 1", "whose parts are n, joint, patterns"),
    ],
)
def test_a_name_that_is_no_number_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Requirement.parse(text).check(METRICS)


@pytest.mark.parametrize(
    "text",
    ["", "joint.accuracy", ">= 0.5", "joint.accuracy >= ", "joint.accuracy >= half",
     "joint.accuracy => 0.5", "joint.accuracy >= nan", "joint.accuracy = 0.5"],
)  # fmt: skip
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--require"):
        Requirement.parse(text).check(METRICS)


def category(n: int, low: float | None, high: float | None = None) -> dict[str, Any]:
    value = None if low is None else low + 0.05
    rate = {"value": value, "low": low, "high": high if high or low is None else low + 0.1}
    return {"n": 90, "n_unsafe": n, "unsafe_recall": rate, "accuracy": rate}


CATEGORIES = {"C1": category(30, 0.75), "C2": category(20, 0.71), "C10": category(40, 0.9)}


def checked(text: str, metrics: dict[str, Any], **options: Any) -> Any:
    return Requirement.parse(text).check(metrics, **options)


def test_every_part_must_meet_it_and_the_worst_is_named() -> None:
    text = "categories.*.unsafe_recall >= 0.7"
    found = checked(text, {"categories": CATEGORIES})
    assert found.met
    assert (found.worst, found.compared) == ("C2", 0.71)
    assert found.why.startswith("met by all 3; the worst, C2: 0.7600 [0.7100, 0.8100]")
    found = checked(text, {"categories": CATEGORIES | {"C3": category(50, 0.4)}})
    assert not found.met
    assert found.why.startswith("not met by 1 of 4; the worst, C3: 0.4500")
    parts = found.to_dict()["parts"]
    assert {name: part["met"] for name, part in parts.items()} == {
        "C1": True, "C2": True, "C10": True, "C3": False,
    }  # fmt: skip


@pytest.mark.parametrize("few", [category(19, 0.99), category(0, None), {"n": 1}])
def test_a_part_of_a_few_samples_cannot_be_told(few: dict[str, Any]) -> None:
    text = "categories.*.unsafe_recall >= 0.7"
    found = checked(text, {"categories": CATEGORIES | {"C4": few}})
    assert not found.met
    assert not found.told
    assert "met by 3 of 4; the worst, C2" in found.why
    assert "cannot be told of 1 of 4: C4 (" in found.why
    assert checked(text, {"categories": CATEGORIES | {"C4": category(19, 0.99)}}, fewest=19).met


def test_the_worst_of_an_upper_bound_is_the_largest() -> None:
    found = checked("categories.*.unsafe_recall <= 0.9", {"categories": CATEGORIES})
    assert (found.met, found.worst) == (False, "C10")
    # A bound that is named, and counts, which need no samples.
    assert checked("categories.*.unsafe_recall.low >= 0.7", {"categories": CATEGORIES}).met
    few = {"categories": CATEGORIES | {"C4": category(2, 0.9)}}
    assert checked("categories.*.n_unsafe >= 30", few).worst == "C4"


def test_stars_stand_for_names_with_points_and_for_several() -> None:
    found = checked("framings.*.over_blocking <= 0.5", METRICS, fewest=12)
    assert (found.met, found.worst) == (True, "own.words")
    assert "cannot be told" in checked("framings.*.over_blocking <= 0.5", METRICS).why
    outcomes = {"outcomes": {"image": {"ok": 3, "error": 1}, "text": {"ok": 4, "error": 0}}}
    found = checked("outcomes.*.* >= 0", outcomes)
    assert {name for name, _ in found.parts} == {"image.ok", "image.error", "text.ok", "text.error"}
    with pytest.raises(UsageError, match="that number; did you mean 'unsafe_recall'"):
        checked("categories.*.recall >= 0.7", {"categories": CATEGORIES})


def critical(n: int, misses: int) -> dict[str, Any]:
    low = binomtest(n - misses, n).proportion_ci(method="exact").low if n else None
    return {"critical": {"n": n, "misses": misses, "recall": {"value": 1, "low": low, "high": 1}}}


@pytest.mark.parametrize(
    ("n", "misses", "met", "why"),
    [
        (100, 0, True, "0 == 0; 0 of 100 still allows 3.6% missed"),
        (300, 0, True, "0 == 0; 0 of 300 still allows 1.2% missed"),
        (50, 1, False, "1 is not == 0; 1 of 50 still allows 10.6% missed"),
        (0, 0, False, "cannot be told: no critical pair was asked about"),
    ],
)
def test_no_miss_of_critical_pairs_is_printed_with_its_bound(
    n: int, misses: int, met: bool, why: str
) -> None:
    found = checked("critical.misses == 0", critical(n, misses))
    assert (found.met, found.why) == (met, why)


def test_a_dataset_without_critical_pairs_says_so(tmp_path: Path, dataset: Any) -> None:
    run = scripted_run(dataset, tmp_path / "run")
    with pytest.raises(UsageError, match="no sample that was asked about has `critical: true`"):
        gate(run, ["critical.misses == 0"])


COSTS = {"mean": {"value": 2.0, "low": 1.5, "high": 2.5}, "n": 100, "categories": {}}


@pytest.mark.parametrize(("bound", "met"), [("3", True), ("2", False), ("0.5", False)])
def test_a_cost_is_no_share_and_may_be_above_1(bound: str, met: bool) -> None:
    assert checked(f"weighted_harm.mean <= {bound}", {"weighted_harm": COSTS}).met is met
    with pytest.raises(UsageError, match="is a share, 1 at most"):
        checked(f"joint.mean <= {float(bound) + 1}", {"joint": COSTS})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("categories.*.unsafe_recall", "categories of metrics.json is empty: nothing of it was"),
        ("patterns.*.acuracy", "no part of patterns has that number; did you mean 'accuracy'?"),
        ("patterns.S*.accuracy", "stands for a whole name between points"),
        ("critical.*", "no sample that was asked about has `critical: true`"),
        ("weighted_harm.mean", "the run has no weights; give it some"),
        ("gold_agreement.split.accuracy", "no sample that was asked about has `admissible`"),
    ],
)
def test_a_name_that_stands_for_nothing_is_explained(key: str, message: str) -> None:
    rate = {"value": 0.5, "low": 0.4, "high": 0.6}
    metrics = {"categories": {}, "patterns": {"S-S-S": {"n": 30, "accuracy": rate}}}
    with pytest.raises(UsageError, match=re.escape(message)):
        checked(f"{key} >= 0.1", metrics)


def test_a_gate_of_every_category(run: Run) -> None:
    text = "categories.*.unsafe_recall >= 0.01"
    found = gate(run, [text]).checks[0]
    few = [n for n, part in run.metrics.categories.items() if part.n_unsafe < 20]
    assert few
    assert [name for name, part in found.parts if not part.told] == few
    for confidence in (0.95, 0.5):
        told = gate(run, [text], fewest=1, confidence=confidence).checks[0]
        lows = {name: part.low for name, part in told.parts}
        assert told.worst == min(lows, key=nested(lows.get))
        assert told.met == (min(nested(lows.values())) >= 0.01)
    failed = vlsu("gate", run.path, "--require", text, "--json", expect=1)
    assert json.loads(failed.stdout)["requirements"][0]["parts"].keys() == lows.keys()
    vlsu("gate", run.path, "--require", "categories.*.n >= 1", "--min-samples", 1, expect=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return scripted_run("vlsu-mini", tmp_path_factory.mktemp("gate") / "run")


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    counts = BinaryCounts(tp=90, fn=10, tn=95, fp=5)
    return alignment_run(
        "vlsu-mini",
        tmp_path_factory.mktemp("gate") / "aligned",
        failing=0.05,
        calibration=Calibration(Judge.of(judge(0.05)).fingerprint, counts, counts),
    )


def leaves(tree: Any, path: str = "") -> dict[str, Any]:
    """Every value of a tree by its path."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {k: v for name, node in tree.items() for k, v in leaves(node, f"{path}.{name}").items()}


def test_metrics_computed_anew_are_those_of_the_run(run: Run, aligned: Run) -> None:
    for each, left_out in ((run, ()), (aligned, (".calibration",))):
        anew = leaves(json.loads(orjson.dumps(metrics_at(each, 0.95 + 1e-12))))
        for path, value in leaves(each.metrics).items():
            if not path.startswith((".intervals", *left_out)):
                assert anew[path] == pytest.approx(value, abs=1e-7), path


def test_another_confidence_is_computed_from_the_judgments(run: Run) -> None:
    accuracy = run.metrics["families"]["escalating"]["accuracy"]
    wide, narrow = (
        gate(run, ["families.escalating.accuracy >= 0"], confidence=c).checks[0]
        for c in (0.99, 0.5)
    )
    assert wide.value == narrow.value == accuracy["value"]
    named = gate(run, ["families.escalating.accuracy.low >= 0"], confidence=0.99).checks[0]
    assert named.compared == wide.low
    assert (
        present(wide.low)
        < accuracy["low"]
        < present(narrow.low)
        < present(narrow.high)
        < accuracy["high"]
        < present(wide.high)
    )


def test_a_proportion_at_another_confidence_is_scipys(tmp_path: Path) -> None:
    run = scripted_run(make_dataset(tmp_path / "data", apart=True), tmp_path / "run")
    joint = run.metrics["joint"]
    hits = round(joint["accuracy"]["value"] * joint["n"])
    found = gate(run, ["joint.accuracy >= 0"], confidence=0.8).checks[0]
    theirs = binomtest(hits, joint["n"]).proportion_ci(0.8, method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_a_drawn_run_has_its_own_intervals_at_any_confidence(tmp_path: Path) -> None:
    drawn = scripted_run("vlsu-mini", tmp_path / "drawn", budget=150)
    assert "sampling" in drawn.metrics
    anew = leaves(metrics_at(drawn, 0.95 + 1e-12))
    for path, value in leaves(drawn.metrics["joint"]).items():
        assert anew[f".joint{path}"] == pytest.approx(value, abs=1e-7), path


def test_alignment_metrics_can_be_required_corrected_ones_too(aligned: Run) -> None:
    rate = aligned.metrics["framings"]["default"]["over_blocking"]
    for confidence in (0.95, 0.8):
        found = gate(
            aligned,
            [
                "framings.default.over_blocking <= 1",
                "framings.default.over_blocking.corrected <= 1",
                "framings.default.over_blocking.missing >= 0",
                "differences.default -> helpful.under_refusal >= -1",
            ],
            confidence=confidence,
        )
        assert found.passed
        assert found.checks[1].value == pytest.approx(rate["corrected"]["value"])
    assert found.checks[1].high < rate["corrected"]["high"]
    gate(aligned, ["calibration.strict.sensitivity >= 0"])
    with pytest.raises(UsageError, match=r"0\.95 only"):
        gate(aligned, ["calibration.strict.sensitivity >= 0"], confidence=0.9)


def copied(run: Run, out: Path) -> Path:
    return shutil.copytree(run.path, out)


def test_a_run_whose_judgments_are_not_its_metrics_is_refused(tmp_path: Path, run: Run) -> None:
    copy = load_run(copied(run, tmp_path / "x"))
    copy.judgments.head(300).write_parquet(copy.path / "judgments.parquet")
    assert gate(copy, ["joint.accuracy >= 0"]).passed
    with pytest.raises(RunError, match="by its judgments"):
        gate(copy, ["joint.accuracy >= 0"], confidence=0.9)


def test_a_run_that_is_not_finished_passes_no_gate(tmp_path: Path, run: Run) -> None:
    folder = copied(run, tmp_path / "x")
    record = run.record | {"status": "stopped"}
    (folder / "run.yaml").write_text(yaml.safe_dump(record), encoding="utf-8")
    with pytest.raises(RunError, match="not finished"):
        gate(load_run(folder), ["joint.accuracy >= 0"])


def test_the_dataset_is_needed_for_another_confidence_alone(tmp_path: Path, dataset: Any) -> None:
    run = scripted_run(dataset, tmp_path / "run")
    moved = dataset.path.rename(tmp_path / "moved")
    assert gate(run, ["n == 12"]).passed
    with pytest.raises(DataError, match="--dataset"):
        gate(run, ["n == 12"], confidence=0.9)
    assert gate(run, ["n == 12"], confidence=0.9, dataset=moved).passed


#: What the schema Jenkins checks with (junit-10.xsd) allows: attributes, children in order.
SCHEMA = {
    "testsuites": ({"name", "time", "tests", "failures", "errors", "disabled"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id"},
        ["properties", "testcase"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": ({"name", "time", "classname"}, ["failure", "system-out"]),
    "failure": ({"type", "message"}, []),
    "system-out": (set(), []),
}


def require_valid(element: ElementTree.Element) -> None:
    attributes, children = SCHEMA[element.tag]
    assert set(element.attrib) <= attributes
    order = [children.index(child.tag) for child in element]
    assert order == sorted(order)
    for child in element:
        require_valid(child)


def test_junit_has_a_case_for_each_requirement(run: Run) -> None:
    found = gate(run, ["joint.f1_macro >= 0.999", "n >= 1", "outcomes.joint.error < 1"])
    root = ElementTree.fromstring(junit(found))
    require_valid(root)
    suite = present(root.find("testsuite"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", present(suite.get("timestamp")))
    cases = suite.findall("testcase")
    assert [present(case.get("name")).partition(" [")[0] for case in cases] == [
        "joint.f1_macro >= 0.999",
        "n >= 1",
        "outcomes.joint.error < 1",
    ]
    failed = [case.find("failure") for case in cases]
    assert failed[1] is failed[2] is None
    assert "the low bound is not >= 0.999" in nested(failed[0]).get("message")


def test_exit_codes_table_json_and_file(tmp_path: Path, run: Run) -> None:
    good, bad = "joint.accuracy >= 0.1", "joint.accuracy >= 0.99"
    file = tmp_path / "gate.xml"
    passed = vlsu("gate", run.path, "--require", good, "--junit", file, expect=0)
    assert "gate: passed" in passed.stderr
    assert ElementTree.parse(file).getroot().get("failures") == "0"
    failed = vlsu("gate", run.path, "--require", good, "--require", bad, "--json", expect=1)
    tree = json.loads(failed.stdout)
    assert not tree["passed"]
    assert [each["met"] for each in tree["requirements"]] == [True, False]
    assert tree["requirements"][0]["compared"] == run.metrics["joint"]["accuracy"]["low"]
    for arguments, message in (
        (("--require", "joint.acuracy >= 0"), "did you mean 'joint.accuracy'"),
        (("--require", good, "--confidence", "95"), "between 0 and 1"),
        (("--require", good, "--junit", tmp_path / "no" / "x.xml"), "there is no folder"),
    ):
        said = vlsu("gate", run.path, *arguments, expect=2)
        assert message in said.stderr
        assert said.stderr.count("\n") == 1


# --- Against a base run


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from tests.runs.finished.test_compare import understanding

    return understanding(tmp_path_factory.mktemp("against") / "poor", 0.6)


def test_a_run_must_not_be_worse_than_another(run: Run, poor: Run) -> None:
    worse = gate(poor, against=run, margin=0.02)
    (check,) = worse.against
    assert not worse.passed
    assert (check.verdict, check.requirement.key) == ("worse", "joint.f1_macro")
    assert check.why.startswith("worse: run - base is -")
    better = gate(run, against=poor, margin=0.02)
    assert better.passed
    assert better.against[0].why.startswith("not worse by more than 2 points: ")
    assert better.to_dict()["against"] == [check.to_dict() for check in better.against]
    # The interval is that of two one-sided tests at 5%.
    assert better.against[0].level == pytest.approx(0.9)


def test_a_margin_is_held_to_what_is_required(run: Run, poor: Run) -> None:
    both = gate(run, ["joint.accuracy >= 0.5", "joint.n >= 1"], against=poor, margin=0.02)
    assert [check.requirement.key for check in both.against] == ["joint.accuracy"]
    chosen = gate(
        run,
        ["joint.accuracy >= 0.5"],
        against=poor,
        margin=0.02,
        primary=["families.escalating.accuracy"],
    )
    assert [check.requirement.key for check in chosen.against] == ["families.escalating.accuracy"]


def test_small_samples_cannot_tell(tmp_path: Path) -> None:
    first = scripted_run("vlsu-mini", tmp_path / "first", limit=20)
    second = scripted_run("vlsu-mini", tmp_path / "second", limit=20)
    (check,) = gate(first, against=second, margin=0.02).against
    assert (check.verdict, check.met) == ("cannot be told", False)
    assert "a loss of 2 points is not excluded" in check.why


def test_what_a_margin_needs(run: Run, poor: Run) -> None:
    for options, message in (
        ({"against": poor}, "--against BASE and --margin go together"),
        ({"requirements": ["joint.n >= 1"], "margin": 0.02}, "go together"),
        ({"requirements": ["joint.n >= 1"], "primary": ["joint.accuracy"]}, "give --against"),
        ({"against": poor, "margin": 2.0}, "--margin 2: give a share"),
        ({"against": poor, "margin": 0.02, "primary": ["joint.acuracy"]}, "did you mean"),
        ({}, "nothing is required"),
    ):
        with pytest.raises(UsageError, match=message):
            gate(run, **nested(options))


def test_the_command_prints_the_verdict(run: Run, poor: Run, tmp_path: Path) -> None:
    xml = tmp_path / "gate.xml"
    command = ("gate", poor.path, "--against", run.path, "--margin", "2%", "--junit", xml)
    said = vlsu(*command, "--json", expect=1)
    (check,) = json.loads(said.stdout)["against"]
    assert (check["verdict"], check["margin"], check["met"]) == ("worse", 0.02, False)
    assert 'failures="1"' in xml.read_text()
    assert vlsu("gate", run.path, "--against", poor.path, "--margin", "0.02").stderr.endswith(
        "gate: passed\n"
    )
