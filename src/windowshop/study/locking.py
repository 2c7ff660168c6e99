"""Lock of a report folder, which one study at a time writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from windowshop.errors import ConfigError


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the folder and hold its lock; raises ConfigError where that cannot be done."""
    lock = FileLock(out / ".lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ConfigError(
            f"{out}: another study is writing it. Wait for that one, or choose another --out."
        ) from None
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror or error}. Choose another --out.") from None
    try:
        yield
    finally:
        lock.release()
