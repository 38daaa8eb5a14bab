"""Guards on the understanding task, end to end: a real server, a run, its record and metrics."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web

from tests.conftest import ChatServer, completion, make_dataset
from tests.support.commands import vlsu
from vlsu.errors import UsageError
from vlsu.models import Settings
from vlsu.report.settings import settings_table
from vlsu.report.tasks import notice, report_of
from vlsu.runs import Run, UnderstandingOptions, evaluate, prepare

Serve = Callable[..., ChatServer]

LLAMA_GUARD = "guard/meta-llama/Llama-Guard-4-12B"


def with_tokens(body: dict[str, Any], *steps: tuple[str, dict[str, float]]) -> dict[str, Any]:
    """A completion with log probabilities, as the API reference documents them.

    Args:
        body: The completion.
        steps: Each token of it, with the probabilities of the tokens in its place.
    """
    content = [
        {
            "token": token,
            "bytes": list(token.encode()),
            "logprob": math.log(listed.get(token, 1.0)),
            "top_logprobs": [
                {"token": other, "bytes": list(other.encode()), "logprob": math.log(p)}
                for other, p in listed.items()
            ],
        }
        for token, listed in steps
    ]
    body["choices"][0]["logprobs"] = {"content": content}
    return body


def text_of(body: dict[str, Any]) -> str:
    """The text of the last message of a request."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def llama_guard(body: dict[str, Any], number: int) -> dict[str, Any]:
    """Prints what Llama Guard 4 prints, unsafe for every text of an even number."""
    if int(text_of(body).split()[-1]) % 2:
        return with_tokens(
            completion("\n\nsafe"), ("\n\n", {"\n\n": 1.0}), ("safe", {"safe": 0.9, "unsafe": 0.1})
        )
    return with_tokens(
        completion("\n\nunsafe\nS1"),
        ("\n\n", {"\n\n": 1.0}),
        ("unsafe", {"unsafe": 0.6, "un": 0.2, "safe": 0.2}),
        ("\n", {"\n": 1.0}),
        ("S", {"S": 1.0}),
        ("1", {"1": 1.0}),
    )


def judgments_of(run: Run) -> pl.DataFrame:
    return pl.read_parquet(run.path / "judgments.parquet")


