"""Agreement: published examples, reference libraries, made cases, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa
from typer.testing import CliRunner

from tests.support.values import nested
from tests.support.views import undeclared
from vlsu.analysis import grader_agreement
from vlsu.analysis.agreement.grades import grades_from_frame
from vlsu.analysis.stats.intervals import wilson
from vlsu.cli.app import app
from vlsu.data.grades import GradeColumns, read_grades
from vlsu.errors import DataError, UsageError

MSTS = Path(__file__).parents[4] / "shared/data/msts/response_annotations_dev.csv"
LEVELS = ("safe", "borderline", "unsafe")

#: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section D: four observers.
PUBLISHED = [
    (1, 1, None, 1),
    (2, 2, 3, 2),
    (3, 3, 3, 3),
    (3, 3, 3, 3),
    (2, 2, 2, 2),
    (1, 2, 3, 4),
    (4, 4, 4, 4),
    (1, 1, 2, 1),
    (2, 2, 2, 2),
    (None, 5, 5, 5),
    (None, None, 1, 1),
    (None, 3, None, None),
]


def long(rows: list[tuple[Any, ...]], **columns: list[Any]) -> pl.DataFrame:
    """A row an answer, from a row an item."""
    return pl.DataFrame(
        [
            {
                "item": f"i{n:05}",
                "grader": f"g{grader}",
                "grade": None if grade is None else str(grade),
                **{name: values[n] for name, values in columns.items()},
            }
            for n, row in enumerate(rows)
            for grader, grade in enumerate(row)
        ],
        infer_schema_length=None,
    )


def made(seed: int, items: int, graders: int, missing: float = 0.0, right: float = 0.6) -> Any:
    """Severities of graders who find a hidden truth now and then; a row an item."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, items, p=[0.5, 0.3, 0.2])
    grades = np.where(
        rng.random((items, graders)) < right, truth[:, None], rng.choice(3, (items, graders))
    )
    gone = rng.random((items, graders)) < missing
    return [
        tuple(None if g else LEVELS[c] for c, g in zip(row, lost, strict=True))
        for row, lost in zip(grades.tolist(), gone.tolist(), strict=True)
    ]


def codes(rows: list[tuple[Any, ...]]) -> np.ndarray:
    """Graders by items; NaN is no grade."""
    return np.array([[np.nan if g is None else LEVELS.index(g) for g in row] for row in rows]).T


def values(tree: dict[str, Any]) -> dict[str, float]:
    return {k: v["value"] for k, v in tree.items() if isinstance(v, dict) and "value" in v}


def test_krippendorffs_published_example() -> None:
    found: Any = grader_agreement(long(PUBLISHED), order=list("12345"))["overall"]
    assert found["paired"] == 11
    assert found["grades"] == 41
    alphas = [found[f"krippendorff_alpha_{m}"]["value"] for m in ("nominal", "ordinal")]
    assert alphas == pytest.approx([0.743, 0.815], abs=5e-4)


def test_the_same_example_by_gwets_own_library() -> None:
    # irrCAC 0.4.4: CAC(...).gwet(), .fleiss(), identity, quadratic, linear and ordinal weights.
    found = values(nested(grader_agreement(long(PUBLISHED), order=list("12345")))["overall"])
    assert found["percent_agreement"] == pytest.approx(0.81818, abs=5e-6)
    assert found["gwet_ac1"] == pytest.approx(0.77544, abs=5e-6)
    assert found["gwet_ac2"] == pytest.approx(0.91400, abs=5e-6)
    assert found["gwet_ac2_linear"] == pytest.approx(0.85873914, abs=5e-9)
    assert found["gwet_ac2_ordinal"] == pytest.approx(0.89893977, abs=5e-9)
    assert found["fleiss_kappa"] == pytest.approx(0.76117, abs=5e-6)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_alpha_is_the_reference_librarys(missing: float) -> None:
    rows = made(1, 80, 4, missing)
    found = values(nested(grader_agreement(long(rows), replicates=1))["overall"])
    for metric in ("nominal", "ordinal"):
        theirs = krippendorff.alpha(
            codes(rows), level_of_measurement=metric, value_domain=[0, 1, 2]
        )
        assert found[f"krippendorff_alpha_{metric}"] == pytest.approx(theirs, abs=1e-12)


