"""Writing the few parts of the ONNX file format that a plain convolutional network needs.

ONNX is a protocol buffer; the field numbers are those of ``onnx.proto`` (IR version 8). Written out
here because the ``onnx`` package, wanted for nothing else, is larger than the model.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Attribute",
    "attribute_value",
    "integer_field",
    "integers",
    "message_field",
    "model",
    "node",
    "tensor",
    "value",
]

Attribute = int | float | str | Sequence[int]

_IR_VERSION = 8
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType


def model(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: Mapping[str, Sequence[int | None]],
    outputs: Mapping[str, Sequence[int | None]],
    opset: int,
) -> bytes:
    """A whole model.

    Args:
        nodes: From `node`, in an order in which they can run.
        tensors: The constants, from `tensor`.
        inputs: Name and shape of each float input; a size may be left open.
        outputs: Name and shape of each float output.
        opset: Version of the default operator set.
    """
    graph = b"".join(
        [
            *(message_field(1, part) for part in nodes),
            message_field(2, b"graph"),
            *(message_field(5, part) for part in tensors),
            *(message_field(11, value(name, shape)) for name, shape in inputs.items()),
            *(message_field(12, value(name, shape)) for name, shape in outputs.items()),
        ]
    )
    return (
        integer_field(1, _IR_VERSION)
        + message_field(7, graph)
        + message_field(8, integer_field(2, opset))
    )


def node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Attribute
) -> bytes:
    """One operation of the graph, with attributes of numbers, of a text or of integers."""
    return b"".join(
        [
            *(message_field(1, name.encode()) for name in inputs),
            *(message_field(2, name.encode()) for name in outputs),
            message_field(4, operator.encode()),
            *(
                message_field(5, message_field(1, name.encode()) + attribute_value(value))
                for name, value in attributes.items()
            ),
        ]
    )


def tensor(name: str, values: NDArray[np.float32]) -> bytes:
    """A named constant."""
    return b"".join(
        [
            *(integer_field(1, size) for size in values.shape),
            integer_field(2, _FLOAT),
            message_field(8, name.encode()),
            message_field(9, values.astype("<f4").tobytes()),
        ]
    )


def integers(name: str, values: Sequence[int]) -> bytes:
    """A named constant: a list of integers."""
    return b"".join(
        [
            integer_field(1, len(values)),
            integer_field(2, _INT64),
            message_field(8, name.encode()),
            message_field(9, struct.pack(f"<{len(values)}q", *values)),
        ]
    )


def value(name: str, shape: Sequence[int | None]) -> bytes:
    """An input or an output of floats, with its shape; a size may be left open."""
    dimensions = b"".join(
        message_field(1, b"" if size is None else integer_field(1, size)) for size in shape
    )
    kind = message_field(1, integer_field(1, _FLOAT) + message_field(2, dimensions))
    return message_field(1, name.encode()) + message_field(2, kind)


def message_field(field: int, payload: bytes) -> bytes:
    """A field of a text, of bytes or of a message."""
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def integer_field(field: int, value: int) -> bytes:
    """A field of an integer that is not negative."""
    return _varint(field << 3) + _varint(value)


def attribute_value(value: Attribute) -> bytes:
    """An attribute without its name: field ``f``, ``i``, ``s`` or ``ints``, and its type."""
    if isinstance(value, float):
        return _varint(2 << 3 | 5) + struct.pack("<f", value) + integer_field(20, 1)
    if isinstance(value, int):
        return integer_field(3, value) + integer_field(20, 2)
    if isinstance(value, str):
        return message_field(4, value.encode()) + integer_field(20, 3)
    return b"".join(integer_field(8, item) for item in value) + integer_field(20, 7)


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all but the last."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return struct.pack(f"{len(groups) + 1}B", *groups, value)
