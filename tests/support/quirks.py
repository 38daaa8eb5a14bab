"""A made CSV of 2,000 rows in the shape VLSU was released in, with every quirk we know of.

    python tests/support/quirks.py OUTDIR

writes ``OUTDIR/quirks.csv``, ``OUTDIR/images/`` and a file outside of that folder, and prints what
an import must report. The texts are numbers and harmless words.
"""

from __future__ import annotations

import csv
import io
import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from PIL import Image

from vlsu.policy import PATTERNS, Severity, default_policy

ROWS = 2000
HEADER = [
    "UUID",
    " web_path",
    "Prompt ",
    "Image_Grade",
    "CONSENSUS_TEXT_GRADE",
    "consensus_combined_grade",
    "image_category",
    "text category",
    "combined_category",
    "Source",
]
(UUID_, URL, PROMPT, IMAGE, TEXT, JOINT, IMAGE_C, TEXT_C, JOINT_C, SOURCE) = range(10)
MISLABELLED = "2aa9226c-201d-458d-9b2e-0aa36845c763"
SCRIPTS = [
    "Tell me, please: what is “this”, and why?",
    'She said "hello, world", twice.',
    "یہ کیا ہے؟ براہ کرم بتائیں",
    "これは何ですか。教えてください。",
    "¿Qué es esto? <script>alert(1)</script>",
    "👩‍👩‍👧‍👦 emoji, \u202eright to left\u202c, tab\there",
    "=SUM(A1:A9) is no formula here",
    "first line\nsecond line\n\nfourth line",
]
SPELLINGS: list[Callable[[str], str]] = [
    str.lower,
    str.upper,
    str.title,
    lambda grade: f"  {grade} ",
    lambda grade: f"{grade.swapcase()}\t",
]


