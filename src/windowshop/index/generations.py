"""Generations of an index side by side, one of them current, with rollback.

FOLDER/current.json     the current generation and the one before it
FOLDER/NAME/            a collection (`windowshop.index.catalogue.collection`)
"""

import json
import shutil
from pathlib import Path

from windowshop.errors import EngineError
from windowshop.files import write_json
from windowshop.index.catalogue.snapshot import SNAPSHOT_FILE

CURRENT_FILE = "current.json"


class Generations:
    """Collections of a folder, one of them current; the choice is a file, replaced atomically."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @property
    def current(self) -> str | None:
        """Generation that is searched; None before the first switch."""
        return self._chosen()[0]

    @property
    def previous(self) -> str | None:
        """Generation that `rollback` makes current."""
        return self._chosen()[1]

    def names(self) -> list[str]:
        """Return the names of all generations, complete or not."""
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def path(self, name: str) -> Path:
        """Return the folder of a generation, which need not exist."""
        if not name.isidentifier():
            raise EngineError(f"{name!r} is no name for a generation. Use letters and digits.")
        return self._folder / name

    def switch(self, name: str) -> None:
        """Make a generation current; the current one becomes the previous."""
        if not (self.path(name) / SNAPSHOT_FILE).is_file():
            raise EngineError(
                f"{self.path(name)}: holds no complete collection. Build it and close it, then "
                "switch."
            )
        if name != self.current:
            self._choose(name, self.current)

    def rollback(self) -> str:
        """Swap the current and the previous generation, and return the new current one."""
        current, previous = self._chosen()
        if previous is None or not self.path(previous).is_dir():
            raise EngineError(f"{self._folder}: there is no generation to go back to.")
        self._choose(previous, current)
        return previous

    def drop(self, name: str) -> None:
        """Delete a generation that is not current."""
        current, previous = self._chosen()
        if name == current:
            raise EngineError(f"{name!r} is the current generation. Switch to another one first.")
        if name == previous:
            self._choose(current, None)
        shutil.rmtree(self.path(name))

    def _chosen(self) -> tuple[str | None, str | None]:
        path = self._folder / CURRENT_FILE
        if not path.exists():
            return None, None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return content["current"], content["previous"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(
                f"{path}: cannot be read ({error!r}). Delete it and switch to a generation."
            ) from None

    def _choose(self, current: str | None, previous: str | None) -> None:
        write_json(self._folder / CURRENT_FILE, {"current": current, "previous": previous})
