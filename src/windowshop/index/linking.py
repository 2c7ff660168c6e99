"""Catalogues in PostgreSQL by their addresses, wherever an index folder can be named."""

from pathlib import Path

from windowshop.errors import needs_extra
from windowshop.files import INDEX, MANIFEST_FILE, write_manifest
from windowshop.index.folder import IndexManifest

ADDRESSES = ("postgresql://", "postgres://")


def is_address(text: str) -> bool:
    """Return whether a text is the address of a server, not a path."""
    return text.startswith(ADDRESSES)


def index_folder(place: str | Path) -> Path:
    """Return the folder of an index, for an address the local one that stands for it.

    Raises ConfigError for an address that cannot be read, and MissingExtraError where the packages
    for it are missing.
    """
    if isinstance(place, Path) or not is_address(place):
        return Path(place)
    with needs_extra("postgres"):
        from windowshop.index.postgres.link import link_folder, write_link
    folder = link_folder(place)
    folder.mkdir(parents=True, exist_ok=True)
    write_link(folder, place)
    if not (folder / MANIFEST_FILE).exists():
        write_manifest(folder, IndexManifest(), INDEX)
    return folder
