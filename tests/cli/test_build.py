"""``vlsu build``: the plan and how far it is, on the command line."""

import json

import pytest

from tests.build.folder.made import chain
from tests.support.commands import vlsu
from vlsu.build.folder.build import open_build
from vlsu.build.folder.records import Decision
from vlsu.policy import PATTERNS, default_policy


def test_status_has_the_keys_of_the_contract(tmp_path):
    made = json.loads(vlsu("build", "init", tmp_path / "b", "--policy", "default", "--json").stdout)
    found = json.loads(vlsu("build", "status", tmp_path / "b", "--json").stdout)
    assert found == made
    assert {"cells", "cost", "calls"} <= set(found)
    assert set(found["cells"]) == set(map(str, PATTERNS))
    for pattern, cells in found["cells"].items():
        assert set(cells) <= {"none", *default_policy().category_ids}
        assert sum(count["wanted"] for count in cells.values()) == 30, pattern
        assert all(set(count) == {"wanted", "have", "lost"} for count in cells.values())


def test_targets_and_languages(tmp_path):
    arguments = ("--languages", "en, de", "--target", "S-S-U=20", "--target", "all=0", "--json")
    found = json.loads(vlsu("build", "init", tmp_path / "b", *arguments).stdout)
    assert sum(count["wanted"] for count in found["cells"]["S-S-U"].values()) == 20
    assert found["forecast"]["missing"] == 20
    assert {each["language"] for each in found["short"]} == {"en", "de"}


def test_the_table_shows_what_there_is_what_is_lost_and_what_is_never_built(tmp_path):
    folder = tmp_path / "b"
    said = vlsu("build", "init", folder, "--target", "all=2")
    assert f"next: vlsu build run {folder} --model SPEC --grader SPEC" in said.stderr
    with open_build(folder).store() as store:
        chain(store, concept="one")
        *_, grade = chain(store, concept="two")
        store.decide([Decision(grade, False, "the pair is borderline")])
    shown = vlsu("build", "status", folder).stdout
    assert "1/" in next(line for line in shown.splitlines() if "S-S-U" in line)
    assert "never built, S-U-U C6, B-U-U C6" in shown
    assert "grades" in shown[shown.index("Lost") :]
    assert "more tries" in shown


@pytest.mark.parametrize(
    ("costs", "said", "not_said"),
    [
        ((0.5, 0.25), "2 calls, 0.75; about", "known price"),
        ((0.5, None), "2 calls, 0.50 (1 without a known price); about", " cost"),
    ],
)
def test_the_last_line_says_what_is_to_come_and_which_calls_have_no_price(
    tmp_path, costs, said, not_said
):
    vlsu("build", "init", tmp_path / "b", "--target", "S-S-U=4,all=0")
    with open_build(tmp_path / "b").store() as store:
        chain(store, concept="one")
        for number, cost in enumerate(costs):
            store.add_call(f"{number}", "grades", "openai/x", cost)
    shown = " ".join(vlsu("build", "status", tmp_path / "b").stdout.split())
    assert said in shown
    assert not_said not in shown[shown.index("samples missing") :]
    assert (" cost" in shown[shown.index("samples missing") :]) is (None not in costs)


@pytest.mark.parametrize(
    "name", ["build.yaml", "policy.yaml", "build.sqlite", "build.sqlite-wal", "responses.sqlite"]
)
def test_a_page_never_replaces_a_file_of_the_build(tmp_path, name):
    vlsu("build", "init", tmp_path / "b")
    done = vlsu("build", "status", tmp_path / "b", "--out", tmp_path / "b" / name, expect=2)
    assert "is part of the build in that folder and would be replaced" in done.stderr
    vlsu("build", "status", tmp_path / "b", "--out", tmp_path / "b" / "status.html")


def test_the_same_command_goes_on_and_another_is_a_line(tmp_path):
    vlsu("build", "init", tmp_path / "b")
    vlsu("build", "init", tmp_path / "b")
    done = vlsu("build", "init", tmp_path / "b", "--seed", "2", expect=2)
    assert done.stderr.count("\n") == 1
    assert "holds a build with other seed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init", "b", "--target", "S-S=2"), "is not a pattern"),
        (("init", "b", "--languages", "tlh"), "whose words for age are known"),
        (("init", "b", "--languages", ","), "give at least one"),
        (("init", "b", "--policy", "nowhere.yaml"), "nowhere.yaml"),
        (("init", "b", "--target", "S-U-U/C6=1"), "--target S-U-U/C6=1: unsafe explicit material"),
        (("status", "b"), "no build; make one with vlsu build init"),
    ],
)
def test_what_cannot_be_is_a_line(arguments, said, tmp_path):
    done = vlsu("build", *arguments, expect=2, cwd=tmp_path)
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not (tmp_path / "b").exists()


def test_calls_without_a_price_are_not_said_to_cost_nothing(tmp_path):
    folder = tmp_path / "b"
    vlsu("build", "init", folder, "--target", "all=1")
    with open_build(folder).store() as store:
        store.add_calls([("k1", "grades", "openai/x", 0.5), ("k2", "grades", "openai/x", None)])
    assert "2 calls, 0.50 (1 without a known price)" in vlsu("build", "status", folder).stdout
