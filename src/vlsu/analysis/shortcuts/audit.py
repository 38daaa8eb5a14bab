"""The audit of a dataset: how far the joint grade is told by one part, or by both apart.

A model that understands pairs is needed only where the joint grade cannot be told otherwise. Two
questions are asked, both by simple classifiers that are cross-validated so that no group of samples
is trained on and predicted at once:

- ``text_only``: how well the joint grade is told over all samples by the text alone, by the image
  alone, and by features of both without any of the two together, beside the commonest grade.
- ``shortcuts``: where image and text have the same two grades and the joint grade differs, such as
  S-B-B against S-B-U, only the meaning of the two together should decide. Each probe sees one view
  of one part there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.shortcuts.classifiers import ridge, tree
from vlsu.analysis.shortcuts.crossvalidation import FOLDS, Classifier, Hits, cross_validated
from vlsu.analysis.shortcuts.features import equality, letters, scaled, surface, tfidf, words
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.intervals import UNDEFINED, plain
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.table.streaming import collect_in_slices
from vlsu.data.links import linked_samples
from vlsu.errors import DataError
from vlsu.policy import MODALITIES, Severity

__all__ = ["MOST", "PROBES", "shortcut_audit"]

#: Samples looked at; of more, that many are drawn.
MOST = 2_000
#: A probe tells a grade where its p, corrected for the number of probes, is below this.
ALPHA = 0.05

#: Probe -> the part it sees, and what samples in training and in test may not share.
PROBES: Mapping[str, tuple[str, str]] = {
    "words": ("text", "group"),
    "letters": ("text", "group"),
    "surface": ("text", "group"),
    "surface, tree": ("text", "group"),
    "image": ("image", "text"),
    "caption": ("caption", "image"),
}

_LABELS = [severity.label for severity in Severity]

Tree = dict[str, object]


def shortcut_audit(
    samples: Frame,
    *,
    most: int = MOST,
    seed: int = 0,
    look: Callable[[str], Sequence[float] | None] | None = None,
) -> Tree:
    """Audit the samples of a dataset.

    Args:
        samples: As `vlsu.data.Dataset.frame` gives them. Counted are samples with a joint grade and
            a text or an image; ``metadata`` may hold a ``caption``. A sample without a `group` is
            kept apart from those of the same text, or, without a text, of the same image.
        most: Samples at most; of more, those whose hash of seed and id is smallest.
        seed: Of the draw and of the division into folds.
        look: SHA-256 of an image -> numbers that describe its pixels, the same many for each, or
            `None` if there are none; without it images are told by which they are alone.

    Returns:
        ``text_only``: ``n``; ``text``, ``image`` and ``apart``, each an accuracy as a rate with
        ``balanced_accuracy`` beside it, null where there is nothing to see; ``majority``, the share
        of the commonest grade; ``chance``, 1 over the number of grades.
        ``shortcuts``: ``n`` of ``of`` samples looked at; ``contrasts``: such as ``"S-B-B/U"`` ->
        ``n``, ``groups``, ``grades``, ``chance``, ``majority``, ``left_out`` (samples of grades
        with too few groups) and ``probes``: probe -> ``balanced_accuracy`` and ``accuracy`` with
        their intervals, ``p`` and ``p_adjusted`` of being above chance; ``tests``, how many probes
        there are, and ``found``, those whose `p_adjusted` is below 0.05.

    Raises:
        DataError: A column is missing.
    """
    frame, of = _drawn(samples, most, seed)
    views = _Views.of(frame, look)
    contrasts: dict[str, Tree] = {}
    p: dict[tuple[str, str], float] = {}
    for name, rows in _contrasts(frame).items():
        contrast = _contrast(views, rows, seed)
        if contrast is None:
            continue
        contrasts[name], probes = contrast
        p |= {(name, probe): value for probe, value in probes.items()}
    adjusted = holm(p)
    for (name, probe), value in adjusted.items():
        contrasts[name]["probes"][probe]["p_adjusted"] = value  # type: ignore[index]
    found = [
        {"contrast": name, "probe": probe, "p_adjusted": value}
        for (name, probe), value in adjusted.items()
        if value < ALPHA
    ]
    return plain(
        {
            "text_only": _text_only(views, seed),
            "shortcuts": {
                "n": frame.height,
                "of": of,
                "contrasts": contrasts,
                "tests": len(p),
                "found": found,
            },
        }
    )


def _drawn(samples: Frame, most: int, seed: int) -> tuple[pl.DataFrame, int]:
    """The samples looked at, in the order of their ids, and how many there are."""
    lazy = samples.lazy()
    present = lazy.collect_schema().names()
    needed = ("id", "text", *(f"{m}_grade" for m in MODALITIES))
    if missing := [name for name in needed if name not in present]:
        raise DataError(
            f"the samples have no column {missing[0]!r}; they have {', '.join(present)}"
        )
    columns = [
        (pl.col(name) if name in present else pl.lit(None)).cast(pl.String).alias(name)
        for name in (*needed, "group", "image_sha256", "image_url", "metadata")
    ]
    image = pl.coalesce("image_sha256", "image_url")
    rows = (
        lazy.select(*columns)
        .select(
            "id",
            "text",
            "group",
            "image_sha256",
            *(f"{m}_grade" for m in MODALITIES),
            image=image,
            caption=pl.col("metadata").str.json_path_match("$.caption"),
        )
        .filter(
            pl.col("joint_grade").is_in(_LABELS)
            & (pl.col("text").is_not_null() | pl.col("image").is_not_null())
        )
    )
    ids = collect_in_slices(rows, lambda part: part.select("id"))["id"]
    if len(ids) > most:
        rank = np.array([zlib.crc32(f"{seed}/{id_}".encode("utf-8", "replace")) for id_ in ids])
        chosen = ids.gather(np.argsort(rank, kind="stable")[:most])
        rows = rows.filter(pl.col("id").is_in(chosen.implode()))
    return rows.collect(engine="streaming").unique("id", keep="first", maintain_order=True).sort(
        "id"
    ), len(ids)


@dataclass(frozen=True, slots=True)
class _Views:
    """What probes see of the samples.

    Attributes:
        labels: Joint grades as codes, shape ``(n,)``.
        apart: What samples may not share -> its number, shape ``(n,)``.
        kernels: Probe -> similarities; those of nothing to see are not there.
        surface: Features of the texts, ``(n, d)``.
    """

    labels: IntArray
    apart: Mapping[str, IntArray]
    kernels: Mapping[str, FloatArray]
    surface: FloatArray

    @classmethod
    def of(
        cls, frame: pl.DataFrame, look: Callable[[str], Sequence[float] | None] | None
    ) -> _Views:
        texts = frame["text"].fill_null("").to_list()
        captions = frame["caption"].fill_null("").to_list()
        images, hashes = frame["image"].to_list(), frame["image_sha256"].to_list()
        counted = surface(texts) if texts else np.zeros((0, 0))
        kernels: dict[str, FloatArray] = {}
        if any(texts):
            kernels["words"] = tfidf(map(words, texts))
            kernels["letters"] = tfidf(map(letters, texts))
            kernels["surface"] = scaled(counted)
        if any(image is not None for image in images):
            kernels["image"] = equality(images)
        if any(captions):
            kernels["caption"] = tfidf(map(words, captions))
        if look is not None and (pixels := _pixels(hashes, look)) is not None:
            kernels["pixels"] = scaled(pixels)
        return cls(
            frame["joint_grade"].replace_strict(_LABELS, range(3)).to_numpy(),
            {
                "group": _dependent(frame),
                "text": _numbers(frame, pl.coalesce("text", "id")),
                "image": _numbers(frame, pl.coalesce("image", "id")),
            },
            kernels,
            counted,
        )


def _dependent(frame: pl.DataFrame) -> IntArray:
    """Equal numbers for samples of a group; without groups, for those linked by image or text."""
    if frame["group"].null_count() < frame.height:
        return _numbers(frame, pl.coalesce("group", "text", "image", "id"))
    return linked_samples(frame.select("group", shared_image="image", shared_text="text"))


def _numbers(frame: pl.DataFrame, value: pl.Expr) -> IntArray:
    """Equal numbers for equal values, in the order in which they appear."""
    numbers: IntArray = frame.select(value.rank("dense") - 1).to_series().cast(pl.Int64).to_numpy()
    return numbers


def _pixels(
    hashes: Sequence[str | None], look: Callable[[str], Sequence[float] | None]
) -> FloatArray | None:
    """Numbers that describe the images; those of an image that has none are the others' mean."""
    seen = {sha256: look(sha256) for sha256 in dict.fromkeys(hashes) if sha256 is not None}
    known = [values for values in seen.values() if values is not None]
    if not known:
        return None
    mean = np.mean(known, axis=0)
    rows = [seen.get(sha256) if sha256 is not None else None for sha256 in hashes]
    return np.array([mean if row is None else row for row in rows], dtype=np.float64)


