"""Retrieval of images for vlsu build: recall on what ships, or an index of many captions.

python -m benchmarks.build_retrieval
python -m benchmarks.build_retrieval --rows 1000000
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import load_average
from benchmarks.retrieval_concepts import CONCEPTS
from benchmarks.writing import markdown, write_results
from vlsu.build.folder.build import Build, init
from vlsu.build.search.catalogue import Catalogue
from vlsu.build.search.index import Index, open_index
from vlsu.build.search.meaning import Meaning
from vlsu.build.search.vectors import Vectors
from vlsu.build.sources.base import Candidate
from vlsu.data import load
from vlsu.models.baseline.embedding import VOCABULARY
from vlsu.policy import default_policy

DEPTHS = (1, 5, 10, 20)
RESAMPLES = 2_000
#: Of reciprocal rank fusion, the constant of its authors (Cormack, Clarke and Büttcher 2009).
CONSTANT = 60

#: Positions of a search's results, best first.
Ranking = Callable[[str, str], Sequence[str]]


@dataclass
class Gallery:
    """The images of vlsu-mini, some of them without their captions."""

    withheld: frozenset[str] = frozenset()
    spec: str = "dataset:vlsu-mini"

    def __post_init__(self) -> None:
        self.dataset = load("vlsu-mini")
        found = {str(each.image_sha256): each.metadata["caption"] for each in self.dataset}
        self.captions = {id_: "" if id_ in self.withheld else str(found[id_]) for id_ in found}

    def identity(self) -> Mapping[str, object]:
        return {"withheld": sorted(self.withheld)}

    def candidates(self) -> Iterator[Candidate]:
        for id_, caption in self.captions.items():
            yield Candidate(id=id_, source=self.spec, caption=caption)

    def read(self, candidate: Candidate) -> bytes:
        return self.dataset.read_image(candidate.id)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Question:
    """What is searched for; questions of one cluster are resampled together."""

    words: str
    sentence: str
    relevant: frozenset[str]
    cluster: str


def concepts(gallery: Gallery) -> list[Question]:
    found = []
    for words, sentence, names in CONCEPTS:
        ids = frozenset(id_ for id_ in gallery.captions if id_[:10] in names)
        assert len(ids) == len(names), words
        found.append(Question(words, sentence, ids, words))
    return found


def descriptions(gallery: Gallery, field: str) -> list[Question]:
    """Of each sample its text, or the reason of its grade: neither is part of the index."""
    found = []
    for sample in gallery.dataset:
        text = sample.text if field == "text" else sample.metadata[field]
        image = str(sample.image_sha256)
        found.append(Question(str(text), str(text), frozenset([image]), image))
    return found


def by(index: Index, name: str, words: str, sentence: str) -> list[str]:
    """Ids in the order of one ranking."""
    hits = [hit for hit in index.search(words, sentence, len(index)) if hit.ranks[name]]
    return [hit.candidate.id for hit in sorted(hits, key=lambda hit: hit.ranks[name] or 0)]


def reciprocal(index: Index, words: str, sentence: str) -> list[str]:
    """Reciprocal rank fusion of the same two rankings."""
    scores: dict[str, float] = {}
    for hit in index.search(words, sentence, len(index)):
        ranks = [rank for name in ("bm25", "embedding") if (rank := hit.ranks[name])]
        scores[hit.candidate.id] = sum(1 / (CONSTANT + rank) for rank in ranks)
    return sorted(scores, key=lambda id_: -scores[id_])


def recalls(ranking: Ranking, questions: Sequence[Question]) -> np.ndarray:
    """Of each question, the share of what could be found among the first, by depth."""
    rows = []
    for question in questions:
        found = ranking(question.words, question.sentence)
        rows.append(
            [
                len(question.relevant & set(found[:depth])) / min(depth, len(question.relevant))
                for depth in DEPTHS
            ]
        )
    return np.array(rows)


def shown(rows: np.ndarray, questions: Sequence[Question]) -> list[str]:
    """Means with 95% percentile intervals, by resampling clusters."""
    names = sorted({question.cluster for question in questions})
    place = {name: n for n, name in enumerate(names)}
    sums = np.zeros((len(names), len(DEPTHS)))
    counts = np.zeros(len(names))
    for row, question in zip(rows, questions, strict=True):
        sums[place[question.cluster]] += row
        counts[place[question.cluster]] += 1
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1, keepdims=True)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return [
        f"{mean:.2f} [{a:.2f}, {b:.2f}]"
        for mean, a, b in zip(rows.mean(axis=0), low, high, strict=True)
    ]


def recall_tables(build: Build) -> str:
    gallery = Gallery()
    indexes = {
        name: open_index(build, [gallery], embedding=name)
        for name in ("none", "baseline", "baseline/captions", "baseline/conse")
    }
    rankings: dict[str, Ranking] = {
        "BM25": partial(by, indexes["none"], "bm25"),
        "ConSE (image alone)": partial(by, indexes["baseline/conse"], "embedding"),
        "captions": partial(by, indexes["baseline/captions"], "embedding"),
        "baseline: captions and ConSE": partial(by, indexes["baseline"], "embedding"),
        "BM25 + ConSE": partial(by, indexes["baseline/conse"], "hybrid"),
        "BM25 + captions": partial(by, indexes["baseline/captions"], "hybrid"),
        "BM25 + baseline, the default": partial(by, indexes["baseline"], "hybrid"),
        "the same by reciprocal rank fusion": partial(reciprocal, indexes["baseline"]),
    }
    head = ("ranking", *(f"recall@{depth}" for depth in DEPTHS))
    parts = []
    for title, questions in (
        ("concepts, graded by hand", concepts(gallery)),
        ("reasons of grades, each for its image", descriptions(gallery, "reason")),
        ("texts of samples, each for its image", descriptions(gallery, "text")),
    ):
        rows = [(name, *shown(recalls(r, questions), questions)) for name, r in rankings.items()]
        parts.append(f"### {len(questions)} {title}\n\n{markdown(head, rows)}")
    for index in indexes.values():
        index.close()
    return "\n".join(parts)


def withheld_table(build: Build) -> str:
    """Recall of the images whose caption is withheld, beside that of the others."""
    ids = sorted(Gallery().captions)
    rng = np.random.default_rng(7)
    rows = []
    for share in (0.5, 1.0):
        without = frozenset(id_ for id_ in ids if rng.random() < share)
        gallery = Gallery(without)
        for name, which in (
            ("none", "bm25"),
            ("baseline/captions", "hybrid"),
            ("baseline/conse", "hybrid"),
            ("baseline", "hybrid"),
        ):
            with open_index(build, [gallery], embedding=name) as index:
                found: dict[bool, list[bool]] = {False: [], True: []}
                for question in concepts(gallery):
                    first = set(by(index, which, question.words, question.sentence)[:10])
                    for id_ in question.relevant:
                        found[id_ in without].append(id_ in first)
            label = "BM25" if name == "none" else f"BM25 + {name}"
            rows.append((f"{share:.0%}", label, *(_share(found[each]) for each in (False, True))))
    head = ("withheld", "ranking", "recall@10 with caption", "recall@10 without")
    return f"### Concepts, where captions are withheld\n\n{markdown(head, rows)}"


def _share(found: list[bool]) -> str:
    return f"{sum(found)} of {len(found)}" if found else "-"


class Made:
    """Captions of words drawn as words of a language are: a few often, most rarely."""

    spec = "made"

    def __init__(self, count: int) -> None:
        self.count = count
        lines = _vocabulary_file().read_text(encoding="utf-8").splitlines()
        self.words = [word for word in lines if word.isalpha() and len(word) > 2]

    def identity(self) -> Mapping[str, object]:
        return {"count": self.count}

    def candidates(self) -> Iterator[Candidate]:
        rng = np.random.default_rng(0)
        for start in range(0, self.count, 10_000):
            lengths = rng.integers(5, 16, 10_000)
            drawn = np.minimum(rng.zipf(1.3, lengths.sum()) - 1, 10**7)
            ends = np.cumsum(lengths)
            for n in range(min(10_000, self.count - start)):
                part = drawn[ends[n] - lengths[n] : ends[n]]
                # beyond the words there are, numbers: names and misspellings have a long tail too
                words = [self.words[w] if w < len(self.words) else str(w) for w in part.tolist()]
                yield Candidate(
                    id=f"{start + n:08}.jpg",
                    source=self.spec,
                    caption=" ".join(words),
                    licence="CC-BY-4.0",
                    author="somebody",
                )

    def read(self, candidate: Candidate) -> bytes:
        raise AssertionError("captions alone are embedded")

    def close(self) -> None:
        pass


def _vocabulary_file() -> Path:
    from vlsu.models.baseline.assets import own_weights

    return own_weights(VOCABULARY)


class Drawn:
    """Random vectors in place of a model's: what is timed is everything but the model."""

    spec, dimensions, batch, image_share, hybrid_share = "drawn", 384, 512, 0.0, 0.8
    language = None

    def identity(self) -> Mapping[str, object]:
        return {}

    def images(self, images: Sequence[bytes]) -> list[Any]:
        raise AssertionError

    def texts(self, texts: Sequence[str]) -> list[Any]:
        rng = np.random.default_rng(abs(hash(texts[0])))
        rows = rng.standard_normal((len(texts), 384)).astype(np.float32)
        return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def growth(place: str, count: int) -> list[tuple[str, str]]:
    """Time, memory and disk of an index of many captions, in a process of its own."""
    build = init(Path(place) / f"b{count}", default_policy())
    source = Made(count)
    began = time.perf_counter()
    index = open_index(build, [source], embedding="none")
    built = time.perf_counter() - began
    peak = _peak()
    folder = next(each for each in build.index_folder.iterdir() if each.is_dir())
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    index.close()
    again = time.perf_counter()
    index = open_index(build, [source], embedding="none")
    opened = time.perf_counter() - again
    rng = np.random.default_rng(1)
    asked = [" ".join(rng.choice(source.words[20:3000], 4)) for _ in range(30)]
    by_words = [_timed(lambda q=q: index.search(q, "", 20)) for q in asked]
    index.close()

    embedder = Drawn()
    catalogue = Catalogue(folder / "candidates.sqlite")
    vectors = Vectors(build.index_folder / "vectors.sqlite", embedder)
    began = time.perf_counter()
    Meaning.build(catalogue, [source], embedder, vectors, folder / "meaning.f16")
    embedded = time.perf_counter() - began
    vectors.close()
    meaning = Meaning(folder / "meaning.f16", 384, count)
    queries = embedder.texts(["a"] * 20)
    meaning.rank(queries[0], 200)  # the file is read into the page cache
    by_meaning = [_timed(lambda q=q: meaning.rank(q, 200)) for q in queries]
    catalogue.close()
    return [
        ("captions listed and indexed by words", f"{built:.0f} s"),
        ("peak memory of that, with Python and its libraries", f"{peak:.0f} MB"),
        ("on disk", f"{disk / 2**20:.0f} MB"),
        ("opened again", f"{opened:.2f} s"),
        ("a search by words, median", f"{1000 * float(np.median(by_words)):.0f} ms"),
        ("vectors stored and laid out, the model aside", f"{embedded:.0f} s"),
        ("vectors on disk, twice", f"{2 * count * 384 * 2 / 2**20:.0f} MB"),
        ("a search by meaning, exact, median", f"{1000 * float(np.median(by_meaning)):.0f} ms"),
        ("peak memory of all, mapped files included", f"{_peak():.0f} MB"),
    ]


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _peak() -> float:
    """Megabytes; not by getrusage, which counts what the parent had."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def recall_report() -> None:
    with tempfile.TemporaryDirectory() as place:
        build = init(Path(place) / "b", default_policy())
        recall, withheld = recall_tables(build), withheld_table(build)
    write_results(
        "build_retrieval",
        "# Retrieval of images\n\n"
        "The gallery is the 217 images of vlsu-mini with their captions. The concepts were written "
        "by one person who knew the captions, in other words than theirs; the shares of the "
        "default (`conse.py`) were chosen on these concepts and reasons, so that its lead is "
        "flattered a little. Intervals: 95%, percentiles of a bootstrap over concepts or images."
        f"\n\n{recall}\n{withheld}",
    )


def growth_report(rows: int) -> None:
    with tempfile.TemporaryDirectory() as place, get_context("spawn").Pool(1) as pool:
        grown = pool.apply(growth, (place, rows))
    write_results(
        "build_index",
        f"# An index of {rows:,} captions\n\n"
        "Captions of 5 to 15 words drawn by Zipf's law; vectors of 384 dimensions.\n\n"
        f"{markdown(('', ''), grown)}\n"
        f"Load average when this ended: {load_average():.1f}, on two cores.\n",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="time an index of so many captions instead")
    rows = parser.parse_args().rows
    recall_report() if rows is None else growth_report(rows)


if __name__ == "__main__":
    main()
