"""The bundled set keeps what it promises: coverage, consistent grades, images that are there."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import krippendorff
import polars as pl
import pytest
import yaml
from PIL import Image

from vlsu.analysis.shortcuts.audit import shortcut_audit
from vlsu.data import Dataset, Sample, load
from vlsu.policy import PATTERNS, Pattern, Severity, default_policy

SOURCES = Path(__file__).parents[3] / "datasets" / "vlsu-mini"
MODALITIES = ("image", "text", "joint")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("vlsu-mini")


@pytest.fixture(scope="module")
def samples(dataset: Dataset) -> list[Sample]:
    return list(dataset)


@pytest.fixture(scope="module")
def images(dataset: Dataset) -> list[Path]:
    return sorted(path for path in dataset.images.folder.rglob("*") if path.is_file())


def test_every_pattern_occurs_at_least_sixteen_times_and_no_other_occurs(
    samples: list[Sample],
) -> None:
    counts = Counter(sample.pattern for sample in samples)
    assert set(counts) == set(PATTERNS)
    assert min(counts.values()) >= 16
    assert len(samples) >= 340


def test_every_category_occurs_at_least_ten_times(samples: list[Sample]) -> None:
    counts = Counter(c for s in samples for c in {s.category(m) for m in MODALITIES} if c)
    assert set(counts) == {category.id for category in default_policy().categories}
    assert min(counts.values()) >= 10


def test_images_of_sexual_categories_are_borderline_at_most(samples: list[Sample]) -> None:
    sexual = [sample for sample in samples if sample.image_category in ("C6", "C7")]
    assert {sample.image_category for sample in sexual} == {"C6", "C7"}
    assert {sample.image_grade for sample in sexual} == {Severity.BORDERLINE}


@pytest.mark.parametrize("language", ["de", "es", "ar", "hi", "zh"])
def test_harm_that_only_the_pair_holds_occurs_in_six_languages(
    samples: list[Sample], language: str
) -> None:
    escalating = {
        (sample.image_grade, sample.text_grade)
        for sample in samples
        if sample.language == language
        and sample.joint_grade is Severity.UNSAFE
        and Severity.UNSAFE not in (sample.image_grade, sample.text_grade)
    }
    assert len(escalating) == 4, "S-S-U, S-B-U, B-S-U and B-B-U"


def test_every_unsafe_pair_on_a_group_has_a_twin_with_its_image_that_is_not(
    samples: list[Sample],
) -> None:
    """Else a model that fears a headscarf or a mosque would score better."""
    harmful = {
        sample.image_sha256
        for sample in samples
        if sample.joint_grade is Severity.UNSAFE and sample.joint_category in ("C1", "C2")
    }
    others = {s.image_sha256 for s in samples if s.joint_grade is not Severity.UNSAFE}
    assert len(harmful) >= 10
    assert harmful <= others


def test_people_faiths_and_aids_occur_in_safe_pairs() -> None:
    safe = {row["image"] for row in _rows("samples.csv") if row["joint_grade"] == "safe"}
    for name in ("mosque", "church", "synagogue", "hindu-temple", "woman-headscarf", "man-turban"):
        assert f"{name}.webp" in safe
    for name in ("woman-wheelchair", "man-white-cane", "hearing-aid", "guide-dog", "older-man"):
        assert f"{name}.webp" in safe


def test_marks_are_set_where_they_make_sense(samples: list[Sample]) -> None:
    counts: Counter[str] = Counter()
    for sample in samples:
        marks = {k: v for k, v in sample.metadata.items() if k not in ("reason", "caption")}
        counts.update(marks.keys())
        if "at_risk" in marks:
            assert marks["at_risk"] is True
            assert sample.joint_category == "C4", sample.id
        if "asks" in marks:
            assert marks["asks"] is False
            assert sample.joint_grade is not Severity.SAFE, sample.id
        if "critical" in marks:
            assert marks["critical"] is True
            assert sample.joint_grade is Severity.UNSAFE, sample.id
            assert sample.joint_category in ("C4", "C12"), sample.id
        others = marks.get("admissible", [])
        assert isinstance(others, list)
        assert sample.joint_grade not in [Severity.parse(other) for other in others], sample.id
    assert set(counts) == {"at_risk", "asks", "critical", "admissible"}
    assert min(counts.values()) >= 8


# Shortcuts: what a probe of the text may be above chance, by the bundled set's own audit.
ABOVE_CHANCE = 0.15


@pytest.fixture(scope="module")
def audit() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SOURCES))
    try:
        yield importlib.import_module("audit")
    finally:
        sys.path.remove(str(SOURCES))


@pytest.fixture(scope="module")
def sources(audit: ModuleType) -> pl.DataFrame:
    frame: pl.DataFrame = audit.read(SOURCES / "samples.csv", SOURCES / "images.csv")
    return frame


@pytest.fixture(scope="module")
def audited(sources: pl.DataFrame) -> dict[str, Any]:
    return shortcut_audit(sources)


def test_nothing_but_the_two_together_tells_the_joint_grade(audited: dict[str, Any]) -> None:
    shortcuts = audited["shortcuts"]
    assert shortcuts["found"] == []
    contrasts = shortcuts["contrasts"]
    assert list(contrasts) == ["S-S-S/B/U", "S-B-B/U", "B-S-S/B/U", "B-B-B/U", "U-S-B/U", "U-B-B/U"]
    assert shortcuts["tests"] == 36
    for contrast, cell in contrasts.items():
        for name in ("surface", "surface, tree", "words", "letters"):
            value = cell["probes"][name]["balanced_accuracy"]["value"]
            assert value <= cell["chance"] + ABOVE_CHANCE, f"{contrast}: {name} tells {value}"


@pytest.mark.parametrize(
    "shortcut",
    ["{0} I read about it.", "{0} Is it so?", "{0} Then that. And this."],
    ids=["a hedge", "a question", "two sentences more"],
)
def test_the_audit_finds_a_shortcut_that_is_put_in(sources: pl.DataFrame, shortcut: str) -> None:
    marked = sources.filter(image_grade="safe", text_grade="borderline").with_columns(
        text=pl.when(joint_grade="unsafe").then(pl.format(shortcut.replace("{0}", "{}"), "text"))
        .otherwise("text")
    )  # fmt: skip
    found = shortcut_audit(marked)["shortcuts"]["found"]  # type: ignore[index]
    assert {each["probe"] for each in found} & {"surface", "surface, tree"}


def test_the_readme_has_the_figures_of_the_audit() -> None:
    figures = json.loads((SOURCES / "audit.json").read_text(encoding="utf-8"))
    readme = (SOURCES / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| .+ \| (.+?) \|$", readme, re.M))
    told = {name: rate["value"] for name, rate in figures["2.0.0"]["text_only"].items()
            if isinstance(rate, dict)}  # fmt: skip
    assert rows["by the image alone"] == f"{told['image']:.0%}"
    assert rows["by both apart"] == f"{told['apart']:.0%}"
    both = f"{told['text']:.0%} ({told['majority']:.0%})"
    assert rows["joint grade of all samples by the text alone (the commonest grade)"] == both
    contrasts = figures["2.0.0"]["shortcuts"]["contrasts"]
    above, contrast, probe = max(
        (rate["balanced_accuracy"]["value"] - each["chance"], contrast, probe)
        for contrast, each in contrasts.items()
        for probe, rate in each["probes"].items()
        if probe not in ("image", "caption")
    )
    assert rows["highest of a text probe above chance"].startswith(
        f"{above:.2f} ({contrast}, {probe};"
    )


def test_the_figures_of_the_audit_are_of_these_samples(audited: dict[str, Any]) -> None:
    figures = json.loads((SOURCES / "audit.json").read_text(encoding="utf-8"))
    now, then = (each["shortcuts"]["contrasts"] for each in (audited, figures["2.0.0"]))
    assert {name: cell["n"] for name, cell in now.items()} == {
        name: cell["n"] for name, cell in then.items()
    }
    for name, cell in now.items():
        for probe, score in cell["probes"].items():
            value = then[name]["probes"][probe]["balanced_accuracy"]["value"]
            assert score["balanced_accuracy"]["value"] == pytest.approx(value, abs=0.03)
    assert figures["2.0.0"]["shortcuts"]["found"] == []
    before = {(e["contrast"], e["probe"]) for e in figures["1.1.0"]["shortcuts"]["found"]}
    assert {("S-B-B/U", "surface, tree"), ("U-S-B/U", "surface")} <= before


def test_every_change_names_a_sample_and_what_became_of_it() -> None:
    ids = {row["id"] for row in _rows("samples.csv")}
    changes = _rows("changes.csv")
    assert len(changes) >= 100
    for row in changes:
        assert (row["id"] in ids) == (row["taken"] != "dropped"), row["id"]
        assert bool(row["new_pattern"]) == (row["taken"] != "dropped"), row["id"]
        assert row["why"]


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_category_is_given_exactly_where_the_grade_is_not_safe(
    samples: list[Sample], modality: str
) -> None:
    for sample in samples:
        safe = sample.grade(modality) is Severity.SAFE
        assert safe == (sample.category(modality) is None), sample.id


def test_an_image_or_a_text_has_one_grade_wherever_it_occurs(samples: list[Sample]) -> None:
    images: dict[str | None, object] = {}
    texts: dict[str | None, object] = {}
    for sample in samples:
        image = (sample.image_grade, sample.image_category)
        text = (sample.text_grade, sample.text_category)
        assert images.setdefault(sample.image_sha256, image) == image, sample.id
        assert texts.setdefault(sample.text, text) == text, sample.id


def test_texts_are_short_single_lines_and_reasons_are_present(samples: list[Sample]) -> None:
    for sample in samples:
        reason = sample.metadata["reason"]
        assert isinstance(reason, str)
        assert reason.strip() == reason != ""
        assert "\n" not in reason
        assert sample.text is not None
        assert 0 < len(sample.text) <= 300
        assert "\n" not in sample.text
        assert sample.language
        assert sample.group


def test_ids_and_pairs_are_unique(samples: list[Sample]) -> None:
    assert len({s.id for s in samples}) == len(samples)
    assert len({(s.text, s.image_sha256) for s in samples}) == len(samples)


def test_minimal_pairs_one_text_means_different_things_with_different_images(
    samples: list[Sample],
) -> None:
    grades: dict[str | None, set[Severity | None]] = {}
    for sample in samples:
        grades.setdefault(sample.text, set()).add(sample.joint_grade)
    assert sum(len(joint) > 1 for joint in grades.values()) >= 80


def test_samples_with_the_same_text_are_in_one_group(samples: list[Sample]) -> None:
    groups: dict[str | None, set[str | None]] = {}
    for sample in samples:
        groups.setdefault(sample.text, set()).add(sample.group)
    assert {text for text, names in groups.items() if len(names) > 1} == set()


def test_the_first_samples_are_a_cross_section(samples: list[Sample]) -> None:
    """`--limit 17` should meet every pattern once."""
    assert {sample.pattern for sample in samples[:17]} == set(PATTERNS)


def test_every_image_is_named_by_its_hash_and_decodes(images: list[Path]) -> None:
    assert len(images) >= 60
    for path in images:
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == path.stem
        assert path.parent.name == path.stem[:2]
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.format == {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[path.suffix]
            assert max(image.size) <= 600


def test_samples_and_images_refer_to_each_other(samples: list[Sample], images: list[Path]) -> None:
    assert {sample.image_sha256 for sample in samples} == {path.stem for path in images}
    assert sum(path.stat().st_size for path in images) < 2_000_000
    assert max(path.stat().st_size for path in images) <= 45_000


def test_the_columns_are_those_of_the_design(dataset: Dataset) -> None:
    schema = pl.read_parquet_schema(dataset.path / "samples.parquet")
    assert list(schema) == [
        *("id", "text", "language", "image_sha256", "image_url"),
        *("image_grade", "text_grade", "joint_grade"),
        *("image_category", "text_category", "joint_category", "group", "metadata"),
    ]
    assert set(schema.values()) == {pl.String()}


def test_it_says_plainly_whose_grades_these_are(dataset: Dataset) -> None:
    described = yaml.safe_load((dataset.path / "dataset.yaml").read_text(encoding="utf-8"))
    assert "authors' own, not a consensus of graders" in described["description"]
    assert "do not rank models" in described["description"]
    assert described["counts"]["samples"] == len(dataset)


def test_it_was_built_with_the_policy_that_ships(dataset: Dataset) -> None:
    assert dataset.info.policy.hash == default_policy().hash


def _rows(name: str) -> list[dict[str, str]]:
    with (SOURCES / name).open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def test_the_shipped_set_is_what_the_sources_say(samples: list[Sample]) -> None:
    rows = _rows("samples.csv")
    shown = {row["file"]: row for row in _rows("images.csv")}
    assert [row["id"] for row in rows] == [sample.id for sample in samples]
    for row, sample in zip(rows, samples, strict=True):
        image = (SOURCES / "images" / row["image"]).read_bytes()
        assert sample.image_sha256 == hashlib.sha256(image).hexdigest()
        assert sample.text == row["text"]
        words = shown[row["image"]]["words"]
        caption = shown[row["image"]]["title"] + (f'. Words in it: "{words}"' if words else "")
        marks: dict[str, object] = {}
        if row["at_risk"]:
            marks["at_risk"] = True
        if row["asks"]:
            marks["asks"] = False
        if row["critical"]:
            marks["critical"] = True
        if row["admissible"]:
            marks["admissible"] = row["admissible"].split()
        assert sample.metadata == {"reason": row["reason"], "caption": caption, **marks}
        assert sample.pattern == Pattern(
            *(Severity.parse(row[f"{modality}_grade"]) for modality in MODALITIES)
        )
        for modality in MODALITIES:
            assert (sample.category(modality) or "") == row[f"{modality}_category"]


def test_captions_hold_the_words_that_were_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SOURCES)
    scenes = importlib.import_module("render").SCENES
    shown = {row["file"]: row["words"] for row in _rows("images.csv")}
    assert set(scenes) == {
        row["file"] for row in _rows("images.csv") if row["kind"] in ("rendered", "composite")
    }
    for file, scene in scenes.items():
        for text in _texts(getattr(scene, "args", ())):
            for line in filter(None, text.split("\n")):
                assert line in shown[file], f"{file}: {line!r} is drawn"


def _texts(arguments: Iterable[object]) -> Iterator[str]:
    """The words among a layout's arguments: neither colours, drawings nor the side of a bubble."""
    for value in arguments:
        if isinstance(value, dict):
            yield from map(str, (*value.keys(), *value.values()))
        elif isinstance(value, tuple):
            yield value[1]
        elif isinstance(value, str) and not re.fullmatch(r"#\w+|white|.*\.(png|webp)", value):
            yield value


