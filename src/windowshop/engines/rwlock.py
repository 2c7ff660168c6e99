"""A lock that many readers share and a writer has alone; a waiting writer goes first."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """Lock with many readers or one writer; a thread may not enter it twice."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._num_readers = 0
        self._num_writers = 0
        """Writers that wait, and the one that is in."""
        self._writing = False

    @contextmanager
    def read(self) -> Iterator[None]:
        """Enter beside other readers, once no writer is in or waits."""
        with self._condition:
            self._condition.wait_for(lambda: self._num_writers == 0)
            self._num_readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._num_readers -= 1
                self._condition.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Enter alone, once all others have left."""
        with self._condition:
            self._num_writers += 1
            self._condition.wait_for(lambda: self._num_readers == 0 and not self._writing)
            self._writing = True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._num_writers -= 1
                self._condition.notify_all()
