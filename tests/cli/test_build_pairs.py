"""``vlsu build pairs`` on the command line."""

import json

import pytest

from tests.build.pairs.test_stage import NEAR, TEXT, grade
from tests.build.queries.made import answer, build_with
from tests.conftest import completion
from tests.support.commands import vlsu
from vlsu.build.folder.build import open_build


def test_a_kept_sample_gets_a_pair_and_the_grader_comes_next(tmp_path, chat_server):
    folder = tmp_path / "b"
    build_with(folder, {"C9 safe": 1}, S_S_U__C9=1)
    said = [answer(TEXT), answer(NEAR)]
    server = chat_server(lambda _, n: completion(said[n - 1]))
    asked = ("--model", "openai/x", "--base-url", server.base_url)
    vlsu("build", "queries", folder, *asked, "--lengths", "medium")
    grade(open_build(folder))
    done = vlsu("build", "pairs", folder, *asked)
    assert "1 samples: 0 have a pair, 1 wait for its grades" in done.stdout
    assert f"next: vlsu build grade {folder} --model SPEC" in done.stderr
    assert NEAR not in done.stdout + done.stderr
    grade(open_build(folder))
    found = json.loads(vlsu("build", "pairs", folder, *asked, "--json").stdout)
    assert (found["stage"], found["tries"]) == ("queries", 0)
    assert found["pairs"] == {"samples": 1, "flipped": 1, "under_way": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--model: give the model that writes the texts, or --by image"),
        (("--by", "sound"), "--by 'sound': use text or image"),
        (("--by", "image", "--pattern", "S-S"), "--pattern: 'S-S' is not a pattern"),
        (("--by", "image", "--number", "0"), "number 0: give at least 1"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, arguments, said):
    build_with(tmp_path / "b", {"C9 safe": 1}, S_S_U__C9=1)
    done = vlsu("build", "pairs", tmp_path / "b", *arguments, expect=2)
    assert said in done.stderr.splitlines()[-1]
