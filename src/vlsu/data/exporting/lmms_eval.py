"""A task folder for lmms-eval: the samples, the prompts and the scoring, complete in itself.

It is loaded with ``--include_path``: one YAML file a modality and one for the group of them, a
module of functions, and the samples as Parquet with images inside, which lmms-eval opens by their
path below the folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import polars as pl

from vlsu._yaml import write_yaml
from vlsu.data.datasets.dataset import Dataset
from vlsu.policy import MODALITIES

__all__ = ["ModalityPrompt", "file_names", "task_name", "write_tasks"]

_TEMPLATE = "_default_template_yaml"
#: The severities of the policy, in the module of functions.
_SEVERITIES = re.compile(r"^SEVERITIES = .*$", re.MULTILINE)
_METRICS = ("accuracy", "f1_macro", "unparsed")


@dataclass(frozen=True, slots=True)
class ModalityPrompt:
    """The prompt of one modality.

    Attributes:
        system: The system message.
        frame: The parts of the user's message, between which the text goes.
        marked: The same for a text that contains what looks like its own delimiter; the marker goes
            where ``{mark}`` stands.
    """

    system: str
    frame: tuple[str, ...]
    marked: tuple[str, ...]


def task_name(name: str) -> str:
    """The name of a dataset as that of a task."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]
    return slug if slug.startswith("vlsu") else f"vlsu_{slug}".rstrip("_")


def file_names(name: str) -> list[str]:
    """Names of the files of the tasks of a dataset of that name."""
    group = task_name(name)
    tasks = (f"{group}.yaml", *(f"{group}_{modality}.yaml" for modality in MODALITIES))
    return [*tasks, _TEMPLATE, "utils.py", "__pycache__"]


def write_tasks(
    dataset: Dataset, prompts: Mapping[str, ModalityPrompt], shards: Sequence[str], folder: Path
) -> list[str]:
    """Write the YAML files and the module.

    Args:
        dataset: The dataset.
        prompts: The prompt of each modality.
        shards: The Parquet files, below the folder.
        folder: The folder of the task.

    Returns:
        The names of the tasks, that of the group first; a modality without graded samples has none.

    Raises:
        OSError: A file cannot be written.
    """
    group = task_name(dataset.info.name)
    modalities = [m for m in MODALITIES if m in prompts and _graded(dataset, m)]
    common: dict[str, object] = {
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {"test": list(shards)}},
        "test_split": "test",
        "output_type": "generate_until",
        "generation_kwargs": {
            "max_new_tokens": 1024,
            "temperature": 0.0,
            "do_sample": False,
            "until": [],
        },
    }
    metadata = {
        "version": dataset.info.version,
        "content_hash": dataset.info.content_hash,
        "policy": f"{dataset.policy.name} {dataset.policy.version}",
    }
    (folder / _TEMPLATE).write_text(write_yaml(common), encoding="utf-8")
    source = files(__package__).joinpath("lmms_eval_utils.py.txt").read_text(encoding="utf-8")
    severities = ", ".join(f'"{severity.label}"' for severity in dataset.policy.severities)
    source = _SEVERITIES.sub(f"SEVERITIES = ({severities})", source, count=1)
    (folder / "utils.py").write_text(source, encoding="utf-8")
    names = []
    for modality in modalities:
        name = f"{group}_{modality}"
        text = _task(name, modality, prompts[modality], metadata)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        names.append(name)
    tree = {"group": group, "task": names, "metadata": {"version": dataset.info.version}}
    (folder / f"{group}.yaml").write_text(write_yaml(tree), encoding="utf-8")
    return [group, *names]


def _graded(dataset: Dataset, modality: str) -> bool:
    graded = pl.col(f"{modality}_grade").is_not_null().any()
    with dataset.reading():
        return bool(dataset.frame().select(graded).collect(engine="streaming").item())


def _task(name: str, modality: str, prompt: ModalityPrompt, metadata: Mapping[str, object]) -> str:
    tree = {
        "task": name,
        "include": _TEMPLATE,
        "doc_to_target": f"{modality}_grade",
        "lmms_eval_specific_kwargs": {
            "default": {
                "modality": modality,
                "system": prompt.system,
                "frame": list(prompt.frame),
                "marked": list(prompt.marked),
            }
        },
        "metadata": {**metadata, "modality": modality},
    }
    functions = [
        f"process_docs: !function utils.only_{modality}",
        f"doc_to_visual: !function utils.visual_{modality}",
        "doc_to_text: !function utils.text",
        "doc_to_messages: !function utils.messages",
        f"process_results: !function utils.results_{modality}",
        "metric_list:",
    ]
    for metric in _METRICS:
        functions += [
            f"- metric: {metric}",
            f"  aggregation: !function utils.{metric}",
            f"  higher_is_better: {'false' if metric == 'unparsed' else 'true'}",
        ]
    return "".join([write_yaml(tree, width=100), *(f"{line}\n" for line in functions)])
