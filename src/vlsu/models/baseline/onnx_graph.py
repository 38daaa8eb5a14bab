"""An ONNX file as a graph that can be changed: read, and written again with what was left alone.

Only what the graphs of plain networks hold is understood: nodes, constants, inputs and outputs. The
field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlsu.errors import ModelError
from vlsu.models.baseline.onnx_format import (
    Attribute,
    attribute_value,
    integer_field,
    integers,
    message_field,
    tensor,
)

__all__ = ["Graph", "Node", "read_graph"]

_FLOAT = 1  # TensorProto.DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field is written
_GRAPH, _OPSET = 7, 8  # of ModelProto
_NODE, _CONSTANT, _OUTPUT = 1, 5, 12  # of GraphProto

#: Operations that take as inputs, since version 13, what were attributes before.
_STATED_OTHERWISE = frozenset({"Split", "ReduceSum"})


@dataclass(slots=True)
class Node:
    """An operation.

    Attributes:
        operator: Such as ``"Conv"``.
        inputs: Names of values; empty for one that is left out.
        outputs: Names of values.
        attributes: Name -> the value as it stands in the file.
    """

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, bytes]

    @classmethod
    def of(cls, operator: str, inputs: Sequence[str], output: str, **attributes: Attribute) -> Node:
        """A new operation of one output."""
        values = {name: attribute_value(value) for name, value in attributes.items()}
        return cls(operator, list(inputs), [output], values)

    def integers(self, name: str) -> list[int]:
        """An attribute of integers, or of one; empty if it is not stated."""
        numbers: list[int] = []
        for field in _fields(self.attributes.get(name, b"")):
            if field.number == 3:
                numbers.append(field.integer)
            elif field.number == 8:
                numbers += field.integers()
        return numbers

    def number(self, name: str, default: float) -> float:
        """An attribute that is a float."""
        for field in _fields(self.attributes.get(name, b"")):
            if field.number == 2:
                return float(struct.unpack("<f", field.content)[0])
        return default

    def serialised(self) -> bytes:
        """The operation as a message."""
        return b"".join(
            [
                *(message_field(1, name.encode()) for name in self.inputs),
                *(message_field(2, name.encode()) for name in self.outputs),
                message_field(4, self.operator.encode()),
                *(
                    message_field(5, message_field(1, name.encode()) + value)
                    for name, value in self.attributes.items()
                ),
            ]
        )


@dataclass(slots=True)
class Graph:
    """A network.

    Attributes:
        nodes: Its operations, in an order in which they can run.
        constants: Name -> values, of those that are floats.
        outputs: Name of each value that it gives -> what the file says of it.
        rest: What else the graph holds, as it stands in the file: inputs, other constants.
        opset: Version of the default operator set.
        around: What the file holds beside these.
    """

    nodes: list[Node]
    constants: dict[str, NDArray[np.float32]]
    outputs: dict[str, bytes]
    rest: bytes
    opset: int
    around: bytes

    def readers(self) -> dict[str, list[Node]]:
        """Of each value that is read, the operations that read it."""
        readers = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return dict(readers)

    def makers(self) -> dict[str, Node]:
        """Of each value that is made, the operation that makes it."""
        return {name: node for node in self.nodes for name in node.outputs}

    def replace(self, instead: Mapping[int, Sequence[Node]]) -> None:
        """Put others, or none, in the place of some operations, which are named by `id`."""
        self.nodes = [new for node in self.nodes for new in instead.get(id(node), [node])]

    def only_reader(self, name: str, readers: Mapping[str, Sequence[Node]]) -> Node | None:
        """Who reads a value, if it is one and the value is none of the network's outputs."""
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.outputs else None

    def serialised(self) -> bytes:
        """The network as the bytes of an ONNX file."""
        constants = (
            message_field(_CONSTANT, tensor(name, values))
            for name, values in self.constants.items()
        )
        nodes = (message_field(_NODE, node.serialised()) for node in self.nodes)
        outputs = (message_field(_OUTPUT, stated) for stated in self.outputs.values())
        graph = b"".join([*nodes, *constants, *outputs, self.rest])
        opset = message_field(_OPSET, integer_field(2, self.opset))
        return self.around + opset + message_field(_GRAPH, graph)

    def use_opset(self, version: int) -> None:
        """State the operations as a later version of the operator set has them, 13 to 17.

        Each softmax must be along the last axis: others mean something else since version 13.

        Raises:
            ValueError: An operation is stated otherwise there, and it is not known here how.
        """
        if self.opset >= version:
            return
        for node in self.nodes:
            if node.operator in _STATED_OTHERWISE or (
                node.operator == "Softmax" and "axis" not in node.attributes
            ):
                raise ValueError(f"{node.operator} of operator set {self.opset}")
            if node.operator in ("Squeeze", "Unsqueeze") and "axes" in node.attributes:
                name = f"{node.outputs[0]} axes"
                self.rest += message_field(_CONSTANT, integers(name, node.integers("axes")))
                node.inputs = [*node.inputs, name]
                del node.attributes["axes"]
        self.opset = version


