"""A convolutional network made cheaper to run: the same sums in fewer passes over its values.

ONNX Runtime folds a batch normalisation into a convolution, but not what stands in networks made
with PaddlePaddle: a learned scale and shift, one number for all channels, around each activation;
and a hard swish that is spelt out. Each takes passes over whole feature maps, and each time the map
is brought out of the layout in which convolutions are fast and back. Weights too small for a
normal float, which training leaves behind, cost hundreds of cycles a product.

What is computed stays the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlsu.models.baseline.onnx_graph import Graph, Node
from vlsu.models.baseline.onnx_restating import restate_enlarging, restate_gates

__all__ = ["simplify"]

_Floats = NDArray[np.float32]
#: The axis of a convolution's weights that counts its output channels.
_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1}
#: A weight below this changes no sum of floats of 24 bits that is large enough to be of use.
_NEGLIGIBLE = 1e-20
_HARD_SWISH_OPSET = 14  # the first that has it
_SLOPE_ERROR = 1e-7  # of a float that stands for a sixth
_BN_EPSILON = 1e-5  # where a batch normalisation states none


def simplify(graph: Graph) -> None:
    """Fold, within the graph, what convolutions can do themselves."""
    _drop_identities(graph)
    _fold_into_convolutions(graph)
    _restate_hard_swishes(graph)
    restate_gates(graph)
    restate_enlarging(graph)
    used = {name for node in graph.nodes for name in node.inputs}
    graph.constants = {
        name: np.where(np.abs(values) < _NEGLIGIBLE, np.float32(0), values)
        for name, values in graph.constants.items()
        if name in used
    }


def _drop_identities(graph: Graph) -> None:
    """Let who reads a copy read the value itself."""
    names: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        node.inputs = [names.get(name, name) for name in node.inputs]
        if node.operator == "Identity" and node.outputs[0] not in graph.outputs:
            names[node.outputs[0]] = node.inputs[0]
        else:
            kept.append(node)
    graph.nodes = kept


# Scales and shifts after a convolution


def _fold_into_convolutions(graph: Graph) -> None:
    readers = graph.readers()
    folded = set()
    for node in graph.nodes:
        if node.operator not in _OUTPUT_AXIS or not _is_plain(graph, node, readers):
            continue
        while (reader := graph.only_reader(node.outputs[0], readers)) is not None:
            channels = graph.constants[node.inputs[1]].shape[_OUTPUT_AXIS[node.operator]]
            if (affine := _affine(graph, reader, node.outputs[0], channels)) is None:
                break
            _apply(graph, node, affine)
            folded.add(id(reader))
            node.outputs = reader.outputs
    graph.nodes = [node for node in graph.nodes if id(node) not in folded]


class _Affine(NamedTuple):
    """Of each channel: what it is multiplied by, then what is added."""

    scale: _Floats
    shift: _Floats


def _affine(graph: Graph, node: Node, source: str, channels: int) -> _Affine | None:
    """What a node does to the map `source`, if that is to scale and to shift its channels."""
    zeros, ones = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    if node.operator == "BatchNormalization" and node.inputs[0] == source:
        parts = [graph.constants.get(name) for name in node.inputs[1:]]
        gain, bias, mean, variance = (zeros if part is None else part for part in parts)
        if any(part is None for part in parts) or len(node.outputs) > 1:
            return None
        scale = gain / np.sqrt(variance + np.float32(node.number("epsilon", _BN_EPSILON)))
        return _Affine(scale, bias - mean * scale)
    if node.operator not in ("Add", "Mul"):
        return None
    values = _operand(graph, node, source)
    if values is None or not _is_of_channels(values, channels):
        return None
    each = np.broadcast_to(values.reshape(-1), channels)
    return _Affine(ones, each) if node.operator == "Add" else _Affine(each, zeros)


def _operand(graph: Graph, node: Node, source: str) -> _Floats | None:
    """The constant that a sum or a product of two takes beside `source`."""
    others = [name for name in node.inputs if name != source]
    return graph.constants.get(others[0]) if len(others) == 1 else None


def _is_of_channels(values: _Floats, channels: int) -> bool:
    """Whether it holds one number, or one for each channel of a map."""
    return values.size == 1 or values.shape in ((channels, 1, 1), (1, channels, 1, 1))


def _apply(graph: Graph, node: Node, affine: _Affine) -> None:
    """Let a convolution do what would be done to its output."""
    weights = graph.constants[node.inputs[1]]
    shape = [1] * weights.ndim
    shape[_OUTPUT_AXIS[node.operator]] = -1
    graph.constants[node.inputs[1]] = weights * affine.scale.reshape(shape)
    _set_bias(graph, node, _bias(graph, node) * affine.scale + affine.shift)


def _bias(graph: Graph, node: Node) -> _Floats:
    if len(node.inputs) > 2:
        return graph.constants[node.inputs[2]]
    channels = graph.constants[node.inputs[1]].shape[_OUTPUT_AXIS[node.operator]]
    return np.zeros(channels, np.float32)


def _set_bias(graph: Graph, node: Node, bias: _Floats) -> None:
    name = f"{node.inputs[1]} bias"
    node.inputs = [*node.inputs[:2], name]
    graph.constants[name] = bias


# Hard swish: x * clip(x / 6 + 1/2, 0, 1), often with a scale and a shift after it


def _restate_hard_swishes(graph: Graph) -> None:
    """Name each, so that it is done with the convolution before it.

    What scales and shifts it goes into the convolutions that follow; a shift, only if they look at
    nothing outside the map, which is not shifted.
    """
    graph.use_opset(_HARD_SWISH_OPSET)
    readers = graph.readers()
    made_by = graph.makers()
    instead: dict[int, list[Node]] = {}
    for gate in graph.nodes:
        if (
            gate.operator != "HardSigmoid"
            or (found := _hard_swish(graph, gate, made_by, readers)) is None
        ):
            continue
        for node in (gate, *found.replaced):
            instead[id(node)] = []
        instead[id(found.replaced[-1])] = _named(graph, gate, found, readers)
    graph.replace(instead)


class _HardSwish(NamedTuple):
    """What follows a gate: the product, and perhaps a scale and a shift of all channels."""

    replaced: list[Node]
    channels: int
    scale: float
    shift: float


def _hard_swish(
    graph: Graph, gate: Node, made_by: dict[str, Node], readers: dict[str, list[Node]]
) -> _HardSwish | None:
    source = gate.inputs[0]
    maker = made_by.get(source)
    slope, middle = gate.number("alpha", 0.2), gate.number("beta", 0.5)
    if abs(slope - 1 / 6) > _SLOPE_ERROR or middle != 0.5:
        return None
    product = graph.only_reader(gate.outputs[0], readers)
    if product is None or product.operator != "Mul":
        return None
    if maker is None or maker.operator != "Conv" or maker.inputs[1] not in graph.constants:
        return None
    if sorted(product.inputs) != sorted([source, gate.outputs[0]]):
        return None
    replaced, factors = [product], {"Mul": 1.0, "Add": 0.0}
    for operator in factors:
        last = replaced[-1].outputs[0]
        reader = graph.only_reader(last, readers)
        if reader is None or reader.operator != operator:
            continue
        number = _operand(graph, reader, last)
        if number is None or number.size != 1:
            continue
        replaced.append(reader)
        factors[operator] = float(number.item())
    channels = len(graph.constants[maker.inputs[1]])
    return _HardSwish(replaced, channels, factors["Mul"], factors["Add"])


def _named(
    graph: Graph, gate: Node, found: _HardSwish, readers: dict[str, list[Node]]
) -> list[Node]:
    """The hard swish, and those of its scale and its shift that nobody else could take."""
    name, output = gate.outputs[0], found.replaced[-1].outputs[0]
    scale, shift = found.scale, found.shift
    if convolutions := _only_convolutions(graph, output, readers):
        if not any(any(node.integers("pads")) for node in convolutions):
            _take_shift(graph, convolutions, shift)
            shift = 0.0
        if shift == 0:
            _take_scale(graph, convolutions, scale)
            scale = 1.0
    if scale == 1 and shift == 0:
        return [Node.of("HardSwish", gate.inputs, output)]
    return [
        Node.of("HardSwish", gate.inputs, f"{name} raw"),
        _pixelwise(graph, f"{name} raw", output, found.channels, scale, shift),
    ]


def _only_convolutions(graph: Graph, name: str, readers: dict[str, list[Node]]) -> list[Node]:
    """All who read a value, if they are convolutions with weights of their own; none otherwise."""
    found = readers.get(name, [])
    fit = all(
        node.operator == "Conv"
        and node.inputs[0] == name
        and "auto_pad" not in node.attributes
        and _is_plain(graph, node, readers)
        for node in found
    )
    return found if fit and name not in graph.outputs else []


def _take_shift(graph: Graph, convolutions: Sequence[Node], shift: float) -> None:
    for node in convolutions:
        sums = graph.constants[node.inputs[1]].sum(axis=(1, 2, 3))
        _set_bias(graph, node, _bias(graph, node) + sums * np.float32(shift))


def _take_scale(graph: Graph, convolutions: Sequence[Node], scale: float) -> None:
    for node in convolutions:
        graph.constants[node.inputs[1]] = graph.constants[node.inputs[1]] * np.float32(scale)


def _pixelwise(
    graph: Graph, source: str, output: str, channels: int, scale: float, shift: float
) -> Node:
    """A map scaled and shifted by a convolution, so that it stays in the layout of convolutions."""
    weights, bias = f"{output} weights", f"{output} bias"
    graph.constants[weights] = np.full((channels, 1, 1, 1), scale, np.float32)
    graph.constants[bias] = np.full(channels, shift, np.float32)
    return Node.of("Conv", [source, weights, bias], output, kernel_shape=(1, 1), group=channels)


def _is_plain(graph: Graph, node: Node, readers: dict[str, list[Node]]) -> bool:
    """Whether a convolution's weights and bias are constants, and its own."""
    constants = node.inputs[1:]
    return all(name in graph.constants and len(readers[name]) == 1 for name in constants) and (
        node.operator == "Conv" or node.integers("group") in ([], [1])
    )
