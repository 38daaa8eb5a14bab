"""The importer for VLGuard (arXiv 2402.02207), which is gated.

``test.json`` and ``train.json`` are lists of objects: ``id``, ``image`` (a path in ``test.zip``),
``safe``, ``instr-resp``, and of an unsafe image ``harmful_category`` and ``harmful_subcategory``. A
safe image has two entries in ``instr-resp``, ``safe_instruction`` and ``unsafe_instruction``: safe
and unsafe texts that become two samples of one group. An unsafe image has one ``instruction``,
which is not graded by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, Rejected
from vlsu.data.importers.benchmark import (
    SAFE,
    UNSAFE,
    Rows,
    entries,
    find_files,
    refuse_options,
    sample_row,
    text_of,
)
from vlsu.data.sources import Entry

__all__ = ["VLGUARD", "read_vlguard"]

#: Key of a text -> subset, and grades of image, text and both.
_TEXTS = {
    "safe_instruction": ("safe_safes", (SAFE, SAFE, SAFE)),
    "unsafe_instruction": ("safe_unsafes", (SAFE, UNSAFE, UNSAFE)),
    "instruction": ("unsafes", (UNSAFE, None, UNSAFE)),
}
_ABOUT = ("harmful_category", "harmful_subcategory")


def read_vlguard(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read ``test.json`` or ``train.json``; of a folder, the test set.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not VLGuard, or cannot be read.
    """
    refuse_options(options, "vlguard")
    (file, *_) = find_files(path, ["test.json", "train.json"], "vlguard")
    return _rows(entries(file, {"id", "image", "safe", "instr_resp"}, "vlguard", options), options)


def _rows(items: Rows, options: ImportOptions) -> Iterator[ImportItem]:
    for item in items:
        if not isinstance(item, Entry):
            yield item
            continue
        values = item.values
        listed = values["instr_resp"]
        texts = [
            (key, answer)
            for answer in (listed if isinstance(listed, list) else ())
            if isinstance(answer, dict)
            for key in _TEXTS
            if key in answer
        ]
        if not texts:
            yield Rejected(item.line, "no instruction", "", "download the file again")
        for key, answer in texts:
            subset, grades = _TEXTS[key]
            id_ = text_of(values["id"])
            yield sample_row(
                item,
                "vlguard",
                options,
                id=None if id_ is None else f"{id_}-{subset}",
                text=answer[key],
                image=values["image"],
                grades=grades,
                category=values.get("harmful_subcategory"),
                group=id_,
                metadata={
                    "subset": subset,
                    "response": answer.get("response"),
                    **{name: values.get(name) for name in _ABOUT},
                },
            )


VLGUARD = Importer(
    read_vlguard,
    name="vlguard",
    licence="gated: see the terms of the source",
    citation="@inproceedings{zong2024vlguard, title = {Safety Fine-Tuning at (Almost) No Cost: A "
    "Baseline for Vision Large Language Models}, author = {Zong, Yongshuo and Bohdal, Ondrej and "
    "Yu, Tingyang and Yang, Yongxin and Hospedales, Timothy}, booktitle = {ICML}, year = {2024}}",
    source="https://huggingface.co/datasets/ys-zong/VLGuard",
    description="VLGuard: safe images with safe and with unsafe texts, and unsafe images.",
    policy="binary",
)
