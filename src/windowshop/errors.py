"""Named errors. Each message says where, what was found, and what to do."""

import errno
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


class WindowshopError(Exception):
    """Base of every error that a user can fix; the command line prints it without a traceback."""


class DataError(WindowshopError):
    """A data set cannot be read, or lacks what a command needs."""


class ConfigError(WindowshopError):
    """A setting is unknown, out of range, or disagrees with another one."""


class EncoderError(WindowshopError):
    """An encoder cannot be found or loaded, or gives unusable features."""


class ModelError(WindowshopError):
    """A model folder is missing, incomplete, or of another format."""


class DistributedError(WindowshopError):
    """The processes that train one model together cannot reach each other, or differ."""


class ExportError(WindowshopError):
    """A query encoder cannot be exported, or its folder is missing, damaged or of another model."""


class IndexFolderError(WindowshopError):
    """An index folder is missing, incomplete, or of another format."""


class FilterError(WindowshopError):
    """A filter expression cannot be parsed, or names a column that the index lacks."""


class SearchError(WindowshopError):
    """A search request cannot be answered as it stands."""


class EngineError(WindowshopError):
    """A search engine's files cannot be used, or a call names products or vectors that it lacks."""


class MissingExtraError(WindowshopError):
    """A package of one of windowshop's extras is not installed."""


def first_line(error: object) -> str:
    """Return the first line of a library's message, to stand within one of ours."""
    return str(error).strip().split("\n")[0].strip(" .")


def plain_address(address: str) -> str:
    """Return an address to stand in a message: without user, password, options and what may be one.

    An address that is not clear beyond its scheme is its scheme alone.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    before, options, after = rest.partition("?")
    if "@" in after:  # of a password with a question mark, or of an option
        return f"{scheme}{separator}..." if scheme else "..."
    return scheme + separator + before.rpartition("@")[2].partition("#")[0]


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Raise MissingExtraError where a package that the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "windowshop") or sys.modules.get(package) is not None:
            raise  # an import that fails within an installed package
        raise MissingExtraError(
            f"This needs the package {error.name!r}. Run pip install 'windowshop[{extra}]'."
        ) from error


class StorageError(WindowshopError):
    """Files cannot be read or written now: no room, no right, or in use by another process."""

    def __init__(self, message: str, *, is_full: bool = False) -> None:
        super().__init__(message)
        self.is_full = is_full


class DamagedError(WindowshopError):
    """Files are not as they were written."""


FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk."""
SHORT = (*FULL, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Error numbers of what the system lacks now and has again later: room, open files, memory."""
OS_ERROR = re.compile(r"\(os error (\d+)\)")
LEAST_ROOM = 1 << 20
"""Bytes of a disk below which an error that a library does not explain is taken for a full disk."""


def storage_error(path: object, error: OSError) -> StorageError:
    """Return the StorageError of a file that cannot be read or written now."""
    is_full = error.errno in FULL
    remedy = "Make room" if is_full else "Wait, or raise the limit,"
    reason = error.strerror or error
    return StorageError(f"{path}: {reason}. {remedy} and try again.", is_full=is_full)


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a sentence with a space before it that names the known name nearest to one, or ""."""
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


@contextmanager
def named_shortage(path: Path) -> Iterator[None]:
    """Turn a lack of room, memory or open files within the block into a StorageError of `path`.

    Libraries in Rust tell the number of the system's error in a text of their own kind of error, or
    not at all: polars calls a parquet file that found no room one "out of specification".
    """
    try:
        yield
    except Exception as error:
        told = OS_ERROR.search(str(error))
        number = error.errno if isinstance(error, OSError) else told and int(told[1])
        if number is None and _is_of_library(error) and _free_bytes(path) < LEAST_ROOM:
            number = errno.ENOSPC
        if number not in SHORT:
            raise
        raise storage_error(path, OSError(number, os.strerror(number))) from None


def _is_of_library(error: Exception) -> bool:
    return not isinstance(error, WindowshopError) and type(error).__module__ != "builtins"


def _free_bytes(path: Path) -> int:
    """Return the room on the disk of a file or folder, which need not be there yet."""
    place = next(folder for folder in path.absolute().parents if folder.exists())
    return shutil.disk_usage(place).free
