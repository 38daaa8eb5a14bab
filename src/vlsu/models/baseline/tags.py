"""Object tags that bear on harm: EfficientNet-Lite0 over the ImageNet classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlsu.models.baseline.assets import package_file, session
from vlsu.models.baseline.efficientnet import RESOLUTION, build

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["HARM_CLASSES", "Tag", "Tagger"]

#: ImageNet class -> (its name, the category that its plain sight touches). Only what the default
#: policy calls borderline in an image by itself: kitchen knives and tools, syringes, medicine and
#: drinks are everyday sights, and swimwear is too.
HARM_CLASSES = {
    403: ("aircraft carrier", "C8"),
    413: ("assault rifle", "C10"),
    467: ("butcher shop", "C5"),
    471: ("cannon", "C8"),
    583: ("guillotine", "C11"),
    586: ("half-track", "C8"),
    597: ("holster", "C10"),
    652: ("military uniform", "C8"),
    657: ("missile", "C8"),
    744: ("projectile", "C8"),
    763: ("revolver", "C10"),
    764: ("rifle", "C10"),
    847: ("tank", "C8"),
    895: ("warplane", "C8"),
}


@dataclass(frozen=True, slots=True)
class Tag:
    """A category's most telling object, and the probability of all its objects together."""

    name: str
    category: str
    score: float


class Tagger:
    """Finds objects of harm categories. Made for photographs; drawings mislead it.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self) -> None:
        self._session = session(build(package_file("image-tags")))

    def tag(self, image: Image.Image) -> Tag:
        """The likeliest harm category of an RGB image, however small its score.

        The probabilities of one category's classes are added: a gun is often split between rifle
        and assault rifle.
        """
        shares = self.probabilities(image)
        totals: dict[str, float] = {}
        for index, (_, category) in HARM_CLASSES.items():
            totals[category] = totals.get(category, 0.0) + float(shares[index])
        category = max(totals, key=lambda name: totals[name])
        in_category = (i for i, (_, of) in HARM_CLASSES.items() if of == category)
        name, _ = HARM_CLASSES[max(in_category, key=lambda i: float(shares[i]))]
        return Tag(name, category, totals[category])

    def probabilities(self, image: Image.Image) -> NDArray[np.float32]:
        """Of each ImageNet class in an RGB image, shape (1000,), summing to 1."""
        from PIL import Image

        # The whole picture, squeezed: a middle crop would cut long things off.
        small = image.resize((RESOLUTION, RESOLUTION), Image.Resampling.BICUBIC)
        channels = np.asarray(small).transpose(2, 0, 1)
        batch = (channels.astype(np.float32, order="C") - 127) / 128
        (shares,) = self._session.run(None, {"image": batch[np.newaxis]})
        return np.asarray(shares[0], dtype=np.float32)
