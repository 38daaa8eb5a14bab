"""A run over samples whose images are still at their addresses stops before it asks anything."""

from __future__ import annotations

import pytest

from tests.conftest import completion, png
from tests.support.commands import vlsu
from vlsu import Run, Settings, align, evaluate
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.errors import DataError
from vlsu.policy import Severity


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
    assert not (tmp_path / "r" / "run.yaml").exists()


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
    done = run(without_images=True)
    assert (done.finished, len(server.requests)) == (True, 2)


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
