"""Downloading and preparing CIFAR-10 with tfds, but without TensorFlow.

tfds's own CIFAR-10 builder opens files, unpacks archives and encodes images with TensorFlow. This
one reads the archive with `archive.py`, hands tfds finished PNGs, and leaves to tfds what it does
alone: checking the download, shuffling, sharding, writing. The result is the directory that
tfds's builder would make, and any program that uses tfds can read it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.utils import Size
from tqdm import tqdm

from jaxconv.data.archive import CLASS_NAMES, LAYOUTS, read_archive
from jaxconv.data.dataset import Split
from jaxconv.data.download import RemoteFile, fetch

ARCHIVE = RemoteFile(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    bytes=LAYOUTS[0].bytes,
    sha256=LAYOUTS[0].digest.removeprefix("sha256:"),
)


def fetch_archive(data_dir: Path, archive: RemoteFile = ARCHIVE) -> Path:
    """Downloads `archive` to where tfds looks for a file before it would download it itself.

    Raises:
        DataUnavailable: the host cannot be reached (known within 5 seconds) or stops sending.
        DataCorrupt: what came is not the archive.
        OSError: `data_dir` cannot be written.
    """
    return fetch(archive, data_dir / "downloads" / "manual")


def prepare_cifar10(data_dir: Path, archive: RemoteFile = ARCHIVE) -> Path:
    """Downloads `archive` and prepares it as array_record; returns `data_dir/cifar10/<version>`.

    Raises:
        DataUnavailable, DataCorrupt, OSError: as `fetch_archive`.
    """
    manual = fetch_archive(data_dir, archive).parent
    downloads = manual.parent
    builder = Cifar10(data_dir=data_dir, archive=archive)
    config = tfds.download.DownloadConfig(
        manual_dir=manual, compute_stats=tfds.download.ComputeStatsMode.SKIP
    )
    tfds.disable_progress_bar()  # its bars count a file that is already there as gigabytes
    try:
        builder.download_and_prepare(
            download_dir=downloads, download_config=config, file_format="array_record"
        )
    finally:
        tfds.enable_progress_bar()
    return Path(builder.data_dir)


class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The name, version and features of tfds's CIFAR-10."""

    VERSION = tfds.core.Version("3.0.2")

    def __init__(self, *, data_dir: Path, archive: RemoteFile):
        self._archive = archive
        super().__init__(data_dir=data_dir)

    def _url_infos(self) -> dict[str, UrlInfo]:
        """What tfds checks the archive against, and the name under which it looks for it."""
        file = self._archive
        return {file.url: UrlInfo(size=Size(file.bytes), checksum=file.sha256, filename=file.name)}

    url_infos: Any = property(_url_infos)  # of an instance, where tfds has one of the class

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="60,000 colour images of 32x32 pixels in ten classes.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(names=CLASS_NAMES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        train, test = read_archive(Path(dl_manager.download(self._archive.url)))
        return {
            "train": self._generate_examples("train", train),
            "test": self._generate_examples("test", test),
        }

    def _generate_examples(self, name: str, split: Split) -> Iterator[tuple[int, dict]]:
        rows = zip(split.images, split.labels, strict=True)
        bar = tqdm(rows, total=len(split.labels), desc=f"preparing {name}", unit=" images")
        for index, (image, label) in enumerate(bar):
            png = io.BytesIO()
            Image.fromarray(image).save(png, format="PNG")
            yield index, {"id": f"{name}_{index:05d}", "image": png.getvalue(), "label": int(label)}
