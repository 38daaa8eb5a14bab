"""The importer for MSTS, *A Multimodal Safety Test Suite* in 11 languages (arXiv 2501.10057).

``data/prompts/<language>_multimodal.csv`` has ``hazard_category``, ``hazard_subcategory``,
``hazard_subsubcategory``, ``case_id``, ``case_text``, ``unsafe_image_id``,
``unsafe_image_description``, ``prompt_id`` (English only), ``prompt_text``, ``prompt_type``
(assistance or intention). ``data/images/unsafe_images.csv`` has for each ``unsafe_image_id`` its
``unsafe_image_url``, ``unsafe_image_license`` and ``unsafe_image_cw`` (content warning). Prompts
are unsafe with their image; image and text alone are not graded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, Note
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

__all__ = ["MSTS", "read_msts"]

_LANGUAGES = {
    "arabic": "ar",
    "chinese": "zh",
    "english": "en",
    "farsi": "fa",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "korean": "ko",
    "russian": "ru",
    "spanish": "es",
}
_COLUMNS = {"hazard_category", "case_id", "unsafe_image_id", "prompt_text", "prompt_type"}
_IMAGES = "unsafe_images.csv"
_ANSWERS = ("response_annotations", "auto_eval")


def read_msts(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read one file of prompts, or every one of a folder.

    The table of images is looked for beside the prompts and in the folders where the repository has
    it.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not MSTS, or cannot be read.
    """
    refuse_options(options, "msts")
    found = find_files(path, ["*_multimodal*.csv"], "msts")
    # Labels of answers, in the repository, have the same names.
    files = [file for file in found if file.parent.name not in _ANSWERS] or found
    checked = [(file, entries(file, _COLUMNS, "msts", options)) for file in files]
    return _rows(path, checked, options)


def _rows(
    path: Path, files: list[tuple[Path, Rows]], options: ImportOptions
) -> Iterator[ImportItem]:
    images = _images(path, options)
    if not images:
        fix = f"put {_IMAGES} beside the prompts"
        yield Note(0, f"no {_IMAGES} with the images' addresses", fix=fix, problem=True)
    for file, items in files:
        language = _LANGUAGES.get(file.name.partition("_")[0].lower())
        for item in items:
            if isinstance(item, Entry):
                yield _row(item, images, language, options)
            elif isinstance(item, ImportItem):
                yield item


def _images(path: Path, options: ImportOptions) -> dict[str, Mapping[str, object]]:
    folder = path if path.is_dir() else path.parent
    places = [folder / _IMAGES, folder.parent / "images" / _IMAGES, *sorted(folder.rglob(_IMAGES))]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        return {}
    rows = entries(file, {"unsafe_image_id", "unsafe_image_url"}, "msts", options)
    return {
        str(row.values["unsafe_image_id"]): row.values for row in rows if isinstance(row, Entry)
    }


def _row(
    entry: Entry,
    images: Mapping[str, Mapping[str, object]],
    language: str | None,
    options: ImportOptions,
) -> ImportItem:
    values = entry.values
    image = images.get(str(values["unsafe_image_id"]), {})
    id_ = text_of(values.get("prompt_id"))
    if id_ is None:  # of a translation
        id_ = f"{values['case_id']}_{values['prompt_type']}"
    others = {
        name: value
        for name, value in {**image, **values}.items()
        if name not in ("prompt_text", "prompt_id", "unsafe_image_url")
    }
    warning = others.get("unsafe_image_cw")
    if options.missing(str(warning or "")):
        others.pop("unsafe_image_cw", None)
    return sample_row(
        entry,
        "msts",
        options,
        id=id_ if language in (None, "en") else f"{id_}-{language}",
        text=values["prompt_text"],
        image=f"{values['unsafe_image_id']}",
        image_url=text_of(image.get("unsafe_image_url")),
        grades=(None, None, UNSAFE),
        category=_category(values),
        group=text_of(values["case_id"]),
        language=language,
        metadata=others,
    )


def _category(values: Mapping[str, object]) -> str | None:
    subcategory = text_of(values.get("hazard_subcategory"))
    if subcategory is not None and "regulated" in subcategory:
        return text_of(values.get("hazard_subsubcategory"))
    return subcategory


MSTS = Importer(
    read_msts,
    name="msts",
    licence="CC-BY-4.0",
    citation='@misc{rottger2025msts, author = {R{\\"o}ttger, Paul and Attanasio, Giuseppe and '
    "Friedrich, Felix and Goldzycher, Janis and Parrish, Alicia and others}, title = {{MSTS}: A "
    "Multimodal Safety Test Suite for Vision-Language Models}, year = {2025}, eprint = "
    "{2501.10057}, archivePrefix = {arXiv}}",
    source="https://github.com/paul-rottger/msts-multimodal-safety",
    description="MSTS: prompts that are unsafe with their image. The licence is that of the "
    "prompts; each image has its own, in the metadata as unsafe_image_license.",
)
