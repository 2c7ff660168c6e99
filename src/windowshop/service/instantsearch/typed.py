"""Searches on the way to a query: front ends send one for each letter that a shopper types."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from windowshop.search import Answer, SearchRequest

STILL_SECONDS = 3.0
"""Time without a further letter after which a text is a question of its own."""
MAX_SHOPPERS = 10_000
"""Most shoppers whose latest text waits for the next letter."""


@dataclass(frozen=True, slots=True)
class _Typed:
    answer: Answer
    request: SearchRequest
    time: float


class TypedSearches:
    """Latest text of each shopper, recorded once it is clear whether more was typed; for threads.

    A text that goes on, or of which letters are taken back, is recorded as the follow-up of no
    question of its own: it is neither suggested to others nor judged by what was not clicked.
    """

    def __init__(self, record: Callable[[Answer, SearchRequest, bool], object]) -> None:
        """`record` takes an answer, its request, and whether it is a follow-up."""
        self._record = record
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, _Typed] = OrderedDict()
        """By shopper, the one that waits longest first."""

    def search(self, shopper: str, answer: Answer, request: SearchRequest) -> None:
        """Take a shopper's search; the one before is recorded."""
        with self._lock:
            before = self._waiting.pop(shopper, None)
            self._waiting[shopper] = _Typed(answer, request, time.monotonic())
            most = self._waiting.popitem(last=False)[1] if self._is_full() else None
        if before is not None:
            self._settle(before, is_on_the_way(before.request.query, request.query))
        if most is not None:
            self._settle(most)

    def settle(self, search_id: str) -> None:
        """Record a search now, as a question, because something was done with its results."""
        self._settle_where(lambda one: one.answer.search_id == search_id)

    def tick(self, still: float = STILL_SECONDS) -> None:
        """Record what has waited so long, as questions."""
        until = time.monotonic() - still
        self._settle_where(lambda one: one.time <= until)

    def _is_full(self) -> bool:
        return len(self._waiting) > MAX_SHOPPERS

    def _settle_where(self, is_due: Callable[[_Typed], bool]) -> None:
        with self._lock:
            found = [name for name, one in self._waiting.items() if is_due(one)]
            settled = [self._waiting.pop(name) for name in found]
        for one in settled:
            self._settle(one)

    def _settle(self, one: _Typed, follow_up: bool = False) -> None:
        self._record(one.answer, one.request, follow_up)


def is_on_the_way(before: str | None, after: str | None) -> bool:
    """Return whether one text is the beginning of the other, so that a shopper was still typing."""
    first, second = sorted([(before or "").casefold(), (after or "").casefold()], key=len)
    return bool(first) and first != second and second.startswith(first)
