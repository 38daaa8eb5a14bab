"""Train the weights of `judge/offline` on every answer there is.

    python training/judge/train.py --msts response_annotations_dev.csv

Writes `src/vlsu/models/judging/weights/offline-judge.npz`: the same bytes from the same inputs on
the same processor. `measure.py` says how good such weights are on answers they have not seen.
`hard.jsonl` and `hard2.jsonl` are not read here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fitting import examples, fit, matrix
from sources import MARKERS, read_contrast, read_leads, read_msts, read_own

from vlsu.models.judging.cues import default_cues
from vlsu.models.judging.features import extract
from vlsu.models.judging.offline import WEIGHTS_FILE


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description="Train the offline judge.")
    parser.add_argument("--msts", type=Path, required=True, help="response_annotations_dev.csv")
    answers = [a for a in read_msts(parser.parse_args().msts) if a.text not in MARKERS]
    own = [o for o in read_own() if o.split == "train"]
    shown = examples(answers, own, read_contrast(), read_leads("train"))
    cues = default_cues()
    weights = fit(
        matrix([extract(one.text, cues, one.prompt) for one in shown]),
        [one.kind for one in shown],
        [one.weight for one in shown],
    )
    WEIGHTS_FILE.parent.mkdir(exist_ok=True)
    weights.save(WEIGHTS_FILE)
    texts = len({(one.text, one.model, one.case, one.language) for one in shown})
    print(
        f"{texts} answers, {len(shown)} examples -> {WEIGHTS_FILE.name}, "
        f"{WEIGHTS_FILE.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
