"""What cannot be opened is said in one line; what could change an answer is in the identity."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.models.hf.asking import Pictures, answers, asked, picture
from tests.models.hf.tiny import qwen3_text, qwen3_vl, smolvlm
from vlsu.errors import ModelError, UsageError
from vlsu.models import Settings, open_model
from vlsu.models.hf.fingerprint import WHOLE, folder_fingerprint
from vlsu.models.hf.libraries import library


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    return qwen3_text(tmp_path_factory.mktemp("text"))


@pytest.fixture
def copied(text_model, tmp_path):
    return shutil.copytree(text_model, tmp_path / "copy")


def error(name, **settings) -> str:
    with pytest.raises((ModelError, UsageError)) as caught:
        open_model(f"hf/{name}", Settings(**settings))
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(folder, file, **values):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_name_that_is_no_model(tmp_path):
    assert error(tmp_path / "nowhere").endswith("there is no such folder")
    assert "the folder has no config.json" in error(tmp_path)
    (tmp_path / "weights.gguf").touch()
    assert "is a file; give the folder" in error(tmp_path / "weights.gguf")
    assert "neither a folder here nor a name on the hub" in error("a/b/c")


OPENED = """
import sys, time
from vlsu.errors import ModelError
from vlsu.models import Settings, open_model
started = time.monotonic()
try:
    print(open_model(sys.argv[1], Settings(adapter=(sys.argv[2:] or [None])[0])).identity())
except ModelError as error:
    print(error)
