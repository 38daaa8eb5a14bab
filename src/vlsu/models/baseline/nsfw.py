"""An NSFW score: Yahoo's open_nsfw (ResNet-50 thin, 2016) on ONNX Runtime."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from vlsu.models.baseline.assets import package_file, session

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["NsfwScorer"]

_SIDE, _CROP = 256, 224
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)


class NsfwScorer:
    """Scores how much an image resembles pornography.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self) -> None:
        self._session = session(package_file("nsfw"))

    def score(self, image: Image.Image) -> float:
        """The score of an RGB image, from 0 to 1.

        Prepared as the network was trained: squeezed to 256 x 256, written as JPEG and read again,
        the middle 224 x 224 in blue-green-red order.
        """
        from PIL import Image

        from vlsu.data.images.pixels import decode_picture

        edge = (_SIDE - _CROP) // 2
        middle = image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        middle = middle.crop((edge, edge, edge + _CROP, edge + _CROP))
        with io.BytesIO() as buffer:
            middle.save(buffer, format="JPEG")
            pixels = np.asarray(decode_picture(buffer.getvalue()).image, dtype=np.float32)
        batch = (pixels[:, :, ::-1] - _MEAN_BGR)[np.newaxis]
        (scores,) = self._session.run(None, {"input:0": np.ascontiguousarray(batch)})
        return float(scores[0][1])
