"""The importer for MM-SafetyBench (arXiv 2311.17600).

``data/processed_questions/<scenario>.json`` (13 files such as ``01-Illegal_Activitiy.json``) is an
object of objects by number: ``Question``, ``Changed Question``, ``Key Phrase``, ``Phrase Type``,
``Rephrased Question``, ``Rephrased Question(SD)``. The pictures are
``<scenario>/<rendering>/<number>.jpg`` with the renderings ``SD`` (a generated picture), ``TYPO``
(the key phrase as text) and ``SD_TYPO`` (both); the first is asked with ``Rephrased Question(SD)``,
the others with ``Rephrased Question``. The three renderings of a question are a group.

The copies on the Hugging Face hub have ``data/<scenario>/<rendering>.parquet`` with ``id``,
``question``, ``image``, and ``Text_only``, the question without a picture. The source states no
licence in its files; its authors distribute it under CC BY-NC 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions
from vlsu.data.importers.benchmark import (
    UNSAFE,
    Rows,
    entries,
    find_files,
    refuse_options,
    sample_row,
    text_of,
)
from vlsu.data.sources import Entry

__all__ = ["MM_SAFETYBENCH", "read_mm_safetybench"]

#: Rendering -> the question that belongs to it, its name normalised.
_RENDERINGS = {
    "SD": "rephrased_question(sd)",
    "SD_TYPO": "rephrased_question",
    "TYPO": "rephrased_question",
}
_NUMBERED = re.compile(r"\d\d-")
_ABOUT = ("question", "changed_question", "key_phrase", "phrase_type")


def read_mm_safetybench(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read a scenario's file, the repository, or a copy from the Hugging Face hub.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not MM-SafetyBench, or cannot be read.
    """
    refuse_options(options, "mm-safetybench")
    if path.is_dir() and any(path.rglob("*.parquet")):
        required = {"id", "question"}
        items = entries(path, required, "mm-safetybench", options, folder=True)
        return _of_hub(items, options)
    files = find_files(path, ["[01][0-9]-*.json", "*.json"], "mm-safetybench")
    columns = {"rephrased_question", "rephrased_question(sd)"}
    read = [(file, entries(file, columns, "mm-safetybench", options)) for file in files]
    return _of_repository(read, options)


def _of_repository(files: list[tuple[Path, Rows]], options: ImportOptions) -> Iterator[ImportItem]:
    for file, items in files:
        for item in items:
            if not isinstance(item, Entry):
                yield item
                continue
            number = text_of(item.values.get("key"))
            scenario = _NUMBERED.sub("", file.stem)
            for rendering, question in _RENDERINGS.items():
                yield sample_row(
                    item,
                    "mm-safetybench",
                    options,
                    id=f"{scenario}-{number}-{rendering}",
                    text=item.values[question],
                    image=f"{file.stem}/{rendering}/{number}.jpg",
                    grades=(None, None, UNSAFE),
                    category=scenario,
                    group=f"{scenario}-{number}",
                    metadata={
                        "scenario": scenario,
                        "rendering": rendering,
                        **{name: item.values.get(name) for name in _ABOUT},
                    },
                )


def _of_hub(items: Rows, options: ImportOptions) -> Iterator[ImportItem]:
    for item in items:
        if not isinstance(item, Entry):
            yield item
            continue
        config, _, rendering = item.place.rpartition("/")
        scenario = _NUMBERED.sub("", config.rpartition("/")[2])
        number = text_of(item.values["id"])
        image = item.values.get("image")
        alone = rendering.lower() == "text_only"
        yield sample_row(
            item,
            "mm-safetybench",
            options,
            id=f"{scenario}-{number}-{rendering}",
            text=item.values["question"],
            image=image,
            grades=(None, UNSAFE, None) if alone else (None, None, UNSAFE),
            category=None if alone else scenario,
            group=f"{scenario}-{number}",
            metadata={"scenario": scenario, "rendering": rendering},
        )


MM_SAFETYBENCH = Importer(
    read_mm_safetybench,
    name="mm-safetybench",
    licence="CC-BY-NC-4.0",
    citation="@inproceedings{liu2024mmsafetybench, title = {MM-SafetyBench: A Benchmark for Safety "
    "Evaluation of Multimodal Large Language Models}, author = {Liu, Xin and Zhu, Yichen and Gu, "
    "Jindong and Lan, Yunshi and Yang, Chao and Qiao, Yu}, booktitle = {ECCV}, year = {2024}}",
    source="https://github.com/isXinLiu/MM-SafetyBench",
    description="MM-SafetyBench: questions whose harm is in a picture, each in three renderings.",
)
