"""Variants of a product image for training that leave alone what shoppers search for.

A catalogue image may be mirrored, seen from a little nearer, and lit otherwise. Hue and saturation
stay: a red shoe is not an orange one.
"""

import numpy as np
from PIL import Image, ImageEnhance

FLIP_SHARE = 0.5
LEAST_AREA = 0.7
"""A crop keeps this share of the image at the least; its aspect ratio stays."""
BRIGHTNESS = (0.9, 1.1)
CONTRAST = (0.9, 1.1)


def augment(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a variant of an RGB image, of the same size."""
    if rng.random() < FLIP_SHARE:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = _crop(image, rng)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(*BRIGHTNESS))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(*CONTRAST))


def _crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = np.sqrt(rng.uniform(LEAST_AREA, 1))
    width, height = share * image.width, share * image.height
    left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
    box = (left, top, left + width, top + height)
    return image.resize(image.size, Image.Resampling.BICUBIC, box)
