"""Images of an online catalogue: below the data folder, or uploaded with a write.

An uploaded image is a file of the folder of uploads, named by its content hash; a product refers to
it in `image` by `upload:NAME`.
"""

import hashlib
import io
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from windowshop.data import (
    FORMATS,
    MAX_FILE_BYTES,
    BrokenImage,
    decode,
    locate,
    parse_images,
    read_bytes,
)
from windowshop.errors import ConfigError, StorageError
from windowshop.files import write_atomic

Kept: TypeAlias = Callable[[bytes], np.ndarray | None]
"""Features of an image file that are kept, or None."""
UPLOAD = "upload:"
KEPT_PATHS, RECENT_SECONDS = 100_000, 300.0
SUFFIXES = {"MPO": "jpg", "JPEG": "jpg", "TIFF": "tif"}


@dataclass(slots=True)
class OpenedImages:
    """Decoded images of one product that is written."""

    image: str | None
    """Name of the first one, for the product's `image`."""
    pictures: list[Image.Image | np.ndarray] = field(default_factory=list)
    """Those that can be used, or their features where these are kept."""
    problems: list[str] = field(default_factory=list)
    """Names of images that cannot be used, with the reason."""
    _known: set[bytes] = field(default_factory=set)

    @property
    def num_pixels(self) -> int:
        """Pixels of the pictures together."""
        pictures = (picture for picture in self.pictures if isinstance(picture, Image.Image))
        return sum(picture.width * picture.height for picture in pictures)

    def add(
        self, name: str, content: bytes | BrokenImage, side: int, kept: Kept = lambda content: None
    ) -> bool:
        """Decode one more image, unless it repeats another; returns whether it can be used."""
        if isinstance(content, bytes):
            if content in self._known:
                return True
            self._known.add(content)
            features = kept(content)
            if features is not None:
                self.pictures.append(features)
                return True
        picture = decode(content, side) if isinstance(content, bytes) else content
        if isinstance(picture, BrokenImage):
            self.problems.append(f"{name}: {picture.kind} ({picture.detail})")
            return False
        self.pictures.append(picture)
        return True


class ShopImages:
    """Images by the names that products use, for many threads of one process."""

    def __init__(self, data_root: Path, uploads: Path) -> None:
        self._data_root, self._uploads = data_root, uploads
        self._lock = threading.Lock()
        self._recent: dict[str, tuple[Path | None, float]] = {}

    def path(self, image: str | None) -> Path | None:
        """Return an image's file, links resolved; None unless it is inside one of the folders."""
        plain = self._plain(image) if image else None
        if plain is not None:
            return plain
        found = self._locate(image) if image else None
        if not isinstance(found, Path):
            return None
        try:
            return found.resolve() if found.is_file() else None
        except OSError:  # a name that the system cannot hold
            return None

    def recent_path(self, image: str | None) -> Path | None:
        """Return `path`, cached for some minutes: every result of a search needs it."""
        if not image:
            return None
        now = time.monotonic()
        path, until = self._recent.get(image, (None, 0.0))
        if until > now:
            return path
        if len(self._recent) >= KEPT_PATHS:
            self._recent.clear()
        path = self.path(image)
        self._recent[image] = (path, now + RECENT_SECONDS)
        return path

    def open(
        self,
        image: str | None,
        images: str | None,
        sent: bytes | None,
        side: int,
        kept: Kept = lambda content: None,
    ) -> OpenedImages:
        """Decode the images of a product, equal ones once.

        An uploaded one (`sent`) is stored and replaces `image`, unless it is broken. `side` is the
        side of the encoder's input in pixels. What is `kept` of others is not decoded. Raises
        StorageError where it cannot be stored.
        """
        opened = OpenedImages(image)
        if sent is not None and opened.add("the image sent", _within_limit(sent), side):
            opened.image = self._keep(sent)
        elif image:
            opened.add(image, self._read(image), side, kept)
        for name in parse_images(images):
            opened.add(name, self._read(name), side, kept)
        return opened

    def _read(self, image: str) -> bytes | BrokenImage:
        found = self._locate(image)
        if not isinstance(found, Path):
            return found
        if image.startswith(UPLOAD):
            with suppress(OSError, ValueError):  # `read_bytes` returns the reason
                os.utime(found)
        return read_image(image, found)

    def _keep(self, content: bytes) -> str:
        kind = Image.open(io.BytesIO(content), formats=FORMATS).format or ""
        name = f"{_digest(content)}.{SUFFIXES.get(kind, kind.lower())}"
        path = self._uploads / name
        with self._lock:  # two writes may bring the same image
            try:
                is_whole = path.read_bytes() == content
                os.utime(path)  # renew its age for `remove_uploads`
            except OSError:
                is_whole = False
            if not is_whole:
                self._write(path, content)
        return UPLOAD + name

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_atomic(path, lambda aside: aside.write_bytes(content))
        except ConfigError as error:  # the folder is not the user's choice
            raise StorageError(str(error)) from None

    def _plain(self, image: str) -> Path | None:
        """Return the file of a name without links below its folder, else None.

        A short cut for most names: following links takes many times longer.
        """
        root, name = self._data_root, image
        if image.startswith(UPLOAD):
            root, name = self._uploads, image.removeprefix(UPLOAD)
        path, mode = os.path.realpath(root) if root.is_symlink() else str(root), 0
        for part in name.split("/"):
            if part in ("", ".", "..") or "\\" in part or "\0" in part:
                return None
            path = f"{path}/{part}"
            try:
                mode = os.lstat(path).st_mode
            except (OSError, ValueError):
                return None
            if stat.S_ISLNK(mode):
                return None
        return Path(path) if stat.S_ISREG(mode) else None

    def _locate(self, image: str) -> Path | BrokenImage:
        if image.startswith(UPLOAD):
            return locate(self._uploads, image.removeprefix(UPLOAD))
        return locate(self._data_root, image)


def read_image(image: str, path: Path) -> bytes | BrokenImage:
    """Read the file of an image that a product names; an upload must be what was sent."""
    return _as_sent(path) if image.startswith(UPLOAD) else read_bytes(path)


def damaged_uploads(folder: Path, named: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the uploads that products name, a text with the remedy each."""
    for name in sorted(named):
        found = _as_sent(folder / name)
        if isinstance(found, BrokenImage):
            yield (
                f"{folder / name}: is {found.kind} ({found.detail}). Send the products that name "
                "it again, with their image."
            )


def uploads_of(image: str | None, images: str | None) -> set[str]:
    """Return the file names of uploads that a product names."""
    named = [image or "", *parse_images(images)]
    return {Path(name.removeprefix(UPLOAD)).name for name in named if name.startswith(UPLOAD)}


def remove_uploads(folder: Path, kept: Collection[str], before: float) -> int:
    """Remove uploads that are not `kept` and were last named before a time; returns how many.

    `before` is in seconds since 1970.
    """
    num_removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept and path.is_file() and path.stat().st_mtime < before:
            path.unlink()
            num_removed += 1
    return num_removed


def _as_sent(path: Path) -> bytes | BrokenImage:
    """Read an upload; its name is the hash of what was sent."""
    content = read_bytes(path)
    if isinstance(content, bytes) and _digest(content) != path.stem:
        return BrokenImage("damaged", "it is not what was sent")
    return content


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=20).hexdigest()


def _within_limit(content: bytes) -> bytes | BrokenImage:
    if len(content) > MAX_FILE_BYTES:
        return BrokenImage("too large", f"{len(content)} bytes, limit {MAX_FILE_BYTES}")
    return content
