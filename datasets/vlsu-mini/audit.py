"""Look for shortcuts: can the joint grade be told without looking at both parts?

    python datasets/vlsu-mini/audit.py [--samples FILE] [--images FILE] [--version NAME]

Where image and text have the same two grades and the joint grade differs, only the meaning of the
two together should decide. For each such contrast, such as S-B-B against S-B-U, simple classifiers
try it with one part alone: the words of the text, its letters, its surface (length, sentences,
question marks, hedges), which image it is, and the image's caption. All are cross-validated so
that no group of samples is in training and in test at once. Reported is the balanced accuracy (the
mean recall of the grades) with an interval over groups, beside chance.

The figures are written to `audit.json` under the version, beside those of other versions.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

HERE = Path(__file__).parent
FOLDS = 5
REPEATS = 4
DRAWS = 2000

Row = dict[str, str]

HEDGES = re.compile(
    r"\b(i read|i hear|i heard|they say|it is said|are said|some (people|say)|people (say|on)|"
    r"studies|research(ers)? say|the (article|report) says|in the report|reportedly|apparently|"
    r"supposedly|i know|as i understand|experts)\b",
    re.IGNORECASE,
)
FIRST = re.compile(r"\b(i|i'm|i'll|i've|me|my|mine|we|our|ours|us)\b", re.IGNORECASE)
DEIXIS = re.compile(r"\b(this|these|that|those|it|here|there)\b", re.IGNORECASE)
OTHERS = re.compile(r"\b(he|him|his|she|her|hers|they|them|their)\b", re.IGNORECASE)
ORDERS = re.compile(
    r"(^|[.!?] )(please )?(add|answer|describe|draw|explain|find|give|help|list|make|post|put|"
    r"say|send|show|tell|translate|turn|write|word|swap|change|summari[sz]e)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[^.!?。！？؟।]+[.!?。！？؟।]*")
QUESTION = re.compile(r"[?？؟]")


def surface(text: str) -> dict[str, float]:
    """What can be counted in a text without understanding it."""
    words = text.split()
    sentences = [part for part in SENTENCE.findall(text) if part.strip()]
    return {
        "characters": len(text),
        "words": len(words),
        "word length": sum(map(len, words)) / max(1, len(words)),
        "sentences": len(sentences),
        "questions": len(QUESTION.findall(text)),
        "ends in a question": float(bool(QUESTION.search(text[-2:]))),
        "exclamations": text.count("!"),
        "commas": text.count(","),
        "digits": float(any(c.isdigit() for c in text)),
        "hedges": float(bool(HEDGES.search(text))),
        "first person": len(FIRST.findall(text)),
        "third person": len(OTHERS.findall(text)),
        "pointing words": len(DEIXIS.findall(text)),
        "orders": float(bool(ORDERS.search(text))),
        "ascii": float(text.isascii()),
    }


def _words() -> Pipeline:
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=2000, class_weight="balanced"),
    )


def _letters() -> Pipeline:
    return make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=2000, class_weight="balanced"),
    )


def _surface() -> Pipeline:
    return make_pipeline(
        DictVectorizer(sparse=False),
        StandardScaler(),
        LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced"),
    )


def _tree() -> Pipeline:
    return make_pipeline(
        DictVectorizer(sparse=False),
        DecisionTreeClassifier(
            max_depth=2, min_samples_leaf=4, class_weight="balanced", random_state=0
        ),
    )


def _identity() -> Pipeline:
    return make_pipeline(
        DictVectorizer(),
        LogisticRegression(C=10, max_iter=2000, class_weight="balanced"),
    )


# Probe -> what it sees of a row, the column that folds keep together, the model.
PROBES: dict[str, tuple[Callable[[Row], object], str, Callable[[], Pipeline]]] = {
    "words": (lambda row: row["text"], "group", _words),
    "letters": (lambda row: row["text"], "group", _letters),
    "surface": (lambda row: surface(row["text"]), "group", _surface),
    "surface, tree": (lambda row: surface(row["text"]), "group", _tree),
    "image": (lambda row: {row["image"]: 1.0}, "text", _identity),
    "caption": (lambda row: row["caption"], "image", _words),
}
TEXT_PROBES = ("words", "letters", "surface", "surface, tree")


def contrasts(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each pair of part grades that has more than one joint grade."""
    cells: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        cells[f"{row['image_grade'][0].upper()}-{row['text_grade'][0].upper()}"].append(row)
    found: dict[str, list[Row]] = {}
    for cell in sorted(cells, key=lambda cell: ["SBU".index(letter) for letter in cell[::2]]):
        joint = {row["joint_grade"][0].upper() for row in cells[cell]}
        if len(joint) > 1:
            found[f"{cell}-{'/'.join(sorted(joint, key='SBU'.index))}"] = cells[cell]
    return found


