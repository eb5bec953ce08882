"""The moving pictures: the data of a frame is the operator's, and the picture shows that data."""

import inspect
import itertools
import os
import shutil
import stat
import sys

import numpy as np
import pytest
import reference
from PIL import Image

from jaxconv import cli
from jaxconv.animation import encoding, film
from jaxconv.animation.cases import MEANINGS, VARIANTS, case
from jaxconv.animation.drawing import captions, picture
from jaxconv.animation.drawing.canvas import Canvas
from jaxconv.animation.drawing.panel import HEADER, panels
from jaxconv.animation.frames import INSERTED, PADDING, PIXEL, field, frames

CASES = [
    *((variant, {}) for variant in VARIANTS),
    ("standard", {"channels": 3}),
    ("standard", {"channels": 1, "features": 1, "stride": 2, "padding": 1}),
    ("standard", {"channels": 4, "features": 4, "groups": 2, "size": 3, "kernel_size": 2}),
    ("standard", {"size": (4, 6), "kernel_size": (2, 3), "stride": (1, 2), "padding": (2, 1)}),
    ("standard", {"size": 6, "dilation": (1, 2), "stride": 2}),
    ("pointwise", {"stride": 2, "padding": 1, "features": 3}),
    ("depthwise_separable", {"channels": 2, "padding": 1, "stride": (2, 1), "dilation": (1, 2)}),
    ("dilated", {"dilation": (3, 2), "padding": (2, 0), "channels": 2}),
    ("spatially_separable", {"kernel_size": (2, 3), "stride": (2, 1), "padding": (0, 1)}),
    ("transpose", {"kernel_size": 2, "stride": 2, "padding": 0}),
    ("transpose", {"stride": (3, 1), "output_padding": (2, 0), "kernel_size": (2, 3), "size": 2}),
    ("transpose", {"channels": 2, "features": 4, "groups": 2, "size": 2, "dilation": 2}),
    ("transpose", {"size": 5, "padding": 3, "stride": 1}),  # crops more than the kernel adds
]
IDS = [f"{variant} {options}" for variant, options in CASES]


def judge(variant, shown):
    """What the slow NumPy reference makes of the case's own input and kernels."""
    stages, options = shown.stages, shown.options
    kernels = [stage.kernel for stage in stages]
    shapes = ("size", "channels", "features", "kernel_size")
    settings = {name: value for name, value in options.items() if name not in shapes}
    named = {"standard": "conv"}.get(variant, f"{variant}_conv")
    function = getattr(reference, named)
    arrays = [stages[0].x[None], *kernels]
    return function(*(array.astype(float) for array in arrays), **settings)[0]


@pytest.mark.parametrize(("variant", "options"), CASES, ids=IDS)
def test_the_output_is_the_convolution_of_what_is_shown(variant, options):
    shown = case(variant, **options)
    np.testing.assert_array_equal(shown.stages[-1].y, judge(variant, shown))
    for before, after in itertools.pairwise(shown.stages):
        np.testing.assert_array_equal(before.y, after.x)


@pytest.mark.parametrize(("variant", "options"), CASES, ids=IDS)
def test_every_number_is_the_sum_of_its_products(variant, options):
    for stage in case(variant, **options).stages:
        laid_out, seen = field(stage), np.zeros(stage.y.shape, int)
        for frame in frames(stage):
            at = (frame.row, frame.column, frame.feature)
            seen[at] += 1
            assert frame.total == stage.y[at] == frame.products.sum() == frame.sums.sum()
            np.testing.assert_array_equal(frame.products, frame.operands * frame.weights)
            np.testing.assert_array_equal(frame.weights, stage.sliding_kernel[..., frame.feature])
            for i, j, c in np.ndindex(frame.operands.shape):
                place = (frame.rows[i], frame.columns[j], frame.channels[c])
                assert frame.operands[i, j, c] == laid_out.values[place]
        assert (seen == 1).all()


@pytest.mark.parametrize(("variant", "options"), CASES, ids=IDS)
def test_the_field_holds_the_image_and_zeros_elsewhere(variant, options):
    for stage in case(variant, **options).stages:
        values, kinds = field(stage)
        np.testing.assert_array_equal(values[kinds == PIXEL], stage.x.reshape(-1, stage.x.shape[2]))
        assert (values[kinds != PIXEL] == 0).all()
        assert (INSERTED in kinds) == (stage.inserted != (1, 1))
    assert (case(variant, **options).stages[0].x > 0).all(), "a zero is always one of padding"


