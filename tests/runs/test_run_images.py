"""How a run has its images: read, converted where need be, encoded, and kept for a while."""

import io
from base64 import b64decode, b64encode
from typing import Any

import pytest
from PIL import Image

from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.errors import DataError
from vlsu.models.formats.image_limits import ANTHROPIC, ANY_SERVER
from vlsu.policy import default_policy
from vlsu.runs.asking import images as run_images
from vlsu.runs.asking.images import DatasetImages


def picture(form, side, shade):
    buffer = io.BytesIO()
    Image.effect_noise((side, side), 40 + shade).convert("RGB").save(buffer, form)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files():
    """Images of several formats, small after large and large after small."""
    sides = [(8, "PNG"), (200, "JPEG"), (16, "WEBP"), (90, "PNG"), (4, "JPEG"), (300, "PNG")]
    return [picture(form, side, n) for n, (side, form) in enumerate(sides)]


def dataset_of(folder, files):
    store = ImageStore(folder)
    rows = [Sample(id=f"s{n}", image_sha256=store.add(data)) for n, data in enumerate(files)]
    about: Any = {
        "name": "images",
        "version": "1",
        "licence": "CC0-1.0",
        "citation": "",
        "source": "",
    }
    return write_dataset(folder, rows, **about, policy=default_policy())


def digests(dataset):
    return [sample.image_sha256 for sample in dataset.samples()]


@pytest.mark.parametrize("limits", [None, ANY_SERVER, ANTHROPIC])
@pytest.mark.parametrize("slow_s", [run_images.SLOW_S, 0.0])
def test_an_image_in_base64_is_the_file_whatever_was_read_before(
    files, limits, slow_s, tmp_path, monkeypatch
):
    monkeypatch.setattr(run_images, "SLOW_S", slow_s)
    dataset = dataset_of(tmp_path / "d", files)
    images = DatasetImages(dataset, limits)
    for _ in range(2):
        for digest, data in zip(digests(dataset), files, strict=True):
            for _ in range(2):  # image alone and pair, one after the other
                encoded = images.read_encoded(digest)
                assert encoded.base64 == b64encode(data)
                assert encoded.media_type == images.read_image(digest).media_type
            assert images.read_image(digest).data == data


def test_a_missing_image_is_said_each_time_and_costs_the_others_nothing(files, tmp_path):
    dataset = dataset_of(tmp_path / "d", files)
    images = DatasetImages(dataset, ANY_SERVER)
    first, gone, last, *_ = digests(dataset)
    dataset.images.path(gone).unlink()
    assert images.read_encoded(first).base64 == b64encode(files[0])
    for _ in range(2):
        with pytest.raises(DataError, match="is missing; run vlsu data check"):
            images.read_encoded(gone)
        assert images.read_encoded(last).base64 == b64encode(files[2])


def test_an_image_that_no_server_documents_is_converted_and_said_once_read(files, tmp_path):
    changes = []
    dataset = dataset_of(tmp_path / "d", [files[0], picture("BMP", 8, 1), files[1]])
    images = DatasetImages(dataset, ANY_SERVER, changed=lambda *change: changes.append(change))
    encoded = [images.read_encoded(digest) for digest in digests(dataset)]
    assert [image.media_type for image in encoded] == ["image/png", "image/png", "image/jpeg"]
    assert changes == [(digests(dataset)[1], "converted")]
    assert encoded[2].base64 == b64encode(files[1])


def test_what_is_no_regular_file_is_not_read(files, tmp_path):
    dataset = dataset_of(tmp_path / "d", files)
    images = DatasetImages(dataset, ANY_SERVER)
    first, folder, *_ = digests(dataset)
    images.read_encoded(first)
    path = dataset.images.path(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError):
        images.read_encoded(folder)


def test_a_grey_png_of_sixteen_bits_is_converted_whenever_it_is_read(files, tmp_path):
    buffer = io.BytesIO()
    Image.new("I;16", (8, 8), 40_000).save(buffer, "PNG")
    dataset = dataset_of(tmp_path / "d", [files[0], buffer.getvalue(), files[1]])
    images = DatasetImages(dataset, ANY_SERVER)
    first, deep, last = (images.read_encoded(digest) for digest in digests(dataset))
    assert (first.base64, last.base64) == (b64encode(files[0]), b64encode(files[1]))
    assert Image.open(io.BytesIO(b64decode(deep.base64))).getpixel((0, 0)) == 40_000 // 256
