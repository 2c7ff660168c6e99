"""Progress of long work: the interface that the library reports to, and its terminal form."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int, str], None]
"""Called with the number of items done since the last call and a note ("" for none)."""

SECONDS_BETWEEN_LINES = 10


class Reporter(Protocol):
    """Receiver of the progress and the notes of long work."""

    def bar(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a bar for `total` items."""
        ...

    def note(self, text: str) -> None:
        """Show a note to the user."""
        ...


class SilentReporter:
    """Reporter that shows nothing, the default of the Python API."""

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Ignore the items."""
        yield lambda count, text: None

    def note(self, text: str) -> None:
        """Ignore the note."""


SILENT = SilentReporter()


class TerminalReporter:
    """Reporter that draws bars on a terminal, and prints a line every 10 s into a file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Show a bar until the block ends."""
        if not self._console.is_terminal:
            yield self._print_lines(name, total)
            return
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
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
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _print_lines(self, name: str, total: int) -> Advance:
        started = printed = time.monotonic()
        done = 0

        def advance(count: int, text: str) -> None:
            nonlocal printed, done
            done += count
            now = time.monotonic()
            if done >= total or now - printed >= SECONDS_BETWEEN_LINES:
                printed = now
                rate = done / max(now - started, 1e-9)
                left = duration((total - done) / rate)
                line = f"{name}: {done}/{total}, {rate:.1f}/s, {left} left"
                self.note(f"{line}  {text}".rstrip())

        return advance


def duration(seconds: float) -> str:
    """Return a rough duration: "40 s", "5 min", "1.5 h", "2 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    if hours < 48:
        return f"{round(2 * hours) / 2:g} h" if hours < 10 else f"{hours:.0f} h"
    return f"{hours / 24:.0f} days"


class RateColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """Show the rate, once there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")
