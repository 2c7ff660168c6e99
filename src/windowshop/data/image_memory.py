"""Memory for decoding images: a budget that threads share, and giving back what was freed."""

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DECODE_BYTES = 256 * 2**20
"""Memory for images that are decoded at once; a larger image is decoded alone."""
LARGE_BYTES = 16 * 2**20
"""From here on, memory that was freed is given back to the system."""


class MemoryBudget:
    """Bytes that threads share; each waits, in the order they came, until its bytes are free."""

    def __init__(self, num_bytes: int) -> None:
        self._most = self._free = num_bytes
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, num_bytes: int) -> Iterator[None]:
        """Take bytes inside `with`; one that needs more than there are takes all of them."""
        need, ticket = min(num_bytes, self._most), object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= need)
                self._free -= need
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += need
                self._changed.notify_all()
            if num_bytes >= LARGE_BYTES:
                give_back()


DECODING = MemoryBudget(DECODE_BYTES)
"""Budget of all images that this process decodes."""


def give_back() -> None:
    """Return freed memory to the system, where the C library keeps it (glibc) and can do so."""
    if _TRIM is not None:
        _TRIM(0)


def _find_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
    return trim


_TRIM = _find_trim()