def test_where_zeros_lie():
    (stage,) = case("transpose", size=2, kernel_size=3, stride=2, padding=1).stages
    kinds = {PIXEL: "x", PADDING: ".", INSERTED: "0"}
    drawn = ["".join(kinds[int(kind)] for kind in row) for row in field(stage).kinds]
    assert drawn == [".....", ".x0x.", ".000.", ".x0x.", "....."]


def test_where_the_kernel_lies():
    (stage,) = case("dilated", size=7, dilation=2, channels=1, features=1).stages
    *_, last = frames(stage)
    assert (last.row, last.column) == (2, 2)
    assert last.rows.tolist() == last.columns.tolist() == [2, 4, 6]
    (stage,) = case("standard", size=5, stride=2, padding=1).stages
    first, second, *_ = frames(stage)
    assert first.columns.tolist() == [0, 1, 2]
    assert second.columns.tolist() == [2, 3, 4]


def test_which_channels_a_kernel_reads():
    deep, point = case("depthwise_separable").stages
    assert [list(deep.channels_read(feature)) for feature in range(3)] == [[0], [1], [2]]
    assert [list(point.channels_read(feature)) for feature in range(2)] == [[0, 1, 2]] * 2
    (grouped,) = case("standard", channels=4, features=2, groups=2).stages
    assert [list(grouped.channels_read(feature)) for feature in range(2)] == [[0, 1], [2, 3]]


@pytest.fixture
def written(monkeypatch):
    """Every text that is drawn from now on, with its box in points."""
    drawn, text_of = [], Canvas.text

    def spy(canvas, x, y, text, **options):
        width = text_of(canvas, x, y, text, **options)
        size, anchor = options.get("size", 13.0), options.get("anchor", "lm")
        left = x - width * {"l": 0, "m": 0.5, "r": 1}[anchor[0]]
        if text:
            drawn.append((text, (left, y - 0.4 * size, left + width, y + 0.4 * size)))
        return width

    monkeypatch.setattr(Canvas, "text", spy)
    return drawn


def draw_step(panel, index):
    steps = list(film._steps(panel))
    return picture.draw(panel, *steps[index], scale=1), steps[index][0]


@pytest.mark.parametrize(("variant", "options"), CASES, ids=IDS)
def test_no_texts_overlap_or_leave_the_picture(variant, options, written):
    for panel in panels(case(variant, **options)):
        for index in (0, -1):
            written.clear()
            image, _ = draw_step(panel, index)
            under = [text for text in written if text[0] != "3"]  # the legend's sample is small
            for (one, a), (other, b) in itertools.combinations(under, 2):
                apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
                hidden = panel.layout.cell  # a tap is written over the number that it lies on
                same_cell = abs(a[0] - b[0]) < hidden and abs(a[1] - b[1]) < hidden
                assert apart or same_cell, f"{one!r} over {other!r}"
            for text, (left, top, right, bottom) in written:
                assert min(left, top) >= 0, text
                assert right <= image.width, text
                assert bottom <= image.height, text


@pytest.mark.parametrize(("variant", "options"), CASES, ids=IDS)
def test_the_picture_says_what_the_frame_holds(variant, options, written):
    for panel in panels(case(variant, **options)):
        written.clear()
        _, frame = draw_step(panel, -1)
        texts = [text.replace("\N{MINUS SIGN}", "-") for text, _ in written]
        assert f"{frame.total}" in texts
        for total in frame.sums:
            assert f"= {total}" in texts
        stack = panel.layout.output
        numbers = {box: text for text, box in written}
        for row, column, channel in np.ndindex(panel.stage.y.shape):
            x, y = stack.layer(channel)
            left, top = x + column * stack.cell, y + row * stack.cell + HEADER
            (shown,) = (
                text
                for (x0, y0, x1, y1), text in numbers.items()
                if left <= (x0 + x1) / 2 <= left + stack.cell
                and top <= (y0 + y1) / 2 <= top + stack.cell
            )
            expected = panel.stage.y[row, column, channel]
            assert shown.replace("\N{MINUS SIGN}", "-") == f"{expected}"


