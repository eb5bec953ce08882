"""The pictures show what they were given, crisply, and no two texts ever overlap."""

import io
import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from report_case import NAMES, make_images, make_results, make_rows

from jaxconv.report import figures, measures, style

LONG = tuple(f"WWWW {name} with a $name_{{ that & goes on <and on>" for name in NAMES)
TITLE = "Something about shapes10"


def draw_all(names=NAMES, *, epochs=3, wrong=30):
    """Every figure that stands in a run directory, by name."""
    r, rows = make_results(names=names, wrong=wrong), make_rows(epochs)
    outputs = r.probabilities.argmax(axis=1)
    named = [(name, image) for name, image in zip(names, r.train_images, strict=False)]
    return {
        "samples": figures.samples(r.train_images, r.train_labels, names, title=TITLE),
        "augmentations": figures.augmentations(named[:7], title=TITLE),
        "misclassified": figures.misclassified(
            r.test_images, r.test_labels, outputs, names, title=TITLE
        ),
        "curves": figures.curves(rows, title=TITLE),
        "schedule": figures.schedule(rows, title=TITLE),
        "confusion_matrix": figures.confusion_matrix(r.matrix, names, title=TITLE),
        "calibration": figures.calibration(r.probabilities, r.test_labels, title=TITLE),
    }


CASES = {
    "usual": draw_all,
    "one epoch": lambda: draw_all(epochs=1),
    "no epoch": lambda: draw_all(epochs=0),
    "many epochs": lambda: draw_all(epochs=300),
    "long names": lambda: draw_all(LONG),
    "other scripts": lambda: draw_all(tuple(f"\u8239\U0001f6a2\n\x1b {name}" for name in NAMES)),
    "many classes": lambda: draw_all(tuple(f"class {n}" for n in range(60)), epochs=1),
    "three mistakes": lambda: draw_all(LONG, wrong=3),
    "no mistake": lambda: draw_all(wrong=0),
    "all wrong": lambda: draw_all(wrong=200),
}


@pytest.fixture
def texts_of(monkeypatch):
    """Draws a figure and returns each text that appeared, with its box in pixels.

    Slanted texts are left out: the upright boxes around them overlap where the letters do not.
    """
    drawn, draw = [], Text.draw

    def spy(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip() and text.get_rotation() % 90 == 0:
            drawn.append((text.get_text(), text.get_window_extent(renderer)))
        return draw(text, renderer, *args, **kwargs)

    def texts_of(figure):
        drawn.clear()
        figure.canvas.draw()
        return list(drawn)

    monkeypatch.setattr(Text, "draw", spy)
    return texts_of


@pytest.mark.parametrize("case", CASES)
def test_titles_name_the_data_and_no_texts_overlap_or_leave_the_figure(case, texts_of):
    for name, figure in CASES[case]().items():
        texts = texts_of(figure)
        assert TITLE in dict(texts)
        for (one, a), (other, b) in itertools.combinations(texts, 2):
            assert not a.padded(-1).overlaps(b.padded(-1)), f"{name}: {one!r} over {other!r}"
        for text, box in texts:
            visible = Bbox.intersection(box, figure.bbox.padded(1))
            np.testing.assert_array_equal(visible, box, f"{name}: {text!r} is cut off")


def tiles_of(figure: Figure) -> list[tuple[str, np.ndarray]]:
    return [
        (axes.get_title(), axes.images[0].get_array().data) for axes in figure.axes if axes.images
    ]


def test_samples_are_labelled_images_two_of_each_class():
    images, labels = make_images(100), np.random.default_rng(0).permutation(np.arange(100) % 10)
    tiles = tiles_of(figures.samples(images, labels, NAMES, title=TITLE))
    assert [name for name, _ in tiles] == [*NAMES, *NAMES]
    for position, (_, tile) in enumerate(tiles):
        index = np.flatnonzero(labels == position % 10)[position // 10]
        np.testing.assert_array_equal(tile, images[index])


def test_augmentations_keep_name_and_image_together():
    named = [(f"Transform{i}", image) for i, image in enumerate(make_images(6))]
    for (name, image), (shown, tile) in zip(
        named, tiles_of(figures.augmentations(named, title=TITLE)), strict=True
    ):
        assert name == shown
        np.testing.assert_array_equal(image, tile)
    assert tiles_of(figures.augmentations([], title=TITLE)) == []


@pytest.mark.parametrize("mistakes", [0, 1, 3, 10, 25])
def test_misclassified_shows_the_first_ten_mistakes_as_the_document_does(mistakes):
    images, labels = make_images(40), np.arange(40) % 10
    wrong = np.random.default_rng(mistakes).permutation(40)[:mistakes]
    outputs = labels.copy()
    outputs[wrong] = (labels[wrong] + 3) % 10
    figure = figures.misclassified(images, labels, outputs, NAMES, title=TITLE)
    shown = sorted(wrong)[:10]
    tiles = tiles_of(figure)
    assert [caption for caption, _ in tiles] == [
        f"Correct: {NAMES[labels[i]]}\nOutput: {NAMES[outputs[i]]}" for i in shown
    ]
    for index, (_, tile) in zip(shown, tiles, strict=True):
        np.testing.assert_array_equal(tile, images[index])
    if not mistakes:
        assert "All 40 predictions are right." in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("epochs", [1, 7])
def test_curves_draw_the_rows(epochs):
    rows = make_rows(epochs)
    figure = figures.curves(rows, title=TITLE)
    for kind, axes in zip(("loss", "accuracy"), figure.axes, strict=True):
        for field, line in zip((f"train_{kind}", f"test_{kind}"), axes.lines[::2], strict=True):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, epochs + 1))
            np.testing.assert_array_equal(line.get_ydata(), [row[field] for row in rows])
        names = [text.get_text().split()[0] for text in axes.get_legend().get_texts()]
        assert names == ["training", "test"]
        assert len({line.get_linestyle() for line in axes.lines[::2]}) == 2
        assert all(tick == round(tick) for tick in axes.get_xticks())
    for field, axes in zip(
        ("lr", "momentum"), figures.schedule(rows, title=TITLE).axes, strict=True
    ):
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), [row[field] for row in rows])


