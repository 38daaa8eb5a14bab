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
        return self.add("Mul", self.add("HardSigmoid", source), source)

    def write(self, path, output: str) -> Graph:
        self.add_output(output)
        shape = (1, CHANNELS, SIDE, SIDE)
        path.write_bytes(model(self._nodes, self._tensors, {"x": shape}, {"y": shape}, opset=13))
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
        ["scale", "shift", "scales", "shifts", "copy", "swish", "normal", "1x1", "3x3", "depthwise"]
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


@pytest.mark.parametrize(("kernel", "pad", "after"), [(1, 0, []), (3, 1, ["Conv"])])
def test_a_hard_swish_and_its_scale_are_two_passes(tmp_path, kernel, pad, after):
    """The shift after it takes one more where the next convolution looks past the border."""
    network = Network(0)
    last = network.hard_swish(network.convolve("x", 3, 1))
    last = network.add("Mul", network.constant(1, low=0.1), last)
    last = network.add("Add", last, network.constant(1))
    graph = network.write(tmp_path / "n.onnx", network.convolve(last, kernel, pad))
    simplify(graph)
    assert operators(graph) == ["Conv", "Conv", "Clip", "Mul", *after, "Conv", "Identity"]


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
