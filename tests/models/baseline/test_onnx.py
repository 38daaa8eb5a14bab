"""Networks read from ONNX files, simplified and written again: they compute what they did."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.errors import ModelError
from vlsu.models.baseline.assets import package_file, session
from vlsu.models.baseline.onnx_folding import simplify
from vlsu.models.baseline.onnx_format import model, node, tensor
from vlsu.models.baseline.onnx_graph import Graph, read_graph
from vlsu.models.baseline.onnx_restating import take_classifier

CHANNELS, SIDE = 16, 6
NETWORKS = {
    "ocr-detection": (1, 3, 64, 96),
    "ocr-recognition": (1, 3, 48, 80),
}


class Network:
    """A network made node by node, of maps of `CHANNELS` channels."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._names = 0

    def constant(self, *shape: int, low: float = -1) -> str:
        name = self._name()
        values = self._random.uniform(low, 1, shape).astype(np.float32)
        self._tensors.append(tensor(name, values))
        return name

    def add(self, operator: str, *inputs: str, **attributes) -> str:
        name = self._name()
        self._nodes.append(node(operator, inputs, [name], **attributes))
        return name

    def convolve(self, source: str, kernel: int, pad: int, *, depthwise: bool = False) -> str:
        weights = self.constant(CHANNELS, 1 if depthwise else CHANNELS, kernel, kernel)
        groups = CHANNELS if depthwise else 1
        return self.add("Conv", source, weights, pads=(pad,) * 4, group=groups)

    def hard_swish(self, source: str) -> str:
        return self.add("Mul", self.add("HardSigmoid", source, alpha=1 / 6), source)

    def gate(self, source: str) -> str:
        """``x + x * g`` with one number for each map, in either order."""
        pooled = self.add("HardSigmoid", self.add("GlobalAveragePool", source))
        gated = self.add("Mul", source, pooled)
        return self.add("Add", *((source, gated) if self._names % 2 else (gated, source)))

    def enlarge(self, source: str, channels: int, made: int) -> str:
        weights, bias = self.constant(channels, made, 2, 2), self.constant(made)
        return self.add("ConvTranspose", source, weights, bias, strides=(2, 2))

    def write(self, path, output: str, shape=(1, CHANNELS, SIDE, SIDE), opset=13) -> Graph:
        self.add_output(output)
        inputs = {"x": (1, CHANNELS, SIDE, SIDE)}
        path.write_bytes(model(self._nodes, self._tensors, inputs, {"y": shape}, opset=opset))
        return read_graph(path)

    def add_output(self, output: str) -> None:
        self._nodes.append(node("Identity", [output], ["y"]))

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


def run(graph: Graph, *shape: int) -> np.ndarray:
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    (y,) = session(graph.serialised()).run(None, {"x": x})
    return y


def operators(graph: Graph) -> list[str]:
    return [each.operator for each in graph.nodes]


STEPS = st.lists(
    st.sampled_from(
        [
            "scale",
            "shift",
            "scales",
            "shifts",
            "copy",
            "swish",
            "gate",
            "normal",
            "1x1",
            "3x3",
            "depthwise",
        ]
    ),
    max_size=12,
)


@given(steps=STEPS, branch=st.integers(0, 12), seed=st.integers(0, 9))
def test_a_simplified_network_computes_what_it_did(tmp_path_factory, steps, branch, seed):
    """Any sequence of steps, the map after one of which is read twice."""
    network = Network(seed)
    last = branched = network.convolve("x", 3, 1)
    for number, step in enumerate(steps):
        if step in ("scale", "shift"):
            operator = "Mul" if step == "scale" else "Add"
            last = network.add(operator, network.constant(1), last)
        elif step in ("scales", "shifts"):
            operator = "Mul" if step == "scales" else "Add"
            last = network.add(operator, last, network.constant(1, CHANNELS, 1, 1))
        elif step == "copy":
            last = network.add("Identity", last)
        elif step == "swish":
            last = network.hard_swish(last)
        elif step == "gate":
            last = network.gate(last)
        elif step == "normal":
            parts = [network.constant(CHANNELS, low=low) for low in (-1, -1, -1, 0.5)]
            last = network.add("BatchNormalization", last, *parts)
        else:
            kernel, pad = (1, 0) if step == "1x1" else (3, 1)
            last = network.convolve(last, kernel, pad, depthwise=step == "depthwise")
        if number == branch:
            branched = last
    graph = network.write(
        tmp_path_factory.mktemp("onnx") / "n.onnx", network.add("Add", last, branched)
    )
    shape = (1, CHANNELS, SIDE, SIDE)
    before = run(graph, *shape)
    simplify(graph)
    np.testing.assert_allclose(
        run(graph, *shape), before, rtol=1e-3, atol=1e-4 * np.abs(before).max()
    )


def test_scales_and_shifts_are_the_convolutions_own(tmp_path):
    network = Network(0)
    last = network.convolve("x", 3, 1)
    last = network.add("Add", last, network.constant(1, CHANNELS, 1, 1))
    last = network.add("Mul", network.constant(1), network.add("Identity", last))
    graph = network.write(tmp_path / "n.onnx", last)
    simplify(graph)
    assert operators(graph) == ["Conv", "Identity"]