def test_a_number_is_empty_until_it_is_made(written):
    (panel,) = panels(case("standard"))
    empty = np.zeros(panel.stage.y.shape, bool)
    picture.draw(panel, None, empty, scale=1)
    at_rest = len(written)
    written.clear()
    picture.draw(panel, None, ~empty, scale=1)
    assert len(written) == at_rest + empty.size


def test_a_gif_moves_through_every_number_and_rests_before_and_behind_each_stage(tmp_path):
    shown = case("spatially_separable", size=3)
    shots = list(film.film(shown, fps=4, scale=1))
    assert len(shots) == sum(stage.y.size + 2 for stage in shown.stages)
    path = tmp_path / "new" / "film.gif"
    encoding.save_gif(shots, path)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size) == (len(shots), shots[0].image.size)
        assert gif.info["loop"] == 0
        for number, (image, seconds) in enumerate(shots):
            gif.seek(number)
            assert gif.info["duration"] == round(seconds * 1000)
            apart = np.abs(np.asarray(gif.convert("RGB"), int) - np.asarray(image, int))
            assert (apart.max(axis=2) > 0).mean() < 0.03, "only the rims of letters may differ"
            assert apart.max() < 64
    column, row = [3.0, 2.5, 0.25, 0.25, 1.5], [3.0, 2.5, 3.0]
    assert [shot.seconds for shot in shots] == column + row


def test_a_number_is_seen_for_a_second():
    seconds = [shot.seconds for shot in film.film(case("dilated"), scale=1)]
    assert seconds == [3.0, 2.5, *[1.0] * 8, 3.0]


def test_a_still_has_three_panels_and_one_legend(tmp_path, written):
    path = tmp_path / "still.png"
    film.save(case("dilated", features=2), path)
    (panel,) = panels(case("dilated", features=2))
    with Image.open(path) as image:
        assert image.width == 2 * 720
        assert panel.height * 2 < image.height / 2 < panel.height * 3
    places = [text for text, _ in written if text.startswith("Output in row")]
    assert places == [
        "Output in row 1, column 1, channel 1: the sum of the products",
        "Output in row 1, column 1, channel 2: the sum of the products",
        "Output in row 3, column 3, channel 2: the sum of the products",
    ]


def at_rest(shown, number=0):
    panel = panels(shown)[number]
    picture.draw(panel, None, np.zeros(panel.stage.y.shape, bool), scale=1)
    return panel


@pytest.mark.parametrize(("variant", "options"), CASES, ids=IDS)
def test_the_size_formula_in_numbers_is_the_size(variant, options):
    """Its terms are Python once the signs are: nothing in them is only for show."""
    for stage in case(variant, **options).stages:
        told = captions.size_in_numbers(stage)
        results = []
        for _, terms, result in told:
            python = terms.replace("\N{MULTIPLICATION SIGN}", "*").replace("\N{MINUS SIGN}", "-")
            value = eval(python.replace("⌊", "int(").replace("⌋", ")"))
            assert value == int(result)
            results.append(value)
        expected = sorted(set(stage.y.shape[:2]))
        assert sorted(set(results)) == expected
        assert [axis for axis, *_ in told] in (["height and width"], ["height", "width"])


@pytest.mark.parametrize(
    ("variant", "options", "formula", "numbers"),
    [
        ("standard", {}, "⌊(size - kernel) / stride⌋ + 1", ["⌊(5 - 3) / 1⌋ + 1"]),
        (
            "standard",
            {"stride": 2, "padding": 1},
            "⌊(size + 2*padding - kernel) / stride⌋ + 1",
            ["⌊(5 + 2*1 - 3) / 2⌋ + 1"],
        ),
        ("dilated", {}, "⌊(size - span) / stride⌋ + 1", ["⌊(7 - 5) / 1⌋ + 1"]),
        ("transpose", {"stride": 2}, "(size - 1) * stride + kernel", ["(2 - 1) * 2 + 3"]),
        (
            "transpose",
            {"stride": 2, "padding": 1, "output_padding": 1},
            "(size - 1) * stride - 2*padding + kernel + output padding",
            ["(2 - 1) * 2 - 2*1 + 3 + 1"],
        ),
    ],
)
def test_the_size_formula_is_that_of_the_guide(variant, options, formula, numbers, written):
    panel = at_rest(case(variant, **options))
    texts = [
        text.replace("\N{MULTIPLICATION SIGN}", "*").replace("\N{MINUS SIGN}", "-")
        for text, _ in written
    ]
    assert f"Size of the output  =  {formula}" in texts
    for terms in numbers:
        assert f"{terms}  =  " in texts
    assert f"{panel.stage.y.shape[0]}" in texts


