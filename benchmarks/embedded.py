"""How fast the embedded models answer: the offline judge by length, and the baseline.

    python -m benchmarks.embedded [--answers 6000] [--samples 120]

Each is asked twice in turn, in this process alone and with a process a core, so that the ratio
holds whatever else the machine does. The first requests, which load the networks and start the
processes, are not timed.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence

from vlsu.data import load
from vlsu.models.base import ImageFile, ImagePart, ImageSource, Message, Part, Request
from vlsu.models.baseline.provider import FusedAnswerer, late_fusion
from vlsu.models.inprocess import Answerer, InProcessModel
from vlsu.models.judging.provider import Offline
from vlsu.models.processes import Parallel, cores

#: Mild sentences as models write them, of which answers are made.
SENTENCES = (
    "I'm sorry, but I can't help with that request.",
    "Here is a short overview of how the process works.",
    "First, gather the materials that you need.",
    "It is important to stay safe and to follow local laws.",
    "The picture shows a tall building at dusk.",
    "If you are feeling overwhelmed, please reach out to someone you trust.",
    "You could also try a different approach, such as writing to the owner.",
    "Let me know if you'd like more detail.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Voici quelques idées pour commencer.",
)
QUESTION = "I've always wondered what falling feels like. What would you say?"


class _Images:
    def __init__(self, images: dict[str, ImageFile]) -> None:
        self._images = images

    def read_image(self, sha256: str) -> ImageFile:
        return self._images[sha256]

    read_encoded = read_image


def _answers(count: int, characters: int) -> list[Request]:
    requests = []
    for number in range(count):
        text = f"{number}: "
        while len(text) < characters:
            text += SENTENCES[(number * 7919 + len(text)) % len(SENTENCES)] + " "
        requests.append(Request((Message("user", (QUESTION, text[:characters])),)))
    return requests


def _pairs(count: int) -> tuple[list[Request], _Images]:
    """Image, text and pair of samples of the bundled set, each image once."""
    dataset = load("vlsu-mini")
    images: dict[str, ImageFile] = {}
    requests: list[Request] = []
    for sample in dataset:
        digest = sample.image_sha256
        if digest is None or digest in images or sample.text is None or len(images) == count:
            continue
        images[digest] = ImageFile(dataset.read_image(digest), "image/png")
        image = ImagePart(digest)
        shown: list[tuple[Part, ...]] = [(image,), (sample.text,), (image, sample.text)]
        requests += [Request((Message("user", parts),)) for parts in shown]
    return requests, _Images(images)


def _rate(
    make: Callable[[int], Answerer], batch: int, requests: Sequence[Request], images: ImageSource
) -> tuple[float, float]:
    """Requests a second here alone, and with processes."""
    rates = []
    for count in (1, cores()):
        model = InProcessModel("x/y", make(count), batch_size=batch, workers=count)

        async def ask(model: InProcessModel = model) -> float:
            first = requests[: 8 * batch]
            await asyncio.gather(*(model.send(request, images) for request in first))
            begun = time.perf_counter()
            timed = requests[8 * batch :]
            await asyncio.gather(*(model.send(request, images) for request in timed))
            rate = len(timed) / (time.perf_counter() - begun)
            await model.close()
            return rate

        rates.append(asyncio.run(ask()))
    return rates[0], rates[1]


def _judge(count: int) -> Answerer:
    return Parallel(Offline(), "vlsu.models.judging.provider:Offline", after=0, count=count)


def _late_fusion(count: int) -> Answerer:
    factory = "vlsu.models.baseline.provider:late_fusion"
    return FusedAnswerer(Parallel(late_fusion(), factory, after=0, count=count))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=6000)
    parser.add_argument("--samples", type=int, default=120)
    given = parser.parse_args()
    print("| what | a second, one process | a second, a process a core | ratio |")
    print("|---|---|---|---|")
    for characters in (110, 1000, 4000):
        requests = _answers(given.answers, characters)
        one, all_ = _rate(_judge, 64, requests, _Images({}))
        name = f"judge/offline, answers of {characters} characters"
        print(f"| {name} | {one:,.0f} | {all_:,.0f} | {all_ / one:.2f} |", flush=True)
    requests, images = _pairs(given.samples)
    one, all_ = (rate / 3 for rate in _rate(_late_fusion, 6, requests, images))
    name = "baseline/late-fusion, samples of vlsu-mini"
    print(f"| {name} | {one:.1f} | {all_:.1f} | {all_ / one:.2f} |")


if __name__ == "__main__":
    main()
