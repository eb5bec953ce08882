"""Draws the ten images of the page, one for each class of CIFAR-10.

`python explorer/cases/drawings.py` writes explorer/src/data/drawings.bin, uint8 [10, 32, 32, 3].
All of it is drawn here, with Pillow, eight times as large and then averaged: no photograph is
shipped.
"""

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

OUT = Path(__file__).parents[1] / "src" / "data" / "drawings.bin"
SIDE, SCALE = 32, 8
BIG = SIDE * SCALE


def main():
    images = [draw() for draw in DRAWINGS]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(b"".join(image.tobytes() for image in images))
    print(f"{OUT}: {len(images)} images")


def canvas(top, bottom, seed, grain=10):
    """A background from one colour to another, with some grain."""
    source = random.Random(seed)
    image = Image.new("RGB", (SIDE, SIDE))
    for y in range(SIDE):
        for x in range(SIDE):
            t = y / (SIDE - 1)
            noise = source.gauss(0, grain)
            image.putpixel(
                (x, y),
                tuple(
                    max(0, min(255, round(a + (b - a) * t + noise)))
                    for a, b in zip(top, bottom, strict=True)
                ),
            )
    image = image.resize((BIG, BIG), Image.Resampling.BICUBIC)
    return image, ImageDraw.Draw(image)


def finish(image):
    """Averages 8x8 pixels to one, a little soft as a small photograph is."""
    return image.filter(ImageFilter.GaussianBlur(3)).resize((SIDE, SIDE), Image.Resampling.BOX)


