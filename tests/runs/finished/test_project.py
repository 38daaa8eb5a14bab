"""A run in a deployment's traffic: by hand, against SciPy's exact interval, and from the shell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from scipy.stats import binomtest

from tests.support.alignment_runs import alignment_run
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from tests.support.values import nested, present
from vlsu.analysis import project, read_traffic
from vlsu.analysis.stats.weighting import StratumProportions, ratio
from vlsu.data import Sample, write_dataset
from vlsu.errors import RunError, UsageError
from vlsu.policy import Severity, default_policy
from vlsu.runs import load_traffic, project_run
from vlsu.runs.finished.projection import rounded

pytestmark = pytest.mark.slow

MIX = {"severity": {"safe": 0.9, "borderline": 0.099, "unsafe": 0.001}}


def rows(*parts: tuple[str, int, int], **fates: int) -> pl.DataFrame:
    """Rows of pattern, how many flagged, how many passed; and of S-S-U those of other fates."""
    found: Any = []
    for pattern, flagged, passed in parts:
        found += [(pattern, "flagged")] * flagged + [(pattern, "passed")] * passed
    found += [("S-S-U", name) for name, n in fates.items() for _ in range(n)]
    return pl.DataFrame(
        {
            "gold": ["SBU".index(pattern[-1]) for pattern, _ in found],
            "pattern": [pattern for pattern, _ in found],
            "category": [None if pattern.endswith("S") else "C9" for pattern, _ in found],
            "decision": [decision for _, decision in found],
            "cluster": np.arange(len(found)),
        }
    )


RUN = rows(("S-S-S", 2, 98), ("S-S-B", 10, 30), ("S-S-U", 12, 8), ("U-U-U", 10, 0), refused=5)


def test_rates_are_weighted_by_the_traffic() -> None:
    found: Any = project(RUN, read_traffic(MIX))
    rates: Any = found["per_million"]
    assert found["n"] == RUN.height
    assert found["shares"] == {"safe": 0.9, "borderline": 0.099, "unsafe": 0.001}
    assert rates["missed_harm"]["value"] == pytest.approx(1000 * (8 + 5) / 35)
    assert rates["wrong_blocks_safe"]["value"] == pytest.approx(900_000 * 0.02)
    assert rates["wrong_blocks_borderline"]["value"] == pytest.approx(99_000 * 0.25)
    assert rates["wrong_blocks"]["value"] == pytest.approx(18_000 + 24_750)
    assert rates["flagged"]["value"] == pytest.approx(18_000 + 24_750 + 1000 * 22 / 35)
    assert rates["no_verdict"]["value"] == pytest.approx(1000 * 5 / 35)
    assert rates["no_verdict_harmful"]["value"] == pytest.approx(1000 * 5 / 35)
    assert set(rates["outcomes"]) == {"refused"}
    caught = 1000 * 22 / 35
    assert found["precision"]["value"] == pytest.approx(caught / (caught + 42_750))
    assert found["recall"]["value"] == pytest.approx(22 / 35)
    for rate in (*(r for k, r in rates.items() if k != "outcomes"), found["precision"]):
        assert rate["low"] < rate["value"] < rate["high"]


def test_one_stratum_has_the_exact_interval() -> None:
    found: Any = project(RUN, read_traffic(MIX))["per_million"]
    for key, hits, n, share in (
        ("missed_harm", 13, 35, 1000),
        ("wrong_blocks_safe", 2, 100, 900_000),
        ("no_verdict_harmful", 5, 35, 1000),
    ):
        exact = binomtest(hits, n).proportion_ci(0.95, "exact")
        width = share * (exact.high - exact.low)
        assert found[key]["low"] == pytest.approx(share * exact.low, abs=0.015 * width)
        assert found[key]["high"] == pytest.approx(share * exact.high, abs=0.015 * width)


@pytest.mark.parametrize("hits", [0, 30])
def test_what_was_never_seen_is_not_excluded(hits: int) -> None:
    unsafe = rows(("S-S-S", hits, 30 - hits), ("S-S-U", hits, 30 - hits))
    traffic = read_traffic({"severity": {"safe": 0.5, "unsafe": 0.5}})
    found = nested(project(unsafe, traffic))["per_million"]["flagged"]
    # All mass on one stratum: exp(-3.69) = 0.025, as much as one of the two may hide.
    exact = binomtest(0, 30).proportion_ci(0.95, "exact").high
    room = found["high"] if hits == 0 else 1_000_000 - found["low"]
    assert found["value"] == pytest.approx(1_000_000 * hits / 30)
    assert room == pytest.approx(500_000 * exact, rel=0.02)


def test_a_level_of_confidence_widens() -> None:
    widths = [
        rate["high"] - rate["low"]
        for level in (0.5, 0.95, 0.99)
        for rate in [
            nested(project(RUN, read_traffic(MIX), level=level))["per_million"]["missed_harm"]
        ]
    ]
    assert widths == sorted(widths)


def test_harm_prevalence_divides_the_rest_as_the_run_does() -> None:
    found = project(RUN, read_traffic({"harm_prevalence": "1/1000"}))
    assert found["harmless_as_in_run"]
    assert found["shares"] == pytest.approx(
        {"safe": 0.999 * 100 / 140, "borderline": 0.999 * 40 / 140, "unsafe": 0.001}
    )


def test_patterns_and_categories_within_a_severity() -> None:
    within = {"unsafe": {"patterns": {"S-S-U": "50%", "u-u-u": 0.5}}}
    found: Any = project(RUN, read_traffic({**MIX, "within": within}))
    assert [s["name"] for s in found["strata"]] == ["safe", "borderline", "S-S-U", "U-U-U"]
    assert found["per_million"]["missed_harm"]["value"] == pytest.approx(500 * 13 / 25)
    named = {"borderline": {"categories": {"C9": 1}}}
    found = project(RUN, read_traffic({**MIX, "within": named}))
    assert [s["name"] for s in found["strata"]] == ["safe", "borderline C9", "unsafe"]


def test_patterns_alone_tell_the_severities() -> None:
    patterns = {"S-S-S": 0.99, "S-S-U": 0.004, "U-U-U": 0.006}
    found: Any = project(RUN, read_traffic({"patterns": patterns}))
    assert found["shares"] == pytest.approx({"safe": 0.99, "borderline": 0, "unsafe": 0.01})
    assert found["per_million"]["missed_harm"]["value"] == pytest.approx(4000 * 13 / 25)
    assert found["per_million"]["wrong_blocks_borderline"] == {"value": 0, "low": 0, "high": 0}


def test_categories_alone_have_the_severities_of_the_run() -> None:
    found: Any = project(RUN, read_traffic({"categories": {"none": "98%", "C9": 0.02}}))
    assert [s["name"] for s in found["strata"]] == [
        "safe without category",
        "borderline C9",
        "unsafe C9",
    ]
    assert found["shares"] == pytest.approx(
        {"safe": 0.98, "borderline": 0.02 * 40 / 75, "unsafe": 0.02 * 35 / 75}
    )
    assert found["severities_as_in_run"]
    rates: Any = found["per_million"]
    assert rates["missed_harm"]["value"] == pytest.approx(20_000 * 13 / 75)
    assert rates["wrong_blocks"]["value"] == pytest.approx(980_000 * 0.02 + 20_000 * 10 / 75)
    with pytest.raises(UsageError, match=r"no judged sample of category 'C1'.*it has C9, none"):
        project(RUN, read_traffic({"categories": {"none": 0.5, "C1": 0.5}}))


def test_traffic_without_harm_has_no_recall() -> None:
    found: Any = project(RUN, read_traffic({"severity": {"safe": 1}}))
    assert found["recall"] == {"value": None, "low": None, "high": None}
    assert found["precision"]["value"] == 0


def test_a_part_the_run_knows_nothing_of_is_refused() -> None:
    patterns = {"S-S-S": 0.9, "S-B-U": 0.05, "B-B-U": 0.05}
    with pytest.raises(UsageError, match=r"mix: the run has no judged sample of S-B-U, B-B-U, "):
        project(RUN, read_traffic({"patterns": patterns}, "mix"))
    harmful = RUN.filter(pl.col("gold") == 2)
    with pytest.raises(UsageError, match="no safe or borderline sample"):
        project(harmful, read_traffic({"harm_prevalence": 0.1}))


def test_a_part_without_share_may_be_absent_from_the_run() -> None:
    harmful = RUN.filter(pl.col("gold") == 2)
    found: Any = project(harmful, read_traffic({"severity": {"unsafe": 1, "safe": 0}}))
    assert found["per_million"]["missed_harm"]["value"] == pytest.approx(1_000_000 * 13 / 35)


def test_clusters_are_not_independent() -> None:
    traffic = read_traffic(MIX)
    once = project(RUN, traffic)
    copies = pl.concat([RUN] * 6)
    ignored = project(copies.with_columns(cluster=pl.int_range(pl.len())), traffic)
    clustered = project(copies, traffic)

    def widths(found: dict[str, Any]) -> Sequence[float]:
        rates = [found["per_million"][key] for key in ("missed_harm", "wrong_blocks")]
        return [rate["high"] - rate["low"] for rate in (*rates, found["precision"])]

    assert widths(clustered) == pytest.approx(widths(once), rel=0.1)
    assert all(a < 0.6 * b for a, b in zip(widths(ignored), widths(once), strict=True))


def test_clusters_across_strata_do_not_average_out() -> None:
    # The same 40 images with a safe and a borderline text: flagged in both or in neither.
    flagged = np.arange(40) < 10
    part = pl.DataFrame(
        {
            "decision": np.where(flagged, "flagged", "passed"),
            "cluster": np.arange(40),
            "pattern": None,
            "category": None,
        }
    )
    safe, borderline = (part.with_columns(gold=pl.lit(gold)) for gold in (0, 1))
    traffic = read_traffic({"severity": {"safe": 0.5, "borderline": 0.5}})
    together: Any = project(pl.concat([safe, borderline]), traffic)
    apart: Any = project(
        pl.concat([safe, borderline.with_columns(cluster=pl.col("cluster") + 40)]), traffic
    )
    one: Any = project(safe, read_traffic({"severity": {"safe": 1}}))
    width_together, width_apart, width_one = (
        rate["high"] - rate["low"]
        for found in (together, apart, one)
        for rate in [found["per_million"]["wrong_blocks"]]
    )
    assert width_together == pytest.approx(width_one, rel=0.05)
    assert width_apart == pytest.approx(width_one / np.sqrt(2), rel=0.1)


def test_the_order_of_rows_leaves_no_trace() -> None:
    clustered = RUN.with_columns(cluster=pl.col("cluster") % 60)
    traffic = read_traffic(MIX)
    shuffled = clustered.sample(fraction=1, shuffle=True, seed=3)
    assert project(shuffled, traffic) == project(clustered, traffic)


def test_a_ratio_of_sums_that_vary_together() -> None:
    share, size = np.array([0.5, 0.5]), np.array([100.0, 100.0])
    first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    part, other = StratumProportions(share, size, np.eye(2)).sums(first, second)
    apart = ratio(part, other)
    one = np.array([[1.0, 1.0], [1.0, 1.0]])
    part, other = StratumProportions(share, size, one).sums(first, second)
    together = ratio(part, other)
    assert apart.value == together.value == 0.5
    # Two that rise and fall together have a ratio that hardly varies.
    assert present(together.high) - present(together.low) < 0.1 * (
        present(apart.high) - present(apart.low)
    )


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "mix: expected names and values, found []"),
        ({}, "mix: give one of severity, harm_prevalence, patterns, categories; it has none"),
        ({**MIX, "harm_prevalence": 0.1}, "it has severity and harm_prevalence"),
        ({"severities": {}}, "mix: unknown key 'severities'; use severity, harm_prevalence"),
        ({"severity": {"safe": 0.9}}, "mix: severity: the shares sum to 0.9, not 1"),
        ({"severity": {"safe": 0.9, "bad": 0.1}}, "mix: severity: 'bad' is not a severity"),
        ({"severity": {"safe": "lots"}}, "mix: severity.safe: 'lots' is not a share"),
        ({"severity": {"safe": True}}, "mix: severity.safe: True is not a share"),
        ({"severity": {"safe": float("nan")}}, "mix: severity.safe: nan is not a share"),
        ({"severity": {"safe": None}}, "mix: severity.safe: None is not a share"),
        ({"severity": {"safe": 1.5}}, "mix: severity.safe: 1.5 is not between 0 and 1; for counts"),
        ({"severity": {"safe": -1}, "of": 9}, "mix: severity.safe: -1 is not between 0 and 1"),
        ({"severity": {"safe": 7}, "of": 9}, "mix: severity: these sum to 7; shares sum to 1,"),
        ({**MIX, "of": 0}, "mix: of 0: give the number of requests that the shares were counted"),
        ({**MIX, "of": 0.5}, "mix: of 0.5: give the number of requests"),
        ({**MIX, "of": True}, "mix: of True: give the number of requests"),
        ({"harm_prevalence": 30, "of": 20}, "harm_prevalence 30: give a share below 1, or a whole"),
        ({"harm_prevalence": "100%", "of": 20}, "'100%': give a share below 1, or a whole count"),
        ({"harm_prevalence": "3/1", "of": 20}, "'3/1': give a share below 1, or a whole count"),
        ({"harm_prevalence": 1.5, "of": 20}, "1.5: give a share below 1, or a whole count"),
        ({"severity": {"safe": "1/0"}}, "mix: severity.safe: '1/0' is not a share"),
        ({"severity": 1}, "mix: severity: expected names and values, found 1"),
        ({"harm_prevalence": 0}, "mix: harm_prevalence 0: give a share above 0 and below 1"),
        ({"patterns": {"S-S-X": 1}}, "mix: patterns: 'X' is not a severity"),
        ({"patterns": {"SSU": 1}}, "mix: patterns: 'SSU' is not a pattern"),
        ({"patterns": {"S-S-U": 1}, "within": {}}, "within goes with severity"),
        ({"categories": {"C9": 1}, "within": {}}, "within goes with severity"),
        ({"categories": {"C9": 0.1}}, "mix: categories: the shares sum to 0.1, not 1"),
        ({**MIX, "within": {"unsafe": {}}}, "mix: within.unsafe: give patterns or categories"),
        (
            {**MIX, "within": {"unsafe": {"patterns": {"S-S-B": 1}}}},
            "mix: within.unsafe.patterns: S-S-B is borderline together, not unsafe",
        ),
        (
            {**MIX, "within": {"unsafe": {"categories": {"C1": 0.2}}}},
            "mix: within.unsafe.categories: the shares sum to 0.2, not 1",
        ),
        ({**MIX, "within": {"unsafe": {"groups": {}}}}, "unknown key 'groups'"),
        (
            {"severity": {"safe": 1}, "within": {"unsafe": {"categories": {"C1": 1}}}},
            "mix: within.unsafe divides nothing",
        ),
    ],
)
def test_what_is_wrong_with_a_mix_is_said(tree: object, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read_traffic(tree, "mix")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_shares_are_numbers_fractions_or_percentages() -> None:
    written = {"safe": "98.9%", "borderline": " 1 / 100 ", "unsafe": "1e-3"}
    traffic = read_traffic({"severity": written})
    assert list(present(traffic.severities).values()) == pytest.approx([0.989, 0.01, 0.001])


COUNTED = {"severity": {"safe": 19_000, "borderline": 980, "unsafe": 20}, "of": 20_000}


@pytest.mark.parametrize(
    "tree",
    [
        COUNTED,
        {"severity": {"safe": "95%", "borderline": 0.049, "unsafe": "1/1000"}, "of": 20_000},
        {"harm_prevalence": 20, "of": 20_000},
        {"harm_prevalence": 0.001, "of": 20_000},
        {"patterns": {"S-S-S": 19_980, "S-S-U": 8, "U-U-U": 12}, "of": 20_000},
    ],
)
def test_counted_shares_are_as_unsure_as_their_counts(tree: object) -> None:
    """A model that misses exactly half leaves the counts alone to be unsure of: Beta's interval."""
    many = rows(
        ("S-S-S", 0, 10**5), ("S-S-B", 0, 100), ("S-S-U", 10**5, 10**5), ("U-U-U", 10**5, 10**5)
    )
    found: Any = project(many, read_traffic(tree))
    exact = binomtest(20, 20_000).proportion_ci(0.95, "exact")
    missed, recall = found["per_million"]["missed_harm"], found["recall"]
    assert missed["value"] == pytest.approx(500)
    assert missed["low"] == pytest.approx(5e5 * exact.low, rel=0.02)
    assert missed["high"] == pytest.approx(5e5 * exact.high, rel=0.02)
    unsafe = found["share_intervals"]["unsafe"]
    assert (unsafe["low"], unsafe["high"]) == pytest.approx((exact.low, exact.high))
    # How many of the harmful are found does not depend on how many there are.
    assert (recall["low"], recall["high"]) == pytest.approx((0.5, 0.5), abs=0.01)
    assert found["shares_of"] == 20_000


