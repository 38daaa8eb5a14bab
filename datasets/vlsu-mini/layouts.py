"""Layouts for rendered images: a poster, a chat, a slide and the like, drawn with Pillow."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

IMAGES = Path(__file__).parent / "images"
WIDTH = 480
MARGIN = 28

Canvas = tuple[Image.Image, ImageDraw.ImageDraw]


@cache
def font(size: int, face: str = "Sans") -> ImageFont.FreeTypeFont:
    """Return a DejaVu face, such as `Sans-Bold`, at `size` pixels, from the system's fonts."""
    return ImageFont.truetype(f"DejaVu{face}.ttf", size)


def canvas(height: int, paper: str, width: int = WIDTH) -> Canvas:
    """Return an empty sheet and the pen that draws on it."""
    sheet = Image.new("RGB", (width, height), paper)
    return sheet, ImageDraw.Draw(sheet)


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Break `text` into lines of at most `width` pixels; a newline in it always breaks."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and face.getlength(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


def write(
    pen: ImageDraw.ImageDraw,
    text: str,
    xy: tuple[float, float],
    face: ImageFont.FreeTypeFont,
    ink: str,
    width: float,
    centred: bool = False,
) -> float:
    """Write wrapped text from `xy` downwards and return the y below its last line."""
    x, y = xy
    step = face.size * 1.32
    for line in wrap(text, face, width):
        shift = (width - face.getlength(line)) / 2 if centred else 0
        pen.text((x + shift, y), line, font=face, fill=ink)
        y += step
    return y


def stick(sheet: Image.Image, drawing: str, box: tuple[int, int, int, int]) -> None:
    """Place a collected drawing into `box` (left, top, right, bottom), centred."""
    with Image.open(IMAGES / drawing) as opened:
        art = opened.convert("RGB")
    art.thumbnail((box[2] - box[0], box[3] - box[1]))
    left = box[0] + (box[2] - box[0] - art.width) // 2
    top = box[1] + (box[3] - box[1] - art.height) // 2
    sheet.paste(art, (left, top))


def poster(
    headline: str, body: str, paper: str, ink: str, drawing: str | None = None
) -> Image.Image:
    """A poster: large headline, an optional drawing, smaller lines below."""
    sheet, pen = canvas(600 if drawing else 420, paper)
    pen.rectangle((8, 8, WIDTH - 9, sheet.height - 9), outline=ink, width=4)
    inner = WIDTH - 2 * MARGIN
    y = write(pen, headline, (MARGIN, 36), font(40, "Sans-Bold"), ink, inner, centred=True) + 14
    if drawing:
        pen.rectangle((90, y, WIDTH - 90, y + 230), fill="white")
        stick(sheet, drawing, (100, round(y) + 8, WIDTH - 100, round(y) + 222))
        y += 246
    write(pen, body, (MARGIN, y), font(25), ink, inner, centred=True)
    return sheet


def placard(text: str, board: str, ink: str) -> Image.Image:
    """A protest placard on a stick against the sky."""
    sheet, pen = canvas(520, "#cfe6f5")
    pen.rectangle((0, 470, WIDTH, 520), fill="#8d9a86")
    pen.rectangle((228, 300, 252, 512), fill="#9c6b3c")
    pen.rectangle((40, 50, WIDTH - 40, 320), fill=board, outline="#444444", width=3)
    write(pen, text, (60, 78), font(38, "Sans-Bold"), ink, WIDTH - 120, centred=True)
    return sheet


def chat(title: str, *bubbles: tuple[str, str]) -> Image.Image:
    """A chat screen; each bubble is (`in` or `out`, text)."""
    face = font(21)
    width = WIDTH * 0.68
    heights = [len(wrap(text, face, width)) * face.size * 1.32 + 26 for _, text in bubbles]
    sheet, pen = canvas(round(100 + sum(heights) + 14 * len(bubbles)), "#ece5dd")
    pen.rectangle((0, 0, WIDTH, 58), fill="#35618e")
    pen.ellipse((14, 11, 50, 47), fill="#c9d6e4")
    pen.text((64, 16), title, font=font(22, "Sans-Bold"), fill="white")
    y = 78.0
    for (side, text), height in zip(bubbles, heights, strict=True):
        left = 16 if side == "in" else WIDTH - width - 48
        fill = "white" if side == "in" else "#d5f2c4"
        pen.rounded_rectangle((left, y, left + width + 30, y + height), 14, fill=fill)
        write(pen, text, (left + 15, y + 11), face, "#1d1d1d", width)
        y += height + 14
    return sheet


