"""The probability of unsafe, on token arrays made by hand."""

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import present
from vlsu.models.formats.logprobs import TokenPosition, locate_severity, unsafe_probability


def spelled(*tokens):
    return [t if isinstance(t, bytes) else t.encode() for t in tokens]


ANSWER = '{"severity": "unsafe", "category": "C9"}'


@pytest.mark.parametrize(
    ("tokens", "answer", "place"),
    [
        (
            spelled('{"', "severity", '":', ' "', "un", "safe", '", "category": "C9"}'),
            None,
            (4, b""),
        ),
        (spelled('{"severity":', ' "unsafe', '", "category": "C9"}'), None, (1, b' "')),
        (spelled('{"severity": "', "u", "n", "safe", '", "category": "C9"}'), None, (1, b"")),
        (spelled('{"severity": "unsafe", "category": "C9"}'), None, (0, b'{"severity": "')),
        (spelled("\n", '{"Severity": "', "Unsafe", '"}\n'), '{"Severity": "Unsafe"}', (2, b"")),
        # An empty token, one cut within a letter, and reasoning before the answer.
        (spelled("", "", '{"severity":"', "safe", '"}'), '{"severity":"safe"}', (3, b"")),
        (
            spelled('"é', b"\xc3", b"\xa9", '{"severity":"', "safe", '"}'),
            '{"severity":"safe"}',
            (4, b""),
        ),
        (
            spelled('<think>{"severity": "safe"}</think>', '{"severity": "', "unsafe", '"}'),
            '{"severity": "unsafe"}',
            (2, b""),
        ),
        # The last of two objects counts, as where answers are read.
        (
            spelled('{"severity": "', "safe", '"} no: {"severity": "', "unsafe", '"}'),
            '{"severity": "safe"} no: {"severity": "unsafe"}',
            (3, b""),
        ),
        # A quoted field within a reasoning field is not the field.
        (
            spelled(r'{"a": "\"severity\": \"', "safe", r'\"", "severity": "', "un", 'safe"}'),
            r'{"a": "\"severity\": \"safe\"", "severity": "unsafe"}',
            (3, b""),
        ),
        # A draft in reasoning that the server left in the answer decides nothing.
        (
            spelled('<think>{"severity": "', "safe", '"}</think>', "un", "safe"),
            '<think>{"severity": "safe"}</think>unsafe',
            (3, b""),
        ),
        (spelled("Un", "safe", "."), "Unsafe.", (0, b"")),
        (spelled("**", "safe", "**"), "**safe**", (1, b"")),
    ],
)
def test_where_the_severity_begins(tokens, answer, place):
    assert locate_severity(tokens, answer or ANSWER) == TokenPosition(*place)


@pytest.mark.parametrize(
    ("tokens", "answer"),
    [
        ([], ANSWER),
        (spelled("something", " else"), ANSWER),
        (spelled("token_id:123", "token_id:7"), '{"severity": "safe"}'),
        (spelled('{"severity": "unknown"}'), '{"severity": "unknown"}'),
        (spelled('{"severity": "unsafe-ish"}'), '{"severity": "unsafe-ish"}'),
        (spelled('{"severity": "safe"} {"severity": null}', ""), '{"severity": null}'),
        (spelled("I think it is unsafe"), "I think it is unsafe"),
        (spelled('[THINK]{"severity": "', "safe", '"}'), '[THINK]{"severity": "safe"}'),
        (spelled(""), ""),
    ],
)
def test_what_cannot_be_located_is_none(tokens, answer):
    assert locate_severity(tokens, answer) is None


def logs(**shares):
    return [(token.encode(), math.log(share)) for token, share in shares.items()]


def test_mass_is_sorted_by_the_word_it_begins_and_renormalised():
    # 0.5 + 0.1 unsafe, 0.2 safe, 0.1 borderline, 0.1 something else
    alternatives = logs(un=0.5, unsafe=0.1, safe=0.2, b=0.1, Well=0.1)
    assert unsafe_probability(alternatives) == pytest.approx(0.6 / 0.9)


def test_spaces_quotes_and_letter_case_do_not_matter():
    alternatives = [(b' "Un', math.log(0.3)), (b"UNSAFE", math.log(0.3)), (b'"safe', math.log(0.4))]
    assert unsafe_probability(alternatives) == pytest.approx(0.6)


def test_what_the_chosen_token_holds_before_the_word_is_taken_off():
    alternatives = [(b': "unsafe', math.log(0.75)), (b': "safe', math.log(0.25))]
    assert unsafe_probability(alternatives, lead=b': "') == pytest.approx(0.75)


def test_a_token_listed_twice_counts_once():
    twice = [*logs(unsafe=0.5), *logs(unsafe=0.5, safe=0.5)]
    assert unsafe_probability(twice) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "alternatives",
    [
        [],
        [(b'"', 0.0)],
        [(b" ", 0.0)],
        [(b"safety", 0.0)],
        [(b"unsafely", 0.0)],
        [(b"unsafe", -math.inf)],
        [(b"unsafe", -9999.0)],
        [(b"unsafe", math.nan)],
        [(b"\xff\xfe", 0.0)],
    ],
)
def test_no_mass_on_any_severity_is_none(alternatives):
    assert unsafe_probability(alternatives) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"un", b"unsafe", b' "safe', b"b", b"x", b"", b"\x80"]) | st.binary(),
            st.floats(),
        )
    ),
    st.binary(max_size=2),
)
def test_a_share_is_a_probability(alternatives, lead):
    share = unsafe_probability(alternatives, lead)
    assert share is None or 0 <= share <= 1


@given(st.text(), st.lists(st.integers(0, 60)), st.sampled_from(["safe", "borderline", "unsafe"]))
def test_however_the_answer_is_cut_into_tokens_the_word_is_found(before, cuts, word):
    answer = f'{{"together": {json.dumps(before)}, "severity": "{word}"}}'
    data = answer.encode()
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    tokens = [data[a:b] for a, b in itertools.pairwise(edges)]
    place = locate_severity(tokens, answer)
    rest = b"".join(tokens[present(place).token :]).removeprefix(present(place).lead)
    assert rest == f'{word}"}}'.encode()
