"""Controls: the same samples under prompts that differ in one respect, and the spread."""

import json

import pytest

from tests.conftest import completion
from tests.support.commands import vlsu
from vlsu.data import load
from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.base import Settings
from vlsu.runs import UnderstandingOptions, load_run, prepare, prepare_controls
from vlsu.tasks import CONTROLS


def answers_by_prompt(body, count):
    """Calls everything unsafe, but safe where the system part says nothing of what parts do."""
    system = body["messages"][0]["content"]
    hinted = "worse than its parts" in system or "An image together with a text" not in system
    severity = "unsafe" if hinted else "safe"
    return completion(json.dumps({"severity": severity, "category": "C9" if hinted else None}))


def options(server, **more):
    model = open_model("openai/m", Settings(base_url=server.base_url))
    return UnderstandingOptions(model=model, modalities=["joint"], limit=30, **more)


def test_the_spread_is_between_the_prompts_on_the_same_samples(chat_server, tmp_path):
    server = chat_server(answers_by_prompt)
    dataset = load("vlsu-mini")
    run = prepare(dataset, options(server)).run(tmp_path / "R")
    asked = len(server.requests)
    found = prepare_controls(dataset, options(server), samples=20).run(run)
    assert found is not None
    assert len(server.requests) == asked + 3 * 20
    accuracy = found["metrics"]["joint.accuracy"]
    grades = {s.id: s.joint_grade.label for s in dataset.samples() if s.joint_grade is not None}
    folders = {path.name for path in (tmp_path / "R" / "controls").iterdir()}
    assert folders == {"no-hint", "joint-first", "reversed"}
    judged = load_run(tmp_path / "R" / "controls" / "no-hint").judgments
    gold = [grades[id_] for id_ in judged["sample_id"]]
    unsafe, safe = (gold.count(severity) / len(gold) for severity in ("unsafe", "safe"))
    assert accuracy["values"]["zero-shot"]["value"] == pytest.approx(unsafe)
    assert accuracy["values"]["reversed"]["value"] == pytest.approx(unsafe)
    assert accuracy["values"]["no-hint"]["value"] == pytest.approx(safe)
    assert accuracy["differences"]["no-hint"]["value"] == pytest.approx(safe - unsafe)
    assert accuracy["spread"] == pytest.approx(abs(safe - unsafe))
    assert found["samples"] == 20
    assert json.loads((tmp_path / "R" / "controls.json").read_text()) == found


def test_the_same_command_asks_nothing_again(chat_server, tmp_path):
    server = chat_server(answers_by_prompt)
    for _ in range(2):
        run = prepare("vlsu-mini", options(server)).run(tmp_path / "R")
        prepare_controls("vlsu-mini", options(server), samples=5).run(run)
    assert len(server.requests) == 30 + 3 * 5


def test_the_bounds_are_of_the_run_and_its_controls_together(chat_server, tmp_path):
    server = chat_server(answers_by_prompt)
    command = ["run", "understanding", "vlsu-mini", "--model", "openai/m", "--base-url",
               server.base_url, "--modalities", "joint", "--limit", "10", "--controls",
               "--max-requests", "25", "--concurrency", "1",
               "--out", str(tmp_path / "R")]  # fmt: skip
    first = vlsu(*command)
    assert len(server.requests) == 25
    assert "controls: --max-requests 25 reached; run the same command again" in first.stderr
    assert not (tmp_path / "R" / "controls.json").exists()
    vlsu(*command)
    assert len(server.requests) == 10 + 3 * 10
    assert (tmp_path / "R" / "controls.json").exists()


def test_what_has_no_prompt_has_no_controls(chat_server):
    with pytest.raises(UsageError, match="takes no instructions"):
        prepare_controls("vlsu-mini", UnderstandingOptions(model="baseline/majority"))
    server = chat_server(answers_by_prompt)
    with pytest.raises(UsageError, match="--controls: not with --budget"):
        prepare_controls("vlsu-mini", UnderstandingOptions(model=options(server).model, budget=50))


def test_the_command_prints_the_spread_and_counts_controls_in_a_dry_run(chat_server, tmp_path):
    server = chat_server(answers_by_prompt)
    given = (
        "run",
        "understanding",
        "vlsu-mini",
        "--model",
        "openai/m",
        "--base-url",
        server.base_url,
    )
    more = ("--modalities", "joint", "--limit", 12, "--controls", "--out", tmp_path / "R")
    estimated = json.loads(vlsu(*given, *more, "--dry-run", "--json").stdout)
    assert list(estimated) == ["openai/m", *(f"openai/m, {c}" for c in CONTROLS)]
    said = vlsu(*given, *more).stdout
    assert "What the result owes to the prompt" in said
    assert "points" in said