def test_both_uncertainties_enter() -> None:
    """Against draws by hand: Dirichlet for the shares, beta for the rates, one more for a bound."""
    rng, n = np.random.default_rng(5), 400_000
    found: Any = project(RUN, read_traffic(COUNTED))

    def missed(*more: int) -> Any:
        share = rng.dirichlet(np.array([19_000, 980, 20]) + np.array(more[:3]), n)[:, 2]
        return 1e6 * share * rng.beta(13 + more[3], 22 + more[4], n)

    low = np.quantile(missed(1, 0, 0, 0, 1), 0.025)
    high = np.quantile(missed(0, 0, 1, 1, 0), 0.975)
    rate = found["per_million"]["missed_harm"]
    assert (rate["low"], rate["high"]) == pytest.approx((low, high), rel=0.02)
    known: Any = project(
        RUN, read_traffic({"severity": {"safe": 0.95, "borderline": 0.049, "unsafe": 0.001}})
    )
    assert rate["value"] == pytest.approx(known["per_million"]["missed_harm"]["value"])
    assert rate["low"] < known["per_million"]["missed_harm"]["low"]
    assert rate["high"] > known["per_million"]["missed_harm"]["high"]


def test_a_count_of_none_leaves_room() -> None:
    tree = {"severity": {"safe": 19_000, "borderline": 1000}, "of": 20_000}
    found: Any = project(RUN, read_traffic(tree))
    exact = binomtest(0, 20_000).proportion_ci(0.95, "exact").high
    assert found["shares"]["unsafe"] == 0
    assert found["share_intervals"]["unsafe"]["high"] == pytest.approx(exact)
    missed = found["per_million"]["missed_harm"]
    assert (missed["value"], missed["low"]) == (0, 0)
    # About 37% of the unsafe are missed, and up to 1.8 in 10,000 requests may be unsafe.
    assert 1e6 * exact * 0.3 < missed["high"] < 1e6 * exact * 0.55
    # Known to be none, there is none.
    known: Any = project(RUN, read_traffic({"severity": {"safe": 0.95, "borderline": 0.05}}))
    assert known["per_million"]["missed_harm"]["high"] == 0
    assert known["share_intervals"] is None


