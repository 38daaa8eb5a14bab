"""Completions of the usual shape are read by a fast path, to what the way of all others gives."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_cases import json_values
from vlsu.models import Outcome
from vlsu.models.formats.completion_answers import read_completion

USUAL = {
    "id": "chatcmpl-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '{"severity": "safe"}', "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {
        "prompt_tokens": 1200,
        "completion_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}
#: Where each field is whose value decides something.
FIELDS = [
    ("choices",),
    ("choices", 0),
    *(("choices", 0, name) for name in ("index", "message", "finish_reason", "logprobs")),
    *(("choices", 0, name) for name in ("error", "native_finish_reason")),
    *(("choices", 0, "message", name) for name in ("content", "refusal")),
    *(("choices", 0, "message", name) for name in ("reasoning_content", "reasoning")),
    ("usage",),
    *(("usage", name) for name in ("prompt_tokens", "completion_tokens")),
    *(("usage", name) for name in ("prompt_cache_hit_tokens", "prompt_tokens_details")),
    ("usage", "completion_tokens_details"),
    *(("usage", "prompt_tokens_details", n) for n in ("cached_tokens", "cache_write_tokens")),
    ("usage", "completion_tokens_details", "reasoning_tokens"),
    ("base_resp",),
    ("error",),
]
VALUES = (
    json_values()
    | st.sampled_from(["stop", "STOP", "length", "content_filter", "", " \n", "12", 12.0, -1])
    | st.sampled_from([True, False, 10**9, 10**9 + 1, 0, {}, [], None, {"status_code": 1026}])
    | st.builds(lambda text: {"role": "assistant", "content": text}, st.text())
    | st.just({"content": [{"token": '{"severity": "safe"}', "logprob": -0.1}]})
)


def read_the_long_way(tree):
    """A field with which no answer is another turns off the fast path."""
    return read_completion({**tree, "amazon-bedrock-guardrailAction": "NONE"})


def test_the_fast_path_reads_all_there_is():
    response = read_completion(USUAL)
    assert response == read_the_long_way(USUAL)
    assert (response.outcome, response.text) == (Outcome.OK, '{"severity": "safe"}')
    counts = (response.input_tokens, response.output_tokens, response.cached_tokens)
    assert counts == (1200, 14, 1024)
    assert (response.cache_write_tokens, response.reasoning_tokens) == (3, 5)


@given(st.lists(st.tuples(st.sampled_from(FIELDS), VALUES | st.just(...)), max_size=4))
def test_both_ways_read_the_same_whatever_a_body_holds(changes):
    tree = copy.deepcopy(USUAL)
    for (*way, last), value in changes:
        place: Any = tree
        for name in way:
            known = isinstance(place, dict | list) and name in (
                place if isinstance(place, dict) else range(len(place))
            )
            place = place[name] if known else None
        if isinstance(place, dict) and value is ...:
            place.pop(last, None)
        elif isinstance(place, dict):
            place[last] = value
        elif isinstance(place, list) and value is not ...:
            place[last : last + 1] = [value]
    tree = json.loads(json.dumps(tree))
    assert read_completion(tree) == read_the_long_way(tree)
