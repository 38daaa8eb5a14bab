"""Exporting a dataset: the files of a format, and beside them what describes them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from vlsu._arguments import require_function
from vlsu._folders import Kind, require_replaceable
from vlsu._text import one_line
from vlsu.data.datasets.dataset import DATASET_FILE, Dataset
from vlsu.data.exporting import lmms_eval, parquet, tables, vlsu_csv, webdataset
from vlsu.data.exporting.about import About, Layout, describe, file_facts
from vlsu.data.exporting.card import card
from vlsu.data.exporting.content import Content
from vlsu.data.exporting.croissant import MARK, croissant
from vlsu.data.exporting.datasheet import datasheet
from vlsu.data.exporting.lmms_eval import ModalityPrompt
from vlsu.data.exporting.places import (
    CROISSANT,
    DATASHEET,
    beside,
    comment,
    require_folder,
    write_text,
)
from vlsu.data.exporting.questions import checked, unanswered
from vlsu.data.exporting.sample_licences import sample_licences
from vlsu.data.licences import read_licence
from vlsu.data.progress import Progress
from vlsu.data.rows import COLUMNS
from vlsu.errors import DataError, UsageError
from vlsu.registry import did_you_mean

__all__ = ["EXPORT_FORMATS", "Export", "export_dataset", "write_export"]

#: Formats of one file, and of a folder.
FILES, FOLDERS = ("csv", "jsonl", "parquet"), ("hf", "webdataset", "vlsu", "lmms-eval")
#: Formats `export_dataset` writes.
EXPORT_FORMATS = (*FILES, *FOLDERS)

_CARD = "README.md"
_PLAIN = {column: column for column in COLUMNS}
_PARQUET = "application/x-parquet"


@dataclass(frozen=True, slots=True)
class Export:
    """The result of an export.

    Attributes:
        out: The file or the folder.
        files: All files written, below `out` or beside it.
        samples: Rows.
        without_image: Rows without an image, in formats that carry images.
        unanswered: Keys of the datasheet's questions that the author has not answered.
        right_stated: Whether a restricted licence was overruled.
        content_hash: Of what was exported: that of the dataset, unless metadata was removed.
        placed: Rows whose image says where it was taken.
        stripped: Rows from whose image metadata was removed.
        converted: Of these, rows whose image had to be encoded again.
        extensions: Of the formats of the images.
        tasks: Names of the tasks, in the format ``lmms-eval``.
    """

    out: Path
    format: str
    files: tuple[Path, ...]
    samples: int
    without_image: int
    unanswered: tuple[str, ...]
    right_stated: bool
    content_hash: str
    placed: int = 0
    stripped: int = 0
    converted: int = 0
    extensions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The result as plain values, ready for JSON."""
        return {
            "out": str(self.out),
            "format": self.format,
            "files": list(map(str, self.files)),
            "samples": self.samples,
            "without_image": self.without_image,
            "unanswered": list(self.unanswered),
            "right_stated": self.right_stated,
            "content_hash": self.content_hash,
            "image_location": self.placed,
            "stripped": self.stripped,
            "converted": self.converted,
            "extensions": list(self.extensions),
            "tasks": list(self.tasks),
        }


def export_dataset(
    dataset: Dataset,
    format: str,
    out: str | Path,
    *,
    have_right: bool = False,
    strip_metadata: bool = False,
    prompts: Mapping[str, ModalityPrompt] | None = None,
) -> Path:
    """As `write_export`; returns the file or the folder."""
    return write_export(
        dataset,
        format,
        out,
        have_right=have_right,
        strip_metadata=strip_metadata,
        prompts=prompts,
    ).out


