"""``vlsu build audit`` of builds and datasets, on the command line."""

from __future__ import annotations

import json

import pytest

import vlsu as package
from tests.support.builds import add_sample, chosen, finished_build
from tests.support.commands import vlsu
from vlsu.build.folder.build import init, open_build
from vlsu.build.plan.targets import parse_targets
from vlsu.policy import default_policy


@pytest.mark.slow
def test_of_a_dataset(tmp_path):
    found = json.loads(vlsu("build", "audit", "vlsu-mini", "--json").stdout)
    assert found["shortcuts"]["n"] == found["identity"]["n"] == 465
    assert found["shortcuts"]["solved"] == []
    assert {each["key"] for each in found["identity"]["without_twin"]} >= {"mini-0051"}
    assert not (tmp_path / "given_up").exists()


def test_of_a_build_in_a_few_lines_without_a_text(tmp_path):
    build = finished_build(tmp_path / "b", 24)
    done = vlsu("build", "audit", build.folder)
    assert "no cell is solved by a shortcut" in done.stdout
    assert "without a benign pair" in done.stdout
    with build.store(read_only=True) as store:
        texts = [each.content["text"] for each in store.records("queries", kept=True)]
    assert not any(text in done.stdout for text in texts)


@pytest.fixture
def told_by_its_ending(tmp_path):
    """A build whose unsafe pairs all end in the same words."""
    build = init(
        tmp_path / "b", default_policy(), targets=parse_targets(["S-S-U=8", "S-S-S=8", "all=0"])
    )
    mini = package.load("vlsu-mini")
    number = 0
    with build.store() as store:
        for sample in chosen(400):
            if str(sample.pattern) in {"S-S-U", "S-S-S"}:
                ending = " Tell me now!!" if str(sample.pattern) == "S-S-U" else ""
                add_sample(build, store, mini, sample, number, text=f"{sample.text}{ending}")
                number += 1
    return build


@pytest.mark.slow
def test_refilling_gives_up_half_of_what_is_told_and_the_cells_lack_it_again(told_by_its_ending):
    folder = told_by_its_ending.folder
    seen = json.loads(vlsu("build", "audit", folder, "--json").stdout)
    assert {each["pattern"] for each in seen["shortcuts"]["solved"]} >= {"S-S-U"}
    before = json.loads(vlsu("build", "status", folder, "--json").stdout)["cells"]["S-S-U"]
    done = json.loads(vlsu("build", "audit", folder, "--refill", "--json").stdout)
    assert done["given_up"] > 0
    after = json.loads(vlsu("build", "status", folder, "--json").stdout)["cells"]["S-S-U"]
    have = [sum(cell["have"] for cell in cells.values()) for cells in (before, after)]
    assert 0 < have[1] < have[0]
    with open_build(folder).store(read_only=True) as store:
        reasons = {each.reason for each in store.decisions("grades").values() if not each.kept}
    assert any(reason.startswith("told by text alone") for reason in reasons)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("vlsu-mini", "--refill"), "--refill: vlsu-mini is no build"),
        (("nowhere",), "nowhere"),
    ],
)
def test_what_cannot_be_is_a_line(arguments, said, tmp_path):
    done = vlsu("build", "audit", *arguments, expect=2, cwd=tmp_path)
    assert said in done.stderr
