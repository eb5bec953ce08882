"""Kernels, feature maps and heat as pictures that can be read."""

import numpy as np

from jaxconv.report import layer_pictures
from jaxconv.report.style import gallery


def test_kernels_share_one_scale_around_grey():
    kernel = np.zeros((3, 3, 3, 2))
    kernel[0, 1, 2, 0], kernel[2, 2, 0, 1] = -2.0, 1.0
    first, second = layer_pictures.kernel_pictures(kernel)
    assert (first.shape, first.dtype) == ((3, 3, 3), np.uint8)
    assert (first[0, 1, 2], second[2, 2, 0]) == (0, 191)
    assert (np.delete(first.ravel(), 5) == 128).all()
    assert (layer_pictures.kernel_pictures(np.zeros((3, 3, 3, 1)))[0] == 128).all()


def test_each_map_is_stretched_from_its_least_to_its_largest_value():
    maps = np.stack([np.arange(6.0).reshape(2, 3), 100 * np.arange(6.0).reshape(2, 3)], axis=2)
    small, large = layer_pictures.map_pictures(maps)
    np.testing.assert_array_equal(small, large)
    lightness = small @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness.ravel()) > 0).all()


def test_heat_lies_where_it_was_and_leaves_the_image_visible():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 255
    heat = np.zeros((4, 4))
    heat[0, 0] = 5.0
    shown = layer_pictures.heat_over(image, heat)
    assert (shown.shape, shown.dtype) == (image.shape, np.uint8)
    warmth = shown[..., :2].sum(axis=2).astype(int) - 2 * shown[..., 2]  # cividis: blue to yellow
    assert np.unravel_index(warmth.argmax(), warmth.shape)[0] < 8
    assert warmth[:8, :8].mean() > warmth[16:, :8].mean() + 50
    assert shown[20, 28].astype(int).sum() > shown[20, 8].astype(int).sum() + 200
    picture = gallery([image, shown], ["image", "heat"], columns=2, title="Grad-CAM")
    assert len(picture.axes) == 2
