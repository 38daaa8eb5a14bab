"""Bodies that are no strict JSON: what is sound of them is read, stored, and read again."""

import json
import math
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import completion
from tests.support.fault_server import FaultServer, ask_and_judge, reply, text_dataset
from vlsu.models import Outcome
from vlsu.models.bodies.json_bodies import MAX_DEPTH, parse_json
from vlsu.models.formats.openai import ChatCompletions
from vlsu.models.formats.wire import token_count

pytestmark = pytest.mark.slow

ANSWER = '{"severity": "unsafe", "category": "C9"}'


def decode(body):
    return ChatCompletions().decode(200, body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (
            b'{"a": NaN, "b": -Infinity, "c": Infinity}',
            {"a": math.nan, "b": -math.inf, "c": math.inf},
        ),
        (b'{"a": 1e999, "b": -1e999}', {"a": math.inf, "b": -math.inf}),
        (b'{"a": 99999999999999999999}', {"a": 1e20}),
        (
            b'{"a": ' + b"9" * 5000 + b', "b": -' + b"9" * 5000 + b"}",
            {"a": math.inf, "b": -math.inf},
        ),
        (b'{"a": "x\ny"}', {"a": "x\ny"}),
        (b'{"a": 1, "a": 2, "b": NaN}', {"a": 2, "b": math.nan}),
        (
            rb'{"a": "\ud800x", "b": "\udc00", "c": "\ud83d\ude00"}',
            {"a": "�x", "b": "�", "c": "😀"},
        ),
        (rb'{"a": "\\ud800", "b": "\ud800"}', {"a": r"\ud800", "b": "�"}),
        (rb'{"a": "\ud800\ud800\udc00"}', {"a": "�𐀀"}),
        (b'{"a": "\xed\xa0\x80"}', {"a": "�"}),
        (b'{"a": "\xed\xa0\xbd\xed\xb8\x80"}', {"a": "😀"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
        ('{"a": "é"}'.encode("utf-16-le"), {"a": "é"}),
        ('{"a": "é"}'.encode("utf-32-be"), {"a": "é"}),
        (b" \r\n\t{} \n\n", {}),
    ],
)
def test_what_a_strict_reader_gives_up_is_read(body, value):
    assert repr(parse_json(body)) == repr(value)  # a NaN is not equal to itself


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1',
        b'{"a": 1} {"b": 2}',
        b"{'a': 1}",
        b'{"a": }',
        b"[" * 300_000,
        b"\x00" * 9,
        '{"a": "é"}'.encode("latin-1"),
        b'{"a": "\xff"}',
        b"data: {}\n\n",
        b'{"a": NaNa}',
    ],
)
def test_what_is_cut_off_or_no_json_is_not(body):
    assert parse_json(body) is None


def test_bytes_that_are_no_unicode_are_replaced_where_that_is_allowed():
    assert parse_json('{"a": "é"}'.encode("latin-1"), replace_invalid=True) == {"a": "�"}


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1025, 5000, 200_000])
def test_what_lies_deep_is_left_out_and_the_rest_read(levels):
    deep = b"[" * levels + b'"]"' + b"]" * levels
    body = b'{"before": "[\\"{", "deep": ' + deep + b', "after": "}\\\\"}'
    tree = parse_json(body)
    assert (tree["before"], tree["after"]) == ('["{', "}\\")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans())
def test_any_value_python_writes_is_read_as_it_is(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert repr(parse_json(text.encode("utf-8", "surrogatepass"))) == repr(json.loads(text))


@given(
    st.binary(max_size=200)
    | st.text(st.sampled_from('{}[]",:\\u0dDcCeE\n1'), max_size=200).map(str.encode)
)
def test_anything_at_all_is_a_value_or_none(body):
    parse_json(body)
    parse_json(body, replace_invalid=True)


# Counts


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (7, 7),
        (0, 0),
        (7.0, 7),
        ("7", 7),
        (-1, None),
        (7.5, None),
        (True, None),
        (None, None),
        ("seven", None),
        ("²", None),
        ("9" * 5000, None),
        (2**63, None),
        (2**62, None),
        (10**400, None),
        (1e308, None),
        (math.nan, None),
        (math.inf, None),
        ([7], None),
    ],
)
def test_a_number_of_tokens_is_a_whole_number_that_can_be_one(value, tokens):
    assert token_count(value) == tokens


# From the body to the tables


def with_usage(tokens: str) -> bytes:
    body = json.dumps(completion(ANSWER)).replace(
        '"prompt_tokens": 11', f'"prompt_tokens": {tokens}'
    )
    return body.encode()


def with_content(content: bytes) -> bytes:
    return json.dumps(completion("CONTENT")).encode().replace(b'"CONTENT"', content)


