"""A dataset with something of everything that ``vlsu data check`` looks for."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.checks.test_near_images import photo
from tests.support.commands import vlsu
from vlsu.data import Dataset, ImageStore, Sample, full_check, load, write_dataset
from vlsu.policy import PATTERNS, Severity

SAFE, BORDERLINE, UNSAFE = Severity
PRIVATE = "Ask erika@beispiel.example"


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def placed() -> bytes:
    """A photograph that says where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 58.0)})
    return jpeg(photo(9), exif=exif)


def write(folder: Path, rows: list[Sample], name: str = "made") -> Dataset:
    about = {"name": name, "version": "1", "licence": "", "citation": "", "source": ""}
    return write_dataset(folder, rows, **about)  # type: ignore[arg-type]


def made(folder: Path) -> Dataset:
    store = ImageStore(folder)
    first = store.add(jpeg(photo(1), quality=95))
    noted = store.add(jpeg(photo(1), quality=95, comment=b"the same pixels"))
    small = store.add(jpeg(photo(1).resize((160, 120)), quality=50))
    other, third = store.add(jpeg(photo(2))), store.add(placed())
    train, test = {"split": "train"}, {"split": "test"}
    return write(
        folder,
        [
            Sample(
                "a", "What is this thing for?", "en", first, None, SAFE, SAFE, SAFE, metadata=train
            ),
            Sample(
                "b", "what is this thing for", "en", noted, None, SAFE, SAFE, UNSAFE, metadata=test
            ),
            Sample(
                "c",
                "Tell me about the weather",
                "ru",
                small,
                None,
                UNSAFE,
                SAFE,
                SAFE,
                metadata=test,
            ),
            Sample(
                "d",
                "A text of its own in here",
                "en",
                other,
                None,
                SAFE,
                SAFE,
                SAFE,
                metadata=train,
            ),
            Sample(
                "e",
                "A text of its own in here!",
                "en",
                other,
                None,
                UNSAFE,
                SAFE,
                SAFE,
                metadata=train,
            ),
            Sample("f", "In my garden stands an old apple tree with red apples", None, third),
            Sample("g", "In my garden stands an old apple tree with big apples", None, None),
            Sample("h", PRIVATE, "en", None, None, None, BORDERLINE, None),
        ],
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return made(tmp_path_factory.mktemp("made"))


def test_images_that_are_the_same_or_look_it_are_grouped(dataset: Dataset) -> None:
    found = full_check(dataset).duplicates
    groups = {tuple(group["ids"]): group["kind"] for group in found["images"]}
    assert groups == {("a", "b", "c"): "near", ("d", "e"): "identical"}
    assert found["counts"]["images"] == {"identical": 1, "equal": 0, "near": 1}
    (near, _) = found["images"]
    assert len(near["images"]) == 3


def test_texts_that_say_nearly_the_same_are_grouped(dataset: Dataset) -> None:
    found = full_check(dataset).duplicates
    groups = {tuple(group["ids"]): group["kind"] for group in found["texts"]}
    assert groups == {("f", "g"): "near", ("a", "b"): "equal", ("d", "e"): "equal"}
    assert {tuple(group["ids"]) for group in found["pairs"]} == {("a", "b"), ("d", "e")}


def test_the_same_content_with_other_grades_is_a_conflict(dataset: Dataset) -> None:
    check = full_check(dataset)
    assert [(each["modality"], each["grades"], each["ids"]) for each in check.conflicts] == [
        ("image", {"safe": 1, "unsafe": 1}, ["d", "e"]),
        ("joint", {"safe": 1, "unsafe": 1}, ["a", "b"]),
    ]
    assert (check.conflict_count, check.ok, check.files.ok) == (2, False, True)


def test_what_splits_share_leaks(dataset: Dataset) -> None:
    leaks = {(x["by"], x["kind"]): x for x in full_check(dataset).leakage}
    assert leaks.keys() == {
        ("pair", "equal"),
        ("image", "equal"),
        ("image", "near"),
        ("text", "equal"),
    }
    assert all(leak["between"] == ["test", "train"] for leak in leaks.values())
    assert leaks["image", "equal"]["examples"] == [("b", "a")]
    assert leaks["image", "near"]["examples"] == [("c", "a")]


def test_what_is_in_another_dataset_leaks(dataset: Dataset, tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    look = store.add(jpeg(photo(2).resize((200, 150))))
    rows = [Sample("x", "Something else altogether", image_sha256=look), Sample("y", PRIVATE + "!")]
    other = write(tmp_path, rows, "other")
    found = [leak for leak in full_check(dataset, against=[other]).leakage if "into" in leak]
    assert [(x["into"], x["by"], x["kind"], x["samples"], x["examples"]) for x in found] == [
        ("other 1", "image", "near", 2, [("d", "x"), ("e", "x")]),
        ("other 1", "text", "equal", 1, [("h", "y")]),
    ]
    assert not [leak for leak in full_check(other, against=[]).leakage if "into" in leak]
    check = full_check(dataset, against=[other])
    assert not check.ok
    alone = replace(check, conflicts=[], conflict_count=0)
    assert sum(note.startswith("leakage") for note in alone.notes()) == len(check.leakage)


def test_patterns_and_cells_that_are_too_small(dataset: Dataset) -> None:
    found = full_check(dataset).patterns
    assert found["unlisted"] == {"U-S-S": 2}
    assert found["counts"]["S-S-S"] == 2
    assert len(found["counts"]) == len(PATTERNS)
    assert len(found["absent"]) == 15
    assert found["without"] == 3
    assert found["small"]["S-S-U"] == 1
    assert found["small"]["text: borderline"] == 1


def test_languages_and_personal_data(dataset: Dataset) -> None:
    check = full_check(dataset)
    assert check.languages["declared"] == {"en": 5, "none": 2, "ru": 1}
    assert check.languages["scripts"] == {"Latin": 8}
    assert check.languages["mismatched"] == {"samples": 1, "ids": ["c"]}
    held = {kind: of for kind, of in check.personal.items() if of["samples"]}
    assert held == {
        "email": {"samples": 1, "ids": ["h"]},
        "image_location": {"samples": 1, "ids": ["f"]},
    }


def test_the_command_prints_keys_and_no_text(dataset: Dataset) -> None:
    done = vlsu("data", "check", str(dataset.path), "--json", expect=1)
    report = json.loads(done.stdout)
    keys = (
        "images texts duplicates conflicts patterns leakage text_only shortcuts languages personal"
    )
    assert set(keys.split()) <= report.keys()
    assert (report["images"], report["texts"], report["ok"]) == (5, 8, False)
    plain = vlsu("data", "check", str(dataset.path), expect=1)
    for output in (done.stdout, done.stderr, plain.stdout, plain.stderr):
        assert "beispiel" not in output
        assert "apple" not in output
    lines = plain.stderr.splitlines()
    assert any(line.startswith("conflicts: 2 ") for line in lines)
    assert any(line.startswith("personal data: email (1, first h)") for line in lines)
    assert lines[-1] == "8 samples, 5 images: not sound"


def test_a_dataset_without_conflicts_and_leaks_is_sound(tmp_path: Path) -> None:
    rows = [Sample(f"{n}", f"number {n} of several", joint_grade=SAFE) for n in range(3)]
    assert full_check(write(tmp_path, rows)).ok
    vlsu("data", "check", str(tmp_path))


def test_an_empty_dataset_is_looked_at_too(tmp_path: Path) -> None:
    check = full_check(write(tmp_path, []))
    assert check.ok
    assert check.texts == 0


def test_a_page_is_not_written_over_the_dataset(dataset: Dataset, tmp_path: Path) -> None:
    for out in (dataset.path / "dataset.yaml", tmp_path / "check.pdf"):
        done = vlsu("data", "check", str(dataset.path), "--out", str(out), expect=2)
        assert str(out) in done.stderr
    assert len(load(dataset.path)) == 8
