"""Small files of the workbench in the index folder, each sealed by a hash of its content.

    INDEX/workbench/sets/HASH.json        a set of queries, with its judgements
    INDEX/workbench/snapshots/HASH.json   rankings of a set
    INDEX/workbench/edits/HASH.json       the text of a file before its latest edit

HASH is of the name, which stands in the file.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import xxhash

from windowshop.files import read_sealed, write_sealed
from windowshop.service.http.errors import ServiceError

LOG = logging.getLogger(__name__)
FOLDER = "workbench"
MAX_FILES = 200
Head: TypeAlias = dict[str, Any]


class KeptFiles:
    """Files of one kind, by the names that people gave them; for many threads."""

    def __init__(
        self,
        index: Path,
        kind: str,
        most: int | None = MAX_FILES,
        head: Callable[[Mapping[str, Any]], Head] = dict,
    ) -> None:
        """`most` is how many there may be; None where their names are bounded already.

        `head` returns what a list says of a file's content, with its name.
        """
        self._folder, self._noun, self._most = index / FOLDER / kind, kind.removesuffix("s"), most
        self._lock = threading.Lock()
        self._head_of = head
        self._heads: dict[Path, tuple[int, Head | None]] = {}
        """With the time of each file; None where it is damaged."""

    def heads(self) -> tuple[list[Head], list[str]]:
        """Return the head of each file, by name, and what is wrong with damaged files.

        A file is read once, until it changes.
        """
        found, problems = [], []
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            try:
                head = self._head(path)
            except FileNotFoundError:  # deleted meanwhile
                continue
            if head is None:
                problems.append(
                    f"A {self._noun} is damaged: {FOLDER}/{self._folder.name}/{path.name} in the "
                    "index folder. Remove that file."
                )
            else:
                found.append(head)
        return sorted(found, key=lambda head: str(head["name"]).casefold()), problems

    def _head(self, path: Path) -> Head | None:
        written = path.stat().st_mtime_ns
        known = self._heads.get(path)
        if known is None or known[0] != written:
            try:
                head = self._head_of(read_sealed(path))
            except FileNotFoundError:
                raise
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                LOG.error("%s: is damaged: %s", path, error)
                head = None
            known = self._heads[path] = (written, head)
        return known[1]

    def written(self, name: str) -> int:
        """Return the time of a file in nanoseconds; 0 where there is none."""
        try:
            return self._path(name).stat().st_mtime_ns
        except OSError:
            return 0

    def has(self, name: str) -> bool:
        """Return whether there is a file of a name."""
        return self._path(name).exists()

    def read(self, name: str) -> dict[str, Any]:
        """Return a file's content.

        Raises ServiceError 404 where there is none, and 503 where it is not as it was written.
        """
        path = self._path(name)
        try:
            return read_sealed(path)
        except FileNotFoundError:
            raise ServiceError(
                404, f"unknown_{self._noun}", f"There is no {self._noun} {name!r}.", where="name"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            LOG.error("%s: is damaged: %s", path, error)
            message = f"The {self._noun} {name!r} is damaged. Delete it, then save it again."
            raise ServiceError(503, "damaged", message) from None

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a file, in place of one of that name; raises ServiceError 409 beyond `most`."""
        with self._lock:
            path = self._path(name)
            count = len(list(self._folder.glob("*.json")))
            if self._most is not None and count >= self._most and not path.exists():
                raise ServiceError(
                    409, "too_many", f"There are {self._most} {self._noun}s. Delete one first."
                )
            write_sealed(path, {"name": name, **content})

    def delete(self, name: str) -> None:
        """Delete a file, whole or damaged; raises ServiceError 404 where there is none."""
        with self._lock:
            try:
                self._path(name).unlink()
            except FileNotFoundError:
                self.read(name)

    def _path(self, name: str) -> Path:
        return self._folder / f"{xxhash.xxh3_128_hexdigest(name.encode())}.json"
