"""The time that reading a server's bytes takes grows with their length, whatever they hold."""

import gc
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import completion
from vlsu._text import collapsed_line
from vlsu.models.bodies.endings import Ending, parse_finish_reason
from vlsu.models.bodies.json_bodies import parse_json
from vlsu.models.formats.anthropic import Messages
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.logprobs import locate_severity, unsafe_probability
from vlsu.models.formats.openai import ChatCompletions
from vlsu.models.guards import FAMILIES
from vlsu.models.http.redaction import Redaction

pytestmark = pytest.mark.slow

CHAT, MESSAGES, GEMINI = ChatCompletions(), Messages(), GenerateContent()
KEY = "sk-proj-0123456789abcdefghijklmnop"
#: Bytes of the shorter input; the longer is so many times as long.
SHORT, TIMES = 2**13, 16
#: What a linear reading may take for an input `TIMES` as long, in times of the shorter one's time:
#: a quadratic one takes 256. Under `FLOOR` seconds of processor time nothing is compared.
MOST, FLOOR = 5 * TIMES, 0.05


def processor_time(read, data, enough: float = 0.0) -> float:
    """The least of three readings' times, without the garbage collector's, which grows with all.

    The first that takes no more than `enough` is the last.
    """
    best = float("inf")
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            read(data)
            best = min(best, time.process_time() - began)
            if best <= enough:
                break
    finally:
        gc.enable()
    return best


def assert_linear(read, make) -> None:
    longer = processor_time(read, make(SHORT * TIMES), enough=FLOOR)
    if longer > FLOOR:
        assert longer < MOST * max(processor_time(read, make(SHORT)), FLOOR / MOST)


def spelled(tokens: list[str], answer: str) -> bytes:
    """A completion whose tokens are listed with their probabilities."""
    body = completion(answer)
    steps: list[Any] = [
        {"token": t, "logprob": -1.0, "bytes": None, "top_logprobs": []} for t in tokens
    ]
    body["choices"][0]["logprobs"] = {"content": steps}
    return json.dumps(body).encode()


def in_gemini(tokens: list[str], answer: str) -> bytes:
    chosen = [{"token": t, "logProbability": -1.0} for t in tokens]
    candidate = {
        "content": {"parts": [{"text": answer}]},
        "finishReason": "STOP",
        "logprobsResult": {"chosenCandidates": chosen, "topCandidates": []},
    }
    return json.dumps({"candidates": [candidate]}).encode()


