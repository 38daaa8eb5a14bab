"""Writing the few parts of the ONNX file format that a plain convolutional network needs.

ONNX is a protocol buffer; the field numbers are those of ``onnx.proto`` (IR version 8). Written out
here because the ``onnx`` package, wanted for nothing else, is larger than the model.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Attribute", "model", "node", "tensor"]

Attribute = int | str | Sequence[int]

_IR_VERSION = 8
_FLOAT = 1  # TensorProto.DataType


def model(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: dict[str, Sequence[int]],
    outputs: dict[str, Sequence[int]],
    opset: int,
) -> bytes:
    """A whole model.

    Args:
        nodes: From `node`, in an order in which they can run.
        tensors: The constants, from `tensor`.
        inputs: Name and shape of each float input.
        outputs: Name and shape of each float output.
        opset: Version of the default operator set.
    """
    graph = b"".join(
        [
            *(_bytes(1, part) for part in nodes),
            _bytes(2, b"graph"),
            *(_bytes(5, part) for part in tensors),
            *(_bytes(11, _value(name, shape)) for name, shape in inputs.items()),
            *(_bytes(12, _value(name, shape)) for name, shape in outputs.items()),
        ]
    )
    return _int(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _int(2, opset))


def node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Attribute
) -> bytes:
    """One operation of the graph, with integer, text and integer-list attributes."""
    return b"".join(
        [
            *(_bytes(1, name.encode()) for name in inputs),
            *(_bytes(2, name.encode()) for name in outputs),
            _bytes(4, operator.encode()),
            *(_bytes(5, _attribute(name, value)) for name, value in attributes.items()),
        ]
    )


def tensor(name: str, values: NDArray[np.float32]) -> bytes:
    """A named constant."""
    return b"".join(
        [
            *(_int(1, size) for size in values.shape),
            _int(2, _FLOAT),
            _bytes(8, name.encode()),
            _bytes(9, values.astype("<f4").tobytes()),
        ]
    )


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name.encode())
    if isinstance(value, int):
        return head + _int(3, value) + _int(20, 2)
    if isinstance(value, str):
        return head + _bytes(4, value.encode()) + _int(20, 3)
    return head + b"".join(_int(8, item) for item in value) + _int(20, 7)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(_bytes(1, _int(1, size)) for size in shape)
    kind = _bytes(1, _int(1, _FLOAT) + _bytes(2, dimensions))
    return _bytes(1, name.encode()) + _bytes(2, kind)


def _bytes(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all but the last."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return struct.pack(f"{len(groups) + 1}B", *groups, value)
