"""Images -> those that look alike, without comparing each with each.

An image's likeness is its perceptual hash (64 bits of its coarse shapes in grey) and a picture of
16 x 16 pixels in colour. Two images are near-duplicates where the hashes differ in few bits and the
small pictures in little. Hashes that differ in at most d bits agree in one of d + 1 bands
(pigeonhole), so only images that share a band are compared.

Shapes: N images, V values of a small picture.
"""

from collections import defaultdict
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

HASH_BYTES = 8
SIDE = 16
MAX_DIFFERENCE = 2.0
"""Mean difference of two small pictures' values, 0 to 255, up to which they look alike.

Sizes and encodings of one image differ in less. Other shoes in the same pose before the same white
have equal hashes, and differ in more.
"""
FLAT_DEVIATION = 3.0
"""Standard deviation of the values, in each colour, up to which a picture is flat."""


def likeness_of(image: Image.Image) -> bytes:
    """Return an image's perceptual hash and its small picture."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    code = np.packbits(np.asarray(imagehash.phash(image).hash)).tobytes()
    return code + (b"\1" if _is_flat(image) else b"\0") + small.tobytes()


def _is_flat(image: Image.Image) -> bool:
    values = np.asarray(image.resize((64, 64), Image.Resampling.NEAREST), dtype=np.float32)
    return bool((values.std(axis=(0, 1)) < FLAT_DEVIATION).all())


@dataclass(frozen=True, slots=True)
class Likenesses:
    """Likenesses of several images, read from their bytes."""

    hash_N: np.ndarray
    is_flat_N: np.ndarray
    picture_NV: np.ndarray
    """Values of the small pictures."""

    @classmethod
    def read(cls, stored: list[bytes]) -> "Likenesses":
        """Read what `likeness_of` returned."""
        width = HASH_BYTES + 1 + 3 * SIDE * SIDE
        values = np.frombuffer(b"".join(stored), dtype=np.uint8).reshape(len(stored), width)
        hashes = np.ascontiguousarray(values[:, :HASH_BYTES]).view(np.uint64).ravel()
        return cls(hashes, values[:, HASH_BYTES].astype(bool), values[:, HASH_BYTES + 1 :])


def alike_groups(likenesses: Likenesses, max_bits: int) -> list[list[int]]:
    """Return groups of images that look alike, each like its first; flat images are in none.

    An image joins the first leader that it is like, or becomes one. So a chain of small changes
    makes no large group, and a picture that comes ten thousand times is compared with one leader.
    """
    hash_N, picture_NV = likenesses.hash_N, likenesses.picture_NV
    leaders: dict[tuple[int, int], list[int]] = defaultdict(list)
    groups: dict[int, list[int]] = {}
    keys_N = list(zip(*(band.tolist() for band in _bands(hash_N, max_bits + 1)), strict=True))
    for image in np.flatnonzero(~likenesses.is_flat_N).tolist():
        keys = list(enumerate(keys_N[image]))
        near = np.array(sorted({c for key in keys for c in leaders.get(key, ())}), dtype=np.int64)
        near = near[np.bitwise_count(hash_N[near] ^ hash_N[image]) <= max_bits]
        apart = np.abs(picture_NV[near].astype(np.int16) - picture_NV[image]).mean(axis=1)
        like = near[apart <= MAX_DIFFERENCE]
        if len(like):
            groups.setdefault(int(like[0]), [int(like[0])]).append(image)
            continue
        for key in keys:
            leaders[key].append(image)
    return list(groups.values())


def _bands(hash_N: np.ndarray, num_bands: int) -> list[np.ndarray]:
    """Split the 64 bits into bands of nearly equal width; one band is the whole hash."""
    edges = np.linspace(0, 64, num_bands + 1).astype(int).tolist()
    return [
        (hash_N >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
