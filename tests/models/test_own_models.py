"""Models of a user's own: what one is, what is said where it fails, plug-ins that cannot load."""

import asyncio
import os
import subprocess
import sys

import numpy as np
import pytest

import vlsu
from tests.conftest import make_dataset
from tests.support.fault_server import text_dataset
from tests.support.values import mistyped
from vlsu.errors import ModelError, UsageError, VlsuError
from vlsu.models import Outcome, Raw, Response, as_model
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.registry import Registry
from vlsu.runs import align

ANSWER = '{"severity": "safe", "category": null}'


class Own:
    """An answerer as a user would write one; `make` is what it answers each batch with."""

    modalities = frozenset({"image", "text", "joint"})
    takes_instructions = True

    def __init__(self, make):
        self.make = make

    def identity(self):
        return {"version": 1}

    def answer(self, requests, images):
        return self.make(requests)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", 8)


def evaluate(texts, folder, make):
    model = InProcessModel("own/one", Own(make), batch_size=4)
    return vlsu.evaluate(texts, model=model, modalities=["text"], out=folder)


def error_of(texts, folder, make) -> str:
    with pytest.raises(ModelError, match="no request was answered") as caught:
        evaluate(texts, folder, make)
    return str(caught.value)


def test_a_classifier_that_has_no_borderline_says_so_by_its_levels(texts, tmp_path):
    class Binary(Own):
        takes_instructions = False
        levels = (Severity.SAFE, Severity.UNSAFE)

    answer = '{"severity": "unsafe", "category": null}'
    model = InProcessModel("own/binary", Binary(lambda batch: [{"text": answer}] * len(batch)))
    run = vlsu.evaluate(texts, model=model, modalities=["text"], out=tmp_path / "R")
    assert run.record.model.levels == ["safe", "unsafe"]
    assert run.metrics["text"]["f1_macro"]["value"] is None
    assert "safe from unsafe" in run.metrics["text"]["f1_macro"]["reason"]


class Half:
    spec = "own/half"

    def identity(self):
        return {}


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (
            lambda prompt: "safe",
            "model: a function is no model; give a SPEC such as 'openai/gpt-4o'",
        ),
        (None, "model: None is no model"),
        (17, "model: 17 is no model"),
        (InProcessModel, "model: InProcessModel is a class; make one: InProcessModel(...)"),
        (
            Half(),
            "model: Half lacks takes_instructions, modalities, image_limits, send, read, close",
        ),
        ("gpt-4o", "'gpt-4o' is not a model; write provider/name"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(model, line, texts, tmp_path):
    fine = InProcessModel("own/fine", Own(None))
    for start in (
        lambda: vlsu.evaluate(texts, model=model, out=tmp_path / "run"),
        lambda: align(texts, model=model, out=tmp_path / "run"),
        lambda: align(texts, model=fine, judges=[model], out=tmp_path / "run"),
    ):
        with pytest.raises(UsageError) as caught:
            start()
        assert str(caught.value).startswith(line)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_model_is_taken_as_it_is():
    model = InProcessModel("own/one", Own(None))
    assert as_model(model) is model


def test_one_model_serves_several_runs(texts, tmp_path):
    model = InProcessModel("own/one", Own(lambda requests: [{"text": ANSWER} for _ in requests]))
    for name in ("one", "two"):
        run = vlsu.evaluate(texts, model=model, modalities=["text"], out=tmp_path / name)
        assert run.judgments["outcome"].to_list() == ["ok"] * 8


def test_the_words_of_a_models_own_error_are_kept(texts, tmp_path):
    def fail(requests):
        raise RuntimeError("CUDA out of memory:\n tried 2 GiB \x1b[31m")

    line = error_of(texts, tmp_path / "run", fail)
    assert "(in-process: RuntimeError: CUDA out of memory: tried 2 GiB)" in line


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (lambda requests: [], "ValueError: 0 answers to 1 requests"),
        (lambda requests: None, "TypeError: object of type 'NoneType' has no len()"),
        (lambda requests: ["safe"] * len(requests), 'an answer is a mapping with a "text"'),
        (lambda requests: [{}] * len(requests), 'an answer is a mapping with a "text"'),
        (lambda requests: [{"text": 3}] * len(requests), "text: expected a text, found int"),
        (
            lambda requests: [{"text": ANSWER, "p_unsafe": 1.5}] * len(requests),
            "p_unsafe: expected 0 to 1, found 1.5",
        ),
        (
            lambda requests: [{"text": ANSWER, "p_unsafe": "high"}] * len(requests),
            "p_unsafe: expected 0 to 1, found high",
        ),
        (lambda requests: [{"text": object()}] * len(requests), "Type is not JSON serializable"),
    ],
)
def test_an_answer_of_another_form_is_an_error_that_says_so(answers, said, texts, tmp_path):
    """And nobody waits for ever: a batch of the wrong size used to hang the run."""
    assert said in error_of(texts, tmp_path / "run", answers)


