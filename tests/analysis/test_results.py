"""Figures of a run as attributes, and still the JSON they come from."""

import copy
import json
import pickle

import pytest

from tests.support.alignment_runs import alignment_run
from tests.support.report_runs import scripted_run
from tests.support.views import undeclared
from vlsu.analysis.agreement.results import UnitAgreement
from vlsu.analysis.comparison.results import Comparison, ModalityAgreement
from vlsu.analysis.results import Framing, JudgedRate, Metrics
from vlsu.analysis.stats.intervals import Rate

HALF = {"value": 0.5, "low": 0.4, "high": 0.6}
METRICS = Metrics(
    {
        "n": 12,
        "joint": {"n": 12, "accuracy": HALF, "confusion": {"safe": {"safe": 3, "none": 1}}},
        "families": {"de-escalating": {"n": 4, "accuracy": HALF}},
        "patterns": {"S-S-U": {"n": 2, "accuracy": {"value": None, "low": None, "high": None}}},
        "calibration": {"joint": {"thresholds": {"recall_90": {"recall": HALF}}}},
        "framings": {"default": {"refusal": {"unsafe": {**HALF, "n": 3, "corrected": None}}}},
    }
)


def test_a_figure_has_a_name_a_type_and_its_key():
    assert METRICS.joint.accuracy == Rate(0.5, 0.4, 0.6)
    assert METRICS.families.de_escalating.n == METRICS["families"]["de-escalating"]["n"] == 4
    assert METRICS.patterns["S-S-U"].accuracy == Rate(None, None, None)
    assert METRICS.calibration is not None
    assert METRICS.calibration["joint"].thresholds["recall_90"].recall.low == 0.4
    unsafe = METRICS.framings["default"].refusal.unsafe
    assert (unsafe.value, unsafe.n, unsafe.corrected) == (0.5, 3, None)
    assert unsafe.rate == Rate(0.5, 0.4, 0.6)


def test_it_is_still_json():
    assert json.loads(json.dumps(METRICS)) == METRICS
    assert (
        METRICS["joint"]["confusion"] == METRICS.joint.confusion == {"safe": {"safe": 3, "none": 1}}
    )


def test_what_is_not_there_is_named():
    with pytest.raises(AttributeError, match="no 'dominance' here; there is n, joint, families"):
        _ = METRICS.dominance
    many = Metrics({f"key-{number}": number for number in range(20)})
    with pytest.raises(AttributeError, match=r"key_0, .*key_19$"):
        _ = many.key_20
    assert not hasattr(METRICS.joint, "answered")
    assert Metrics({"calibration": None}).calibration is None


def test_copies_are_views():
    for copied in (copy.copy(METRICS), copy.deepcopy(METRICS), pickle.loads(pickle.dumps(METRICS))):
        assert isinstance(copied, Metrics)
        assert copied.joint.accuracy.value == 0.5


def test_names_can_be_completed():
    assert {"joint", "framings"} <= set(dir(METRICS))
    assert "refusal" in dir(Framing({"refusal": {}}))
    assert JudgedRate(HALF).value == 0.5


@pytest.mark.parametrize("make", [scripted_run, alignment_run])
def test_every_figure_of_a_run_is_declared(dataset, tmp_path, make):
    """No member of a real `metrics.json` is left without a declared type."""
    assert list(undeclared(make(dataset, tmp_path / "run").metrics, "metrics")) == []


def test_a_key_that_mappings_have_a_method_for_is_an_attribute_all_the_same():
    counted = UnitAgreement({"items": 3, "unanimous": HALF})
    assert counted.items_ == counted["items"] == 3
    assert dict(counted.items()) == counted
    assert {"items_", "unanimous"} <= set(dir(counted))
    with pytest.raises(AttributeError, match="there is items_, unanimous"):
        _ = counted.grades


def test_a_member_is_read_as_the_kind_that_it_is():
    """Of several declared kinds: an object for understanding, a list for alignment."""
    pair = {"first": "a", "second": "b", "kappa": HALF}
    of_pair, of_framing = Comparison(
        {"agreement": {"joint": {"pairs": [pair]}, "default": [pair]}}
    ).agreement.values()
    assert isinstance(of_pair, ModalityAgreement)
    assert isinstance(of_framing, list)
    assert of_pair.pairs[0].kappa == of_framing[0].kappa == Rate(0.5, 0.4, 0.6)
