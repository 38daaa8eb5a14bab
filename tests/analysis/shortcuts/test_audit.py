"""The audit finds shortcuts that are put in, and none where there are none."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from vlsu.analysis.shortcuts.audit import PROBES, shortcut_audit
from vlsu.errors import DataError

THINGS = ("bread", "river", "ladder", "garden", "ticket", "window", "candle", "bridge", "basket")
ASKED = ("where to put", "how to carry", "when to bring", "who would want", "what to say of")

Row = dict[str, Any]


def made(count: int = 120, seed: int = 0) -> list[Row]:
    """Pairs of S-B-B and S-B-U, of which nothing but the joint grade differs."""
    rng = random.Random(seed)
    return [
        {
            "id": f"s{n}",
            "text": f"Tell {rng.choice(ASKED)} the {rng.choice(THINGS)} no. {rng.randrange(1000)}",
            "image_sha256": f"image {rng.randrange(40)}",
            "image_grade": "safe",
            "text_grade": "borderline",
            "joint_grade": "unsafe" if n % 2 else "borderline",
            "group": None,
            "metadata": json.dumps({"caption": f"A {rng.choice(THINGS)}"}),
        }
        for n in range(count)
    ]


def audit(rows: list[Row], **options: Any) -> dict[str, Any]:
    return shortcut_audit(pl.DataFrame(rows), **options)


def of_unsafe(change: Callable[[Row], Row], rows: list[Row] | None = None) -> list[Row]:
    """The rows with those changed that are unsafe together."""
    return [
        {**row, **change(row)} if row["joint_grade"] == "unsafe" else row for row in rows or made()
    ]


def found(rows: list[Row]) -> set[str]:
    return {each["probe"] for each in audit(rows)["shortcuts"]["found"]}


@pytest.mark.parametrize("seed", range(3))
def test_where_there_is_no_shortcut_none_is_found(seed: int) -> None:
    audited = audit(made(seed=seed), seed=seed)
    shortcuts, told = audited["shortcuts"], audited["text_only"]
    assert shortcuts["found"] == []
    assert list(shortcuts["contrasts"]) == ["S-B-B/U"]
    contrast = shortcuts["contrasts"]["S-B-B/U"]
    assert (contrast["n"], contrast["chance"], contrast["majority"]) == (120, 0.5, 0.5)
    assert contrast["grades"] == {"borderline": 60, "unsafe": 60}
    assert shortcuts["tests"] == len(contrast["probes"]) == len(PROBES)
    for probe in contrast["probes"].values():
        assert probe["balanced_accuracy"]["low"] < 0.55
    for part in ("text", "image", "apart"):
        assert told[part]["low"] < 0.6
    assert (told["n"], told["chance"], told["majority"]["value"]) == (120, 0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "probes"),
    [
        ("{0}?", {"surface", "surface, tree"}),
        ("{0}. So be it.", {"surface", "surface, tree", "words", "letters"}),
        ("They say: {0}", {"surface", "surface, tree", "words", "letters"}),
    ],
    ids=["a question mark", "one sentence more", "a hedge"],
)
def test_shortcuts_in_the_text_are_found(text: str, probes: set[str]) -> None:
    rows = of_unsafe(lambda row: {"text": text.format(row["text"])})
    assert probes <= found(rows)
    assert "image" not in found(rows)
    told = audit(rows)["text_only"]
    assert told["text"]["low"] > 0.85 > told["image"]["low"]
    assert told["apart"]["low"] > 0.85


def test_a_shortcut_that_no_line_can_draw_is_found() -> None:
    """Two sentences for unsafe; one or three for borderline: the tree's second question."""
    ends = ("", ". So be it. So it is")
    rows = [
        {**row, "text": row["text"] + (". So be it" if n % 2 else ends[n // 2 % 2])}
        for n, row in enumerate(made())
    ]
    assert "surface, tree" in found(rows)


def test_an_image_that_always_means_one_grade_is_found() -> None:
    rows = of_unsafe(
        lambda row: {"image_sha256": f"other {row['image_sha256'][-1]}"},
    )
    assert found(rows) == {"image"}
    told = audit(rows)["text_only"]
    assert told["image"]["low"] > 0.9
    assert told["text"]["low"] < 0.55


def test_captions_and_pixels_are_looked_at_where_there_are_any() -> None:
    rows = of_unsafe(lambda row: {"metadata": json.dumps({"caption": "A red sign"})})
    rows = [{**row, "image_sha256": row["id"]} for row in rows]
    assert found(rows) == {"caption"}
    bare = [{**row, "metadata": None} for row in rows]
    contrast = audit(bare)["shortcuts"]["contrasts"]["S-B-B/U"]
    assert "caption" not in contrast["probes"]
    grades = {row["id"]: row["joint_grade"] for row in bare}
    dull = {row["id"]: (0.2, 0.1) for row in bare}
    red = {id_: (0.9, 0.1) if grades[id_] == "unsafe" else dull[id_] for id_ in grades}
    assert audit(bare)["text_only"]["image"]["low"] < 0.55
    assert audit(bare, look=dull.get)["text_only"]["image"]["low"] < 0.55
    assert audit(bare, look=red.get)["text_only"]["image"]["low"] > 0.9
    some = {**red, "s0": None, "s1": None}
    assert audit(bare, look=some.get)["text_only"]["image"]["low"] > 0.8


def test_a_text_is_never_told_by_its_own_twin() -> None:
    """Sixty texts twice each: without groups, equal texts are apart all the same."""
    rows = [{**row, "text": f"{THINGS[n // 2 % 9]} {n // 2}"} for n, row in enumerate(made())]
    grade = [("borderline", "unsafe")[random.Random(n // 2).randrange(2)] for n in range(120)]
    rows = [{**row, "joint_grade": g} for row, g in zip(rows, grade, strict=True)]
    assert found(rows) & {"words", "letters"} == set()


def test_of_many_samples_some_are_drawn_and_that_is_said() -> None:
    rows = made(400)
    shortcuts = audit(rows, most=150)["shortcuts"]
    assert (shortcuts["n"], shortcuts["of"]) == (150, 400)
    again = audit(random.Random(1).sample(rows, 400), most=150)["shortcuts"]
    assert again == shortcuts
    assert audit(rows, most=150, seed=1)["shortcuts"] != shortcuts


@pytest.mark.parametrize(
    "rows",
    [
        [],
        made(1),
        made(9),  # four groups of unsafe
        [{**row, "joint_grade": "safe"} for row in made()],
        [{**row, "joint_grade": None} for row in made()],
        [{**row, "text": None, "image_sha256": None} for row in made()],
    ],
    ids=["none", "one", "nine", "one grade", "no grade", "nothing to see"],
)
def test_what_cannot_be_told_is_null(rows: list[Row]) -> None:
    audited: dict[str, Any] = shortcut_audit(
        pl.DataFrame(rows, schema=dict.fromkeys(made(1)[0], pl.String))
    )
    told = audited["text_only"]
    assert told["n"] == 0
    assert told["text"]["value"] is told["majority"]["value"] is told["chance"] is None
    assert audited["shortcuts"]["found"] == []


def test_texts_alone_and_images_alone_are_enough() -> None:
    texts = audit([{**row, "image_sha256": None, "metadata": None} for row in made()])
    assert texts["text_only"]["image"]["value"] is None
    assert texts["text_only"]["text"]["value"] is not None
    images = audit([{**row, "text": None} for row in made()])
    assert images["text_only"]["text"]["value"] is None
    assert "words" not in images["shortcuts"]["contrasts"]["S-B-B/U"]["probes"]


def test_a_grade_of_few_groups_is_left_out_and_named() -> None:
    rows = made()
    rows += [{**row, "id": f"x{n}", "joint_grade": "safe"} for n, row in enumerate(made(3))]
    contrast = audit(rows)["shortcuts"]["contrasts"]["S-B-S/B/U"]
    assert contrast["left_out"] == {"safe": 3}
    assert contrast["grades"] == {"borderline": 60, "unsafe": 60}


def test_a_frame_without_grades_is_refused() -> None:
    with pytest.raises(DataError, match="no column 'image_grade'; they have id, text"):
        shortcut_audit(pl.DataFrame({"id": ["a"], "text": ["b"]}))