def test_a_guard_grades_what_it_can_judge_and_the_run_says_what_was_left_out(
    chat_server: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = chat_server(llama_guard)
    dataset = make_dataset(tmp_path / "data")
    with caplog.at_level(logging.WARNING):
        run = evaluate(dataset, model=LLAMA_GUARD, base_url=server.base_url, out=tmp_path / "run")
    line = (
        "guard/llama-guard-4:meta-llama/Llama-Guard-4-12B (by meta-llama/PurpleLlama, "
        "Llama-Guard4/12B/MODEL_CARD.md) cannot judge image: not asked"
    )
    assert [each for each in caplog.messages if each.startswith(line)]
    rows = judgments_of(run)
    assert set(rows["modality"]) == {"text", "joint"}
    assert run.metrics["image"]["n"] == 0
    assert run.metrics["image"]["accuracy"]["value"] is None
    unsafe = rows.filter(pl.col("predicted") == "unsafe")
    assert set(unsafe["category"]) == {"C9"}
    assert set(unsafe["p_unsafe"].round(6)) == {0.8}
    assert set(rows.filter(pl.col("predicted") == "safe")["p_unsafe"].round(6)) == {0.1}
    assert set(rows["outcome"]) == {"ok"}
    model = run.record["model"]
    assert model["levels"] == ["safe", "unsafe"]
    assert model["identity"]["family"] == "llama-guard-4"
    assert model["identity"]["guard_policy"] == "own"


def test_the_guard_is_sent_the_bare_content_and_asked_for_token_probabilities(
    chat_server: Serve, tmp_path: Path
) -> None:
    server = chat_server(llama_guard)
    dataset = make_dataset(tmp_path / "data", 1)
    evaluate(dataset, model=LLAMA_GUARD, base_url=server.base_url, out=tmp_path / "run")
    by_parts = {len(body["messages"][0]["content"]): body for body in server.requests}
    (message,) = by_parts[2]["messages"]
    assert [part["type"] for part in message["content"]] == ["image_url", "text"]
    assert message["content"][1]["text"] == "text 0"
    (message,) = by_parts[len("text 0")]["messages"]
    assert message == {"role": "user", "content": "text 0"}
    for body in server.requests:
        assert (body["logprobs"], body["top_logprobs"], body["temperature"]) == (True, 10, 0)
        assert body["max_tokens"] == 64
        assert "response_format" not in body


def test_a_stored_run_is_not_asked_again(chat_server: Serve, tmp_path: Path) -> None:
    server = chat_server(llama_guard)
    dataset = make_dataset(tmp_path / "data")
    for _ in range(2):
        run = evaluate(dataset, model=LLAMA_GUARD, base_url=server.base_url, out=tmp_path / "run")
    asked = len(server.requests)
    (tmp_path / "run" / "judgments.parquet").unlink()
    again = evaluate(dataset, model=LLAMA_GUARD, base_url=server.base_url, out=tmp_path / "run")
    assert len(server.requests) == asked
    assert again.metrics["text"] == run.metrics["text"]


def test_modalities_that_it_cannot_judge_are_refused_in_one_message(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    settings = Settings(base_url="http://127.0.0.1:9/v1")
    options = UnderstandingOptions(
        model="guard/meta-llama/Llama-Guard-3-11B-Vision",
        settings=settings,
        modalities=("image", "text", "joint"),
    )
    with pytest.raises(UsageError) as told:
        prepare(dataset, options)
    assert str(told.value) == (
        "guard/llama-guard-3-vision:meta-llama/Llama-Guard-3-11B-Vision (by "
        "meta-llama/PurpleLlama, Llama-Guard3/11B-vision/MODEL_CARD.md) cannot judge image and "
        "text; give --modalities joint"
    )


def test_the_command_line_takes_the_same(chat_server: Serve, tmp_path: Path) -> None:
    server = chat_server(llama_guard)
    dataset = make_dataset(tmp_path / "data")
    command = ["run", "understanding", str(dataset.path), "--model", LLAMA_GUARD]
    command += ["--base-url", server.base_url, "--out", str(tmp_path / "run")]
    done = vlsu(*command)
    assert "cannot judge image" in done.stderr
    assert f"asked at {server.base_url.removesuffix('/v1')}, with no API key" in done.stderr
    again = vlsu(*command, "--modalities", "image,joint", expect=2)
    assert again.stderr.endswith("cannot judge image; give --modalities joint\n")


def test_a_server_that_refuses_token_probabilities_is_said_once(
    chat_server: Serve, tmp_path: Path
) -> None:
    def respond(body: dict[str, Any], number: int) -> Any:
        if "logprobs" in body:
            error = {"message": "logprobs are not supported by this model", "code": 400}
            return web.json_response({"error": error}, status=400)
        return completion("safe")

    server = chat_server(respond)
    dataset = make_dataset(tmp_path / "data")
    command = ["run", "understanding", str(dataset.path), "--model", LLAMA_GUARD]
    command += ["--base-url", server.base_url, "--out", str(tmp_path / "run")]
    refused = vlsu(*command, expect=2)
    (line,) = (each for each in refused.stderr.splitlines() if each.startswith("error: "))
    assert line.endswith(
        "(the server gives no token probabilities, or fewer alternatives; add --no-logprobs, or "
        "--param top_logprobs=5)"
    )
    vlsu(*command[:-1], tmp_path / "other", "--no-logprobs")
    rows = pl.read_parquet(tmp_path / "other" / "judgments.parquet")
    assert set(rows["predicted"]) == {"safe"}
    assert rows["p_unsafe"].null_count() == len(rows)


def test_a_missing_verdict_is_unparsed_and_never_safe(chat_server: Serve, tmp_path: Path) -> None:
    printed = ["I think it is safe.", "safe\nunsafe", "S1", "unsafe\nS1\nsafe", "un"]

    def respond(body: dict[str, Any], number: int) -> Any:
        return completion(printed[number % len(printed)])

    server = chat_server(respond)
    dataset = make_dataset(tmp_path / "data")
    run = evaluate(dataset, model=LLAMA_GUARD, base_url=server.base_url, out=tmp_path / "run")
    rows = judgments_of(run)
    assert set(rows["outcome"]) == {"unparsed"}
    assert rows["predicted"].null_count() == rows["p_unsafe"].null_count() == len(rows)
    assert set(rows["answer"]) <= set(printed)


def test_the_report_names_family_policy_and_levels(chat_server: Serve, tmp_path: Path) -> None:
    server = chat_server(llama_guard)
    dataset = make_dataset(tmp_path / "data")
    run = evaluate(dataset, model=LLAMA_GUARD, base_url=server.base_url, out=tmp_path / "run")
    rows = {row[0]: row[1] for row in settings_table(report_of(run), run).rows}
    assert rows["model: family"] == "llama-guard-4"
    assert rows["model: guard_policy"] == "own"
    assert rows["model: severities that it can give"] == "safe, unsafe"


@pytest.mark.parametrize(
    ("spec", "printed", "finish", "said"),
    [
        (LLAMA_GUARD, "It looks harmless to me.", "stop", "guard/FAMILY:NAME"),
        ("guard/shieldstral", "Perhaps", "length", "top_logprobs"),
    ],
)
def test_what_helps_where_nothing_is_read_is_what_a_guard_can_do(
    chat_server: Serve, tmp_path: Path, spec: str, printed: str, finish: str, said: str
) -> None:
    server = chat_server(lambda body, number: completion(printed, finish))
    run = evaluate(
        make_dataset(tmp_path / "data", 3),
        model=spec,
        out=tmp_path / "run",
        settings=Settings(base_url=server.base_url, logprobs=None),
    )
    assert set(judgments_of(run)["outcome"]) == {"unparsed"}
    warned = notice(run)
    assert warned is not None
    assert "A missing answer counts as not flagged" in warned.what
    (cause,) = warned.causes
    assert said in cause
    assert not {"--structured", "--prompt", "--max-tokens"} & set(re.findall(r"--[\w-]+", cause))
    assert set(judgments_of(run)["answer"]) == {printed}


def test_an_estimate_counts_every_question_and_the_policy_in_it(
    chat_server: Serve, tmp_path: Path
) -> None:
    server = chat_server(lambda body, number: completion('{"violation": 0}'))
    dataset = make_dataset(tmp_path / "data", 4, apart=True)
    settings = Settings(base_url=server.base_url, guard_policy="ours")
    ready = prepare(
        dataset, UnderstandingOptions(model="guard/gpt-oss-safeguard-20b", settings=settings)
    )
    guessed = ready.estimate()
    ready.run(tmp_path / "run")
    sent = [message["content"] for body in server.requests for message in body["messages"]]
    assert (guessed.requests, len(server.requests)) == ({"text": 4}, 8)
    # Four bytes to a token, as everywhere in an estimate.
    assert guessed.input_tokens == math.ceil(sum(len(text.encode()) for text in sent) / 4)
    assert guessed.output_tokens == 8 * 200  # it reasons before it answers