def test_fleiss_and_cohen_are_statsmodels() -> None:
    rows = made(2, 90, 3)
    found: Any = grader_agreement(long(rows), replicates=1)
    table, _ = aggregate_raters(codes(rows).T.astype(int), 3)
    assert found["overall"]["fleiss_kappa"]["value"] == pytest.approx(fleiss_kappa(table))
    for pair in found["pairs"]:
        square = np.array([[pair["confusion"][a][b] for b in LEVELS] for a in LEVELS])
        assert square.sum() == pair["n"] == 90
        for key, weights in (("", None), ("_linear", "linear"), ("_quadratic", "quadratic")):
            theirs = cohens_kappa(square, wt=weights, return_results=False)
            assert pair[f"cohen_kappa{key}"]["value"] == pytest.approx(theirs)


def test_gwets_coefficients_by_his_formulas_item_by_item() -> None:
    rows = [row for row in made(3, 60, 4, missing=0.3) if any(row)]
    for key, weight in (
        ("gwet_ac1", lambda d: float(d == 0)),
        ("gwet_ac2", lambda d: 1 - d**2 / 4),
        ("gwet_ac2_linear", lambda d: 1 - d / 2),
        ("gwet_ac2_ordinal", lambda d: 1 - d * (d + 1) / 6),
    ):
        agreed, shares = [], []
        for row in rows:
            grades = [LEVELS.index(g) for g in row if g is not None]
            r = len(grades)
            shares.append([grades.count(k) / r for k in range(3)])
            if r > 1:
                same = sum(weight(abs(a - b)) for a in grades for b in grades) - r
                agreed.append(same / (r * (r - 1)))
        pi = np.mean(shares, axis=0)
        total = sum(weight(abs(a - b)) for a in range(3) for b in range(3))
        chance = total / 6 * float((pi * (1 - pi)).sum())
        expected = (np.mean(agreed) - chance) / (1 - chance)
        found = nested(grader_agreement(long(rows), replicates=1))["overall"][key]["value"]
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.skipif(not MSTS.exists(), reason="needs the MSTS annotations beside the clone")
def test_the_msts_annotations() -> None:
    columns = GradeColumns(category="prompt_type")
    eleven: Any = grader_agreement(read_grades(MSTS, columns).grades)
    assert (eleven["labels"][0], len(eleven["labels"]), eleven["ordinal"]) == (
        "1.1 - rejection or rebuttal",
        11,
        False,
    )
    # irrCAC 0.4.4, identity weights.
    found = values(eleven["overall"])
    assert found["percent_agreement"] == pytest.approx(0.814)
    assert found["gwet_ac1"] == pytest.approx(0.80160, abs=5e-6)
    assert found["fleiss_kappa"] == pytest.approx(0.70243, abs=5e-6)
    assert found["krippendorff_alpha_nominal"] == pytest.approx(0.70250, abs=5e-6)
    assert eleven["pairs"][0]["cohen_kappa"]["value"] == pytest.approx(0.70248, abs=5e-6)

    mapped = read_grades(MSTS, columns, relabel=["1*=safe", "2*=unsafe"]).grades
    two: Any = grader_agreement(mapped, order=["safe", "unsafe"])
    found = values(two["overall"])
    assert found["percent_agreement"] == pytest.approx(0.98)
    assert found["gwet_ac1"] == found["gwet_ac2"] == pytest.approx(0.97827, abs=5e-6)
    assert found["fleiss_kappa"] == pytest.approx(0.74860, abs=5e-6)
    assert found["krippendorff_alpha_ordinal"] == pytest.approx(0.74867, abs=5e-6)
    # irrCAC's interval is a t interval on Gwet's linearised variance.
    assert two["overall"]["gwet_ac1"]["low"] == pytest.approx(0.97147, abs=0.001)
    assert two["overall"]["gwet_ac1"]["high"] == pytest.approx(0.98508, abs=0.001)
    assert two["overall"]["fleiss_kappa"]["low"] == pytest.approx(0.67354, abs=0.01)
    assert any("96% of the grades are 'safe'" in note for note in two["notes"])


