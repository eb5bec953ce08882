"""Image files of every size and mode become the same small RGB image; others are refused."""

import contextlib
import io
import logging
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxconv.data.image_files import MAX_PIXELS, ImageError, load_image

SOLID = (200, 30, 90)


@pytest.fixture
def photo():
    """A 32x32 image whose pixels all differ."""
    values = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    return Image.fromarray(values.astype(np.uint8))


def saved(folder, image, name="image.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def test_an_image_of_the_right_size_is_not_changed(tmp_path, photo):
    loaded = load_image(saved(tmp_path, photo))
    assert (loaded.dtype, loaded.shape) == (np.uint8, (32, 32, 3))
    np.testing.assert_array_equal(loaded, np.asarray(photo))


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (33, 32), (640, 480)])
@pytest.mark.parametrize(
    ("mode", "ending"),
    [("RGB", "png"), ("RGBA", "png"), ("P", "gif"), ("RGB", "bmp"), ("RGB", "webp"),
     ("RGB", "tiff"), ("RGB", "ppm"), ("RGB", "jpg"), ("CMYK", "jpg"), ("CMYK", "tiff")],
)  # fmt: skip
def test_any_size_and_mode_keeps_its_colour(tmp_path, size, mode, ending):
    image = Image.new("RGB", size, SOLID)
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    loaded = load_image(saved(tmp_path, image, f"image.{ending}"))
    assert loaded.shape == (32, 32, 3)
    assert np.abs(loaded.astype(int) - SOLID).max() <= 3  # JPEG and WebP lose a little


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_becomes_three_equal_channels(tmp_path, mode):
    image = Image.new("L", (64, 64), 255).convert(mode)
    np.testing.assert_array_equal(load_image(saved(tmp_path, image)), 255)


def test_sixteen_bits_of_grey_keep_their_range(tmp_path):
    """Pillow itself would cut them off at 255."""
    ramp = np.linspace(0, 65535, 32).astype(np.uint16)
    image = Image.fromarray(np.tile(ramp, (32, 1)))
    expected = np.rint(ramp / 65535 * 255)
    for name in ("image.png", "image.tiff"):
        loaded = load_image(saved(tmp_path, image, name))
        np.testing.assert_array_equal(loaded, np.broadcast_to(expected[:, None], (32, 32, 3)))


def test_what_is_transparent_lies_on_white(tmp_path):
    half = np.zeros((32, 32, 4), np.uint8)
    half[:, 16:] = (10, 20, 30, 255)
    loaded = load_image(saved(tmp_path, Image.fromarray(half)))
    np.testing.assert_array_equal(loaded[:, :16], 255)
    np.testing.assert_array_equal(loaded[:, 16:], np.broadcast_to((10, 20, 30), (32, 16, 3)))
    palette = Image.fromarray(half[..., :3]).quantize(2)
    black = palette.getpixel((0, 0))
    loaded = load_image(saved(tmp_path, palette, "p.png", transparency=black))
    np.testing.assert_array_equal(loaded[:, :16], 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_turns_the_image_upright(tmp_path, photo, orientation):
    turns = {  # what a camera stored, from what the photographer saw
        1: (), 2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,), 5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_90,), 7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_270,),
    }  # fmt: skip
    stored = photo
    for turn in turns[orientation]:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(saved(tmp_path, stored, exif=exif))
    np.testing.assert_array_equal(loaded, np.asarray(photo))


def test_the_centred_square_is_cut_out(tmp_path, photo):
    wide = Image.new("RGB", (52, 32), "red")
    wide.paste(photo, (10, 0))
    np.testing.assert_array_equal(load_image(saved(tmp_path, wide)), np.asarray(photo))
    tall = Image.new("RGB", (32, 43), "red")
    tall.paste(photo, (0, 5))
    np.testing.assert_array_equal(load_image(saved(tmp_path, tall)), np.asarray(photo))


def test_shrinking_averages_over_the_area_of_a_pixel(tmp_path):
    """A fine black and white board is grey from afar, not whatever lies under the sample points."""
    board = np.kron(np.indices((320, 320)).sum(0) % 2, np.ones((2, 2))) * 255
    loaded = load_image(saved(tmp_path, Image.fromarray(board.astype(np.uint8))))
    assert np.abs(loaded[2:-2, 2:-2].astype(int) - 127).max() <= 2


