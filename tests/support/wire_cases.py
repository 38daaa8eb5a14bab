"""What the tests of the wire formats share."""

import json

from hypothesis import strategies as st

from vlsu.models import Outcome

STATUSES = (
    100,
    200,
    202,
    204,
    246,
    301,
    400,
    401,
    402,
    403,
    404,
    413,
    418,
    422,
    429,
    500,
    503,
    529,
    599,
)

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["²", "429", '{"severity": "unsafe"}', "error"])
)


def json_values():
    """Any JSON, small."""
    return st.recursive(
        _SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=6,
    )


def check_decode_is_total(wire, tree):
    """`decode` answers anything at all: with a text, or with something that is not `OK`."""
    whole = json.dumps(tree).encode()
    for status in STATUSES:
        for body in (whole, whole[:-1], b"\xff" + whole, b""):
            response = wire.decode(status, body)
            assert response.outcome is not Outcome.OK or (
                status in (200, 202, 246) and response.text.strip()
            )
            assert (response.outcome is Outcome.ERROR) == (response.fault is not None)
            assert response.p_unsafe is None or 0 <= response.p_unsafe <= 1
            for tokens in (response.input_tokens, response.output_tokens):
                assert tokens is None or tokens >= 0
