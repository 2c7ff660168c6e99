import colorsys

import numpy as np
import pytest
from PIL import Image
from support.shops import image_bytes

from windowshop.data.images import decode
from windowshop.training.fine_tuning.augment import LEAST_AREA, _crop, augment

IMAGE = decode(image_bytes(3, size=(90, 60)))


def pixels(image):
    return np.asarray(image, dtype=np.float64)


def test_the_same_generator_gives_the_same_variant():
    one, two = (augment(IMAGE, np.random.default_rng(5)) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    variants = {augment(IMAGE, np.random.default_rng(seed)).tobytes() for seed in range(10)}
    assert len(variants) == 10


@pytest.mark.parametrize("size", [(1, 1), (8, 300), (90, 60)])
def test_size_and_mode_stay(size):
    for seed in range(5):
        variant = augment(IMAGE.resize(size), np.random.default_rng(seed))
        assert (variant.size, variant.mode) == (size, "RGB")


@pytest.mark.parametrize("colour", [(180, 60, 40), (60, 120, 70), (70, 80, 170), (150, 140, 60)])
def test_hue_and_saturation_stay(colour):
    """A plain mid-tone square, so that nothing is clipped."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*colour)
    square = Image.new("RGB", (24, 24), colour)
    for seed in range(20):
        variant = pixels(augment(square, np.random.default_rng(seed))).mean((0, 1))
        varied_hue, varied_saturation, _ = colorsys.rgb_to_hsv(*variant)
        assert abs(varied_hue - hue) < 0.01
        assert abs(varied_saturation - saturation) < 0.1


def test_about_half_of_the_variants_are_mirrored():
    """Dark on the left, light on the right: a crop keeps the order, a mirror turns it."""
    ramp = np.repeat(np.linspace(60, 180, 64).astype(np.uint8)[None, :, None], 64, 0)
    ramp = Image.fromarray(np.repeat(ramp, 3, 2))
    variants = [pixels(augment(ramp, np.random.default_rng(seed))) for seed in range(100)]
    mirrored = [bool(v[:, :8].mean() > v[:, -8:].mean()) for v in variants]
    assert 35 <= sum(mirrored) <= 65


def test_a_crop_keeps_most_of_the_image_and_its_shape():
    """On a picture of coordinates the corners say what was kept."""
    y, x = np.mgrid[0:200, 0:250].astype(np.uint8)
    grid = Image.fromarray(np.stack([x, y, x], axis=2))
    for seed in range(20):
        cropped = pixels(_crop(grid, np.random.default_rng(seed)))
        width = cropped[100, -2, 0] - cropped[100, 1, 0] + 3
        height = cropped[-2, 125, 1] - cropped[1, 125, 1] + 3
        assert width * height >= 0.97 * LEAST_AREA * 200 * 250
        assert abs(width / height - 1.25) < 0.04