def test_of_an_animation_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "film.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(load_image(path)[0, 0], (255, 0, 0))


def claiming(width, height):
    """A PNG file of a few bytes that claims to be this large."""

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an image of a kind that is read here"),
        (b"GIF, or so it says", "not an image of a kind that is read here"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a kind"),
        (claiming(32, 32), "a damaged image"),
        (claiming(10_000, 5_001), f"10000 x 5001 pixels; expected at most {MAX_PIXELS:,}: make"),
        (claiming(2**31 - 1, 2**31 - 1), f"far too many pixels; expected at most {MAX_PIXELS:,}"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        load_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_floating_point_are_refused(tmp_path):
    for path, message in ((tmp_path, "a folder, a pipe"), (tmp_path / "*.png", "no such file")):
        with pytest.raises(ImageError, match=message):
            load_image(path)
    image = Image.fromarray(np.ones((4, 4), np.float32))
    with pytest.raises(ImageError, match="floating-point pixels; save it with 8 or 16 bits"):
        load_image(saved(tmp_path, image, "image.tiff"))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage_is_an_image_or_one_error(tmp_path_factory, data):
    """Whatever bytes of a file are changed or cut off."""
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"]))
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), SOLID).save(buffer, kind)
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    assert outcome(path) in ((32, 32, 3), "refused in one line")


def outcome(path):
    try:
        return load_image(path).shape
    except ImageError as error:
        return "refused in one line" if "\n" not in str(error) else str(error)


@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "nul", "loop", "below a file"])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "image.png"
    message = "a folder, a pipe or a device; name image files"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "nul":
            path, message = tmp_path / "a\0.png", "there is no such file; name image files"
        case "loop":
            path.symlink_to(path)
            message = "cannot be read .*; name image files"
        case "below a file":
            path.touch()
            path, message = path / "more.png", "there is no such file; name image files"
        case _:
            path = Path(kind)
    with pytest.raises(ImageError, match=message):
        load_image(path)


def test_a_file_without_end_is_refused_at_once(tmp_path):
    path = tmp_path / "image.gif"
    Image.new("RGB", (32, 32)).save(path)
    path.write_bytes(path.read_bytes()[:13])
    os.truncate(path, 10**11)
    started = time.monotonic()
    with pytest.raises(ImageError, match="100,000,000,000 bytes; expected at most 400,000,000"):
        load_image(path)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "filler", [b"#" + b"x" * (10 << 20) + b"\n", b"#x\n" * 5_000_000, b" " * (9 << 20)]
)
def test_the_header_of_a_ppm_without_end_is_refused_at_once(tmp_path, filler):
    """Pillow would read it byte by byte, for six seconds."""
    path = tmp_path / "image.ppm"
    path.write_bytes(b"P6\n" + filler + b"1 1\n255\nabc")
    started = time.monotonic()
    with pytest.raises(ImageError, match=r"a damaged image \(a header without end\)"):
        load_image(path)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("kind", [b"P6 # a\n200 200 # b\n255\n", b"P4\n1000 1000\n"])
def test_a_large_ppm_with_a_short_header_is_read(tmp_path, kind):
    path = tmp_path / "image.ppm"
    path.write_bytes(kind + b"\x07" * 125_000)
    assert load_image(path).shape == (32, 32, 3)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_libraries_beneath_are_silent_on_damage(tmp_path, capfd, compression):
    """libtiff prints to the process's stderr, and Pillow to its logger."""
    path = tmp_path / "image.tif"
    Image.new("RGB", (64, 48), "teal").save(path, compression=compression)
    whole = bytearray(path.read_bytes())
    with logging_to_stderr():
        for place in range(8, len(whole), 7):
            damaged = whole.copy()
            damaged[place] ^= 0x5A
            path.write_bytes(damaged)
            outcome(path)
    assert capfd.readouterr().err == ""


@contextlib.contextmanager
def logging_to_stderr():
    """A context without pytest's handlers: what nobody handles is printed, as in a program."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = handlers
