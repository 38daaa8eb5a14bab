"""Which models would work now: by environment and installed packages, without sending anything."""

import json
import socket
import subprocess
import sys

import pytest

from tests.support.commands import vlsu
from vlsu.models import models
from vlsu.models.baseline.provider import NAMES
from vlsu.models.catalogue import load_models
from vlsu.models.guards import FAMILIES, GRADERS
from vlsu.models.readiness import EXTRAS, is_installed, named_readiness, readiness
from vlsu.runs.options import ModelOptions

KEYS = (
    *("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY"),
    *("GEMINI_API_KEY", "TYPESAFE_API_KEY"),
)


def everything(module):
    return True


def nothing(module):
    return False


def by_spec(environment, installed):
    return {(each.spec, each.kind): each for each in readiness(environment, installed)}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a name is resolved, or a connection opened")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_every_provider_guard_and_baseline_has_a_row():
    specs = [each.spec for each in readiness({}, nothing)]
    for name in models.names():
        assert any(spec.startswith(f"{name}/") for spec in specs), name
    kinds = by_spec({}, nothing)
    for family in GRADERS:
        assert set(kinds[f"guard/{family.name}:NAME", "grader"].modalities) == family.modalities
    for judge in FAMILIES:
        assert kinds[f"guard/{judge.name}:NAME", "judge"].modalities == ()
    for name in NAMES:
        assert (f"baseline/{name}", "baseline") in kinds


@pytest.mark.parametrize(
    ("spec", "variable"),
    [
        ("openai/NAME", "OPENAI_API_KEY"),
        ("anthropic/NAME", "ANTHROPIC_API_KEY"),
        ("google/NAME", "GEMINI_API_KEY"),
        ("google/NAME", "GOOGLE_API_KEY"),
        ("systemone/NAME", "TYPESAFE_API_KEY"),
    ],
)
def test_a_provider_works_once_its_key_is_set(spec, variable):
    without = by_spec({}, nothing)[spec, "provider"]
    assert (without.works, without.key_set) == (False, False)
    assert variable in without.remedy
    empty = by_spec({variable: ""}, nothing)[spec, "provider"]
    assert not empty.works
    with_key = by_spec({variable: "k"}, nothing)[spec, "provider"]
    assert (with_key.works, with_key.key_set, with_key.remedy) == (True, True, "")


@pytest.mark.parametrize(
    ("spec", "kind", "extra"),
    [
        ("hf/NAME", "provider", "hf"),
        ("vllm/NAME", "provider", "vllm"),
        ("baseline/late-fusion", "baseline", "baseline"),
        ("local/smollm2", "local", "local"),
        ("guard/llama-guard-4:NAME", "grader", "hf"),
    ],
)
def test_a_model_in_this_process_works_once_its_extra_is_installed(spec, kind, extra):
    without, with_it = by_spec({}, nothing)[spec, kind], by_spec({}, everything)[spec, kind]
    assert (without.works, without.installed, without.extra) == (False, False, extra)
    assert f"pip install 'vlsu[{extra}]'" in without.remedy
    assert (with_it.works, with_it.installed, with_it.remedy) == (True, True, "")


def test_what_needs_nothing_works():
    found = by_spec({}, nothing)
    for spec, kind in (
        ("baseline/majority", "baseline"),
        ("baseline/random", "baseline"),
        ("judge/offline", "judge"),
    ):
        assert found[spec, kind].works
        assert (found[spec, kind].extra, found[spec, kind].key) == (None, None)


def test_a_module_of_every_extra_is_named_as_it_is_imported():
    """The names are looked for, so a wrong one would never be found."""
    assert is_installed("json")
    assert not is_installed("no_such_module_of_anybody")
    assert all(is_installed(module) for module in EXTRAS["baseline"])