def test_a_lone_half_of_a_pair_in_an_answer_loses_nothing_else(texts, tmp_path):
    run = evaluate(
        texts, tmp_path / "run", lambda requests: [{"text": "\ud800 " + ANSWER}] * len(requests)
    )
    assert run.judgments["outcome"].to_list() == ["ok"] * 8


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncio.CancelledError("by its own client"), "CancelledError: by its own client"),
        (BaseException("bare"), "BaseException: bare"),
        (GeneratorExit(), "GeneratorExit"),
        (SystemExit(3), "SystemExit: 3"),
        (UnspeakableError(), "UnspeakableError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_error_of_a_model_hangs_or_ends_the_process(error, said, texts, tmp_path):
    def fail(requests):
        raise error

    assert f"(in-process: {said})" in error_of(texts, tmp_path / "run", fail)


class Whole:
    """A `Model` of a user's own, all of whose parts are right."""

    spec = "own/whole"
    takes_instructions = True
    modalities = frozenset({"text"})
    image_limits = None

    def identity(self):
        return {"version": 1}

    async def send(self, request, images):
        return Raw(200, b"{}")

    def read(self, raw):
        return Response(Outcome.OK, text=ANSWER)

    async def close(self):
        pass


class Cancels(Whole):
    async def send(self, request, images):
        raise asyncio.CancelledError


def sends(raw):
    async def send(self, request, images):
        return raw

    return type("Sends", (Whole,), {"send": send})


def reads(response):
    return type("Reads", (Whole,), {"read": lambda self, raw: response})


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Cancels, "cancelled its own request"),
        (sends(None), "send: expected a vlsu.models.base.Raw, found NoneType"),
        (sends(Raw(mistyped("200"), b"")), "send: status: expected an int, found str"),
        (sends(Raw(200, mistyped("text"))), "send: body: expected bytes, found str"),
        (reads(None), "read: expected a vlsu.models.base.Response, found NoneType"),
        (reads(Response(mistyped("ok"))), "read: outcome: expected an Outcome, found str"),
        (
            reads(Response(Outcome.OK, text=mistyped(None))),
            "read: text: expected a text, found NoneType",
        ),
        (reads(Response(Outcome.OK, ANSWER, input_tokens=-1)), "read: input_tokens: expected 0 to"),
        (
            reads(Response(Outcome.OK, ANSWER, output_tokens=10**30)),
            "read: output_tokens: expected 0 to",
        ),
        (reads(Response(Outcome.ERROR)), "read: an error has a fault"),
    ],
)
def test_a_model_that_breaks_the_contract_ends_the_run_in_one_line(model, said, texts, tmp_path):
    with pytest.raises(ModelError) as caught:
        vlsu.evaluate(texts, model=model(), modalities=["text"], out=tmp_path / "run")
    assert str(caught.value).startswith(f"own/whole: {said}")


