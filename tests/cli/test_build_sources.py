"""``vlsu build sources``, and sources that ``vlsu build init`` is given."""

from __future__ import annotations

import json

import pytest

from tests.support.commands import vlsu
from tests.support.gallery import PICTURES, gallery
from vlsu.build.folder.build import open_build


def test_the_kinds_of_sources_are_listed():
    kinds = json.loads(vlsu("build", "sources", "--json").stdout)["kinds"]
    found = {each["name"]: each for each in kinds}
    assert {"folder", "dataset", "openverse", "commons"} <= set(found)
    assert [name for name, each in found.items() if each["needs_contact"]] == ["commons"]
    assert [name for name, each in found.items() if each["remote"]] == ["commons", "openverse"]
    shown = vlsu("build", "sources").stdout
    assert all(each["form"] in shown for each in kinds)


def test_what_sources_hold_is_counted_and_no_caption_shown(tmp_path):
    folder = gallery(tmp_path / "g", 12)
    (folder / "images" / "old-bridge.png").write_bytes(
        next((folder / "images").iterdir()).read_bytes()
    )
    specs = (f"folder:{folder}", "dataset:vlsu-mini", "openverse")
    said = vlsu("build", "sources", *specs, "--json")
    first, second, third = json.loads(said.stdout)["sources"]
    assert (first["images"], first["described"], first["named"]) == (13, 12, 1)
    assert first["licences"]["none"] == 1
    assert sum(first["licences"].values()) == 13
    assert second["images"] == second["described"] == second["licence_of_dataset"] == PICTURES
    assert third == {"spec": "openverse", "remote": True}
    shown = vlsu("build", "sources", *specs).stdout
    assert "13" in shown
    assert "see whether it covers the images" in shown
    assert "openverse: a service" in shown
    captions = (folder / "metadata.csv").read_text().splitlines()[1:]
    assert not any(line.split(",")[1] in shown for line in captions)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sources", "folder:/none/such"), "no such folder"),
        (("sources", "opnverse"), "did you mean 'openverse'"),
        (("init", "b", "--source", "folder:/none/such"), "no such folder"),
        (("init", "b", "--source", "dataset:vlsu-mini?captoin=x"), "did you mean 'caption'"),
    ],
)
def test_a_wrong_source_is_one_line(tmp_path, arguments, said):
    done = vlsu("build", *arguments, expect=2, cwd=tmp_path)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_a_build_keeps_its_sources_as_they_were_written(tmp_path):
    gallery(tmp_path / "photos", 2)
    arguments = ("--source", "folder:photos", "--source", "commons")  # asked later, with a contact
    vlsu("build", "init", "b", *arguments, cwd=tmp_path, env={"VLSU_CONTACT": ""})
    assert open_build(tmp_path / "b").settings.sources == ("folder:photos", "commons")