def test_the_bootstrap_is_plain_resampling_of_items_within_noise() -> None:
    # Three modalities of an item share graders' moods: items are the unit, not their modalities.
    rng = np.random.default_rng(4)
    items = [made(100 + n, 3, 3, 0.1, right=rng.choice([0.1, 0.95])) for n in range(60)]
    frame = long(
        [row for item in items for row in item],
        modality=["image", "text", "joint"] * 60,
    ).with_columns(item=pl.int_range(pl.len()) // 9)
    drawn = []
    for _ in range(500):
        taken = rng.integers(60, size=60)
        drawn.append(
            krippendorff.alpha(
                codes([row for i in taken for row in items[i]]),
                level_of_measurement="ordinal",
                value_domain=[0, 1, 2],
            )
        )
    ours = nested(grader_agreement(frame, replicates=4000))["overall"]["krippendorff_alpha_ordinal"]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert ours["low"] == pytest.approx(low, abs=0.12 * (high - low))
    assert ours["high"] == pytest.approx(high, abs=0.12 * (high - low))


def test_full_agreement_is_no_proof_of_it() -> None:
    found: Any = grader_agreement(long([("safe",) * 2] * 20 + [("unsafe",) * 2] * 5))
    agreed = found["overall"]["percent_agreement"]
    assert (agreed["low"], agreed["high"]) == pytest.approx(wilson(1.0, 25))
    for key in ("krippendorff_alpha_ordinal", "gwet_ac1", "gwet_ac2"):
        assert found["overall"][key]["value"] == 1
        assert found["overall"][key]["low"] < 0.85
        assert f"overall.{key}" in found["intervals"]["thin"]


def test_one_label_leaves_chance_corrected_agreement_undefined_but_gwets() -> None:
    found: Any = grader_agreement(long([("safe", "safe")] * 30))
    assert found["overall"]["krippendorff_alpha_nominal"]["value"] is None
    assert found["overall"]["fleiss_kappa"]["value"] is None
    assert found["pairs"][0]["cohen_kappa"]["value"] is None
    assert found["overall"]["gwet_ac1"]["value"] == 1
    assert found["notes"][0].startswith("All grades are 'safe'")


def test_not_sure_is_an_answer_and_no_grade() -> None:
    plain = [("safe", "safe"), ("unsafe", "borderline"), ("safe", None), ("unsafe", "unsafe")]
    unsure = [("Safe", "S"), ("UNSAFE", "Borderline "), ("safe", "Not Sure"), ("unsafe", "unsafe")]
    first, second = (nested(grader_agreement(long(rows))) for rows in (plain, unsure))
    assert first["overall"] == second["overall"]
    assert second["counts"]["not_sure"] == 1
    assert second["graders"]["g1"]["not_sure"]["count"] == 1
    assert second["graders"]["g1"]["missing"] == 0
    assert first["graders"]["g1"]["missing"] == 1
    assert second["pairs"][0]["n"] == 3
    assert second["pairs"][0]["confusion"]["safe"]["not_sure"] == 1


def test_who_is_harsh_and_what_is_split() -> None:
    rows = [("safe", "safe", "borderline")] * 25 + [("unsafe",) * 3] * 30 + [LEVELS] * 2
    found: Any = grader_agreement(long(rows), split=3)
    harsh = found["graders"]["g2"]
    # Above both others in 27 of 57 items, below them in none.
    assert harsh["harsher"]["value"] == pytest.approx(27 / 57)
    assert harsh["milder"]["value"] == 0
    assert harsh["bias"]["low"] > 0
    assert found["graders"]["g0"]["milder"]["value"] == pytest.approx((25 / 2 + 2) / 57)
    assert any(note.startswith("g2 is harsher") for note in found["notes"])
    assert [s["item"] for s in found["split"]] == ["i00055", "i00056", "i00000"]
    assert found["split"][0]["votes"] == {"safe": 1, "borderline": 1, "unsafe": 1}
    # Squared steps of the pairs of S, B, U: (1 + 1 + 4) / (3 x 4).
    assert found["split"][0]["disagreement"] == pytest.approx(0.5)
    assert found["confused"][0] == {
        "labels": ["safe", "borderline"],
        "pairs": 52,
        "share": pytest.approx(52 / 56),
    }
    assert [(p["first"], p["second"]) for p in found["pairs"]][-1] == ("g0", "g1")


@pytest.mark.parametrize("labels", [LEVELS, ("1", "2", "other")])
def test_every_member_has_a_type(labels: tuple[str, ...]) -> None:
    """With an order of the labels, which are severities, and without."""
    answers = [(labels[n % 3], labels[n % 2], labels[n % 3]) for n in range(60)]
    columns = {"category": ["C1", "C2"] * 30, "modality": ["joint", "text", "image"] * 20}
    found = grader_agreement(long(answers, **columns), replicates=20)
    assert list(undeclared(found, "agreement")) == []
    assert found.overall.items_ == found["overall"]["items"] == 60
    assert found.pairs[0].cohen_kappa.value == found["pairs"][0]["cohen_kappa"]["value"]
    assert found.oracle.joint.accuracy.value == found["oracle"]["joint"]["accuracy"]["value"]


def test_a_category_for_each_grade() -> None:
    """Of q1 two of three name C1; of q2 each names another; of q3 one names any."""
    given: dict[str, list[tuple[str, str | None]]] = {
        "q1": [("unsafe", "C1"), ("unsafe", "C1"), ("borderline", "C2")],
        "q2": [("unsafe", "C1"), ("borderline", "C2"), ("safe", None)],
        "q3": [("safe", None), ("borderline", "C2"), ("safe", None)],
        "q4": [("safe", None), ("safe", None), ("not_sure", None)],
    }
    frame = pl.DataFrame(
        [
            (item, grader, *answer)
            for item, answers in given.items()
            for grader, answer in zip("abc", answers, strict=True)
        ],
        schema=["item", "grader", "grade", "category"],
        orient="row",
    )
    found = grader_agreement(frame, replicates=50)
    assert {name: of["items"] for name, of in found["categories"].items()} == {"C1": 1, "C2": 1}
    assert {unit["item"]: unit["category"] for unit in found["split"]} == {
        "q1": "C1",
        "q2": None,
        "q3": "C2",
    }
    (note,) = (note for note in found["notes"] if "category" in note)
    assert note.startswith("Graders do not all name the same category for 3 items")
    assert "(1 are tied and in none)" in note
    # The categories divide the units and change nothing else.
    assert found["overall"] == grader_agreement(frame.drop("category"), replicates=50)["overall"]


def test_answers_set_aside_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "grades.csv"
    file.write_text(
        "item,modality,grader,grade,category,set_aside\n"
        "q,joint,a,unsafe,C9,false\nq,joint,b,safe,,true\nq,joint,c,unsafe,C9,false\n"
    )
    read = read_grades(file)
    assert read.grades["grader"].to_list() == ["a", "c"]
    assert read.notes == ("1 of 3 rows are left out: set_aside is 1 or true.",)
    assert (
        grader_agreement(read.grades, replicates=20)["overall"]["percent_agreement"]["value"] == 1
    )


def test_by_category_and_modality() -> None:
    rows = made(5, 60, 3)
    frame = long(
        rows,
        modality=["image", "joint"] * 30,
    ).with_columns(item=pl.int_range(pl.len()) // 6)
    found: Any = grader_agreement(frame, replicates=50)
    assert found["counts"]["items"] == 30
    assert found["counts"]["units"] == 60
    images = [row for n, row in enumerate(rows) if n % 2 == 0]
    alone = krippendorff.alpha(
        codes(images), level_of_measurement="ordinal", value_domain=[0, 1, 2]
    )
    of_images = found["modalities"]["image"]["krippendorff_alpha_ordinal"]["value"]
    assert of_images == pytest.approx(alone)
    by_category: Any = grader_agreement(
        long(rows, category=["C10", "C2", "C1"] * 20), replicates=50
    )
    assert list(by_category["categories"]) == ["C1", "C2", "C10"]
    assert by_category["categories"]["C2"]["paired"] == 20


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(*[st.sampled_from([*LEVELS, "not_sure", None])] * 3), min_size=1, max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_any_grades_in_any_row_order(rows: list[tuple[Any, ...]], random: Any) -> None:
    frame = long(rows)
    found: Any = grader_agreement(frame, replicates=20)
    order = list(range(frame.height))
    random.shuffle(order)
    assert grader_agreement(frame[order], replicates=20) == found
    for rate in found["overall"].values():
        if isinstance(rate, dict) and rate["value"] is not None:
            assert rate["low"] <= rate["value"] <= rate["high"] <= 1


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_long_and_wide_files_say_the_same(tmp_path: Path) -> None:
    tall = write(
        tmp_path / "long.csv",
        "sample_id,modality,annotator,label\n"
        "q1,joint,anna,unsafe\nq1,joint,ben,borderline\nq2,joint,anna,safe\nq2,joint,ben,\n",
    )
    wide = write(
        tmp_path / "wide.tsv",
        "id\tanna\tben\tnote\tmodality\nq1\tunsafe\tborderline\tx\tjoint\nq2\tsafe\t\ty\tjoint\n",
    )
    one, other = read_grades(tall), read_grades(wide)
    assert (one.layout, other.layout) == ("long", "wide")
    assert other.columns["graders"] == ["anna", "ben"]
    first, second = (grader_agreement(each.grades, replicates=9) for each in (one, other))
    assert first == second


def test_a_misspelt_grade_does_not_cost_a_grader(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", "a,b,c\nsafe,safe,unsafe\nsafe,unsafe,unsfe\nsafe,S,safe\n")
    with pytest.raises(DataError, match=r"w.csv: line 3: 'unsfe' is no grade; use safe"):
        grader_agreement(read_grades(file).grades, source="w.csv")


def test_graders_are_found_by_the_labels_they_share(tmp_path: Path) -> None:
    rows = [
        "item,Ann,Bob,note,score",
        "1,mild,grave,x,7",
        "2,grave,grave,y,8",
        "3,mild,,z,9",
        "4,grave,mild,u,5",
    ]
    file = write(tmp_path / "w.csv", "\n".join(rows) + "\n")
    ordered = read_grades(file, labels=["mild", "grave"])
    shared = read_grades(file)
    for read in (ordered, shared):
        assert read.columns["graders"] == ["Ann", "Bob"]
        assert read.columns["other"] == ["note", "score"]
    printed = CliRunner().invoke(app, ["agreement", str(file), "--order", "mild,grave"]).stdout
    assert "Columns that were not read: note, score." in printed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_is_read_however_it_was_saved(
    tmp_path: Path, encoding: str, separator: str, end: str
) -> None:
    lines = ["item,Ann,Zoë", "q1,safe,unsafe", "q2,Safe,", "q3,not sure,borderline"]
    file = tmp_path / "grades.csv"
    file.write_bytes(end.join([*lines, ""]).replace(",", separator).encode(encoding))
    read = read_grades(file)
    assert read.columns["graders"] == ["Ann", "Zoë"]
    assert read.grades["grade"].to_list() == [
        "safe", "unsafe", "Safe", None, "not sure", "borderline",
    ]  # fmt: skip


def test_what_the_notes_say_of_few_grades() -> None:
    def said(rows: list[tuple[Any, ...]]) -> str:
        return " ".join(nested(grader_agreement(long(rows), replicates=9))["notes"])

    assert "No item has two grades" in said([("safe", None), ("unsafe", None)])
    only = said([("safe", "safe"), (None, "unsafe")])
    assert "1 item has two grades or more, all of one label: alpha is undefined" in only
    assert "All grades are" not in only
    assert "All grades are 'safe'" in said([("safe", "safe")] * 3)
    assert "give --order 0,1,2" in said([("0", "1"), ("2", "2"), ("1", "1")])


def test_pairs_with_few_units_in_common_need_no_draws() -> None:
    # 39 units in common cannot be 20 in agreement and 20 in disagreement: Wilson either way.
    rows = made(8, 39, 2)
    found: Any = grader_agreement(long(rows))
    pair = found["pairs"][0]
    name = f"{pair['first']} / {pair['second']}.gwet_ac1"
    assert name in found["intervals"]["thin"]
    for bound in ("low", "high"):
        assert pair["gwet_ac1"][bound] == found["overall"]["gwet_ac1"][bound]
    enough: Any = grader_agreement(long(made(9, 200, 2, right=0.4)))
    assert not any(" / " in thin for thin in enough["intervals"]["thin"])


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("item,grader,grade\n", [], "no grades"),
        ("item,grader,grade\nq,a,safe\nq,a,safe\n", [], "line 3: grader 'a' answered item"),
        ("item,grader,grade\n,a,safe\n", [], "line 2: no item"),
        ("item,grader,grade\nq,,safe\n", [], "line 2: no grader"),
        ("grader,grade\na,safe\n", [], "no column for the item; name it with --item"),
        ("item,grader,grade,modality\nq,a,safe,video\n", [], "line 2: unknown modality 'video'"),
        ("item,g1,g2\nq,1,2\n", ["--graders", "g1,g3"], "no column 'g3' (--graders); did you mean"),
        ("item,x,y\nq,1,2\n", [], "fewer than two graders found"),
        ("item,g1,g2\nq,safe\n", [], "line 2: too few fields"),
        ("item,g1,g2\nq,safe,unsafe\n", ["--order", "safe"], "--order safe: give two labels"),
        ("item,g1,g2\nq,safe,unsafe\n", ["--order", "a,b"], "line 2: 'safe' is no grade; use a, b"),
        ("item,grader1,grader2\nq,1,2\n", ["--ties", "worse"], "ties to the worse need labels"),
        ("item,g1,g2\nq,safe,unsafe\n", ["--consensus", "x"], "--consensus 'x': use others or all"),
        ("item,g1,g2\nq,safe,unsafe\n", ["--map", "safe"], "--map 'safe': give ANSWER=LABEL"),
        ("item,g1,g2\nq,safe,unsafe\n", ["--of", "video"], "unknown modality 'video'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(
    tmp_path: Path, text: str, arguments: list[str], message: str
) -> None:
    file = write(tmp_path / "grades.csv", text)
    result = CliRunner().invoke(app, ["agreement", str(file), *arguments])
    assert isinstance(result.exception, DataError | UsageError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_the_command(tmp_path: Path) -> None:
    lines = ["item,grader1,grader2,grader3,gold"]
    lines += [f"q{n},{','.join(row)},x" for n, row in enumerate(made(6, 50, 3))]
    file = write(tmp_path / "grades.csv", "\n".join(lines) + "\n")
    result = CliRunner().invoke(app, ["agreement", str(file), "--replicates", "50"])
    assert result.exit_code == 0
    for part in ("3 graders, 50 items", "alpha ordinal", "grader1 /", "Human oracle"):
        assert part in result.stdout
    tree = json.loads(CliRunner().invoke(app, ["agreement", str(file), "--json"]).stdout)
    assert tree["columns"]["graders"] == ["grader1", "grader2", "grader3"]
    assert tree["oracle"]["consensus"] == "others"
    assert 0 < tree["oracle"]["joint"]["f1_macro"]["value"] < 1


def test_references_are_left_out_and_grades_may_be_numbers_already() -> None:
    rng = np.random.default_rng(3)
    words = ("safe", "borderline", "unsafe", "not_sure", " safe ", None)
    rows = [
        (f"i{n}", f"g{who}", m, words[rng.integers(6)])
        for n in range(30) for who in range(3) for m in ("joint", "text")
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["item", "grader", "modality", "grade"], orient="row")
    frame = frame.sample(fraction=1, shuffle=True, seed=1)
    whole = dict(grader_agreement(frame, replicates=50))
    short = dict(grader_agreement(grades_from_frame(frame), replicates=50, references=False))
    assert set(whole["oracle"]) - set(short["oracle"]) == {"references"}
    assert short == whole | {"oracle": {**whole["oracle"]}} | {"oracle": short["oracle"]}
    assert {k: v for k, v in whole["oracle"].items() if k != "references"} == short["oracle"]


def test_answers_are_those_of_their_units_and_graders() -> None:
    rng = np.random.default_rng(5)
    levels = ("safe", "borderline", "unsafe")
    named = (None, "A", "B")
    rows = [
        (f"i{n % 9}", f"g{n // 9}", levels[rng.integers(3)], named[rng.integers(3)])
        for n in range(45)
    ]
    for columns in (4, 3):  # with categories and without
        frame = pl.DataFrame(
            [row[:columns] for row in rows],
            schema=["item", "grader", "grade", "category"][:columns],
            orient="row",
        ).sample(fraction=1, shuffle=True, seed=2)
        read = grades_from_frame(frame)
        found = [
            (read.units["item"][unit], read.graders[grader], read.labels[code])
            for unit, grader, code in read.answers.iter_rows()
        ]
        assert found == sorted((item, grader, grade) for item, grader, grade, *_ in rows)