def _text_only(views: _Views, seed: int) -> Tree:
    everything = np.arange(len(views.labels))
    rows, labels, _ = _enough(views, everything, "group")
    if not len(rows):
        nothing = {**UNDEFINED.as_dict(), "balanced_accuracy": UNDEFINED}
        parts: Tree = dict.fromkeys(("text", "image", "apart"), nothing)
        return {"n": 0, **parts, "majority": UNDEFINED, "chance": None}
    cluster = views.apart["group"][rows]
    seen = {
        "text": (("words", "letters", "surface"), "group"),
        # By which image it is, so that one seen with other texts is known.
        "image": (("image", "caption", "pixels"), "text"),
        "apart": (("words", "letters", "surface", "image", "caption", "pixels"), "group"),
    }
    found: Tree = {}
    for name, (kernels, apart) in seen.items():
        there = [views.kernels[each] for each in kernels if each in views.kernels]
        if not there:
            found[name] = {**UNDEFINED.as_dict(), "balanced_accuracy": UNDEFINED}
            continue
        kernel = sum(there)[np.ix_(rows, rows)] / len(there)  # type: ignore[index]
        separate = _renumbered(views.apart[apart][rows])
        plainly, balanced = (
            cross_validated(
                _on(kernel, balanced=each), labels, separate, _renumbered(cluster), seed=seed
            )
            for each in (False, True)
        )
        found[name] = {
            **plainly.accuracy.as_dict(),
            "balanced_accuracy": balanced.balanced_accuracy,
        }
    order = np.argsort(cluster, kind="stable")
    commonest = (labels == np.bincount(labels).argmax()).astype(np.float64)
    return {
        "n": len(rows),
        **found,
        "majority": clustered_mean(commonest[order], cluster[order]).rate,
        "chance": 1 / (int(labels.max()) + 1),
    }


