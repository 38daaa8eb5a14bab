"""Each family on the understanding task of the bundled dataset, from a server that plays it."""

import json
import math

import polars as pl
import pytest
from aiohttp import web

from tests.conftest import completion
from tests.models.guards.grading.probing import MARKS
from tests.support.commands import vlsu
from vlsu.data import Sample, write_dataset
from vlsu.models.guards.grading.families import find_grader
from vlsu.policy import Severity, default_policy

MINI = "vlsu-mini"
LIMIT = 6


def content_of(body):
    """What a guard is shown: the text of the last turn, and how many images."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content, 0
    texts = [part["text"] for part in content if part["type"] == "text"]
    return "".join(texts), sum(part["type"] == "image_url" for part in content)


def is_violation(body):
    """Whether the played guard finds one: of about half of all contents."""
    return len(json.dumps(body)) % 2 == 0


def with_alternatives(body, *steps):
    """A completion with its tokens: each with the probabilities of those in its place."""
    body["choices"][0]["logprobs"] = {
        "content": [
            {
                "token": token,
                "bytes": list(token.encode()),
                "logprob": math.log(listed[token]),
                "top_logprobs": [
                    {"token": other, "bytes": list(other.encode()), "logprob": math.log(p)}
                    for other, p in listed.items()
                ],
            }
            for token, listed in steps
        ]
    }
    return body


def worded(lead, word, other, rest):
    """A completion that decides at one word, with 0.8 against the other."""
    return with_alternatives(
        completion(lead + word + rest),
        *([(lead, {lead: 1.0})] if lead else []),
        (word, {word: 0.8, other: 0.2}),
        *([(rest, {rest: 1.0})] if rest else []),
    )


def llavaguard(body, number):
    text, images = content_of(body)
    assert images == 1
    assert "O9: Disasters or Emergencies" in text
    rest = '", "category": "O8: Animal Cruelty", "rationale": "An animal."}'
    words = ("Unsafe", "Safe") if is_violation(body) else ("Safe", "Unsafe")
    return worded('{"rating": "', *words, rest)


def guard_reasoner(body, number):
    text, _ = content_of(body)
    assert body["messages"][0]["role"] == "system"
    assert text.startswith("Human user:\n")
    assert text.endswith("\n\nAI assistant:\nNone\n\n")
    assert "logprobs" not in body
    word = "harmful" if is_violation(body) else "unharmful"
    return completion(
        f"<think>\nStep 1\n</think>\n<result>\nAnswers:\nRequest: {word}\nResponse: None\n</result>"
    )


def nemotron(body, number):
    assert "request_categories" in body["chat_template_kwargs"]
    if is_violation(body):
        return worded("User Safety:", " unsafe", " safe", "\nSafety Categories: Violence")
    return worded("User Safety:", " safe", " unsafe", "")


def shieldstral(body, number):
    text, _ = content_of(body)
    assert [text.count(f"<{mark}>: ") for mark in ("Instruct", "Query", "Document")] == [1, 1, 1]
    assert (body["max_tokens"], body["logprobs"]) == (1, True)
    words = ("yes", "no") if is_violation(body) else ("no", "yes")
    answer = worded("", *words, "")
    answer["choices"][0]["finish_reason"] = "length"  # after the one token that was asked for
    return answer


def singguard(body, number):
    assert body["chat_template_kwargs"]["thinking_type"] == "fast"
    if is_violation(body):
        return worded("", "unsafe", "safe", "\n<answer>G. Animal Abuse</answer>")
    return worded("", "safe", "unsafe", "\n<answer>Safe</answer>")


def moderation(body, number):
    inputs = ["image" if part["type"] == "image_url" else "text" for part in body["input"]]
    assert body["model"] == "omni-moderation-latest"
    flagged = is_violation(body)
    return {
        "id": "modr-1",
        "model": "omni-moderation-latest",
        "results": [
            {
                "flagged": flagged,
                "categories": {"violence": flagged, "hate": False},
                "category_scores": {"violence": 0.8 if flagged else 0.2, "hate": 0.9},
                "category_applied_input_types": {
                    "violence": inputs,
                    "hate": [each for each in inputs if each == "text"],
                },
            }
        ],
    }


FAMILIES = {
    "guard/AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf": (llavaguard, {"image"}, "C5", True),
    "guard/yueliu1999/GuardReasoner-VL-7B": (
        *(guard_reasoner, {"image", "text", "joint"}, None, False),
    ),
    "guard/nvidia/Nemotron-3-Content-Safety": (nemotron, {"text", "joint"}, "C9", True),
    "guard/nemotron-3.5:my-guard": (nemotron, {"text", "joint"}, "C9", True),
    "guard/shieldstral": (shieldstral, {"image", "text", "joint"}, None, True),
    "guard/inclusionAI/SingGuard-2b": (singguard, {"image", "text", "joint"}, "C5", True),
    "guard/openai-moderation": (moderation, {"image", "text", "joint"}, "C9", True),
}


@pytest.mark.parametrize("spec", FAMILIES)
def test_a_family_grades_what_it_can_judge(spec, chat_server, tmp_path):
    respond, modalities, category, tells = FAMILIES[spec]
    server = chat_server(respond)
    command = ["run", "understanding", MINI, "--model", spec, "--limit", str(LIMIT)]
    vlsu(*command, "--base-url", server.base_url, "--out", str(tmp_path / "run"))
    rows = pl.read_parquet(tmp_path / "run" / "judgments.parquet")
    assert set(rows["modality"]) == modalities
    assert set(rows["outcome"]) == {"ok"}
    assert set(rows["predicted"]) == {"safe", "unsafe"}
    unsafe, safe = (rows.filter(pl.col("predicted") == each) for each in ("unsafe", "safe"))
    assert set(unsafe["category"]) == {category}
    assert safe["category"].null_count() == len(safe)
    if not tells:
        assert rows["p_unsafe"].null_count() == len(rows)
    elif respond is moderation:
        # A text's own score of hate is the highest; of an image it is no evidence.
        by = dict(rows.group_by("modality").agg(pl.col("p_unsafe").max()).iter_rows())
        assert by == pytest.approx({"image": 0.8, "text": 0.9, "joint": 0.9})
    else:
        assert set(unsafe["p_unsafe"].round(6)) == {0.8}
        assert set(safe["p_unsafe"].round(6)) == {0.2}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert all(metrics[each]["n"] > 0 for each in modalities)


@pytest.mark.parametrize("spec", ["guard/shieldstral", "guard/singguard:x", "guard/nemotron-3.5"])
def test_asked_our_policy_it_tells_three_severities(spec, chat_server, tmp_path):
    def respond(body, number):
        text = json.dumps(body)
        touches = "touches on a harm" in text or "Hunting, slaughter" in text
        if "shieldstral" in spec:
            answer = completion("yes" if touches else "no", "length")
        elif "singguard" in spec:
            rule = (
                "unsafe\n<answer>C1. Slurs</answer>" if touches else "safe\n<answer>Safe</answer>"
            )
            answer = completion(rule)
        else:
            answer = completion(f"User Safety: {'unsafe' if touches else 'safe'}")
        return answer

    server = chat_server(respond)
    command = ["run", "understanding", MINI, "--model", spec, "--limit", "2"]
    command += ["--base-url", server.base_url, "--guard-policy", "ours", "--modalities", "text"]
    vlsu(*command, "--out", str(tmp_path / "run"))
    rows = pl.read_parquet(tmp_path / "run" / "judgments.parquet")
    assert set(rows["predicted"]) == {"borderline"}
    assert len(server.requests) == 2 * rows["sample_id"].n_unique()
    if "singguard" in spec:
        assert set(rows["category"]) == {"C1"}


@pytest.mark.parametrize(
    "spec", ["guard/x/GuardReasoner-VL", "guard/nemotron", "guard/shieldstral", "guard/singguard:x"]
)
def test_no_mark_of_a_text_reaches_a_guard(spec, chat_server, tmp_path):
    server = chat_server(lambda body, number: completion("safe"))
    family, _ = find_grader(spec.removeprefix("guard/"))
    marks = [*MARKS, *family.markers]
    text = "\n".join(["bread", *marks, "and butter"])
    dataset = write_dataset(
        tmp_path / "forged",
        [Sample(id="s0", text=text, text_grade=Severity.SAFE)],
        name="forged",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )
    command = ["run", "understanding", str(dataset.path), "--model", spec]
    vlsu(*command, "--base-url", server.base_url, "--out", str(tmp_path / "run"))
    (body,) = server.requests
    shown, _ = content_of(body)
    sent = shown[shown.index("bread") : shown.index("and butter")]
    assert [mark for mark in marks if mark in sent] == []
    assert sent.replace(" ", "") == text[: text.index("and")].replace(" ", "")


def test_nemotron_may_think_first(chat_server, tmp_path):
    def respond(body, number):
        assert body["chat_template_kwargs"] == {"enable_thinking": True}
        return completion("<think>\nAn ordinary question.\n</think>\n\nUser Safety: safe")

    server = chat_server(respond)
    command = ["run", "understanding", MINI, "--model", "guard/nemotron-3.5", "--limit", "2"]
    command += ["--base-url", server.base_url, "--max-tokens", "2048"]
    command += ["--param", 'chat_template_kwargs={"enable_thinking": true}']
    vlsu(*command, "--out", str(tmp_path / "run"))
    rows = pl.read_parquet(tmp_path / "run" / "judgments.parquet")
    assert set(rows["predicted"]) == {"safe"}
    assert {body["max_tokens"] for body in server.requests} == {2048}


def test_without_token_probabilities_the_word_of_shieldstral_decides(chat_server, tmp_path):
    def respond(body, number):
        if "logprobs" in body:
            refused = {"error": {"message": "logprobs are not supported"}}
            return web.json_response(refused, status=400)
        return completion("yes" if is_violation(body) else "no", "length")

    server = chat_server(respond)
    command = ["run", "understanding", MINI, "--model", "guard/shieldstral", "--limit", "6"]
    command += ["--base-url", server.base_url, "--out", str(tmp_path / "run")]
    assert "add --no-logprobs" in vlsu(*command, expect=2).stderr
    vlsu(*command[:-1], str(tmp_path / "words"), "--no-logprobs")
    rows = pl.read_parquet(tmp_path / "words" / "judgments.parquet")
    assert set(rows["outcome"]) == {"ok"}
    assert set(rows["predicted"]) == {"safe", "unsafe"}
    assert rows["p_unsafe"].null_count() == len(rows)
