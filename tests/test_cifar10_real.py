"""The real CIFAR-10: read without network and TensorFlow, equal to the documented numbers."""

import io
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from jaxconv.data.cifar10 import load_cifar10
from jaxconv.data.dataset import Dataset, format_statistics, statistics
from jaxconv.data.tfds_directory import find_tfds_directory

REAL = os.environ.get("TFDS_DATA_DIR")
pytestmark = pytest.mark.skipif(
    REAL is None or find_tfds_directory(Path(REAL)) is None,
    reason="real data: set TFDS_DATA_DIR to a folder with cifar10 as array_record",
)


def _load(real_cache) -> Dataset:
    return load_cifar10(data_dir=None, download=False, cache_dir=real_cache[0])


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory):
    """The decoded cache of the real data, made in a process that can open no socket."""
    cache = tmp_path_factory.mktemp("real") / "cache"
    program = """
        import sys
        def hook(event, arguments):
            if event.startswith("socket."):
                raise RuntimeError(f"{event} {arguments}")
        sys.addaudithook(hook)
        from jaxconv.data.cifar10 import load_cifar10
        dataset = load_cifar10(data_dir=None, download=True, cache_dir=sys.argv[1])
        foreign = {"tensorflow", "torch"} & set(sys.modules)
        print(dataset.origin, dataset.train.images.shape, dataset.test.images.shape, foreign)
    """
    outputs = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(cache)],
            env=os.environ | {"TFDS_DATA_DIR": REAL},
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    return cache, outputs


def test_real_data_needs_no_network_and_no_tensorflow(real_cache):
    _, (first, second) = real_cache
    shapes = "(50000, 32, 32, 3) (10000, 32, 32, 3) set()\n"
    assert first.startswith("tfds directory ")
    assert second.startswith("decoded cache ")
    assert first.endswith(shapes)
    assert second.endswith(shapes)


def test_real_data_has_the_documented_statistics(real_cache):
    dataset = _load(real_cache)
    train, test = statistics(dataset.train), statistics(dataset.test)
    np.testing.assert_allclose(train.mean, (0.49139968, 0.48215841, 0.44653091), atol=6e-9)
    np.testing.assert_allclose(train.std, (0.24703223, 0.24348513, 0.26158784), atol=6e-9)
    np.testing.assert_allclose(test.mean, (0.49421428, 0.48513139, 0.45040909), atol=6e-9)
    np.testing.assert_allclose(test.std, (0.24665252, 0.24289226, 0.26159238), atol=6e-9)
    np.testing.assert_array_equal(np.bincount(dataset.train.labels), 5000)
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), 1000)


DOCUMENTED = """\
[Train]
 - Total Train Images: 50000
 - Tensor Shape: (3, 32, 32)
 - min: (0.0, 0.0, 0.0)
 - max: (1.0, 1.0, 1.0)
 - mean: (0.49139968, 0.48215827, 0.44653124)
 - std: (0.24703233, 0.24348505, 0.26158768)
 - var: (0.061024975, 0.05928497, 0.06842812)
[Test]
 - Total Test Images: 10000
 - Tensor Shape: (3, 32, 32)
 - min: (0.0, 0.0, 0.0)
 - max: (1.0, 1.0, 1.0)
 - mean: (0.49421427, 0.48513183, 0.45040932)
 - std: (0.24665256, 0.24289224, 0.26159248)
 - var: (0.06083748, 0.058996636, 0.06843062)"""


def test_the_printed_statistics_equal_the_documented_ones(real_cache):
    number = re.compile(r"\d+\.\d+")
    printed = format_statistics(_load(real_cache))
    assert number.sub("#", printed) == number.sub("#", DOCUMENTED)
    np.testing.assert_allclose(
        [float(text) for text in number.findall(printed)],
        [float(text) for text in number.findall(DOCUMENTED)],
        atol=1e-6,
    )


def test_the_cache_of_real_data_opens_in_a_moment(real_cache):
    _load(real_cache)
    started = time.perf_counter()
    _load(real_cache)
    assert time.perf_counter() - started < 1


def test_real_shards_decode_to_the_pixels_that_another_decoder_sees(real_cache):
    """The first shard's PNGs, found by their signature in the raw records, read with Pillow."""
    from array_record.python.array_record_module import ArrayRecordReader
    from PIL import Image

    dataset = _load(real_cache)
    shard = sorted(find_tfds_directory(Path(REAL)).glob("cifar10-test.array_record-*"))[0]
    for record in ArrayRecordReader(str(shard)).read([0, 1, 2, 3]):
        png = record[record.index(b"\x89PNG") :]
        index = int(re.search(rb"test_(\d{5})", record)[1])
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(png))), dataset.test.images[index]
        )