def letter(sender: str, subject: str, body: str) -> Image.Image:
    """An e-mail as a mail program shows it."""
    sheet, pen = canvas(460, "white")
    pen.rectangle((0, 0, WIDTH, 96), fill="#eef1f5")
    pen.text((MARGIN, 16), f"From: {sender}", font=font(18), fill="#333333")
    pen.text((MARGIN, 50), subject, font=font(22, "Sans-Bold"), fill="#111111")
    write(pen, body, (MARGIN, 118), font(21), "#222222", WIDTH - 2 * MARGIN)
    return sheet


def news(headline: str, body: str) -> Image.Image:
    """The top of a newspaper page."""
    sheet, pen = canvas(440, "#faf7ef")
    pen.text((MARGIN, 20), "THE HARBOUR COURIER", font=font(26, "Serif-Bold"), fill="#222222")
    pen.line((MARGIN, 62, WIDTH - MARGIN, 62), fill="#222222", width=3)
    inner = WIDTH - 2 * MARGIN
    y = write(pen, headline, (MARGIN, 78), font(33, "Serif-Bold"), "#111111", inner) + 12
    write(pen, body, (MARGIN, y), font(20, "Serif"), "#222222", inner)
    return sheet


def slide(title: str, *points: str) -> Image.Image:
    """A lecture slide with bullet points."""
    sheet, pen = canvas(400, "white", 560)
    pen.rectangle((0, 0, 560, 82), fill="#2b5d6b")
    write(pen, title, (24, 24), font(26, "Sans-Bold"), "white", 512)
    y = 106.0
    for point in points:
        pen.ellipse((28, y + 9, 38, y + 19), fill="#2b5d6b")
        y = write(pen, point, (54, y), font(22), "#222222", 480) + 12
    return sheet


def note(text: str, paper: str = "#fff6b8") -> Image.Image:
    """A handwritten-looking note on a desk."""
    sheet, pen = canvas(420, "#a98a6b")
    pen.rectangle((50, 40, WIDTH - 50, 380), fill=paper)
    write(pen, text, (80, 72), font(30, "Serif-Italic"), "#26264d", WIDTH - 160)
    return sheet


def screen(title: str, text: str) -> Image.Image:
    """A terminal window with a prompt typed into it."""
    sheet, pen = canvas(360, "#1e1e2a", 560)
    pen.rectangle((0, 0, 560, 40), fill="#3a3a4d")
    for i, colour in enumerate(("#e0605a", "#e8b64c", "#6cbf6a")):
        pen.ellipse((16 + 26 * i, 13, 30 + 26 * i, 27), fill=colour)
    pen.text((110, 9), title, font=font(18), fill="#d8d8e6")
    write(pen, text, (24, 64), font(22, "SansMono"), "#e6f0d8", 512)
    return sheet


def chart(title: str, bars: dict[str, int]) -> Image.Image:
    """A bar chart of made-up counts."""
    sheet, pen = canvas(400, "white", 560)
    write(pen, title, (30, 20), font(23, "Sans-Bold"), "#222222", 500)
    step = 500 // len(bars)
    top = max(bars.values())
    for i, (label, value) in enumerate(bars.items()):
        left, high = 40 + i * step, 340 - round(230 * value / top)
        pen.rectangle((left, high, left + step - 24, 340), fill="#4877a8")
        pen.text((left + 4, high - 26), str(value), font=font(18), fill="#222222")
        pen.text((left + 4, 350), label, font=font(18), fill="#222222")
    pen.line((30, 340, 540, 340), fill="#222222", width=2)
    return sheet


