"""The lines of batch files: vLLM's, and whatever else a server may write."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import grade
from tests.support.batch_requests import PICTURE, Pictures, asked, opened
from vlsu.errors import DataError, UsageError
from vlsu.models import open_model
from vlsu.models.base import Outcome, Settings
from vlsu.models.batching import open_batches
from vlsu.models.batching.anthropic import AnthropicBatches
from vlsu.models.batching.google import GoogleBatches
from vlsu.models.batching.lines import read_result
from vlsu.models.batching.vllm_file import BatchFiles
from vlsu.models.http.model import HttpModel
from vlsu.models.http.redaction import Redaction

SERVER = "http://127.0.0.1:8000/v1"


@pytest.fixture
def files() -> BatchFiles:
    return BatchFiles(opened("openai/model", SERVER))


def result(key: str, status: int = 200, body: object = None, error: object = None) -> dict:
    """A line as vLLM's ``run_batch.py`` writes it."""
    response = {"status_code": status, "request_id": "vllm-batch-1", "body": body}
    return {"id": "vllm-1", "custom_id": key, "response": response, "error": error}


def saved(tmp_path, *lines: object, end: str = "\n"):
    file = tmp_path / "results.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines) + end)
    return file


def test_a_request_is_what_vllm_reads(files):
    ((key, request),) = asked(["what is this?"], image=True).items()
    line = json.loads(files.encode(key, request, Pictures()))
    assert (line["custom_id"], line["method"], line["url"]) == (key, "POST", "/v1/chat/completions")
    assert line["body"]["model"] == "model"
    (picture, text) = line["body"]["messages"][-1]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert text["text"] == "what is this?"
    assert request.images == (PICTURE,)


def test_results_are_read_as_answers_of_a_server(files, tmp_path):
    answers = files.answers(saved(tmp_path, result("a", body=grade("safe")), result("b")))
    first, second = answers
    model = opened("openai/model", SERVER)
    assert (first.key, model.read(first.raw).outcome) == ("a", Outcome.OK)
    assert json.loads(model.read(first.raw).text)["severity"] == "safe"
    assert model.read(second.raw).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    "error",
    [
        "too long",
        {"error": {"message": "too long", "type": "BadRequestError", "code": 400}},
        {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
    ],
)
def test_what_vllm_refuses_is_a_fault_with_its_message(files, tmp_path, error):
    (answer,) = files.answers(saved(tmp_path, result("a", 400, error=error)))
    fault = opened("openai/model", SERVER).read(answer.raw).fault
    assert fault is not None
    assert (fault.kind, fault.message) == ("bad-request", "HTTP 400: too long")


def test_a_last_line_that_breaks_off_is_left_out(files, tmp_path):
    lines = saved(tmp_path, result("a", body=grade("safe")), result("b"), end="")
    lines.write_bytes(lines.read_bytes()[:-20])
    assert [answer.key for answer in files.answers(lines)] == ["a"]


def test_another_file_is_said_to_be_none_by_its_line(files, tmp_path):
    file = saved(tmp_path, result("a", body=grade("safe")), {"no": "result"}, [1])
    with pytest.raises(DataError, match=r"results\.jsonl:2: not a result of vllm run-batch"):
        list(files.answers(file))
    with pytest.raises(DataError, match="cannot be read"):
        list(files.answers(tmp_path / "missing.jsonl"))


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        ("anthropic/claude-x", Settings(base_url=SERVER)),
        ("openai/model", Settings(base_url=SERVER, score=True)),
        ("judge/offline", Settings()),
    ],
)
def test_files_are_for_chat_completions(spec, settings):
    with pytest.raises(UsageError, match="files of requests are for openai/NAME"):
        BatchFiles(open_model(spec, settings))


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        ("judge/offline", Settings()),
        ("baseline/random", Settings()),
        ("openai/model", Settings(base_url=SERVER, score=True)),
    ],
)
def test_not_every_model_has_batches(spec, settings):
    with pytest.raises(UsageError, match="no batch interface; leave out --batch"):
        open_batches(open_model(spec, settings))


def test_an_address_with_a_query_has_no_room_for_batches():
    with pytest.raises(UsageError, match="with a query"):
        open_batches(opened("openai/model", "https://x.openai.example/v1?api-version=1"))


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.groq.example/openai/v1", "https://api.groq.example/openai/v1"),
        ("https://x.example/v1/chat/completions/", "https://x.example/v1"),
    ],
)
def test_batches_are_beside_the_address_of_single_requests(base_url, expected):
    service = open_batches(opened("openai/model", base_url))
    assert vars(service)["_base"] == expected


def test_the_key_is_checked_as_for_single_requests(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    with pytest.raises(UsageError, match="readable on the way"):
        opened("openai/model", "http://192.0.2.1/v1")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("custom_id", "key", "response", "result", "error", "body", "message"),
                    *("status_code", "code", "type", "status", "metadata"),
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


NAMES = st.sampled_from(("custom_id", "key", "response", "result", "error"))


@pytest.fixture(scope="module")
def services():
    openai, anthropic, google = (
        opened(spec, SERVER) for spec in ("openai/model", "anthropic/claude-x", "google/gemini-x")
    )
    assert isinstance(anthropic, HttpModel)
    assert isinstance(google, HttpModel)
    return openai, AnthropicBatches(anthropic), anthropic, GoogleBatches(google), google


@given(line=st.dictionaries(NAMES, ANYTHING))
def test_whatever_a_line_says_it_is_an_answer_that_can_be_read_or_none(services, line):
    openai, of_anthropic, anthropic, of_google, google = services
    answers = [
        (openai, read_result(line, Redaction([]))),
        (anthropic, of_anthropic._answer(line)),
        (google, of_google._answer({**line, "key": "k"})),
    ]
    for model, answer in answers:
        if answer is not None:
            assert "\n" not in (fault.message if (fault := model.read(answer.raw).fault) else "")
            if answer.raw.status:
                orjson.loads(answer.raw.body.replace(b"NaN", b"0").replace(b"Infinity", b"0"))
