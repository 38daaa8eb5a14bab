"""Reading the text in an image: PP-OCRv5 mobile (PaddlePaddle) on ONNX Runtime.

A detector marks where text is, a recogniser reads each line. The steps between, which other
packages do with OpenCV and polygon libraries, are done for upright lines only, in NumPy: text that
stands aslant by more than a few degrees, upside down or along a curve is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlsu.models.baseline.assets import package_file, session
from vlsu.models.baseline.onnx_folding import simplify
from vlsu.models.baseline.onnx_graph import Graph, read_graph
from vlsu.models.baseline.onnx_restating import take_classifier

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Box", "TextReader", "lines_of", "regions"]

#: The detector looks at the image at this longer side: its cost grows with the area, and text
#: large enough to matter in a picture is found at it.
DETECTION_SIDE = 512
#: Probability from which a pixel counts as text, and the mean that a region needs.
PIXEL_THRESHOLD = 0.3
REGION_THRESHOLD = 0.6
#: The detector marks shrunken text; a region grows by this share of its area over its outline
#: (Liao et al. 2020, section 3.3, for a rectangle).
UNCLIP = 1.6
#: Mean probability of a line's characters below which the line is taken for noise.
LINE_THRESHOLD = 0.6
#: No picture needs more; a page of small print would take long.
MAX_REGIONS = 32

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32).reshape(3, 1, 1)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32).reshape(3, 1, 1)
_LINE_HEIGHT = 48
_LINE_WIDTHS = (32, 1600)  # of a scaled line, least and most
_STEPS = 64  # classified at once: more would fill memory, fewer go through the weights more often
_BLANK = 0  # the class that separates repeated characters


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.bottom - self.top


class TextReader:
    """Reads upright text, Latin script and Chinese or Japanese, from images.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self) -> None:
        self._detector = session(_simplified("ocr-detection").serialised())
        recogniser = _simplified("ocr-recognition")
        self._classifier = session(take_classifier(recogniser).serialised())
        self._recogniser = session(recogniser.serialised())
        characters = package_file("ocr-characters").read_text(encoding="utf-8")
        self._characters = characters.removesuffix("\n").split("\n")

    def read(self, image: Image.Image) -> str:
        """The text of an RGB image, lines from top to bottom; empty where there is none."""
        lines = lines_of(self._detect(image))
        texts = iter(self._recognise([self._look(image, box) for line in lines for box in line]))
        joined = [" ".join(text for _ in line if (text := next(texts))) for line in lines]
        return "\n".join(line for line in joined if line)

    def _detect(self, image: Image.Image) -> list[Box]:
        scale = min(1.0, DETECTION_SIDE / max(image.size))
        width, height = (max(32, round(side * scale / 32) * 32) for side in image.size)
        channels = np.asarray(image.resize((width, height))).transpose(2, 0, 1)[::-1]
        batch = (channels.astype(np.float32, order="C") / 255 - _MEAN) / _DEVIATION
        (maps,) = self._detector.run(None, {"x": batch[np.newaxis]})
        probabilities = np.asarray(maps, dtype=np.float32)[0, 0]
        across, down = image.width / width, image.height / height
        boxes = (_unclip(box, width, height) for box in regions(probabilities)[:MAX_REGIONS])
        return [
            Box(
                left=int(box.left * across),
                top=int(box.top * down),
                right=min(image.width, int(np.ceil(box.right * across))),
                bottom=min(image.height, int(np.ceil(box.bottom * down))),
            )
            for box in boxes
        ]

    def _look(self, image: Image.Image, box: Box) -> NDArray[np.float32]:
        """What the recogniser sees in one line: features by steps from left to right."""
        line = image.crop((box.left, box.top, box.right, box.bottom))
        if box.height > 1.5 * box.width:
            line = line.rotate(90, expand=True)
        width = round(line.width * _LINE_HEIGHT / line.height)
        line = line.resize((int(np.clip(width, *_LINE_WIDTHS)), _LINE_HEIGHT))
        channels = np.asarray(line).transpose(2, 0, 1)[::-1]
        batch = channels.astype(np.float32, order="C") / 127.5 - 1
        (batched,) = self._recogniser.run(None, {"x": batch[np.newaxis]})
        features: NDArray[np.float32] = batched[0]
        return features

    def _recognise(self, lines: Sequence[NDArray[np.float32]]) -> list[str]:
        """The text of each line, by its features; empty if the recogniser is unsure of it."""
        if not lines:
            return []
        steps = np.concatenate(lines)
        parts = [self._classes(steps[at : at + _STEPS]) for at in range(0, len(steps), _STEPS)]
        best, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
        ends = np.cumsum([len(line) for line in lines])[:-1]
        return list(map(self._decode, np.split(best, ends), np.split(shares, ends)))

    def _classes(self, steps: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The likeliest class of each step, and its probability unless that is the blank."""
        (scores,) = self._classifier.run(None, {"x": steps})
        best = scores.argmax(axis=1)
        shares = np.zeros(len(best), np.float32)
        filled = np.flatnonzero(best != _BLANK)
        above = scores[filled] - scores[filled, best[filled], np.newaxis]
        shares[filled] = 1 / np.exp(above, out=above).sum(axis=1)
        return best, shares

    def _decode(self, best: NDArray[np.intp], shares: NDArray[np.float32]) -> str:
        """Best-path decoding of CTC outputs: drop repeats, then blanks."""
        kept = (best != _BLANK) & np.concatenate([[True], best[1:] != best[:-1]])
        if not kept.any() or shares[kept].mean() < LINE_THRESHOLD:
            return ""
        return "".join(self._characters[index] for index in best[kept]).strip()


def _simplified(name: str) -> Graph:
    """One of the two networks, simplified: this takes more than half of its time away."""
    graph = read_graph(package_file(name))
    simplify(graph)
    return graph


def regions(probabilities: NDArray[np.float32]) -> list[Box]:
    """Connected areas of text in a probability map, largest first.

    Args:
        probabilities: Shape (height, width), each pixel's probability of being text.

    Returns:
        Bounding boxes of the areas (connected by edge, not corner) whose mean probability reaches
        the threshold.
    """
    runs = _runs(probabilities >= PIXEL_THRESHOLD)
    parent = list(range(len(runs)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for (above_first, above_end), (first, end) in pairwise(_rows(runs, len(probabilities))):
        upper = above_first
        for index in range(first, end):
            _, start, stop = runs[index]
            while upper < above_end and runs[upper][2] <= start:
                upper += 1
            other = upper
            while other < above_end and runs[other][1] < stop:
                parent[root(other)] = root(index)
                other += 1

    members: dict[int, list[tuple[int, int, int]]] = {}
    for index, run in enumerate(runs):
        members.setdefault(root(index), []).append(run)
    sized: list[tuple[int, Box]] = []
    for area in members.values():
        pixels = sum(stop - start for _, start, stop in area)
        total = sum(float(probabilities[y, start:stop].sum()) for y, start, stop in area)
        box = Box(
            left=min(start for _, start, _ in area),
            top=area[0][0],
            right=max(stop for _, _, stop in area),
            bottom=area[-1][0] + 1,
        )
        if total / pixels >= REGION_THRESHOLD and min(box.width, box.height) >= 3:
            sized.append((pixels, box))
    return [box for _, box in sorted(sized, key=lambda item: -item[0])]


def lines_of(boxes: Sequence[Box]) -> list[list[Box]]:
    """Boxes in reading order: lines from top to bottom, in a line from left to right.

    A box belongs to a line if its middle lies within the height of the line's first box.
    """
    lines: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: (box.top, box.left)):
        middle = (box.top + box.bottom) / 2
        for line in lines:
            if line[0].top <= middle < line[0].bottom:
                line.append(box)
                break
        else:
            lines.append([box])
    return [sorted(line, key=lambda box: box.left) for line in lines]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Horizontal runs of true pixels as (row, start, stop), in reading order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))


def _rows(runs: Sequence[tuple[int, int, int]], height: int) -> list[tuple[int, int]]:
    """For each row, where its runs begin and end in the list of runs."""
    counts = np.bincount([row for row, _, _ in runs], minlength=height) if runs else np.zeros(0)
    ends = np.cumsum(counts).astype(int).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []


def _unclip(box: Box, width: int, height: int) -> Box:
    """The box grown to the full letters, within an image of that size."""
    grow = round(box.width * box.height * UNCLIP / (2 * (box.width + box.height)))
    return Box(
        left=max(0, box.left - grow),
        top=max(0, box.top - grow),
        right=min(width, box.right + grow),
        bottom=min(height, box.bottom + grow),
    )