def _contrasts(frame: pl.DataFrame) -> dict[str, IntArray]:
    """The samples of each pair of part grades with more than one joint grade, by name."""
    letter = {severity.label: severity.letter for severity in Severity}
    cells: dict[tuple[str, str], list[int]] = {}
    grades = frame.select(f"{m}_grade" for m in MODALITIES).rows()
    for row, (image, text, _) in enumerate(grades):
        if image in letter and text in letter:
            cells.setdefault((image, text), []).append(row)
    found = {}
    for image, text in ((i, t) for i in _LABELS for t in _LABELS):
        rows = cells.get((image, text), [])
        joint = {grades[row][2] for row in rows}
        if len(joint) > 1:
            several = "/".join(letter[label] for label in _LABELS if label in joint)
            found[f"{letter[image]}-{letter[text]}-{several}"] = np.array(rows)
    return found


def _contrast(views: _Views, rows: IntArray, seed: int) -> tuple[Tree, dict[str, float]] | None:
    """Every probe on the samples of a contrast; `None` if too few of two grades are there."""
    rows, labels, left_out = _enough(views, rows, "group")
    if not len(rows):
        return None
    cluster = _renumbered(views.apart["group"][rows])
    probes: dict[str, Tree] = {}
    p: dict[str, float] = {}
    for name, (_, apart) in PROBES.items():
        classifier = _probe(views, name, rows)
        separate = _renumbered(views.apart[apart][rows])
        if classifier is None or separate.max() + 1 < FOLDS:
            continue
        hits: Hits = cross_validated(classifier, labels, separate, cluster, seed=seed)
        p[name] = hits.p
        probes[name] = {
            "balanced_accuracy": hits.balanced_accuracy,
            "accuracy": hits.accuracy,
            "p": hits.p,
        }
    counts = np.bincount(labels)
    grades = [_LABELS[code] for code in np.unique(views.labels[rows])]
    about: Tree = {
        "n": len(rows),
        "groups": len(np.unique(cluster)),
        "grades": dict(zip(grades, counts.tolist(), strict=True)),
        "chance": 1 / len(counts),
        "majority": float(counts.max() / counts.sum()),
        "left_out": left_out,
        "probes": probes,
    }
    return about, p


def _enough(views: _Views, rows: IntArray, apart: str) -> tuple[IntArray, IntArray, dict[str, int]]:
    """Those of the samples whose grade has at least `FOLDS` groups, and their classes.

    Returns:
        The rows, none if fewer than two grades are left; their classes 0 .. k - 1; and the grades
        that were left out, with their samples.
    """
    labels, groups = views.labels[rows], views.apart[apart][rows]
    kept, left_out = [], {}
    for code in np.unique(labels).tolist():
        mine = labels == code
        if len(np.unique(groups[mine])) >= FOLDS:
            kept.append(code)
        else:
            left_out[_LABELS[code]] = int(mine.sum())
    if len(kept) < 2:
        return rows[:0], labels[:0], left_out
    inside = np.isin(labels, kept)
    return rows[inside], _renumbered(labels[inside]), left_out


def _probe(views: _Views, name: str, rows: IntArray) -> Classifier | None:
    """The classifier of a probe over these samples; `None` where there is nothing to see."""
    if name == "surface, tree":
        return partial(tree, views.surface[rows]) if "surface" in views.kernels else None
    if name not in views.kernels:
        return None
    return _on(views.kernels[name][np.ix_(rows, rows)], balanced=True)


def _on(kernel: FloatArray, *, balanced: bool) -> Classifier:
    return partial(ridge, kernel, balanced=balanced)


def _renumbered(numbers: IntArray) -> IntArray:
    """The same with 0 .. k - 1 for the k numbers that occur."""
    _, found = np.unique(numbers, return_inverse=True)
    return found.reshape(-1).astype(np.int64)