def with_logprob(logprob: str) -> bytes:
    body = completion("unsafe")
    top = [{"token": "un", "logprob": -0.1}, {"token": "safe", "logprob": "LOGPROB"}]
    steps = [{"token": "un", "bytes": None, "logprob": -0.1, "top_logprobs": top}]
    steps.append({"token": "safe", "bytes": None, "logprob": 0.0, "top_logprobs": []})
    body["choices"][0]["logprobs"] = {"content": steps}
    return json.dumps(body).replace('"LOGPROB"', logprob).encode()


WHOLE = json.dumps(completion(ANSWER)).encode()
STATED = json.dumps(ANSWER).encode()[1:-1]
#: Body -> what it is judged as.
BODIES = [
    (WHOLE, "ok"),
    (WHOLE[:-1] + b', "timings": {"rate": NaN}}', "ok"),
    (WHOLE[:-1] + b', "deep": ' + b"[" * 3000 + b"]" * 3000 + b"}", "ok"),
    (WHOLE[:-1] + b', "number": ' + b"9" * 5000 + b"}", "ok"),
    (WHOLE[:-1] + rb', "odd": "\ud800"}', "ok"),
    (WHOLE[:-1] + b', "odd": "\xe9"}', "ok"),  # Latin-1, but not in the answer
    (b"\xef\xbb\xbf" + WHOLE, "ok"),
    (WHOLE.decode().encode("utf-16"), "ok"),
    (b"[" + WHOLE + b"]", "ok"),
    *((with_usage(tokens), "ok") for tokens in ("-1", "1e3", "NaN", '"11"', "null", "[]", "0.5")),
    *((with_usage(tokens), "ok") for tokens in ("9" * 25, "9" * 5000, "1e999", str(2**63 - 1))),
    (with_content(rb'"\ud800 is half a letter\n\n' + STATED + b'"'), "ok"),
    (with_content(b'"\x01 \x7f \xc2\x85 \xe2\x80\xae\\u0000\n' + STATED + b'"'), "ok"),
    (with_content(b'"\xed\xa0\x80 ' + STATED + b'"'), "ok"),
    (with_content(rb'"\ud800"'), "unparsed"),
    (with_content(b'"\xff' + STATED + b'"'), "error"),
    *((with_logprob(number), "ok") for number in ("-Infinity", "NaN", "-1e999", "Infinity")),
    *((with_logprob(number), "ok") for number in ("null", '"-Infinity"', "9" * 400, "true")),
    (WHOLE[: len(WHOLE) // 2], "error"),
]


def test_from_the_body_to_the_store_and_the_tables_and_back(tmp_path):
    """One run over all; a second start reads its store and asks for the errors alone."""
    dataset = text_dataset(tmp_path / "dataset", len(BODIES))

    def respond(asked):
        number = int(asked.words.partition("words ")[2].split()[0])
        return reply(200, BODIES[number][0])

    with FaultServer(respond) as server:
        first = ask_and_judge(dataset, server.base_url, tmp_path / "run")
        once = len(server.asked)
        second = ask_and_judge(dataset, server.base_url, tmp_path / "run")
        again = {asked.words for asked in server.asked[once:]}
    expected = {f"s{n}": outcome for n, (_, outcome) in enumerate(BODIES)}
    assert dict(first.judgments.select("sample_id", "outcome").iter_rows()) == expected
    same = first.judgments.drop("latency_s", "answer")
    assert second.judgments.drop("latency_s", "answer").equals(same)
    assert len(again) == sum(outcome == "error" for outcome in expected.values())
    assert first.judgments.filter(pl.col("outcome") == "ok")["predicted"].unique().to_list() == [
        "unsafe"
    ]


def test_an_alternative_of_no_probability_counts_as_none():
    assert decode(with_logprob("-Infinity")).p_unsafe == 1.0
    assert decode(with_logprob("NaN")).p_unsafe == 1.0
    assert decode(with_logprob("-2.4")).p_unsafe == pytest.approx(
        math.exp(-0.1) / (math.exp(-0.1) + math.exp(-2.4))
    )


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_a_damaged_body_is_read_or_it_is_an_error_of_the_answer(seed, damages):
    """Bytes of a sound answer changed, cut out and put in anywhere."""
    random = Random(seed)
    body = bytearray(with_logprob("-Infinity"))
    for _ in range(damages):
        at = random.randrange(len(body))
        body[at : at + random.randrange(3)] = random.choice(
            [b"", b"\xff", b'"', b"{", b"]", b"\\", b"\\ud800", b"NaN", b"9" * 400, b"\x00", b","]
        )
    response = decode(bytes(body))
    assert (response.outcome is Outcome.ERROR) == (response.fault is not None)
    assert response.p_unsafe is None or 0 <= response.p_unsafe <= 1
    response.text.encode()
