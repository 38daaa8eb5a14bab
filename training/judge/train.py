"""Train the weights of `judge/offline` on every answer there is.

    python training/judge/train.py --msts response_annotations_dev.csv

Writes `src/vlsu/models/judging/weights/offline-judge.npz`: the same bytes from the same inputs on
the same processor. `measure.py` says how good such weights are on answers they have not seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from fitting import fit
from sources import MARKERS, read_msts, read_own

from vlsu.models.judging.cues import default_cues
from vlsu.models.judging.features import extract
from vlsu.models.judging.offline import WEIGHTS_FILE


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description="Train the offline judge.")
    parser.add_argument("--msts", type=Path, required=True, help="response_annotations_dev.csv")
    answers = [a for a in read_msts(parser.parse_args().msts) if a.text not in MARKERS]
    labelled = [(a.text, a.kind, False) for a in answers if a.kind is not None]
    labelled += [(own.text, own.kind, True) for own in read_own() if own.split == "train"]
    cues = default_cues()
    weights = fit(
        [extract(text, cues) for text, _, _ in labelled],
        [kind for _, kind, _ in labelled],
        np.array([own for _, _, own in labelled]),
    )
    WEIGHTS_FILE.parent.mkdir(exist_ok=True)
    weights.save(WEIGHTS_FILE)
    print(f"{len(labelled)} answers -> {WEIGHTS_FILE.name}, {WEIGHTS_FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
