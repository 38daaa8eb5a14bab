"""Guards that a file describes: what they are asked, how they are read, what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import completion, make_dataset
from tests.models.guards.grading.test_runs import Serve, text_of, with_tokens
from tests.support.commands import vlsu
from vlsu.errors import UsageError
from vlsu.models import Settings, open_model
from vlsu.models.base import ImagePart, Message
from vlsu.models.guards.grading.asking import questions
from vlsu.models.guards.grading.base import Answer, Content, ContentVerdict, TokenStep
from vlsu.models.guards.grading.custom import CustomGuard, load_guard
from vlsu.policy import Severity, default_policy
from vlsu.runs import load_run

HOUSE = """
name: house-guard
model: acme/guard-7b
modalities: [text, joint]
messages:
  - {role: system, text: "You classify posts for a {shop}."}
  - {role: user, text: "Post: {text}\\n\\nAnswer with ok, unclear or bad."}
labels: {ok: safe, unclear: borderline, bad: unsafe}
pattern: 'verdict: (?P<label>\\w+)(?: \\((?P<category>[\\w ]+)\\))?'
after: "verdict:"
probabilities: true
categories: {weapons: C10}
markers: ["Post:"]
"""
SCORED = """
name: yes-no
model: acme/scorer
modalities: [image, text, joint]
prompt: "Does this break the rules? {text}"
tokens: {"yes": unsafe, "no": safe}
"""


def guard(tmp_path: Path, text: str) -> CustomGuard:
    path = tmp_path / "guard.yaml"
    path.write_text(text)
    return load_guard(path)


def test_the_content_takes_the_place_of_the_one_placeholder(tmp_path: Path) -> None:
    family = guard(tmp_path, HOUSE).family
    (question,) = questions(family, Content("ab" * 32, "Is {text} {ripe}?\nPost: no"))
    assert question.messages == (
        Message("system", ("You classify posts for a {shop}.",)),
        Message(
            "user",
            (
                ImagePart("ab" * 32),
                "Post: Is {text} {ripe}?\nP ost: no\n\nAnswer with ok, unclear or bad.",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("printed", "severity", "categories"),
    [
        ("verdict: ok", Severity.SAFE, ()),
        ("Verdict: Unclear\n", Severity.BORDERLINE, ()),
        ("<think>bad?</think>verdict: bad (weapons)", Severity.UNSAFE, ("weapons",)),
    ],
)
def test_an_output_that_matches_is_read(
    tmp_path: Path, printed: str, severity: Severity, categories: tuple[str, ...]
) -> None:
    assert guard(tmp_path, HOUSE).family.read([Answer(printed)]) == ContentVerdict(
        severity, categories
    )


@pytest.mark.parametrize(
    "printed",
    ["", "ok", "verdict: fine", "verdict: ok verdict: bad", "verdict:", "<think>verdict: ok"],
)
def test_any_other_output_is_no_verdict(tmp_path: Path, printed: str) -> None:
    assert guard(tmp_path, HOUSE).family.read([Answer(printed)]) is None


def step(token: str, **alternatives: float) -> TokenStep:
    """A token, with the probabilities of the tokens in its place."""
    listed = tuple((word.encode(), math.log(p)) for word, p in alternatives.items())
    return TokenStep(token.encode(), listed)


def test_probabilities_are_those_of_the_labels_at_the_deciding_token(tmp_path: Path) -> None:
    tokens = [
        step("verdict"),
        step(":"),
        step(" un", ok=0.2, un=0.3, bad=0.1, x=0.4),
        step("clear"),
    ]
    family, answers = guard(tmp_path, HOUSE).family, [Answer("verdict: unclear", tokens)]
    found = family.read(answers)
    assert found is not None
    assert found.severity is Severity.BORDERLINE
    assert found.p_unsafe == pytest.approx(0.1 / 0.6)
    assert family.p_not_safe is not None
    assert family.p_not_safe(answers) == pytest.approx(0.4 / 0.6)


def test_with_tokens_the_most_probable_decides_and_without_probabilities_there_is_no_verdict(
    tmp_path: Path,
) -> None:
    family = guard(tmp_path, SCORED).family
    assert (family.max_tokens, family.logprobs) == (1, True)
    # The token that was drawn is not always the most probable of those that count.
    answer = Answer("No", [step("No", No=0.3, Yes=0.35, yes=0.25)])
    found = family.read([answer])
    assert found is not None
    assert found.severity is Severity.UNSAFE
    assert found.p_unsafe == pytest.approx(0.6 / 0.9)
    assert family.read([Answer("No")]) is None


def test_a_run_with_the_file_as_its_model(chat_server: Serve, tmp_path: Path) -> None:
    def respond(body: dict[str, Any], number: int) -> dict[str, Any]:
        if "3" in text_of(body):
            return with_tokens(completion("No", "length"), ("No", {"No": 0.8, "Yes": 0.2}))
        return with_tokens(completion("Yes", "length"), ("Yes", {"Yes": 0.9, "No": 0.1}))

    server = chat_server(respond)
    path = tmp_path / "guard.yaml"
    path.write_text(f"{SCORED}base_url: {server.base_url}\n")
    dataset = make_dataset(tmp_path / "data")
    vlsu("run", "understanding", dataset.path, "--model", path, "--out", tmp_path / "run")
    assert load_run(tmp_path / "run").record["model"]["base_url"] == server.base_url
    rows = pl.read_parquet(tmp_path / "run" / "judgments.parquet")
    assert set(rows["outcome"]) == {"ok"}
    assert set(rows["modality"]) == {"image", "text", "joint"}
    by_word = {row["predicted"]: round(row["p_unsafe"], 6) for row in rows.iter_rows(named=True)}
    assert by_word == {"safe": 0.2, "unsafe": 0.9}
    assert {body["max_tokens"] for body in server.requests} == {1}
    declined = vlsu(
        *("run", "understanding", dataset.path, "--model", path, "--out", tmp_path / "other"),
        "--no-logprobs",
        expect=2,
    )
    assert "leave out --no-logprobs" in declined.stderr


def test_an_entry_of_models_yaml_names_the_file(chat_server: Serve, tmp_path: Path) -> None:
    server = chat_server(lambda body, number: completion("verdict: bad (weapons)"))
    path = tmp_path / "guard.yaml"
    path.write_text(HOUSE)
    models = tmp_path / "models.yaml"
    entry = f"{{spec: {path}, base_url: '{server.base_url}', logprobs: false}}"
    models.write_text(f"models:\n  house: {entry}\n")
    dataset = make_dataset(tmp_path / "data", 2)
    command = ("run", "understanding", dataset.path, "--models", models, "--model", "house")
    vlsu(*command, "--out", tmp_path / "run")
    rows = pl.read_parquet(tmp_path / "run" / "judgments.parquet")
    assert set(rows["modality"]) == {"text", "joint"}
    assert set(rows["category"]) == {"C10"}
    assert all("logprobs" not in body for body in server.requests)


def test_another_parser_asks_nothing_again_and_another_template_does(tmp_path: Path) -> None:
    path = tmp_path / "guard.yaml"
    settings = Settings(base_url="http://127.0.0.1:9/v1")

    def identity(text: str) -> object:
        path.write_text(text)
        return open_model(str(path), settings).grading(default_policy()).identity()  # type: ignore[attr-defined]

    first = identity(HOUSE)
    assert identity(HOUSE.replace("verdict: (", "verdict:? (")) == first
    assert identity(HOUSE.replace("weapons: C10", "weapons: C9")) == first
    assert identity(HOUSE.replace("for a", "of a")) != first
    assert identity(HOUSE.replace('["Post:"]', "[]")) != first


def test_a_finished_run_is_read_again_where_the_file_reads_outputs_otherwise(
    chat_server: Serve, tmp_path: Path
) -> None:
    server = chat_server(lambda body, number: completion("verdict: bad (weapons)"))
    path, run = tmp_path / "guard.yaml", tmp_path / "run"
    dataset = make_dataset(tmp_path / "data", 2)

    def graded(old: str, new: str) -> set[tuple[str, str | None, str | None]]:
        assert old in HOUSE
        path.write_text(HOUSE.replace(old, new))
        vlsu(
            *("run", "understanding", dataset.path, "--model", path),
            *("--base-url", server.base_url, "--out", run, "--no-logprobs"),
        )
        rows = pl.read_parquet(run / "judgments.parquet")
        return set(rows.select("outcome", "predicted", "category").iter_rows())

    assert graded("name: house-guard", "name: house-guard") == {("ok", "unsafe", "C10")}
    asked = len(server.requests)
    assert graded("weapons: C10", "weapons: C1") == {("ok", "unsafe", "C1")}
    assert graded("verdict: (", "result: (") == {("unparsed", None, None)}
    swapped = "{bad: safe, unclear: borderline, ok: unsafe}"
    assert graded("{ok: safe, unclear: borderline, bad: unsafe}", swapped) == {("ok", "safe", None)}
    assert graded("name: house-guard", "name: house-guard") == {("ok", "unsafe", "C10")}
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: house-guard\n", "", "name: expected a text; it is missing"),
        ("house-guard", "qwen3guard", "name: qwen3guard is a family of vlsu; choose another"),
        ("house-guard", "a/b", "name: expected at most 80 letters"),
        ("model: acme/guard-7b\n", "", "model: expected a text; it is missing"),
        ("[text, joint]", "[text, video]", "modalities: expected a list of image, text, joint"),
        ("[text, joint]", "[]", "modalities: expected a list of image, text, joint"),
        ("labels:", "lables:", "unknown field 'lables'; did you mean 'labels'?"),
        ("bad: unsafe", "bad: harmful", "labels.bad: expected safe, borderline or unsafe"),
        ("bad: unsafe", "bad: safe", "labels: expected at least one word for safe and one for"),
        ("unclear: b", "OK: b", "labels: expected words that differ in more than letter case"),
        ("unclear: b", "okay: b", "labels: expected words of which none begins another"),
        ("?P<label>", "?P<word>", r"pattern: expected a group \(\?P<label>...\)"),
        ("?P<label>", "?P<label", "pattern: no regular expression"),
        ("Post: {text}", "Post:", "messages: no message of the user shows {text} for"),
        ("role: user", "role: human", r"messages\[2\].role: expected system or user or assistant"),
        ("probabilities: true", "probabilities: some", "probabilities: expected true or false"),
        ("weapons: C10", "weapons: [C10]", "categories.weapons: expected a text"),
        ("after:", "tokens: {a: safe}\nafter:", "give labels or tokens, and one of the two"),
        ("after:", "prompt: hello\nafter:", "give messages or prompt, and one of the two"),
        ("after:", "max_tokens: 0\nafter:", "max_tokens: expected a whole number from 1"),
        ("after:", "wire: soap\nafter:", "wire: expected chat or completions"),
        ("after:", "wire: completions\nafter:", "wire: completions carries text alone"),
        ("after:", "params: [1]\nafter:", "params: expected a mapping"),
        ("after:", "params: {messages: []}\nafter:", "params.messages: that is what a run asks"),
        ("after:", "params: {stream: true}\nafter:", "params.stream: answers are read whole"),
    ],
)
def test_a_mistake_is_said_in_a_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HOUSE
    with pytest.raises(UsageError, match=said) as told:
        guard(tmp_path, HOUSE.replace(old, new))
    assert str(told.value).startswith(str(tmp_path / "guard.yaml"))
    assert "\n" not in str(told.value)


def test_a_category_that_the_policy_has_not_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "guard.yaml"
    for categories, said in (("weapons: C10", []), ("weapons: C99, rude: C1", ["C99"])):
        path.write_text(HOUSE.replace("weapons: C10", categories))
        model = open_model(str(path), Settings(base_url="http://127.0.0.1:9/v1"))
        caplog.clear()
        model.grading(default_policy())  # type: ignore[attr-defined]
        assert [name for name in ("C1;", "C10", "C99") if name in caplog.text] == said


def test_a_file_that_is_not_there_or_no_mapping_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        open_model(str(tmp_path / "none.yaml"))
    with pytest.raises(UsageError, match="expected a mapping"):
        guard(tmp_path, "- 1")
