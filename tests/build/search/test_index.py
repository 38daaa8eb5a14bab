"""An index of local sources: made once, gone on with, searched by words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.build.search.sources import Listed, captioned, numbered
from vlsu.build.folder.build import init
from vlsu.build.search.bm25 import Words, best
from vlsu.build.search.index import index_folder, open_index
from vlsu.build.search.words import words_of
from vlsu.errors import BuildError
from vlsu.policy import default_policy

CAPTIONS = (
    "A kitchen knife on a wooden board",
    "A church on a hill",
    "Kitchens of the nineteenth century",
    "Ein Küchenmesser auf einem Brett",
    "",
)


@pytest.fixture
def build(tmp_path):
    return init(tmp_path / "b", default_policy())


def open_without(build, sources):
    return open_index(build, sources, embedding="none")


def ids(hits):
    return [hit.candidate.id for hit in hits]


def test_captions_are_found_by_their_words_and_other_forms_of_them(build):
    with open_without(build, [captioned(*CAPTIONS)]) as index:
        assert len(index) == 5
        assert ids(index.search("kitchen knife", "A knife in a kitchen", 10)) == ["a", "c"]
        assert ids(index.search("küchenmesser", "", 10)) == ["d"]
        assert index.search("volcano", "", 10) == []
        assert index.search("", "", 10) == []
        assert ids(index.search("kitchen", "", 1)) == ["a"]


def test_a_hit_says_where_it_was_in_each_ranking(build):
    with open_without(build, [captioned(*CAPTIONS)]) as index:
        first, second = index.search("kitchen knife", "", 5)
    assert first.ranks == {"bm25": 1, "embedding": None, "hybrid": 1}
    assert second.ranks == {"bm25": 2, "embedding": None, "hybrid": 2}
    assert first.score > second.score > 0


def test_scores_are_those_of_the_formula(tmp_path):
    """Lucene's BM25, by plain loops over the same words."""
    Words.build(CAPTIONS, tmp_path / "words", total=len(CAPTIONS))
    scores = Words(tmp_path / "words").scores("kitchen board")
    assert scores is not None
    found = {position: float(scores[position]) for position in best(scores, 10)}
    documents = [list(words_of(caption)) for caption in CAPTIONS]
    mean = sum(map(len, documents)) / len(documents)
    expected = {}
    for position, document in enumerate(documents):
        score = 0.0
        for word in words_of("kitchen board"):
            having = sum(word in each for each in documents)
            idf = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
            times = document.count(word)
            score += idf * times / (times + 1.5 * (1 - 0.75 + 0.75 * len(document) / mean))
        if score:
            expected[position] = pytest.approx(score, rel=1e-5)
    assert found == expected


def test_an_index_that_cannot_be_written_says_what_to_look_at(tmp_path, monkeypatch):
    """NumPy names no reason when a disk is full."""

    def cut_short(*given):
        raise OSError("800 requested and 0 written")

    monkeypatch.setattr("vlsu.build.search.bm25._save", cut_short)
    with pytest.raises(BuildError, match=r"words: cannot be written \(is the disk full\?\)"):
        Words.build(CAPTIONS, tmp_path / "words", total=len(CAPTIONS))


def test_equal_captions_come_in_the_order_of_their_source(build):
    with open_without(build, [captioned(*["a lamp"] * 20)]) as index:
        assert ids(index.search("lamp", "", 3)) == ["a", "b", "c"]


def test_all_that_a_source_says_of_an_image_comes_back(build):
    source = captioned(
        "A lamp",
        licence="CC-BY-4.0",
        author="A. Person",
        page="https://example.org/1",
        about={"tags": ["light"]},
        width=640,
    )
    with open_without(build, [source]) as index:
        (hit,) = index.search("light", "", 5)
    assert hit.candidate == source.rows[0]


