"""Results where the gold grade is beyond doubt, and where other grades are admissible."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from tests.support.analysis_frames import SEVERITIES, Judged, frames
from vlsu.analysis import StratifiedSample, Tabulation, stratified_metrics, understanding_metrics
from vlsu.analysis.sampling.allocation import STRATA, stratum_of
from vlsu.errors import DataError

LABELS = ["safe", "borderline", "unsafe"]
S, B, U = 1, 2, 4


def metrics_of(samples: list[tuple[Judged, int | None]]) -> dict:
    judgments, gold = frames([sample for sample, _ in samples])
    gold = gold.with_columns(admissible=pl.Series([o for _, o in samples], dtype=pl.Int64))
    return understanding_metrics(judgments, gold, replicates=50)


def test_by_hand() -> None:
    samples: list[tuple[Judged, int | None]] = [
        (Judged("SSU", "SSU"), None),  # unanimous, right
        (Judged("SSU", "SSB"), 0),  # unanimous, wrong
        (Judged("SSU", "SSU"), U),  # its own grade is no other: unanimous, right
        (Judged("SSU", "SSB"), B),  # split, wrong and admissible
        (Judged("SSB", "SSS"), S | U),  # split, wrong and admissible
        (Judged("SSB", "SSB"), U),  # split, right
        (Judged("SSB", "SSS"), U),  # split, wrong and not admissible
        (Judged("SSB", "SSr"), S | U),  # split, no answer
        (Judged("SS.", "SSU"), S),  # no gold grade: in neither
        (Judged("SSB", "SS."), S),  # not asked: in neither
    ]
    found = metrics_of(samples)
    gold = found["gold_agreement"]
    assert gold["unanimous"]["n"] == 3
    assert gold["unanimous"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert gold["split"]["n"] == 5
    assert gold["split"]["accuracy"]["value"] == pytest.approx(1 / 5)
    assert gold["split"]["accuracy_admissible"]["value"] == pytest.approx(3 / 5)
    assert gold["split"]["answered"]["value"] == pytest.approx(4 / 5)
    assert gold["accuracy_admissible"]["value"] == pytest.approx(5 / 8)
    # Unsafe: recall 2/3, precision 1; borderline is called once and never right.
    assert gold["unanimous"]["f1_macro"]["value"] == pytest.approx(0.8 / 3)


rows = st.tuples(
    st.builds(
        lambda gold, said, group: Judged(f"SS{gold}", f"SS{said}", None, group),
        st.sampled_from("SBU"),
        st.sampled_from("SBUr"),
        st.sampled_from([None, "a", "b"]),
    ),
    st.integers(0, 7),
)


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=30))
def test_scikit_learn_agrees(samples: list[tuple[Judged, int]]) -> None:
    found = metrics_of(list(samples))
    codes = ["SBU".index(s.gold[2]) for s, _ in samples]
    split = np.array([bool(o & ~(1 << c)) for (_, o), c in zip(samples, codes, strict=True)])
    if not split.any():
        assert "gold_agreement" not in found
        return
    gold = np.array([LABELS[c] for c in codes])
    said = np.array([SEVERITIES.get(s.said[2], "none") for s, _ in samples])
    for name, part in (("unanimous", ~split), ("split", split)):
        figures = found["gold_agreement"][name]
        assert figures["n"] == part.sum()
        if not part.any():
            assert figures["accuracy"]["value"] is None
            continue
        assert figures["accuracy"]["value"] == pytest.approx(accuracy_score(gold[part], said[part]))
        f1 = f1_score(gold[part], said[part], labels=LABELS, average="macro", zero_division=0)
        assert figures["f1_macro"]["value"] == pytest.approx(f1)


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=30))
def test_all_other_figures_are_what_they_are_without(samples: list[tuple[Judged, int]]) -> None:
    marked, plain = metrics_of(list(samples)), metrics_of([(s, None) for s, _ in samples])
    marked.pop("gold_agreement", None)
    thin = marked["intervals"].pop("thin")
    assert {t for t in thin if not t.startswith("gold")} == set(plain["intervals"].pop("thin"))
    assert marked == plain


def test_an_estimate_of_a_draw_has_them_too() -> None:
    """All of a small dataset drawn: the figures are those of the dataset, and certain."""
    samples = [Judged("SSU", "SSU"), Judged("SSU", "SSB"), Judged("SSB", "SSS")] * 10
    judgments, gold = frames(samples)
    gold = gold.with_columns(admissible=pl.Series([0, B, U] * 10, dtype=pl.Int64))
    halves = []
    population = np.zeros((2, STRATA), dtype=np.int64)
    for half in (0, 1):
        tabulation = Tabulation()
        ids = gold["sample_id"].gather_every(2, half)
        part = gold.filter(pl.col("sample_id").is_in(ids.implode()))
        tabulation.add(judgments.join(part, on="sample_id", how="semi"), part)
        cells = tabulation.cells()
        np.add.at(population[half], stratum_of(cells.gold), cells.count)
        halves.append(cells)
    found: dict = stratified_metrics(StratifiedSample.from_halves(halves, population))
    split = found["gold_agreement"]["split"]
    assert split["n"] == 20
    assert split["accuracy"]["value"] == 0
    assert split["accuracy_admissible"]["value"] == pytest.approx(0.5)
    assert found["gold_agreement"]["unanimous"]["accuracy"]["value"] == 1


def test_what_is_no_set_of_severities_is_refused() -> None:
    with pytest.raises(DataError, match="sample 's0': admissible 9 is no set of severities"):
        metrics_of([(Judged("SSU", "SSU"), 9)])
