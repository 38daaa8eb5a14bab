"""The card of an export: a README whose metadata the Hugging Face hub and `datasets` read."""

from __future__ import annotations

import re

from vlsu._text import one_line
from vlsu._yaml import write_yaml
from vlsu.data.exporting.about import About
from vlsu.data.exporting.datasheet import figures_tables
from vlsu.data.exporting.parquet import FEATURES
from vlsu.data.rows import COLUMNS

__all__ = ["card"]

#: The hub's categories of size: samples below -> name.
_SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")),
    *((1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M")),
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]+)*")


def card(about: About, *, path: str, usage: str) -> str:
    """The README.

    Args:
        about: The export.
        path: Pattern of the data files, below the folder.
        usage: Python code that opens the export.
    """
    info, licence = about.info, about.licence
    metadata = write_yaml(_metadata(about, path), width=100)
    restricted = f" Restricted: {', '.join(licence.restrictions)}." * bool(licence.restrictions)
    return "\n".join(
        [
            f"---\n{metadata}---",
            "",
            f"# {_plain(info.name)}",
            "",
            *([_plain(info.description), ""] if info.description else []),
            "Some samples hold content that may offend or disturb.",
            "",
            f"Version {_plain(info.version)}. Licence: {_plain(licence.name)}.{restricted} "
            f"Source: {_plain(info.source)}.",
            *([about.right_sentence] if about.right_sentence else []),
            "",
            f"```python\n{usage}\n```",
            "",
            f"{about.samples} samples, graded by the policy {_plain(about.policy.name)} "
            f"{_plain(about.policy.version)}. Grades that the source does not give are null.",
            "",
            *figures_tables(about),
            "`DATASHEET.md` says how the dataset came to be, `croissant.json` describes its files "
            "for programs.",
            *(["", f"```\n{info.citation.replace('```', '')}\n```"] if info.citation else []),
            "",
        ]
    )


def _metadata(about: About, path: str) -> dict[str, object]:
    licence = about.licence
    tree: dict[str, object] = {"license": licence.hub}
    if licence.hub == "other":
        tree["license_name"] = re.sub(r"[^a-z0-9.-]+", "-", licence.name.lower())[:80].strip("-")
    if languages := [name for name in about.languages if _LANGUAGE.fullmatch(name)]:
        tree["language"] = languages
    size = next((name for below, name in _SIZES if about.samples < below), "n>1T")
    total = sum(file.size for file in about.layout.files)
    tree |= {
        "pretty_name": one_line(about.info.name, 200),
        "size_categories": [size],
        "task_categories": ["image-text-to-text"],
        "tags": ["safety", "multimodal", "vlsu", "not-for-all-audiences"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "test", "path": path}]},
        ],
        "dataset_info": {
            "features": _features(about),
            "splits": [{"name": "test", "num_bytes": total, "num_examples": about.samples}],
            "download_size": total,
            "dataset_size": total,
        },
    }
    return tree


def _features(about: About) -> list[dict[str, object]]:
    if about.layout.images == "members":
        strings = [{"name": column, "dtype": "string"} for column in COLUMNS]
        pictures = [(extension, "image") for extension in about.layout.extensions]
        rest = [*pictures, ("__key__", "string"), ("__url__", "string")]
        return [{"name": "json", "struct": strings}, *map(_feature, rest)]
    if about.layout.images == "folder":
        return [_feature((name, "string")) for name in about.layout.fields]
    return [
        _feature((name, "image" if feature["_type"] == "Image" else feature["dtype"]))
        for name, feature in FEATURES.items()
    ]


def _feature(named: tuple[str, str]) -> dict[str, object]:
    name, kind = named
    return {"name": name, "dtype": kind}


def _plain(text: str) -> str:
    return one_line(text, 2000).replace("<", "&lt;")
