"""The latest result of something slow, made again where what it depends on has changed."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """One result with the state that it was made of; for many threads, of which one makes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[Hashable, Value] | None = None

    def of(self, state: Hashable, make: Callable[[], Value]) -> Value:
        """Return the result of a state, made unless it is the latest."""
        with self._lock:
            if self._kept is None or self._kept[0] != state:
                self._kept = (state, make())
            return self._kept[1]
