"""A model's files: found, its configuration and processor read, and what its weights are known by.

The weights themselves are loaded at the first request (`vlsu.models.hf.weights`). Code from the hub
or from a folder is never run: ``trust_remote_code`` stays off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.hf.fingerprint import folder_fingerprint
from vlsu.models.hf.hub import find_on_hub, hub_error
from vlsu.models.hf.libraries import library, quiet

__all__ = ["Checkpoint", "find_files", "read_checkpoint", "reason"]

#: Auto class of the weights -> its mapping of configurations, in the order tried.
VISION = {
    "AutoModelForImageTextToText": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
    "AutoModelForMultimodalLM": "MODEL_FOR_MULTIMODAL_LM_MAPPING",
}
TEXT = {"AutoModelForCausalLM": "MODEL_FOR_CAUSAL_LM_MAPPING"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files.

    Attributes:
        spec: As the user wrote it, for messages.
        where: The folder, or the name on the hub.
        revision: The commit on the hub; `None` for a folder.
        config: Its configuration.
        processor: Its processor, or its tokenizer if it has no images.
        auto_class: The auto class that loads its weights.
        weights: What the weights are known by: ``NAME@COMMIT``, or a hash of the folder's files.
        local: Whether the hub is not asked for files.
    """

    spec: str
    where: str
    revision: str | None
    config: Any
    processor: Any
    auto_class: str
    weights: str
    local: bool = False

    @property
    def sees(self) -> bool:
        """Whether it takes images."""
        return self.auto_class in VISION

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return getattr(self.processor, "tokenizer", self.processor)

    def source(self) -> dict[str, Any]:
        """The arguments of ``from_pretrained`` that say which files."""
        return _source(self.revision, local=self.local)


def read_checkpoint(spec: str, name: str) -> Checkpoint:
    """Find a model and read everything but its weights.

    Args:
        spec: As the user wrote it, for messages.
        name: A folder, or a name on the hub, which may end in ``@REVISION``.

    Raises:
        ModelError: It cannot be found or reached, is of an architecture that is unknown, takes no
            conversations, or needs a package.
    """
    where, source, weights = find_files(spec, name)
    with quiet():
        config = _config(spec, where, source)
        auto_class = _auto_class(spec, config)
        processor = _processor(spec, where, source, config)
    if auto_class in VISION and getattr(processor, "image_processor", None) is None:
        raise ModelError(f"{spec}: has no image processor; a preprocessor_config.json is missing")
    return Checkpoint(
        spec,
        where,
        source["revision"],
        config,
        processor,
        auto_class,
        weights,
        source["local_files_only"],
    )


def find_files(spec: str, name: str) -> tuple[str, dict[str, Any], str]:
    """Where a model's files are; none is read yet.

    Args:
        spec: As the user wrote it, for messages.
        name: A folder, or a name on the hub, which may end in ``@REVISION``.

    Returns:
        What to give to ``from_pretrained`` first, its further arguments, and what the weights are
        known by, as in `Checkpoint`.

    Raises:
        ModelError: They cannot be found or reached.
    """
    folder = _folder(spec, name)
    where, _, revision = (str(folder), "", "") if folder else name.partition("@")
    found = None if folder else find_on_hub(spec, where, revision or None, "config.json")
    source = _source(found and found.commit, local=found is None or found.local)
    weights = folder_fingerprint(folder) if folder else f"{where}@{source['revision']}"
    return where, source, weights


def _source(revision: str | None, *, local: bool) -> dict[str, Any]:
    return {"revision": revision, "trust_remote_code": False, "local_files_only": local}


def _folder(spec: str, name: str) -> Path | None:
    """The folder of that name, or `None` for a name on the hub.

    Raises:
        ModelError: It is a path, but not to a folder with a model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{spec}: the folder has no config.json; give the one that save_pretrained wrote"
            )
        return folder
    if folder.exists():
        raise ModelError(f"{spec}: is a file; give the folder that it is in")
    if folder.is_absolute() or name.startswith((".", "~")):
        raise ModelError(f"{spec}: there is no such folder")
    return None


def _config(spec: str, where: str, source: Mapping[str, Any]) -> Any:
    try:
        return library("transformers").AutoConfig.from_pretrained(where, **source)
    except Exception as error:
        raise ModelError(f"{spec}: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """What to say of an error while files are looked for or read."""
    if known := hub_error(error):
        return known
    text = str(error)
    if "trust_remote_code" in text:
        return "needs code of its own (trust_remote_code), which is not run here"
    if "model type" in text and ("not recognize" in text or "Unrecognized model" in text):
        version = library("transformers").__version__
        return f"its architecture is unknown to transformers {version}: {collapsed_line(text, 120)}"
    return collapsed_line(text, 200) or type(error).__name__


def _auto_class(spec: str, config: Any) -> str:
    mappings = library("transformers.models.auto.modeling_auto")
    for name, mapping in {**VISION, **TEXT}.items():
        if type(config) in getattr(mappings, mapping):
            return name
    raise ModelError(f"{spec}: a {config.model_type} model writes no answers to conversations")


def _processor(spec: str, where: str, source: Mapping[str, Any], config: Any) -> Any:
    """Its processor; of a model without one, its tokenizer.

    Raises:
        ModelError: It cannot be loaded.
    """
    auto = library("transformers.models.auto.processing_auto")
    kind: Any = auto.AutoProcessor
    if not library("transformers.utils").is_torchvision_available():
        own = auto.PROCESSOR_MAPPING.get(type(config), None)
        if own is not None and "video_processor" in own.get_attributes():
            kind = without_video(own)
    try:
        processor = kind.from_pretrained(where, **source)
    except Exception as error:
        raise ModelError(f"{spec}: its processor cannot be loaded: {reason(error)}") from None
    tokenizer = getattr(processor, "tokenizer", processor)
    if not hasattr(tokenizer, "apply_chat_template"):
        raise ModelError(f"{spec}: has no tokenizer")
    if not tokenizer("text", add_special_tokens=False)["input_ids"]:
        # transformers makes an empty one where the files are missing
        raise ModelError(f"{spec}: its tokenizer knows no words; tokenizer.json is missing")
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return processor


def without_video(processor_class: Any) -> Any:
    """A processor class that does without its part for videos, which alone needs torchvision."""
    names = processor_class.get_attributes()
    place = names.index("video_processor")

    def get_attributes(cls: Any) -> list[str]:
        return [name for name in names if name != "video_processor"]

    def from_args_and_dict(cls: Any, args: list[Any], *rest: Any, **kwargs: Any) -> Any:
        given = [*args[:place], None, *args[place:]]
        return super(made, cls).from_args_and_dict(given, *rest, **kwargs)

    made: Any = type(
        processor_class.__name__,
        (processor_class,),
        {
            "__module__": processor_class.__module__,
            "video_processor": SimpleNamespace(
                num_frames=None, fps=None
            ),  # SmolVLM's asks for both
            "get_attributes": classmethod(get_attributes),
            "from_args_and_dict": classmethod(from_args_and_dict),
        },
    )
    return made
