"""A finished run orders or selects items, and gives no grade."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import check_invariants, grade_all, join_graders, rows
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from vlsu.annotate.exchange.exporting import export_project
from vlsu.annotate.exchange.pregrading import pregrade
from vlsu.annotate.projects.progress import progress
from vlsu.annotate.projects.status import status
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import grades, slots
from vlsu.annotate.work.leasing import Lease
from vlsu.data import check_dataset, load, write_dataset
from vlsu.data.exporting.questions import lines
from vlsu.errors import RunError, UsageError
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.run import load_run


@pytest.fixture
def ungraded(tmp_path):
    """A dataset of which nothing is known, and a run on it whose severities are not safe alone."""
    source = make_dataset(tmp_path / "known", 12, apart=True)
    bare = [
        replace(s, image_grade=None, text_grade=None, joint_grade=None, joint_category=None)
        for s in source
    ]
    made = write_dataset(
        tmp_path / "source", bare, name="tiny", version="1", licence="CC0-1.0", citation="",
        source="tests", images=source.images,
    )  # fmt: skip
    scripted_run(made, tmp_path / "run")
    return made


def predicted(tmp_path) -> dict[str, dict[str, str]]:
    """What the run says, read from its table."""
    found: dict[str, dict[str, str]] = {}
    judged = load_run(tmp_path / "run").judgments.filter(outcome="ok")
    for sample, modality, severity in judged.select(
        "sample_id", "modality", "predicted"
    ).iter_rows():
        found.setdefault(sample, {})[modality] = severity
    return found


def test_order_spaces_what_the_run_finds_unsafe(tmp_path, new_project, ungraded):
    project = new_project(ungraded)
    assert not any(row.hard for row in rows(project, slots))
    said = predicted(tmp_path)
    done = pregrade(project, tmp_path / "run", "order")
    check_invariants(project)
    for row in rows(project, slots):
        unsafe = said[f"s{row.item_id}"].get(MODALITIES[row.modality]) == "unsafe"
        assert row.hard == unsafe
    assert done.changed == sum(row.hard for row in rows(project, slots)) > 0
    assert pregrade(project, tmp_path / "run", "order").changed == 0
    assert rows(project, grades) == []


@pytest.mark.parametrize("address", ["sqlite", "postgresql"], indirect=True)
def test_select_leaves_out_what_nobody_has_begun(tmp_path, new_project, ungraded):
    project = new_project(ungraded)
    said = predicted(tmp_path)
    (ada,) = join_graders(project, "Ada")
    outside = {id_ for id_, of in said.items() if of.get("joint") == "safe"}
    lease = project.next_item(ada)
    assert isinstance(lease, Lease)
    done = pregrade(project, tmp_path / "run", "select", selection="harmful", keep=0)
    check_invariants(project)
    closed = {f"s{row.item_id}" for row in rows(project, slots) if row.state == State.CLOSED}
    assert closed == outside - {lease.sample_id}
    assert (done.changed, done.begun) == (len(closed), len(outside & {lease.sample_id}))
    counts = status(project)["slots"]
    assert counts["joint"]["wanted"] == 3 * (12 - len(closed))
    with project.database.read() as connection:  # the lead's page says the same
        assert progress(connection, project.clock())["slots"] == counts
    grade_all(project, [ada, *join_graders(project, "Ben", "Cem", "Dia")])
    assert {row.item_id for row in rows(project, grades)} == {
        int(id_[1:]) for id_ in said if id_ not in closed
    }
    out = export_project(project, tmp_path / "out").dataset
    assert check_dataset(out).ok
    for sample in out:
        grading: Any = sample.metadata["grading"]
        assert (sample.joint_grade is None) == (sample.id in closed)
        if sample.id in closed:
            assert grading["joint"]["undecided"] == "not_selected"
        else:
            assert sample.joint_grade is Severity.SAFE
    sheet = out.info.datasheet
    (effect,) = lines(sheet, "selection")
    assert f"of 12 samples {len(closed)} are not graded" in effect
    assert "No grade is its, and no grader saw its answers" in lines(sheet, "machine_annotation")[0]


def test_a_share_of_the_others_is_graded_even_so(tmp_path, new_project, ungraded):
    project = new_project(ungraded)
    done = pregrade(project, tmp_path / "run", "select", selection="borderline", keep=0.5)
    said = predicted(tmp_path)
    outside = [id_ for id_, of in said.items() if of.get("joint", "borderline") != "borderline"]
    assert 0 < done.kept < len(outside)
    assert done.changed == len(outside) - done.kept
    assert "weight these by the inverse" in done.about["effect"]


def test_disagree_is_a_pair_other_than_the_worse_of_its_parts(tmp_path, new_project, ungraded):
    project = new_project(ungraded)
    order = [severity.label for severity in Severity]
    said = predicted(tmp_path)
    alike = {
        id_
        for id_, of in said.items()
        if "joint" in of
        and of["joint"] == max((of[m] for m in ("image", "text") if m in of), key=order.index)
    }
    assert 0 < len(alike) < 12
    pregrade(project, tmp_path / "run", "select", selection="disagree", keep=0)
    closed = {f"s{row.item_id}" for row in rows(project, slots) if row.state == State.CLOSED}
    assert closed == alike


def test_what_is_refused(tmp_path, new_project, ungraded):
    project = new_project(ungraded)
    scripted_run(make_dataset(tmp_path / "another", 5, apart=True), tmp_path / "other")
    with pytest.raises(RunError, match="is not of the dataset of this project"):
        pregrade(project, tmp_path / "other", "order")
    for use, selection, named in (
        ("grade", None, "--use"), ("select", None, "--select"), ("select", "best", "--select"),
        ("order", "borderline", "--select"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=named):
            pregrade(project, tmp_path / "run", use, selection=selection)
    with pytest.raises(RunError, match="no run"):
        pregrade(project, tmp_path / "known", "order")


def test_from_the_command_line(tmp_path, new_project, ungraded):
    project = new_project(ungraded)
    arguments = ("annotate", "import", project.folder, tmp_path / "run")
    assert "--use: say what the run is for" in vlsu(*arguments, expect=None).stderr
    vlsu(*arguments, "--use", "order")
    tree = json.loads(vlsu(*arguments, "--use", "select", "--select", "harmful", "--json").stdout)
    assert tree["effect"].startswith("Selected by a model")
    assert len(load(ungraded.path)) == 12
