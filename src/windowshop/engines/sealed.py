"""Sizes and hashes of what an engine keeps beside its vectors, noted when it was put on the disk.

NAME.codes, NAME.graph              a file, or a folder that changes while it is open
NAME.codes.json, NAME.graph.json    what was written; absent while the folder is open, and
                                    after a process that was killed with it open
"""

from pathlib import Path

from windowshop.files import describe_files, file_hash, read_sealed, write_sealed

SEAL = ".json"
SMALL_BYTES = 64 * 2**20
"""Hashes are compared at each opening up to so many bytes in all; `check` compares all."""


def seal(path: Path) -> None:
    """Note sizes and hashes of a file, or of all files of a folder."""
    write_sealed(_seal_of(path), {"files": _described(path)})


def unseal(path: Path) -> None:
    """Remove what was noted, before anything changes."""
    _seal_of(path).unlink(missing_ok=True)


def is_sealed(path: Path) -> bool:
    """Return whether there is a note of it."""
    return _seal_of(path).exists()


def difference(path: Path, *, hashed: bool) -> str | None:
    """Return the first difference from what was noted; None where all is as it was.

    Sizes are compared, and hashes where `hashed` is set or the files are small.
    """
    try:
        noted = read_sealed(_seal_of(path))["files"]
        hashed = hashed or sum(record["bytes"] for record in noted.values()) <= SMALL_BYTES
        for name, record in noted.items():
            file = path / name if path.is_dir() else path
            if file.stat().st_size != record["bytes"]:
                return f"{file} has another size than was written"
            if hashed and file_hash(file) != record["hash"]:
                return f"{file} is damaged"
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"{path} cannot be compared with what was written ({error})"
    return None


def damaged_files(folder: Path) -> list[str]:
    """Return what differs in an engine's folder from what was noted when it was closed."""
    paths = [seal.with_suffix("") for seal in sorted(folder.glob(f"*{SEAL}"))]
    found = (difference(path, hashed=True) for path in paths)
    return [text for text in found if text is not None]


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + SEAL)


def _described(path: Path) -> dict[str, object]:
    if path.is_dir():
        return dict(describe_files(path))
    return {path.name: {"bytes": path.stat().st_size, "hash": file_hash(path)}}