def test_an_identity_that_is_no_json_is_refused_before_anything_is_asked(texts, tmp_path):
    model = type("Whole", (Whole,), {"identity": lambda self: {"weights": object()}})()
    with pytest.raises(UsageError, match=r"identity\(\) of Whole: expected names and JSON values"):
        vlsu.evaluate(texts, model=model, modalities=["text"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_bad_request_of_a_batch_is_an_error_and_the_others_are_answered(texts, tmp_path):
    def answer(requests):
        if any("words 3 " in str(request) for request in requests):
            raise ValueError("not this one")
        return [{"text": ANSWER}] * len(requests)

    run = evaluate(texts, tmp_path / "run", answer)
    assert run.record["requests"]["unanswered"] == {"in-process: ValueError: not this one": 1}
    assert sorted(run.judgments["outcome"]) == ["error", *["ok"] * 7]


def test_one_lost_image_of_a_batch_is_an_error_and_the_others_are_answered(tmp_path):
    made = make_dataset(tmp_path / "d", samples=16)
    lost = next(made.images.files())
    lost.unlink()
    of_lost = {sample.id for sample in made if sample.image_sha256 == lost.stem}
    run = vlsu.evaluate(made, model="baseline/random", out=tmp_path / "run")
    outcomes = run.judgments.select("sample_id", "modality", "outcome").rows()
    assert of_lost
    assert {(id_, modality) for id_, modality, outcome in outcomes if outcome == "error"} == {
        (id_, modality) for id_ in of_lost for modality in ("image", "joint")
    }
    assert {outcome for _, _, outcome in outcomes} == {"ok", "error"}


def test_numbers_of_numpy_are_numbers(texts, tmp_path):
    def answer(requests):
        each = {"text": ANSWER, "p_unsafe": np.float32(0.25), "input_tokens": np.int64(7)}
        return [each] * len(requests)

    run = evaluate(texts, tmp_path / "run", answer)
    assert set(run.judgments["p_unsafe"]) == {0.25}
    assert set(run.judgments["input_tokens"]) == {7}


# Plug-ins


def plug_in(folder, module: str) -> None:
    """A package that brings a model `own`."""
    (folder / "own_models.py").write_text(module, encoding="utf-8")
    info = folder / "own_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vlsu.models]\nown = own_models:Models.make\n")


@pytest.mark.slow
def test_a_plug_in_that_cannot_be_loaded_is_one_line_and_hides_no_other(tmp_path):
    plug_in(tmp_path, "import a_package_that_is_not_there\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "vlsu", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )

    listed = command("models", "--json")
    assert listed.returncode == 0
    assert "a_package_that_is_not_there" in listed.stdout
    assert "chat-completions" in listed.stdout or "openai" in listed.stdout
    run = command(
        "run", "understanding", "vlsu-mini", "--model", "own/m", "--out", str(tmp_path / "r")
    )
    assert run.returncode == 2
    [line] = [each for each in run.stderr.splitlines() if each.startswith("error: ")]
    assert line == (
        "error: model 'own' (own_models:Models.make) cannot be loaded (ModuleNotFoundError: No "
        "module named 'a_package_that_is_not_there'); repair or uninstall the package that brings "
        "it"
    )


def test_a_plug_in_may_be_a_method_and_its_errors_keep_their_words(tmp_path, monkeypatch):
    plug_in(
        tmp_path,
        "class Models:\n    @staticmethod\n    def make(name, settings):\n"
        "        raise FileNotFoundError(f'no weights for {name}')\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[object] = Registry(
        "model", {"openai": "vlsu.models.formats.openai:openai_model"}
    )
    assert "own" in registry.names()
    assert not registry.is_builtin("own")
    monkeypatch.setattr("vlsu.models.models", registry)
    with pytest.raises(
        ModelError, match=r"own/m: cannot be set up \(FileNotFoundError: no weights"
    ):
        as_model("own/m")
    with pytest.raises(VlsuError, match="unknown model 'owm'; did you mean 'own'"):
        as_model("owm/m")