def read_graph(path: Path) -> Graph:
    """The graph of an ONNX file.

    Raises:
        ModelError: It is not a file of that kind.
    """
    try:
        return _graph(path.read_bytes())
    except (ValueError, IndexError, StopIteration, struct.error):
        raise ModelError(f"{path.name}: not an ONNX model") from None


def _graph(data: bytes) -> Graph:
    around, rest, opset = [], [], 1
    nodes: list[Node] = []
    constants: dict[str, NDArray[np.float32]] = {}
    outputs: dict[str, bytes] = {}
    for field in _fields(data):
        if field.number == _OPSET and not _text(field.content, 1):
            opset = next(each.integer for each in _fields(field.content) if each.number == 2)
            continue
        if field.number != _GRAPH:
            around.append(field.whole)
            continue
        for part in _fields(field.content):
            if part.number == _NODE:
                nodes.append(_node(part.content))
            elif part.number == _CONSTANT and (floats := _floats(part.content)) is not None:
                constants[floats[0]] = floats[1]
            elif part.number == _OUTPUT:
                outputs[_text(part.content, 1)] = bytes(part.content)
            else:
                rest.append(part.whole)
    if not nodes:
        raise ValueError("no operations")
    return Graph(nodes, constants, outputs, b"".join(rest), opset, b"".join(around))


def _node(data: memoryview) -> Node:
    inputs, outputs, attributes = [], [], {}
    for field in _fields(data):
        if field.number == 1:
            inputs.append(field.text)
        elif field.number == 2:
            outputs.append(field.text)
        elif field.number == 5:
            value = (part.whole for part in _fields(field.content) if part.number != 1)
            attributes[_text(field.content, 1)] = b"".join(value)
    return Node(_text(data, 4), inputs, outputs, attributes)


def _floats(data: memoryview) -> tuple[str, NDArray[np.float32]] | None:
    """Name and values of a constant; none if it is not of floats, or not written as raw bytes."""
    shape: list[int] = []
    kind, raw = 0, None
    for field in _fields(data):
        if field.number == 1:
            shape += field.integers()
        elif field.number == 2:
            kind = field.integer
        elif field.number == 9:
            raw = field.content
    if kind != _FLOAT or raw is None:
        return None
    return _text(data, 8), np.frombuffer(raw, "<f4").reshape(shape).astype(np.float32)


def _text(data: memoryview, number: int) -> str:
    """The first field of that number; empty if there is none."""
    return next((field.text for field in _fields(data) if field.number == number), "")


class _Field(NamedTuple):
    """A field of a message: its number, how it is written, what it holds, the bytes of it all."""

    number: int
    kind: int
    integer: int
    content: memoryview
    whole: memoryview

    @property
    def text(self) -> str:
        return bytes(self.content).decode()

    def integers(self) -> list[int]:
        """The integers of a field that may be repeated, packed or not."""
        if self.kind == _VARINT:
            return [self.integer]
        numbers, at = [], 0
        while at < len(self.content):
            number, at = _varint(self.content, at)
            numbers.append(number)
        return numbers


def _fields(data: bytes | memoryview) -> Iterator[_Field]:
    """The fields of a message.

    Raises:
        ValueError: It is no message.
        IndexError: It ends within a number.
    """
    view = memoryview(data)
    at = 0
    while at < len(view):
        start = at
        key, at = _varint(view, at)
        kind, integer, length = key & 7, 0, 0
        if kind == _VARINT:
            integer, at = _varint(view, at)
        elif kind == _BYTES:
            length, at = _varint(view, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field of the unknown kind {kind}")
        end = at + length
        if end > len(view):
            raise ValueError("it ends within a field")
        yield _Field(key >> 3, kind, integer, view[at:end], view[start:end])
        at = end


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that begins there, seven bits a byte, lowest first; and where it ends."""
    number = shift = 0
    while view[at] & 0x80:
        number |= (view[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | view[at] << shift, at + 1