def probe(name: str, rows: list[Row]) -> dict[str, float]:
    """Balanced accuracy of one probe on one contrast, with an interval over groups."""
    view, apart, model = PROBES[name]
    seen = np.array([view(row) for row in rows], dtype=object)
    grades = np.array([row["joint_grade"] for row in rows])
    groups = np.array([row[apart] for row in rows])
    hits = np.zeros(len(rows))
    for seed in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        for train, test in folds.split(seen, grades, groups):
            fitted = model().fit(list(seen[train]), grades[train])
            hits[test] += fitted.predict(list(seen[test])) == grades[test]
    hits /= REPEATS
    low, high = _interval(hits, grades, groups)
    return {
        "balanced_accuracy": round(_balanced(hits, grades), 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "accuracy": round(float(hits.mean()), 3),
    }


def _balanced(hits: NDArray[np.float64], grades: NDArray[np.str_]) -> float:
    return float(np.mean([hits[grades == grade].mean() for grade in np.unique(grades)]))


def _interval(
    hits: NDArray[np.float64], grades: NDArray[np.str_], groups: NDArray[np.str_]
) -> tuple[float, float]:
    """95% of bootstrap draws of whole groups."""
    random = np.random.default_rng(13)
    levels, names = np.unique(grades), np.unique(groups)
    sums = np.array([[hits[(groups == g) & (grades == k)].sum() for k in levels] for g in names])
    sizes = np.array([[((groups == g) & (grades == k)).sum() for k in levels] for g in names])
    drawn = random.integers(0, len(names), (DRAWS, len(names)))
    below = sizes[drawn].sum(axis=1)
    recalls = sums[drawn].sum(axis=1) / np.where(below == 0, np.nan, below)
    low, high = np.nanpercentile(np.nanmean(recalls, axis=1), (2.5, 97.5))
    return float(low), float(high)


def audit(rows: list[Row]) -> dict[str, dict[str, object]]:
    """Every probe on every contrast."""
    found: dict[str, dict[str, object]] = {}
    for contrast, its in contrasts(rows).items():
        counts = Counter(row["joint_grade"] for row in its)
        found[contrast] = {
            "samples": len(its),
            "groups": len({row["group"] for row in its}),
            "chance": round(1 / len(counts), 3),
            "majority": round(max(counts.values()) / len(its), 3),
            "probes": {name: probe(name, its) for name in PROBES},
        }
    return found


def read(samples: Path, images: Path) -> list[Row]:
    """The samples with the captions of their images."""
    with images.open(encoding="utf-8", newline="") as lines:
        captions = {row["file"]: f"{row['title']} {row['words']}" for row in csv.DictReader(lines)}
    with samples.open(encoding="utf-8", newline="") as lines:
        return [{**row, "caption": captions[row["image"]]} for row in csv.DictReader(lines)]


def main() -> None:
    """Audit, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=Path, default=HERE / "samples.csv")
    parser.add_argument("--images", type=Path, default=HERE / "images.csv")
    parser.add_argument("--version", default="2.0.0")
    given = parser.parse_args()
    found = audit(read(given.samples, given.images))
    for contrast, cell in found.items():
        print(f"{contrast}: {cell['samples']} samples, chance {cell['chance']:.2f}")
        for name, score in cell["probes"].items():  # type: ignore[attr-defined]
            marks = " <-- above chance" if score["low"] > cell["chance"] else ""
            interval = f"{score['low']:.2f} to {score['high']:.2f}"
            print(f"    {name:14} {score['balanced_accuracy']:.2f}  ({interval}){marks}")
    target = HERE / "audit.json"
    kept = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    kept[given.version] = found
    target.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