def test_several_sources_are_one_index_and_remote_ones_are_left_out(build):
    class Remote:
        spec = "openverse"

        def search(self, query, count, *, licences):
            raise AssertionError("not asked")

    sources: list[Any] = [
        captioned("A red lamp"),
        Remote(),
        captioned("A blue lamp", spec="folder:other"),
    ]
    with open_without(build, sources) as index:
        hits = index.search("lamp", "", 5)
    assert [hit.candidate.source for hit in hits] == ["folder:gallery", "folder:other"]


def test_no_source_and_no_words_are_no_error(build):
    with open_without(build, []) as index:
        assert (len(index), index.search("lamp", "", 5)) == (0, [])
    with open_without(build, [captioned("", "…")]) as index:
        assert (len(index), index.search("lamp", "", 5)) == (2, [])


def test_an_index_is_made_once(build):
    source = captioned(*CAPTIONS)
    for _ in range(2):
        with open_without(build, [source]) as index:
            index.search("kitchen", "", 5)
    assert source.listed == len(CAPTIONS)


def test_an_interrupted_listing_goes_on_where_it_was(build):
    source = numbered(12_000, stop_after=11_000)
    with pytest.raises(KeyboardInterrupt):
        open_without(build, [source])
    source.stop_after = None
    with open_without(build, [source]) as index:
        assert len(index) == 12_000
        assert ids(index.search("picture 11999", "", 1)) == ["11999"]
    assert index_folder(build, [source]).is_dir()


def test_other_contents_are_another_index(build):
    first, second = captioned("A lamp"), captioned("A lamp", "A torch")
    assert index_folder(build, [first]) != index_folder(build, [second])
    assert index_folder(build, [first]) == index_folder(build, [Listed(first.rows)])
    with open_without(build, [first]), open_without(build, [second]) as index:
        assert ids(index.search("torch", "", 5)) == ["b"]


@pytest.mark.parametrize("name", ["candidates.sqlite", "words/params.index.json"])
def test_a_damaged_index_names_what_to_remove(build, name):
    source = captioned(*CAPTIONS)
    open_without(build, [source]).close()
    folder = index_folder(build, [source])
    (folder / name).write_text("no such thing" * 100)
    with pytest.raises(BuildError, match=f"remove the folder {folder}"):
        open_without(build, [source])


def test_meaning_finds_what_no_word_of_the_caption_says(build):
    source = captioned(*CAPTIONS, "A dog in the snow")
    with open_index(build, [source], embedding="baseline/captions") as index:
        assert index.embedding == "baseline/captions"
        (first, *_) = index.search("blade cooking", "A sharp blade used for cooking", 3)
        assert first.candidate.id == "a"
        assert first.ranks == {"bm25": None, "embedding": 1, "hybrid": 1}
        again = index.search("blade cooking", "A sharp blade used for cooking", 3)
        assert ids(again)[0] == "a"
        hits = index.search("church", "A puppy in winter", 10)
    assert ids(hits)[:2] in (["f", "b"], ["b", "f"])  # one by its meaning, one by its word
    assert {hit.candidate.id: hit.ranks["bm25"] for hit in hits}["b"] == 1
    assert {hit.candidate.id: hit.ranks["embedding"] for hit in hits}["f"] == 1
    assert [hit.ranks["hybrid"] for hit in hits] == list(range(1, len(hits) + 1))


def test_an_index_is_searched_with_and_without_meaning(build):
    source = captioned(*CAPTIONS)
    open_index(build, [source], embedding="baseline/captions").close()
    with open_without(build, [source]) as index:
        assert index.embedding == "none"
        assert ids(index.search("", "kitchen knife", 10)) == ["a", "c"]
    assert source.listed == len(CAPTIONS)
    assert source.reads == []


def test_images_that_cannot_be_read_are_counted(build):
    source = captioned("A lamp", "A church")
    source.unreadable = {"b"}
    source.images = {"a": b"no image"}
    with open_index(build, [source], embedding="baseline/conse") as index:
        assert index.unreadable == 1
        assert ids(index.search("church", "a church", 5)) == ["b"]  # by its caption all the same
