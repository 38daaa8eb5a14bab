"""Near-duplicates: recall of both indices, their time and memory, and what PDQ recognises.

python -m benchmarks.near_duplicates [--pairs 100000] [--rows 1000000]
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import load_average
from benchmarks.writing import markdown, percent, write_results
from vlsu.data import load
from vlsu.data.checks.minhash import ALIKE, Signatures, normalised, resemblance
from vlsu.data.checks.neighbours import MAX_DISTANCE, close_pairs
from vlsu.data.checks.pdq import pdq
from vlsu.data.images.pixels import decode_picture

#: How a copy comes to differ from its original.
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "twice the size": lambda image: image.resize((image.width * 2, image.height * 2)),
    "JPEG of quality 30": lambda image: recompressed(image, 30),
    "half the size and JPEG of quality 50": lambda image: recompressed(
        image.resize((image.width // 2, image.height // 2)), 50
    ),
    "grey": lambda image: image.convert("L"),
    "a tenth brighter": lambda image: image.point(lambda level: min(255, level * 11 // 10)),
    "cropped by 1% a side": lambda image: cropped(image, 0.01),
    "cropped by 5% a side": lambda image: cropped(image, 0.05),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return decode_picture(buffer.getvalue()).image


def cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = int(image.width * share), int(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


def distance(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(one ^ other).sum())


def recognised() -> str:
    """Of copies of the bundled images, how many have a hash within the bound."""
    dataset = load("vlsu-mini")
    hashes = {sample.image_sha256 for sample in dataset if sample.image_sha256}
    images = [decode_picture(dataset.read_image(h)).image.convert("RGB") for h in sorted(hashes)]
    started = time.process_time()
    originals = [pdq(image)[0] for image in images]
    each = (time.process_time() - started) / len(images)
    rows = []
    for name, change in CHANGES.items():
        apart = [
            distance(original, pdq(change(image))[0])
            for original, image in zip(originals, images, strict=True)
        ]
        share = float(np.mean([n <= MAX_DISTANCE for n in apart]))
        rows.append((name, percent(share), f"{np.median(apart):.0f}", max(apart)))
    between = [
        distance(one, other) for n, one in enumerate(originals) for other in originals[n + 1 :]
    ]
    table = markdown(("copy", "recognised %", "median bits", "most bits"), rows)
    return (
        f"{len(images)} images of vlsu-mini, {1000 * each:.1f} ms of CPU time a hash.\n\n{table}\n"
        f"Of {len(between):,} pairs of different images, {sum(n <= MAX_DISTANCE for n in between)} "
        f"are within {MAX_DISTANCE} bits; the closest are {min(between)} apart.\n"
    )


def clustered(n: int, seed: int) -> np.ndarray:
    """Hashes as those of pictures are: bits depend on each other, and some are near-copies.

    A bit says on which side of a plane a point of 40 dimensions is; a third of the points are near
    another.
    """
    chance = np.random.default_rng(seed)
    planes = chance.normal(size=(40, 256)).astype(np.float32)
    points = chance.normal(size=(n, 40)).astype(np.float32)
    copies = chance.choice(n, n // 3, replace=False)
    near = chance.uniform(0.01, 0.3, (len(copies), 1))
    points[copies] = points[chance.choice(n, len(copies))] + near * points[copies]
    words = np.empty((n, 4), dtype=np.uint64)
    for start in range(0, n, 50_000):
        bits = points[start : start + 50_000] @ planes > 0
        words[start : start + 50_000] = np.packbits(bits, axis=1, bitorder="little").view("<u8")
    return np.unique(words, axis=0)


def by_index(hashes: np.ndarray) -> set[int]:
    """Pairs as one number each."""
    found: set[int] = set()
    for one, other, _ in close_pairs(hashes):
        low, high = np.minimum(one, other), np.maximum(one, other)
        found.update((low * len(hashes) + high).tolist())
    return found


def by_force(hashes: np.ndarray) -> Counter[int]:
    """Pairs, each with its distance, by comparing all."""
    found: Counter[int] = Counter()
    words = [np.ascontiguousarray(hashes[:, n]) for n in range(4)]
    for row in range(len(hashes)):
        rest = [word[row + 1 :] for word in words]
        rough = np.bitwise_count(rest[0] ^ words[0][row])
        rough += np.bitwise_count(rest[1] ^ words[1][row])
        likely = np.flatnonzero(rough <= MAX_DISTANCE)
        apart = np.bitwise_count(hashes[row + 1 + likely] ^ hashes[row]).sum(axis=1)
        for other, bits in zip(likely.tolist(), apart.tolist(), strict=True):
            if bits <= MAX_DISTANCE:
                found[row * len(hashes) + row + 1 + other] = bits
    return found


def recall(n: int) -> str:
    hashes = clustered(n, seed=1)
    started = time.perf_counter()
    found = by_index(hashes)
    quick = time.perf_counter() - started
    started = time.perf_counter()
    expected = by_force(hashes)
    slow = time.perf_counter() - started
    share = len(found & expected.keys()) / len(expected)
    return (
        f"{len(hashes):,} distinct hashes, {len(expected):,} pairs within {MAX_DISTANCE} bits by "
        f"brute force ({slow:.0f} s): the index finds {percent(share)}% of them and "
        f"{len(found - expected.keys())} others in {quick:.1f} s.\n"
    )


def peak_mib() -> float:
    """The most resident memory of this process since `from_now`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def from_now() -> float:
    """Forget what was the most until now, and give what is held."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return peak_mib()


def _index_alone(n: int) -> tuple[float, float, int]:
    hashes = clustered(n, seed=2)
    before = from_now()
    started = time.perf_counter()
    pairs = sum(len(one) for one, _, _ in close_pairs(hashes))
    took = time.perf_counter() - started
    return took, peak_mib() - before, pairs


def _texts_alone(n: int) -> tuple[float, float, int, float]:
    """Seconds, MiB, candidates, and the share of planted pairs that are found."""
    chance = random.Random(3)
    words = [f"{a}o{b}{n}" for n in range(200) for a in "bcdfg" for b in "klmnp"]
    planted: dict[tuple[int, int], None] = {}
    signatures, recent = Signatures(), ""
    before = from_now()
    started = time.perf_counter()
    for number in range(n):
        text = normalised(" ".join(chance.choices(words, k=chance.randint(6, 20))))
        if number % 50 == 1:
            changed = recent.split()
            changed[chance.randrange(len(changed))] = chance.choice(words)
            text = " ".join(changed)
            if ALIKE <= resemblance(recent, text) < 1:
                planted[number - 1, number] = None
        signatures.add([text])
        recent = text
    candidates = set(signatures.candidates())
    took = time.perf_counter() - started
    peak = peak_mib() - before
    return took, peak, len(candidates), len(planted.keys() & candidates) / max(1, len(planted))


def at_scale(n: int) -> str:
    with get_context("spawn").Pool(1) as pool:
        took, peak, pairs = pool.apply(_index_alone, (n,))
    with get_context("spawn").Pool(1) as pool:
        seconds, memory, candidates, share = pool.apply(_texts_alone, (n,))
    return (
        f"{n:,} hashes: {took:.0f} s, {peak:.0f} MiB beside the hashes, {pairs:,} pairs (with "
        f"repetitions).\n\n{n:,} texts of 6 to 20 words: {seconds:.0f} s with making them, "
        f"{n / seconds:,.0f} a second, {memory:.0f} MiB; {candidates:,} candidates, of planted "
        f"pairs that resemble each other by {ALIKE} or more {percent(share)}% found.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    text = "\n".join(
        (
            "# Near-duplicates\n",
            f"Load average {load_average():.1f}.\n",
            "## What PDQ recognises\n",
            recognised(),
            "## Recall of the index of hashes\n",
            recall(options.pairs),
            "## At scale\n",
            at_scale(options.rows),
        )
    )
    write_results("near_duplicates", text)


if __name__ == "__main__":
    main()
