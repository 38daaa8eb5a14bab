"""Sources of other packages, and what SPECs and texts are read as."""

from __future__ import annotations

import contextlib
import string
import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.sources.base import (
    SOURCES,
    Access,
    Candidate,
    LocalSource,
    SourceKind,
    check_source,
    is_remote,
    open_source,
)
from vlsu.build.sources.commons import plain_text
from vlsu.build.sources.fields import Fields, joined
from vlsu.build.sources.folder import FolderSource
from vlsu.build.sources.settings import Where, read_where
from vlsu.build.sources.web import plain_words
from vlsu.errors import UsageError
from vlsu.registry import Registry

OWN = """
from vlsu.build.sources.base import Candidate, SourceKind

class Wall:
    def __init__(self, spec):
        self.spec = spec
    def identity(self):
        return {"kind": "wall"}
    def candidates(self):
        yield Candidate(id="1", source=self.spec, caption="A red bridge")
    def read(self, candidate):
        return b"x"
    def close(self):
        pass

WALL = SourceKind(lambda where, access: Wall(f"wall:{where}"), "wall:NAME", "pictures on a wall")
"""


def test_another_package_adds_a_source_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "own_wall.py").write_text(OWN)
    info = tmp_path / "own_wall-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-wall\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vlsu.sources]\nwall = own_wall:WALL\n")
    monkeypatch.syspath_prepend(tmp_path)
    invalidate_caches()
    registry: Registry[SourceKind] = Registry("source", {})  # one that has not looked yet
    try:
        source = registry.get("wall").open("north", Access())
    finally:
        sys.modules.pop("own_wall", None)
    assert isinstance(source, LocalSource)
    assert [each.caption for each in source.candidates()] == ["A red bridge"]


def test_no_package_replaces_a_source_of_ours(tmp_path):
    kind = SourceKind(lambda where, access: FolderSource(where, Where(tmp_path)), "folder", "mine")
    with pytest.raises(UsageError, match="registered already"):
        SOURCES.register("folder")(kind)


def test_a_spec_can_be_checked_before_anybody_is_named_who_asks(monkeypatch):
    monkeypatch.delenv("VLSU_CONTACT", raising=False)
    check_source("commons")
    assert is_remote("commons")
    with pytest.raises(UsageError, match="may not be asked without a contact"):
        open_source("commons")
    assert not is_remote("folder:x")
    with pytest.raises(UsageError, match="no such folder"):
        check_source("folder:x")


@given(st.text(st.sampled_from("ab ?=&%/"), max_size=12))
def test_whatever_follows_the_name_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        where = read_where("folder", text, {"a", "b"})
        assert set(where.options) <= {"a", "b"}
        assert all(where.options.values())
        assert str(where.path) in text or where.path == Path(text)


@given(st.text(max_size=60))
def test_words_of_a_search_hold_no_operators(text):
    words = plain_words(text)
    assert not set(words) & set(string.punctuation.replace("'", ""))
    assert plain_words(words) == words


@given(st.text(st.sampled_from("ab<>/&;='\"! -"), max_size=60))
def test_no_html_is_left_or_fails(text):
    assert "  " not in plain_text(text)
    assert plain_text(f"<b>{text.replace('<', '')}</b>").find("<b>") == -1


@given(st.lists(st.text(st.sampled_from("ab "), min_size=1, max_size=4), max_size=4))
def test_joined_captions_hold_each_part_once(parts):
    whole = joined([each.strip() for each in parts if each.strip()])
    assert all(each.strip() in whole for each in parts)
    assert whole.count(". ") <= max(0, len(parts) - 1)


def test_a_caption_is_put_together_of_title_caption_and_tags():
    found = Fields({}).read(
        {
            "Title": "Bridge",
            "caption": "A red bridge at noon",
            "tags": [{"name": "river"}, {"name": "steel"}],
            "text": "kept beside it",
            "score": float("nan"),
            "vector": [0.5] * 4000,
            "nested": {"a": [1]},
        }
    )
    assert found.caption == "A red bridge at noon. river, steel"  # the title is in the caption
    assert found.about == {"text": "kept beside it", "nested": {"a": [1]}}


def test_a_question_is_no_caption_of_its_image():
    pair = {"text": "How high is it?", "caption": ""}
    assert Fields({}, text_is_caption=False).read(pair).caption == ""
    assert Fields({"caption": "text"}, text_is_caption=False).read(pair).caption == (
        "How high is it?"
    )


def test_candidates_are_equal_by_what_they_hold():
    assert Candidate(id="1", source="s") == Candidate(id="1", source="s", about={})


@pytest.mark.parametrize("name", ["openverse", "commons"])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("ftp://images.example/", "no address of the web"),
        ("images.example", "no address of the web"),
        ("http://", "no address of the web"),
        ("https://user:secret@images.example/", "no user, password"),
        ("https://images.example/?key=secret", "no user, password"),
        ("https://images.example/#secret", "no user, password"),
    ],
)
def test_the_address_of_a_service_holds_host_and_path_alone(name, where, said):
    """What a SPEC holds is in the build and in every image's record."""
    with pytest.raises(UsageError, match=said) as caught:
        check_source(f"{name}:{where}")
    assert "secret" not in str(caught.value)
    check_source(f"{name}:https://images.example/below/api.php")
