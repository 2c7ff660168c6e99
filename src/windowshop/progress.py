"""Progress of long work: what the library reports to, and the terminal's way of showing it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int, str], None]
"""Called with the number of items done since the last call and a note ("" for none)."""


class Reporter(Protocol):
    """Receives the progress and the notes of long work."""

    def bar(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a bar for `total` items."""
        ...

    def note(self, text: str) -> None:
        """Tell something that the user should know."""
        ...


class SilentReporter:
    """Shows nothing; the default of the Python API."""

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Ignore the items."""
        yield lambda count, text: None

    def note(self, text: str) -> None:
        """Ignore the note."""


class TerminalReporter:
    """Bars with rate and time left on a terminal; one line a bar where output is a file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Show a bar until the block ends."""
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=True),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(name, total=total, note="")

            def advance(count: int, text: str) -> None:
                progress.advance(task, count)
                if text:
                    progress.update(task, note=text)

            yield advance

    def note(self, text: str) -> None:
        """Print the note."""
        self._console.print(text, highlight=False, markup=False)
