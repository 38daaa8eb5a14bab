"""Train the text head of `baseline/late-fusion` and measure it on texts held out.

    python training/train.py --figstep safebench.csv [--msts english_multimodal_prompts.csv]

Writes `src/vlsu/models/baseline/weights/text-head.npz` (trained on every row) and
`training/quality.json` (each figure from rows that the measured head had not seen), and prints the
latter as a table. The same inputs on the same processor give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sources import Row, every_row

from vlsu.models.baseline.embedding import SentenceEncoder
from vlsu.models.baseline.head import CATEGORIES, TextHead
from vlsu.models.baseline.ocr import TextReader
from vlsu.models.baseline.pixels import decode
from vlsu.policy import Severity

HERE = Path(__file__).parent
WEIGHTS = HERE.parent / "src/vlsu/models/baseline/weights/text-head.npz"
QUALITY = HERE / "quality.json"
BUNDLED = HERE.parent / "datasets/vlsu-mini"

SEED = 0
FOLDS = 5
#: Inverse strength of the L2 penalty, picked among 3, 10 and 30 on the same folds: the figures vary
#: by about a point between them, so little is gained by the choice.
C_SEVERITY = 10.0
C_CATEGORY = 10.0
#: Our own texts count double: they alone hold all three severities in every style.
OWN_WEIGHT = 2.0
#: Rows at this cosine or above are near-duplicates and never on two sides of a split.
NEAR_DUPLICATE = 0.7


def main() -> None:
    """Read, embed, measure, train on all, write."""
    parser = argparse.ArgumentParser(description="Train and measure the text head.")
    parser.add_argument("--figstep", type=Path, required=True, help="FigStep's safebench.csv")
    parser.add_argument("--msts", type=Path, help="MSTS's english_multimodal_prompts.csv")
    args = parser.parse_args()

    encoder = SentenceEncoder()
    rows, vectors = unlike_the_bundled_set(every_row(args.figstep), encoder)
    head = fit(rows, vectors)
    head.save(WEIGHTS)

    quality = {
        "rows": count(rows),
        "cross_validation": cross_validation(rows, vectors),
        "source_held_out": sources_held_out(rows, vectors),
    }
    if args.msts:
        quality["msts_text_alone"] = msts_shares(args.msts, encoder, head)
    QUALITY.write_text(json.dumps(quality, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {WEIGHTS.name} ({WEIGHTS.stat().st_size} bytes) and {QUALITY.name}\n")
    show(quality)


def unlike_the_bundled_set(
    rows: list[Row], encoder: SentenceEncoder
) -> tuple[list[Row], NDArray[np.float32]]:
    """Rows and their vectors, without what nearly repeats a text of vlsu-mini, which evaluates."""
    with (BUNDLED / "samples.csv").open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    reader = TextReader()
    pictures = sorted((BUNDLED / "images").iterdir())
    texts += [reader.read(decode(picture.read_bytes())) for picture in pictures]
    bundled = np.concatenate([encoder.encode(text) for text in texts])
    # The few texts longer than a window are represented by their beginning.
    vectors = np.stack([encoder.encode(row.text)[0] for row in rows])
    unlike = (vectors @ bundled.T).max(axis=1) < NEAR_DUPLICATE
    print(f"left out {int((~unlike).sum())} rows that nearly repeat a text of the bundled set")
    return [row for row, kept in zip(rows, unlike, strict=True) if kept], vectors[unlike]


def fit(rows: list[Row], vectors: NDArray[np.float32]) -> TextHead:
    """Train both linear layers: severity on all rows, category on those that have one."""
    severities = severity_of(rows)
    severity = LogisticRegression(C=C_SEVERITY, max_iter=5000)
    severity.fit(vectors, severities, sample_weight=row_weights(rows, severities))
    harmful = np.array([row.category is not None for row in rows])
    labels = np.array([CATEGORIES.index(row.category) for row in rows if row.category])
    category = LogisticRegression(C=C_CATEGORY, max_iter=5000, class_weight="balanced")
    category.fit(vectors[harmful], labels)
    if len(category.classes_) != len(CATEGORIES):
        raise SystemExit("a category has no training row")
    return TextHead(
        severity_weights=severity.coef_.astype(np.float32),
        severity_bias=severity.intercept_.astype(np.float32),
        category_weights=category.coef_.astype(np.float32),
        category_bias=category.intercept_.astype(np.float32),
    )


def row_weights(rows: list[Row], severities: NDArray[np.int64]) -> NDArray[np.float64]:
    """Balance the three severities, then count our own rows double."""
    balance = len(rows) / (3 * np.bincount(severities, minlength=3))
    own = np.array([OWN_WEIGHT if row.source == "contrast" else 1.0 for row in rows])
    weights: NDArray[np.float64] = balance[severities] * own
    return weights


def cross_validation(rows: list[Row], vectors: NDArray[np.float32]) -> dict[str, object]:
    """Five-fold figures, near-duplicates kept together, folds alike in source and severity."""
    severities = severity_of(rows)
    strata = [f"{row.source} {row.severity}" for row in rows]
    predicted = np.full(len(rows), -1)
    categories = np.full(len(rows), -1)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, test in folds.split(vectors, strata, near_duplicates(rows, vectors)):
        head = fit([rows[i] for i in train], vectors[train])
        predicted[test], categories[test] = answers(head, vectors[test])
    own = np.array([row.source == "contrast" for row in rows])
    tricky = np.array([row.tricky for row in rows])
    named = np.array([row.category is not None for row in rows])
    gold = np.array([CATEGORIES.index(row.category) if row.category else -1 for row in rows])
    hit = categories == gold
    return {
        "folds": FOLDS,
        "all": scores(severities, predicted),
        "own_texts": scores(severities[own], predicted[own]),
        "tricky_safe": {
            "n": int(tricky.sum()),
            "called_borderline": share(predicted[tricky] == Severity.BORDERLINE),
            "called_unsafe": share(predicted[tricky] == Severity.UNSAFE),
        },
        "category": {
            "unsafe": {
                "n": int((named & (severities == 2)).sum()),
                "accuracy": share(hit[named & (severities == 2)]),
            },
            "own_texts": {"n": int((named & own).sum()), "accuracy": share(hit[named & own])},
        },
    }


def sources_held_out(rows: list[Row], vectors: NDArray[np.float32]) -> dict[str, object]:
    """For each third-party source: a head that saw none of it, asked about all of it.

    Rows of the other sources that nearly repeat one of its rows are left out of training as well.
    """
    groups = near_duplicates(rows, vectors)
    results: dict[str, object] = {}
    for source in ("strongreject", "harmbench", "figstep"):
        test = np.array([row.source == source for row in rows])
        train = ~test & ~np.isin(groups, groups[test])
        head = fit([row for row, kept in zip(rows, train, strict=True) if kept], vectors[train])
        predicted, _ = answers(head, vectors[test])
        gold = severity_of([row for row, kept in zip(rows, test, strict=True) if kept])
        unsafe, safe = gold == Severity.UNSAFE, gold == Severity.SAFE
        results[source] = {
            "unsafe": {"n": int(unsafe.sum()), "recall": share(predicted[unsafe] == 2)},
            **(
                {"safe": {"n": int(safe.sum()), "called_unsafe": share(predicted[safe] == 2)}}
                if safe.any()
                else {}
            ),
        }
    return results


def msts_shares(path: Path, encoder: SentenceEncoder, head: TextHead) -> dict[str, object]:
    """Answers on the MSTS prompts, which are harmful only with their image (no gold text grade)."""
    with path.open(encoding="utf-8", newline="") as stream:
        texts = sorted({row["prompt_text"] for row in csv.DictReader(stream)})
    predicted, _ = answers(head, np.stack([encoder.encode(text)[0] for text in texts]))
    return {
        "n": len(texts),
        **{f"called_{s.label}": share(predicted == s) for s in Severity},
    }


def near_duplicates(rows: list[Row], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """A group number for each row: wordings of one thing, and whatever is near one of them."""
    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, row in enumerate(rows):
        parent[root(i)] = root(first.setdefault((row.source, row.group), i))
    near = np.argwhere(np.triu(vectors @ vectors.T, 1) >= NEAR_DUPLICATE)
    for i, j in near:
        parent[root(int(i))] = root(int(j))
    return np.array([root(i) for i in range(len(rows))])


def answers(
    head: TextHead, vectors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Severity and category index for each vector."""
    return head.severities(vectors).argmax(axis=1), head.categories(vectors).argmax(axis=1)