#: Tokens and an answer, of about n characters each, that almost match in many places.
ALIGNMENTS = {
    "a beginning that never fits": lambda n: (["a"] * n, "b" + "a" * (n // 2)),
    "an end that never fits": lambda n: (["a"] * n, "a" * (n // 2) + "b"),
    "a middle that never fits": lambda n: (["a"] * n, "a" * (n // 4) + "b" + "a" * (n // 4)),
    "periodic": lambda n: (["ab" * 8] * (n // 16), "a" + "ab" * (n // 4)),
    "fields without an end": lambda n: (['"severity":'] * (n // 11), '"severity":' * (n // 11)),
    "fields and spaces": lambda n: (['"severity"' + " " * n], '"severity"' + " " * n + "x"),
    "marks": lambda n: (["*" * n], "*" * n + "safe" + "*" * n + "x"),
}


@pytest.mark.parametrize("make", ALIGNMENTS.values(), ids=ALIGNMENTS)
def test_aligning_tokens_with_an_answer(make):
    assert_linear(lambda both: locate_severity([t.encode() for t in both[0]], both[1]), make)
    assert_linear(lambda body: CHAT.decode(200, body), lambda n: spelled(*make(n)))
    assert_linear(lambda body: GEMINI.decode(200, body), lambda n: in_gemini(*make(n)))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: [(b"u" * k, -1.0) for k in range(1, int((2 * n) ** 0.5))],
        lambda n: [(b'"' * n + b"unsafe", -1.0)],
        lambda n: [(b"unsafe", -1.0)] * (n // 8),
    ],
)
def test_summing_alternatives(make):
    assert_linear(unsafe_probability, make)


#: Bodies of about n bytes.
BODIES = {
    "open arrays": lambda n: b"[" * n,
    "closed arrays": lambda n: b"[" * (n // 2) + b"]" * (n // 2),
    "open objects": lambda n: b'{"a":' * (n // 5),
    "arrays in a row, deep": lambda n: b"[" * 2000 + b"[]," * (n // 3) + b"[]" + b"]" * 2000,
    "a string without an end": lambda n: b'{"a": NaN, "b": "' + b'\\"' * (n // 2),
    "backslashes": lambda n: b'{"a": NaN, "b": "' + b"\\\\" * (n // 2) + b'"}',
    "halves of letters": lambda n: b'{"a": "' + b"\\ud800" * (n // 6) + b'"}',
    "digits": lambda n: b'{"a": ' + b"9" * n + b"}",
    "digits after the point": lambda n: b'{"a": NaN, "b": 0.' + b"9" * n + b"}",
    "an exponent": lambda n: b'{"a": NaN, "b": 1e' + b"9" * n + b"}",
    "NaNs": lambda n: b'{"a": [' + b"NaN," * (n // 4) + b"NaN]}",
    "names given twice": lambda n: b"{" + b'"a": NaN, ' * (n // 10) + b'"a": 1}',
    "bytes that are no Unicode": lambda n: b'{"a": "' + b"\xff" * n + b'"}',
    "halves of letters in UTF-8": lambda n: b'{"a": "' + b"\xed\xa0\x80" * (n // 3) + b'"}',
    "UTF-16": lambda n: ('{"a": NaN, "b": "' + "x" * n + '"}').encode("utf-16"),
    "spaces": lambda n: b" " * n,
    "tags": lambda n: b"<html>" + b"<title" * (n // 6),
    "titles": lambda n: b"<html><title>" + b"<b>" * (n // 3),
    "errors in errors": lambda n: b'{"error":' * (n // 20) + b"1" + b"}" * (n // 20),
    "raw in raw": lambda n: b'{"metadata":{"raw":' * (n // 21) + b"1" + b"}}" * (n // 21),
    "details": lambda n: b'{"detail": [' + b'{"msg": "m"},' * (n // 14) + b"{}]}",
    "JSON in texts": lambda n: b"[" + b'"{}",' * (n // 5) + b"{}]",
}
#: Words of which messages are made that almost say something.
WORDS = [
    *("violates ", "blocked ", "content ", "prompt was ", "your account ", "the moderation "),
    *("flagged safety ", "sk-", "Bearer ", "'input' ", "API key ", "no no no ", "error: ", "\n"),
    *("\x1b", "<b>", '"', "{", "\u202e", "é", "invalid ", "You did not "),
]


def message_of(words: str):
    return lambda n: json.dumps({"error": {"message": words * (n // len(words))}}).encode()


@pytest.mark.parametrize(
    "make",
    [*BODIES.values(), *map(message_of, WORDS)],
    ids=[*BODIES, *(f"message {w!r}" for w in WORDS)],
)
def test_reading_a_body(make):
    assert_linear(parse_json, make)
    for wire in (CHAT, MESSAGES, GEMINI):
        for status in (200, 400, 403):
            assert_linear(lambda body, w=wire, s=status: w.decode(s, body), make)
    redaction = Redaction([KEY])
    assert_linear(redaction.bytes, make)


@pytest.mark.parametrize(
    "form",
    [
        b"\\",
        b"\\u0073",
        b"%73",
        b"%",
        b"&#",
        b"&#0",
        b"&#x",
        KEY[:-1].encode(),
        b"sk-proj-0123",
        b"s",
    ],
)
def test_looking_for_a_key(form):
    redaction = Redaction([KEY, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"])
    assert_linear(redaction.bytes, lambda n: b"\\u0041" + form * (n // len(form)))
    assert_linear(redaction.bytes, lambda n: b"\\u0041" + b"a" * n)


#: What a guard may print.
PRINTED = [
    *("a", " ", "\n", ":", "Safety", "Safety: ", "unsafe\n", "unsafe ", "S1,", "S", "1", ", "),
    *("<score>", "<score> yes ", "yes <confidence> ", "Harmful request: yes\n", "\t", "\x85"),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_reading_a_guard(family):
    for first in ("", "unsafe\n", "Safety: Safe\n", "<score>", "yes <confidence> ", "a"):
        for piece in PRINTED:
            for last in ("", "x", ":", "</score>"):
                parts = (first, piece, last)
                assert_linear(family.read, lambda n, p=parts: p[0] + p[1] * (n // len(p[1])) + p[2])


@settings(max_examples=60)
@given(
    st.text(st.sampled_from("ab\"\\{}[]:, \n*'s<>/&#%u0"), min_size=1, max_size=8),
    st.text(st.sampled_from("ab\"\\{}[]:, \n*'s<>/&#%u0"), max_size=8),
    st.sampled_from(["", "unsafe", '{"error": "', '{"choices": [{"message": {"content": "']),
)
def test_reading_any_text_over_and_over(piece, last, first):
    def make(n):
        return first + piece * (n // len(piece)) + last

    assert_linear(lambda text: CHAT.decode(403, text.encode()), make)
    assert_linear(lambda text: CHAT.decode(200, text.encode()), make)
    assert_linear(lambda text: locate_severity([text.encode()], text[: len(text) // 2]), make)
    assert_linear(Redaction([KEY]).bytes, lambda n: make(n).encode())
    assert_linear(lambda text: parse_finish_reason(text, missing=Ending.UNKNOWN), make)
    assert_linear(collapsed_line, make)
    for family in FAMILIES:
        assert_linear(family.read, make)