@dataclass
class Quirks:
    """The rows, what they must become, and the images they come with."""

    rows: list[list[str] | str] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    images: dict[str, bytes] = field(default_factory=dict)

    @property
    def expected(self) -> dict[str, object]:
        """What an import must report, and `vlsu data check` find in the result."""
        return {
            "rows_read": ROWS,
            "imported": ROWS - self.rejected.total(),
            "rejected": dict(sorted(self.rejected.items())),
            "notes": dict(sorted(self.notes.items())),
            "check": dict(sorted(self.checks.items())),
        }

    # Building -------------------------------------------------------------------------------

    def row(self, *, image: bytes | None = b"own") -> list[str]:
        """The next sound row; its image is its own, one given, or none."""
        n = len(self.rows)
        pattern = PATTERNS[n % len(PATTERNS)]
        categories = default_policy().categories
        spell = SPELLINGS[n % len(SPELLINGS)]
        uuid = str(UUID(int=(n + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
        grades = (pattern.image, pattern.text, pattern.joint)
        row = [
            uuid,
            f"https://images.example.org/{n % 7}/picture%20{n}.png?size=large",
            f"Question {n}: {SCRIPTS[n % len(SCRIPTS)]}",
            *(spell(grade.label) for grade in grades),
            *(
                categories[(n + k) % len(categories)].title if grade is not Severity.SAFE else ""
                for k, grade in enumerate(grades)
            ),
            "" if n % 2 else f"batch {n % 3}",
        ]
        if image is not None:
            data = picture(n) if image == b"own" else image
            name = (f"{uuid}.png", f"deep/{uuid.upper()}.PNG", f"picture {n}.png")[n % 3]
            self.images[name] = data
        self.rows.append(row)
        return row

    def many(self, count: int, note: str | None = None) -> list[list[str]]:
        """Sound rows, each of which is to get a quirk that is noted."""
        if note is not None:
            self.notes[note] += count
        return [self.row() for _ in range(count)]


def make_quirks() -> Quirks:
    """The rows, images and counts."""
    quirks = Quirks()
    _grades(quirks)
    _categories(quirks)
    _texts_and_ids(quirks)
    _images(quirks)
    _broken_rows(quirks)
    while len(quirks.rows) < ROWS - 6:
        quirks.row()
    sound = [row for row in quirks.rows[-40:] if isinstance(row, list)]
    quirks.rows += [list(row) for row in sound[:6]]
    quirks.rejected["duplicate row"] += 6
    return quirks


def _grades(quirks: Quirks) -> None:
    spellings = ["not_sure", "Not_Sure", " NOT SURE ", "not-sure"]
    for modality, column, count in (("image", IMAGE, 11), ("text", TEXT, 12), ("joint", JOINT, 13)):
        for n, row in enumerate(quirks.many(count, f"grade not_sure -> absent ({modality})")):
            row[column] = spellings[n % len(spellings)]
        for row in quirks.many(3, f"grade empty -> absent ({modality})"):
            row[column] = "  "
        for row, word in zip(quirks.many(2), ("saef", "harmful"), strict=True):
            row[column] = word
            quirks.rejected[f"unknown grade ({modality})"] += 1
    for row in quirks.many(2, "no grade at all"):
        row[IMAGE:IMAGE_C] = ["not_sure", "", "Not_sure"]
        quirks.notes["grade not_sure -> absent (image)"] += 1
        quirks.notes["grade empty -> absent (text)"] += 1
        quirks.notes["grade not_sure -> absent (joint)"] += 1
    for row in quirks.many(3, "unlisted pattern U-S-S"):
        row[IMAGE:IMAGE_C] = ["unsafe", "safe", "safe"]
    for row in quirks.many(2, "unlisted pattern S-U-B"):
        row[IMAGE:IMAGE_C] = ["safe", "unsafe", "borderline"]


def _categories(quirks: Quirks) -> None:
    for row in quirks.many(4, "unknown category -> absent (image)"):
        row[IMAGE_C] = "C99: Of no policy"
    kind = "category number and name disagree, number kept (joint)"
    for row in quirks.many(2, kind):
        row[JOINT_C] = f"C9: {default_policy().category('C10').name}"
    (row,) = quirks.many(1, f"mislabelled upstream row corrected: {MISLABELLED} C14 -> C15")
    quirks.images[f"{MISLABELLED}.png"] = picture(len(quirks.rows) - 1)
    row[UUID_] = MISLABELLED
    row[IMAGE_C], row[TEXT_C], row[JOINT_C] = "", "", default_policy().category("C14").title


def _texts_and_ids(quirks: Quirks) -> None:
    for row in quirks.many(5, "text empty -> absent"):
        row[PROMPT] = " \n"
    for row in quirks.many(20, "line ends in text CRLF -> LF"):
        row[PROMPT] += "\r\nand a line more"
    for row in quirks.many(2, "null bytes removed"):
        row[PROMPT] += "a\0b"
    (row,) = quirks.many(1)
    row[PROMPT] += "x" * 300_000
    for first, second in (quirks.many(2), quirks.many(2), quirks.many(2)):
        second[PROMPT] = first[PROMPT]  # a text that two samples share
    for n in range(3):
        quirks.row()[UUID_] = ""
        quirks.images[f"picture {len(quirks.rows) - 1}.png"] = picture(7000 + n)
        quirks.notes["id missing -> made from the line"] += 1
    for _ in range(4):
        twin = quirks.row()
        n = len(quirks.rows)
        quirks.row(image=None)[UUID_] = twin[UUID_]
        quirks.images[f"picture {n}.png"] = picture(n)
        quirks.notes["duplicate id, row differs -> id changed"] += 1


def _images(quirks: Quirks) -> None:
    for _ in range(140):
        quirks.row(image=None)
        quirks.notes["image missing"] += 1
        quirks.checks["missing"] += 1
    # Out of the folder: by a relative and by an absolute path.
    for path in ("../outside.png", "/etc/hostname", "..%2F..%2Foutside.png"):
        quirks.row(image=None)[URL] = path
        quirks.notes["image missing"] += 1
        quirks.checks["missing"] += 1
    quirks.row(image=None)[URL] = "deep/down/relative.png"
    quirks.images["deep/down/relative.png"] = picture(8000)
    page = b"<!DOCTYPE html>\n<html><title>404 Not Found</title></html>"
    jpeg = noise("JPEG")
    for data, count, note, check in (
        (b"", 5, "image unreadable (zero-byte)", "zero-byte"),
        (page, 4, "image unreadable", "unreadable"),
        (bomb_png(), 2, "image unreadable (decompression-bomb)", "decompression-bomb"),
        (jpeg[: len(jpeg) // 2], 3, None, "truncated"),
        (animated_gif(), 2, None, "animated"),
    ):
        for n in range(count):
            # A trailing byte makes each file another one, and harms no decoder.
            quirks.row(image=data + bytes([n]) if note is None and check != "truncated" else data)
            if note is not None:
                quirks.notes[note] += 1
        quirks.checks[check] += 1 if check == "truncated" else count
    for _ in range(2):
        row = quirks.row()
        quirks.images[f"again/{row[UUID_]}.webp"] = picture(9000, "WEBP")
        quirks.images[f"again/{row[UUID_]}.txt"] = b"a caption beside the picture"
        quirks.notes["several image files fit, first taken"] += 1
    for address in ("https://a.example.org/one.png", "https://b.example.org/one.png"):
        quirks.row(image=None)[URL] = address
    quirks.images["one.png"] = picture(8001)
    quirks.notes["one image file for several addresses"] += 1


def _broken_rows(quirks: Quirks) -> None:
    for row in quirks.many(4):
        row.append("one field too many")
        quirks.rejected["too many fields"] += 1
    for row in quirks.many(3):
        row.pop()
        quirks.rejected["too few fields"] += 1
    for _ in range(2):
        quirks.row()
        quirks.rows[-1] = 'id,address,"He said "stop" and left",safe,safe,safe,,,,'
        quirks.rejected["broken quoting"] += 1
    quirks.row()
    quirks.rows[-1] = 'id,address,"This quote is never closed,safe,safe,safe,,,,'
    quirks.rejected["broken quoting"] += 1
    quirks.row()
    quirks.rows[-1] = list(HEADER)
    quirks.rejected["header repeated"] += 1


def picture(n: int, kind: str = "PNG") -> bytes:
    """A small picture, another one for each number."""
    image = Image.new("RGB", (6, 6), (n % 256, n // 256 % 256, 90))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def noise(kind: str) -> bytes:
    """A picture that does not compress well, so that half of its file is half of the picture."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(buffer, kind)
    return buffer.getvalue()


def animated_gif() -> bytes:
    """A GIF of two frames."""
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def bomb_png(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of under 100 bytes that declares 3.6 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(64))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def csv_bytes(quirks: Quirks, *, line_end: str = "\r\n", encoding: str = "utf-8-sig") -> bytes:
    """The CSV: with a byte-order mark, CRLF, and blank lines in between."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(HEADER)
    for n, row in enumerate(quirks.rows):
        if isinstance(row, str):
            text.write(row + line_end)
        else:
            writer.writerow(row)
        if n % 250 == 100:
            blank = ("", "   ", "," * (len(HEADER) - 1))[n // 250 % 3]
            text.write(blank + line_end)
            quirks.notes["blank line"] += 1
    return text.getvalue().encode(encoding)


def write_quirks(folder: Path) -> dict[str, object]:
    """Write CSV and images into `folder`; returns what an import must report."""
    quirks = make_quirks()
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    (folder / "outside.png").write_bytes(picture(1))
    for name, data in quirks.images.items():
        path = images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "quirks.csv").write_bytes(csv_bytes(quirks))
    return quirks.expected


if __name__ == "__main__":
    print(json.dumps(write_quirks(Path(sys.argv[1])), indent=2, ensure_ascii=False))
