"""The embedded pre-filter: how much an image resembles pornography, before it is stored.

A sexual image of a minor is never stored, whatever a build is for: having it is a crime nearly
everywhere, and it is harm in itself. No model of this package tells ages, so that the bound is far
lower wherever words say that someone is under 18.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlsu.build.images.filters import Refused
from vlsu.policy import Severity

if TYPE_CHECKING:
    from PIL import Image

    from vlsu.build.plan.cells import Place
    from vlsu.build.rails.rules import Rails

__all__ = ["EXPLICIT", "SEXUAL", "WITH_MINOR", "Nsfw", "calls_for_sexual", "nsfw_refusal"]

#: Scores from which an image counts as explicit, as sexual, and as sexual where words name a minor.
#: open_nsfw's authors call scores above 0.8 very likely pornographic and those under 0.2 safe.
EXPLICIT, SEXUAL, WITH_MINOR = 0.8, 0.5, 0.2
#: Categories of the default policy whose borderline and unsafe images may be sexual.
_SEXUAL = frozenset({"C6", "C7"})


class Nsfw:
    """Scores images by open_nsfw, in this process.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    spec = "baseline/nsfw"

    def __init__(self) -> None:
        from vlsu.models.baseline.nsfw import NsfwScorer

        self._scorer = NsfwScorer()

    def score(self, picture: Image.Image) -> float:
        """From 0 to 1; the image is put on white where it is transparent."""
        from vlsu.data.images.pixels import flatten

        return self._scorer.score(flatten(picture))


def calls_for_sexual(rails: Rails, place: Place) -> bool:
    """Whether what an image is for is sexual: C6 and C7, borderline and unsafe."""
    if place.category is None or place.severity < Severity.BORDERLINE:
        return False
    return bool(rails.counterparts[place.category] & _SEXUAL)


def nsfw_refusal(score: float, *, called_for: bool, minor: bool) -> Refused | None:
    """Why an image of that score is refused.

    Args:
        score: From 0 to 1.
        called_for: Whether what it is for is sexual.
        minor: Whether anyone says that it shows someone under 18.
    """
    about = {"nsfw": round(score, 3)}
    if minor and score >= WITH_MINOR:
        return Refused("rails: sexual-minor", about=about)
    if score >= EXPLICIT:
        return Refused("pre-filter: explicit", about=about)
    if score >= SEXUAL and not called_for:
        return Refused("pre-filter: sexual", everywhere=False, about=about)
    return None
