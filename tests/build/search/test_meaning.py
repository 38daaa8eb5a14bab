"""Ranking by meaning: every image and every caption embedded once, and searched exactly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from tests.build.search.sources import Listed, captioned, numbered
from vlsu.build.search.catalogue import Catalogue
from vlsu.build.search.meaning import Meaning
from vlsu.build.search.vectors import Vectors
from vlsu.build.sources.base import Candidate
from vlsu.errors import BuildError, DataError


class Colours:
    """Embeds by how often the letters r, g and b occur; counts what it was given."""

    spec, dimensions, batch, hybrid_share = "colours", 3, 4, 0.5
    language: str | None = "en"

    def __init__(self, image_share: float = 0.5, stop_after: int | None = None) -> None:
        self.image_share, self.stop_after = image_share, stop_after
        self.embedded: list[str] = []

    def identity(self):
        return {"letters": "rgb"}

    def images(self, images: Sequence[bytes]):
        return self.texts([data.decode() for data in images])

    def texts(self, texts: Sequence[str]):
        if self.stop_after is not None and len(self.embedded) + len(texts) > self.stop_after:
            raise KeyboardInterrupt
        self.embedded += texts
        return [self._one(text) for text in texts]

    def _one(self, text: str):
        counts = np.array([text.count(letter) for letter in "rgb"], dtype=np.float32)
        return counts / np.linalg.norm(counts) if counts.any() else None


class Gallery(Listed):
    """A source whose images are their captions' bytes, but for those that cannot be read."""

    def read(self, candidate):
        self.reads.append(candidate.id)
        if candidate.caption == "lost":
            raise DataError("cannot be read")
        return candidate.caption.encode()


def gallery(*captions: str) -> Gallery:
    return Gallery(captioned(*captions).rows)


