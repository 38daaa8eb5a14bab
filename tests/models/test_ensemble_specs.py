"""SPECs of ensembles: what is written is what is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.ensemble import EnsembleSpec, MemberSpec, is_ensemble

names = st.text(min_size=1, max_size=30).filter(lambda name: name.strip() == name)
members = st.builds(MemberSpec, names, st.sampled_from([None, "image", "text", "joint"]))


@given(st.sampled_from(["max", "vote", "stack"]), st.lists(members, min_size=2, unique=True))
def test_every_name_can_be_written(rule: str, listed: list[MemberSpec]) -> None:
    spec = EnsembleSpec(rule, tuple(listed))
    assert EnsembleSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("written", "name", "only"),
    [
        ("guard/llama-guard:meta/x", "guard/llama-guard:meta/x", None),
        ("openai/gpt-4o@text", "openai/gpt-4o", "text"),
        ("openai/me@home", "openai/me@home", None),
        ("openai/me%40text", "openai/me@text", None),
        ("openai/me%40text@image", "openai/me@text", "image"),
        ("openai/a%2bb", "openai/a+b", None),
        ("runs/50%20done", "runs/50%20done", None),
        ("runs/%252B", "runs/%2B", None),
        ("./runs/A@joint", "./runs/A", "joint"),
    ],
)
def test_names_hold_colons_and_escaped_separators(
    written: str, name: str, only: str | None
) -> None:
    spec = EnsembleSpec.parse(f"ensemble/vote:{written}+other")
    assert spec.members[0] == MemberSpec(name, only)


def test_an_ensemble_is_no_model_by_itself() -> None:
    assert is_ensemble("ensemble/max:a+b")
    assert not is_ensemble("openai/ensemble")
    with pytest.raises(UsageError, match="vlsu run understanding"):
        open_model("ensemble/max:a+b")
    with pytest.raises(UsageError, match=r"no rule 'maximum'; .* did you mean 'max'"):
        open_model("ensemble/maximum:a+b")
