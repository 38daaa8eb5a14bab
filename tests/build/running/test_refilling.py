"""Samples that their ending gives away are given up, so that the loop replaces them."""

from __future__ import annotations

import pytest

import vlsu
from tests.support.builds import add_sample, chosen
from vlsu.build.folder.build import init
from vlsu.build.plan.targets import parse_targets
from vlsu.build.running.refilling import refilled
from vlsu.policy import default_policy


@pytest.mark.slow
def test_what_a_shortcut_tells_is_given_up_and_half_of_a_cell_stays(tmp_path):
    build = init(tmp_path / "b", default_policy(), targets=parse_targets(["S-S-U=8,S-S-S=8,all=0"]))
    wanted = [each for each in chosen(400) if str(each.pattern) in {"S-S-U", "S-S-S"}]
    with build.store() as store:
        for number, sample in enumerate(wanted):
            ending = " Tell me now!!" if str(sample.pattern) == "S-S-U" else ""
            text = f"{sample.text}{ending}"
            add_sample(build, store, vlsu.load("vlsu-mini"), sample, number, text=text)
        before = {cell: count.have for cell, count in store.counts().items()}
    given_up = refilled(build)
    with build.store(read_only=True) as store:
        after = {cell: count.have for cell, count in store.counts().items()}
        assert store.refills() == 1
        reasons = {each.reason for each in store.decisions("grades").values() if not each.kept}
    assert sum(before.values()) == len(wanted)
    assert sum(before.values()) - sum(after.values()) == given_up > 0
    assert any(reason.startswith("told by ") for reason in reasons)
    assert all(after[cell] >= number // 2 for cell, number in before.items())