def scores(gold: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, object]:
    """Three-way F1, and precision and recall of unsafe against the rest."""
    unsafe, called = gold == Severity.UNSAFE, predicted == Severity.UNSAFE
    return {
        "n": len(gold),
        "f1_macro": round(float(f1_score(gold, predicted, average="macro")), 3),
        "f1": {
            s.label: round(float(f1), 3)
            for s, f1 in zip(Severity, f1_score(gold, predicted, average=None), strict=True)
        },
        "unsafe_precision": share(unsafe[called]),
        "unsafe_recall": share(called[unsafe]),
    }


def severity_of(rows: list[Row]) -> NDArray[np.int64]:
    """The severities of rows, as integers."""
    return np.array([Severity.parse(row.severity) for row in rows], dtype=np.int64)


def share(hits: NDArray[np.bool_]) -> float:
    """Mean of booleans, to three digits."""
    return round(float(hits.mean()), 3)


def count(rows: list[Row]) -> dict[str, int]:
    """Rows by source and severity."""
    return dict(sorted(Counter(f"{row.source} {row.severity}" for row in rows).items()))


def show(figures: object, path: str = "") -> None:
    """Print nested figures one a line."""
    if isinstance(figures, dict):
        for name, value in figures.items():
            show(value, f"{path}.{name}" if path else name)
    else:
        print(f"{path:55} {figures:>8}")


if __name__ == "__main__":
    main()
