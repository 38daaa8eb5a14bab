"""Parts of networks expressed in operations that ONNX Runtime does fast: the same but for rounding.

It does convolutions of single pixels several times as fast as transposed ones, and takes a pass
over a whole map for each sum and each product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlsu.models.baseline.onnx_format import model, node, tensor, value
from vlsu.models.baseline.onnx_graph import Graph, Node

__all__ = ["Classifier", "restate_enlarging", "restate_gates", "take_classifier"]

_Floats = NDArray[np.float32]
_SIDE = 2  # of the square of pixels that a transposed convolution makes of one


def restate_gates(graph: Graph) -> None:
    """Let ``x + x * gate`` be ``x * (gate + 1)``: a gate has one number for each map of `x`."""
    readers = graph.readers()
    made_by = graph.makers()
    one = "one of gates"
    instead: dict[int, list[Node]] = {}
    for total in graph.nodes:
        if total.operator != "Add":
            continue
        for source, name in (total.inputs, total.inputs[::-1]):
            product = made_by.get(name)
            if (
                product is None
                or product.operator != "Mul"
                or source not in product.inputs
                or graph.only_reader(name, readers) is not total
            ):
                continue
            gate = next((each for each in product.inputs if each != source), source)
            grown = f"{name} gate"
            instead[id(product)] = [Node.of("Add", [gate, one], grown)]
            instead[id(total)] = [Node.of("Mul", [source, grown], total.outputs[0])]
            break
    if instead:
        graph.constants[one] = np.ones(1, np.float32)
        graph.replace(instead)


def restate_enlarging(graph: Graph) -> None:
    """Let two transposed convolutions that each make four pixels of one work on the small map.

    Each becomes a convolution of single pixels that makes the four as channels; these are set side
    by side at the end, after the activations, which look at each number by itself.
    """
    readers = graph.readers()
    instead: dict[int, list[Node]] = {}
    for first in graph.nodes:
        if not _is_enlarging(graph, first):
            continue
        relu = graph.only_reader(first.outputs[0], readers)
        if relu is None or relu.operator != "Relu":
            continue
        second = graph.only_reader(relu.outputs[0], readers)
        if second is None or not _is_enlarging(graph, second):
            continue
        last = graph.only_reader(second.outputs[0], readers)
        if last is None or last.operator != "Sigmoid":
            continue
        instead |= {id(node): [] for node in (first, relu, second)}
        instead[id(last)] = _on_small_map(graph, first, second, last.outputs[0])
    graph.replace(instead)


class Classifier(NamedTuple):
    """The last layer of a network: weights of shape (features, classes), and a bias of classes."""

    weights: _Floats
    bias: _Floats

    def serialised(self) -> bytes:
        """As a network: features ``x`` of shape (rows, features) to scores (rows, classes)."""
        features, classes = self.weights.shape
        return model(
            [node("Gemm", ["x", "weights", "bias"], ["scores"])],
            [tensor("weights", self.weights), tensor("bias", self.bias)],
            inputs={"x": (None, features)},
            outputs={"scores": (None, classes)},
            opset=13,
        )


def take_classifier(graph: Graph) -> Classifier:
    """Let a simplified network give the features that its last layer, before a softmax, looks at.

    A layer with many classes has weights that are large beside the features of one input: for the
    features of several together it needs to go through them once.
    """
    made_by = graph.makers()
    (output,) = graph.outputs
    softmax = made_by[output]
    total = made_by[softmax.inputs[0]]
    bias = next(name for name in total.inputs if name in graph.constants)
    product = made_by[next(name for name in total.inputs if name != bias)]
    assert (softmax.operator, total.operator, product.operator) == ("Softmax", "Add", "MatMul")
    features, weights = product.inputs
    taken = Classifier(graph.constants.pop(weights), graph.constants.pop(bias))
    graph.replace({id(node): [] for node in (softmax, total, product)})
    graph.outputs = {features: value(features, (1, None, len(taken.weights)))}
    return taken


def _is_enlarging(graph: Graph, node: Node) -> bool:
    """Whether it makes a square of each pixel that touches no other, with known weights."""
    return (
        node.operator == "ConvTranspose"
        and len(node.inputs) == 3
        and all(name in graph.constants for name in node.inputs[1:])
        and graph.constants[node.inputs[1]].shape[2:] == (_SIDE, _SIDE)
        and node.integers("strides") == [_SIDE, _SIDE]
        and node.integers("dilations") in ([], [1, 1])
        and node.integers("group") in ([], [1])
        and not any(node.integers("pads"))
        and not {"auto_pad", "output_padding", "output_shape"} & node.attributes.keys()
    )


def _on_small_map(graph: Graph, first: Node, second: Node, output: str) -> list[Node]:
    weights = [graph.constants[node.inputs[1]] for node in (first, second)]
    biases = [graph.constants[node.inputs[2]] for node in (first, second)]
    squares = np.eye(_SIDE, dtype=np.float32)
    inner, outer = weights[0].shape[1], weights[1].shape[1]
    # Channels of the first: row and column in its square, then its own channel. Of the second:
    # its own channel, then the rows of both squares, then their columns.
    spread = weights[0].transpose(2, 3, 1, 0).reshape(_SIDE**2 * inner, -1)
    joined = np.einsum("iocd,ae,bf->oacbdefi", weights[1], squares, squares)
    joined = joined.reshape(outer * _SIDE**4, _SIDE**2 * inner)
    return [
        _of_pixels(graph, first.inputs[0], f"{output} four", spread, np.tile(biases[0], _SIDE**2)),
        Node.of("Relu", [f"{output} four"], f"{output} bounded"),
        _of_pixels(
            graph, f"{output} bounded", f"{output} all", joined, np.repeat(biases[1], _SIDE**4)
        ),
        Node.of("Sigmoid", [f"{output} all"], f"{output} apart"),
        Node.of("DepthToSpace", [f"{output} apart"], output, blocksize=_SIDE**2, mode="CRD"),
    ]


def _of_pixels(graph: Graph, source: str, output: str, weights: _Floats, bias: _Floats) -> Node:
    """A convolution that looks at single pixels; weights of shape (channels made, read)."""
    names = [f"{output} weights", f"{output} bias"]
    graph.constants |= zip(names, (weights[:, :, np.newaxis, np.newaxis], bias), strict=True)
    return Node.of("Conv", [source, *names], output, kernel_shape=(1, 1))
