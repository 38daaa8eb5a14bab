"""Concepts that say nearly the same, in words and in meaning."""

from __future__ import annotations

import numpy as np
import pytest

from vlsu.build.concepts.alike import SAME_MEANING, Concepts, embedded

RIVER = "A wooden bridge over a quiet river at noon."


def nearest(kept, waiting):
    return Concepts([kept], [waiting]).nearest(0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RIVER, RIVER.upper()),
        (RIVER, "A wooden bridge over the quiet river at noon"),
        ("A crowd with banners in a city square.", "A city square full of people holding banners."),
        (
            "A museum display of old rifles in Europe, photographed from above.",
            "Old rifles on display in a European museum, seen from above.",
        ),
    ],
)
def test_the_same_image_said_otherwise_is_alike(one, other):
    assert nearest(one, other).alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A crowd with banners in a city square.", "A crowd with umbrellas in a city square."),
        (
            "A market stall with spices in North Africa.",
            "A market stall with spices in South Asia.",
        ),
        ("A dog asleep on a porch in winter.", "A cat asleep on a porch in winter."),
        (RIVER, ""),
    ],
)
def test_another_image_in_like_words_is_not(one, other):
    assert not nearest(one, other).alike


def test_only_what_is_kept_is_compared_with():
    known = Concepts([], [RIVER, RIVER])
    assert not known.nearest(0).alike
    assert not known.nearest(1).alike  # the first was given up
    known.keep(0)
    assert known.nearest(1).words == 1.0
    assert known.nearest(1).meaning == pytest.approx(1, abs=1e-5)


def test_embeddings_are_unit_vectors_and_nothing_for_nothing():
    vectors = embedded([RIVER, "", RIVER])
    assert vectors is not None
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1], abs=1e-5)
    assert vectors[0] @ vectors[2] > SAME_MEANING
