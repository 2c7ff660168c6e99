"""Files and folders that appear whole or not at all, and manifests that tell damage.

A manifest holds a hash of its own content and, for folders that stay as they are, the size and
hash of every file. It is written last, after the files, so a folder that has one is complete.
"""

import ctypes
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import xxhash
from filelock import FileLock, Timeout

from windowshop.errors import (
    ConfigError,
    ExportError,
    IndexFolderError,
    ModelError,
    StorageError,
    WindowshopError,
    named_shortage,
)

AT_CWD, RENAME_EXCHANGE = -100, 2
"""Arguments of renameat2, of linux/fcntl.h and linux/fs.h."""
CHUNK_BYTES = 1 << 20
"""Bytes of a file that are hashed at a time."""
DEFAULT_CACHE = Path(os.environ.get("WINDOWSHOP_CACHE") or Path.home() / ".cache" / "windowshop")
"""Folder of encoded features where no other is given."""


def write_atomic(
    path: Path, write: Callable[[Path], object], chosen: str = "folder", *, durable: bool = True
) -> None:
    """Let `write` fill a file beside `path`, then rename it into place.

    It is flushed to the disk first, so that it survives a power loss, unless it is not `durable`.
    Raises StorageError where there is no room, ConfigError where it cannot be written otherwise;
    then nothing is left. `chosen` is what the user named, file or folder.
    """
    aside = path.with_name(f".{path.name}.writing")
    try:
        with named_shortage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(aside)
            if durable:
                sync(aside)
            aside.replace(path)
            if durable:
                sync(path.parent)
    except (OSError, StorageError) as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, StorageError):
            raise
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror or error}). Choose another {chosen}."
        ) from None


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`, and rename it to `out` when the block ends."""
    made = out.with_name(f".{out.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    try:
        with named_shortage(out):
            made.mkdir(parents=True)
            yield made
            replace_folder(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def replace_folder(new: Path, out: Path) -> None:
    """Rename the folder `new` to `out`, replacing a folder of that name.

    At no moment is there none, where the file system can exchange two names.
    """
    if not out.exists():
        place_folder(new, out)
        return
    sync_tree(new)
    old = out.parent / f".{out.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if _exchange(new, out):
        new.rename(old)
    else:
        out.rename(old)
        new.rename(out)
    sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change their names in one step; returns whether the system could."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        return False
    failed: int = renameat2(
        AT_CWD, os.fsencode(one.absolute()), AT_CWD, os.fsencode(other.absolute()), RENAME_EXCHANGE
    )
    return failed == 0


def place_folder(new: Path, out: Path) -> None:
    """Rename a folder to a free name, once all of it is on the disk."""
    sync_tree(new)
    new.rename(out)
    sync(out.parent)


def write_json(path: Path, content: object, chosen: str = "folder") -> None:
    """Write a small JSON file with `write_atomic`; a number not finite becomes null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, lambda aside: aside.write_text(text, "utf-8"), chosen)


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with a hash of its content, which `read_sealed` checks."""
    plain = _finite(content)
    write_json(path, {**plain, "hash": content_hash(plain)})


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote; raises ValueError, TypeError or OSError for anything else."""
    content = {**json.loads(path.read_text(encoding="utf-8"))}
    if content.pop("hash", None) != content_hash(content):
        raise ValueError("its content is not what was written")
    return content


def _finite(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def locked(path: Path, taken: WindowshopError) -> Iterator[None]:
    """Hold a lock file within the block; raises `taken` where another process has it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise taken from None
    try:
        yield
    finally:
        lock.release()


def link_file(source: Path, target: Path) -> None:
    """Put a file in another place too: linked where the file system can, else copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of files, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush all files and folders below a folder, and itself, to the disk."""
    for path in folder.rglob("*"):
        if path.is_file() or path.is_dir():
            sync(path)
    sync(folder)


def file_hash(path: Path, num_bytes: int = sys.maxsize) -> str:
    """Hash a file's content, or its first bytes."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(min(CHUNK_BYTES, num_bytes)):
            digest.update(chunk)
            num_bytes -= len(chunk)
    return digest.hexdigest()


MANIFEST_FILE = "manifest.json"
EVERYTHING = ""
"""Part of a folder that is all of it."""
T = TypeVar("T")


class FileRecord(TypedDict):
    """Size and hash of a file as it was written."""

    bytes: int
    hash: str


Files = dict[str, FileRecord]
"""Files of a folder, by their paths in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderKind:
    """Kind of folder: its noun in messages, its manifest, and the command that makes it."""

    noun: str
    format: str
    """Value of `format` in the manifest."""
    command: str
    """Command that makes such a folder."""
    remedy: str
    """Advice about a damaged one."""
    error: type[WindowshopError]
    file: str = MANIFEST_FILE


MODEL = FolderKind(
    noun="a model folder",
    format="windowshop-model/5",
    command="windowshop train",
    remedy="Copy the model again, or remove it and run `windowshop train`.",
    error=ModelError,
)
EXPORT = FolderKind(
    noun="an exported query encoder",
    format="windowshop-export/2",
    command="windowshop export-onnx",
    remedy="Copy the folder again, or run `windowshop export-onnx`.",
    error=ExportError,
    file="export.json",
)
PRODUCTS = FolderKind(
    noun="an export of products",
    format="windowshop-products/1",
    command="windowshop export",
    remedy="Copy the folder again, or run `windowshop export`.",
    error=ExportError,
    file="contents.json",
)
INDEX = FolderKind(
    noun="an index folder",
    format="windowshop-index/4",
    command="windowshop index",
    remedy="Copy the folder again, or run `windowshop index`.",
    error=IndexFolderError,
)


def describe_files(folder: Path) -> Files:
    """Return size and hash of every file below a folder, for a manifest that is written next."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "hash": file_hash(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def content_hash(content: object) -> str:
    """Hash plain values by their JSON text, however it is spaced and ordered."""
    plain = json.loads(json.dumps(content))  # keys of JSON are texts, and its lists no tuples
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(text.encode())


def write_manifest(folder: Path, manifest: Any, kind: FolderKind) -> None:  # noqa: ANN401
    """Write a manifest dataclass with its hash, once all else in the folder is on the disk."""
    content = asdict(manifest)
    content["hash"] = content_hash(content)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    sync_tree(folder)
    write_atomic(folder / kind.file, lambda aside: aside.write_text(text, "utf-8"))


def require_manifest(folder: Path, kind: FolderKind) -> Path:
    """Return the path of a folder's manifest; raises the kind's error where there is none."""
    path = folder / kind.file
    if not path.is_file():
        found = f"no {kind.file}" if folder.exists() else "nothing"
        raise kind.error(
            f"{folder}: found {found}, need {kind.noun}. Make one with `{kind.command}`."
        )
    return path


def is_of_kind(folder: Path, kind: FolderKind) -> bool:
    """Return whether a folder has a manifest of a kind, of whatever version."""
    try:
        content = {**json.loads((folder / kind.file).read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError):
        return False
    return str(content.get("format")).partition("/")[0] == kind.format.partition("/")[0]


def read_manifest(cls: type[T], folder: Path, kind: FolderKind) -> T:
    """Read a manifest as `cls`; raises the kind's error where the folder is not a complete one."""
    content = _read_content(folder, kind)
    try:
        return cls(**content)
    except TypeError as error:
        raise kind.error(f"{folder / kind.file}: cannot be read ({error}). {kind.remedy}") from None


def require_files(folder: Path, kind: FolderKind, *parts: str) -> None:
    """Compare a folder's files with its manifest: all sizes, and the hashes of the given parts.

    A part is a file or a folder, or EVERYTHING. Raises the kind's error for the first difference.
    """
    for path, found in wrong_files(folder, kind, *parts):
        raise kind.error(f"{path}: {found}. {kind.remedy}")


def wrong_files(folder: Path, kind: FolderKind, *parts: str) -> Iterator[tuple[Path, str]]:
    """Yield the files that `require_files` would name, each with what is wrong with it."""
    files: Files = _read_content(folder, kind).get("files", {})
    for name, record in files.items():
        path = folder / name
        hashed = any(part in (EVERYTHING, name) or name.startswith(f"{part}/") for part in parts)
        try:
            size = path.stat().st_size
            if size != record["bytes"]:
                yield path, f"has {size:,} bytes, and {record['bytes']:,} were written"
            elif hashed and file_hash(path) != record["hash"]:
                yield path, "is damaged: its content is not what was written"
        except FileNotFoundError:
            yield path, "is missing"
        except OSError as error:
            yield path, f"cannot be read ({error.strerror or error})"


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """Result of comparing all files of a folder with its manifest."""

    folder: Path
    num_files: int
    damage: tuple[str, ...]
    """Texts that say which file is wrong, how, and what to do."""


def check_folder(folder: Path, kind: FolderKind) -> FolderCheck:
    """Compare all files of a folder, in full, with its manifest, which counts as one of them."""
    try:
        files: Files = _read_content(folder, kind).get("files", {})
        wrong = wrong_files(folder, kind, EVERYTHING)
        damage = tuple(f"{path}: {found}. {kind.remedy}" for path, found in wrong)
    except kind.error as error:
        return FolderCheck(folder, 1, (str(error),))
    return FolderCheck(folder, 1 + len(files), damage)


def _read_content(folder: Path, kind: FolderKind) -> dict[str, Any]:
    """Read a manifest as plain values, without its hash, which is checked."""
    path = require_manifest(folder, kind)
    try:
        content = {**json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise kind.error(f"{path}: cannot be read ({error}). {kind.remedy}") from None
    if content.get("format") != kind.format:
        raise kind.error(
            f"{path}: found format {content.get('format')!r}, this version reads {kind.format}. "
            f"Make another folder with `{kind.command}`."
        )
    if content.pop("hash", None) != content_hash(content):
        raise kind.error(f"{path}: is damaged: its content is not what was written. {kind.remedy}")
    return content