@pytest.mark.parametrize(("kernel", "pad", "shifted"), [(1, 0, []), (3, 1, ["Conv"])])
def test_a_hard_swish_and_its_scale_are_one_operation(tmp_path, kernel, pad, shifted):
    """The shift after it takes a pass where the next convolution looks past the border."""
    network = Network(0)
    last = network.hard_swish(network.convolve("x", 3, 1))
    last = network.add("Mul", network.constant(1), last)
    last = network.add("Add", last, network.constant(1))
    graph = network.write(tmp_path / "n.onnx", network.convolve(last, kernel, pad))
    simplify(graph)
    assert operators(graph) == ["Conv", "HardSwish", *shifted, "Conv", "Identity"]


def test_a_gate_of_another_slope_is_no_hard_swish(tmp_path):
    network = Network(0)
    source = network.convolve("x", 1, 0)
    last = network.add("Mul", source, network.add("HardSigmoid", source))
    graph = network.write(tmp_path / "n.onnx", last)
    simplify(graph)
    assert operators(graph) == ["Conv", "HardSigmoid", "Mul", "Identity"]


@given(seed=st.integers(0, 99), inner=st.integers(1, 5), outer=st.integers(1, 3))
def test_a_map_enlarged_twice_is_computed_on_the_small_one(tmp_path_factory, seed, inner, outer):
    network = Network(seed)
    last = network.add("Relu", network.enlarge("x", CHANNELS, inner))
    last = network.add("Sigmoid", network.enlarge(last, inner, outer))
    graph = network.write(
        tmp_path_factory.mktemp("onnx") / "n.onnx", last, (1, outer, 4 * SIDE, 4 * SIDE)
    )
    shape = (1, CHANNELS, SIDE, SIDE)
    before = run(graph, *shape)
    simplify(graph)
    assert operators(graph) == ["Conv", "Relu", "Conv", "Sigmoid", "DepthToSpace", "Identity"]
    np.testing.assert_allclose(run(graph, *shape), before, rtol=1e-4, atol=1e-5)


def test_axes_are_stated_as_a_later_operator_set_has_them(tmp_path):
    network = Network(0)
    last = network.add("Unsqueeze", network.add("Squeeze", "x", axes=(0,)), axes=(0,))
    graph = network.write(tmp_path / "n.onnx", last, opset=11)
    before = run(graph, 1, CHANNELS, SIDE, SIDE)
    graph.use_opset(14)
    assert graph.opset == 14
    assert (run(graph, 1, CHANNELS, SIDE, SIDE) == before).all()


def test_the_classifier_apart_gives_the_same_probabilities():
    path = package_file("ocr-recognition")
    x = np.random.default_rng(1).normal(size=NETWORKS["ocr-recognition"]).astype(np.float32)
    (before,) = session(path).run(None, {"x": x})
    graph = read_graph(path)
    simplify(graph)
    classifier = session(take_classifier(graph).serialised())
    (features,) = session(graph.serialised()).run(None, {"x": x})
    (scores,) = classifier.run(None, {"x": features[0]})
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, before[0], atol=1e-4)


def test_weights_of_two_convolutions_stay_as_they_are(tmp_path):
    network = Network(0)
    weights = network.constant(CHANNELS, CHANNELS, 1, 1)
    scaled = network.add("Mul", network.add("Conv", "x", weights), network.constant(1))
    last = network.add("Add", scaled, network.add("Conv", "x", weights))
    graph = network.write(tmp_path / "n.onnx", last)
    before = run(graph, 1, CHANNELS, SIDE, SIDE)
    simplify(graph)
    np.testing.assert_allclose(run(graph, 1, CHANNELS, SIDE, SIDE), before, rtol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_readers_networks_compute_what_they_did(name):
    graph = read_graph(package_file(name))
    (before,) = session(package_file(name)).run(
        None, {"x": (x := np.random.default_rng(1).normal(size=NETWORKS[name]).astype(np.float32))}
    )
    count = len(graph.nodes)
    simplify(graph)
    (after,) = session(graph.serialised()).run(None, {"x": x})
    assert len(graph.nodes) < count / 2
    assert np.abs(after - before).max() < 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_is_written_as_it_was_read_gives_the_same_bits(name):
    x = np.random.default_rng(1).normal(size=NETWORKS[name]).astype(np.float32)
    graph = read_graph(package_file(name))
    (read,), (written,) = (
        session(source).run(None, {"x": x}) for source in (package_file(name), graph.serialised())
    )
    assert (read == written).all()


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x3a\x7f\x0a", b"\xff" * 20])
def test_a_file_that_is_no_network_is_refused(tmp_path, data):
    (tmp_path / "n.onnx").write_bytes(data)
    with pytest.raises(ModelError, match=r"n\.onnx: not an ONNX model"):
        read_graph(tmp_path / "n.onnx")
