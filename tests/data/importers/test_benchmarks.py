"""Importing benchmarks: the real files where they are at hand, and made ones of their shape."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.quirks import picture
from vlsu.data import ImportReport, Sample, import_dataset, importers
from vlsu.data.importers.categories import COUNTERPARTS
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity, default_policy

MADE = Path(__file__).parent / "made"
REAL = Path(__file__).parents[4] / "shared/data"
S, U = Severity.SAFE, Severity.UNSAFE

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not at hand")

BENCHMARKS = (
    *("siuo", "msts", "figstep", "mm-safetybench", "vlsbench", "mssbench", "holisafe", "vlguard"),
    *("beavertails-v", "mossbench", "hateful-memes"),
)


def import_made(name: str, tmp_path: Path, **options: Any) -> ImportReport:
    return import_dataset(name, MADE / name, tmp_path / "out", **options)


def by_id(report: ImportReport) -> dict[str, Sample]:
    return {sample.id: sample for sample in report.dataset}


def grades(sample: Sample) -> tuple[Severity | None, Severity | None, Severity | None]:
    return sample.image_grade, sample.text_grade, sample.joint_grade


# --- The real files


@needs_real
def test_siuo(tmp_path: Path) -> None:
    report = import_dataset("siuo", REAL / "siuo/siuo_gen.json", tmp_path / "out")
    assert report.imported == report.rows_read == 167
    assert {grades(sample) for sample in report.dataset} == {(S, S, U)}
    assert Counter(s.joint_category for s in report.dataset) == {"C4": 19, "C2": 18, None: 130}
    assert report.notes["category without a counterpart: privacy violation"] == 21
    assert len({s.id for s in report.dataset}) == 167


@needs_real
def test_msts(tmp_path: Path) -> None:
    file = REAL / "msts/english_multimodal_prompts.csv"
    report = import_dataset("msts", file, tmp_path / "out", strict=True)
    samples = list(report.dataset)
    assert len(samples) == 400
    assert {grades(sample) for sample in samples} == {(None, None, U)}
    assert len({s.image_url for s in samples}) == 200
    assert Counter(Counter(s.group for s in samples).values()) == {2: 200}
    assert {s.language for s in samples} == {"en"}
    licences = Counter(s.metadata["unsafe_image_license"] for s in samples)
    assert licences["CC BY-SA 4.0"] == 2 * 56
    warnings = Counter(s.metadata.get("unsafe_image_cw") for s in samples)
    assert warnings[None] == 2 * 146
    assert Counter(s.joint_category for s in samples)["C4"] == 80
    assert not report.rejected


@needs_real
def test_figstep(tmp_path: Path) -> None:
    report = import_dataset("figstep", REAL / "figstep", tmp_path / "out")
    pictures = [s for s in report.dataset if s.metadata["variant"] == "figstep"]
    questions = [s for s in report.dataset if s.metadata["variant"] == "baseline"]
    assert len(pictures) == len(questions) == 500
    assert {grades(sample) for sample in pictures} == {(U, S, U)}
    assert {grades(sample) for sample in questions} == {(None, U, None)}
    assert [s.group for s in pictures] == [s.group for s in questions]
    assert len({s.text for s in pictures}) == 1
    assert len({s.text for s in questions}) == 500
    assert sum(s.image_sha256 is not None for s in pictures) == 50  # those of SafeBench-Tiny
    assert report.notes["image missing"] == 450


# --- Made files of the documented shape


@pytest.mark.parametrize("name", BENCHMARKS)
def test_licence_citation_and_source_are_set_without_asking(name: str, tmp_path: Path) -> None:
    info = import_made(name, tmp_path).dataset.info
    assert info.name == name
    assert info.citation.startswith("@")
    assert info.source.startswith("https://")
    assert info.licence != "unknown"
    assert info.description


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_row_is_imported_or_counted(name: str, tmp_path: Path) -> None:
    report = import_made(name, tmp_path)
    assert report.imported == len(list(report.dataset)) > 0
    assert report.rows_read == report.imported + sum(report.rejected.values())


@pytest.mark.parametrize(
    ("name", "restrictions"),
    [
        ("siuo", ("non-commercial",)),
        ("mm-safetybench", ("non-commercial",)),
        ("beavertails-v", ("non-commercial",)),
        ("hateful-memes", ("non-commercial", "no-redistribution")),
        ("vlguard", ("no-redistribution",)),
        ("msts", ()),
        ("figstep", ()),
        ("vlsbench", ()),
    ],
)
def test_what_the_licence_forbids_is_said(
    name: str, restrictions: tuple[str, ...], tmp_path: Path
) -> None:
    assert import_made(name, tmp_path).restrictions == restrictions


def test_msts_in_several_languages(tmp_path: Path) -> None:
    samples = by_id(import_made("msts", tmp_path, strict=True))
    assert list(samples) == [
        *("prompt_0001", "prompt_0201", "prompt_0002", "prompt_0003"),
        "case_0001_assistance-de",
    ]
    german = samples["case_0001_assistance-de"]
    assert (german.language, german.text) == ("de", "Soll ich damit winken?")
    assert german.group == samples["prompt_0001"].group == "case_0001"
    assert german.image_url == "https://example.org/stick.jpg"
    # Regulated items are categorised by what the item is.
    assert samples["prompt_0002"].joint_category == "C14"
    assert samples["prompt_0003"].joint_category is None


def test_images_of_msts_are_found_by_their_identifier(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/unsafe_image_0002.jpg").write_bytes(picture(2, "JPEG"))
    samples = by_id(import_made("msts", tmp_path, images=tmp_path / "images"))
    assert samples["prompt_0002"].image_sha256 is not None
    assert samples["prompt_0001"].image_sha256 is None


def test_the_three_renderings_of_mm_safetybench_are_a_group(tmp_path: Path) -> None:
    samples = by_id(import_made("mm-safetybench", tmp_path))
    assert len(samples) == 3 * 3
    group = [s for s in samples.values() if s.group == "Fraud-1"]
    assert {s.metadata["rendering"]: s.text for s in group} == {
        "SD": "The image shows a product. Sell it (1).",
        "SD_TYPO": "The phrase of the product is in the image. Sell it (1).",
        "TYPO": "The phrase of the product is in the image. Sell it (1).",
    }
    assert {grades(sample) for sample in group} == {(None, None, U)}
    assert {sample.joint_category for sample in group} == {"C14"}
    assert samples["Illegal_Activitiy-0-SD"].joint_category is None


def test_mm_safetybench_from_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "hub/data/Fraud"
    folder.mkdir(parents=True)
    image = {"bytes": picture(1), "path": "0.png"}
    rows = {"id": ["0"], "question": ["Sell it."]}
    for rendering in ("SD", "SD_TYPO", "TYPO"):
        pl.DataFrame({**rows, "image": [image]}).write_parquet(folder / f"{rendering}.parquet")
    schema: Any = {"id": pl.String, "question": pl.String, "image": pl.Struct({"bytes": pl.Binary})}
    alone = pl.DataFrame({**rows, "image": [None]}, schema=schema)
    alone.write_parquet(folder / "Text_only.parquet")
    samples = by_id(import_dataset("mm-safetybench", tmp_path / "hub", tmp_path / "out"))
    assert {s.group for s in samples.values()} == {"Fraud-0"}
    assert grades(samples["Fraud-0-SD"]) == (None, None, U)
    assert samples["Fraud-0-SD"].image_sha256 is not None
    assert grades(samples["Fraud-0-Text_only"]) == (None, U, None)


def test_vlsbench_has_its_harm_in_the_image(tmp_path: Path) -> None:
    samples = by_id(import_made("vlsbench", tmp_path))
    assert {grades(sample) for sample in samples.values()} == {(U, S, U)}
    assert [s.joint_category for s in samples.values()] == ["C10", None]
    assert samples["0"].metadata["sub_category"] == "Weapon-Related Violence"


def test_a_pair_of_mssbench_is_a_group(tmp_path: Path) -> None:
    samples = list(import_made("mssbench", tmp_path).dataset)
    pairs: dict[str | None, list[Sample]] = {}
    for sample in samples:
        pairs.setdefault(sample.group, []).append(sample)
    assert list(pairs) == ["chat-0-0", "chat-0-1", "embodied-0-0", "embodied-0-1"]
    for pair in pairs.values():
        assert [grades(sample) for sample in pair] == [(None, None, S), (None, None, U)]
    assert [sample.text for sample in pairs["chat-0-1"]] == ["How do I warm up?"] * 2
    assert [sample.text for sample in pairs["embodied-0-1"]] == [
        "Warm up the soup.",
        "Warm up the foil.",
    ]


def test_the_letters_of_holisafe_are_grades(tmp_path: Path) -> None:
    report = import_made("holisafe", tmp_path)
    patterns = [str(sample.pattern) for sample in report.dataset]
    assert patterns == ["S-S-S", "S-S-U", "U-S-U", "U-U-U", "S-U-U"]
    categories = [sample.joint_category for sample in report.dataset]
    assert categories == [None, None, "C5", "C12", "C2"]
    assert report.rejected == {"unknown type": 1}


def test_texts_of_vlguard_are_samples_of_one_group(tmp_path: Path) -> None:
    samples = by_id(import_made("vlguard", tmp_path))
    assert {id_: grades(sample) for id_, sample in samples.items()} == {
        "Ads_1-safe_safes": (S, S, S),
        "Ads_1-safe_unsafes": (S, U, U),
        "Ads_2-unsafes": (U, None, U),
        "Hate_3-unsafes": (U, None, U),
    }
    assert samples["Ads_1-safe_safes"].group == samples["Ads_1-safe_unsafes"].group
    assert samples["Hate_3-unsafes"].joint_category == "C2"


def test_the_severities_of_beavertails_mean_what_the_user_says(tmp_path: Path) -> None:
    plain = import_made("beavertails-v", tmp_path)
    assert {grades(sample) for sample in plain.dataset} == {(None, None, None)}
    words = {"0": "safe", "1": "borderline", "2": "unsafe", "3": "unsafe"}
    stated = import_dataset(
        "beavertails-v", MADE / "beavertails-v", tmp_path / "stated", grades=words
    )
    assert [sample.image_grade for sample in stated.dataset] == [S, U]
    assert [sample.metadata["image_severity"] for sample in stated.dataset] == [0, 2]


def test_sets_graded_safe_or_unsafe_have_a_policy_of_two_severities(tmp_path: Path) -> None:
    policies = {
        name: import_made(name, tmp_path / name).dataset.info.policy.name for name in BENCHMARKS
    }
    two = {name for name, policy in policies.items() if policy == "vlsu-binary"}
    assert two == {"hateful-memes", "vlguard", "holisafe", "mssbench"}
    assert {policies[name] for name in set(BENCHMARKS) - two} == {"vlsu-default"}
    stated = import_made("vlguard", tmp_path / "stated", policy="default")
    assert stated.dataset.policy is default_policy()


def test_queries_of_mossbench_are_safe(tmp_path: Path) -> None:
    samples = list(import_made("mossbench", tmp_path).dataset)
    assert {grades(sample) for sample in samples} == {(None, None, S)}
    assert [sample.metadata["over"] for sample in samples] == ["type 1", "type 2"]


def test_memes_that_share_a_text(tmp_path: Path) -> None:
    report = import_made("hateful-memes", tmp_path)
    first, second, third = report.dataset
    assert [grades(s) for s in (first, second, third)] == [
        (None, None, U),
        (None, None, S),
        (None, None, None),
    ]
    assert first.text == second.text != third.text
    assert [s.group for s in report.dataset] == [None, None, None]
    linked = report.dataset.links()
    assert linked.filter(pl.col("shared_text").is_not_null())["sample_id"].to_list() == [
        first.id,
        second.id,
    ]
    assert first.joint_category == "C1"
    assert report.rejected == {"unknown label": 1}


def test_images_are_found_in_the_folder_of_the_source(tmp_path: Path) -> None:
    source = tmp_path / "siuo"
    (source / "images").mkdir(parents=True)
    made = (MADE / "siuo/siuo_gen.json").read_bytes()
    (source / "siuo_gen.json").write_bytes(made)
    (source / "images/S-01.png").write_bytes(picture(1))
    report = import_dataset("siuo", source, tmp_path / "out")
    assert [s.image_sha256 is not None for s in report.dataset] == [True, False]
    assert report.notes["image missing"] == 1
    with pytest.raises(DataError, match=r"image missing: 'D-01\.png'"):
        import_dataset("siuo", source, tmp_path / "strict", strict=True)


# --- What is refused


@pytest.mark.parametrize("name", BENCHMARKS)
def test_columns_of_a_benchmark_are_not_mapped(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"the columns of '{name}' are known"):
        import_made(name, tmp_path, map={"a": "text"})


@pytest.mark.parametrize("name", BENCHMARKS)
def test_another_file_is_named_as_no_such_benchmark(name: str, tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"prompt": "What a secret text this is", "grade": "safe"}\n')
    with pytest.raises(DataError) as caught:
        import_dataset(name, file, tmp_path / "out")
    assert f"is not {name}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_the_benchmark_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"should hold siuo_gen\.json"):
        import_dataset("siuo", tmp_path, tmp_path / "out")


# --- Categories


def entries() -> Iterator[tuple[str, str, str]]:
    for benchmark, table in COUNTERPARTS.items():
        for word, category in table.items():
            if category is not None:
                yield benchmark, word, category


def test_every_counterpart_is_a_category_of_the_default_policy() -> None:
    assert {category for _, _, category in entries()} <= set(default_policy().category_ids)
    assert set(COUNTERPARTS) <= set(importers.names())


def test_every_word_of_the_real_files_is_in_a_table(tmp_path: Path) -> None:
    for name in BENCHMARKS:
        report = import_dataset(name, MADE / name, tmp_path / name)
        assert "unknown category -> absent (joint)" not in report.notes


@pytest.mark.parametrize(("field", "missing"), [("question", "text"), ("image", "image")])
def test_a_grade_of_what_a_row_does_not_hold_is_a_rejected_row(
    field: str, missing: str, tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"question_id": n, "image": f"{n}.png", "question": f"Text {n}", "category": "self-harm"}
        for n in range(2)
    ]
    rows[0][field] = None
    (tmp_path / "siuo_gen.json").write_text(json.dumps(rows))
    report = import_dataset("siuo", tmp_path, tmp_path / "out")
    assert (report.imported, report.rejected) == (1, {"field missing": 1})
    assert [(e.line, e.value) for e in report.examples if e.kind == "field missing"] == [
        (1, missing)
    ]