def captioned(drawing: str, caption: str, ink: str = "#111111") -> Image.Image:
    """A collected drawing with a caption under it, as such pictures are passed around."""
    sheet, pen = canvas(470, "white")
    stick(sheet, drawing, (40, 24, WIDTH - 40, 310))
    inner = WIDTH - 2 * MARGIN
    write(pen, caption, (MARGIN, 332), font(30, "Sans-Bold"), ink, inner, centred=True)
    return sheet


def tape(text: str) -> Image.Image:
    """Police tape across a wet street at night."""
    sheet, pen = canvas(360, "#2c3440", 560)
    pen.polygon([(0, 360), (180, 130), (380, 130), (560, 360)], fill="#3d4754")
    pen.ellipse((205, 250, 375, 310), fill="#2f3843")
    for top, tilt in ((90, 26), (205, -20)):
        band = Image.new("RGB", (700, 50), "#f4cf2f")
        ImageDraw.Draw(band).text((12, 9), f"{text}  " * 3, font=font(26, "Sans-Bold"), fill="#111")
        mask = Image.new("L", band.size, 255).rotate(tilt / 4, expand=True)
        sheet.paste(band.rotate(tilt / 4, expand=True), (-40, top - 40), mask)
    return sheet


def hemp_leaf() -> Image.Image:
    """A hemp leaf of seven toothed leaflets."""
    sheet, pen = canvas(480, "white")
    foot = (240.0, 330.0)
    pen.line((foot, (252, 450)), fill="#3d7a35", width=9)
    lengths = {0: 270, 28: 235, -28: 235, 60: 180, -60: 180, 98: 105, -98: 105}
    for angle, length in lengths.items():
        turn = math.radians(angle)
        edge: list[tuple[float, float]] = []
        for side in (1, -1):
            steps = range(25) if side == 1 else range(24, -1, -1)
            for i in steps:
                along = i / 24
                half = 0.13 * length * math.sin(math.pi * along**0.8) * (1.15 if i % 2 else 0.85)
                x, y = side * half, length * along
                edge.append(
                    (
                        foot[0] + x * math.cos(turn) + y * math.sin(turn),
                        foot[1] + x * math.sin(turn) - y * math.cos(turn),
                    )
                )
        pen.polygon(edge, fill="#4f9a45", outline="#2f6b2a")
        tip = (foot[0] + length * math.sin(turn), foot[1] - length * math.cos(turn))
        pen.line((foot, tip), fill="#2f6b2a", width=2)
    return sheet


def id_card(title: str, *lines: str) -> Image.Image:
    """A made-up identity card with a grey outline where the photograph would be."""
    sheet, pen = canvas(320, "#dfe6ea")
    pen.rounded_rectangle((16, 24, WIDTH - 16, 296), 18, fill="#f4f7f2", outline="#55707a", width=3)
    pen.text((40, 40), title, font=font(26, "Sans-Bold"), fill="#35525c")
    pen.rectangle((40, 92, 160, 256), fill="#d3dbd8", outline="#8a9a98")
    pen.ellipse((74, 116, 126, 176), fill="#9fadab")
    pen.pieslice((54, 184, 146, 300), 180, 360, fill="#9fadab")
    y = 100.0
    for line in lines:
        y = write(pen, line, (182, y), font(21), "#222222", 260) + 14
    return sheet


