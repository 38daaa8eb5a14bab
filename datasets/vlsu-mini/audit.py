"""Look for shortcuts: can the joint grade be told without looking at both parts?

    python datasets/vlsu-mini/audit.py [--samples FILE] [--images FILE] [--version NAME]

Audits the sources as `vlsu data check` audits a dataset (`vlsu.analysis.shortcuts`), with what
`images.csv` says of each image as its caption: title and words. Prints a table, and writes the
figures to `audit.json` under the version, beside those of other versions.

The figures of 1.1.0 are of its own files:

    git show TAG:datasets/vlsu-mini/samples.csv > samples.csv    # and images.csv, of 1.1.0
    python datasets/vlsu-mini/audit.py --samples samples.csv --images images.csv --version 1.1.0
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import polars as pl

from vlsu.analysis.shortcuts.audit import shortcut_audit

HERE = Path(__file__).parent


def read(samples: Path, images: Path) -> pl.DataFrame:
    """The samples as a dataset has them, with captions; an image goes by its file's name."""
    with images.open(encoding="utf-8", newline="") as lines:
        captions = {row["file"]: f"{row['title']} {row['words']}" for row in csv.DictReader(lines)}
    with samples.open(encoding="utf-8", newline="") as lines:
        return pl.DataFrame(
            {
                **{name: row[name] for name in ("id", "text", "group")},
                **{f"{part}_grade": row[f"{part}_grade"] for part in ("image", "text", "joint")},
                "image_url": row["image"],
                "metadata": json.dumps({"caption": captions[row["image"]]}),
            }
            for row in csv.DictReader(lines)
        )


def rounded(tree: Any) -> Any:
    """The figures to three places; what is smaller than that, to three digits."""
    if isinstance(tree, float):
        return float(f"{tree:.3f}") if abs(tree) >= 0.001 else float(f"{tree:.3g}")
    if isinstance(tree, dict):
        return {key: rounded(value) for key, value in tree.items()}
    return [rounded(each) for each in tree] if isinstance(tree, list) else tree


def main() -> None:
    """Audit, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=Path, default=HERE / "samples.csv")
    parser.add_argument("--images", type=Path, default=HERE / "images.csv")
    parser.add_argument("--version", default="2.0.0")
    given = parser.parse_args()
    audited: dict[str, Any] = shortcut_audit(read(given.samples, given.images))
    for part in ("text", "image", "apart"):
        print(f"{part:14} {audited['text_only'][part]['value']:.2f}")
    print(f"{'majority':14} {audited['text_only']['majority']['value']:.2f}")
    for contrast, cell in audited["shortcuts"]["contrasts"].items():
        print(f"{contrast}: {cell['n']} samples, chance {cell['chance']:.2f}")
        for name, probe in cell["probes"].items():
            score = probe["balanced_accuracy"]
            mark = " <-- above chance" if probe["p_adjusted"] < 0.05 else ""
            interval = f"{score['low']:.2f} to {score['high']:.2f}"
            print(f"    {name:14} {score['value']:.2f}  ({interval}){mark}")
    target = HERE / "audit.json"
    kept = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    kept[given.version] = rounded(audited)
    target.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
