"""JUnit files of several runs: a CI that keys by class and name keeps every test."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import make_dataset
from tests.support.answered_runs import half_run
from tests.support.report_runs import scripted_run
from vlsu.report.export.junit import junit
from vlsu.runs import Run, load_run
from vlsu.runs.finished.gating import gate
from vlsu.runs.record_schema import RunRecord

Name = tuple[str | None, str | None]


def cases(*files: str) -> list[Name]:
    """Class and name of every test case, by which GitLab and others tell tests apart."""
    return [
        (case.get("classname"), case.get("name"))
        for file in files
        for case in ElementTree.fromstring(file).iter("testcase")
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("junit")
    return scripted_run(make_dataset(folder / "data"), folder / "a" / "run")


def test_runs_of_one_label_keep_their_tests(run: Run, tmp_path: Path) -> None:
    twin = load_run(shutil.copytree(run.path, tmp_path / "b" / "run"))
    other = scripted_run(run.dataset, tmp_path / "c" / "run", modalities=["joint"])
    wanted = ["joint.accuracy >= 0", "n >= 1"]
    found = cases(*(junit(gate(each, wanted)) for each in (run, twin, other)))
    assert len(set(found)) == len(found) == 6
    for _, name in found:
        assert "scripted/oracle on tiny" in str(name)


def test_runs_named_alike_from_two_folders_keep_their_tests(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place in ("x", "y"):
        shutil.copytree(run.path, tmp_path / place / "run")
        monkeypatch.chdir(tmp_path / place)
        found += cases(junit(gate(load_run("run"), ["n >= 1"])))
    assert len(set(found)) == 2


def test_names_are_the_same_each_time_so_that_a_history_holds(run: Run) -> None:
    first, second = (cases(junit(gate(run, ["n >= 1"]))) for _ in range(2))
    assert first == second


def test_a_name_tells_metric_and_bound_in_full(run: Run) -> None:
    wanted = ["n >= 1234567", "n >= 1234568", "joint.accuracy >= 12.3456789%", "n >= 1", "n >= 1"]
    found = cases(junit(gate(run, wanted)))
    names = [str(name) for _, name in found]
    assert [name.partition(" [")[0] for name in names] == [
        *("n >= 1234567", "n >= 1234568", "joint.accuracy >= 0.123456789", "n >= 1", "n >= 1 #2"),
    ]
    assert len(set(found)) == 5


def test_any_name_of_a_model_is_sound_xml(run: Run) -> None:
    odd = "<b>\"&'\x1b[31m\x00\ud800\ufffe\u202e ]]>\n" + "x" * 3000
    record = {**run.record, "model": {**run.record["model"], "spec": odd}}
    text = junit(gate(Run(run.path, RunRecord(record)), ["n >= 1"]))
    root = ElementTree.fromstring(text.encode())
    assert "\x1b" not in text
    (case,) = root.iter("testcase")
    assert "<b>\"&'" in str(case.get("name"))


def test_the_share_answered_is_a_property(tmp_path: Path) -> None:
    run = half_run(tmp_path / "half", 0.5)
    root = ElementTree.fromstring(junit(gate(run, ["n >= 1"])))
    found = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert "defamation" in (found["not covered by the policy"] or "")
    assert str(found["answered"]).startswith("answered: image ")
