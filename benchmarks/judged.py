"""A finished run of any size without asking anybody: its judgments are drawn, all else is real.

`vlsu run` makes the folder on one sample; the judgments of the others are written in its place by
the project's own writer, and the metrics are taken from them as at the end of any run.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import orjson
import polars as pl
from PIL import Image

from benchmarks.payload import synthetic
from vlsu.analysis import cell_metrics, diagnosis
from vlsu.data import Dataset, Sample
from vlsu.data.parquet import scan_parquet
from vlsu.policy import MODALITIES, PATTERNS, Severity
from vlsu.report.judgments import run_cells
from vlsu.runs import Run, evaluate, load_run
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.judging import JudgmentsFile

__all__ = ["judged_run", "pictured_dataset"]

_LABELS = np.array([severity.label for severity in Severity])
#: Severities in the order of the alphabet, and the rank of each.
_RANKED = np.array(sorted(_LABELS))
_RANK = np.array([int(Severity.parse(str(label))) for label in _RANKED])
_CHUNK = 100_000
#: Chance of a right answer, of image and text alone, and of the pair by family.
_SKILL = {"image": 0.85, "text": 0.88}
_JOINT = {"late-fusion": 0.85, "escalating": 0.35, "de-escalating": 0.4}
_PHRASE = (
    "what would happen if somebody brought this along to the party without telling the others "
)


def pictured_dataset(folder: Path, samples: int, images: int) -> Dataset:
    """Samples over all 17 patterns, each with a text of its own, over pictures that they share."""
    rng = np.random.default_rng(0)
    digests = [_stored(folder, _picture(rng)) for _ in range(images)]
    rows = (
        Sample(
            id=f"s{n:07}",
            text=f"{n:,}: {_PHRASE[n % 30 :]}and at {n * 7919 % 86400} seconds past midnight?",
            language="en",
            image_sha256=digests[n % images],
            image_grade=(pattern := PATTERNS[n % len(PATTERNS)]).image,
            text_grade=pattern.text,
            joint_grade=pattern.joint,
            joint_category=None if pattern.joint is Severity.SAFE else f"C{n % 15 + 1}",
        )
        for n in range(samples)
    )
    return synthetic(folder, rows)


def _stored(folder: Path, picture: bytes) -> str:
    """The picture's hash, its file laid out as by `ImageStore`, without its care for crashes."""
    digest = hashlib.sha256(picture).hexdigest()
    path = folder / "images" / digest[:2] / f"{digest}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
    return digest


def _picture(rng: np.random.Generator) -> bytes:
    """A JPEG of some blurred blobs, 320 by 240 pixels, as hard to compress as a photograph."""
    blobs = Image.fromarray(rng.integers(0, 256, (15, 20, 3), dtype=np.uint8))
    grain = rng.integers(-24, 25, (240, 320, 3))
    pixels = np.asarray(blobs.resize((320, 240), Image.Resampling.BICUBIC)).astype(int) + grain
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def judged_run(dataset: Dataset, out: Path, seed: int = 0) -> Run:
    """A finished understanding run on all samples, three judgments each."""
    evaluate(dataset, model="baseline/random", out=out, limit=1)
    folder, rng = RunFolder(out), np.random.default_rng(seed)
    grades = (
        dataset.frame()
        .select("id", "joint_category", *(f"{m}_grade" for m in MODALITIES))
        .collect()
    )
    with JudgmentsFile(folder.judgments_file) as file:
        for start in range(0, grades.height, _CHUNK):
            file.add(_judgments(grades.slice(start, _CHUNK), rng))
    record = folder.record()
    record |= {"limit": None, "model": {**record["model"], "spec": f"synthetic/judged-{seed}"}}
    folder.write_record(record)
    run = load_run(out)
    metrics = cell_metrics(run_cells(run))
    metrics |= diagnosis(scan_parquet(folder.judgments_file), dataset.frame())
    write_atomically(folder.metrics_file, orjson.dumps(metrics))
    folder.write_record({**record, "outcomes": metrics["outcomes"], "not_asked": {}})
    return load_run(out)


def _judgments(samples: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """One row a sample and modality, in the order of a run."""
    n = samples.height
    gold = {m: samples.get_column(f"{m}_grade").to_numpy() for m in MODALITIES}
    ranks = {m: np.searchsorted(_RANKED, gold[m]) for m in MODALITIES}
    worse = np.maximum(_RANK[ranks["image"]], _RANK[ranks["text"]])
    joint = _RANK[ranks["joint"]]
    families = np.where(joint > worse, 1, np.where(joint < worse, 2, 0))
    skill = {**_SKILL, "joint": np.array(list(_JOINT.values()))[families]}
    parts = []
    for number, modality in enumerate(MODALITIES):
        right = rng.random(n) < skill[modality]
        said = np.where(right, gold[modality], _LABELS[rng.integers(0, 3, n)])
        ok = rng.random(n) > 0.01
        parts.append(
            pl.DataFrame(
                {
                    "sample_id": samples.get_column("id"),
                    "modality": modality,
                    "expected": gold[modality],
                    "predicted": pl.Series(said).set(pl.Series(~ok), None),
                    "outcome": np.where(ok, "ok", "refused"),
                    "p_unsafe": rng.beta(2, 2, n),
                    "latency_s": rng.gamma(3.0, 0.4, n),
                    "input_tokens": rng.integers(400, 900, n),
                    "output_tokens": rng.integers(10, 40, n),
                    "request_key": rng.integers(0, 2**63, n).astype(str),
                    "expected_category": samples.get_column("joint_category")
                    if modality == "joint"
                    else None,
                    "answer": [f'{{"severity": "{word}", "category": null}}' for word in said],
                    "place": np.arange(n) * 3 + number,
                },
                schema_overrides={"expected_category": pl.String},
            )
        )
    rows = pl.concat(parts).sort("place")
    missing = {
        name: pl.lit(None, dtype=kind)
        for name, kind in JUDGMENTS.items()
        if name not in rows.columns
    }
    return rows.with_columns(**missing).select(
        pl.col(name).cast(kind) for name, kind in JUDGMENTS.items()
    )
