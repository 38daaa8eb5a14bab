"""How well faces are found: on the pictures of vlsu-mini, of which 15 show one.

Run: python -m benchmarks.build_faces

Labelled by eye: pictures that show a human face with its features, drawn or photographed.
Silhouettes, masks, animals and robots are not counted as faces; the picture of coins with heads on
them is left out. The settings of the cascades were chosen on the same pictures.
"""

from __future__ import annotations

import time

import vlsu
from vlsu.analysis.stats.intervals import wilson
from vlsu.build.assembly.faces import find_faces
from vlsu.data.images.pixels import decode_picture

#: Beginning of the SHA-256 -> whether the skin is dark.
FACES = {
    **dict.fromkeys(
        ("3e5b03da", "41a778f6", "a7445a4c", "04029301", "d62a82a4", "78057a91", "5ed043e7"), False
    ),
    **dict.fromkeys(("b517ebfc",), False),
    **dict.fromkeys(
        ("14cdd27c", "561f90b9", "7e3d8954", "147cad4b", "c60022a2", "392ab347", "b14418e9"), True
    ),
}
#: Neither counted as faces nor as pictures without one.
UNCLEAR = {"dab855c2"}


def main() -> None:
    """Print the table."""
    mini = vlsu.load("vlsu-mini")
    found: dict[str, int] = {}
    began = time.perf_counter()
    images = list(dict.fromkeys(sample.image_sha256 for sample in mini))
    for sha256 in images:
        assert sha256 is not None
        found[sha256[:8]] = len(find_faces(decode_picture(mini.read_image(sha256)).image))
    took = (time.perf_counter() - began) / len(images)
    without = [name for name in found if name not in FACES and name not in UNCLEAR]
    for what, names in (
        ("faces found", list(FACES)),
        ("... of dark skin", [name for name, dark in FACES.items() if dark]),
        ("... of other skin", [name for name, dark in FACES.items() if not dark]),
        ("pictures without a face in which one is found", without),
    ):
        hits = sum(found[name] > 0 for name in names)
        low, high = wilson(hits / len(names), len(names))
        print(f"{what}: {hits} of {len(names)} ({hits / len(names):.0%} [{low:.0%}, {high:.0%}])")
    print(f"{1000 * took:.0f} ms an image")
    print("found:", sorted(name for name in found if found[name] and name in FACES))
    print("false:", sorted(name for name in without if found[name]))


if __name__ == "__main__":
    main()
