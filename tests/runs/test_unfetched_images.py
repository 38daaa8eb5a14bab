"""A run over samples whose images are still at their addresses stops before it asks anything."""

from __future__ import annotations

import pytest

from tests.conftest import completion, png
from tests.support.commands import vlsu
from tests.support.tuning_runs import paired_dataset
from vlsu import Run, Settings, align, evaluate
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.errors import DataError
from vlsu.policy import Severity
from vlsu.runs import TuningOptions, prepare_tuning
from vlsu.tasks import Framing


@pytest.fixture
def half_fetched(tmp_path):
    """Six samples, of which the first two have their image and four its address."""
    folder = tmp_path / "half"
    sha256 = ImageStore(folder).add(png((9, 9, 9)))
    return write_dataset(
        folder,
        (
            Sample(
                f"s{n}",
                text=f"text {n}",
                image_sha256=sha256 if n < 2 else None,
                image_url=f"https://images.example/{n}.jpg",
                image_grade=Severity.SAFE,
                text_grade=Severity.SAFE,
                joint_grade=Severity.SAFE,
            )
            for n in range(6)
        ),
        name="half", version="1", licence="", citation="", source="",
    )  # fmt: skip


@pytest.fixture
def server(chat_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return chat_server(lambda body, number: completion('{"severity": "safe", "category": null}'))


SAYS = r"of 4 of 6 samples there is the address of the image and no image; run vlsu data fetch .*"


@pytest.mark.parametrize("modalities", [["image", "text", "joint"], ["joint"], ["image"]])
def test_understanding_stops_before_it_asks(half_fetched, server, tmp_path, modalities):
    with pytest.raises(DataError, match=SAYS + "--without-images"):
        evaluate(
            half_fetched,
            model="openai/m",
            base_url=server.base_url,
            out=tmp_path / "r",
            modalities=modalities,
        )
    assert server.requests == []
    assert not (tmp_path / "r").exists()  # nothing is left


def test_texts_alone_need_no_image(half_fetched, server, tmp_path):
    run = evaluate(
        half_fetched,
        model="openai/m",
        base_url=server.base_url,
        out=tmp_path / "r",
        modalities=["text"],
    )
    assert (run.finished, len(server.requests)) == (True, 6)


def test_without_images_asks_what_can_be_asked(half_fetched, server, tmp_path):
    run = evaluate(
        half_fetched,
        model="openai/m",
        base_url=server.base_url,
        out=tmp_path / "r",
        without_images=True,
    )
    assert run.finished
    # Six texts, the one image once, and two pairs.
    assert len(server.requests) == 6 + 1 + 2
    assert run.record["not_asked"]["joint"] == {"no image": 4}


def test_a_limit_is_looked_at_as_it_is(half_fetched, server, tmp_path):
    fetched = write_dataset(
        tmp_path / "fetched",
        (sample for sample in half_fetched if sample.image_sha256 is not None),
        name="x", version="1", licence="", citation="", source="", images=half_fetched.images,
    )  # fmt: skip
    run = evaluate(fetched, model="openai/m", base_url=server.base_url, out=tmp_path / "r")
    assert run.finished


def test_alignment_stops_before_it_asks(half_fetched, server, tmp_path):
    settings = Settings(base_url=server.base_url)

    def run(without_images: bool = False) -> Run:
        return align(
            half_fetched,
            model="openai/m",
            settings=settings,
            framings=["default"],
            out=tmp_path / "r",
            without_images=without_images,
        )

    with pytest.raises(DataError, match=SAYS):
        run()
    assert server.requests == []
    assert not (tmp_path / "r").exists()
    done = run(without_images=True)
    assert (done.finished, len(server.requests)) == (True, 2)


def test_a_framing_search_stops_before_it_asks(server, tmp_path):
    whole = paired_dataset(tmp_path / "whole")
    samples = [*whole, Sample("far", text="t", image_url="https://images.example/far.jpg")]
    dataset = write_dataset(
        tmp_path / "d", samples, images=whole.images,
        name="d", version="1", licence="", citation="", source="",
    )  # fmt: skip
    candidates = tmp_path / "candidates.yaml"
    candidates.write_text("brief: Be brief.\n")
    command = (
        *("framings", "tune", dataset.path, "--model", "openai/m", "--base-url", server.base_url),
        *("--candidates", candidates, "--out", tmp_path / "r"),
    )
    refused = vlsu(*command, expect=2)
    assert "of 1 of 241 samples there is the address of the image and no image" in refused.stderr
    assert server.requests == []
    assert not (tmp_path / "r").exists()
    vlsu(*command, "--dry-run")
    vlsu(*command, "--without-images")
    assert server.requests


def test_a_framing_search_over_nothing_fetched_says_so(half_fetched, server):
    candidates = (Framing("brief", "Be brief."),)
    settings = Settings(base_url=server.base_url)
    options = TuningOptions(model="openai/m", candidates=candidates, settings=settings)
    with pytest.raises(DataError, match=SAYS):
        prepare_tuning(half_fetched, options)


@pytest.mark.parametrize("task", ["understanding", "alignment"])
def test_the_commands_stop_too(half_fetched, server, tmp_path, task):
    command = (
        *("run", task, half_fetched.path, "--model", "openai/m"),
        *("--base-url", server.base_url, "--out", tmp_path / "r"),
    )
    refused = vlsu(*command, expect=2)
    assert f"run vlsu data fetch {half_fetched.path}, or add --without-images" in refused.stderr
    assert server.requests == []
    estimated = vlsu(*command, "--dry-run")
    assert "vlsu data fetch" in estimated.stderr
    vlsu(*command, "--without-images")
    assert server.requests


def test_several_models_are_refused_before_the_first_is_asked(half_fetched, server, tmp_path):
    vlsu(
        *("run", "understanding", half_fetched.path, "--model", "openai/a", "--model", "openai/b"),
        *("--base-url", server.base_url, "--out", tmp_path / "r"),
        expect=2,
    )
    assert server.requests == []
