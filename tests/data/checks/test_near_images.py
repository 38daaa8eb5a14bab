"""Perceptual hashes against those of the reference code, and the index against brute force."""

import io

import numpy as np
import pytest
from PIL import Image

from vlsu.data.checks.neighbours import close_pairs
from vlsu.data.checks.pdq import MATCH, MIN_QUALITY, pdq


def waves(height: int, width: int, seed: int) -> Image.Image:
    """Sine waves of a few lengths: a picture that any program makes alike."""
    y, x = np.mgrid[0:height, 0:width]
    lengths = np.random.default_rng(seed).uniform(1, 6, (3, 2))
    bands = [
        127.5 + 127 * np.sin(a * x / width * 6.28 + b * y / height * 6.28 + a * b)
        for a, b in lengths
    ]
    return Image.fromarray(np.stack(bands, axis=-1).round().astype(np.uint8))


#: Seed -> the hash that pdqhash 0.2.8 (Meta's C++ code) makes of the waves at 512 by 512.
REFERENCE = {
    1: (0xA97FFC00B97FFC0, 0x18755DAAAB7FFE0, 0xF878FFD20387FFD2, 0x78002DA878002D),
    2: (0x15F03FF568AFC50, 0xA9A502FFA9E5020F, 0xA965572AA86502DF, 0xA965D72AA965D72A),
    3: (0xFCA95603FCA85603, 0x3D7FEA85402FEAC, 0x35729FD0357A9FD, 0x357017D0357097D),
    4: (0xA5D5AD55F80052FF, 0x7FFAD15A855ACD5, 0x7FF5B0007FF5328, 0x77F0900077F1B00),
    5: (0xFF805629FF805629, 0x17FFED6007CAED1, 0x546AA957037F5686, 0x47E09D6047E29D7),
}


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(one ^ other).sum())


@pytest.mark.parametrize("seed", REFERENCE)
def test_the_hash_is_that_of_the_reference_code(seed: int) -> None:
    words, quality = pdq(waves(512, 512, seed))
    # Of a picture of so few waves many frequencies are near the median: rounding may turn a bit.
    assert apart(words, np.array(REFERENCE[seed], dtype=np.uint64)) <= 2
    assert quality == 100


def photo(seed: int) -> Image.Image:
    """Blotches of many sizes, as a photograph has."""
    chance = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(chance.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize(
                (320, 240), Image.Resampling.BICUBIC
            ),
            dtype=float,
        )
        for n in (4, 8, 16)
    ]
    return Image.fromarray(np.mean(layers, axis=0).round().astype(np.uint8))


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((160, 120)),
        lambda image: image.resize((1700, 1275)),
        recompressed,
        lambda image: image.convert("L"),
        lambda image: image.point(lambda level: min(255, level + 25)),
        lambda image: image.convert("RGBA"),
    ],
    ids=["smaller", "larger", "recompressed", "grey", "brighter", "with alpha"],
)
def test_a_changed_copy_matches_and_another_picture_does_not(change) -> None:
    for seed in range(5):
        original, copy, other = pdq(photo(seed)), pdq(change(photo(seed))), pdq(photo(seed + 50))
        assert original[1] >= MIN_QUALITY
        assert apart(original[0], copy[0]) <= MATCH
        assert apart(original[0], other[0]) > 2 * MATCH


def test_a_plain_picture_has_no_quality() -> None:
    assert pdq(Image.new("RGB", (300, 200), (10, 200, 30)))[1] == 0
    assert pdq(Image.new("L", (1, 1)))[1] == 0


# The index


def planted(n: int, seed: int) -> np.ndarray:
    """Hashes of which some are 0 to 40 bits apart."""
    chance = np.random.default_rng(seed)
    hashes = chance.integers(0, 2**64, (n, 4), dtype=np.uint64)
    for row in range(0, n // 2, 3):
        flips = np.zeros(256, dtype=np.uint8)
        flips[chance.choice(256, chance.integers(1, 41), replace=False)] = 1
        hashes[n - 1 - row] = hashes[row] ^ np.packbits(flips, bitorder="little").view("<u8")
    return hashes


def brute_force(hashes: np.ndarray, distance: int) -> dict[tuple[int, int], int]:
    found = {}
    for row in range(len(hashes)):
        distances = np.bitwise_count(hashes[row + 1 :] ^ hashes[row]).sum(axis=1)
        for other in np.flatnonzero(distances <= distance):
            found[row, row + 1 + int(other)] = int(distances[other])
    return found


@pytest.mark.parametrize("distance", [1, 8, 31])
@pytest.mark.parametrize("chunk", [64, 2**20])
def test_every_pair_is_found_and_no_other(distance: int, chunk: int) -> None:
    hashes = planted(600, seed=distance)
    found = {
        (min(pair), max(pair)): bits
        for one, other, apart in close_pairs(hashes, distance, chunk=chunk)
        for *pair, bits in zip(one.tolist(), other.tolist(), apart.tolist(), strict=True)
    }
    expected = brute_force(hashes, distance)
    assert found == expected
    assert expected


def test_hashes_that_share_most_bands_are_compared_too() -> None:
    hashes = np.zeros((300, 4), dtype=np.uint64)
    hashes[:, 0] = np.arange(300)
    pairs = {
        (min(pair), max(pair))
        for one, other, _ in close_pairs(hashes)
        for pair in zip(one.tolist(), other.tolist(), strict=True)
    }
    assert len(pairs) == 300 * 299 // 2


@pytest.mark.parametrize("n", [0, 1])
def test_of_fewer_than_two_there_is_no_pair(n: int) -> None:
    assert not list(close_pairs(np.zeros((n, 4), dtype=np.uint64)))