def test_each_half_of_a_spatially_separable_convolution_tells_both_sizes(written):
    shown = case("spatially_separable")
    at_rest(shown, number=0)
    at_rest(shown, number=1)
    told = [text for text, _ in written if "/ 1⌋ + 1" in text]
    sizes = ["(5 - 3)", "(5 - 1)", "(3 - 1)", "(5 - 3)"]
    plain = [text.replace("\N{MINUS SIGN}", "-").strip("⌊").split(" /")[0] for text in told]
    assert plain == sizes


def test_a_transposed_kernel_is_shown_before_and_after_its_turn(written):
    (stage,) = case("transpose").stages
    at_rest(case("transpose"))
    texts = [text for text, _ in written]
    assert "Turned" in texts
    np.testing.assert_array_equal(stage.sliding_kernel[..., 0], stage.kernel[::-1, ::-1, 0])
    layout = panels(case("transpose"))[0].layout
    for row, kernel in ((layout.stored, stage.kernel[:, :, 0]), (layout.kernels, None)):
        kernel = stage.kernel[::-1, ::-1, 0] if kernel is None else kernel
        for channel in range(2):
            y = layout.input.middle(channel) - 1.5 * layout.cell + HEADER
            shown = number_grid(written, row.left(0), y, layout.cell, (3, 3))
            np.testing.assert_array_equal(shown, kernel[..., channel])


def number_grid(written, x, y, cell, shape):
    """The whole numbers that stand in the cells of a grid."""
    grid = np.zeros(shape, int)
    for i, j in np.ndindex(*shape):
        left, top = x + j * cell, y + i * cell
        (text,) = (
            text
            for text, (x0, y0, x1, y1) in written
            if left <= (x0 + x1) / 2 <= left + cell and top <= (y0 + y1) / 2 <= top + cell
        )
        grid[i, j] = int(text.replace("\N{MINUS SIGN}", "-"))
    return grid


def test_the_channels_of_a_colour_image_have_their_colours():
    (panel,) = panels(case("standard", channels=3))
    assert len(set(panel.sources)) == 3
    image = draw_step(panel, 0)[0]
    stack = panel.layout.input
    for channel, name in enumerate(("red", "green", "blue")):
        x, y = stack.layer(channel)
        last = (x + (stack.columns - 1) * stack.cell, y + (stack.rows - 1) * stack.cell)
        r, g, b = image.getpixel((round(last[0]) + 3, round(last[1]) + 3 + HEADER))
        assert {"red": r, "green": g, "blue": b}[name] == max(r, g, b)
        assert max(r, g, b) - min(r, g, b) > 10
    assert len(set(panels(case("standard", channels=2))[0].sources)) == 1


def test_options_that_are_not_given_are_those_of_the_function():
    for row in VARIANTS.values():
        parameters = inspect.signature(row.operator).parameters
        for name, value in row.defaults.items():
            if name in parameters:
                assert value == parameters[name].default
        assert set(row.defaults) <= set(MEANINGS)
    assert case("transpose").options["padding"] == (0, 0)


def stand_in(folder, source):
    """A program called ffmpeg that is a line of Python."""
    program = folder / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfilm = sys.stdin.buffer.read()\n{source}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)


