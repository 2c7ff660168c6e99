"""How often shoppers pick in each facet, kept beside the index for the order of the page."""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from windowshop.errors import WindowshopError
from windowshop.files import write_atomic

LOG = logging.getLogger(__name__)
USE_FILE = "facet_use.json"
MIN_PICKS = 30
"""Picks from which the order follows them."""
MAX_PICKS = 10_000
"""Picks from which earlier ones count half."""
SAVE_SECONDS = 60.0


class FacetUse:
    """Counts of picks by column; for many threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / USE_FILE
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter(_read(self._path))
        self._is_saved, self._saved = True, time.monotonic()

    def picked(self, columns: Iterable[str]) -> None:
        """Count one pick in each of the columns."""
        with self._lock:
            self._counts.update(list(columns))
            self._is_saved = False
            if self._counts.total() > MAX_PICKS:
                self._counts = Counter({name: n // 2 for name, n in self._counts.items() if n > 1})

    def ordered(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that are used more first; unused ones keep their places behind."""
        with self._lock:
            counts = {name: self._counts[name] for name in columns}
        if sum(counts.values()) < MIN_PICKS:
            return list(columns)
        return sorted(columns, key=lambda name: -counts[name])

    def save(self, *, by_now: bool = False) -> None:
        """Write the counts where they changed, at most once a minute unless `by_now`."""
        if self._is_saved or not (by_now or time.monotonic() - self._saved >= SAVE_SECONDS):
            return
        with self._lock:
            text = json.dumps(dict(self._counts))
            self._is_saved, self._saved = True, time.monotonic()
        try:
            write_atomic(self._path, lambda path: path.write_text(text, encoding="utf-8"))
        except WindowshopError as error:
            self._is_saved = False
            LOG.warning("%s cannot be written: %s", USE_FILE, error)


def _read(path: Path) -> dict[str, int]:
    """Return the counts of a file; none where it is not there or is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(count) for name, count in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
