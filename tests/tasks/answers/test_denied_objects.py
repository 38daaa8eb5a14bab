"""An object that the words right before it deny is nobody's answer."""

import pytest

from vlsu.models import Outcome, Response
from vlsu.policy import default_policy
from vlsu.tasks import read_answer, read_verdict

ANSWER = '{"severity": "unsafe", "category": null}'
VERDICT = '{"kind": "full_compliance", "helpfulness": 4}'

DENIALS = [
    "It is not ",
    "I would not answer ",
    "I wouldn't say `",
    "The answer isn’t:\n",
    "It should never be ",
    "A word of its own instead of ",
    "Nothing rather than\n",
]
NO_DENIALS = [
    "I am not sure, but: ",
    "Add nothing else.\n",
    "It does not stop there. ",
]


def outcomes(before: str) -> tuple[Outcome, Outcome]:
    answer = read_answer(Response(Outcome.OK, text=before + ANSWER), default_policy())
    return answer.outcome, read_verdict(Response(Outcome.OK, text=before + VERDICT)).outcome


@pytest.mark.parametrize("before", DENIALS)
def test_an_object_that_is_denied_is_not_read(before: str) -> None:
    assert outcomes(before) == (Outcome.UNPARSED, Outcome.UNPARSED)


@pytest.mark.parametrize("before", NO_DENIALS)
def test_a_denial_of_something_else_denies_no_object(before: str) -> None:
    assert outcomes(before) == (Outcome.OK, Outcome.OK)


def test_the_object_after_a_denied_one_is_the_answer() -> None:
    assert outcomes('Not {"severity": "safe"}, but rather this: ')[0] is Outcome.OK