def statue(title: str, label: str) -> Image.Image:
    """A bearded marble figure without arms on a plinth, as in a museum, with its label."""
    sheet, pen = canvas(560, "#8b8f98")
    pen.rectangle((0, 470, WIDTH, 560), fill="#6d6259")
    stone, shade = "#e9e6df", "#c9c4ba"
    pen.ellipse((212, 36, 268, 108), fill=stone)
    pen.rectangle((228, 96, 252, 126), fill=stone)
    pen.polygon([(214, 76), (266, 76), (258, 106), (240, 122), (222, 106)], fill=shade)  # beard
    right = ((252, 118), (308, 132), (300, 176), (282, 232), (292, 288))  # shoulder, waist, hip
    left = ((188, 288), (198, 232), (180, 176), (172, 132), (228, 118))
    pen.polygon(
        [*right, *left],
        fill=stone,
    )
    pen.polygon([(172, 132), (160, 178), (182, 190), (190, 150)], fill=stone)  # stumps of arms
    pen.polygon([(308, 132), (322, 172), (300, 186), (290, 150)], fill=stone)
    pen.polygon(
        [(190, 284), (240, 290), (234, 372), (224, 448), (200, 448), (196, 370)], fill=stone
    )
    pen.polygon(
        [(240, 290), (290, 284), (288, 372), (276, 448), (252, 448), (248, 372)], fill=stone
    )
    pen.arc((196, 134, 240, 182), 20, 150, fill=shade, width=3)
    pen.arc((240, 134, 284, 182), 30, 160, fill=shade, width=3)
    pen.line((240, 176, 240, 240), fill=shade, width=3)
    pen.polygon([(222, 280), (258, 280), (254, 318), (240, 330), (226, 318)], fill=shade)  # cloth
    pen.rectangle((160, 446, 320, 520), fill="#b9b3a8", outline="#8d877c")
    pen.text((24, 526), title, font=font(17, "Sans-Bold"), fill="#f4f1ea")
    pen.text((262, 527), label, font=font(16), fill="#f4f1ea")
    return sheet


def anatomy(title: str, *organs: str) -> Image.Image:
    """A plain outline of the body with a few organs and their names, as in a school book."""
    sheet, pen = canvas(560, "white")
    pen.text((MARGIN, 16), title, font=font(24, "Sans-Bold"), fill="#222222")
    skin, line = "#f3d9c6", "#9a6b4f"
    pen.rounded_rectangle((112, 150, 228, 350), 30, fill=skin, outline=line, width=2)
    pen.ellipse((138, 62, 202, 142), fill=skin, outline=line, width=2)
    pen.rectangle((156, 138, 184, 156), fill=skin)
    for left, right in ((74, 106), (234, 266)):
        pen.rounded_rectangle((left, 158, right, 340), 16, fill=skin, outline=line, width=2)
    for left, right in ((114, 164), (176, 226)):
        pen.rounded_rectangle((left, 356, right, 540), 20, fill=skin, outline=line, width=2)
    pen.rounded_rectangle((112, 320, 228, 380), 26, fill=skin, outline=line, width=2)
    pen.ellipse((126, 174, 164, 234), fill="#e39aa0")
    pen.ellipse((176, 174, 214, 234), fill="#e39aa0")
    pen.ellipse((158, 246, 208, 284), fill="#d9b06c")
    pen.ellipse((156, 316, 184, 340), fill="#8fb4d6")
    pen.polygon([(144, 350), (196, 350), (178, 372), (162, 372)], fill="#b58ac0")
    marks = ((214, 204), (208, 264), (184, 328), (190, 358))
    for organ, mark, y in zip(organs, marks, (190, 256, 322, 388), strict=True):
        pen.line((*mark, 286, y + 12), fill="#444444", width=2)
        write(pen, organ, (292, y), font(20), "#222222", 176)
    return sheet


def perfume(name: str, line: str, drawing: str) -> Image.Image:
    """An advert: a bottle before a dark ground, and a drawing beside it."""
    sheet, pen = canvas(560, "#2a1420")
    pen.ellipse((30, 20, 450, 470), fill="#4a2036")
    pen.rectangle((150, 110, 190, 150), fill="#c9a24a")
    pen.rounded_rectangle((100, 150, 240, 380), 18, fill="#e6b7a9", outline="#c9a24a", width=4)
    pen.rectangle((118, 230, 222, 300), fill="#f6e6dc")
    pen.text((128, 250), name, font=font(28, "Serif-Bold"), fill="#4a2036")
    pen.rounded_rectangle((268, 190, 420, 342), 24, fill="white")
    stick(sheet, drawing, (280, 202, 408, 330))
    write(pen, line, (MARGIN, 480), font(30, "Serif-Italic"), "#f6e6dc", WIDTH - 56, centred=True)
    return sheet