def points(*numbers):
    """Coordinates in pixels of the small image, scaled up."""
    return [(SCALE * x, SCALE * y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def box(x0, y0, x1, y1):
    return [SCALE * x0, SCALE * y0, SCALE * x1, SCALE * y1]


def airplane():
    image, pen = canvas((110, 160, 215), (190, 215, 240), 1, 4)
    body, shade = (232, 234, 238), (150, 158, 170)
    pen.ellipse(box(2, 14, 30, 19), fill=body)
    pen.polygon(points(24, 16, 30, 7, 31.5, 7, 29, 16), fill=(70, 90, 150))
    pen.polygon(points(13, 17, 20, 17, 25, 26, 22, 26), fill=shade)
    pen.polygon(points(14, 15, 19, 15, 22, 8, 20, 8), fill=(205, 210, 218))
    pen.polygon(points(25, 17, 29, 17, 31, 20, 29, 20), fill=shade)
    for x in range(6, 24, 2):
        pen.ellipse(box(x, 15.4, x + 0.9, 16.3), fill=(70, 80, 100))
    return finish(image)


def automobile():
    image, pen = canvas((175, 190, 200), (120, 120, 118), 2, 6)
    pen.rectangle(box(0, 21, 32, 32), fill=(112, 112, 114))
    red, dark = (196, 32, 36), (140, 20, 26)
    pen.polygon(points(8, 15, 11, 9, 22, 9, 26, 15), fill=red)
    pen.polygon(points(10, 15, 12, 10.5, 16, 10.5, 16, 15), fill=(50, 62, 78))
    pen.polygon(points(17, 15, 17, 10.5, 21, 10.5, 24, 15), fill=(50, 62, 78))
    pen.rounded_rectangle(box(2, 14.5, 30, 22.5), 22, fill=red)
    pen.rectangle(box(2.5, 19.5, 29.5, 22.5), fill=dark)
    pen.ellipse(box(3, 16, 5, 18), fill=(250, 240, 190))
    for x in (5.5, 20.5):
        pen.ellipse(box(x, 18.5, x + 6.5, 25), fill=(24, 24, 26))
        pen.ellipse(box(x + 2, 20.5, x + 4.5, 23), fill=(170, 172, 176))
    pen.line(points(3, 25.4, 29, 25.4), fill=(70, 70, 72), width=6)
    return finish(image)


def bird():
    image, pen = canvas((178, 200, 170), (150, 172, 140), 3, 8)
    pen.line(points(0, 27, 32, 25), fill=(104, 80, 56), width=16)
    blue, light = (70, 96, 140), (200, 130, 80)
    pen.ellipse(box(8, 10, 22, 24), fill=blue)
    pen.ellipse(box(8, 14, 17, 24), fill=light)
    pen.ellipse(box(5, 5, 14, 14), fill=blue)
    pen.polygon(points(6, 8.6, 6, 11, 1.5, 10.2), fill=(232, 166, 48))
    pen.ellipse(box(7.4, 7.6, 9.4, 9.6), fill=(16, 14, 14))
    pen.polygon(points(17, 14, 28, 22, 30, 25, 19, 22), fill=(44, 60, 92))
    pen.polygon(points(13, 12, 21, 14, 23, 21, 15, 19), fill=(52, 72, 110))
    for x in (13, 16):
        pen.line(points(x, 23, x, 26.5), fill=(200, 140, 60), width=6)
    return finish(image)


def cat():
    image, pen = canvas((196, 178, 156), (168, 148, 126), 4, 8)
    fur, dark = (130, 106, 82), (70, 54, 40)
    pen.ellipse(box(5, 20, 27, 38), fill=fur)
    pen.polygon(points(6, 13, 7.5, 2, 15, 8), fill=dark)
    pen.polygon(points(26, 13, 24.5, 2, 17, 8), fill=dark)
    pen.polygon(points(8, 10, 8.6, 4.5, 12.5, 8), fill=(206, 160, 150))
    pen.polygon(points(24, 10, 23.4, 4.5, 19.5, 8), fill=(206, 160, 150))
    pen.ellipse(box(5, 6, 27, 25), fill=fur)
    for x in (12, 16, 20):
        pen.line(points(x, 6.5, 16 + (x - 16) * 0.6, 11), fill=dark, width=8)
    for y in (14, 17, 20):
        pen.line(points(5.5, y, 9, y + 0.5), fill=dark, width=6)
        pen.line(points(26.5, y, 23, y + 0.5), fill=dark, width=6)
    pen.ellipse(box(11, 17, 21, 24), fill=(226, 218, 208))
    for x in (9.2, 18.6):
        pen.ellipse(box(x, 12.5, x + 4.4, 16.5), fill=(176, 190, 96))
        pen.ellipse(box(x + 1.5, 12.5, x + 2.9, 16.5), fill=(14, 14, 14))
    pen.polygon(points(14.6, 18, 17.4, 18, 16, 19.8), fill=(190, 110, 110))
    return finish(image)


def deer():
    image, pen = canvas((112, 128, 84), (98, 112, 62), 5, 12)
    fur, dark = (150, 106, 68), (104, 70, 44)
    pen.ellipse(box(8, 14, 26, 22), fill=fur)
    for x in (10, 13, 21.5, 24):
        pen.line(points(x, 20, x - 0.4, 30), fill=dark, width=11)
    pen.polygon(points(8, 18, 12, 16, 9, 7, 6, 8), fill=fur)
    pen.ellipse(box(2.5, 5, 10, 10.5), fill=fur)
    pen.ellipse(box(2, 7.5, 4.4, 9.6), fill=(40, 30, 24))
    pen.ellipse(box(5.4, 6.4, 6.6, 7.6), fill=(16, 12, 10))
    pen.polygon(points(9, 6.4, 12.5, 4.4, 10, 8), fill=dark)
    left, right = (7, 5, 5, 1, 2.5, 0), (8.4, 5, 9.6, 1, 12.4, 0)
    for line in (left, (5.6, 2.4, 7, 0), right, (9.2, 2.4, 7.8, 0)):
        pen.line(points(*line), fill=(206, 186, 150), width=7)
    pen.ellipse(box(24.5, 14.5, 27.5, 18), fill=(236, 228, 214))
    return finish(image)


def dog():
    image, pen = canvas((150, 170, 140), (122, 148, 96), 6, 8)
    fur, ear = (204, 162, 104), (122, 82, 46)
    pen.ellipse(box(5, 20, 27, 40), fill=fur)
    pen.ellipse(box(6, 4, 26, 24), fill=fur)
    pen.ellipse(box(2.5, 6, 9.5, 20), fill=ear)
    pen.ellipse(box(22.5, 6, 29.5, 20), fill=ear)
    pen.ellipse(box(10, 13, 22, 25), fill=(238, 222, 196))
    pen.ellipse(box(13.4, 14, 18.6, 18), fill=(24, 20, 20))
    for x in (10.2, 18.8):
        pen.ellipse(box(x, 9.5, x + 3, 12.5), fill=(36, 24, 18))
    pen.line(points(16, 18, 16, 20.4), fill=(40, 30, 28), width=5)
    pen.ellipse(box(14, 20.4, 18, 25), fill=(216, 110, 116))
    return finish(image)


def frog():
    image, pen = canvas((96, 78, 54), (74, 60, 42), 7, 12)
    green, dark = (104, 150, 52), (62, 98, 34)
    pen.ellipse(box(2, 18, 12, 29), fill=dark)
    pen.ellipse(box(20, 18, 30, 29), fill=dark)
    pen.ellipse(box(5, 9, 27, 28), fill=green)
    pen.ellipse(box(8, 18, 24, 28.4), fill=(206, 206, 132))
    for x in (6, 19):
        pen.ellipse(box(x, 4.5, x + 7, 12), fill=green)
        pen.ellipse(box(x + 1.4, 5.6, x + 5.6, 10), fill=(226, 188, 60))
        pen.ellipse(box(x + 2.6, 6.8, x + 4.6, 8.8), fill=(14, 14, 10))
    pen.arc(box(8, 8, 24, 20), 20, 160, fill=dark, width=7)
    for x, y in ((10, 13.5), (21, 13.5), (16, 11)):
        pen.ellipse(box(x, y, x + 1.6, y + 1.6), fill=dark)
    return finish(image)


def horse():
    image, pen = canvas((170, 196, 222), (126, 150, 84), 8, 8)
    pen.rectangle(box(0, 20, 32, 32), fill=(116, 142, 74))
    fur, dark = (118, 66, 36), (56, 32, 22)
    pen.ellipse(box(9, 11, 27, 21), fill=fur)
    for x in (11.5, 14.5, 22.5, 25):
        pen.line(points(x, 18, x, 29.5), fill=fur, width=14)
        pen.line(points(x, 27.5, x, 29.5), fill=dark, width=15)
    pen.polygon(points(9, 18, 15, 12, 9.5, 4, 5.5, 6), fill=fur)
    pen.polygon(points(9.5, 3, 5, 6, 1, 11.5, 3.4, 13.4, 9, 10), fill=fur)
    pen.polygon(points(9, 2.5, 11.5, 4.4, 16.5, 12, 13, 13, 9.5, 6), fill=dark)
    pen.polygon(points(26, 13, 30, 17, 29, 25, 27, 18), fill=dark)
    pen.ellipse(box(5.6, 6, 6.8, 7.2), fill=(12, 10, 10))
    return finish(image)


def ship():
    image, pen = canvas((156, 186, 214), (196, 212, 224), 9, 4)
    pen.rectangle(box(0, 21, 32, 32), fill=(46, 84, 122))
    for y in (23, 26, 29):
        pen.line(points(0, y, 32, y + 0.6), fill=(78, 116, 152), width=4)
    pen.polygon(points(1, 15, 31, 15, 27, 24, 5, 24), fill=(44, 48, 60))
    pen.polygon(points(4, 21.6, 28.2, 21.6, 27, 24, 5, 24), fill=(150, 40, 38))
    pen.rectangle(box(9, 10, 25, 15), fill=(236, 236, 232))
    pen.rectangle(box(12, 6.6, 20, 10), fill=(224, 224, 220))
    for x in range(10, 25, 2):
        pen.rectangle(box(x, 11.6, x + 1, 12.8), fill=(70, 86, 106))
    pen.rectangle(box(17, 2.4, 20, 7), fill=(200, 70, 44))
    pen.line(points(14, 6.6, 14, 1), fill=(90, 90, 94), width=5)
    return finish(image)


def truck():
    image, pen = canvas((186, 200, 212), (150, 152, 150), 10, 6)
    pen.rectangle(box(0, 23, 32, 32), fill=(108, 108, 110))
    pen.rectangle(box(1, 6, 21, 22), fill=(226, 224, 216))
    pen.rectangle(box(1, 19.6, 21, 22), fill=(150, 150, 150))
    pen.polygon(points(22, 10, 27.5, 10, 30.6, 16, 30.6, 23, 22, 23), fill=(40, 84, 160))
    pen.polygon(points(23.4, 11.2, 27, 11.2, 29.2, 15.6, 23.4, 15.6), fill=(178, 204, 220))
    pen.rectangle(box(1, 22, 31, 24), fill=(52, 52, 56))
    for x in (3, 9, 23.5):
        pen.ellipse(box(x, 21, x + 6, 27), fill=(20, 20, 22))
        pen.ellipse(box(x + 2, 23, x + 4, 25), fill=(150, 150, 154))
    for x in range(4, 20, 3):
        pen.line(points(x, 6, x, 19.6), fill=(204, 202, 194), width=3)
    return finish(image)


DRAWINGS = (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck)


if __name__ == "__main__":
    main()