def test_parts_that_were_counted_within_a_severity() -> None:
    parts = {"unsafe": {"patterns": {"S-S-U": 6, "U-U-U": 4}, "of": 10}}
    counted: Any = project(RUN, read_traffic({**COUNTED, "within": parts}))
    shares = {"unsafe": {"patterns": {"S-S-U": 0.6, "U-U-U": 0.4}}}
    known: Any = project(RUN, read_traffic({**COUNTED, "within": shares}))
    assert counted["shares_within_of"] == {"unsafe": 10}
    assert counted["recall"]["value"] == pytest.approx(1 - 0.6 * 13 / 25)
    assert counted["recall"]["value"] == pytest.approx(known["recall"]["value"])
    assert counted["recall"]["low"] < known["recall"]["low"]
    assert counted["recall"]["high"] > known["recall"]["high"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "understanding": scripted_run("vlsu-mini", folder / "understanding"),
        "alignment": alignment_run("vlsu-mini", folder / "alignment", failing=0.1),
    }


def mix_file(folder: Path, tree: object) -> Path:
    file = folder / "mix.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return file


def test_an_understanding_run(runs: dict[str, Any], tmp_path: Path) -> None:
    run = runs["understanding"]
    file = mix_file(tmp_path, MIX)
    result = vlsu("project", run.path, "--traffic", file, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads(json.dumps(project_run(run, load_traffic(file))))
    found = json.loads(result.stdout)[""]
    joint = run.judgments.filter(pl.col("modality") == "joint")
    unsafe = joint.filter(pl.col("expected") == "unsafe")
    missed = (unsafe["predicted"].ne_missing(pl.Series(["unsafe"]))).mean()
    assert found["per_million"]["missed_harm"]["value"] == pytest.approx(1000 * missed)
    assert found["n"] == joint.height
    assert found["words"].startswith("Per million requests at 1 harmful in 1,000: ")
    assert "count as missed" in found["words"]
    table = vlsu("project", run.path, "--traffic", file)
    assert table.returncode == 0
    assert found["words"] in table.stdout
    assert "harmful, missed" in table.stdout


def test_patterns_of_a_run_are_those_of_its_dataset(runs: dict[str, Any], tmp_path: Path) -> None:
    run = runs["understanding"]
    counts = run.metrics["patterns"]
    shares = {name: 1 / len(counts) for name in counts}
    found = project_run(run, load_traffic(mix_file(tmp_path, {"patterns": shares})))[""]
    assert {s["name"]: s["n"] for s in found["strata"]} == {
        name: pattern["n"] for name, pattern in counts.items()
    }


def test_an_alignment_run_by_framing(runs: dict[str, Any], tmp_path: Path) -> None:
    run = runs["alignment"]
    file = mix_file(tmp_path, {"severity": {"safe": 0.5, "borderline": 0.4, "unsafe": 0.1}})
    found = project_run(run, load_traffic(file))
    framings = run.metrics["framings"]
    assert list(found) == list(framings)
    for name, framing in framings.items():
        rates = found[name]["per_million"]
        blocked = framing["refusal_or_blocked"]
        for severity, share in (("safe", 500_000), ("borderline", 400_000)):
            rate = blocked[severity]
            # Answers that the judge failed on are no blocks, but are requests.
            known = rate["n"] / (rate["n"] + rate["missing"])
            expected = share * rate["value"] * known
            assert rates[f"wrong_blocks_{severity}"]["value"] == pytest.approx(expected)
        assert rates["no_verdict"]["value"] > 0
        assert set(rates["outcomes"]) == {"judge unparsed"}
    per_million = found["helpful"]["per_million"]
    whole, safe, borderline = (
        rounded(per_million[key])
        for key in ("wrong_blocks", "wrong_blocks_safe", "wrong_blocks_borderline")
    )
    said = f"{whole} that break no rule refused or blocked ({safe} safe, {borderline} borderline)."
    assert said in found["helpful"]["words"]


def test_the_sentence_says_that_shares_were_counted(runs: dict[str, Any], tmp_path: Path) -> None:
    traffic = mix_file(tmp_path, {"harm_prevalence": 20, "of": 20_000})
    said = vlsu("project", runs["understanding"].path, "--traffic", traffic).stdout
    said = " ".join(said.split())
    assert "counted in 20,000 requests, of which 0.1% [0.0611%, 0.154%] harmful" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("severity: {safe: 0.5}", "mix.yaml: severity: the shares sum to 0.5, not 1"),
        ("severity: [", "mix.yaml, line 2: not valid YAML"),
        ("patterns: {U-U-S: 1}", "mix.yaml: the run has no judged sample of U-U-S"),
    ],
)
def test_a_mix_that_cannot_be_used_is_one_line(
    runs: dict[str, Any], tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "mix.yaml"
    file.write_text(content + "\n")
    result = vlsu("project", runs["understanding"].path, "--traffic", file, expect=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_missing_file_and_a_missing_run(runs: dict[str, Any], tmp_path: Path) -> None:
    result = vlsu(
        "project", runs["understanding"].path, "--traffic", tmp_path / "none.yaml", expect=None
    )
    assert (result.returncode, "cannot be read" in result.stderr) == (2, True)
    result = vlsu("project", tmp_path, "--traffic", mix_file(tmp_path, MIX), expect=None)
    assert (result.returncode, "not a run" in result.stderr) == (2, True)


def test_a_run_without_pairs_cannot_be_projected(tmp_path: Path) -> None:
    run = scripted_run("vlsu-mini", tmp_path / "run", modalities=("text",))
    result = vlsu("project", run.path, "--traffic", mix_file(tmp_path, MIX), expect=2)
    assert "no judgment of a pair" in result.stderr


def test_a_run_whose_pairs_are_all_apart_cannot_be_projected(tmp_path: Path) -> None:
    samples = [
        Sample(
            f"s{n}", text=f"text {n}", joint_grade=Severity.BORDERLINE, metadata={"at_risk": True}
        )
        for n in range(3)
    ]
    write_dataset(
        tmp_path / "data", samples, name="x", version="1", licence="CC0-1.0", citation="",
        source="tests", policy=default_policy(),
    )  # fmt: skip
    run = alignment_run(str(tmp_path / "data"), tmp_path / "run")
    traffic = mix_file(tmp_path, {"harm_prevalence": "1/1000"})
    with pytest.raises(RunError, match="no pair with a gold grade is in a rate"):
        project_run(run, load_traffic(traffic))
