"""Lock of a report folder, which one study at a time writes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from windowshop import files
from windowshop.errors import ConfigError


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the folder and hold its lock; raises ConfigError where that cannot be done."""
    taken = ConfigError(
        f"{out}: another study is writing it. Wait for that one, or choose another --out."
    )
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(files.locked(out / ".lock", taken))
        except OSError as error:
            raise ConfigError(f"{out}: {error.strerror or error}. Choose another --out.") from None
        yield
