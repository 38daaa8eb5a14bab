"""Reading the weights out of a PyTorch ``.pth`` file of the old format (before 1.6), without torch.

The format: three pickles (magic number, protocol, system), a pickle of the tensors by name that
refers to storages by key, a pickle of the storage keys, then each storage as an eight-byte element
count and its raw elements. The unpickler knows nothing but the three names that such a file needs,
so that a file made to run code is refused.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from vlsu.errors import ModelError

__all__ = ["read_tensors"]

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

#: Storage key, offset, shape and strides, the last three in elements.
_View = tuple[str, int, tuple[int, ...], tuple[int, ...]]


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float tensors of a saved state dictionary; integer ones (batch counters) are left out.

    Raises:
        ModelError: The file has another format, or refers to anything but tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path.name}: not a PyTorch weights file as expected: {error}") from error


def _read(stream: IO[bytes]) -> dict[str, NDArray[np.float32]]:
    magic, _protocol, _system = (_Unpickler(stream).load() for _ in range(3))
    if magic != _MAGIC:
        raise ValueError("wrong magic number")
    header = _Unpickler(stream)
    views: dict[str, _View] = header.load()
    keys: list[str] = _Unpickler(stream).load()
    storages: dict[str, NDArray[np.generic]] = {}
    for key in keys:
        (count,) = np.frombuffer(stream.read(8), "<i8")
        kind = header.kinds[key]
        storages[key] = np.frombuffer(stream.read(int(count) * kind.itemsize), kind)
    tensors = {}
    for name, (key, offset, shape, strides) in views.items():
        storage = storages[key]
        if storage.dtype != np.float32:
            continue
        # The weights are stored channels last: without their strides they would be shuffled.
        view = np.lib.stride_tricks.as_strided(
            storage[offset:], shape, [step * storage.itemsize for step in strides], writeable=False
        )
        tensors[name] = np.ascontiguousarray(view, dtype=np.float32)
    return tensors


class _Unpickler(pickle.Unpickler):
    """Builds nothing but dictionaries of `_View`."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.kinds: dict[str, np.dtype[np.generic]] = {}

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"refers to {module}.{name}")

    def persistent_load(self, pid: tuple[str, np.dtype[np.generic], str, str, int, object]) -> str:
        _, kind, key, *_ = pid
        self.kinds[key] = kind
        return key


def _view(
    key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _View:
    return key, offset, shape, strides
