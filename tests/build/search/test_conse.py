"""The embedded baseline as an embedder: captions by MiniLM, images by their likeliest classes."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from vlsu.build.search.conse import Baseline, class_names, combined
from vlsu.build.search.embedders import open_embedder
from vlsu.errors import BuildError, UsageError
from vlsu.models.baseline.tags import HARM_CLASSES


def png(pixels: np.ndarray) -> bytes:
    with io.BytesIO() as buffer:
        Image.fromarray(pixels).save(buffer, format="PNG")
        return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def baseline(folder):
    return Baseline("baseline", folder)


def test_an_image_is_the_weighted_mean_of_its_likeliest_classes():
    classes = np.eye(4, dtype=np.float32)
    probabilities = np.array([0.1, 0.6, 0.0, 0.3], dtype=np.float32)
    found = combined(probabilities, classes, likeliest=2)
    assert found == pytest.approx(np.array([0, 2, 0, 1]) / np.sqrt(5), abs=1e-6)
    assert np.linalg.norm(combined(probabilities, classes, 4)) == pytest.approx(1)


def test_class_names_are_in_the_order_of_the_classifier():
    names = class_names()
    assert len(names) == 1000
    for index, (name, _) in HARM_CLASSES.items():
        assert name.replace("-", " ") in names[index]


@pytest.mark.slow
def test_photographs_are_nearest_to_what_they_show(baseline):
    palace, flower = baseline.images([png(each) for each in load_sample_images().images])
    temple, dahlia, car = baseline.texts(["a palace in Asia", "a flower in bloom", "a racing car"])
    assert palace @ temple > max(palace @ dahlia, palace @ car)
    assert flower @ dahlia > max(flower @ temple, flower @ car)


@pytest.mark.slow
def test_a_text_and_what_cannot_be_decoded(baseline):
    assert baseline.texts([""]) == [None]
    (long,) = baseline.texts(["A kitchen knife on a board. " * 40])
    assert np.linalg.norm(long) == pytest.approx(1, abs=1e-5)
    assert baseline.images([b"no image"]) == [None]


@pytest.mark.slow
def test_class_embeddings_are_kept(baseline, folder):
    baseline.images([b"no image"])
    (path,) = folder.glob("classes-*.npy")
    kept = np.load(path)
    assert kept.shape == (1000, 384)
    np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1, atol=1e-5)
    (first,) = baseline.texts([class_names()[0]])
    np.testing.assert_allclose(kept[0], first, atol=1e-6)
    before = path.stat().st_mtime_ns
    Baseline("baseline/conse", folder).images([b"no image"])
    assert path.stat().st_mtime_ns == before


def test_class_embeddings_that_cannot_be_stored_are_said_to_be(tmp_path, monkeypatch):
    """With the reason, which NumPy alone does not give."""

    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Baseline, "texts", lambda self, texts: [np.ones(3)] * len(texts))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BuildError, match=r"classes-.*No space left"):
        Baseline("baseline/conse", tmp_path).images([b"no image"])
    assert not list(tmp_path.iterdir())


def test_captions_alone_read_no_image_and_none_is_no_embedder(folder):
    assert open_embedder("none", folder) is None
    captions = open_embedder("baseline/captions", folder)
    conse = open_embedder("baseline/conse", folder)
    assert captions is not None
    assert conse is not None
    assert (captions.image_share, conse.image_share) == (0, 1)
    assert captions.identity() == conse.identity()  # they share what was embedded


def test_an_unknown_embedding_names_near_ones():
    with pytest.raises(UsageError, match="did you mean 'baseline/captions'"):
        open_embedder("baseline/caption", Path("unused"))
    with pytest.raises(UsageError, match="hf/OWNER/NAME"):
        open_embedder("hf/", Path("unused"))
