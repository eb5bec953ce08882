"""An image file of any kind as the small RGB image that a network takes.

What happens to it, in this order:

1. Of an animation, the first frame is taken.
2. It is turned upright, where its EXIF orientation says how.
3. 16-bit grey is brought to 8 bits by 65535 -> 255; any other mode becomes RGB as Pillow converts
   it, without colour profiles; what is transparent lies on white.
4. The largest centred square is cut out of it.
5. The square is resized: bicubic, over the whole area that a pixel covers. A 32x32 image stays what
   it is, pixel for pixel.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import re
import stat
import warnings
from pathlib import Path

import numpy as np

from jaxconv.errors import JaxconvError

MAX_PIXELS = 50_000_000
MOST_BYTES = 8 * MAX_PIXELS  # of a file: four channels of 16 bits
# Pillow reads more; of these, none starts a program or reads another file.
_LONGEST_HEADER = 1 << 16  # bytes, of a PPM
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")


class ImageError(JaxconvError):
    """A file that is no image to be read; the message is one line."""


def load_image(path: Path, size: int = 32, *, least_side: int = 1) -> np.ndarray:
    """Reads an image file: uint8 [size, size, 3].

    Raises:
        ImageError: it is missing, is no image, is damaged, has more than `MAX_PIXELS` pixels or
            `MOST_BYTES` bytes, or a side below `least_side`, or is of floating point, whose white
            nobody knows.
    """
    from PIL import Image, ImageOps

    path = Path(path)
    _silence_pillow()
    _require_plain(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about odd metadata
            _require_short_header(path)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:  # before anything is decoded
                    raise _too_large(path, "{} x {}".format(*image.size))
                if min(image.size) < least_side:
                    shape = "{} x {}".format(*image.size)
                    raise ImageError(
                        f"{path}: {shape} pixels; expected at least {least_side} a side"
                    )
                upright = ImageOps.exif_transpose(image)
                square = _square(_to_rgb(path, upright), size)
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise ImageError(f"{path}: not an image of a kind that is read here ({known})") from error
    except Image.DecompressionBombError as error:  # a small file can claim to be a huge image
        raise _too_large(path, "far too many") from error
    except Exception as error:  # Pillow's readers raise whatever the damage happens to cause
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: a damaged image ({reason})") from error
    return np.asarray(square)


@functools.cache
def _silence_pillow() -> None:
    """What it says of a damaged file it raises as well, in one line; libtiff prints to stderr."""
    from PIL import Image

    logging.getLogger("PIL").addHandler(logging.NullHandler())
    libtiff = getattr(ctypes.CDLL(Image.core.__file__), "TIFFSetErrorHandler", None)
    if libtiff is not None:
        libtiff.argtypes, libtiff.restype = [ctypes.c_void_p], ctypes.c_void_p
        libtiff(None)


def _require_plain(path: Path) -> None:
    """A pipe would be waited for, and a terminal read from."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # or no path at all
        raise ImageError(f"{path}: there is no such file; name image files") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror}); name image files") from error
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(f"{path}: a folder, a pipe or a device; name image files")
    if found.st_size > MOST_BYTES:
        raise ImageError(
            f"{path}: {found.st_size:,} bytes; expected at most {MOST_BYTES:,}: make it smaller"
        )


def _require_short_header(path: Path) -> None:
    """Pillow reads the header of a PPM byte by byte, comments of any length included."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    if head[:1] == b"P" and len(head) == _LONGEST_HEADER:
        words = re.sub(rb"#[^\r\n]*", b"", head).split(maxsplit=3)
        if len(words) < 4:  # kind, width, height, and what follows
            raise ImageError(f"{path}: a damaged image (a header without end)")


def _too_large(path, size):
    return ImageError(
        f"{path}: {size} pixels; expected at most {MAX_PIXELS:,}: make the image smaller"
    )


def _to_rgb(path, image):
    from PIL import Image

    if image.mode == "F":
        raise ImageError(f"{path}: floating-point pixels; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # 16 bits of grey, in one of Pillow's layouts
        grey = np.asarray(image).clip(0, 65535).astype(np.uint32)
        return Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _square(image, size):
    """The centred square of `image`, resized."""
    from PIL import Image

    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)
