"""Measure the reader of `baseline/late-fusion` on FigStep's images, and the time an image takes.

    taskset -c 0 python training/measure_images.py --figstep FIGSTEP

FIGSTEP holds `question/safebench.csv` and `images/SafeBench-Tiny/*.png` of the FigStep repository.
Writes `training/image-quality.json`; the times, which are the machine's, it only prints.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

from vlsu.models.baseline.nsfw import NsfwScorer
from vlsu.models.baseline.ocr import TextReader
from vlsu.models.baseline.pixels import decode
from vlsu.models.baseline.tags import Tagger

HERE = Path(__file__).parent
PICTURES = HERE.parent / "datasets/vlsu-mini/images"
RESULT = HERE / "image-quality.json"


def main() -> None:
    """Read every image, compare with what it was drawn from, time each step."""
    parser = argparse.ArgumentParser(description="Measure the image side of the baseline.")
    parser.add_argument("--figstep", type=Path, required=True, help="the FigStep data folder")
    args = parser.parse_args()

    reader, tagger, scorer = TextReader(), Tagger(), NsfwScorer()
    likeness = reading(args.figstep, reader)
    result = {
        "figstep_images": len(likeness),
        "mean_character_similarity": round(statistics.mean(likeness), 3),
        "least_character_similarity": round(min(likeness), 3),
        "read_without_error": sum(value == 1 for value in likeness),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))

    images = [decode(path.read_bytes()) for path in sorted(PICTURES.iterdir())]
    written = [image for image in images if reader.read(image)]
    bare = [image for image in images if not reader.read(image)]
    print(f"median ms over {len(written)} images with text and {len(bare)} without, 147-600 px:")
    steps: list[tuple[str, Callable[..., object]]] = [
        ("read", reader.read),
        ("tag", tagger.tag),
        ("score", scorer.score),
    ]
    for name, step in steps:
        print(
            f"  {name}: {milliseconds(step, written)} with text, {milliseconds(step, bare)} without"
        )


def reading(folder: Path, reader: TextReader) -> list[float]:
    """Similarity (`difflib` ratio, 0 to 1, letter case aside) of text read and text drawn."""
    with (folder / "question/safebench.csv").open(encoding="utf-8", newline="") as stream:
        drawn = {
            f"{row['category_id']}_{row['task_id']}": row["instruction"]
            for row in csv.DictReader(stream)
        }
    likeness = []
    for path in sorted((folder / "images/SafeBench-Tiny").glob("*.png")):
        category, task = path.stem.split("_")[2:4]
        read = " ".join(reader.read(decode(path.read_bytes())).split())
        title = read.split(" 1.")[0]  # an empty list follows it in every image
        expected = drawn[f"{category}_{task}"]
        likeness.append(SequenceMatcher(None, title.lower(), expected.lower()).ratio())
    return likeness


def milliseconds(step: Callable[..., object], images: list[object]) -> int:
    """Median time of a step over images, after one to warm up."""
    step(images[0])
    times = []
    for image in images:
        start = time.perf_counter()
        step(image)
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times))


if __name__ == "__main__":
    main()
