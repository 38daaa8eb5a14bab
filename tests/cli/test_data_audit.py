"""``vlsu data check`` says what gives the joint grade of a dataset away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.commands import vlsu
from vlsu.data import Dataset, Sample, load, write_dataset
from vlsu.policy import Severity

pytestmark = pytest.mark.slow


def written(out: Path, samples: list[Sample]) -> Dataset:
    return write_dataset(
        out,
        samples,
        images=load("vlsu-mini").images,
        name="made",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
    )


def escalating() -> list[Sample]:
    """The pairs of vlsu-mini whose image is safe and whose text is borderline."""
    return [
        sample
        for sample in load("vlsu-mini")
        if (sample.image_grade, sample.text_grade) == (Severity.SAFE, Severity.BORDERLINE)
    ]


def test_a_set_without_shortcuts_is_said_to_have_none(tmp_path: Path) -> None:
    written(tmp_path / "d", escalating())
    done = vlsu("data", "check", tmp_path / "d")
    assert "joint grade as told from the text alone" in done.stderr
    assert "shortcuts: none of 6 probes is above chance" in done.stderr


def test_a_shortcut_is_named_without_a_text_and_is_no_error(tmp_path: Path) -> None:
    samples = [
        replace(s, text=f"{s.text} Is it so?") if s.joint_grade is Severity.UNSAFE else s
        for s in escalating()
    ]
    written(tmp_path / "d", samples)
    done = vlsu("data", "check", tmp_path / "d")
    assert "of 6 probes are above chance: S-B-B/U by" in done.stderr
    assert "S-B-B/U by surface, tree (1.00, chance 0.50)" in done.stderr
    assert "Is it so" not in done.stderr
    found = json.loads(vlsu("data", "check", tmp_path / "d", "--json").stdout)
    assert found["ok"] is True
    assert found["text_only"]["text"]["low"] > found["text_only"]["majority"]["high"]
    probes = {each["probe"] for each in found["shortcuts"]["found"]}
    assert {"surface", "surface, tree"} <= probes
    probe = found["shortcuts"]["contrasts"]["S-B-B/U"]["probes"]["surface"]
    assert set(probe["balanced_accuracy"]) == {"value", "low", "high"}
    assert probe["p_adjusted"] < 0.05


def test_images_that_cannot_be_decoded_are_left_out(tmp_path: Path) -> None:
    dataset = written(tmp_path / "d", escalating())
    for path in list(dataset.images.files())[:3]:
        path.write_bytes(b"no image")
    found = json.loads(vlsu("data", "check", tmp_path / "d", "--json", expect=1).stdout)
    assert found["ok"] is False
    assert found["text_only"]["image"]["value"] is not None


def test_too_few_samples_are_said(tmp_path: Path) -> None:
    written(tmp_path / "d", escalating()[:3])
    done = vlsu("data", "check", tmp_path / "d")
    assert "shortcuts: too few samples of two joint grades to look for any" in done.stderr
