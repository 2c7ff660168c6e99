"""Parts of an import that are written, in a hidden folder: a stopped import goes on after them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.errors import DataError, StorageError
from windowshop.files import (
    EVERYTHING,
    Files,
    FolderKind,
    describe_files,
    locked,
    new_folder,
    read_manifest,
    require_files,
    write_manifest,
)
from windowshop.imports.report import ImportReport
from windowshop.progress import Reporter

WORK = ".import"
"""Beginning of the names of all that an import keeps while it runs."""
PRODUCTS_FILE, IDS_FILE = "products.parquet", "ids.parquet"
_IDS = {"id": pl.UInt64, "content": pl.UInt64}
PART = FolderKind(
    noun="a part of an import",
    format="windowshop-import-part/1",
    command="windowshop import",
    remedy="It and what follows are made again.",
    error=DataError,
    file="part.json",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Manifest of a part: what it was made from, and where the import stood after it."""

    key: str
    """Hash of all that decides the result."""
    num_items: int
    """Items of the source until then, those left out too."""
    report: dict[str, Any]
    files: Files
    format: str = PART.format


class Parts:
    """Finished parts of one import, each with its rows, their ids, and the report until then."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self._key = folder, key
        self.folders: list[Path] = []
        self.last: Part | None = None
        self.images = folder / "images"
        """Images that stand in the source itself."""

    def find(self, reporter: Reporter) -> None:
        """Take up the parts that are whole and of the same key; what else is there is removed."""
        for place in count():
            folder = self._place(place)
            if not folder.is_dir():
                break
            try:
                part = read_manifest(Part, folder, PART)
                require_files(folder, PART, EVERYTHING)
            except DataError as error:
                reporter.note(str(error))
                break
            if part.key != self._key:
                reporter.note(
                    "Starts afresh: the source, the options or the version are not those of the "
                    "import that was stopped here."
                )
                break
            self.folders.append(folder)
            self.last = part
        if self.last is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            return
        for path in [*self.folder.glob("part-*"), *self.folder.glob(".part-*")]:
            if path not in self.folders:
                shutil.rmtree(path)
        reporter.note(
            f"Goes on with the import that was stopped, after {len(self.seen()):,} products."
        )

    def seen(self) -> dict[int, int]:
        """Return the hash of the content by that of the id, for all rows of the parts."""
        found: dict[int, int] = {}
        for folder in self.folders:
            found.update(pl.read_parquet(folder / IDS_FILE).iter_rows())
        return found

    def add(
        self, rows: pl.DataFrame, seen: dict[int, int], num_items: int, report: ImportReport
    ) -> None:
        """Write a part; the last of `seen` are the ids of its rows."""
        folder = self._place(len(self.folders))
        newest = [*islice(reversed(seen.items()), len(rows))][::-1]
        with new_folder(folder) as made:
            rows.write_parquet(made / PRODUCTS_FILE, compression="lz4")
            pl.DataFrame(newest, schema=_IDS, orient="row").write_parquet(made / IDS_FILE)
            part = Part(
                key=self._key,
                num_items=num_items,
                report=report.to_json(),
                files=describe_files(made),
            )
            write_manifest(made, part, PART)
        self.folders.append(folder)

    def _place(self, place: int) -> Path:
        return self.folder / f"part-{place:05}"


@contextmanager
def kept_parts(out: Path, key: str, reporter: Reporter) -> Iterator[Parts]:
    """Yield the parts of an import to `out`, held by this process alone.

    They stay where it is stopped; they go once it has ended, or where it would fail again. Raises
    StorageError where another process imports to the same folder.
    """
    out = out.resolve()
    folder = out.with_name(f".{out.name}{WORK}")
    if out.is_dir() and not os.access(out.parent, os.W_OK):  # a volume of a container
        folder = out / WORK
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock")
    taken = StorageError(
        f"{out}: another import writes it. Wait for that one, or choose another --out."
    )
    with locked(lock, taken):
        parts, is_stopped = Parts(folder, key), False
        try:
            parts.find(reporter)
            yield parts
        except DataError:
            raise
        except BaseException:
            is_stopped = bool(parts.folders)
            raise
        finally:
            if not is_stopped:
                shutil.rmtree(folder, ignore_errors=True)
            lock.unlink()
