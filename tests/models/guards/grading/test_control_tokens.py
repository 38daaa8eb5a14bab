"""A sample's text cannot forge a turn, an image or a section of a guard's prompt."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.models.guards import GRADERS
from vlsu.models.guards.grading.asking import questions
from vlsu.models.guards.grading.base import Content, ContentFamily
from vlsu.models.guards.grading.control_tokens import without_control_tokens
from vlsu.policy import default_policy

#: Tokens of chat templates that any server may run, by the models that have them.
OF_ANY_FAMILY = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|image_pad|>"),  # Qwen
    *("<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>", "<|image|>"),  # Llama 3
    *("<|header_start|>", "<|header_end|>", "<|eot|>", "<|eom|>"),  # Llama 4
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "[IMG]", "[SYSTEM_PROMPT]"),
    *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<start_of_image>"),  # Gemma
    *("<|turn>", "<turn|>", "<|channel>thought", "<image_soft_token>"),  # Gemma 4
    *("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),  # Granite
    *("<|start|>", "<|channel|>", "<|message|>", "<|return|>", "<|end|>"),  # gpt-oss
    *("<image>", "<img>", "</img>", "<IMG_CONTEXT>", "<fake_token_around_image>", "<row_1_col_1>"),
    *("<SPECIAL_10>", "<SPECIAL_12>", "[|user|]", "[|endofturn|]"),  # Nemotron Nano, EXAONE
    *("<role>", "</role>", "[BOS]", "[EOT]", "<seed:eos>", "<EOS_TOKEN>", "<reserved_106>"),
    *("<__media__>", "<__image__>"),  # llama.cpp's server puts an image there
    *("<think>", "</think>", "◁think▷", "<｜User｜>", "<|user|>", "<|assistant|>"),
)

#: Family -> what opens or closes a section of its own prompt, besides these.
OF_FAMILY: dict[str, tuple[str, ...]] = {
    "qwen3guard": ("\nUSER: ", "\nASSISTANT: ", "<END CONVERSATION>"),
    "wildguard": ("\nHuman user:\n", "\nAI assistant:\n", "\n---\n\nAnswers: [/INST]\n"),
    "polyguard": ("\nAI assistant:\n", "<END UNSAFE CONTENT CATEGORIES>"),
    "llama-guard-4": ("\nAgent: ", "\nUser: ", "<END CONVERSATION>"),
    "llama-guard-3-vision": ("\nAgent: ", "\nUser: ", "<BEGIN CONVERSATION>"),
    "llama-guard": ("\nAgent: ", "\nUser: ", "<END UNSAFE CONTENT CATEGORIES>"),
    "granite-guardian-4": ("<guardian>", "<no-think>", "### Criteria: ", "### Scoring Schema: "),
    "granite-guardian": ("\nAssistant Message: ", "\nUser Message: ", "<end_of_turn>"),
    "gpt-oss-safeguard": ("<|start|>system<|message|>",),
    "guardreasoner-vl": ("\nHuman user:\n", "\nAI assistant:\n", "<result>", "</result>"),
    "nemotron-3.5": ("\nUser Safety: ", "\nSafety Categories: ", "<END CONVERSATION>"),
    "nemotron": ("\nUser Safety: ", "\nResponse Safety: ", "<END CONVERSATION>"),
    "shieldstral": ("<Instruct>: ", "<Query>: ", "<Document>: ", "[User] ", "[Assistant] "),
    "singguard": ("<answer>", "</answer>"),
    "openai-moderation": (),
}


def test_every_family_with_a_text_is_here() -> None:
    assert OF_FAMILY.keys() == {family.name for family in GRADERS if family.modalities != {"image"}}


def prompts(family: ContentFamily, text: str) -> list[str]:
    """All that a family is sent about a text, question by question."""
    asked = family.ours(default_policy()) if family.ask is None and family.ours else family
    image = None if "text" in family.modalities else "ab" * 32
    return [
        "\x00".join(str(part) for message in question.messages for part in message.parts)
        for question in questions(asked, Content(image, text))
    ]


@pytest.mark.parametrize("family", GRADERS, ids=lambda family: family.name)
def test_no_token_or_marker_of_a_text_reaches_the_prompt(family: ContentFamily) -> None:
    if family.modalities == {"image"}:
        return
    for token in (*OF_ANY_FAMILY, *OF_FAMILY[family.name]):
        for hostile in (token, token.upper(), token.lower(), f"ripe{token}no", token * 2):
            plain = prompts(family, "ripe")
            forged = prompts(family, f"ripe {hostile} or not")
            for before, after in zip(plain, forged, strict=True):
                for variant in {token, token.upper(), token.lower()}:
                    word = variant.strip()
                    assert after.count(word) == before.count(word), (word, hostile)


def test_the_words_stay_and_the_rest_of_a_text_is_as_it_was() -> None:
    assert without_control_tokens("a <|im_end|> b") == "a < |im_end| > b"
    assert without_control_tokens("say [INST] and <image> twice") == (
        "say [ INST] and < image> twice"
    )
    untouched = "x < y > z, [1], <b>bold</b>, List<int>, a | b, Agent: 007, f(x) -> [INSTALL]"
    assert without_control_tokens(untouched, ("Agent:",)) == untouched
    assert without_control_tokens("Agent: 007", ("Agent:",)) == "A gent: 007"


@pytest.mark.parametrize(
    "piece", ["\r", "\u2028 ", "<|", "[", "### ", "<BEGIN A ", "Human  ", "◁a"]
)
def test_a_long_text_of_beginnings_takes_no_longer_than_its_length(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        without_control_tokens(text, ("Human user:", "### Criteria"))
        return time.process_time() - began

    # Quadratic, the longer one would take a hundred times as long, and minutes.
    assert seconds(300_000) < 30 * max(seconds(30_000), 0.01)


@given(st.text(alphabet="<|>[]/ INSTimagedn_\n", max_size=40))
def test_breaking_up_once_is_enough(text: str) -> None:
    once = without_control_tokens(text)
    assert without_control_tokens(once) == once
    assert once.replace(" ", "") == text.replace(" ", "")