def test_an_mp4_gets_every_picture_for_its_time(tmp_path, monkeypatch):
    stand_in(tmp_path, "open(sys.argv[-1], 'wb').write(film)")
    monkeypatch.setenv("PATH", str(tmp_path))
    shots = list(film.film(case("standard", size=3), scale=1))
    path = tmp_path / "film.mp4"
    encoding.save_mp4(shots, path)
    pictures = [shot.image.tobytes() for shot in shots]
    times = [30, 25, 10, 30]  # tenths of a second
    assert path.read_bytes() == b"".join(
        image * n for image, n in zip(pictures, times, strict=True)
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ffmpeg", "film.mp4"]


@pytest.mark.parametrize(
    ("fps", "rate", "pictures"), [(1, "10", 10), (4, "8", 2), (7, "7", 1), (30, "30", 1)]
)
def test_an_mp4_shows_as_many_steps_a_second_as_asked_for(
    fps, rate, pictures, tmp_path, monkeypatch
):
    stand_in(tmp_path, "open(sys.argv[-1], 'w').write(f'{sys.argv} {len(film)}')")
    monkeypatch.setenv("PATH", str(tmp_path))
    film.save(case("pointwise", size=3), tmp_path / "film.mp4", fps=fps)
    command, size = (tmp_path / "film.mp4").read_text().rsplit(" ", 1)
    assert f"'-r', '{rate}', '-i', '-'" in command
    shots = list(film.film(case("pointwise", size=3), fps=fps))
    seen = [max(1, round(shot.seconds * float(rate))) for shot in shots]
    assert seen[2:4] == [pictures] * 2
    assert int(size) == sum(seen) * len(shots[0].image.tobytes())


def test_an_mp4_that_fails_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "film.mp4"
    command = ["animate", "standard", "--size", "3", "--out", str(path)]
    assert cli.main(command) == 1
    message = f"error: {path}: ffmpeg is not on the PATH; install it, or name a file .gif\n"
    assert capsys.readouterr().err == message
    stand_in(tmp_path, "open(sys.argv[-1], 'wb'); sys.exit('no such encoder')")
    assert cli.main(command) == 1
    assert capsys.readouterr().err == f"error: {path}: ffmpeg failed with code 1: no such encoder\n"
    assert [file.name for file in tmp_path.iterdir()] == ["ffmpeg"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg on the PATH")
def test_a_real_ffmpeg_makes_a_video(tmp_path):
    path = tmp_path / "film.mp4"
    film.save(case("standard", size=3), path)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_the_verb_draws_what_it_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["animate", "standard", "--size", "3,4", "--still", "s.png"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 's.png'}\n"
    assert cli.main(["animate", "standard", "--size", "3", "--padding", "0"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'standard.gif'}\n"
    assert sorted(os.listdir(tmp_path)) == ["s.png", "standard.gif"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("waltz", "waltz: unknown variant; expected one of standard, pointwise, depthwise"),
        ("pointwise --kernel-size 3", "pointwise has no kernel_size; it has size, channels"),
        ("standard --size x", "--size: expected a whole number, or two as 3,2, got 'x'"),
        ("standard --size 3,3,3", "size must be an int or a pair of ints, got (3, 3, 3)"),
        ("standard --channels 1,2", "channels must be one int, got (1, 2)"),
        ("standard --stride 0", "stride must be at least 1, got 0"),
        ("standard --padding 99999", "padding must be at most 40 in a picture, got 99999"),
        ("standard --size 2", "the output would be 0x0 pixels"),
        ("standard --channels 3 --groups 2", "groups must divide the channels"),
        ("transpose --output-padding 2", "output_padding must be smaller than stride or dilation"),
        ("standard --size 30", "the film would have 1568 pictures, and nobody watches more than"),
        ("standard --size 20 --features 1 --stride 2", "the picture would need cells of"),
        ("standard --fps 0", "fps must be from 0.01 to 50, got 0.0"),
        ("standard --fps 0.0015", "fps must be from 0.01 to 50, got 0.0015"),
        ("standard --fps nan", "fps must be from 0.01 to 50, got nan"),
        (
            "standard --groups 3",
            "groups must divide the channels and the features, got 3 groups of 2",
        ),
        ("standard --out film.avi", "--out film.avi: expected a name that ends in .gif or .mp4"),
        ("standard --still film.gif", "--still film.gif: expected a name that ends in .png"),
    ],
)
def test_a_wrong_wish_is_refused_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["animate", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_another_ending(tmp_path):
    with pytest.raises(ValueError, match=r"film\.avi: expected a name that ends in \.gif, \.mp4"):
        film.save(case("standard"), tmp_path / "film.avi")
