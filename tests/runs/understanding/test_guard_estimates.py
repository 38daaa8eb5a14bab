"""Dry runs of guards: what their own questions come to, of which a task knows nothing."""

import pytest

from vlsu.models import Settings
from vlsu.policy import default_policy
from vlsu.runs import UnderstandingOptions
from vlsu.runs.understanding.evaluation import prepare

URL = "http://127.0.0.1:9/v1"


def estimate(guard_policy, model="guard/shieldstral", **options):
    settings = Settings(base_url=URL, guard_policy=guard_policy)
    given = UnderstandingOptions(model=model, settings=settings, modalities=["text"], **options)
    return prepare("vlsu-mini", given).estimate()


def test_two_questions_about_a_text_are_two_calls_with_the_policy_in_each():
    own, ours = estimate("own"), estimate("ours")
    assert own.requests == ours.requests
    assert own.calls is None
    texts = sum(own.requests.values())
    assert ours.calls == 2 * texts
    policy = default_policy()
    described = [category.description for category in policy.categories]
    assert ours.input_tokens > 2 * texts * sum(map(len, described)) / 4
    assert ours.output_tokens == 2 * own.output_tokens


@pytest.mark.parametrize("model", ["guard/wildguard", "guard/polyguard"])
def test_a_prompt_of_the_guards_own_is_counted(model):
    bare = estimate("own", model="guard/qwen3guard:any")  # its prompt is in its server's template
    assert estimate("own", model=model).input_tokens > bare.input_tokens
