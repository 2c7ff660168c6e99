"""Thumbnails of product images, the last used kept in memory."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from windowshop.data import BrokenImage, decode, read_bytes
from windowshop.service.http.errors import ServiceError

Read: TypeAlias = Callable[[Path], bytes | BrokenImage]
MIN_SIZE, MAX_SIZE = 16, 1600
QUALITY = 85


class Thumbnails:
    """Cache of thumbnails, made at first use; for many threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._num_bytes = 0

    def etag(self, path: Path, size: int) -> str:
        """Return a tag of file and size; raises ServiceError 404 for a missing file."""
        try:
            status = path.stat()
        except OSError:
            raise no_image("its file is gone") from None
        state = f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{size}"
        digest = hashlib.blake2b(state.encode("utf-8", "surrogateescape"), digest_size=12)
        return f'"{digest.hexdigest()}"'

    def get(self, path: Path, size: int, etag: str, read: Read = read_bytes) -> bytes:
        """Return a JPEG whose longest side is at most `size`; raises ServiceError 404."""
        with self._lock:
            content = self._kept.get(etag)
            if content is not None:
                self._kept.move_to_end(etag)
                return content
        content = _made(read(path), size)
        self._keep(etag, content)
        return content

    def _keep(self, etag: str, content: bytes) -> None:
        with self._lock:
            self._num_bytes += len(content) - len(self._kept.pop(etag, b""))
            self._kept[etag] = content
            while self._num_bytes > self._most:
                self._num_bytes -= len(self._kept.popitem(last=False)[1])


def no_image(reason: str) -> ServiceError:
    """Return the ServiceError 404 of a product without a usable image."""
    return ServiceError(404, "no_photo", f"The product has no image to show: {reason}.")


def _made(content: bytes | BrokenImage, size: int) -> bytes:
    image = content if isinstance(content, BrokenImage) else decode(content, size)
    if isinstance(image, BrokenImage):
        raise no_image(image.kind)
    image.thumbnail((size, size))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
