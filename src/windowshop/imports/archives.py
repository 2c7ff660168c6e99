"""Zip archives of exports, unpacked under limits for as long as they are read."""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from windowshop.errors import DataError

MAX_MEMBERS = 100_000
MIN_BYTES = 1 << 30
"""Bytes that an archive may hold whatever its size."""
MAX_BYTES = 64 << 30
MAX_RATIO = 200
"""Times that an archive may grow; tables shrink to a tenth or so, bombs to a thousandth."""
CHUNK = 1 << 20
_BOOKS = frozenset(("[Content_Types].xml", "mimetype", "xl/workbook.xml"))


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip archive, and not a workbook, which is one inside."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return not _BOOKS & set(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


@contextmanager
def unpacked(path: Path, beside: Path | None = None) -> Iterator[Path]:
    """Yield the one file or the folder that an archive holds; any other path as it is.

    It is unpacked in the folder `beside`, else in that of temporary files. Raises DataError where
    it is encrypted, damaged or grows beyond the limits; errors about its files name the archive.
    """
    if not is_archive(path):
        yield path
        return
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=beside) as made:
        folder = Path(made)
        try:
            _unpack(path, folder)
            files = [file for file in folder.rglob("*") if file.is_file()]
            yield files[0] if len(files) == 1 else folder
        except DataError as error:
            raise DataError(str(error).replace(made, str(path))) from None


def _unpack(path: Path, folder: Path) -> None:
    limit = min(MAX_BYTES, max(MIN_BYTES, MAX_RATIO * path.stat().st_size))
    left = min(limit, shutil.disk_usage(folder).free)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if _is_wanted(member)]
            if not members:
                raise DataError(f"{path}: the archive holds no file. Export it again.")
            if len(members) > MAX_MEMBERS:
                raise DataError(
                    f"{path}: holds {len(members):,} files, at most {MAX_MEMBERS:,} are read. "
                    "Unpack it, and import the folder."
                )
            for member in members:
                left -= _write(archive, member, folder, left)
                if left < 0:
                    raise DataError(
                        f"{path}: holds more than {limit:,} bytes or than the disk has room for. "
                        "Unpack it, and import the folder."
                    )
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the archive is damaged ({error}). Fetch it again.") from None
    except RuntimeError as error:
        raise DataError(f"{path}: {error}. Unpack it, and import the folder.") from None


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a file that stays inside the folder, and no system's own."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    is_outside = not parts or parts[0] == "/" or ":" in parts[0]
    return not member.is_dir() and not is_hidden and not is_outside


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Write a member, and return its size; stops one byte beyond what is left."""
    place = folder.joinpath(*PurePosixPath(member.filename.replace("\\", "/")).parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(member) as source, place.open("wb") as out:
        while size <= left and (chunk := source.read(CHUNK)):
            out.write(chunk)
            size += len(chunk)
    return size
