"""LoRA adapters: found, known by, and put into a loaded model."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.hf.fingerprint import folder_fingerprint
from vlsu.models.hf.hub import Found, adapter_folder, find_on_hub
from vlsu.models.hf.libraries import library

__all__ = ["adapter_identity", "put_adapter"]

_CONFIG = "adapter_config.json"


def adapter_identity(adapter: str) -> str:
    """What an adapter is known by: ``NAME@COMMIT``, or a hash of the folder's files.

    Raises:
        ModelError: It cannot be found, or is no LoRA adapter.
    """
    folder = _folder(adapter)
    if folder is not None:
        _require_lora(adapter, folder)
        return folder_fingerprint(folder)
    name, found = _found(adapter)
    return f"{name}@{found.commit}"


def put_adapter(model: Any, spec: str, adapter: str) -> None:
    """Put an adapter's layers into a model, in place.

    Raises:
        ModelError: It cannot be fetched, is no LoRA adapter, or does not belong to this model.
    """
    peft = library("peft")
    folder = _folder(adapter) or Path(adapter_folder(adapter, _found(adapter)[1]))
    _require_lora(adapter, folder)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            adapted = peft.PeftModel.from_pretrained(model, str(folder))
        given = _layers(peft.load_peft_weights(str(folder), device="cpu"))
    except (MemoryError, KeyboardInterrupt, library("torch").OutOfMemoryError):
        raise
    except Exception as error:
        why = collapsed_line(f"{type(error).__name__}: {error}", 160)
        raise ModelError(f"{spec}: adapter {adapter} does not fit it ({why})") from None
    # peft fills what it does not find with layers that change nothing, and only warns of it.
    taken = _layers(peft.get_peft_model_state_dict(adapted))
    if given != taken or any("missing adapter keys" in str(each.message) for each in warned):
        raise ModelError(
            f"{spec}: adapter {adapter} does not fit it: its {given} tensors are not those that "
            f"the model takes ({taken}); it is another model's, or incomplete"
        )


def _layers(tensors: dict[str, Any]) -> int:
    return sum("lora_" in name for name in tensors)


def _folder(adapter: str) -> Path | None:
    """The folder of that name, or `None` for a name on the hub.

    Raises:
        ModelError: It is a path, but not to a folder with an adapter.
    """
    folder = Path(adapter).expanduser()
    if folder.is_dir():
        if not (folder / _CONFIG).is_file():
            raise ModelError(f"adapter {adapter}: the folder has no {_CONFIG}")
        return folder
    if folder.is_absolute() or adapter.startswith((".", "~")):
        raise ModelError(f"adapter {adapter}: there is no such folder")
    return None


def _found(adapter: str) -> tuple[str, Found]:
    name, _, revision = adapter.partition("@")
    return name, find_on_hub(f"adapter {adapter}", name, revision or None, _CONFIG)


def _require_lora(adapter: str, folder: Path) -> None:
    """Refuse adapters of other kinds: some are no layers, and would be left out without a word."""
    try:
        config = json.loads((folder / _CONFIG).read_text("utf-8"))
        kind = str(config["peft_type"]).upper()
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"adapter {adapter}: {_CONFIG} cannot be read") from None
    if kind != "LORA":
        raise ModelError(f"adapter {adapter}: is {kind}; only LoRA adapters can be used")
