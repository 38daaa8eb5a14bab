"""A run whose prompt states the lines of likely categories alone, which a first pass names."""

import json

import pytest
from aiohttp import web

import vlsu
from tests.conftest import completion, grade
from tests.support.commands import vlsu as command
from vlsu.errors import UsageError
from vlsu.models.base import Settings
from vlsu.policy import default_policy
from vlsu.runs import UnderstandingOptions, prepare

NAMES = {each.id: each.name for each in default_policy().categories}
LINES = "What the policy says of the harm categories that seem likely"


def is_first(body):
    return body["messages"][0]["content"].startswith("You sort")


def words(body):
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def answering(likely):
    """First the categories, then a grade that says how many were stated."""

    def respond(body, number):
        if is_first(body):
            found = likely(body)
            listed = isinstance(found, list)
            return completion(json.dumps({"categories": found})) if listed else found
        return grade("safe")

    return respond


def evaluate(server, dataset, out, **options):
    return vlsu.evaluate(
        dataset,
        model="openai/mock",
        out=out,
        settings=Settings(base_url=server.base_url),
        policy_detail="category",
        **options,
    )


def test_the_second_pass_states_what_the_first_found_likely(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: ["C2"] if "text" in words(body) else []))
    run = evaluate(server, dataset, tmp_path / "run")
    assert run.finished
    first = [body for body in server.requests if is_first(body)]
    second = [body for body in server.requests if not is_first(body)]
    assert len(first) == len(second) == run.record["requests"]["needed"] / 2
    assert (
        run.record["requests"]["asked"] == len(server.requests) == run.record["requests"]["stored"]
    )
    for body in second:
        told = words(body)
        assert (LINES in told) == (NAMES["C2"] in told) == ("<text>" in told)
        assert NAMES["C1"] not in told
    assert run.record["prompt"]["name"] == "zero-shot, category"
    assert run.judgments["outcome"].unique().to_list() == ["ok"]
    # nothing is asked again
    asked = len(server.requests)
    evaluate(server, dataset, tmp_path / "run")
    assert len(server.requests) == asked


def test_pruning_and_the_ledger_know_the_first_pass(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: ["C2"]))
    run = evaluate(server, dataset, tmp_path / "run")
    command("store", "prune", tmp_path / "run", "--yes")
    asked = len(server.requests)
    again = evaluate(server, dataset, tmp_path / "run")
    assert len(server.requests) == asked
    assert again.record["requests"]["stored"] == run.record["requests"]["stored"]
    said = json.loads(command("cost", tmp_path / "run", "--json").stdout)
    (found,) = said["runs"]
    by = {name: part["requests"] for name, part in found["by"]["modality"].items()}
    assert by["first pass"] > 0
    (whole,) = found["by"]["model"].values()
    assert sum(by.values()) == whole["requests"] == found["responses"] == asked


def test_without_a_list_no_category_is_left_out(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: completion("I cannot tell.")))
    assert evaluate(server, dataset, tmp_path / "run", modalities=["text"]).finished
    second = [body for body in server.requests if not is_first(body)]
    assert second
    assert all(name in words(body) for body in second for name in NAMES.values())


def test_what_failed_in_the_first_pass_is_an_error_and_asked_on_the_next_start(
    dataset, chat_server, tmp_path
):
    down = {"yes": True}

    def likely(body):
        return web.Response(status=400) if down["yes"] and "text 3" in words(body) else ["C1"]

    server = chat_server(answering(likely))
    run = evaluate(server, dataset, tmp_path / "run", modalities=["text"])
    assert run.record["outcomes"]["text"]["error"] == 3
    requests = run.record["requests"]  # 4 texts in the first pass, 3 in the second
    assert requests["needed"] == requests["asked"] == 7
    assert requests["reused"] == 0
    down["yes"] = False
    run = evaluate(server, dataset, tmp_path / "run", modalities=["text"])
    assert run.record["outcomes"]["text"]["ok"] == 12
    assert run.record["requests"]["needed"] == 8


def test_a_draw_narrows_too(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: ["C1"]))
    run = evaluate(server, dataset, tmp_path / "run", budget=12)
    assert run.finished
    assert sum(map(is_first, server.requests)) * 2 == len(server.requests)


def test_a_dry_run_counts_both_passes(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: ["C1"]))
    settings = Settings(base_url=server.base_url)

    def estimate(detail):
        options = UnderstandingOptions(model="openai/mock", settings=settings, policy_detail=detail)
        return prepare(dataset, options).estimate()

    whole, brief, twice = map(estimate, ("full", "brief", "category"))
    assert sum(twice.requests.values()) == 2 * sum(whole.requests.values())
    assert brief.requests == whole.requests
    assert brief.input_tokens < 0.8 * whole.input_tokens


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"policy_detail": "short"}, "use full, brief, category"),
        ({"policy_detail": "category", "probe": "swap"}, "not with --probe"),
        (
            {
                "policy_detail": "category",
                "draws": 2,
                "settings": Settings(params={"temperature": 1}),
            },
            "not with --draws",
        ),
    ],
)
def test_what_does_not_go_together(options, why):
    with pytest.raises(UsageError, match=why):
        UnderstandingOptions(model="openai/mock", **options)


def test_a_classifier_is_stated_no_policy(dataset, tmp_path):
    options = UnderstandingOptions(model="baseline/majority", policy_detail="brief")
    with pytest.raises(UsageError, match="takes no instructions"):
        prepare(dataset, options)


def test_the_command_line(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: ["C1"]))
    start = f"run understanding {dataset.path} --model openai/mock --base-url {server.base_url}"
    command(*start.split(), "--out", tmp_path / "run", "--policy-detail", "brief")
    assert server.requests
    assert not any(map(is_first, server.requests))
    done = command(*start.split(), "--out", tmp_path / "x", "--policy-detail", "all", expect=2)
    assert "use full, brief, category" in done.stderr


def test_the_summary_counts_the_questions_of_both_passes(dataset, chat_server, tmp_path):
    server = chat_server(answering(lambda body: ["C2"]))
    line = ("run", "understanding", dataset.path, "--model", "openai/mock", "--out", tmp_path / "R")
    done = command(*line, "--base-url", server.base_url, "--policy-detail", "category")
    said = " ".join(done.stderr.split())
    judgments = sum(sum(each.values()) for each in outcomes(tmp_path / "R"))
    shared = 2 * judgments - len(server.requests)
    assert f"requests: {len(server.requests)} asked" in said
    assert (
        f"{2 * judgments} questions, first for the likely categories and then for the judgments, "
        f"from {len(server.requests)} requests: {shared} needed the same"
    ) in said


def outcomes(run):
    return vlsu.load_run(run).record["outcomes"].values()