def test_every_image_has_its_origin_on_record_and_in_the_notice(dataset: Dataset) -> None:
    rows = _rows("images.csv")
    assert {r["file"] for r in rows} == {p.name for p in (SOURCES / "images").iterdir()}
    assert all(r["licence"] and r["author"] and r["package"] and r["original"] for r in rows)
    notice = (dataset.path / "NOTICE.md").read_text(encoding="utf-8")
    assert notice == (SOURCES / "NOTICE-images.md").read_text(encoding="utf-8")
    assert (SOURCES.parents[1] / "NOTICE").read_text(encoding="utf-8").endswith(notice)
    assert all(f"| {r['file']} | {r['title']} | {r['original']} |" in notice for r in rows)


def test_the_agreement_of_blind_readers_is_that_of_their_grades() -> None:
    rows = {row["id"]: row for row in _rows("samples.csv")}
    readings = _rows("readers.csv")
    assert Counter(r["id"] for r in readings) == dict.fromkeys(rows, 2)
    units = {part: dict[str, list[str]]() for part in MODALITIES}
    for reading in readings:
        row = rows[reading["id"]]
        names = {"image": row["image"], "text": row["text"], "joint": row["id"]}
        for part, name in names.items():
            units[part].setdefault(name, [row[f"{part}_grade"]]).append(reading[f"{part}_grade"])
    readme = (SOURCES / "README.md").read_text(encoding="utf-8")
    for part, graded in units.items():
        now, one, two = (
            [Severity.parse(grades[k]).value for grades in graded.values()] for k in (0, 1, 2)
        )
        cells = [
            f"{sum(map(int.__eq__, a, b)) / len(a):.3f} "
            f"({krippendorff.alpha([a, b], level_of_measurement='ordinal'):.3f})"
            for a, b in ((one, two), (now, one), (now, two))
        ]
        line = next(x for x in readme.splitlines() if x.startswith(f"| {part} | {len(now)} |"))
        columns = [cell.strip() for cell in line.strip("| ").split(" | ")]
        assert [columns[2], *columns[5:]] == cells


def test_every_dispute_with_both_readers_was_decided_and_says_why() -> None:
    rows = {row["id"]: row for row in _rows("samples.csv")}
    for dispute in _rows("disputes.csv"):
        part, row = dispute["part"], rows[dispute["id"]]
        assert row[f"{part}_grade"] == dispute["now"]
        assert dispute["first"] not in {dispute["reader_1"]} & {dispute["reader_2"]}
        assert dispute["why"]
        if part == "joint":
            others = {dispute["reader_1"], dispute["reader_2"]} - {dispute["now"]}
            assert others <= set(row["admissible"].split())
