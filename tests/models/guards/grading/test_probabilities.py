"""The probability of a word at the token that decides: which token, which alternatives."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from vlsu.models.formats.completion_answers import token_alternatives
from vlsu.models.guards.grading.base import Answer, TokenStep, TokenSteps
from vlsu.models.guards.grading.probabilities import word_probabilities, word_probability


def steps(*listed: tuple[str, dict[str, float]]) -> list[TokenStep]:
    """Tokens, each with the probabilities of the tokens in its place."""
    return [
        TokenStep(token.encode(), tuple((w.encode(), math.log(p)) for w, p in others.items()))
        for token, others in listed
    ]


def steps_of(tree: Mapping[str, object]) -> list[TokenStep]:
    """The tokens of a body, with all their alternatives."""
    return list(TokenSteps(*token_alternatives(tree)))


def test_a_word_of_one_token_and_its_beginnings_count_together() -> None:
    tokens = steps(
        ("un", {"un": 0.4, "unsafe": 0.2, "safe": 0.1, "The": 0.3}), ("safe", {"safe": 1})
    )
    assert word_probability(Answer("unsafe", tokens), "unsafe", ("safe",)) == pytest.approx(
        0.6 / 0.7
    )


def test_spaces_line_ends_marks_and_special_tokens_before_the_word_are_passed() -> None:
    split = steps(
        ("<|assistant|>", {}),
        ("\n\n", {"\n\n": 0.9, "safe": 0.1}),
        ("safe", {"safe": 0.7, " unsafe": 0.2, "\n": 0.1}),
        ("<|eot_id|>", {}),
    )
    assert word_probability(Answer("\n\nsafe", split), "unsafe", ("safe",)) == pytest.approx(2 / 9)
    joined = steps(("\n\nunsafe", {"\n\nunsafe": 0.6, "\n\nsafe": 0.2, "safe": 0.2}))
    assert word_probability(Answer("\n\nunsafe", joined), "unsafe", ("safe",)) == pytest.approx(0.6)


def test_the_word_is_looked_for_after_the_last_marker_and_after_reasoning() -> None:
    tokens = steps(
        ("<think>", {}),
        ("<score>", {}),
        ("yes", {"yes": 0.5, "no": 0.5}),
        ("</think>", {}),
        ("\n<score>", {}),
        (" no", {" no": 0.75, " yes": 0.25}),
        ("</score>", {}),
    )
    text = "<think><score>yes</think>\n<score> no</score>"
    found = word_probability(Answer(text, tokens), "yes", ("no",), after="<score>")
    assert found == pytest.approx(0.25)


def test_three_words_share_one() -> None:
    tokens = steps(
        ("Safety", {}),
        (":", {}),
        (" Contro", {" Contro": 0.5, " Safe": 0.25, " Unsafe": 0.25}),
        ("versial", {}),
    )
    found = word_probabilities(
        Answer("Safety: Controversial", tokens), ("unsafe", "safe", "controversial"), "Safety:"
    )
    assert found == pytest.approx({"unsafe": 0.25, "safe": 0.25, "controversial": 0.5})


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("safe", []),  # the server gave none
        ("safe", steps(("safe", {"safe": 0.9}))),  # and no alternatives: nothing on the other word
        ("safe", steps(("unsafe", {"unsafe": 0.9, "safe": 0.1}))),  # tokens of another text
        ("The text is safe", steps(("The", {"The": 0.9, "safe": 0.1}), (" text is safe", {}))),
        ("safe", steps(("safe", {"yes": 0.5, "no": 0.5}))),
        ("<think>safe", steps(("<think>", {}), ("safe", {"safe": 0.9, "unsafe": 0.1}))),
    ],
)
def test_where_nothing_is_known_there_is_no_probability(text: str, tokens: list[TokenStep]) -> None:
    assert word_probability(Answer(text, tokens), "unsafe", ("safe",)) is None


def test_a_token_that_begins_two_words_is_no_evidence_of_either() -> None:
    tokens = steps(("no", {"no": 0.4, "n": 0.2, "yes": 0.4}))
    found = word_probabilities(Answer("no", tokens), ("no", "never", "yes"))
    assert found == pytest.approx({"no": 0.5, "never": 0.0, "yes": 0.5})


def test_chat_completions_and_completions_list_tokens_in_their_own_ways() -> None:
    chat = {
        "choices": [
            {
                "logprobs": {
                    "content": [
                        {
                            "token": "yes",
                            "bytes": [121, 101, 115],
                            "logprob": -0.5,
                            "top_logprobs": [{"token": "no", "bytes": None, "logprob": -1.5}],
                        }
                    ]
                }
            }
        ]
    }
    assert steps_of(chat) == [(b"yes", ((b"yes", -0.5), (b"no", -1.5)))]
    plain = {
        "choices": [
            {
                "text": " yes",
                "logprobs": {
                    "tokens": ["\u2581yes", "<0x0A>"],
                    "token_logprobs": [-0.5, None],
                    "top_logprobs": [{"\u2581yes": -0.5, "\u2581no": -1.5}, None],
                    "text_offset": [0, 4],
                },
            }
        ]
    }
    assert steps_of(plain) == [(b" yes", ((b" yes", -0.5), (b" no", -1.5))), (b"\n", ())]


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"choices": []},
        {"choices": [{"logprobs": None}]},
        {"choices": [{"logprobs": {"tokens": ["a"], "token_logprobs": None}}]},
        {"choices": [{"logprobs": {"tokens": [1], "top_logprobs": [[]]}}]},
        {"choices": [{"logprobs": {"content": [None, {"token": "a", "logprob": "x"}]}}]},
    ],
)
def test_bodies_of_another_shape_have_no_alternatives(tree: dict[str, object]) -> None:
    assert all(alternatives == () for _, alternatives in steps_of(tree))


def test_what_are_no_logarithms_of_probabilities_are_none() -> None:
    logits = [TokenStep(b"safe", ((b"safe", 23.5), (b"unsafe", 21.0)))]
    assert word_probability(Answer("safe", logits), "unsafe", ("safe",)) is None
    rounded = [TokenStep(b"safe", ((b"safe", 1e-6), (b"unsafe", -30.0)))]
    assert word_probability(Answer("safe", rounded), "unsafe", ("safe",)) == pytest.approx(
        0, abs=1e-9
    )
