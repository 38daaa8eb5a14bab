"""Which picture is given out of each item: as it was found, or with its faces blurred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlsu._files import read_text
from vlsu.build.assembly.faces import blurred, find_faces
from vlsu.build.assembly.items import Item
from vlsu.data.images.pixels import decode_picture
from vlsu.data.images.store import ImageStore
from vlsu.data.licences import read_licence
from vlsu.errors import BuildError

__all__ = ["FACES", "Shown", "read_consents", "show"]

#: What is done about faces: blurred where a pair is harmful, blurred everywhere, left as they are,
#: or only shown beside harm where the people consented.
FACES = ("blur", "blur-all", "keep", "consented")
WITHOUT_CONSENT = "shows a face without consent"
NO_DERIVATIVES = "its licence forbids a copy with blurred faces"


@dataclass(frozen=True, slots=True)
class Shown:
    """Items with the pictures that are given out.

    Attributes:
        items: Those that remain.
        left_out: Reason -> items that do not.
        searched: Images that were searched for faces.
        with_faces: Of these, the ones in which faces were found.
        blurred: Images that are given out with blurred faces.
    """

    items: Sequence[Item]
    left_out: dict[str, int]
    searched: int
    with_faces: int
    blurred: int

    def sentences(self, mode: str) -> list[str]:
        """What was done, for documents."""
        if mode == "keep":
            return ["Faces were neither looked for nor blurred."]
        which = "of all samples" if mode == "blur-all" else "of harmful pairs"
        found = f"Faces were looked for in {self.searched} images ({which}) by OpenCV's cascades"
        if mode == "consented":
            return [
                f"{found} and found in {self.with_faces}; such images are beside harm only where "
                "the people shown consented."
            ]
        return [
            f"{found}, found in {self.with_faces}, and blurred in {self.blurred}; "
            "metadata.build.faces marks them. Cascades miss profiles, drawn faces, and dark skin "
            "more than other."
        ]


def show(
    items: Sequence[Item],
    images: ImageStore,
    blurs: ImageStore,
    mode: str,
    *,
    consents: Collection[str] = (),
    blurred_before: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Shown:
    """Decide on the picture of each item.

    All items of an image get the same picture, so that a harmless one does not differ from its
    harmful twin by the blur.

    Args:
        items: What is assembled.
        images: As they were found.
        blurs: Where pictures with blurred faces are put.
        mode: One of `FACES`.
        consents: SHA-256, pages and identifiers of images whose people consented.
        blurred_before: Images that graders were shown blurred: they stay so.
        progress: Called with the images searched so far and their number.

    Raises:
        VlsuError: An image cannot be read, or OpenCV is not installed.
    """
    if mode == "keep":
        return Shown(items, {}, 0, 0, 0)
    of_image: dict[str, list[Item]] = {}
    for item in items:
        of_image.setdefault(item.image, []).append(item)
    searched = [
        image
        for image, those in of_image.items()
        if mode == "blur-all" or image in blurred_before or any(each.harmful for each in those)
    ]
    faces: dict[str, int] = {}
    new: dict[str, str] = {}
    for number, image in enumerate(searched):
        data = images.read(image)
        if mode == "consented":
            faces[image] = len(find_faces(decode_picture(data).image))
        else:
            picture, faces[image] = blurred(data)
            if faces[image] and not _no_derivatives(of_image[image][0]):
                new[image] = blurs.add(picture)
        if progress is not None:
            progress(number + 1, len(searched))
    kept, left_out = [], Counter[str]()
    for item in items:
        found = faces.get(item.image, 0)
        if found and mode == "consented" and item.harmful and not _consented(item, consents):
            left_out[WITHOUT_CONSENT] += 1
        elif found and mode != "consented" and item.image not in new:
            left_out[NO_DERIVATIVES] += 1
        elif found:
            note = {"found": found, "blurred": item.image in new}
            notes = {**item.notes, "faces": note}
            kept.append(replace(item, shown=new.get(item.image, item.image), notes=notes))
        else:
            kept.append(item)
    return Shown(kept, dict(left_out), len(searched), sum(1 for n in faces.values() if n), len(new))


def read_consents(path: Path) -> frozenset[str]:
    """A file of a SHA-256, page or identifier of an image in each line; ``#`` begins a comment.

    Raises:
        BuildError: It cannot be read.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise BuildError(f"{path}: cannot be read ({why})") from None
    return frozenset(
        found for line in lines if (found := line.strip()) and not found.startswith("#")
    )


def _consented(item: Item, consents: Collection[str]) -> bool:
    image = item.provenance["image"]
    named = {str(image.get(key)) for key in ("sha256", "page", "id", "url") if image.get(key)}
    return image.get("consent") is True or bool(named & set(consents))


def _no_derivatives(item: Item) -> bool:
    return read_licence(str(item.provenance["image"].get("licence", ""))).no_derivatives
