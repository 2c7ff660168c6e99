"""Catalogues on servers by their addresses, wherever an index folder can be named."""

from pathlib import Path

from windowshop.files import INDEX, MANIFEST_FILE, write_manifest
from windowshop.index.folder import IndexManifest
from windowshop.index.remote import link_folder, remote_catalogue, require_address, write_link


def index_folder(place: str | Path) -> Path:
    """Return the folder of an index, for an address the local one that stands for it.

    Raises ConfigError for an address that cannot be read, and MissingExtraError where the packages
    for it are missing.
    """
    if isinstance(place, Path) or "://" not in place:
        return Path(place)
    require_address(place)
    catalogue = remote_catalogue(place)
    folder = link_folder(catalogue)
    folder.mkdir(parents=True, exist_ok=True)
    write_link(folder, place, catalogue)
    if not (folder / MANIFEST_FILE).exists():
        write_manifest(folder, IndexManifest(), INDEX)
    return folder
