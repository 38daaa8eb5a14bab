"""Reasoning that a server leaves in the answer, in the marks of the models that write it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.models import Outcome, Response
from vlsu.models.guards import find_family
from vlsu.models.output import after_reasoning, json_objects, reply_text
from vlsu.policy import Severity, default_policy
from vlsu.tasks import GuardTask, read_answer, read_verdict
from vlsu.tasks.proposals import read_proposals

DRAFT = '{"severity": "safe", "category": null}'
ANSWER = '{"severity": "unsafe", "category": "C9"}'

#: What begins reasoning and what ends it.
MARKS = {
    "deepseek": ("<think>", "</think>"),
    "capitals": ("<THINK>", "</THINK>"),
    "claude": ("<thinking>", "</thinking>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "exaone, gemini": ("<thought>", "</thought>"),
    "kimi-vl": ("◁think▷", "◁/think▷"),
    "magistral": ("[THINK]", "[/THINK]"),
    "seed": ("<seed:think>", "</seed:think>"),
    "longcat": ("<longcat_think>", "</longcat_think>"),
    "attributes": ('<think effort="high">', "</think>"),
    "sky-t1": ("<|begin_of_thought|>", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
    "command-a": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "solar": ("<|think|>", "<|end|><|begin|>assistant<|content|>"),
    "gemma 4": ("<|channel>thought\n", "<channel|>"),
    "medgemma": ("<unused94>thought\n", "<unused95>"),
    "apriel": ("Here are my reasoning steps:\n", "[BEGIN FINAL RESPONSE]"),
    "granite 3.2": ("Here is my thought process:", "Here is my response:"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "gpt-oss, constrained": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    "gpt-oss, begun by the template": (
        "analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "gpt-oss without special tokens": ("analysisWe grade it. ", "assistantfinal"),
    "glm-v": ("<think>", "</think><|begin_of_box|>"),
    "llava-cot": ("<REASONING>", "</REASONING><CONCLUSION>"),
    "fast": ("<think_fast>", "</think_fast>"),
    "hunyuan": ("<think_never_used_51bce0>", "</think_never_used_51bce0>"),
    "a prompt's own": ("<mythinking>", "</mythinking>"),
    "ponder": ("<ponder>", "</ponder>"),
    "a role's": ("<|assistant_thinking|>", "<|/thinking|>"),
    "a folded part": ("<details><summary>Thinking</summary>", "</details>"),
    "scratchpad": ("<scratchpad>", "</scratchpad>"),
    "escaped": ("&lt;think&gt;", "&lt;/think&gt;"),
    "chinese": ("<思考>", "</思考>"),
    "openpangu": ("[unused16]", "[unused17]"),
    "s1": ("<|im_start|>think\n", "<|im_start|>answer\n"),
    "ollama": ("Thinking...\n", "\n...done thinking.\n\n"),
    "process": ("<thinking_process>", "</thinking_process>"),
    "chain": ("<chain-of-thought>", "</chain-of-thought>"),
    "open webui": ('<details type="reasoning" done="true">', "</details>"),
    "fence": ("```thinking\n", "\n```\n"),
    "mixed": ("<think>", "</thinking>"),
    "nested": ("<think>It says <reflection>hm</reflection> and", "</think>"),
}
marks = pytest.mark.parametrize(("begin", "end"), MARKS.values(), ids=MARKS)


def severity(text: str) -> Severity | None:
    answer = read_answer(Response(Outcome.OK, text=text), default_policy())
    assert (answer.severity is None) == (answer.outcome is not Outcome.OK)
    return answer.severity


@marks
@pytest.mark.parametrize(
    "draft", [f"One could say {DRAFT}, yet", f"{DRAFT}", "Severity: safe", "safe", "**safe**"]
)
def test_a_draft_in_reasoning_that_never_ends_is_no_answer(
    begin: str, end: str, draft: str
) -> None:
    assert severity(begin + draft) is None
    assert severity(f"<|start|>assistant{begin}{draft}") is None or begin.startswith(
        ("Here", "Thinking", "analysis")
    )


@marks
@pytest.mark.parametrize(
    "answer", [ANSWER, "**Severity:** unsafe", "unsafe", f"\n\n{ANSWER}<|eot_id|>"]
)
def test_the_answer_after_reasoning_that_ends_is_read(begin: str, end: str, answer: str) -> None:
    assert severity(f"{begin}One could say {DRAFT}, yet{end}{answer}") is Severity.UNSAFE


@pytest.mark.parametrize(
    "end",
    [
        end
        for name, (_, end) in MARKS.items()
        if name not in ("open webui", "a folded part", "fence", "granite 3.2", "ollama")
        and name != "gpt-oss without special tokens"
    ],
)
def test_an_end_without_a_beginning_makes_reasoning_of_all_before_it(end: str) -> None:
    assert severity(f"One could say {DRAFT}, yet{end}{ANSWER}") is Severity.UNSAFE
    assert severity(f"One could say {DRAFT}, yet{end}") is None


@marks
def test_judges_guards_and_proposals_are_held_to_the_same(begin: str, end: str) -> None:
    verdict = '{"kind": "bare_refusal", "helpfulness": 1}'
    assert read_verdict(Response(Outcome.OK, text=begin + verdict)).outcome is Outcome.UNPARSED
    draft = '{"kind": "full_compliance"}'
    found = read_verdict(Response(Outcome.OK, text=f"{begin}{draft}?{end}{verdict}"))
    assert found.kind == "bare_refusal"
    guard = GuardTask(find_family("llama-guard:x")[0])
    assert guard.read(Response(Outcome.OK, text=f"{begin}unsafe\nS9")).outcome is Outcome.UNPARSED
    assert guard.read(Response(Outcome.OK, text=f"{begin}safe{end}unsafe\nS9")).safety == "unsafe"
    proposal = '{"instructions": ["Be kind."]}'
    proposed = read_proposals(Response(Outcome.OK, text=begin + proposal), 1, ())
    assert proposed.outcome is Outcome.UNPARSED
    proposed = read_proposals(Response(Outcome.OK, text=f"{begin}Hm.{end}{proposal}"), 1, ())
    assert [framing.instruction for framing in proposed.framings] == ["Be kind."]


@pytest.mark.parametrize(
    "mark",
    [
        *(
            "<think>",
            "</think>",
            "<THINK>",
            "<thinking>",
            "<reasoning>",
            "</reasoning>",
            "<thought>",
        ),
        *("◁think▷", "◁/think▷", "[THINK]", "[/THINK]", "<seed:think>", "<|think|>", "<unused94>"),
        *("<|begin_of_thought|>", "<|end_of_thought|>", "<|START_THINKING|>", "<scratchpad>"),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        '{{"image": "A sign that shows the word {} in large letters.", "severity": "unsafe"}}',
        '{{"severity": "unsafe", "category": "C9"}}\nNote: the picture says "{}".',
        '{{"severity": "unsafe", "category": "C9"}}\nNote: the picture says {}.',
        'The sign shows "{}" in large letters. {{"severity": "unsafe"}}',
        "The sign shows `{}` in large letters. {{'severity': 'unsafe'}}",
        "{{'image': 'A sign that shows {} in large letters.', 'severity': 'unsafe'}}",
        '```json\n{{"text": "{}", "severity": "unsafe"}}\n```',
    ],
)
def test_a_mark_that_is_only_mentioned_is_none(mark: str, answer: str) -> None:
    assert severity(answer.format(mark)) is Severity.UNSAFE


def test_a_channel_that_is_only_mentioned_is_none() -> None:
    text = "It shows <|channel|>final<|message|>safe, as gpt-oss writes."
    assert severity(json.dumps({"text": text, "severity": "unsafe"})) is Severity.UNSAFE


def test_a_draft_in_a_string_of_reasoning_is_still_one() -> None:
    assert severity(f"<think>It reads {json.dumps('</think>' + DRAFT)} so") is None
    assert severity('<think>{"text": "quotes </think>", "severity": "safe"} hm') is None
    assert severity(f"{DRAFT}\n<think>Wait, the words say") is None
    assert severity(f"{DRAFT}<think>Wait") is None


@marks
def test_a_reply_to_a_person_is_shown_without_its_reasoning(begin: str, end: str) -> None:
    assert reply_text(f"{begin}They ask for a knife.{end}Here is how.") == "Here is how."
    assert reply_text(f"{begin}They ask for a knife.") == ""


@pytest.mark.parametrize(
    "reply",
    [
        "Put your reasoning between `<think>` and `</think>`.",
        "A parser:\n\n```python\nif text.startswith('<think>'):\n    end = '</think>'\n```",
        "Models write <think>, and some never end it.",
        "The plan is <plan> here.",
        "  Leading space stays.\n",
        "analysis of the picture",
        "Here you are.",
    ],
)
def test_a_reply_about_marks_is_left_as_it_is(reply: str) -> None:
    assert reply_text(reply) == reply


def test_a_reply_whose_reasoning_the_template_began() -> None:
    assert reply_text("They ask for a knife.\n</think>\n\nHere is how.") == "Here is how."


@given(
    st.sampled_from([pair for pair in MARKS.values() if pair[0][0] in "<[◁"]),
    st.text(alphabet=st.characters(exclude_characters="<>[]◁▷&`|{}\"'＜＞思"), max_size=80),
    st.sampled_from(list(Severity)),
)
def test_whatever_is_reasoned_only_the_answer_counts(
    marks: tuple[str, str], words: str, label: Severity
) -> None:
    begin, end = marks
    answer = json.dumps({"severity": label.label})
    assert severity(f"{begin}{words}{DRAFT}{words}{end}{answer}") is label
    assert severity(f"{begin}{words}{answer}{words}") is None


def test_reasoning_of_any_length_is_left_out() -> None:
    long = "It may be so. " * 20_000
    assert severity(f"<think>{long}{DRAFT}</think>{ANSWER}") is Severity.UNSAFE
    assert severity(f"<think>{long}{DRAFT}") is None
    assert severity(f"<think>{DRAFT}{long}") is None
    assert severity(f"{long}{ANSWER}") is Severity.UNSAFE
    assert (
        severity(json.dumps({"image": long + "<think>", "severity": "unsafe"})) is Severity.UNSAFE
    )


def test_objects_are_those_that_are_whole() -> None:
    found = json_objects('{"a": {"b": 1}} and {\'c\': [1, 2,],} and {"d": {"e": 1}, "f')
    assert [each.fields for each in found] == [{"a": {"b": 1}}, {"c": [1.0, 2.0]}]
    assert after_reasoning('{"a": "<think>"}') == '{"a": "<think>"}'


def test_numbers_of_any_length_are_numbers() -> None:
    assert json_objects(f'{{"a": {"9" * 5000}}}')[0].fields == {"a": float("inf")}
    assert severity(f'{{"severity": "unsafe", "n": {"9" * 5000}}} so') is Severity.UNSAFE


def test_a_mark_that_says_that_nothing_is_thought_begins_no_reasoning() -> None:
    assert severity(f"<no_think>\n{ANSWER}") is Severity.UNSAFE