def test_nothing_is_imported_to_see_what_is_installed():
    code = (
        "import os, sys; from vlsu.models.readiness import readiness; readiness(os.environ); "
        "print(*sorted({'torch', 'transformers', 'vllm', 'xllamacpp', 'onnxruntime'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


MODELS = """
models:
  served: {spec: openai/m, base_url: http://nowhere.example/v1}
  keyless: {spec: anthropic/m}
  random: {spec: baseline/random}
  odd: {spec: nobody/m}
  guard: {spec: "guard/llama-guard-4:m", base_url: http://127.0.0.1:9/v1}
  guard-here: {spec: "guard/llama-guard-4:org/m"}
  judge-only: {spec: "guard/nobody:m"}
  open: {spec: hf/org/m}
  scored: {spec: google/m, score: true}
"""


def test_each_named_model_is_opened_as_far_as_nothing_is_sent(tmp_path, monkeypatch, no_network):
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k")  # whose host is not looked up here
    (tmp_path / "models.yaml").write_text(MODELS)
    found = {
        name: named_readiness(named, ModelOptions.of_entry(named).settings(), everything)
        for name, named in load_models(tmp_path / "models.yaml").items()
    }
    assert {name: each.works for name, each in found.items()} == {
        "served": True,
        "keyless": False,
        "random": True,
        "odd": False,
        "guard": True,
        "guard-here": True,
        "judge-only": False,
        "open": True,
        "scored": False,
    }
    assert "ANTHROPIC_API_KEY" in found["keyless"].remedy
    assert "unknown model 'nobody'" in found["odd"].remedy
    assert "--score is for" in found["scored"].remedy
    assert set(found["guard"].modalities) == {"text", "joint"}
    missing = named_readiness(
        load_models(tmp_path / "models.yaml")["open"], ModelOptions().settings(), nothing
    )
    assert (missing.works, missing.remedy) == (False, "pip install 'vlsu[hf]'")


GUARDS = """models:
  ours: {spec: guard/shieldstral, guard_policy: ours}
  no-policy: {spec: guard/Llama-Guard-4-12B, guard_policy: ours}
  needs-policy: {spec: guard/gpt-oss-safeguard-20b}
  two-templates: {spec: guard/nemotron-3.5, guard_policy: ours}
  on-a-server: {spec: guard/nemotron-3.5, guard_policy: ours, base_url: http://127.0.0.1:9/v1}
  finished-prompt: {spec: guard/allenai/wildguard}
  never-on-a-server: {spec: guard/shieldgemma2, base_url: http://127.0.0.1:9/v1}
  of-a-file: {spec: FOLDER/guard.yaml}
  of-no-file: {spec: FOLDER/none.yaml}
"""
HOUSE = """{name: house, model: m, modalities: [text], prompt: "{text}", base_url: "http://127.0.0.1:9",
labels: {ok: safe, bad: unsafe}}"""


def test_a_named_guard_works_only_as_it_is_described(tmp_path, no_network):
    (tmp_path / "guard.yaml").write_text(HOUSE)
    (tmp_path / "models.yaml").write_text(GUARDS.replace("FOLDER", str(tmp_path)))
    found = {
        name: named_readiness(named, ModelOptions.of_entry(named).settings(), everything)
        for name, named in load_models(tmp_path / "models.yaml").items()
    }
    working = {name: set(each.modalities) for name, each in found.items() if each.works}
    assert working == {
        "ours": {"image", "text", "joint"},
        "on-a-server": {"text", "joint"},
        "of-a-file": {"text"},
    }
    remedies = {name: each.remedy for name, each in found.items() if not each.works}
    assert "takes no policy at run time" in remedies["no-policy"]
    assert "add --guard-policy ours" in remedies["needs-policy"]
    assert "needs a server" in remedies["two-templates"]
    assert "needs a server" in remedies["finished-prompt"]
    assert "leave --base-url out" in remedies["never-on-a-server"]
    assert "cannot be read" in remedies["of-no-file"]


def test_a_folder_without_a_model_is_seen(tmp_path):
    (tmp_path / "models.yaml").write_text(f"models: {{open: {{spec: 'vllm/{tmp_path}'}}}}")
    named = load_models(tmp_path / "models.yaml")["open"]
    found = named_readiness(named, ModelOptions().settings(), everything)
    assert (found.works, found.remedy) == (False, "the folder has no config.json")


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ("hf/./nowhere", "there is no such folder"),
        ("hf/~/nowhere", "there is no such folder"),
        ("hf/models/of/mine", "there is no such folder"),
        ("hf/nobody/thing@main", ""),
        ("hf/nobody-such", ""),
        ("guard/shieldgemma2:nobody/thing", ""),
    ],
)
def test_a_folder_that_is_not_there_is_seen_and_a_name_on_the_hub_is_not_looked_up(
    tmp_path, spec, remedy
):
    (tmp_path / "models.yaml").write_text(f"models: {{open: {{spec: '{spec}'}}}}")
    named = load_models(tmp_path / "models.yaml")["open"]
    found = named_readiness(named, ModelOptions().settings(), everything)
    assert (found.works, found.remedy) == (not remedy, remedy)


SECRET = "sk-of-nobody-0123456789"


def test_the_command_prints_a_table_and_json_and_never_a_key(tmp_path, no_network):
    env = {"OPENAI_API_KEY": SECRET, "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    table = vlsu("models", "--check", cwd=tmp_path, env=env)
    printed = json.loads(vlsu("models", "--check", "--json", cwd=tmp_path, env=env).stdout)
    assert SECRET not in table.stdout + table.stderr + json.dumps(printed)
    line = next(each for each in table.stdout.splitlines() if "openai/NAME  " in each)
    assert "OPENAI_API_KEY (there)" in line
    assert "yes" in line
    rows = {row["spec"]: row for row in printed}
    assert rows["openai/NAME"]["works"] is True
    assert set(rows["openai/NAME"]) == {
        *("spec", "kind", "about", "modalities", "extra", "installed", "key", "key_set"),
        *("server", "works", "remedy"),
    }


def test_a_named_model_that_does_not_open_fails_the_check(tmp_path):
    (tmp_path / "m.yaml").write_text("models: {a: {spec: baseline/random}}")
    vlsu("models", "--check", "--models", tmp_path / "m.yaml", cwd=tmp_path)
    (tmp_path / "models.yaml").write_text("models: {a: {spec: baseline/nobody}}")
    failed = vlsu("models", "--check", "--json", cwd=tmp_path, expect=1)
    assert json.loads(failed.stdout)[-1]["remedy"].startswith("no model baseline/nobody")
    refused = vlsu("models", "--models", tmp_path / "m.yaml", cwd=tmp_path, expect=2)
    assert "only with --check" in refused.stderr