print(f"after {time.monotonic() - started:.0f} s", file=sys.stderr)
"""


def opened(cache, *names, **environment) -> str:
    """What a program prints that opens a model, with a cache and an environment of its own."""
    env = {**os.environ, "HF_HOME": str(cache), **environment}
    command = [sys.executable, "-c", OPENED, *names]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, check=True, timeout=120, cwd=cache
    )
    assert "Retrying" not in done.stderr
    return done.stdout.strip()


NOBODY = {"HF_ENDPOINT": "http://127.0.0.1:9"}  # the port "discard": nobody listens


@pytest.mark.slow
def test_the_hub_out_of_reach(tmp_path):
    offline = opened(tmp_path, "hf/nobody/nothing", HF_HUB_OFFLINE="1")
    assert offline == (
        "hf/nobody/nothing: not in the local cache, the hub's client is set to offline, and no "
        "folder of that name is here"
    )
    unreachable = opened(tmp_path, "hf/nobody/nothing", **NOBODY)
    assert "the hub cannot be reached" in unreachable
    assert "\n" not in unreachable


@pytest.mark.slow
def test_a_cached_model_while_the_hub_is_out_of_reach(text_model, tmp_path):
    commit = "0123456789abcdef" * 2 + "01234567"
    cached = tmp_path / "hub" / "models--nobody--thing"
    shutil.copytree(text_model, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    assert f"'weights': 'nobody/thing@{commit}'" in opened(tmp_path, "hf/nobody/thing", **NOBODY)
    no_adapter = opened(tmp_path, "hf/nobody/thing", "nobody/lora", **NOBODY)
    assert no_adapter.startswith("adapter nobody/lora: not in the local cache, the hub cannot be")


def test_without_the_extra(monkeypatch, text_model):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(Exception, match=r"hf/.* needs an extra: pip install 'vlsu\[hf\]'"):
        open_model(f"hf/{text_model}")


def test_an_architecture_that_is_unknown_or_writes_nothing(copied):
    changed(copied, "config.json", model_type="qwen9_vl")
    assert "its architecture is unknown to transformers" in error(copied)
    changed(copied, "config.json", model_type="vit", architectures=["ViTModel"])
    assert "a vit model writes no answers to conversations" in error(copied)


def test_code_of_a_model_is_never_run(copied):
    (copied / "own.py").write_text("raise SystemExit('was run')")
    changed(
        copied,
        "config.json",
        model_type="own",
        auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    )
    assert "needs code of its own (trust_remote_code), which is not run here" in error(copied)


def test_a_model_without_a_chat_template(copied):
    (copied / "chat_template.jinja").unlink()
    assert "has no chat template; give an instruct model" in error(copied)


def test_a_chat_template_that_is_none(copied):
    (copied / "chat_template.jinja").write_text("{% if x %}")
    assert "its chat template cannot be used (TemplateSyntaxError: Unexpected" in error(copied)


def test_a_model_without_its_tokenizer(tmp_path):
    folder = qwen3_vl(tmp_path)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert error(folder).endswith("its tokenizer knows no words; tokenizer.json is missing")


def test_weights_that_are_another_models(copied):
    changed(copied, "config.json", num_hidden_layers=3, layer_types=["full_attention"] * 3)
    with pytest.raises(ModelError, match=r"11 tensors of its architecture are not in its weights"):
        answers(open_model(f"hf/{copied}"), [asked("Hello")])


def test_weights_that_are_damaged(copied):
    (copied / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ModelError, match="its weights cannot be loaded"):
        answers(open_model(f"hf/{copied}"), [asked("Hello")])


def test_settings_that_mean_nothing_here(text_model):
    assert "has no parameter 'top_q'; temperature, " in error(text_model, params={"top_q": 1})
    assert "top_p 2: give a number from 0 to 1" in error(text_model, params={"top_p": 2})
    assert "top_k 0.5: give a whole number" in error(text_model, params={"top_k": 0.5})
    assert "--base-url" in error(text_model, base_url="http://localhost:1/v1")
    assert "cannot enforce a schema" in error(text_model, structured="on")
    assert "dtype 'int8': use float32" in error(text_model, dtype="int8")
    assert "quantize '2bit': use 8bit or 4bit" in error(text_model, quantize="2bit")
    assert "device 'gpu' cannot be used here" in error(text_model, device="gpu")
    assert "device 'meta' cannot be used here" in error(text_model, device="meta")
    assert "adapter /nowhere: there is no such folder" in error(text_model, adapter="/nowhere")
    mistaken = {"chat_template_kwargs": {"mood": "good"}}
    assert "its chat template has no variable 'mood'" in error(text_model, params=mistaken)


def test_packages_that_only_an_option_needs(monkeypatch, text_model):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "peft", None)
    assert error(text_model, quantize="4bit") == (
        "--quantize needs a package: pip install bitsandbytes"
    )
    assert error(text_model, adapter="x/y") == "--adapter needs a package: pip install peft"


def identity(folder, **settings):
    return dict(open_model(f"hf/{folder}", Settings(**settings)).identity())


def test_the_identity_is_what_could_change_an_answer(text_model, copied):
    plain = identity(text_model)
    assert identity(text_model, max_batch=2, device="cpu") == plain
    assert identity(copied) == plain, "a folder is known by its files, not by its place"
    different = [
        identity(text_model, dtype="bfloat16"),
        identity(text_model, score=True),
        identity(text_model, max_tokens=5),
        identity(text_model, params={"temperature": 1}),
        identity(text_model, params={"temperature": 1}, seed=1),
        identity(text_model, params={"enable_thinking": False}),
    ]
    template = copied / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    different.append(identity(copied))
    assert all(each != plain for each in different)
    assert len({json.dumps(each, sort_keys=True) for each in different}) == len(different)


def test_a_fingerprint_of_large_files_reads_parts_of_them(tmp_path):
    weights = tmp_path / "model.safetensors"
    content = bytearray(WHOLE + 5_000_000)
    weights.write_bytes(content)
    before = folder_fingerprint(tmp_path)
    content[-1] = 1
    weights.write_bytes(content)
    assert folder_fingerprint(tmp_path) != before
    (tmp_path / "README.md").write_text("no part of what it answers")
    content[-1] = 0
    weights.write_bytes(content)
    assert folder_fingerprint(tmp_path) == before


def lora(text_model, folder):
    peft, transformers = library("peft"), library("transformers")
    torch = library("torch")
    model = transformers.AutoModelForCausalLM.from_pretrained(text_model)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_()
    adapted.save_pretrained(folder)
    return str(folder)


# peft 0.21 uses what transformers renamed
renamed = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")


@renamed
def test_an_adapter_changes_answers_and_identity(text_model, tmp_path):
    adapter = lora(text_model, tmp_path / "adapter")
    requests = [asked("Hello there."), asked("What is bread made of?")]
    assert identity(text_model, adapter=adapter) != identity(text_model)
    plain = answers(open_model(f"hf/{text_model}", Settings(score=True)), requests)
    with_adapter = answers(
        open_model(f"hf/{text_model}", Settings(score=True, adapter=adapter)), requests
    )
    expected = [each.p_unsafe for each in plain]
    assert [each.p_unsafe for each in with_adapter] != pytest.approx(expected, abs=1e-3)


@renamed
def test_an_adapter_of_another_model_is_not_left_out_without_a_word(text_model, tmp_path):
    safetensors = library("safetensors.torch")
    adapter = lora(text_model, tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = safetensors.load_file(weights)
    not_taken = {
        "named otherwise": {k.replace("layers", "blocks"): v for k, v in tensors.items()},
        "of one layer more": {
            **tensors,
            **{k.replace(".1.", ".2."): v for k, v in tensors.items()},
        },
        "incomplete": dict(list(tensors.items())[1:]),
    }
    for what, named in not_taken.items():
        safetensors.save_file({k: v.clone() for k, v in named.items()}, weights)
        with pytest.raises(ModelError, match=r"does not fit it: its [0-9]+ tensors are not those"):
            answers(open_model(f"hf/{text_model}", Settings(adapter=adapter)), [asked(what)])


def test_an_adapter_that_is_no_lora(text_model, tmp_path):
    config = tmp_path / "adapter_config.json"
    config.write_text('{"peft_type": "PREFIX_TUNING"}')
    said = error(text_model, adapter=str(tmp_path))
    assert said.endswith("is PREFIX_TUNING; only LoRA adapters can be used")
    config.write_text("no JSON")
    assert error(text_model, adapter=str(tmp_path)).endswith("adapter_config.json cannot be read")


def test_an_image_that_the_processor_refuses_is_an_error_of_its_request(tmp_path):
    """Qwen-VL's takes none whose sides differ by more than 200 times."""
    line, other = Pictures(picture(3000, 1, (9, 9, 9))), Pictures(picture(40, 30, (9, 9, 9)))
    both = Pictures(*line.files.values(), *other.files.values())
    model = open_model(f"hf/{qwen3_vl(tmp_path)}", Settings(score=True))
    refused, answered = answers(model, [asked(part, "What is it?") for part in both.parts()], both)
    assert refused.fault is not None
    assert "refuses the request, with an image of 3000 x 1 pixels (Value" in refused.fault.message
    assert answered.outcome == "ok"


def test_weights_in_bfloat16(tmp_path):
    folder = smolvlm(tmp_path)
    [answer] = answers(
        open_model(f"hf/{folder}", Settings(dtype="bfloat16", score=True)), [asked("Hello")]
    )
    assert answer.p_unsafe is not None
    assert 0 < answer.p_unsafe < 1