def test_one_epoch_leaves_a_visible_mark():
    marked = np.asarray(to_image(figures.curve(make_rows(1), "accuracy")))
    vermilion = np.abs(marked[..., :3].astype(int) - [0xD5, 0x5E, 0x00]).sum(axis=-1) < 30
    assert vermilion.sum() > 20


def test_confusion_matrix_writes_each_count_in_its_cell():
    matrix = np.arange(16).reshape(4, 4) * 7
    axes = figures.confusion_matrix(matrix, NAMES[:4], title=TITLE).axes[0]
    counts = {(round(t.get_position()[1]), round(t.get_position()[0])): t for t in axes.texts}
    assert {cell: int(text.get_text()) for cell, text in counts.items()} == dict(
        np.ndenumerate(matrix)
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES[:4])


def test_confusion_matrix_texts_stand_out_from_their_cells():
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    for share in range(0, 101, 5):
        matrix = np.array([[share, 100 - share], [40, 60]])
        axes = figures.confusion_matrix(matrix, NAMES[:2], title=TITLE).axes[0]
        colours = axes.images[0].get_array()
        for text in axes.texts:
            column, row = (round(part) for part in text.get_position())
            if matrix[row, column]:
                light = sorted(
                    (luminance(colours[row, column]), luminance(to_rgb(text.get_color())))
                )
                assert (light[1] + 0.05) / (light[0] + 0.05) > 3.5


def test_calibration_bars_are_the_accuracies():
    r = make_results(wrong=60)
    above, below = figures.calibration(r.probabilities, r.test_labels).axes
    binned = measures.reliability(r.probabilities, r.test_labels)
    heights = [bar.get_height() for bar in above.patches]
    np.testing.assert_allclose(heights, binned.accuracy * 100)
    assert [bar.get_height() for bar in below.patches] == binned.examples.tolist()
    error = measures.expected_calibration_error(r.probabilities, r.test_labels)
    assert above.get_title(loc="right") == f"calibration error {100 * error:.1f} %"


def to_image(figure: Figure) -> Image.Image:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160)
    return Image.open(file)


def test_pixels_are_enlarged_without_blur():
    image = np.zeros((32, 32, 3), np.uint8)
    image[::2, ::2] = image[1::2, 1::2] = (255, 0, 0)
    figure = figures.augmentations([("checks", image)], title=TITLE)
    drawn = np.asarray(to_image(figure))[..., :3]
    box = figure.axes[0].get_window_extent()
    scale = 160 / figure.dpi
    inside = drawn[::-1][
        round(box.y0 * scale) + 2 : round(box.y1 * scale) - 2,
        round(box.x0 * scale) + 2 : round(box.x1 * scale) - 2,
    ]
    assert {tuple(colour) for colour in inside.reshape(-1, 3).tolist()} == {(0, 0, 0), (255, 0, 0)}


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(channels):
    image = make_images(1, channels=channels)[0]
    read = np.asarray(Image.open(io.BytesIO(style.png(image))))
    np.testing.assert_array_equal(read.reshape(image.shape), image)


def test_grey_images_are_drawn_over_the_whole_range():
    image = np.full((32, 32, 1), 128, np.uint8)
    figure = figures.augmentations([("grey", image)], title=TITLE)
    assert figure.axes[0].images[0].get_clim() == (0, 255)
    colours = np.asarray(to_image(figure))[..., :3].reshape(-1, 3)
    assert (colours == 128).all(axis=1).sum() > 10_000


def test_save_writes_a_picture_of_the_size_asked_for(tmp_path):
    path = tmp_path / "figures" / "curves.png"
    figure = Figure(figsize=(4, 3))
    style.save(figure, path, dpi=50)
    assert Image.open(io.BytesIO(path.read_bytes())).size == (200, 150)
    assert [file.name for file in path.parent.iterdir()] == ["curves.png"]


def test_svg_holds_no_address_that_a_page_would_fetch():
    text = style.svg(figures.curve(make_rows(3), "lr")).decode()
    assert "<image" not in text
    assert "<script" not in text


def test_drawing_leaves_no_global_state():
    before = dict(matplotlib.rcParams)
    draw_all()
    assert dict(matplotlib.rcParams) == before


def test_no_display_is_asked_for():
    code = """if True:
        import sys
        from jaxconv.report import figures, style
        rows = [{"epoch": 1, "lr": 0.1}]
        style.svg(figures.curve(rows, "lr"))
        assert "matplotlib.pyplot" not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