@pytest.fixture
def made(tmp_path):
    """Builds the meaning of a source, in a folder of its own if a name is given."""

    def make(source, embedder, name="one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        catalogue = Catalogue(folder / "candidates.sqlite")
        catalogue.add(0, source, lambda done, total: None)
        vectors = Vectors(tmp_path / "vectors.sqlite", embedder)
        try:
            Meaning.build(catalogue, [source], embedder, vectors, folder / "meaning.f16")
            return Meaning(folder / "meaning.f16", 3, len(catalogue)), catalogue
        finally:
            vectors.close()

    return make


def unit(*numbers: float):
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_the_nearest_come_first(made):
    meaning, _ = made(gallery("g", "rrb", "r", "b"), Colours())
    assert meaning.rank(unit(1, 0, 0), 4) == [2, 1, 0, 3]
    assert meaning.rank(unit(1, 0, 0), 2) == [2, 1]
    assert meaning.rank(unit(0, 1, 0), 1) == [0]
    assert meaning.rank(unit(0, 1, 0), 0) == []


def test_it_ranks_as_a_matrix_product_does(made):
    rng = np.random.default_rng(5)
    captions = ["".join(rng.choice(list("rgb"), rng.integers(1, 9))) for _ in range(300)]
    meaning, _ = made(Gallery(captioned(*captions).rows), Colours())
    rows = np.stack([Colours()._one(caption) for caption in captions]).astype(np.float16)
    for query in (unit(1, 2, 3), unit(1, 0, 0), unit(-1, 1, 0)):
        products = rows.astype(np.float32) @ query
        found = meaning.rank(query, 20)
        np.testing.assert_allclose(products[found], np.sort(products)[::-1][:20], atol=2e-3)


def test_image_and_caption_stand_for_a_candidate_by_their_shares(made, tmp_path):
    made(Listed(captioned("g").rows, images={"a": b"r"}), Colours(0.25))
    stored = np.fromfile(tmp_path / "one" / "meaning.f16", dtype="<f2")
    assert stored.tolist() == pytest.approx(unit(0.25, 0.75, 0), abs=1e-3)


def test_of_an_image_that_cannot_be_read_the_caption_is_left(made):
    meaning, catalogue = made(gallery("r", "lost", "-", "b"), Colours())
    assert catalogue.unreadable() == 1
    assert meaning.rank(unit(0, 0, 1), 9) == [3, 0]  # "lost" and "-" have no letter of any colour


def test_shares_say_what_is_read_at_all(made):
    captions_only = gallery("r", "g")
    made(captions_only, Colours(0.0))
    assert captions_only.reads == []
    images_only, embedder = gallery("r", "g"), Colours(1.0)
    made(images_only, embedder, "two")
    assert images_only.reads == ["a", "b"]
    assert sorted(embedder.embedded) == ["g", "r"]  # as images, not as captions once more


@pytest.mark.parametrize(
    ("language", "expected"), [("en", 0.707), ("en_GB", 0.707), (None, 0.707), ("de", 0)]
)
def test_a_caption_in_a_language_that_is_not_understood_is_left_out(
    made, tmp_path, language, expected
):
    row = Candidate(id="a", source="folder:x", caption="g", language=language)
    made(Listed([row], images={"a": b"r"}), Colours(0.5))
    red, green, _ = np.fromfile(tmp_path / "one" / "meaning.f16", dtype="<f2")
    assert green == pytest.approx(expected, abs=1e-3)
    assert red == pytest.approx(np.sqrt(1 - expected**2), abs=1e-3)


def test_images_at_addresses_are_not_fetched(made):
    rows = [
        Candidate(id="here", source="dataset:x", caption="r"),
        Candidate(id="far", source="dataset:x", caption="g", url="https://example.org/g.jpg"),
    ]
    source = Gallery(rows)
    meaning, catalogue = made(source, Colours())
    assert source.reads == ["here"]
    assert catalogue.unreadable() == 0
    assert meaning.rank(unit(0, 1, 0), 1) == [1]  # by its caption


def test_the_same_image_is_embedded_once_and_in_a_larger_source_not_again(made):
    first, second = Colours(1.0), Colours(1.0)
    made(gallery("r", "g", "r"), first)
    assert first.embedded == ["r", "g"]
    meaning, _ = made(gallery("r", "g", "r", "b"), second, "two")
    assert second.embedded == ["b"]
    assert meaning.rank(unit(0, 0, 1), 1) == [3]


def test_what_was_embedded_before_an_interruption_is_not_embedded_again(made):
    captions = [f"{'r' * n}g" for n in range(200)]
    source = Gallery(captioned(*captions).rows)
    stopped = Colours(1.0, stop_after=150)
    with pytest.raises(KeyboardInterrupt):
        made(source, stopped)
    rest = Colours(1.0)
    meaning, _ = made(source, rest)
    assert sorted(stopped.embedded + rest.embedded) == sorted(captions)
    assert meaning.rank(unit(0, 1, 0), 1) == [0]


def test_a_row_that_was_cut_short_is_written_again(made, tmp_path):
    source = gallery("r", "g", "b")
    (tmp_path / "one").mkdir()
    whole = Colours()
    (tmp_path / "one" / "meaning.f16.part").write_bytes(b"\x00\x3c\x00\x00\x00\x00" + b"\x00")
    meaning, _ = made(source, whole)
    assert meaning.rank(unit(0, 1, 0), 1) == [1]
    assert meaning.rank(unit(1, 0, 0), 1) == [0]


def test_scores_are_0_for_an_average_candidate_and_1_for_the_nearest(made):
    meaning, _ = made(gallery("r", "g", "b", "-"), Colours())
    near = meaning.scores(unit(1, 0, 0), [0, 1, 3])
    # the average of 1, 0 and 0 is 1/3: (0 - 1/3) / (1 - 1/3) = -1/2
    assert near == pytest.approx([1, -0.5, 0], abs=1e-3)
    assert list(meaning.scores(unit(1, 0, 0), [])) == []


def test_nothing_to_embed_ranks_nothing(made):
    meaning, _ = made(gallery("-", "lost"), Colours())
    assert meaning.rank(unit(1, 0, 0), 5) == []
    assert list(meaning.scores(unit(1, 0, 0), [0, 1])) == [0, 0]
    empty, _ = made(gallery(), Colours(), "two")
    assert empty.rank(unit(1, 0, 0), 5) == []


def test_many_candidates_without_a_caption_share_its_vector(made):
    meaning, _ = made(numbered(500), Colours(0.0))
    assert meaning.rank(unit(1, 0, 0), 3) == [0, 1, 2]  # "picture …" all alike, in their order


def test_a_damaged_file_is_named(made, tmp_path):
    made(gallery("r"), Colours())
    (tmp_path / "one" / "meaning.f16").write_bytes(b"\x00")
    with pytest.raises(BuildError, match=r"meaning\.f16: is damaged; remove it"):
        made(gallery("r"), Colours())
    (tmp_path / "vectors.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(BuildError, match=r"vectors\.sqlite: is damaged; remove it"):
        made(gallery("r"), Colours(), "two")


@pytest.mark.slow
def test_models_of_the_baseline_can_be_loaded_after_a_search():
    """Loaded in the other order, the two libraries crash the process."""
    program = (
        "from vlsu.build.search.meaning import require_usearch\n"
        "require_usearch()\n"
        "from vlsu.models.baseline.embedding import SentenceEncoder\n"
        "print(len(SentenceEncoder().encode('a lamp')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
