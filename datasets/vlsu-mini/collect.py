"""Bring the photographs and drawings of vlsu-mini in from the packages that `images.csv` names.

Unpack those packages side by side into one folder, then:

    python datasets/vlsu-mini/collect.py FOLDER

where FOLDER holds `scikit-image/`, `scikit-learn/`, `fluent-emoji-3d/` and `openclipart-png/`, each
with the package's own layout below it. Every picture is flattened onto white (a transparent line
drawing is invisible on a black ground), made small, and saved in the format its name says.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
LONG_SIDE = 512
MARGIN = 16


def flatten(image: Image.Image) -> Image.Image:
    """Return `image` as RGB on a white ground."""
    cut_out = image.convert("RGBA")
    ground = Image.new("RGBA", cut_out.size, "white")
    return Image.alpha_composite(ground, cut_out).convert("RGB")


def trim(image: Image.Image) -> Image.Image:
    """Cut the empty ground around a drawing away, but for a small margin."""
    ink = Image.eval(image.convert("L"), lambda level: 255 if level < 250 else 0).getbbox()
    if ink is None:
        return image
    return ImageOps.expand(image.crop(ink), MARGIN, "white")


def save(image: Image.Image, target: Path) -> None:
    """Save in the format that the name of `target` says."""
    if target.suffix == ".png":  # line drawings: a palette is enough
        image.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)
    elif target.suffix == ".webp":
        image.save(target, quality=88, method=6)
    else:
        image.save(target, quality=80, optimize=True)


def collect(folder: Path) -> int:
    """Write every photograph and drawing of `images.csv` into `images/` and return their number."""
    with (HERE / "images.csv").open(encoding="utf-8", newline="") as rows:
        wanted = [row for row in csv.DictReader(rows) if row["package"] != "this project"]
    for row in wanted:
        package = row["package"].split()[0].rpartition("/")[2]
        with Image.open(folder / package / row["original"]) as opened:
            image = flatten(opened)
        if package == "openclipart-png":
            image = trim(image)
        image.thumbnail((LONG_SIDE, LONG_SIDE))
        save(image, HERE / "images" / row["file"])
    return len(wanted)


def main() -> None:
    """Collect from the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder that holds the unpacked packages")
    print(f"collected {collect(parser.parse_args().folder)} images")


if __name__ == "__main__":
    main()