def write_export(
    dataset: Dataset,
    format: str,
    out: str | Path,
    *,
    have_right: bool = False,
    strip_metadata: bool = False,
    prompts: Mapping[str, ModalityPrompt] | None = None,
    progress: Progress | None = None,
) -> Export:
    """Export a dataset.

    ``csv`` and ``jsonl`` are one file of the samples without images, ``parquet`` one file with the
    images inside. ``hf`` is a folder for Hugging Face `datasets`, ``webdataset`` a folder of tar
    files, ``vlsu`` the released CSV's shape with the images beside it, ``lmms-eval`` a task folder.
    Beside each lie ``croissant.json`` and ``DATASHEET.md``.

    Everything is written under a temporary name and renamed at the end. A file is replaced only by
    an export to the same file, a folder only if it is an export.

    Args:
        dataset: The dataset.
        format: One of `EXPORT_FORMATS`.
        out: The file or folder to write.
        have_right: The caller has the right to pass on content whose licence forbids commercial
            use, derivatives or redistribution; this is recorded in the export.
        strip_metadata: Remove what image files say beside their pictures, such as the place a
            photo was taken at (`vlsu.data.images.stripping`). Hashes of these images, and so the
            content hash, are others than those of the dataset.
        prompts: Prompt of each modality, for ``lmms-eval``.
        progress: Called with the rows written so far.

    Raises:
        UsageError: No such format, a restricted licence, `out` holds something else, or metadata
            is to be removed in a format without images.
        DataError: A file of the dataset is damaged, metadata cannot be removed from an image, or
            `out` cannot be written.
    """
    require_function("progress", progress)
    if format not in EXPORT_FORMATS:
        near = did_you_mean(format, list(EXPORT_FORMATS))
        raise UsageError(f"--format {format}: no such format; {near}")
    if strip_metadata and format in ("csv", "jsonl"):
        raise UsageError(f"--strip-metadata: {format} carries no images; leave the option out")
    answers = checked(dataset.info.datasheet, str(dataset.path / DATASET_FILE))
    stated = _require_right(dataset, have_right)
    path = Path(out)
    content = Content(dataset, progress, strip=strip_metadata)
    write = _write_file if format in FILES else _write_folder
    try:
        files, tasks = write(dataset, content, format, path, stated, prompts or {})
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and "\0" not in str(path):
            raise
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be written ({why}); choose another place") from None
    return Export(
        out=path,
        format=format,
        files=tuple(files),
        samples=len(dataset),
        without_image=content.without_image,
        unanswered=tuple(question.key for question in unanswered(answers)),
        right_stated=stated,
        content_hash=content.content_hash if content.stripped else dataset.info.content_hash,
        placed=content.placed,
        stripped=content.stripped,
        converted=content.converted,
        extensions=tuple(sorted(content.extensions)),
        tasks=tuple(tasks),
    )


def _require_right(dataset: Dataset, have_right: bool) -> bool:
    """Whether a restricted licence, of the dataset or of a sample, is overruled.

    Raises:
        UsageError: A licence is restricted, and nothing was stated.
    """
    whole = read_licence(dataset.info.licence)
    restricted = [whole] if whole.restrictions else []
    parts = sample_licences(dataset)
    restricted += [each for name in parts if (each := read_licence(name)).restrictions]
    if restricted and not have_right:
        first = restricted[0]
        whose = "its licence" if first is whole else f"the licence of {parts[first.name]} samples"
        raise UsageError(
            f"{dataset.path}: {whose} is {one_line(first.name)} ({', '.join(first.restrictions)}), "
            "so that the content must not simply be passed on; if you have the right to, say so "
            "with --i-have-the-right, which is recorded"
        )
    return bool(restricted)


# --- Formats of one file


