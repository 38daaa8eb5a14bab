"""Student's quantiles, against SciPy's."""

from __future__ import annotations

import pytest
from scipy.stats import t

from vlsu.analysis.stats.student import student_quantile


@pytest.mark.parametrize("df", [1, 1.5, 2, 3.7, 10, 29, 250, 1e4, 9.9e5, 1e6, 1e9])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_quantiles_are_scipys(df: float, level: float) -> None:
    expected = t.ppf((1 + level) / 2, df)
    assert student_quantile(level, df) == pytest.approx(expected, rel=1e-5)
