"""Images to the squares of pixels that encoders look at.

Shapes: S side of a square, C channels.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from PIL import Image

from windowshop.data import fit_square

METADATA = "square"
"""Name under which a graph's metadata holds the `Square` of its encoder."""
MAX_ASPECT = 4
"""Times that an image is as long as wide of which an encoder looks at the middle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Square:
    """A way to make a square of an image: padded with white, its middle, or stretched."""

    side: int
    """Pixels along each side, S."""
    fit: Literal["pad", "middle", "stretch"] = "pad"
    shortest: int = 0
    """Pixels that the shorter edge is scaled to before the middle is cut out."""
    resample: int = int(Image.Resampling.BICUBIC)
    """Filter, as Pillow numbers them."""

    def pixels(self, image: Image.Image) -> np.ndarray:
        """Return the square of an RGB image, uint8 (S, S, C)."""
        if self.fit == "pad":
            return np.asarray(fit_square(image, self.side))
        resample = Image.Resampling(self.resample)
        if self.fit == "stretch":
            return np.asarray(image.resize((self.side, self.side), resample))
        image = middle(image)
        width, height = (
            self.shortest
            if edge == min(image.size)
            else int(self.shortest * edge / min(image.size))
            for edge in image.size
        )
        left, top = (width - self.side) // 2, (height - self.side) // 2
        scaled = image.resize((width, height), resample)
        return np.asarray(scaled.crop((left, top, left + self.side, top + self.side)))

    def to_text(self) -> str:
        """Return it as text for a graph's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, metadata: Mapping[str, str], side: int) -> "Square":
        """Read a graph's metadata; a graph without it pads."""
        return cls(**json.loads(metadata[METADATA])) if METADATA in metadata else cls(side=side)


def middle(image: Image.Image) -> Image.Image:
    """Cut the ends off a long strip: scaled by its shorter edge, it would fill the memory."""
    width, height = image.size
    longest = MAX_ASPECT * min(width, height)
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    if not left and not top:
        return image
    return image.crop((left, top, width - left, height - top))