def _write_file(
    dataset: Dataset,
    content: Content,
    format: str,
    path: Path,
    stated: bool,
    _: Mapping[str, ModalityPrompt],
) -> tuple[list[Path], list[str]]:
    require_replaceable(path, "--out", Kind("export of a dataset", tables.is_table))
    places = {name: beside(path, name) for name in (CROISSANT, DATASHEET)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        if format == "parquet":
            parquet.write_one(content, temporary)
        elif format == "csv":
            tables.write_csv(dataset, temporary)
        else:
            tables.write_jsonl(dataset, temporary)
        media_type = {"csv": "text/csv", "jsonl": "application/jsonlines"}.get(format, _PARQUET)
        (facts,) = file_facts([temporary], path.parent, media_type)
        fields = dict(_PLAIN)
        if format == "jsonl":
            # Nested in the file; Croissant has no type for JSON, and its reader fails on it.
            del fields["metadata"]
        layout = Layout(
            format,
            (replace(facts, name=path.name),),
            fields,
            images="column" if format == "parquet" else "",
            extensions=tuple(sorted(content.extensions)),
        )
        about = describe(dataset, layout, content, right_stated=stated)
        documents = _documents(about)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    written = [path]
    for name, text in documents.items():
        write_text(places[name], text)
        written.append(places[name])
    return written, []


# --- Formats of a folder


def _write_folder(
    dataset: Dataset,
    content: Content,
    format: str,
    path: Path,
    stated: bool,
    prompts: Mapping[str, ModalityPrompt],
) -> tuple[list[Path], list[str]]:
    if format == "lmms-eval" and not prompts:
        raise UsageError("--format lmms-eval: no prompts are given for the tasks")
    require_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        layout, tasks = _WRITERS[format](dataset, content, temporary, prompts)
        about = describe(dataset, layout, content, right_stated=stated)
        for name, text in _documents(about).items():
            write_text(temporary / name, text)
        write_text(temporary / _CARD, _readme(about, tasks))
        names = sorted(each.relative_to(temporary) for each in temporary.rglob("*"))
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [path / name for name in names if (path / name).is_file()], tasks


def _write_hf(
    _: Dataset, content: Content, folder: Path, __: Mapping[str, ModalityPrompt]
) -> tuple[Layout, list[str]]:
    shards = parquet.write_shards(content, folder / "data")
    files = file_facts(shards, folder, _PARQUET)
    extensions = tuple(sorted(content.extensions))
    return Layout("hf", files, _PLAIN, images="column", extensions=extensions), []


def _write_webdataset(
    _: Dataset, content: Content, folder: Path, __: Mapping[str, ModalityPrompt]
) -> tuple[Layout, list[str]]:
    shards = webdataset.write_shards(content, folder)
    files = file_facts(shards, folder, "application/x-tar")
    extensions = tuple(sorted(content.extensions))
    return Layout("webdataset", files, _PLAIN, images="members", extensions=extensions), []


def _write_vlsu(
    dataset: Dataset, content: Content, folder: Path, _: Mapping[str, ModalityPrompt]
) -> tuple[Layout, list[str]]:
    file, columns = vlsu_csv.write_folder(dataset, content, folder)
    files = file_facts([file], folder, "text/csv")
    fields = {name: vlsu_csv.VLSU_COLUMNS.get(name, name) for name in columns}
    extensions = tuple(sorted(content.extensions))
    return Layout("vlsu", files, fields, images="folder", extensions=extensions), []


def _write_lmms_eval(
    dataset: Dataset, content: Content, folder: Path, prompts: Mapping[str, ModalityPrompt]
) -> tuple[Layout, list[str]]:
    shards = parquet.write_shards(content, folder / "data")
    files = file_facts(shards, folder, _PARQUET)
    tasks = lmms_eval.write_tasks(dataset, prompts, [file.name for file in files], folder)
    extensions = tuple(sorted(content.extensions))
    return Layout("lmms-eval", files, _PLAIN, images="column", extensions=extensions), tasks


_WRITERS: dict[
    str,
    Callable[[Dataset, Content, Path, Mapping[str, ModalityPrompt]], tuple[Layout, list[str]]],
] = {
    "hf": _write_hf,
    "webdataset": _write_webdataset,
    "vlsu": _write_vlsu,
    "lmms-eval": _write_lmms_eval,
}


# --- Documents


def _documents(about: About) -> dict[str, str]:
    """Name -> content of the documents beside every export."""
    tree = croissant(about)
    text = datasheet(about)
    if about.layout.format in FILES:
        text = comment(about.layout.files[0].name) + text
    else:
        mark = tree[MARK]
        assert isinstance(mark, dict)
        mark["vlsu:files"] = sorted(_top_names(about))
    pretty = orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return {CROISSANT: pretty.decode(), DATASHEET: text}


def _top_names(about: About) -> set[str]:
    """Names of the entries of an exported folder."""
    names = {file.name.partition("/")[0] for file in about.layout.files}
    names |= {CROISSANT, DATASHEET, _CARD}
    if about.layout.format == "vlsu":
        names.add("images")
    if about.layout.format == "lmms-eval":
        names |= set(lmms_eval.file_names(about.info.name))
    return names


def _readme(about: About, tasks: list[str]) -> str:
    format = about.layout.format
    usage = {
        "hf": 'from datasets import load_dataset\n\nrows = load_dataset(".", split="test")\n'
        'rows[0]["image"]  # a PIL image',
        "webdataset": 'from datasets import load_dataset\n\nrows = load_dataset(".", split="test")',
        "vlsu": f'import csv\n\nrows = list(csv.DictReader(open("{vlsu_csv.CSV_NAME}")))',
        "lmms-eval": "from lmms_eval.tasks import TaskManager\n\n"
        'tasks = TaskManager(include_path=".", include_defaults=False)\n'
        f"# or: python -m lmms_eval --include_path . --tasks {','.join(tasks[:1])}",
    }[format]
    path = {"webdataset": "test-*.tar", "vlsu": vlsu_csv.CSV_NAME}.get(
        format, "data/test-*.parquet"
    )
    return card(about, path=path, usage=usage)
