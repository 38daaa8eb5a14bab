"""``vlsu build search``: what local sources have for some words."""

from __future__ import annotations

import json

import pytest

from tests.support.commands import vlsu
from tests.support.gallery import gallery


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def photos(place):
    return gallery(place / "photos", 217)


@pytest.fixture
def build(tmp_path, photos):
    folder = tmp_path / "b"
    source = f"folder:{photos}"
    vlsu("build", "init", folder, "--target", "all=1", "--source", source, "--source", "openverse")
    return folder


def test_captions_and_their_places_are_shown(build):
    done = vlsu("build", "search", build, "kitchen knife", "--embedding", "none", "--json")
    found = json.loads(done.stdout)
    assert (found["candidates"], found["embedding"], found["unreadable"]) == (217, "none", 0)
    first = found["hits"][0]
    assert first["caption"] == "Kitchen knife"
    assert first["rank"] == {"bm25": 1, "embedding": None, "hybrid": 1}
    assert "kitchen-knife" in first["id"]
    assert first["licence"]
    assert "url" not in first


def test_the_table_has_a_line_for_each(build):
    done = vlsu("build", "search", build, "kitchen knife", "--embedding", "none", "--count", "2")
    assert "217 images, by BM25 and embedding none" in done.stdout
    assert "Kitchen knife" in done.stdout


def test_nothing_found_is_no_error(build):
    done = vlsu("build", "search", build, "xylophone", "--embedding", "none", "--json")
    assert json.loads(done.stdout)["hits"] == []


@pytest.mark.slow
def test_by_meaning_with_the_baseline(build):
    done = vlsu(
        *("build", "search", build, "blade cooking", "--embedding", "baseline/captions"),
        *("--sentence", "A sharp blade used for cooking", "--json"),
    )
    found = json.loads(done.stdout)
    assert found["embedding"] == "baseline/captions"
    assert "Kitchen knife" in [hit["caption"] for hit in found["hits"][:3]]


def test_what_cannot_be_searched_is_said(build, tmp_path):
    empty = tmp_path / "empty"
    vlsu("build", "init", empty, "--target", "all=1", "--source", "openverse")
    refused = vlsu("build", "search", empty, "lamp", expect=2)
    assert "names no local source; give --source" in refused.stderr
    assert "search words" in vlsu("build", "search", build, " ", expect=2).stderr
    refused = vlsu("build", "search", build, "lamp", "--embedding", "conse", expect=2)
    assert "baseline/conse" in refused.stderr


def test_one_image_is_counted_as_one(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "red-lamp.png").write_bytes(b"no image")
    init = ("--target", "all=1", "--source", f"folder:{tmp_path / 'one'}")
    vlsu("build", "init", tmp_path / "other", *init)
    shown = vlsu("build", "search", tmp_path / "other", "lamp", "--embedding", "none").stdout
    assert "1 image, by BM25" in shown
