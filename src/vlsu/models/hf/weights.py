"""Loading a checkpoint's weights: device, type, quantization, adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu._text import collapsed_line
from vlsu.errors import MachineError, ModelError, UsageError
from vlsu.models.base import Settings
from vlsu.models.hf.adapter import adapter_identity, put_adapter
from vlsu.models.hf.checkpoint import Checkpoint
from vlsu.models.hf.libraries import library, quiet, require_package

__all__ = [
    "check_settings",
    "is_out_of_main_memory",
    "is_out_of_memory",
    "load_weights",
    "weights_identity",
]

DTYPES = ("float32", "bfloat16", "float16")
QUANTIZATIONS = ("8bit", "4bit")
#: Of `Settings.device`: over all accelerators, as accelerate places the layers.
SPREAD = "auto"


def check_settings(settings: Settings) -> None:
    """Check device, type, quantization and the packages that they need.

    Raises:
        UsageError: A value is none of those known.
        ModelError: A package is missing, or this machine has no such device.
    """
    if settings.dtype is not None and settings.dtype not in DTYPES:
        raise UsageError(f"dtype {settings.dtype!r}: use {', '.join(DTYPES)}")
    if settings.quantize is not None:
        if settings.quantize not in QUANTIZATIONS:
            raise UsageError(f"quantize {settings.quantize!r}: use {' or '.join(QUANTIZATIONS)}")
        require_package("--quantize", "bitsandbytes")
    if settings.adapter is not None:
        require_package("--adapter", "peft")
    if settings.device not in (None, SPREAD):
        _require_device(str(settings.device))


def _require_device(name: str) -> None:
    torch = library("torch")
    try:
        torch.empty(1, device=torch.device(name)).tolist()  # "meta" holds no numbers
    except Exception as error:
        why = collapsed_line(str(error), 120)
        raise ModelError(f"device {name!r} cannot be used here ({why})") from None


def _default_device() -> str:
    torch = library("torch")
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def weights_identity(checkpoint: Checkpoint, settings: Settings) -> Mapping[str, object]:
    """What the weights are, as they are computed with: never where, or how many at once.

    Raises:
        ModelError: The adapter cannot be found.
    """
    stored = getattr(checkpoint.config, "dtype", None)
    identity: dict[str, object] = {
        "weights": checkpoint.weights,
        "architecture": checkpoint.config.model_type,
        "dtype": settings.dtype or str(stored or "float32").removeprefix("torch."),
        "runtime": f"transformers {library('transformers').__version__}",
    }
    if settings.quantize is not None:
        identity["quantize"] = settings.quantize
    if settings.adapter is not None:
        identity["adapter"] = adapter_identity(settings.adapter)
    return identity


def load_weights(checkpoint: Checkpoint, settings: Settings) -> Any:
    """The model, ready for inference.

    Raises:
        ModelError: The weights are missing, damaged or incomplete.
        MachineError: There is no memory for them.
    """
    transformers = library("transformers")
    device = settings.device or _default_device()
    options: dict[str, Any] = {
        **checkpoint.source(),
        "dtype": settings.dtype or "auto",
        "device_map": SPREAD if device == SPREAD else {"": device},
        "output_loading_info": True,
    }
    if settings.quantize is not None:
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            **{f"load_in_{settings.quantize}": True}
        )
    try:
        with quiet():
            auto = getattr(transformers, checkpoint.auto_class)
            model, info = auto.from_pretrained(checkpoint.where, **options)
            _require_complete(checkpoint.spec, info)
            if settings.adapter is not None:
                put_adapter(model, checkpoint.spec, settings.adapter)
    except (ModelError, KeyboardInterrupt):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise MachineError(
                f"{checkpoint.spec}: no memory for its weights on {device}; try --dtype bfloat16, "
                "--quantize, or another --device"
            ) from None
        why = collapsed_line(f"{type(error).__name__}: {error}", 200)
        raise ModelError(f"{checkpoint.spec}: its weights cannot be loaded ({why})") from None
    return model.eval()


def _require_complete(spec: str, info: Mapping[str, Any]) -> None:
    """Refuse weights that transformers would fill up with random numbers, with a mere warning."""
    lacking = sorted(map(str, info.get("missing_keys") or ()))
    wrong = sorted(str(each) for each in info.get("mismatched_keys") or ())
    if lacking or wrong:
        raise ModelError(
            f"{spec}: {len(lacking) + len(wrong)} tensors of its architecture are not in its "
            f"weights, such as {(lacking or wrong)[0]}; it is another model's, or incomplete"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an accelerator, or this machine, has no memory left."""
    return isinstance(error, library("torch").OutOfMemoryError) or is_out_of_main_memory(error)


def is_out_of_main_memory(error: BaseException) -> bool:
    """Whether it is this machine that has none: torch has no class of its own for that."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
