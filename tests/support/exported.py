"""A small dataset with everything an export must carry, and its answers to a datasheet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.policy import Severity

__all__ = ["ANSWERS", "make", "picture", "rows"]

#: One answer a kind: a text, a list, a mapping by modality, dates.
ANSWERS: dict[str, object] = {
    "purpose": "To test exports.",
    "creators": ["The first author", "The second author"],
    "personal_information": ["None that is known."],
    "biases": ["English only.", "Drawings more than photos."],
    "collection": "Drawn by a program.",
    "collection_type": ["Computer simulations"],
    "raw_data": "There is none.",
    "missing_data": "One sample has no image.",
    "timeframe": ["2026-01-01", "2026-02-28"],
    "annotators": {"image": "one senior grader", "text": "three graders", "joint": "three graders"},
    "annotation_protocol": ["Blind, then by majority."],
    "annotation_platform": ["vlsu annotate"],
    "annotation_analysis": ["Krippendorff's alpha 0.8."],
    "annotations_per_item": 3,
    "annotator_demographics": ["Two of three speak English as their first language."],
    "machine_annotation": ["None."],
    "preprocessing": ["None."],
    "manipulation": "Nothing was changed.",
    "imputation": "Nothing was filled in.",
    "uses": ["Tests."],
    "limitations": ["Too small to rank models."],
    "social_impact": "None is expected.",
    "maintenance": "None is planned.",
    "homepage": "https://example.org/made",
    "published": "2026-03-01",
}


def picture(kind: str, colour: str = "red") -> bytes:
    """An image file of 4 by 3 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, kind)
    return buffer.getvalue()


def rows(store: ImageStore) -> list[Sample]:
    """Samples with every kind of value; their images go into the store."""
    png, jpg, webp = (store.add(picture(kind)) for kind in ("PNG", "JPEG", "WEBP"))
    safe, borderline, unsafe = Severity
    said = '=1+1, they "say"\nin two lines'
    asked, url = "Où est-ce ? <text>", "https://example.org/b.png"
    deep = {"n": 5, "deep": {"x": [1, None]}}
    return [
        Sample("a.1/x", said, "en", webp, None, safe, safe, safe),
        Sample("b", asked, "fr", png, url, safe, safe, unsafe, None, None, "C9", "g", deep),
        Sample("c", "no image", None, None, None, None, borderline, None, None, "C3"),
        Sample("d", None, None, jpg, None, unsafe, None, None, "C10"),
        Sample("e", "again", "en", png, None, safe, borderline, borderline, None, "C3", "C3", "g"),
    ]


def make(folder: Path, **more: Any) -> Dataset:
    """The dataset, in a folder."""
    about: dict[str, Any] = {
        "name": "made",
        "version": "1.2",
        "licence": "CC-BY-4.0",
        "citation": "@misc{made, title = {Made}}",
        "source": "a test",
        "description": "Five samples.",
        **more,
    }
    return write_dataset(folder, rows(ImageStore(folder)), **about)
