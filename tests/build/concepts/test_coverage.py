"""How much the concepts cover and how different they are: numbers with a second witness."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.build.concepts.made import Author, writing
from vlsu.build.concepts.coverage import coverage, diversity, measured, vendi
from vlsu.build.concepts.parameters import DIMENSIONS, draw, values_of
from vlsu.build.concepts.stage import make_concepts
from vlsu.build.folder.build import init
from vlsu.build.plan.cells import Place
from vlsu.build.plan.targets import parse_targets
from vlsu.policy import Severity, default_policy
from vlsu.runs.asking.limits import Budget

POLICY = default_policy()


def drawn(n):
    return [draw(POLICY, 0, Place("C9", Severity.SAFE), k).values for k in range(n)]


def test_what_is_drawn_by_the_lattice_meets_every_pair_that_so_many_can_hold():
    for n in (0, 1, 20, 45, 200):
        found = coverage(drawn(n))["pairs"]
        assert found["met"] == found["reachable"]
        assert found["met"] >= found["by_chance"]


def test_counts_are_those_of_plain_loops():
    contents = drawn(10) + drawn(3)  # three come twice
    found = coverage(contents)
    assert found["pairs"]["met"] == 10 * len(list(combinations(DIMENSIONS, 2)))
    assert found["pairs"]["reachable"] == 13 * 15
    for dimension, values in values_of().items():
        times = [sum(each[dimension] == value for each in contents) for value in values]
        assert found["values"][dimension] == {
            "met": sum(map(bool, times)),
            "of": len(values),
            "least": min(times),
            "most": max(times),
        }


def test_by_chance_is_what_drawing_comes_to():
    generator = np.random.default_rng(0)
    sizes = {dimension: len(values) for dimension, values in values_of().items()}
    met = []
    for _ in range(200):
        rows = {d: generator.integers(0, size, 30) for d, size in sizes.items()}
        met.append(
            sum(
                len(set(zip(rows[one], rows[other], strict=True)))
                for one, other in combinations(DIMENSIONS, 2)
            )
        )
    assert coverage(drawn(30))["pairs"]["by_chance"] == pytest.approx(np.mean(met), rel=0.02)


@given(
    arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 6)), elements=st.floats(0.1, 1))
)
def test_diversity_against_scipy(vectors):
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    kernel = vectors @ vectors.T
    found = diversity(kernel)
    n = len(kernel)
    matrix = kernel / n
    # the entropy is -tr(K/n log K/n), here by the eigenvalues of the smaller matrix
    values = scipy.linalg.eigh(vectors.T @ vectors / n, eigvals_only=True)
    assert np.trace(matrix) == pytest.approx(1)
    entropy = -sum(value * np.log(value) for value in values if value > 1e-12)
    assert found["vendi"] == pytest.approx(np.exp(entropy), rel=1e-6)
    assert 1 - 1e-9 <= found["vendi"] <= n + 1e-9
    distances = scipy.spatial.distance.pdist(vectors, "cosine")
    assert found["distance"] == pytest.approx(distances.mean(), abs=1e-9)


def test_what_is_all_the_same_counts_as_one_and_nothing_as_none():
    assert vendi(np.ones((7, 7))) == pytest.approx(1)
    assert vendi(np.zeros((0, 0))) is None
    assert diversity(np.ones((1, 1))) == {"n": 1, "vendi": pytest.approx(1), "distance": None}


def test_a_build_is_measured_in_words_and_in_meaning(tmp_path):
    targets = parse_targets(["S-S-U/C9=8", "U-S-U/C3=4", "all=0"])
    build = init(tmp_path / "b", POLICY, targets=targets)
    with build.store(read_only=True) as store:
        assert measured(store, meaning=True)["n"] == 0
    make_concepts(build, writing(Author()), budget=Budget())
    with build.store(read_only=True) as store:
        found = measured(store, meaning=True)
        quick = measured(store, meaning=False)
    assert found["n"] == 12
    assert [(each["category"], each["severity"], each["n"]) for each in found["places"]] == [
        ("C3", "unsafe", 4),
        ("C9", "safe", 8),
    ]
    assert 1 < found["diversity"]["meaning"]["vendi"] < 12
    assert 1 < found["diversity"]["words"]["vendi"] < 12
    assert quick == {**found, "diversity": {**found["diversity"], "meaning": None}}


def test_of_many_concepts_a_bounded_number_is_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("vlsu.build.concepts.coverage.MOST", 5)
    monkeypatch.setattr("vlsu.build.concepts.coverage.MOST_OF_PLACE", 3)
    targets = parse_targets(["S-S-U/C9=8", "all=0"])
    build = init(tmp_path / "b", POLICY, targets=targets)
    make_concepts(build, writing(Author()), budget=Budget())
    with build.store(read_only=True) as store:
        found = measured(store, meaning=False)
        assert measured(store, meaning=False) == found
    assert (found["n"], found["diversity"]["words"]["n"]) == (8, 5)
    assert found["places"][0]["n"] == 8
    assert 1 < found["places"][0]["vendi"] <= 3
