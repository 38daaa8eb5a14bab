"""The task folder for lmms-eval, loaded and scored as lmms-eval 0.7 does it.

The package itself is not installed with the tests, since it pins half of the ecosystem; what is
played here is its ``TaskManager``: YAML with ``!function``, ``include``, data files relative to the
YAML file, `datasets.load_dataset`, ``process_docs``, ``process_results`` and the aggregations.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets.load import load_dataset
from sklearn.metrics import accuracy_score, f1_score

from tests.support.commands import vlsu
from tests.support.exported import make
from vlsu import load
from vlsu.data import Sample
from vlsu.tasks.prompting import load_prompt


def load_task(file: Path) -> dict[str, Any]:
    """The configuration in a YAML file, its functions imported, its template included."""

    class Loader(yaml.FullLoader):
        pass

    def function(loader: yaml.FullLoader, node: yaml.ScalarNode) -> Callable[..., Any]:
        module, _, name = str(loader.construct_scalar(node)).partition(".")
        spec = importlib.util.spec_from_file_location(module, file.parent / f"{module}.py")
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        chosen: Callable[..., Any] = getattr(found, name)
        return chosen

    Loader.add_constructor("!function", function)
    config: dict[str, Any] = yaml.load(file.read_text(), Loader)
    if include := config.pop("include", None):
        config = {**load_task(file.parent / include), **config}
    return config


def docs_of(config: dict[str, Any], folder: Path) -> Any:
    """The samples that a task asks about."""
    files = {
        split: [str(folder / name) for name in names]
        for split, names in config["dataset_kwargs"]["data_files"].items()
    }
    rows = load_dataset(config["dataset_path"], data_files=files)
    return config["process_docs"](rows[config["test_split"]])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    make(tmp_path / "D")
    vlsu("data", "export", tmp_path / "D", "--format", "lmms-eval", "--out", tmp_path / "X")
    return tmp_path / "X"


def test_there_is_a_group_and_a_task_for_each_graded_modality(folder: Path) -> None:
    group = yaml.safe_load((folder / "vlsu_made.yaml").read_text())
    assert group["group"] == "vlsu_made"
    assert group["task"] == ["vlsu_made_image", "vlsu_made_text", "vlsu_made_joint"]
    for name in group["task"]:
        assert load_task(folder / f"{name}.yaml")["task"] == name


@pytest.mark.parametrize(
    ("modality", "ids", "pictures"),
    [
        ("image", ["a.1/x", "b", "d", "e"], 1),
        ("text", ["a.1/x", "b", "c", "e"], 0),
        ("joint", ["a.1/x", "b", "e"], 1),
    ],
)
def test_a_task_asks_what_is_graded(
    folder: Path, modality: str, ids: list[str], pictures: int
) -> None:
    config = load_task(folder / f"vlsu_made_{modality}.yaml")
    docs = docs_of(config, folder)
    assert docs["id"] == ids
    assert None not in docs[config["doc_to_target"]]
    assert [image.size for image in config["doc_to_visual"](docs[0])] == [(4, 3)] * pictures


@pytest.mark.parametrize("modality", ["image", "text", "joint"])
def test_the_prompt_is_ours(folder: Path, tmp_path: Path, modality: str) -> None:
    config = load_task(folder / f"vlsu_made_{modality}.yaml")
    kwargs = config["lmms_eval_specific_kwargs"]["default"]
    prompt = load_prompt("zero-shot", load(tmp_path / "D").policy)
    samples = {sample.id: sample for sample in load(tmp_path / "D")}
    for doc in docs_of(config, folder):
        sample: Sample = samples[doc["id"]]
        user = prompt.user(modality, None if modality == "image" else sample.text)
        assert config["doc_to_text"](doc, kwargs) == f"{prompt.systems[modality]}\n\n{user}"
        system, asked = config["doc_to_messages"](doc, lmms_eval_specific_kwargs=kwargs)
        assert system["content"][0]["text"] == prompt.systems[modality]
        assert asked["content"][-1]["text"] == user
        kinds = [part["type"] for part in asked["content"]]
        assert kinds == (["text"] if modality == "text" else ["image", "text"])


def test_answers_are_scored_and_what_is_not_read_is_counted(folder: Path) -> None:
    config = load_task(folder / "vlsu_made_joint.yaml")
    docs = docs_of(config, folder)
    answers = [
        'First {"severity": "unsafe"}, no: {"severity": "Safe", "category": null}',
        json.dumps({"severity": "unsafe", "category": "C9"}),
        "I would say it is borderline",
    ]
    results = [
        config["process_results"](doc, [answer]) for doc, answer in zip(docs, answers, strict=True)
    ]
    found = {
        each["metric"]: each["aggregation"]([result[each["metric"]] for result in results])
        for each in config["metric_list"]
    }
    gold, predicted = ["safe", "unsafe", "borderline"], ["safe", "unsafe", "none"]
    labels = sorted(set(gold))
    assert found == {
        "accuracy": pytest.approx(accuracy_score(gold, predicted)),
        "f1_macro": pytest.approx(
            f1_score(gold, predicted, labels=labels, average="macro", zero_division=0)
        ),
        "unparsed": pytest.approx(1 / 3),
    }
