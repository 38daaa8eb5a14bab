"""The image side of baseline/late-fusion: pixels, writing, scores, tags."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from vlsu.models.baseline import ImageGrader, TextGrader
from vlsu.models.baseline.image import grade_nsfw, grade_tag
from vlsu.models.baseline.ocr import Box, TextReader, lines_of, regions
from vlsu.models.baseline.pixels import MAX_SIDE, decode
from vlsu.models.baseline.tags import Tag
from vlsu.policy import Severity


@pytest.fixture(scope="session")
def grader() -> ImageGrader:
    return ImageGrader(TextGrader())


@pytest.fixture(scope="session")
def reader() -> TextReader:
    return TextReader()


def poster(*lines: str, ink: str = "black", paper: str = "white") -> Image.Image:
    image = Image.new("RGB", (480, 60 + 50 * len(lines)), paper)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((24, 30 + 50 * row), line, fill=ink, font=ImageFont.load_default(30))
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def scenery() -> Image.Image:
    """A blue sky that pales above a green field."""
    sky = np.linspace((90, 150, 240), (220, 235, 255), 160)[:, None].repeat(320, axis=1)
    field = np.full((80, 320, 3), (70, 140, 60))
    return Image.fromarray(np.concatenate([sky, field]).astype(np.uint8))


# Pixels


def test_transparency_becomes_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode(png(clear)).getpixel((0, 0)) == (255, 255, 255)


def test_a_photo_is_turned_upright():
    tags = Image.Exif()
    tags[0x0112] = 6  # the camera was held sideways
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, format="JPEG", exif=tags)
    assert decode(buffer.getvalue()).size == (20, 40)


def test_a_large_image_is_scaled_down():
    assert decode(png(Image.new("L", (4 * MAX_SIDE, 40)))).size == (MAX_SIDE, 10)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", png(scenery())[:400]])
def test_what_is_no_image_is_said_to_be_none(data):
    with pytest.raises(ValueError, match="image cannot be decoded"):
        decode(data)


# Writing


@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("yellow", "navy")])
def test_a_poster_is_read_with_its_spaces_and_lines(reader, ink, paper):
    image = poster("Summer street party", "Music, cake and games", ink=ink, paper=paper)
    assert reader.read(image) == "Summer street party\nMusic, cake and games"


def test_lines_are_read_together_as_each_alone(reader):
    """Their steps are classified some at a time, wherever a line ends."""
    lines = ["Open all night", "Book a table", "No dogs today", "Feed the ducks", "Ring twice"]
    assert reader.read(poster(*lines)).split("\n") == lines
    assert [reader.read(poster(line)) for line in lines] == lines


@given(length=st.integers(1, 12), data=st.data())
def test_steps_become_text_as_their_probabilities_say(reader, length, data):
    """By the whole softmax of each line, one line at a time."""
    classes = st.sampled_from([0, 1, 40, 41, 42])
    sizes = data.draw(st.lists(st.integers(1, length), min_size=1, max_size=30))
    scores = []
    for size in sizes:
        line = np.zeros((size, 60), np.float32)
        line[np.arange(size), data.draw(st.lists(classes, min_size=size, max_size=size))] = (
            data.draw(st.sampled_from([3.0, 4.4, 4.6, 9.0]))
        )
        scores.append(line)

    class Given:
        def run(self, outputs, inputs):
            return [inputs["x"]]

    def alone(line):
        shares = np.exp(line) / np.exp(line).sum(axis=1, keepdims=True)
        best = [int(step.argmax()) for step in line]
        kept = [i for i, each in enumerate(best) if each and (i == 0 or best[i - 1] != each)]
        if not kept or np.mean([shares[i, best[i]] for i in kept]) < 0.6:
            return ""
        return "".join(reader._characters[best[i]] for i in kept).strip()

    whole, reader._classifier = reader._classifier, Given()
    try:
        assert reader._recognise(scores) == [alone(line) for line in scores]
    finally:
        reader._classifier = whole


def test_a_picture_without_writing_reads_as_nothing(reader):
    assert reader.read(scenery()) == ""


def test_regions_are_the_connected_areas_that_are_sure_enough():
    probabilities = np.zeros((40, 60), dtype=np.float32)
    probabilities[5:15, 5:50] = 0.9
    probabilities[15:20, 40:50] = 0.9  # hangs on the first
    probabilities[30:38, 10:20] = 0.9
    probabilities[30:38, 30:40] = 0.4  # seen, but not sure enough
    probabilities[25:27, 50:52] = 0.9  # too small for writing
    assert regions(probabilities) == [Box(5, 5, 50, 20), Box(10, 30, 20, 38)]


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_regions_agree_with_scipy(mask):
    labels, _ = ndimage.label(mask)
    expected = sorted(
        (columns.start, rows.start, columns.stop, rows.stop)
        for rows, columns in ndimage.find_objects(labels)
        if min(rows.stop - rows.start, columns.stop - columns.start) >= 3
    )
    found = regions(mask.astype(np.float32))
    assert sorted((box.left, box.top, box.right, box.bottom) for box in found) == expected


def test_reading_order_is_lines_down_then_words_across():
    title, left, right, footer = (
        Box(30, 0, 90, 20),
        Box(5, 32, 40, 50),
        Box(50, 30, 90, 48),
        Box(5, 60, 90, 80),
    )
    assert lines_of([footer, right, left, title]) == [[title], [left, right], [footer]]


# Grades


def test_an_everyday_picture_is_safe(grader):
    (grade,) = grader.grade([png(scenery())])
    assert grade.severity is Severity.SAFE
    assert grade.category is None
    assert "no ocr text" in grade.evidence


def test_writing_in_an_image_is_graded_for_what_it_says(grader):
    kind, cruel = grader.grade(
        [
            png(poster("Fresh bread", "every morning")),
            png(poster("Join our terror cell", "and blow up", "the station")),
        ]
    )
    assert kind.severity is Severity.SAFE
    assert (cruel.severity, cruel.category) == (Severity.UNSAFE, "C12")
    assert "station" not in cruel.evidence


def test_an_image_has_one_grade_in_any_company(grader):
    images = [png(scenery()), png(poster("Nobody would miss you"))]
    assert grader.grade(images) == grader.grade(images[::-1])[::-1]


@pytest.mark.parametrize(
    ("score", "severity", "category"),
    [
        (0.49, Severity.SAFE, None),
        (0.5, Severity.BORDERLINE, "C7"),
        (0.8, Severity.UNSAFE, "C6"),
    ],
)
def test_nsfw_thresholds(score, severity, category):
    grade = grade_nsfw(score)
    assert (grade.severity, grade.category, grade.p_unsafe) == (severity, category, score)


def test_an_object_alone_is_never_unsafe():
    sure, unsure = grade_tag(Tag("rifle", "C10", 0.99)), grade_tag(Tag("rifle", "C10", 0.2))
    assert (sure.severity, sure.category) == (Severity.BORDERLINE, "C10")
    assert sure.p_unsafe < 0.5
    assert (unsure.severity, unsure.category) == (Severity.SAFE, None)
