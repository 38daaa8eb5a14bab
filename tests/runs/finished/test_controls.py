"""Controls: the same samples under prompts that differ in one respect, and the spread."""

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_controls_that_are_interrupted_are_gone_on_with(chat_server, tmp_path, how):
    """Nothing that was answered is asked again, and the result is as in one go."""
    reached = threading.Event()

    def answer(body, count):
        if count == 25:  # within the second control
            reached.set()
        time.sleep(0.1)
        return answers_by_prompt(body, count)

    server = chat_server(answer)
    command = ["run", "understanding", "vlsu-mini", "--model", "openai/m", "--base-url",
               server.base_url, "--modalities", "joint", "--limit", "10", "--controls",
               "--concurrency", "1"]  # fmt: skip
    whole = [sys.executable, "-m", "vlsu", *command, "--out", str(tmp_path / "R")]
    process = subprocess.Popen(
        whole,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Tests in the background of a script are started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert reached.wait(60)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in said
    assert not (tmp_path / "R" / "controls.json").exists()
    vlsu(*command, "--out", str(tmp_path / "R"))
    bodies = [json.dumps(request, sort_keys=True) for request in server.requests]
    assert len(set(bodies)) == 10 + 3 * 10
    # The one in flight, and with SIGKILL those that were not yet written.
    assert len(bodies) - len(set(bodies)) <= (1 if how == signal.SIGINT else 3)
    vlsu(*command, "--out", str(tmp_path / "once"))
    found, once = (
        json.loads((tmp_path / name / "controls.json").read_text()) for name in ("R", "once")
    )
    assert found["metrics"] == once["metrics"]


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


def test_what_controls_cost_is_told_beside_the_runs_cost(chat_server, tmp_path):
    server = chat_server(answers_by_prompt)
    out = tmp_path / "R"
    command = ["run", "understanding", "vlsu-mini", "--model", "openai/m", "--base-url",
               server.base_url, "--modalities", "joint", "--limit", "10", "--controls",
               "--concurrency", "1", "--out", str(out)]  # fmt: skip
    each = 11 * 100 / 1e6  # of a request, at 100 for a million tokens of the prompt
    folders = [str(out / "controls" / name) for name in CONTROLS]
    stopped = vlsu(*command, "--price", "100,0", "--max-requests", "15").stderr
    begun = f"{out}: without its controls, which cost 0.00550 more: vlsu cost {folders[0]}"
    assert begun in stopped
    done = vlsu(*command, "--cost-report").stderr
    line = f"{out}: without its controls, which cost 0.0330 more: vlsu cost {' '.join(folders)}"
    assert done.count(line) == 2  # after the run and in its cost report
    assert line in vlsu("cost", out).stderr
    (found,) = json.loads(vlsu("cost", out, "--json").stdout)["runs"]
    assert found["total"] == pytest.approx(10 * each)
    assert found["controls"] == pytest.approx(dict.fromkeys(CONTROLS, 10 * each))
    dearer = json.loads(vlsu("cost", out, "--json", "--price", "200,0").stdout)["runs"]
    assert dearer[0]["controls"] == pytest.approx(dict.fromkeys(CONTROLS, 20 * each))
    (alone,) = json.loads(vlsu("cost", folders[0], "--json").stdout)["runs"]
    assert alone["total"] == pytest.approx(10 * each)
    assert "controls" not in alone


@pytest.mark.parametrize("shared", [False, True])
def test_a_request_that_the_run_has_asked_is_not_asked_and_paid_again(
    chat_server, tmp_path, shared
):
    """Of an image or a text alone `no-hint` is the very prompt of the run."""
    server = chat_server(answers_by_prompt)
    out = tmp_path / "R"
    store = ("--store", str(tmp_path / "S.sqlite")) if shared else ()
    command = ["run", "understanding", "vlsu-mini", "--model", "openai/m", "--base-url",
               server.base_url, "--price", "100,0", "--limit", "10", "--controls", *store,
               "--out", str(out)]  # fmt: skip
    estimated = json.loads(vlsu(*command, "--dry-run", "--json").stdout)
    vlsu(*command)
    bodies = [json.dumps(request, sort_keys=True) for request in server.requests]
    assert len(bodies) == len(set(bodies))
    planned = [sum(each["requests"].values()) for each in estimated.values()]
    assert len(bodies) == sum(planned)
    own, hinted, *_ = planned
    keys = {
        name: set(load_run(out / name).judgments["request_key"])
        for name in (".", "controls/no-hint")
    }
    both = keys["."] & keys["controls/no-hint"]
    assert (len(both), hinted) == (own - hinted, len(keys["controls/no-hint"]) - len(both))
    assert len(both) > 0
    each = 11 * 100 / 1e6
    (found,) = json.loads(vlsu("cost", out, "--json").stdout)["runs"]
    assert found["controls"]["no-hint"] == pytest.approx(hinted * each)
    (control,) = json.loads(vlsu("cost", out / "controls" / "no-hint", "--json").stdout)["runs"]
    assert control["saved"]["store"] == pytest.approx(len(both) * each)
    again = json.loads(vlsu(*command, "--dry-run", "--json").stdout)
    assert [sum(each["requests"].values()) for each in again.values()] == [0, 0, 0, 0]
    assert [each["stored"] for each in again.values()] == [len(keys["."])] * 4


def test_a_dry_run_beside_a_finished_run_counts_what_controls_take_from_it(chat_server, tmp_path):
    server = chat_server(answers_by_prompt)
    command = ["run", "understanding", "vlsu-mini", "--model", "openai/m", "--base-url",
               server.base_url, "--limit", "10", "--out", str(tmp_path / "R")]  # fmt: skip
    controlled = [*command, "--controls", "--dry-run", "--json"]
    before = json.loads(vlsu(*controlled).stdout)
    vlsu(*command)
    after = json.loads(vlsu(*controlled).stdout)
    assert not (tmp_path / "R" / "controls").exists()
    for name in (f"openai/m, {control}" for control in CONTROLS):
        assert before[name]["requests"] == after[name]["requests"]
        assert before[name]["stored"] == 0
    assert after["openai/m, no-hint"]["stored"] == sum(
        before["openai/m"]["requests"][modality] for modality in ("image", "text")
    )


def test_the_first_pass_of_a_run_is_that_of_its_controls(chat_server, tmp_path):
    """It names likely categories, whatever the prompt."""
    server = chat_server(answers_by_prompt)
    options_ = replace(options(server), limit=6, policy_detail="category")
    run = prepare("vlsu-mini", options_).run(tmp_path / "R")
    prepare_controls("vlsu-mini", options_).run(run)
    bodies = [json.dumps(request, sort_keys=True) for request in server.requests]
    assert len(bodies) == len(set(bodies)) == (2 + 3) * 6
